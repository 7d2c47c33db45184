"""Processes that work for a running stack in place of its functions: started, killed, started again, and ended."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from outbox.local.keeper import PASSED_ON
from outbox.local.stack import LocalStack

ROOT = Path(__file__).parents[2]


def take_over(stack: LocalStack) -> None:
    """Take stream and schedule away from the stack's own functions: the processes do their work."""
    functions, scheduler = stack.client("lambda"), stack.client("scheduler")
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        functions.delete_event_source_mapping(UUID=mapping["UUID"])
    for schedule in scheduler.list_schedules()["Schedules"]:
        scheduler.delete_schedule(Name=schedule["Name"], GroupName=schedule["GroupName"])


def environment(stack: LocalStack, **settings: object) -> dict[str, str]:
    """Give a worker's environment: the stack's tables and mail API, nothing of the shell's."""
    info = stack.info
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return passed_on | {
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "AWS_ENDPOINT_URL": info.aws_endpoint_url,
        "AWS_DEFAULT_REGION": info.region,
        "AWS_ACCESS_KEY_ID": info.aws_access_key_id,
        "AWS_SECRET_ACCESS_KEY": info.aws_secret_access_key,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "OUTBOX_TABLE": info.outbox_table,
        "OUTBOX_HISTORY_TABLE": info.history_table,
        "OUTBOX_CONTROL_TABLE": info.control_table,
        "OUTBOX_SUPPRESSION_TABLE": info.suppression_table,
        "OUTBOX_BUCKET": info.files_bucket,
        "OUTBOX_MAIL_API_URL": info.mail_api_url,
        "OUTBOX_SECRET_ID": info.secret_id,
        **{f"OUTBOX_{name.upper()}": str(value) for name, value in settings.items()},
    }


class Crew:
    """Workers by name (`deliver-0`, `dispatch-0`); none of them outlives this process."""

    def __init__(self, names: list[str], environment: Mapping[str, str], directory: Path) -> None:
        self.names, self._environment, self._directory = names, dict(environment), directory
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.kills = 0

    def __enter__(self) -> Self:
        for name in self.names:
            self._start(name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._running.values():
            process.kill()
        for process in self._running.values():
            self._gone(process)

    def kill(self, name: str) -> None:
        """Kill one with SIGKILL, wherever it is, and start it again."""
        self._running[name].kill()
        self._gone(self._running[name])
        self.kills += 1
        self._start(name)

    def dead(self) -> list[str]:
        """Name those that ended by themselves, which none should."""
        return [name for name, process in self._running.items() if process.poll() is not None]

    def said(self) -> list[dict[str, Any]]:
        """Read what all of them logged; a line that a kill cut off is left out."""
        lines = []
        for path in sorted(self._directory.glob("*.log")):
            for line in path.read_text(errors="replace").splitlines():
                try:
                    lines.append(json.loads(line))
                except ValueError:
                    continue
        return [line for line in lines if isinstance(line, dict)]

    def counted(self) -> Counter[str]:
        """Count what they logged by event."""
        return Counter(str(line.get("event")) for line in self.said())

    def tail(self, size: int = 3000) -> str:
        """Give the last characters of each one's log."""
        return "\n".join(path.read_text(errors="replace")[-size:] for path in sorted(self._directory.glob("*.log")))

    def _start(self, name: str) -> None:
        with (self._directory / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", "tests.storm.worker", name.partition("-")[0], name],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self._directory,
                env=self._environment,
            )

    @staticmethod
    def _gone(process: subprocess.Popen[bytes]) -> None:
        process.wait()
        if process.stdin:
            process.stdin.close()
