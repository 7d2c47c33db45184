"""A world around the service that can be broken: ports with numbered calls, an API with bad days, raw hands, time."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

from outbox import Outbox
from outbox.adapters.dynamodb import DynamoStore
from outbox.adapters.wire import from_wire, to_wire
from outbox.core import clock as clocks
from outbox.core.doorbell import Doorbell, listen
from outbox.core.errors import OutcomeUnknown, Rejected, Stop, TryLater
from outbox.core.mail import Mail
from outbox.core.mail_api import Accepted, Seen
from outbox.core.row import Item
from outbox.core.states import PROBLEMS
from outbox.flows.dispatch import Dispatch
from outbox.flows.reconcile import Reconcile
from outbox.flows.support import Support
from outbox.flows.suppression import SuppressionList
from outbox.flows.switch import SharedSwitch
from outbox.testing import (
    Change,
    FakeMailApi,
    FakeRecords,
    MemoryFiles,
    MemoryRegister,
    MemoryStore,
    MemorySuppressions,
    TickingClock,
)
from tests.attack.effects import Died, Effects, Fault, Inline
from tests.conftest import Service

LEASE = 180.0


class TableStore(DynamoStore):
    """DynamoDB with a stream that a test can read, and with the raw hands the memory store has."""

    def __init__(self, client: Any) -> None:
        super().__init__(client, "outbox", "history")
        self.changes: list[Change] = []

    def add(self, item: Item, *, once: bool) -> None:
        with self._noted(str(item["id"])):
            super().add(item, once=once)

    def update(self, mail_id: str, *args: Any) -> Item:
        with self._noted(mail_id):
            return super().update(mail_id, *args)

    def finish(self, mail_id: str, *args: Any, **more: Any) -> None:
        with self._noted(mail_id):
            super().finish(mail_id, *args, **more)

    def reopen(self, finished: Item, *args: Any) -> None:
        with self._noted(str(finished["id"])):
            super().reopen(finished, *args)

    def drop(self, mail_id: str, *args: Any) -> None:
        with self._noted(mail_id):
            super().drop(mail_id, *args)

    def put(self, item: Item) -> None:
        with self._noted(str(item["id"])):
            self.client.put_item(TableName=self.outbox, Item=to_wire(item))

    def edit(self, mail_id: str, **attributes: Any) -> None:
        item = {**(self.get(mail_id) or {}), **attributes}
        self.put({name: value for name, value in item.items() if value is not None})

    def remove(self, mail_id: str) -> None:
        with self._noted(mail_id):
            self.client.delete_item(TableName=self.outbox, Key=to_wire({"id": mail_id}))

    @contextmanager
    def _noted(self, mail_id: str) -> Iterator[None]:
        before = self.get(mail_id)
        try:
            yield
        finally:
            after = self.get(mail_id)
            if before != after:
                name = "MODIFY" if before and after else "INSERT" if after else "REMOVE"
                self.changes.append(Change(name, before, after))


def everything(store: Any, table: str) -> Mapping[str, Item]:
    """Give all rows of a table by id."""
    if isinstance(store, MemoryStore):
        return getattr(store, table)
    pages = store.client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    rows = [from_wire(attributes) for page in pages for attributes in page["Items"]]
    return {row["id"]: row for row in rows}


@dataclass
class Worker(Service):
    """The service as one process runs it: one thread, calls in one order."""

    effects: Effects | None = None

    def __post_init__(self) -> None:
        self.support = Support(self.store, self.clock, self.keep)
        self.switch = SharedSwitch(self.register, self.clock)

    @cached_property
    def outbox(self) -> Outbox:
        """The client an application has; its settings take longer to read than all the rest."""
        return Outbox(store=self.store, files=self.files, now=self.clock, actor="tester")

    def start_dispatch(self) -> None:
        super_start = super().start_dispatch
        if self.effects is None:
            super_start()
        else:
            self.effects.call("starter", "start", super_start)

    def dispatch(self) -> dict[str, int]:
        sender = self.sender("dispatch")
        reconcile = Reconcile(
            self.store, self.records, sender.limiter, self.clock, self.pause, "dispatch", LEASE, self.keep, self.files
        )
        run = Dispatch(sender, reconcile, self.register, self.start_dispatch, self.threads, pool=Inline)
        return run(self.deadline)


class RecordingApi(FakeMailApi):
    """An API whose records show everything it took."""

    def __init__(self, records: FakeRecords, clock: TickingClock) -> None:
        super().__init__()
        self._records, self._time = records, clock

    def accept(self, mail: Mail) -> Accepted:
        accepted = super().accept(mail)
        self._records.deliveries.append((mail, Seen(accepted.delivery_id, self._time())))
        return accepted


def _raise(error: Exception) -> Any:
    raise error


def _then(error: Exception) -> Callable[["World", Mail], Accepted]:
    def answer(world: "World", mail: Mail) -> Accepted:
        world.api.accept(mail)
        raise error

    return answer


# What the API may make of a call, as the port tells it. An answer that was lost on the way back and one that nobody
# can read (500, 502 with HTML, a reset, 201 without an id) are one and the same here: accepted or not, and no answer.
OUTCOMES: dict[str, Callable[["World", Mail], Accepted]] = {
    "sent": lambda world, mail: world.api.accept(mail),
    "sent, the last of the minute": lambda world, mail: Accepted(world.api.accept(mail).delivery_id, 0, 20.0),
    "refused": lambda _world, _mail: _raise(Rejected("to: unknown. (400)")),
    "429": lambda _world, _mail: _raise(TryLater("the rate is used up (429).", 30.0)),
    "no connection": lambda _world, _mail: _raise(TryLater("no connection.")),
    "no answer, accepted": _then(OutcomeUnknown("no answer within 30 s.")),
    "no answer, not accepted": lambda _world, _mail: _raise(OutcomeUnknown("no answer within 30 s.")),
    "locked": lambda _world, _mail: _raise(Stop("the account is locked (423).")),
    "a bug after it was accepted": _then(RuntimeError("bug")),
}


class World:
    """Everything outside the code: two tables, the API and its records, the register, the time."""

    def __init__(self, store: Any = None, *, window: float = 15) -> None:
        self.store = MemoryStore() if store is None else store
        self.clock, self.records, self.register = TickingClock(), FakeRecords(), MemoryRegister()
        self.files, self.suppressions = MemoryFiles(), MemorySuppressions()
        self.api = RecordingApi(self.records, self.clock)
        self.window = window
        self.limiter_of: Callable[[World, Any], Any] = lambda _world, _register: None
        self.heard = 0
        self.effects = Effects()
        self.calm = self._worker(None)
        self.worker = self._worker(self.effects)

    def _worker(self, effects: Effects | None) -> Worker:
        def watched(port: str, thing: Any) -> Any:
            return effects.watch(port, thing) if effects else thing

        register = watched("register", self.register)
        return Worker(
            watched("store", self.store),
            watched("api", self.api),
            self.clock,
            1,
            limiter=self.limiter_of(self, register),
            look_up_minutes=self.window,
            records=watched("records", self.records),
            register=register,
            effects=effects,
            files=watched("files", self.files),
            suppression=SuppressionList(watched("suppressions", self.suppressions), self.clock),
        )

    def restart(self) -> None:
        """Begin with new processes, in which nothing goes wrong."""
        self.effects = Effects()
        self.calm, self.worker = self._worker(None), self._worker(self.effects)

    def run(self, act: Callable[["World"], None], fault: Fault | None = None) -> Effects:
        """Run a process of which each call is numbered, with a fault at one of them."""
        self.effects = Effects(fault)
        self.worker = self._worker(self.effects)
        self.effects.counting = True
        try:
            act(self)
        except (Died, ConnectionError):
            if not self.effects.struck:
                raise
        ran = self.effects
        self.restart()
        return ran

    def answers(self, outcome: str) -> None:
        """Let the API answer so from now on."""
        self.api.answer = lambda mail: OUTCOMES[outcome](self, mail)

    def bells(self, *, ever: bool = False) -> list[Doorbell]:
        """Give the doorbells of the changes not heard yet, or of all changes ever."""
        changes = self.store.changes[0 if ever else self.heard :]
        self.heard = len(self.store.changes)
        return [bell for change in changes if (bell := listen(change.before, change.after))]

    def recover(self, rounds: int = 60) -> None:
        """Let the world get well: every doorbell rings again, time goes by, dispatch runs, until all is at rest."""
        self.api.answer, self.records.error = None, None
        self.calm.switch.resume("alice")
        for _ in range(rounds):
            self.calm.deliver(self.bells(ever=True))
            self.ring_until_quiet()
            self.calm.dispatch()
            if not (moving := self.moving()):
                break
            dues = [due for row in moving if (due := clocks.parse(row.get("due_at")))]
            self.clock.now = max([self.clock() + timedelta(seconds=61), *dues[:1]])
        self.rest()

    def rest(self) -> None:
        """Days later, and with every doorbell once more, nothing happens any more."""
        before = len(self.store.changes)
        self.clock.forward(days=3)
        for _ in range(2):
            self.calm.deliver(self.bells(ever=True))
            self.calm.dispatch()
            self.ring_until_quiet()
        late = self.store.changes[before:]
        assert not late, f"not at rest: {late}"

    def ring_until_quiet(self, rounds: int = 10) -> None:
        """Answer doorbells until no write rings any more; a loop fails."""
        for _ in range(rounds):
            if not (bells := self.bells()):
                return
            self.calm.deliver(bells)
        raise AssertionError("the service's own writes keep ringing")

    def moving(self) -> list[Item]:
        """Give the rows that are not waiting for a person, the first due first."""
        rows = everything(self.store, "outbox").values()
        return sorted(
            (row for row in rows if row.get("status") not in PROBLEMS), key=lambda row: str(row.get("due_at"))
        )

    def out(self, subject: str) -> int:
        """Count how often a mail went out."""
        return sum(mail.subject == subject for mail in self.api.sent)

    def wait(self, seconds: float) -> None:
        """Wait without waiting."""
        self.clock.forward(seconds=seconds)
