"""One row as a value that calls change, and all who work on it: deliver, dispatch, reconciliation and a person."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import structlog

from outbox.core import clock as clocks
from outbox.core import places
from outbox.core.codes import ErrorCode, EventCode
from outbox.core.doorbell import Ask, Doorbell, listen
from outbox.core.errors import OutboxError, OutcomeUnknown, Rejected
from outbox.core.mail import Mail
from outbox.core.mail_api import Accepted, Seen
from outbox.core.outcomes import Terms
from outbox.core.ports import LONG_AGO, Due, Unlimited
from outbox.core.retention import Retention
from outbox.core.row import Item, Row
from outbox.core.states import PROBLEMS, Status
from outbox.flows.deliver import Deliver
from outbox.flows.dispatch import Dispatch
from outbox.flows.reconcile import Reconcile
from outbox.flows.send import Sender
from outbox.flows.support import Support
from outbox.flows.switch import SharedSwitch
from outbox.testing import (
    Change,
    FakeMailApi,
    FakeRecords,
    MemoryChecks,
    MemoryFiles,
    MemoryRegister,
    MemoryStore,
    TickingClock,
)
from tests.attack.scheduler import Actor, Answer, Call, Explorer, make
from tests.conftest import Service, make_mail

LEASE, KEEP, WINDOW = 180.0, Retention(400), timedelta(minutes=15)
ID, CLAIM = "mail", "claim"


# --- The world, as a value --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class State:
    """Both tables, what rang, what the API took, and the time.

    `asked`: how often a person sent a mail that may have been sent; `by_hand`: a person saved a whole row over another;
    `claims`: how many claims were written.
    """

    number: int
    outbox: dict[str, Item]
    history: dict[str, Item]
    bells: tuple[Doorbell, ...]
    taken: tuple[tuple[Mail, Seen], ...]
    asked: int
    by_hand: bool
    claims: int
    now: datetime


class Numbers:
    """Gives equal things the same number."""

    def __init__(self) -> None:
        self._known: dict[Any, int] = {}

    def of(self, key: Any) -> int:
        return self._known.setdefault(key, len(self._known))


def _bells(changes: Sequence[Change]) -> list[Doorbell]:
    """Give what the stream asks for; what a worker does not look at must not make two worlds of one."""
    bells = [bell for change in changes if (bell := listen(change.before, change.after))]
    return [replace(bell, before={}) if bell.ask is Ask.SEND else bell for bell in bells]


def _key(state: State) -> Any:
    taken = [(mail.text, seen) for mail, seen in state.taken]
    return repr((state.outbox, state.history, state.bells, taken, state.asked, state.by_hand, state.claims, state.now))


# --- The ports of an actor: each call goes through the scheduler ------------------------------------------------------


class Port:
    """Hands every call to the scheduler."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, method: str) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            return make(Call(self._name, method, arguments, tuple(options.items()), self._alone(method, arguments)))

        return call

    def _alone(self, method: str, arguments: tuple[Any, ...]) -> bool:
        """Tell whether a call only looks for other mails: reconciliation asks whose a delivery is."""
        marks = method == "get_finished" and not places.is_mail(arguments[0])
        return self._name == "store" and (marks or method == "has_delivery")


class Api(FakeMailApi):
    """Encodes here, sends through the scheduler."""

    port: Any = None

    def send(self, request):
        return self.port.send(request.parts["mail"])


class LookedUp(FakeRecords):
    """Reads the API's records through the scheduler."""

    def __init__(self, port: Any) -> None:
        self._port, self.error, self.looks = port, None, 0

    @property
    def deliveries(self):
        return self._port.list()


class Team:
    """The real flows on some ports."""

    def __init__(self, store, api, records, clock, who="deliver") -> None:
        self.store, self.clock = store, clock
        self.sender = Sender(
            store,
            api,
            clock,
            SharedSwitch(MemoryRegister(), clock),
            Unlimited(),
            lambda _seconds: None,
            who,
            LEASE,
            Terms(KEEP, WINDOW),
            MemoryChecks(store),
            MemoryFiles(),
        )
        reconcile = Reconcile(
            store, records, Unlimited(), clock, lambda _seconds: None, who, LEASE, KEEP, MemoryFiles()
        )
        self._deliver = Deliver(self.sender, 1, lambda: None)
        self._dispatch = Dispatch(self.sender, reconcile, MemoryRegister(), lambda: None, 1)
        self.support = Support(store, clock, KEEP)

    def deliver(self, bells) -> None:
        if bells:
            self._deliver.answer(bells, LONG_AGO, self._deadline())

    def dispatch(self, entry) -> str:
        if entry is None:
            return ""
        return self._dispatch.act(entry, LONG_AGO, self._deadline(), alone=True)[1]

    def _deadline(self) -> float:
        return self.clock().timestamp() + 120


# --- The actors -------------------------------------------------------------------------------------------------------


def actors_of(clock: TickingClock) -> list[Actor]:
    def team(who: str) -> Team:
        api = Api()
        api.port = Port("api")
        return Team(Port("store"), api, LookedUp(Port("records")), clock, who)

    worker, dispatcher, person = team("deliver"), team("dispatch"), team("alice")

    def deliver() -> None:
        """Answer all that has rung up to now, as a batch that is delivered again."""
        worker.deliver(make(Call("stream", "bells", alone=True)))

    def dispatch() -> None:
        """Come as soon as the row is due."""
        dispatcher.dispatch(make(Call("index", "due", alone=True)))

    def reconcile() -> None:
        """Come so late that a look at the records is the last one."""
        dispatcher.dispatch(make(Call("index", "overdue", alone=True)))

    def act() -> None:
        with suppress(OutboxError):
            PEOPLE[make(Call("hand", "choose", alone=True))](person.support)

    delivers = Actor("deliver", deliver)
    return [delivers, delivers, Actor("dispatch", dispatch), Actor("reconciliation", reconcile), Actor("person", act)]


def _save_whole(_support: Support) -> None:
    """Save the whole row, as a console does, over whatever it has become since it was opened."""
    row = make(Call("hand", "open"))
    if row is not None:
        make(Call("hand", "save", ({**row, "text": "Corrected."},)))


PEOPLE: dict[str, Callable[[Support], Any]] = {
    "edits by hand": lambda _support: make(Call("hand", "edit", ({"text": "Corrected."},))),
    "saves an old tab": _save_whole,
    "notes": lambda _support: make(Call("hand", "edit", ({"memo": "called"},))),
    "resends": lambda support: support.resend(ID, "alice"),
}


# --- What a call does -------------------------------------------------------------------------------------------------

ANSWERS: dict[str, tuple[bool, Exception | None]] = {
    "accepted": (True, None),
    "refused": (False, Rejected("unknown. (400)")),
    "no answer, accepted": (True, OutcomeUnknown("no answer within 30 s.")),
    "no answer, not accepted": (False, OutcomeUnknown("no answer within 30 s.")),
}
# A person who sends a mail in one of these knows that it may have been sent.
MAY_BE_SENT = {Status.UNKNOWN, Status.HELD}
# What sends a mail when it is saved with another text.
SENDS = {Status.PENDING, Status.WAITING, Status.FAILED, Status.UNKNOWN}


class Maker:
    """Makes calls on worlds."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore()
        self.numbers, self.answers = Numbers(), Numbers()

    def world(self, **parts: Any) -> State:
        state = State(0, **parts)
        return replace(state, number=self.numbers.of(_key(state)))

    def __call__(self, world: State, actor: Actor, call: Call) -> list[tuple[State, Answer]]:
        if call.port == "api":
            return [self._made(world, actor, call, answer) for answer in ANSWERS]
        if call.method == "choose":
            return [(world, self._answer(person, None, world)) for person in PEOPLE]
        return [self._made(world, actor, call)]

    def _made(self, world: State, actor: Actor, call: Call, *more: str) -> tuple[State, Answer]:
        value, error = None, None
        try:
            world, value = getattr(self, f"_{call.port}")(world, actor, call, *more)
        except OutboxError as raised:
            error = raised
        if isinstance(value, Exception):
            value, error = None, value
        return world, self._answer(value, error, world)

    def _answer(self, value: Any, error: Exception | None, world: State) -> Answer:
        told = value if error is None else (type(error).__name__, str(error), getattr(error, "row", None))
        return Answer(value, error, world.now, self.answers.of(repr((told, world.now))))

    def _store(self, world: State, actor: Actor, call: Call) -> tuple[State, Any]:
        def act(store: MemoryStore) -> Any:
            return getattr(store, call.method)(*arguments, **dict(call.options))

        arguments, claims = call.arguments, world.claims
        if call.method == "update" and arguments[2].assign.get("claim") == CLAIM:
            # What is random in life is another word for each claim.
            claims += 1
            arguments = (*arguments[:2], arguments[2].also({"claim": f"{CLAIM} {claims}"}))
        then, value = self._on_tables(world, act)
        then = self._changed(then, claims=claims)
        return self._asked(world, then) if actor.name == "person" else then, value

    def _stream(self, world: State, _actor: Actor, _call: Call) -> tuple[State, Any]:
        return world, world.bells

    def _index(self, world: State, _actor: Actor, call: Call) -> tuple[State, Any]:
        row = world.outbox.get(ID, {})
        due_at = clocks.parse(row.get("due_at"))
        if due_at is None or "lane" not in row:
            return world, None
        late = clocks.parse(row.get("check_until")) if call.method == "overdue" else None
        now = max(world.now, due_at, late or due_at)
        return self._changed(world, now=now), Due(ID, row["lane"], row["due_at"])

    def _api(self, world: State, _actor: Actor, call: Call, answer: str) -> tuple[State, Any]:
        accepts, error = ANSWERS[answer]
        if not accepts:
            return world, error
        delivery_id = str(len(world.taken) + 1)
        taken = (*world.taken, (call.arguments[0], Seen(delivery_id, world.now)))
        return self._changed(world, taken=taken), error or Accepted(delivery_id)

    def _records(self, world: State, _actor: Actor, _call: Call) -> tuple[State, Any]:
        return world, list(world.taken)

    def _hand(self, world: State, _actor: Actor, call: Call) -> tuple[State, Any]:
        row = world.outbox.get(ID)
        if call.method == "open":
            return world, row
        if call.method == "edit" and row is None:
            # A person edits what they see; an update that makes a row of one attribute is another attack.
            return world, None
        item = {**row, **call.arguments[0]} if call.method == "edit" else call.arguments[0]
        then, _ = self._on_tables(world, lambda store: store.put(item))
        if call.method == "save" and then is not world:
            # Whoever saves over a row what would be sent may send it again: nobody can tell what it has become since.
            return self._changed(then, asked=world.asked + (item["status"] in SENDS), by_hand=True), None
        return self._asked(world, then), None

    def _on_tables(self, world: State, act: Callable[[MemoryStore], Any]) -> tuple[State, Any]:
        store = self.store
        store.outbox, store.history, store.changes = dict(world.outbox), dict(world.history), []
        value = act(store)
        bells = (*world.bells, *_bells(store.changes))
        parts = {"outbox": store.outbox, "history": store.history, "bells": bells}
        return self._changed(world, **parts), value

    def _asked(self, before: State, then: State) -> State:
        """Note that a person sent a mail that may have been sent."""
        row = before.outbox.get(ID, {})
        sends = len(then.bells) > len(before.bells) and then.bells[-1].ask is Ask.SEND
        return self._changed(then, asked=before.asked + 1) if sends and row.get("status") in MAY_BE_SENT else then

    def _changed(self, world: State, **parts: Any) -> State:
        if all(getattr(world, name) == part for name, part in parts.items()):
            return world
        state = replace(world, **parts)
        return replace(state, number=self.numbers.of(_key(state)))


# --- What must hold in the end ----------------------------------------------------------------------------------------


class Recovery:
    """Lets a world get well, and says what is wrong with it."""

    def __init__(self, older: Sequence[Doorbell]) -> None:
        self.store, self.clock, self.records, self.older = MemoryStore(), TickingClock(), FakeRecords(), older
        self.api = FakeMailApi(answer=self._accept)
        self.team = Team(self.store, self.api, self.records, self.clock)

    def __call__(self, world: State) -> str | None:
        store = self.store
        store.outbox, store.history, store.changes = dict(world.outbox), dict(world.history), []
        self.clock.now, self.records.deliveries, self.api.sent = world.now, list(world.taken), []
        self.bells = [*self.older, *world.bells]
        try:
            self._recover()
            self._rest()
            self._hold(world)
        except AssertionError as wrong:
            return str(wrong).splitlines()[0]
        return None

    def _accept(self, mail: Mail) -> Accepted:
        delivery_id = str(len(self.records.deliveries) + 1)
        self.records.deliveries.append((mail, Seen(delivery_id, self.clock())))
        return Accepted(delivery_id)

    def _recover(self) -> None:
        self._ring(self.bells)
        for _ in range(30):
            row = self.store.outbox.get(ID)
            if row is None or row.get("status") in PROBLEMS:
                # What is heard late may still raise a revision, once.
                self._ring(self.bells)
                return
            self.clock.now = max(self.clock() + timedelta(seconds=61), clocks.parse(row["due_at"]))
            heard = len(self.store.changes)
            self.team.dispatch(Due(ID, row["lane"], row["due_at"]))
            self._ring(self._new(heard))
        raise AssertionError("it never comes to rest")

    def _rest(self) -> None:
        """Days later, and with everything ringing again that ever rang, nothing happens any more."""
        self.clock.forward(days=3)
        before = len(self.store.changes)
        self._ring(self.bells)
        assert len(self.store.changes) == before, "it does not stay at rest"

    def _ring(self, bells: list[Doorbell]) -> None:
        for _ in range(10):
            heard = len(self.store.changes)
            self.team.deliver(bells)
            if not (bells := self._new(heard)):
                return
        raise AssertionError("its own writes keep ringing")

    def _new(self, heard: int) -> list[Doorbell]:
        bells = _bells(self.store.changes[heard:])
        self.bells = self.bells + bells
        return bells

    def _findable(self, row: Item) -> bool:
        """Tell whether the API took this very mail before the last look at its records, within the lease of a try."""
        if row["error"] != ErrorCode.UNKNOWN:
            return False
        tries = [clocks.parse(event["claimed_at"]) for event in Row(row).timeline if event["what"] == "in-doubt"]
        if not tries:
            return False
        first, last = tries[-1], min(tries[-1] + timedelta(seconds=LEASE), clocks.parse(row["problem_at"]))
        others = {each.get("delivery_id") for each in self.store.history.values()}
        return any(
            mail.text == row["text"] and first <= seen.created_at < last and seen.delivery_id not in others
            for mail, seen in self.records.deliveries
        )

    def _hold(self, world: State) -> None:
        row, finished = self.store.outbox.get(ID), self.store.history.get(ID)
        out, asked = len(self.records.deliveries), world.asked
        assert row or finished, "the mail is nowhere"
        assert out <= 1 + asked, f"sent {out} times, asked again {asked} times, {(row or finished)['status']}"
        # What a person saved over a row that had left, or sent again just before its answer came, stands beside it.
        assert not (row and finished) or world.by_hand or asked, f"in two places: {row['status']} {row.get('error')}"
        if row:
            status = row["status"]
            assert status in PROBLEMS, f"at rest in {status}"
            assert row.get("problem") == status, f"{status} is in no list"
            assert row.get("problem_at"), f"{status} is in no list"
            assert row.get("reason"), f"{status} without a reason"
            assert out <= asked or status != Status.FAILED, "sent, and FAILED"
            assert not self._findable(row), "in the records, and UNKNOWN"
        else:
            assert finished["status"] == Status.SENT
            assert out, "in history as sent, and never sent"
        if out > 1 and not world.by_hand:
            told = {event["what"] for event in Row(row or finished).timeline}
            assert told & {EventCode.RESENT, EventCode.CHANGED_BY_HAND, EventCode.SENT_TWICE}, "sent twice, not told"


# --- How it begins ----------------------------------------------------------------------------------------------------


def begin(start: str) -> tuple[dict[str, Any], list[Doorbell]]:
    """Make a world by the real flows; and the events before the last, which both workers have heard."""
    service = Service(MemoryStore(), FakeMailApi(), TickingClock())
    service.look_up_minutes = 0 if start.startswith("UNKNOWN") else 15
    service.outbox.enqueue(make_mail(), idempotency_key=ID)
    taken: list[tuple[Mail, Seen]] = []

    def answer(mail: Mail) -> Accepted:
        accepts, error = ANSWERS[start.partition(": ")[2] or "accepted"]
        if accepts:
            taken.append((mail, Seen(str(len(taken) + 1), service.clock())))
        raise error

    service.api.answer = answer
    if start == "WAITING":
        sender = service.sender()
        Deliver(sender, 1, lambda: None).answer(service.doorbells(), None, service.deadline)
        service.clock.forward(minutes=1)
    elif start != "PENDING":
        service.deliver()
    if start.startswith(("FAILED", "UNKNOWN")):
        service.store.edit(ID, text="Edited.")
    store = service.store
    bells = _bells(store.changes)
    asked = 1 if start.startswith("UNKNOWN") else 0
    world = {
        "outbox": store.outbox,
        "history": store.history,
        "bells": (bells[-1],),
        "taken": tuple(taken),
        "asked": asked,
        "by_hand": False,
        "claims": 0,
        "now": service.clock(),
    }
    return world, bells[:-1]


STARTS = (
    "PENDING",
    "WAITING",
    "CHECKING: no answer, accepted",
    "CHECKING: no answer, not accepted",
    "FAILED: refused",
    "UNKNOWN: no answer, accepted",
    "UNKNOWN: no answer, not accepted",
)


class Logged:
    """Counts the errors that the code logs."""

    def __init__(self) -> None:
        self.errors: Counter[str] = Counter()

    def __call__(self, _logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
        if method in {"exception", "error", "critical"}:
            self.errors[f"{event['event']}: {sys.exc_info()[1]!r}"] += 1
        raise structlog.DropEvent


@contextmanager
def light() -> Iterator[None]:
    """Let the store hand out its rows themselves, and not measure them: they are small, and nobody changes one."""
    with mock.patch.multiple("outbox.testing.store", copied=lambda row: row, check_size=lambda _item: None):
        yield


def explore(
    start: str, switches: int, crashes: int, store: MemoryStore | None = None, *, stops: bool = False
) -> tuple[int, Explorer]:
    """Go through every schedule from a start, or up to a fault; give how many those are, and what was found.

    Two mails sent are noted in the log, too, where a person has asked for the second; any other error is a fault.
    """
    clock, maker, logged = TickingClock(), Maker(store), Logged()
    world, older = begin(start)
    explorer = Explorer(maker, Recovery(older), clock, stops)
    before = structlog.get_config()
    structlog.configure(processors=[logged])
    try:
        with mock.patch("secrets.token_hex", return_value=CLAIM), light():
            schedules = explorer.explore(maker.world(**world), actors_of(clock), switches, crashes)
    finally:
        structlog.configure(**before)
    for error in logged.errors:
        if not error.startswith("mail.sent_twice"):
            explorer.faults.setdefault(error, [])
    return schedules, explorer
