"""The write and read units of one mail on its way: enqueued, claimed, sent, in history; by step, table and index.

What «a mail of 1 KB» costs depends on what is meant, so both are measured: a row that never exceeds 1,024 bytes as
DynamoDB counts it (names of attributes included, also when it has become a row of history), and a mail whose text alone
has 1,024 bytes. The same at 20 KB. Mails are sent one in a batch and no rate: what a batch shares is counted apart.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from outbox import Mail, Outbox
from outbox.adapters import aws
from outbox.adapters.checks import DynamoChecks
from outbox.adapters.control import DynamoRegister
from outbox.adapters.dynamodb import DynamoStore
from outbox.core import clock, transitions
from outbox.core.rate import Rate
from outbox.core.retention import Retention
from outbox.core.row import Row
from outbox.core.transitions import Stamp
from outbox.flows.limiter import SharedLimiter
from outbox.local.stack import LocalStack
from outbox.testing import FakeMailApi, item_size
from tests.bench import rig
from tests.bench.counted import KB, Counted, Units
from tests.bench.effort import Effort
from tests.conftest import make_mail
from tests.storm import crew

STEPS = {"put_item": "enqueue", "update_item": "claim", "transact_write_items": "settle"}


def measure(effort: Effort) -> dict[str, Any]:
    """Send one mail of each size, all that it consumes counted."""
    with LocalStack(sandbox_arguments=rig.NO_RATE) as stack:
        crew.take_over(stack)
        way = _Way(stack)
        cases = {}
        for name, mail in mails().items():
            effort.say(f"units: {name}")
            cases[name] = way.send(mail)
        keyed = way.send(mails()["row_1kb"], key="order-42")
        return {**cases, "with_key_more": keyed["writes"] - cases["row_1kb"]["writes"], "shared": way.shared()}


def mails() -> dict[str, Mail]:
    """Make the mails that are measured."""
    return {
        "row_1kb": _fitting(KB),
        "text_1kb": _mail(KB),
        "row_20kb": _fitting(20 * KB),
        "text_20kb": _mail(20 * KB),
    }


def largest(mail: Mail) -> int:
    """Count the bytes of the largest form of a mail's row: that of history."""
    row, now = rig.rows_of([mail])[0], clock.now()
    claimed = transitions.claim(row, now, timedelta(seconds=180), "0" * 12)[1].applied(row)
    return item_size(transitions.sent(Row(claimed), "1234567890", Stamp(now, "deliver"), Retention(400)))


class _Way:
    """The way of a mail on the tables of a stack, each client counted."""

    def __init__(self, stack: LocalStack) -> None:
        info, session = stack.info, stack.session()
        client: Any = aws.dynamodb(session, endpoint_url=info.aws_endpoint_url)
        self.counted, self.names = Counted(client), {info.outbox_table: "outbox", info.history_table: "history"}
        self.names |= {info.control_table: "control", info.suppression_table: "suppressions"}
        self.register = DynamoRegister(client, info.control_table)
        self.store = DynamoStore(client, info.outbox_table, info.history_table)
        self.outbox = Outbox(store=self.store, actor="application")
        checks = DynamoChecks(client, info.history_table, info.suppression_table)
        tables = rig.Tables(_Steps(self.store, self.counted), self.register, _Steps(checks, self.counted))
        self.flow = rig.deliver(tables, FakeMailApi(), threads=1)
        # The switch is read once a batch and in two seconds, by all: no mail's own unit.
        self.flow.sender.switch.stopped()

    def send(self, mail: Mail, key: str | None = None) -> dict[str, Any]:
        """Enqueue and deliver one mail; give its sizes and units."""
        self.counted.write.clear()
        self.counted.read.clear()
        with self.counted.step("enqueue"):
            receipt = self.outbox.enqueue(mail, idempotency_key=key)
        row = self.store.get(receipt.id)
        assert row is not None
        self.counted.read.clear()
        rig.hear(self.flow, rig.event_of([row]))
        finished = self.store.get_finished(receipt.id)
        assert finished is not None
        writes, reads = self._named(self.counted.write), self._named(self.counted.read)
        reads.pop("other", None)
        return {
            "text_bytes": len(mail.text.encode()),
            "row_bytes": item_size(row),
            "history_bytes": item_size(finished),
            "writes": sum(sum(step.values()) for step in writes.values()),
            "reads": sum(sum(step.values()) for step in reads.values()),
            "write_units": writes,
            "read_units": reads,
        }

    def shared(self) -> dict[str, Any]:
        """Give the units of what a whole batch shares: its slots, and a look at the switch."""
        self.counted.write.clear()
        self.counted.read.clear()
        with self.counted.step("book"):
            SharedLimiter(self.register, clock.now, Rate(500, 5), lambda _: None).book(10, urgent=False)
        with self.counted.step("switch"):
            self.register.get("switch")
        return {"writes": self._named(self.counted.write), "reads": self._named(self.counted.read)}

    def _named(self, units: Units) -> dict[str, dict[str, float]]:
        return {step: {self._place(place): float(n) for place, n in by.items()} for step, by in units.items() if by}

    def _place(self, place: str) -> str:
        table, *index = place.split("/")
        return "/".join((self.names[table], *index))


class _Steps:
    """Names the step of each call of a store."""

    NAMES: Mapping[str, str] = {"update": "claim", "finish": "settle", "look": "check"}

    def __init__(self, target: Any, counted: Counted) -> None:
        self._target, self._counted = target, counted

    def __getattr__(self, name: str) -> Any:
        def named(*args: Any, **more: Any) -> Any:
            with self._counted.step(self.NAMES.get(name, "other")):
                return getattr(self._target, name)(*args, **more)

        return named


def _mail(text: int) -> Mail:
    return make_mail(subject="Thank you for your order", text=("Thank you for your order. " * (text // 26 + 1))[:text])


def _fitting(size: int) -> Mail:
    """Make the mail whose row comes up to a size."""
    room = size - largest(_mail(1)) + 1
    mail = _mail(room)
    assert largest(mail) == size, largest(mail)
    return mail
