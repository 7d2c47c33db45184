"""The table of allowed state changes: nothing is written past it, and the README draws it."""

import ast
import inspect
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import outbox
from outbox.core import states, transitions
from outbox.core.change import CheckedRow, Expect, Patch
from outbox.core.codes import ErrorCode, EventCode
from outbox.core.errors import Stop, TryLater
from outbox.core.retention import Retention
from outbox.core.row import Row
from outbox.core.states import TABLE, Cause, StateChange, Status
from outbox.core.transitions import Stamp
from outbox.testing import MemoryStore
from tests import figures
from tests.conftest import make_mail

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STAMP, KEEP = Stamp(NOW, "tester"), Retention(400)
PRODUCT = Path(outbox.__file__).parent


def row(status):
    """Make a row in a state, with what each function needs of it."""
    claim = {"claim": "x", "claimed_at": "2026-01-01T00:00:00.000Z"}
    item = transitions.new(make_mail(), "a", STAMP) | claim | {"status": str(status) if status else "odd"}
    return Row(item)


# Everything that writes a state of a row that is there: name -> a call of it, and the states it is meant for.
WRITERS = {
    "claim": lambda row: transitions.claim(row.item, NOW, timedelta(seconds=9), "x")[1],
    "postponed": lambda row: transitions.postponed(row.item, STAMP, ErrorCode.OVER_RATE, {})[1],
    "scheduled_by_hand": lambda row: transitions.scheduled_by_hand(row.item, NOW, STAMP)[1],
    "sent": lambda row: transitions.sent(row, "1", STAMP, KEEP),
    "deferred": lambda row: transitions.deferred(row, TryLater("x"), STAMP),
    "paused": lambda row: transitions.deferred(row, Stop("x"), STAMP),
    "given_back": lambda row: transitions.given_back(row, NOW, STAMP),
    "dead_letter": lambda row: transitions.dead_letter(row, ErrorCode.REFUSED, {"answer": "x"}, STAMP),
    "in_doubt": lambda row: transitions.in_doubt(row, "x", STAMP, timedelta(minutes=15)),
    "worker_died": lambda row: transitions.worker_died(row, STAMP, timedelta(minutes=15)),
    "poisoned": lambda row: transitions.poisoned(row, 2, STAMP),
    "look_begun": lambda row: transitions.look_begun(row, timedelta(seconds=9), STAMP),
    "looked": lambda row: transitions.looked(row, NOW, "reconcile.not-seen", STAMP),
    "undecided": lambda row: transitions.undecided(row, "x", STAMP),
    "undecided, resend": lambda row: transitions.undecided(Row({**row.item, "on_unknown": "resend"}), "x", STAMP),
    "found": lambda row: transitions.found(row, "1", STAMP, KEEP),
    "pending": lambda row: transitions.pending(row, STAMP, EventCode.RESENT),
    "scheduled": lambda row: transitions.scheduled(row, NOW, STAMP, EventCode.SCHEDULED),
    "queued": lambda row: transitions.queued(row, STAMP, "b", EventCode.RESENT),
    "held": lambda row: transitions.held(row, STAMP, ""),
    "cancelled": lambda row: transitions.cancelled(row, STAMP, KEEP),
    "confirmed": lambda row: transitions.confirmed(row, "1", STAMP, KEEP),
    "reopened": lambda row: transitions.reopened(row, STAMP)[1],
    "unreadable": lambda row: transitions.unreadable(row, [], STAMP),
    "reserved": lambda row: transitions.reserved(row, STAMP),
    "inserted": lambda row: transitions.inserted(row, STAMP),
    "overwritten": lambda row: transitions.overwritten(row, {}, STAMP),
    "left_the_outbox": lambda row: transitions.left_the_outbox(row, {}, STAMP),
    "filed": lambda row: transitions.filed(row, STAMP),
    "restored": lambda row: transitions.restored(
        row, ErrorCode.QUARANTINED, {"source": "x", "date": "x", "who": "x", "status": "x"}, STAMP,
        EventCode.QUARANTINED,
    ),
}  # fmt: skip
# What each must never be done to, whatever its caller believes.
NEVER = {
    "claim": {Status.HELD, Status.SENDING, Status.CHECKING, Status.SENT, Status.CANCELLED},
    "sent": {None, Status.FAILED, Status.PENDING, Status.HELD, Status.CHECKING, Status.CANCELLED},
    "cancelled": {Status.SENDING, Status.CHECKING, Status.SENT, Status.CANCELLED},
    "deferred": {None, Status.PENDING, Status.FAILED, Status.HELD, Status.UNKNOWN, Status.CHECKING},
    "found": {None, Status.SENDING, Status.FAILED, Status.UNKNOWN, Status.HELD},
    "confirmed": {None, Status.FAILED, Status.CHECKING, Status.SENDING, Status.HELD},
    "pending": {Status.SENDING, Status.CHECKING, Status.SENT, Status.CANCELLED},
    "held": {Status.SENDING, Status.CHECKING, Status.SENT, Status.CANCELLED},
    "reopened": set(Status) - {Status.CANCELLED} | {None},
}


def refused(writer, status):
    """Tell whether a writer takes a row in a state for a bug."""
    try:
        WRITERS[writer](row(status))
    except ValueError:
        return True
    return False


@pytest.mark.parametrize(
    ("writer", "status"), [(name, status) for name, some in NEVER.items() for status in sorted(some, key=str)]
)
def test_a_state_that_the_table_does_not_have_is_refused(writer, status):
    """No claim of a held mail, no «sent» of a failed one, no cancel of one that is being sent."""
    assert refused(writer, status)


@pytest.mark.parametrize("writer", sorted(WRITERS))
def test_every_writer_is_of_use(writer):
    """Each takes some state, and is listed here: a new one must be, too."""
    assert any(not refused(writer, status) for status in (None, *Status))


def test_every_function_that_changes_a_state_is_tried_here():
    """Whoever adds one adds it above."""
    public = {
        name
        for name, function in inspect.getmembers(transitions, inspect.isfunction)
        if function.__module__ == transitions.__name__ and not name.startswith("_")
    }
    no_writers = {"new", "claimed", "edited", "due", "smaller", "doubt_of", "may_have_been_sent", "was_in_doubt"}
    assert public - no_writers - {"why_not_reopened"} <= WRITERS.keys()


def test_no_patch_and_no_row_carries_a_state_without_its_change():
    """A writer cannot be built without the table."""
    with pytest.raises(ValueError, match="needs a state change"):
        Patch({"status": "SENT"})
    with pytest.raises(ValueError, match="needs a state change"):
        Patch({"status": "SENT"}, frozenset(), StateChange(Cause.CLAIM, Status.PENDING, Status.SENDING))
    with pytest.raises(ValueError, match="may lose its status"):
        Patch({}, frozenset({"status"}))
    with pytest.raises(ValueError, match="needs a state change"):
        CheckedRow({"status": "SENT"}, None)
    with pytest.raises(ValueError, match="no state change"):
        StateChange(Cause.CLAIM, Status.HELD, Status.SENDING)


@pytest.mark.parametrize("expect", [Expect(), Expect({"revision": 1}), Expect({"status": "WAITING"})])
def test_a_store_refuses_a_change_over_another_state(expect):
    """The write itself must expect the state that the change starts from."""
    store = MemoryStore()
    store.add(transitions.new(make_mail(), "a", STAMP), once=False)
    patch = transitions.claim(store.get("a"), NOW, timedelta(seconds=9), "x")[1]
    with pytest.raises(ValueError, match="must expect the status"):
        store.update("a", expect, patch)
    assert store.get("a")["status"] == "PENDING"


def test_no_code_writes_a_status_past_the_table():
    """Only transitions builds a state change, and nothing makes a checked row without one, but for a copy's history."""
    builders, copies = set(), set()
    for path in PRODUCT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "StateChange":
                builders.add(path.name)
            if isinstance(node, ast.Attribute) and node.attr == "as_it_was":
                copies.add(path.name)
    assert builders == {"transitions.py"}
    assert copies == {"restore.py", "bounces.py"}


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_has_its_row_in_the_table(cause):
    """A cause without a row would allow nothing."""
    assert TABLE[cause].before
    assert TABLE[cause].after


def test_the_readme_draws_the_table():
    """The diagram is made from the table: `python -m tests.figures` writes it."""
    assert f"```mermaid\n{states.diagram()}\n```" in figures.README.read_text(encoding="utf-8")


@pytest.mark.parametrize("word", ["pending", "Pending", " PENDING ", "PENDING"])
def test_a_state_is_read_however_it_is_spelled(word):
    """A person types words in any case."""
    assert states.parse(word) is Status.PENDING


@pytest.mark.parametrize("word", ["", None, 5, "SENT", "CANCELLED", "x" * 10**6, ["PENDING"], "PENDING!"])
def test_what_is_no_state_of_the_outbox_is_none(word):
    """Whatever a person typed there."""
    assert states.parse(word) is None
