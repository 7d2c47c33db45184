"""Four senders at once on a backlog, the sandbox enforcing the limit: `python -m tests.bench.rate [--seconds N]`.

Two deliver workers, fed from the table's stream, and two dispatchers, each a process built by `outbox.wiring`, share
one limiter. Prints the calls, the 429s and the share of the allowed rate from the first call to the last.
"""

import argparse
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx

from outbox import Outbox
from outbox.local.stack import LocalStack
from tests.conftest import make_mail
from tests.storm import crew, figures

WORKERS = ["deliver-0", "deliver-1", "dispatch-0", "dispatch-1"]
FIRST_CALL_SECONDS = 120


def measure(
    seconds: float, per_minute: int, burst: int, minute: float = 60, algorithm: str = "window"
) -> dict[str, Any]:
    """Send at the limit for so long; `minute` is how long the sandbox's lasts, `per_minute` is meant per 60 s."""
    limit = round(per_minute * minute / 60)
    with (
        tempfile.TemporaryDirectory() as directory,
        LocalStack(sandbox_arguments=("--rate-per-minute", str(limit))) as stack,
        httpx.Client(base_url=stack.info.sandbox_url or "", timeout=30) as sandbox,
    ):
        crew.take_over(stack)
        settings = {"minute_seconds": minute, "rate_algorithm": algorithm}
        sandbox.post("/_sandbox/settings", json=settings).raise_for_status()
        # What the limiter must leave free in 60 s, it must leave free in each of the sandbox's minutes.
        rate = per_minute if minute == 60 else round((limit - 2 * burst) * 60 / minute) + 2 * burst
        environment = crew.environment(stack, rate_per_minute=rate, rate_burst=burst, dispatchers=2)
        over = threading.Event()
        writer = threading.Thread(target=_write, args=(stack, per_minute / 60, over))
        with crew.Crew(WORKERS, environment, Path(directory)) as workers:
            writer.start()
            try:
                stats = _watch(sandbox, seconds)
                assert not workers.dead(), workers.tail()
            finally:
                over.set()
                writer.join()
    sends = stats["sends"]
    lasted = sends["last"] - sends["first"]
    calls = stats["requests"]["allowed"] + stats["requests"]["refused"]
    return {
        "senders": len(WORKERS),
        "seconds": round(lasted),
        "limit": limit,
        "sandbox_minute": minute,
        "algorithm": algorithm,
        "calls": calls,
        "answers_429": stats["requests"]["refused"],
        "busiest_minute": sends["busiest_minute"],
        "share_of_the_rate": round((calls - 1) / (lasted * per_minute / 60), 4),
    }


def _write(stack: LocalStack, per_second: float, over: threading.Event) -> None:
    """Write a backlog of half a minute at once, then a little more than may leave."""
    names = {"table": stack.info.outbox_table, "history_table": stack.info.history_table}
    outbox = Outbox(client=stack.client("dynamodb"), actor="bench", **names)
    began, written = time.monotonic(), 0
    while not over.is_set():
        if written >= per_second * (30 + 1.1 * (time.monotonic() - began)):
            over.wait(0.05)
            continue
        outbox.enqueue(make_mail(subject=f"bench {written}"))
        written += 1


def _watch(sandbox: httpx.Client, seconds: float) -> dict[str, Any]:
    """Wait for the first call, then for so many seconds, and give what the sandbox counted."""
    end = time.monotonic() + FIRST_CALL_SECONDS
    while not (stats := sandbox.get("/_sandbox/stats").json())["sends"]["accepted"]:
        assert time.monotonic() < end, "no call came"
        time.sleep(0.1)
    time.sleep(seconds)
    stats = sandbox.get("/_sandbox/stats").json()
    return dict(stats)


def main() -> None:
    """Measure against both ways of counting a minute."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--per-minute", type=int, default=500)
    parser.add_argument("--burst", type=int, default=5)
    parser.add_argument("--algorithm", choices=("window", "bucket"), default="window")
    asked = parser.parse_args()
    figures.note("rate", measure(asked.seconds, asked.per_minute, asked.burst, algorithm=asked.algorithm))


if __name__ == "__main__":
    main()
