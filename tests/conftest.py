"""What tests share: a mail with defaults, and a whole service on memory."""

import functools
import gc
import logging
import os
import random
import signal
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import structlog
from hypothesis import settings

from outbox import Mail, Outbox
from outbox.core.doorbell import Doorbell, listen
from outbox.core.outcomes import Terms
from outbox.core.ports import Unlimited
from outbox.core.retention import Retention
from outbox.core.row import Row
from outbox.flows.deliver import Deliver
from outbox.flows.dispatch import Dispatch
from outbox.flows.reconcile import Reconcile
from outbox.flows.send import Sender
from outbox.flows.support import Support
from outbox.flows.suppression import NoSuppression
from outbox.flows.switch import SharedSwitch
from outbox.testing import (
    FakeMailApi,
    FakeRecords,
    MemoryChecks,
    MemoryFiles,
    MemoryRegister,
    MemoryStore,
    TickingClock,
)

# On a busy machine a slow example says nothing about the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


# Each session of botocore would read the models of its services anew, most of the cost of making a client.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)


def pytest_configure(config: pytest.Config) -> None:
    """Keep compiled modules in pytest's cache if the shell forbids Python to write them beside the sources.

    Otherwise each of the processes that the tests start compiles the same thousands of files.
    """
    if sys.dont_write_bytecode:
        directory = str(config.rootpath / ".pytest_cache" / "bytecode")
        sys.dont_write_bytecode, sys.pycache_prefix = False, directory
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = directory


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Spare the garbage collector what is collected once and stays: thousands of tests and all that they import."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


# Where tests are started in the background, the shell has them ignore Ctrl-C, and with them all they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def quiet(*_args: object) -> dict[str, Any]:
    """Drop a log line: only the tests of the logs look at them."""
    raise structlog.DropEvent


class Scratch:
    """The temporary directory of the tests of one process, and after which test each thing in it was first seen."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._seen = directory, dict[str, str]()

    def look(self, test: str) -> None:
        for each in self._directory.iterdir():
            self._seen.setdefault(each.name, test)

    def left(self) -> list[str]:
        return [f"{each.name}, first seen after {self._seen.get(each.name)}" for each in self._directory.iterdir()]


@pytest.fixture(scope="session", autouse=True)
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scratch]:
    """Give all tests and what they start one temporary directory, and fail if anything is left in it at the end."""
    directory = tmp_path_factory.mktemp("scratch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(directory))
        patch.setattr(tempfile, "tempdir", None)
        scratch = Scratch(directory)
        yield scratch
    assert scratch.left() == []


@pytest.fixture(autouse=True)
def no_leftovers(scratch: Scratch, request: pytest.FixtureRequest) -> Iterator[None]:
    """Give each test logging and chance as they were."""
    structlog.configure(processors=[quiet])
    state = random.getstate()
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    random.setstate(state)
    logging.root.handlers, logging.root.level = handlers, level
    structlog.reset_defaults()
    scratch.look(request.node.nodeid)


def make_mail(**parts: Any) -> Mail:
    """Make a mail in which only what a test cares about is said."""
    defaults: dict[str, Any] = {"sender": "Shop <shop@example.com>", "to": "taro@example.com", "subject": "Hello"}
    if not parts.keys() & {"text", "html"}:
        defaults["text"] = "Good morning."
    return Mail(**defaults | parts)


@pytest.fixture
def mail() -> Callable[..., Mail]:
    """Give the factory of mails."""
    return make_mail


@dataclass
class Service:
    """The whole service on memory, with the stream in the test's hand."""

    store: Any
    api: FakeMailApi
    clock: TickingClock
    threads: int = 4
    heard: int = 0
    limiter: Any = None
    look_up_minutes: float = 15
    started: int = 0
    records: FakeRecords = field(default_factory=FakeRecords)
    register: Any = field(default_factory=MemoryRegister)
    files: Any = field(default_factory=MemoryFiles)
    suppression: Any = field(default_factory=NoSuppression)
    keep: Retention = field(default_factory=lambda: Retention(400))

    def __post_init__(self) -> None:
        self.outbox = Outbox(store=self.store, files=self.files, now=self.clock, actor="tester")
        self.support = Support(self.store, self.clock, self.keep)
        self.switch = SharedSwitch(self.register, self.clock)

    def sender(self, who: str = "deliver") -> Sender:
        limiter = self.limiter or Unlimited()
        window = timedelta(minutes=self.look_up_minutes)
        return Sender(
            self.store,
            self.api,
            self.clock,
            self.switch,
            limiter,
            self.pause,
            who,
            180.0,
            Terms(self.keep, window),
            MemoryChecks(self.store, getattr(self.suppression, "suppressions", None)),
            self.files,
        )

    def pause(self, seconds: float) -> None:
        """Wait without waiting."""
        self.clock.forward(seconds=seconds)

    @property
    def deadline(self) -> float:
        return self.clock().timestamp() + 120

    def doorbells(self, *, all_of_them: bool = False) -> list[Doorbell]:
        """Give the doorbells of the changes since the last time, or of all changes ever."""
        changes = self.store.changes[0 if all_of_them else self.heard :]
        self.heard = len(self.store.changes)
        return [bell for change in changes if (bell := listen(change.before, change.after))]

    def deliver(self, doorbells: list[Doorbell] | None = None) -> set[int]:
        """Answer doorbells, those of the changes since the last time unless given."""
        bells = self.doorbells() if doorbells is None else doorbells
        return Deliver(self.sender(), self.threads, self.start_dispatch)(bells, self.deadline)

    def start_dispatch(self) -> None:
        self.started += 1

    def ring_until_quiet(self, rounds: int = 20) -> None:
        """Answer doorbells until no write rings any more; a loop fails the test."""
        for _ in range(rounds):
            if not (bells := self.doorbells()):
                return
            self.deliver(bells)
        pytest.fail("the service's own writes keep ringing")

    def dispatch(self) -> dict[str, int]:
        sender = self.sender("dispatch")
        reconcile = Reconcile(
            self.store, self.records, sender.limiter, self.clock, self.pause, "dispatch", 180.0, self.keep, self.files
        )
        return Dispatch(sender, reconcile, self.register, self.start_dispatch, self.threads)(self.deadline)

    def row(self, mail_id: str) -> Row:
        return self.support.show(mail_id)

    def status(self, mail_id: str) -> str:
        return str(self.row(mail_id).item["status"])


@pytest.fixture
def service() -> Service:
    """Give the whole service on memory."""
    return Service(MemoryStore(), FakeMailApi(), TickingClock())


@pytest.fixture(scope="session")
def local_stack() -> Iterator[Any]:
    """Start the whole service once: embedded AWS, the real template, the sandbox."""
    from outbox.local.stack import LocalStack

    # Tests say themselves what is slow; what they do not look at is out of their way.
    fast = {"LookUpMinutes": "0", "RatePerMinute": "60000", "RateBurst": "1000"}
    with LocalStack(parameters=fast, sandbox_arguments=("--rate-per-minute", "60000")) as stack:
        yield stack
