"""How a cancelled mail comes back: what it keeps, what it loses, and whether it may have been sent."""

from datetime import UTC, datetime

import pytest

from outbox.core import clock, transitions
from outbox.core.codes import IN_DOUBT, ErrorCode, EventCode
from outbox.core.doorbell import listen, lost
from outbox.core.errors import TryLater
from outbox.core.retention import Retention
from outbox.core.row import Row
from outbox.core.states import TABLE, Cause, Status
from outbox.core.transitions import Stamp
from tests.conftest import make_mail

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2027, 1, 1, tzinfo=UTC)
PENDING = Row(transitions.new(make_mail(), "a", Stamp(NOW, "shop")))
CLAIMED = Row(PENDING.item | {"status": "SENDING", "claimed_at": "2026-01-01T00:00:00.000Z"})


def then(row, patch):
    return Row(patch.applied(row.item))


def cancelled(row):
    return Row(transitions.cancelled(row, Stamp(NOW, "bob"), Retention(400)))


def reopened(row):
    base, patch = transitions.reopened(row, Stamp(NOW, "alice"))
    return Row(patch.applied(base))


SCHEDULED = Row(transitions.new(make_mail(), "a", Stamp(NOW, "shop"), LATER))
DEFERRED = then(PENDING, transitions.deferred(CLAIMED, TryLater("429."), Stamp(NOW, "deliver")))
REFUSED = then(
    CLAIMED,
    transitions.dead_letter(CLAIMED, ErrorCode.REFUSED, {"answer": "to: unknown. (400)"}, Stamp(NOW, "deliver")),
)
HELD = then(PENDING, transitions.held(PENDING, Stamp(NOW, "bob"), "ask legal"))
UNKNOWN = then(CLAIMED, transitions.undecided(CLAIMED, "no answer.", Stamp(NOW, "deliver")))
RESENT = Row(CLAIMED.item | {"on_unknown": "resend"})
TO_RESEND = then(RESENT, transitions.undecided(RESENT, "no answer.", Stamp(NOW, "dispatch"), attempts=1))
HELD_IN_DOUBT = then(UNKNOWN, transitions.held(UNKNOWN, Stamp(NOW, "bob"), ""))


@pytest.mark.parametrize("row", [PENDING, SCHEDULED, DEFERRED, REFUSED, HELD])
def test_what_was_certainly_not_sent_comes_back_without_a_doubt(row):
    """It is HELD, by a word of its own, with who brought it back; nobody will look at it but a person."""
    back = reopened(cancelled(row))
    assert (back.status, back.error, back.reason) == (Status.HELD, "reopened", "Reopened by alice.")
    assert back.timeline[-1]["what"] == "reopened"
    assert back.timeline[-1]["who"] == "alice"
    assert not transitions.may_have_been_sent(back)


@pytest.mark.parametrize("row", [UNKNOWN, HELD_IN_DOUBT, TO_RESEND])
def test_what_may_have_been_sent_says_so_when_it_comes_back(row):
    """The cancel does not answer the question; many at once leave it out."""
    back = reopened(cancelled(row))
    assert (back.error, back.reason) == ("reopened-in-doubt", "It may have been sent. Reopened by alice.")
    assert transitions.may_have_been_sent(back)
    assert reopened(cancelled(back)).error == "reopened-in-doubt"


@pytest.mark.parametrize("error", sorted(IN_DOUBT))
def test_every_word_of_doubt_outlives_a_cancel(error):
    """Restored, overwritten, sent already: whoever put it aside so meant it."""
    assert reopened(cancelled(Row(HELD.item | {"error": error}))).error == "reopened-in-doubt"


@pytest.mark.parametrize(
    "event",
    [
        None,
        {},
        {"was": "FAILED"},
        {"was": "HELD"},
        {"was": "SNED", "reason": "x"},
        {"was": 5, "error": "held"},
        {"was": "HELD", "error": "quarantined-in-doubt"},
        {"was": "HELD", "reason": "It may have been sent. Held"},
        {"error": "refused", "reason": "No."},
    ],
)
def test_where_history_does_not_tell_nobody_knows(event):
    """A timeline without the cancel, or with one from before its words were kept, leaves the question open."""
    row = cancelled(REFUSED)
    events = [] if event is None else [{"what": "cancelled", "who": "bob", **event}, {"what": "noted"}]
    assert transitions.was_in_doubt(Row(row.item | {"timeline": events}))
    assert transitions.was_in_doubt(Row({**row.item, "timeline": "lost"}))


def test_only_the_last_cancel_counts():
    """What was in doubt once and was then decided is in doubt no more."""
    back = reopened(cancelled(UNKNOWN))
    decided = then(back, transitions.pending(back, Stamp(NOW, "alice"), EventCode.RELEASED))
    assert transitions.was_in_doubt(cancelled(back))
    assert not transitions.was_in_doubt(cancelled(decided))


def test_nothing_of_history_is_left_on_it():
    """Neither what history's indexes find nor when it expires; what is the mail's own stays."""
    finished = cancelled(Row(SCHEDULED.item | {"note": "called", "files": 1, "resend_of": "b", "tags": ["x"]}))
    odd = {"delivery_id": "7", "confirmed_by": "bob", "lane": "normal-1", "due_at": "x", "claim": "y", "looks": 3}
    back = reopened(Row(finished.item | odd)).item
    assert not back.keys() & {"finished_at", "day", "recipient", "expires_at", *odd}
    kept = {"id", "to", "text", "fingerprint", "created_at", "send_at", "note", "files", "resend_of", "tags"}
    assert {name: back[name] for name in kept} == {name: finished.item[name] for name in kept}
    assert back["revision"] == finished.revision + 1
    assert (back["problem"], back["problem_at"]) == ("HELD", clock.text(NOW))


def test_a_delivery_on_a_cancelled_mail_is_a_doubt():
    """Somebody typed it there for a reason."""
    assert reopened(Row(cancelled(HELD).item | {"delivery_id": "7"})).error == "reopened-in-doubt"


@pytest.mark.parametrize("row", [PENDING, UNKNOWN])
def test_its_row_rings_nobody(row):
    """The stream tells of a new row that waits for a person, and asks for nothing."""
    back = reopened(cancelled(row)).item
    assert (listen(None, back), listen({}, back), lost(back)) == (None, None, None)


def test_the_table_of_states_knows_the_way_back():
    """A person's only way out of history leads to no state that fires."""
    ways = {cause: edge.after for cause, edge in TABLE.items() if edge.before & {Status.CANCELLED, Status.SENT}}
    assert ways[Cause.REOPEN] == {Status.HELD}
    assert ways.keys() == {Cause.REOPEN, Cause.REPAIR, Cause.QUARANTINE}
    with pytest.raises(ValueError, match="no state change from SENT to HELD"):
        transitions.reopened(Row(cancelled(PENDING).item | {"status": "SENT"}), Stamp(NOW, "alice"))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, ""),
        ({"resent_as": []}, ""),
        ({"status": "SENT"}, "only CANCELLED"),
        ({"status": "SNED"}, "only CANCELLED"),
        ({"forgotten_at": "2026-01-01T00:00:00.000Z"}, "erased on request"),
        ({"text": None}, "does not keep"),
        ({"resent_as": [{"id": "b"}]}, "sent again as another mail"),
        ({"resent_as": "typed by hand"}, "sent again as another mail"),
        ({"timeline": [{"what": "sent-twice", "delivery_id": "9"}]}, "as delivery 9"),
        ({"timeline": [{"what": "sent-twice"}]}, "as delivery of unknown id"),
    ],
)
def test_why_a_mail_cannot_come_back(change, why):
    """Each reason in words; empty where there is none."""
    item = {name: value for name, value in (cancelled(HELD).item | change).items() if value is not None}
    told = transitions.why_not_reopened(Row(item))
    assert why in (told or "")
    assert bool(why) == bool(told)


def test_texts_in_the_bucket_are_texts():
    """A mail too large for a row comes back with its file."""
    item = {name: value for name, value in cancelled(HELD).item.items() if name != "text"}
    assert transitions.why_not_reopened(Row(item | {"body": {"key": "mails/a/1/0"}})) is None


def test_a_cancel_tells_what_was_known():
    """State, code and details stand in the event, what is empty left out."""
    assert cancelled(UNKNOWN).timeline[-1] == {
        "at": clock.text(NOW),
        "who": "bob",
        "what": "cancelled",
        "was": "UNKNOWN",
        "error": "unknown",
        "details": {"why": "no answer."},
    }
    assert cancelled(PENDING).timeline[-1].keys() == {"at", "who", "what", "was"}
