"""A terminal on a service in memory: run a command, see its exit status and what it wrote."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from outbox import Outbox
from outbox.cli import program
from outbox.cli.connect import Options
from outbox.core.errors import Rejected
from outbox.core.mail import Mail
from outbox.core.message import Message
from outbox.core.rate import Rate
from outbox.core.retention import Retention
from outbox.core.row import Row
from outbox.testing.bounces import MemorySuppressions
from outbox.wiring.desk import Beside, Desk, Line
from tests.conftest import Service, make_mail
from tests.flows.bounces import bounce


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Read stdout as the one JSON document it must be."""
        return json.loads(self.out)


@dataclass
class Terminal:
    """Runs commands as `alice` on the service in memory."""

    service: Service
    capsys: pytest.CaptureFixture[str]
    store: Any = None
    rate: Rate | None = None
    suppressions: MemorySuppressions = field(default_factory=MemorySuppressions)

    def __call__(self, *arguments: str) -> Ended:
        self.capsys.readouterr()
        status = program.run(arguments, connect=self._connect)
        captured = self.capsys.readouterr()
        return Ended(status, captured.out, captured.err)

    def _connect(self, options: Options, *, control: bool = False) -> Desk:
        store, clock = self.store or self.service.store, self.service.clock
        line = Line(self.service.register, self.rate) if control else None
        beside = Beside(lambda: self.suppressions, lambda: self.service.files)
        return Desk(store, clock, Retention(400), lambda: options.who or "alice", "tables in memory", line, beside)

    @property
    def outbox(self) -> Outbox:
        return self.service.outbox

    def write(self, mail_id: str, **parts: Any) -> str:
        """Write a mail under a chosen id."""
        return self.outbox.enqueue(make_mail(**parts), idempotency_key=mail_id).id

    def write_failed(self, mail_id: str, **parts: Any) -> str:
        """Write a mail the API refused."""
        return self._settled(mail_id, parts, _refuse)

    def write_sent(self, mail_id: str, **parts: Any) -> str:
        """Write a mail the API took."""
        return self._settled(mail_id, parts, None)

    def row(self, mail_id: str) -> Row:
        return self.service.row(mail_id)

    def status(self, mail_id: str) -> str:
        return self.service.status(mail_id)

    def came_back(self, mail_id: str, email: str, kind: str = "HARDERROR", **parts: Any) -> None:
        """Tell of a bounce of a sent mail, as the webhook writes it down."""
        bounce(self.service, parts.pop("delivery_id", self.row(mail_id).delivery_id), email, kind, **parts)

    def _settled(self, mail_id: str, parts: dict[str, Any], answer: Callable[[Mail], Any] | None) -> str:
        self.write(mail_id, **parts)
        self.service.api.answer = answer
        self.service.deliver()
        self.service.api.answer = None
        return mail_id


def _refuse(_: Mail) -> Any:
    message = Message("answer-said", said="to: invalid format.", status=400)
    raise Rejected(message)


@pytest.fixture
def terminal(service: Service, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Give a terminal wide enough for every table, in a zone that is not UTC."""
    monkeypatch.setenv("COLUMNS", "250")
    return Terminal(service, capsys)
