"""What happened to a mail, from its timeline and what came back of it, in the order it happened."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from outbox.console.ask import Ask
from outbox.console.correction import label
from outbox.core import clock
from outbox.core.bounce import problem_of
from outbox.core.codes import EventCode
from outbox.core.message import event, event_reason, read_back
from outbox.core.row import Event, Item, Row
from outbox.core.shown import words
from outbox.core.states import Status
from outbox.core.text import shorten
from outbox.core.transitions import BY_HAND
from outbox.flows.history import Kept

Kind = Literal["text", "code", "said", "state", "when", "mail", "batch", "change"]
# Of an event: what its reason is made of.
TOLD = frozenset({"details", "reason", "why"})
# Longer ones nobody reads on a page; the source of the mail has all.
MOST_EVENTS, MOST_FACTS, MOST_CHANGES, LONGEST = 200, 20, 30, 1000
EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
TAKEN, CAME_BACK = "taken", "came-back"
GOOD = frozenset({EventCode.ENQUEUED, EventCode.SENT, EventCode.FOUND})
DOUBT = frozenset({EventCode.UNKNOWN, EventCode.IN_DOUBT, EventCode.RESEND_PLANNED})
BAD = frozenset({EventCode.FAILED, EventCode.SENT_TWICE, CAME_BACK})
PERSON = frozenset(
    {
        EventCode.EDITED, EventCode.CHANGED_BY_HAND, EventCode.STATE_SET_BY_HAND, EventCode.SCHEDULED, EventCode.HELD,
        EventCode.RELEASED, EventCode.CANCELLED, EventCode.REOPENED, EventCode.RESENT,
        EventCode.RESENT_THOUGH_SUPPRESSED, EventCode.CONFIRMED, EventCode.COPIED_TO, EventCode.COPIED_FROM,
        EventCode.DUPLICATE_CANCELLED,
    }
)  # fmt: skip
MARKS = (("good", GOOD), ("doubt", DOUBT), ("bad", BAD), ("person", PERSON))
# What the console adds to the events of the service.
WORDS: Mapping[str, str] = {TAKEN: "taken to be sent", CAME_BACK: "came back"}
LABELS: Mapping[str, str] = {
    "reason": "why",
    "error": "kind of reason",
    "was": "state before",
    "delivery_id": "delivery id",
    "batch": "batch",
    "of": "made of",
    "changed": "what was changed",
    "resent_as": "new mail",
    "left_out": "left out",
    "from": "from whom",
    "kind": "kind of bounce",
}
KINDS: tuple[tuple[str, Kind], ...] = (
    ("error", "code"), ("was", "state"), ("batch", "batch"), ("of", "mail"), ("resent_as", "mail")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing an event tells; of a change `before` and `value`."""

    label: str
    kind: Kind
    value: str
    before: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened, by its code and as it is `said`.

    `times` and `since`: it happened so often since then, and this was the last time.
    """

    at: object
    who: str
    what: str
    said: str
    facts: tuple[Fact, ...] = ()
    times: int = 1
    since: object = ""

    @property
    def mark(self) -> str:
        """Say how it is to be taken."""
        return next((mark for mark, words_of_it in MARKS if self.what in words_of_it), "plain")


@dataclass(frozen=True, slots=True)
class Timeline:
    """The latest of what happened, and how much went before that."""

    entries: tuple[Entry, ...]
    earlier: int = 0


def timeline(kept: Kept, ask: Ask) -> Timeline:
    """Put together what is known, the oldest first. A timeline that a person broke is shown as far as it goes."""
    entries = [entry for _, entry in sorted(_timed(kept, ask), key=lambda timed: timed[0])]
    return Timeline(tuple(entries[-MOST_EVENTS:]), max(0, len(entries) - MOST_EVENTS))


def _timed(kept: Kept, ask: Ask) -> Iterator[tuple[datetime, Entry]]:
    latest, taken = EARLIEST, set()
    for happened in kept.row.timeline:
        started = clock.parse(happened.get("claimed_at"))
        if started and started not in taken:
            taken.add(started)
            yield started, Entry(happened["claimed_at"], _text(happened.get("who", "")), TAKEN, _said(ask, TAKEN))
        # As written, whatever the clocks of the machines that wrote it said.
        latest = max(latest, clock.parse(happened.get("at")) or latest)
        yield latest, _entry(happened, ask)
    yield from ((_moment(bounce) or latest, _came_back(bounce, ask)) for bounce in kept.bounces)
    started = clock.parse(kept.row.item.get("claimed_at"))
    if started and kept.row.status is Status.SENDING and started not in taken:
        yield max(started, latest), Entry(kept.row.item["claimed_at"], "", TAKEN, _said(ask, TAKEN))


def _said(ask: Ask, what: str) -> str:
    return ask.words(WORDS[what]) if what in WORDS else event(what, ask.words.code)


def _entry(happened: Event, ask: Ask) -> Entry:
    # A moment is all that is left of what was read out of it, unless a person broke it.
    own = {"at", "who", "what", "times", "since", *(["claimed_at"] if clock.parse(happened.get("claimed_at")) else [])}
    own |= TOLD
    told = [(str(name), value) for name, value in happened.items() if name not in own]
    facts = [fact for name, value in told[:MOST_FACTS] for fact in _facts(name, value, ask)]
    if why := event_reason(happened, ask.words.code) or _doubt(happened.get("why"), ask):
        facts.insert(0, _fact("reason", why, ask, "said"))
    times = happened.get("times", 1)
    number = times if isinstance(times, int) and not isinstance(times, bool) else 1
    what, who = _text(happened.get("what", "")), _text(happened.get("who", ""))
    who = ask.words("by hand") if who == BY_HAND else who
    return Entry(happened.get("at", ""), who, what, _said(ask, what), tuple(facts), number, happened.get("since", ""))


def _doubt(why: object, ask: Ask) -> str:
    """Say what put a mail in doubt, as its event has it; empty where it does not tell."""
    message = read_back(why) if isinstance(why, Mapping) else None
    return ask.words.said(message) if message else "" if why is None else _text(why)


def _facts(name: str, value: object, ask: Ask) -> list[Fact]:
    if name == "changes" and isinstance(value, Mapping):
        return [_change(_text(field), pair, ask) for field, pair in list(value.items())[:MOST_CHANGES]]
    if name == "of" and not isinstance(value, str):
        return [_fact("changed", value, ask)]
    kind: Kind = dict(KINDS).get(name, "text")
    if not isinstance(value, str):
        kind = "text"
    elif clock.parse(value):
        kind = "when"
    return [_fact(name, value, ask, kind)]


def _fact(name: str, value: object, ask: Ask, kind: Kind = "text") -> Fact:
    return Fact(ask.words(LABELS[name]) if name in LABELS else shorten(name, 100), kind, _text(value))


def _change(field: str, pair: object, ask: Ask) -> Fact:
    if isinstance(pair, (list, tuple)) and len(pair) == 2:
        return Fact(label(ask, field), "change", _text(pair[1]), _text(pair[0]))
    return Fact(label(ask, field), "text", _text(pair))


def _came_back(bounce: Item, ask: Ask) -> Entry:
    kind = " ".join(_text(bounce[name]) for name in ("type", "code") if name in bounce)
    message = bounce.get("message") or ask.words.said(problem_of(bounce)) or bounce.get("said", "")
    told = {"from": bounce.get("recipient"), "kind": kind, "reason": message}
    facts = [_fact(name, value, ask) for name, value in told.items() if value]
    return Entry(bounce.get("finished_at", ""), "", CAME_BACK, _said(ask, CAME_BACK), tuple(facts))


def _moment(bounce: Item) -> datetime | None:
    return clock.parse(bounce.get("finished_at"))


def _text(value: object) -> str:
    return shorten(words(value), LONGEST)


def moving(row: Row, now: datetime, soon: float) -> bool:
    """Tell whether the service will act on a mail within so many seconds, as far as its row says."""
    if row.status in (Status.PENDING, Status.SENDING, Status.CHECKING):
        return True
    return row.status is Status.WAITING and row.due_at is not None and (row.due_at - now).total_seconds() < soon
