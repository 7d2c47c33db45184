"""However the process that started the stack ends, nothing of the stack survives it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.local import stack_probe as probe
from tests.waiting import SECONDS, wait_for

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

# What a test or a script does: a stack, a function that has run, and then whatever happens.
HOLD = """
import json, signal, time
from outbox.local.stack import LocalStack
from tests.local import stack_probe
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
with LocalStack(code=stack_probe.code()) as stack:
    stack.invoke("deliver", {})
    print(json.dumps(stack.info.as_dict()), flush=True)
    while stack.alive():
        time.sleep(0.1)
"""
UP = "import sys; from outbox.local.up import run_up; sys.exit(run_up(as_json=True))"


class Holder:
    """A process that holds a stack, with what belongs to it."""

    def __init__(self, script: str, directory: Path) -> None:
        """Start the process and wait until its stack is up."""
        self.directory = directory
        path = str(Path(__file__).parents[2])
        environment = os.environ | {"TMPDIR": str(directory), "PYTHONPATH": path}
        self.process = subprocess.Popen(
            [sys.executable, "-c", script],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.info: dict[str, Any] = json.loads(self.process.stdout.readline())
        self.pids = probe.descendants(self.process.pid)

    def send(self, number: signal.Signals) -> None:
        """Signal the holder alone."""
        self.process.send_signal(number)

    def assert_gone(self) -> None:
        """Check that seconds later neither a process nor a file is left."""
        self.process.wait(SECONDS)
        wait_for(lambda: not probe.running(self.pids), told=lambda: str(probe.running(self.pids)))
        wait_for(lambda: not list(self.directory.iterdir()), told=lambda: str(list(self.directory.iterdir())))


@pytest.fixture
def holder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Holder]:
    """Start a stack held by a process of its own; HOLD unless the test asks for another script."""
    held = Holder(getattr(request, "param", HOLD), tmp_path)
    yield held
    held.process.kill()
    held.process.communicate()
    for pid in probe.running(held.pids):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_to_the_holder(holder: Holder, number: signal.Signals) -> None:
    """Killed without a chance to clean up, or asked to end: keeper, AWS, sandbox and worker go too."""
    assert len(holder.pids) >= 4
    holder.send(number)
    holder.assert_gone()


@pytest.mark.parametrize("victim", ["keeper", "aws", "sandbox"])
def test_part_of_the_stack_is_killed(holder: Holder, victim: str) -> None:
    """When one part dies the rest is taken down, and the holder hears of it."""
    os.kill(holder.info["pids"][victim], signal.SIGKILL)
    holder.assert_gone()
    assert holder.process.returncode == 0


def test_holder_and_keeper_are_killed_together(holder: Holder) -> None:
    """Even with nobody left to clean up, the embedded AWS ends itself and takes the files along."""
    os.kill(holder.info["pids"]["keeper"], signal.SIGKILL)
    holder.send(signal.SIGKILL)
    holder.assert_gone()


@pytest.mark.parametrize("holder", [UP], indirect=True)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_up_ends_quietly(holder: Holder, number: signal.Signals) -> None:
    """The command outbox up --json wrote one line, and ends with status 0 when asked to."""
    holder.send(number)
    rest, _ = holder.process.communicate(timeout=SECONDS)
    assert (holder.process.returncode, rest) == (0, "")
    holder.assert_gone()


@pytest.mark.parametrize("holder", [UP], indirect=True)
def test_up_says_when_it_lost_a_part(holder: Holder) -> None:
    """The command outbox up does not sit there as if all were well: it ends with status 1 and a reason."""
    os.kill(holder.info["pids"]["aws"], signal.SIGKILL)
    _, errors = holder.process.communicate(timeout=SECONDS)
    assert holder.process.returncode == 1
    assert "ended by itself" in errors
    holder.assert_gone()


def test_killed_while_starting(tmp_path: Path) -> None:
    """A holder killed before the stack is up leaves nothing either."""
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    process = subprocess.Popen([sys.executable, "-c", UP], env=environment, stdout=subprocess.DEVNULL)
    wait_for(lambda: list(tmp_path.glob("outbox-*/emulator.log")))
    pids = probe.descendants(process.pid)
    process.kill()
    process.wait()
    assert pids
    wait_for(lambda: not probe.running(pids))
    wait_for(lambda: not list(tmp_path.iterdir()))
