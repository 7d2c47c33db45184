"""What each step writes on a row: pure functions from the row as it was to a `Patch`, or to its row in history.

Every patch raises `revision`, which fences every other writer; only a person's raw edit leaves it alone. Every row
that does not wait for a person carries `lane` and `due_at`: the moment somebody looks at it again (promise 1). Every
change of a state is one that `outbox.core.states.TABLE` has.

| what happens                         | function                                                          |
|--------------------------------------|-------------------------------------------------------------------|
| an application enqueues              | `new`                                                             |
| a worker takes a row, or has no slot | `claim`, `postponed`, `scheduled_by_hand`                         |
| a try ends, see `outcomes.decide`    | `sent`, `deferred`, `given_back`, `dead_letter`, `in_doubt`       |
| a worker died                        | `worker_died`, `poisoned`                                         |
| reconciliation looks                 | `look_begun`, `looked`, `found`, `undecided`                      |
| a person acts                        | `pending`, `scheduled`, `queued`, `held`, `edited`, `cancelled`,  |
|                                      | `confirmed`, `reopened`                                           |
| a person edited the row by hand      | `unreadable`, `overwritten`, `left_the_outbox`, `inserted`,       |
|                                      | `filed`, `reserved`                                               |
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from outbox.core import backoff, clock, places
from outbox.core.attachment import StoredFile
from outbox.core.change import ABSENT, CheckedRow, Expect, Patch, state_of
from outbox.core.codes import IN_DOUBT, ErrorCode, EventCode
from outbox.core.errors import OutOfReach, Problem, Stop, TryLater, as_details
from outbox.core.hand_edits import LEFT_AS, hand_edits, left_as
from outbox.core.mail import BODY, Mail
from outbox.core.message import Language, Message, message_of, reason, stored
from outbox.core.retention import Retention
from outbox.core.row import Event, Row, whole
from outbox.core.states import DUE, EDITED_TO_SEND, PROBLEMS, Cause, StateChange, Status
from outbox.core.text import shorten

# A stream event that has not brought a claim by then is taken for lost; dispatch sends the mail. Longer than a lease,
# so that a claim within the first minute can leave the row where it is in the index.
LOST_EVENT = timedelta(minutes=4)
# The mail that met the pause is due again soon; until sending is resumed, dispatch leaves it alone.
PAUSED = timedelta(seconds=30)
# Clocks of two machines, and the whole seconds of the mail API's times, may differ by this much.
CLOCKS_APART = timedelta(seconds=60)
# Calls that count against a mail; then a person must look.
ATTEMPTS = 8
# A row whose worker died so often is not tried again by itself.
MOST_DEATHS = 2
# What a row without room for its details still has room for.
SHORT_DETAILS = 120
BY_HAND = "by hand"

CLAIM = frozenset({"claim", "claimed_at"})
CHECK = frozenset({"doubt", "check_from", "check_until", "looks"})
DUE_INDEX = frozenset({"lane", "due_at"})
PROBLEM_INDEX = frozenset({"problem", "problem_at"})
REASON = frozenset({"reason", "error", "details"})
# What a row of history has and none of the outbox may have: indexes, the end of its time, what became of it.
HISTORY_ONLY = frozenset({"finished_at", "day", "recipient", "expires_at", "delivery_id", "confirmed_by"})


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who writes, when, and in which language reasons are written on rows."""

    now: datetime
    who: str
    language: Language = "en"


# --- An application enqueues ------------------------------------------------------------------------------------------


def new(  # noqa: PLR0913  a row needs who, when, and where its parts lie
    mail: Mail,
    mail_id: str,
    stamp: Stamp,
    send_at: datetime | None = None,
    body: StoredFile | None = None,
    *,
    bulk: bool = False,
) -> CheckedRow:
    """Make the row of a new mail: PENDING, or WAITING when its time is still to come.

    `body`: the file with text, HTML and variables, when the row has no room for them. `bulk`: WAITING and due now, so
    that no stream event is answered and dispatch sends it.
    """
    now = stamp.now
    later = send_at is not None and send_at > now
    base = Row({"id": mail_id, "urgent": mail.urgent})
    status = Status.WAITING if later or bulk else Status.PENDING
    item: dict[str, Any] = {"id": mail_id, "status": str(status), "revision": 1}
    content = mail.to_item()
    if body:
        content = {name: part for name, part in content.items() if name not in BODY} | {"body": body.to_item()}
    item |= content
    # The stream's filter looks for this number, so that rows without files wake nobody.
    if files := len(Row(content).files):
        item["files"] = files
    item |= {"fingerprint": mail.fingerprint, "created_at": clock.text(now)}
    item |= due(base, send_at if later and send_at else now if bulk else now + LOST_EVENT)
    item["timeline"] = base.with_event(now, stamp.who, EventCode.ENQUEUED)
    if later and send_at:
        item |= {"send_at": clock.text(send_at)}
        item |= _why(ErrorCode.SCHEDULED, {"send_at": clock.text(send_at)}, stamp)
    elif bulk:
        item |= _why(ErrorCode.BULK, {}, stamp)
    cause = Cause.ENQUEUE_LATER if later or bulk else Cause.ENQUEUE
    return CheckedRow(item, StateChange(cause, None, status))


# --- A worker takes a row ---------------------------------------------------------------------------------------------


def claim(item: Mapping[str, Any], now: datetime, lease: timedelta, token: str) -> tuple[Expect, Patch]:
    """Take a row to send it: the write that decides who calls the API. Uses its id, revision, status and place.

    The lease ends at `due_at`. A row that is due a little later than the lease asked for stays where it is: to move it
    in the index costs two more writes.
    """
    before = state_of(item.get("status"))
    change = StateChange(Cause.CLAIM_EDITED if before in EDITED_TO_SEND else Cause.CLAIM, before, Status.SENDING)
    equals = {"revision": item.get("revision", ABSENT), "status": item.get("status", ABSENT)}
    assign = {
        "status": str(Status.SENDING),
        "revision": whole(item.get("revision")) + 1,
        "claim": token,
        "claimed_at": clock.text(now),
    }
    # A person's wish is a new beginning: that its worker died before says nothing of the mail as it is now. A row that
    # waits has been so since the service wrote it, and keeps its deaths.
    drop = PROBLEM_INDEX | (frozenset() if before is Status.WAITING else {"deaths"})
    place, due_at = due(Row(item), now + lease), Row(item).due_at
    if due_at and now + lease <= due_at <= now + LOST_EVENT and item.get("lane") == place["lane"]:
        # A person who moves it at this moment makes the claim fail, and asks again.
        return Expect(equals | {"due_at": item["due_at"], "lane": item["lane"]}), Patch(assign, drop, change)
    return Expect(equals), Patch(assign | place, drop, change)


def claimed(row: Row) -> Expect:
    """Expect a row to be still in the hands of the worker that claimed it."""
    return Expect({"revision": row.revision, "claim": row.item.get("claim", ABSENT), "status": str(Status.SENDING)})


def postponed(
    item: Mapping[str, Any], stamp: Stamp, error: ErrorCode, details: Mapping[str, Any]
) -> tuple[Expect, Patch]:
    """Let a row that a stream event named wait for dispatch, without having read it: there is no slot, or a pause."""
    expect = Expect({"revision": item.get("revision", ABSENT), "status": item.get("status", ABSENT)})
    assign = {"status": str(Status.WAITING), "revision": whole(item.get("revision")) + 1}
    assign |= due(Row(item), stamp.now) | _why(error, details, stamp)
    change = StateChange(Cause.POSTPONE, state_of(item.get("status")), Status.WAITING)
    return expect, Patch(assign, PROBLEM_INDEX | {"deaths"}, change)


def scheduled_by_hand(item: Mapping[str, Any], send_at: datetime, stamp: Stamp) -> tuple[Expect, Patch]:
    """Let a row wait for the `send_at` that a person typed on it."""
    expect = Expect({name: item.get(name, ABSENT) for name in ("revision", "status", "send_at")})
    assign = {"status": str(Status.WAITING), "revision": whole(item.get("revision")) + 1, **due(Row(item), send_at)}
    assign |= _why(ErrorCode.SCHEDULED, {"send_at": clock.text(send_at)}, stamp) | {"send_at": clock.text(send_at)}
    change = StateChange(Cause.SCHEDULE, state_of(item.get("status")), Status.WAITING)
    return expect, Patch(assign, PROBLEM_INDEX | {"deaths"}, change)


# --- A try ends -------------------------------------------------------------------------------------------------------


def sent(row: Row, delivery_id: str, stamp: Stamp, keep: Retention, cause: Cause = Cause.ACCEPT) -> CheckedRow:
    """Make the history row of a mail the API accepted."""
    details = {"claimed_at": row.item.get("claimed_at"), "delivery_id": delivery_id}
    details |= {"left_out": [each["address"] for each in row.left_out]}
    timeline = _timeline(row, stamp, EventCode.SENT, **details)
    done = {"delivery_id": delivery_id, "attempts": row.attempts + 1, "timeline": timeline}
    return _finished(row, stamp, keep, StateChange(cause, row.status, Status.SENT), done)


def deferred(row: Row, why: TryLater | Stop, stamp: Stamp) -> Patch:
    """Let a mail wait for another try; no attempt is counted: nothing was sent, and it was not the mail's fault."""
    said = message_of(why)
    if isinstance(why, Stop):
        return _wait(row, Cause.DEFER, stamp.now + PAUSED, ErrorCode.PAUSED, {"why": said}, stamp)
    away = isinstance(why, OutOfReach)
    due_at = backoff.soon(stamp.now) if away else backoff.next_try(stamp.now, row.deferrals + 1, why.wait)
    error = ErrorCode.DEPENDENCY_UNAVAILABLE if away else ErrorCode.RETRY_LATER
    return _wait(row, Cause.DEFER, due_at, error, {"due_at": clock.text(due_at), "why": said}, stamp)


def given_back(row: Row, due_at: datetime, stamp: Stamp) -> Patch:
    """Give back a mail for which the worker has no time left; it is due at that moment and no event is noted."""
    assign = {"status": str(Status.WAITING), "revision": row.revision + 1, **due(row, due_at)}
    assign |= _why(ErrorCode.NO_TIME, {}, stamp)
    return Patch(assign, CLAIM, StateChange(Cause.DEFER, row.status, Status.WAITING))


def dead_letter(
    row: Row, error: ErrorCode, details: Mapping[str, Any], stamp: Stamp, *, attempts: int | None = None
) -> Patch:
    """Leave a mail that was certainly not sent to a person: FAILED."""
    return _problem(row, Cause.DEAD_LETTER, Status.FAILED, error, details, stamp, attempts=attempts)


def in_doubt(row: Row, why: str, stamp: Stamp, window: timedelta) -> Patch:
    """Note that a mail may have been sent: CHECKING while there are records to look in, else what its policy says.

    The first look comes when the lease is over and two clocks can no longer disagree about it: until then a delivery
    with this content may belong to another worker's mail. `claim` stays, so that a late answer still finds the row.
    """
    if not window:
        return undecided(row, why, stamp, attempts=row.attempts + 1)
    now = stamp.now
    first = max(row.due_at or now, now) + CLOCKS_APART
    assign = {
        "status": str(Status.CHECKING),
        "revision": row.revision + 1,
        "attempts": row.attempts + 1,
        "doubt": stored(why),
        "check_from": row.item.get("claimed_at", clock.text(now)),
        "check_until": clock.text(max(now + window, first)),
        **_why(ErrorCode.RECONCILING, {"why": why, "note": Message("reconcile.begun")}, stamp),
        **due(row, first),
        "timeline": _timeline(row, stamp, EventCode.IN_DOUBT, claimed_at=row.item.get("claimed_at"), why=stored(why)),
    }
    drop = PROBLEM_INDEX | {"deferrals", "looks", LEFT_AS}
    return Patch(assign, drop, StateChange(Cause.DOUBT, row.status, Status.CHECKING))


# --- A worker died ----------------------------------------------------------------------------------------------------


def worker_died(row: Row, stamp: Stamp, window: timedelta) -> Patch:
    """Note that the worker of a SENDING row never came back: it is in doubt, or poison when that was not the first."""
    deaths = row.deaths + 1
    if deaths >= MOST_DEATHS:
        return poisoned(row, deaths, stamp)
    why = Message("worker-died", claimed_at=str(row.item.get("claimed_at", "?")))
    return in_doubt(row, why, stamp, window).also({"deaths": deaths})


def poisoned(row: Row, deaths: int, stamp: Stamp) -> Patch:
    """Leave a row to a person whose worker died or hung again; it is not read once more."""
    patch = _problem(row, Cause.POISON, Status.UNKNOWN, ErrorCode.POISON, {"deaths": deaths}, stamp)
    return _for_late_answer(patch).also({"deaths": deaths}, CHECK)


# --- Reconciliation looks ---------------------------------------------------------------------------------------------


def look_begun(row: Row, lease: timedelta, stamp: Stamp) -> Patch:
    """Note that a look begins, before the row is read: should it kill its worker, the note counts that death."""
    assign = {"status": str(Status.CHECKING), "revision": row.revision + 1, "deaths": row.deaths + 1}
    assign |= due(row, stamp.now + lease)
    return Patch(assign, frozenset(), StateChange(Cause.RECONCILE, row.status, Status.CHECKING))


def looked(  # noqa: PLR0913  a look has an end, a reason and a next time
    row: Row, due_at: datetime, code: str, stamp: Stamp, *, counts: bool = True, why: str = ""
) -> Patch:
    """Note a look that did not show the mail; it is looked for again at `due_at`. `code`: why, in the catalogue."""
    note = Message(code, due_at=clock.text(due_at), **({"why": why} if why else {}))
    assign: dict[str, Any] = {"status": str(Status.CHECKING), "revision": row.revision + 1}
    assign |= {"looks": row.looks + counts, **due(row, due_at)}
    assign |= _why(ErrorCode.RECONCILING, {"why": row.item.get("doubt", ""), "note": note}, stamp)
    change = StateChange(Cause.RECONCILE, row.status, Status.CHECKING)
    return _look_ended(row, Patch(assign, frozenset(), change))


def undecided(row: Row, why: str, stamp: Stamp, attempts: int | None = None) -> Patch:
    """Do as the mail's policy says when nobody can tell whether it was sent: hold it for a person, or send it again."""
    tried = row.attempts if attempts is None else attempts
    if row.item.get("on_unknown") != "resend":
        details: dict[str, Any] = {"why": why}
        patch = _problem(row, Cause.GIVE_UP, Status.UNKNOWN, ErrorCode.UNKNOWN, details, stamp, attempts=tried)
        return _look_ended(row, _for_late_answer(patch).also({}, CHECK))
    if tried >= ATTEMPTS:
        details = {"attempts": tried, "why": why}
        error = ErrorCode.ATTEMPTS_USED_UP
        patch = _problem(row, Cause.GIVE_UP, Status.FAILED, error, details, stamp, attempts=tried)
        return _look_ended(row, patch.also({}, CHECK))
    due_at = backoff.next_try(stamp.now, tried)
    details = {"why": why, "due_at": clock.text(due_at)}
    patch = _wait(row, Cause.POLICY, due_at, ErrorCode.RESEND_PLANNED, details, stamp, EventCode.RESEND_PLANNED)
    patch = _for_late_answer(patch).without("deferrals").also({"attempts": tried}, CHECK | {"deferrals"})
    return _look_ended(row, patch)


def found(row: Row, delivery_id: str, stamp: Stamp, keep: Retention) -> CheckedRow:
    """Make the history row of a mail that the API's own records show."""
    timeline = _timeline(row, stamp, EventCode.FOUND, delivery_id=delivery_id)
    done = {"delivery_id": delivery_id, "confirmed_by": "records", "timeline": timeline}
    return _finished(row, stamp, keep, StateChange(Cause.FOUND, row.status, Status.SENT), done)


def doubt_of(row: Row) -> object:
    """Give what put a row in doubt, as it is stored there."""
    return row.item.get("doubt", "") if row.status is Status.CHECKING else ""


# --- A person acts ----------------------------------------------------------------------------------------------------


def pending(row: Row, stamp: Stamp, what: EventCode, **details: Any) -> Patch:  # noqa: ANN401  an event's details
    """Send a row now, because a person says so: its change triggers the stream worker."""
    assign = {"status": str(Status.PENDING), "revision": row.revision + 1, **due(row, stamp.now + LOST_EVENT)}
    assign["timeline"] = _timeline(row, stamp, what, **_was(row), **details)
    drop = PROBLEM_INDEX | CLAIM | CHECK | REASON | {"deferrals", "send_at", "deaths", LEFT_AS}
    return Patch(assign, drop, StateChange(Cause.RESEND, row.status, Status.PENDING))


def scheduled(row: Row, send_at: datetime, stamp: Stamp, what: EventCode, **details: Any) -> Patch:  # noqa: ANN401
    """Make a row wait for a time a person or the application chose."""
    why = {"send_at": clock.text(send_at)}
    patch = _wait(row, Cause.SCHEDULE, send_at, ErrorCode.SCHEDULED, why, stamp, what, **details)
    drop = PROBLEM_INDEX | {"deferrals", "deaths"}
    return patch.without("deferrals").also({"send_at": clock.text(send_at)}, drop)


def queued(row: Row, stamp: Stamp, batch: str, what: EventCode) -> Patch:
    """Let a row go in its turn, as one of many: due now, without triggering the stream worker."""
    assign = {"status": str(Status.WAITING), "revision": row.revision + 1, **due(row, stamp.now)}
    assign |= _why(ErrorCode.BATCH, {"batch": batch}, stamp)
    assign["timeline"] = _timeline(row, stamp, what, batch=batch, **_was(row))
    drop = PROBLEM_INDEX | CLAIM | CHECK | {"deferrals", "send_at", "send_anyway", "deaths", LEFT_AS}
    return Patch(assign, drop, StateChange(Cause.RESEND, row.status, Status.WAITING))


def held(row: Row, stamp: Stamp, note: str) -> Patch:
    """Keep a mail because a person says so; it never goes by itself, and a doubt about it stays on the row."""
    doubtful = row.status is Status.UNKNOWN or may_have_been_sent(row)
    error = ErrorCode.HELD_IN_DOUBT if doubtful else ErrorCode.HELD
    details = {"who": stamp.who, "note": Message("note.said", note=note) if note else Message("note.none")}
    return _problem(row, Cause.HOLD, Status.HELD, error, details, stamp, what=EventCode.HELD)


def edited(row: Row, mail: Mail, changes: Mapping[str, list[str]], stamp: Stamp) -> Patch:
    """Save a person's corrections, of the changed fields alone, and leave the row in its state."""
    content = mail.to_item()
    assign = {name: content[name] for name in changes if name in content}
    assign |= {"revision": row.revision + 1}
    assign |= {"timeline": _timeline(row, stamp, EventCode.EDITED, changes=dict(changes))}
    drop = frozenset(changes) - content.keys()
    if row.status in DUE and row.due_at:
        assign |= due(Row(content | {"id": row.id}), row.due_at)
    if row.status in PROBLEMS:
        assign |= {LEFT_AS: left_as(Patch(assign, drop).applied(row.item))}
    return Patch(assign, drop)


def cancelled(row: Row, stamp: Stamp, keep: Retention, batch: str = "") -> CheckedRow:
    """Make the history row of a mail a person or the application called back; its timeline tells what was known."""
    named = {"batch": batch} if batch else {}
    timeline = _timeline(row, stamp, EventCode.CANCELLED, **_was(row), **named)
    done = {"timeline": timeline, "details": {"who": stamp.who, **named}}
    return _finished(row, stamp, keep, StateChange(Cause.CANCEL, row.status, Status.CANCELLED), done)


def confirmed(row: Row, delivery_id: str, stamp: Stamp, keep: Retention) -> CheckedRow:
    """Make the history row of a mail of which a person says that it was sent."""
    timeline = _timeline(row, stamp, EventCode.CONFIRMED, delivery_id=delivery_id, **_was(row))
    done = {"confirmed_by": stamp.who, "timeline": timeline} | ({"delivery_id": delivery_id} if delivery_id else {})
    return _finished(row, stamp, keep, StateChange(Cause.CONFIRM, row.status, Status.SENT), done)


def reopened(row: Row, stamp: Stamp) -> tuple[dict[str, Any], Patch]:
    """Give a cancelled mail without what only history has, and the patch that makes it HELD in the outbox.

    It never goes by itself. A doubt about it comes back with it: what was known when it was cancelled stands in its
    timeline, and where that is gone, or does not tell, nobody knows whether it was sent.
    """
    base = {name: value for name, value in row.item.items() if name not in HISTORY_ONLY}
    error = ErrorCode.REOPENED_IN_DOUBT if was_in_doubt(row) else ErrorCode.REOPENED
    details = {"who": stamp.who}
    patch = _problem(Row(base), Cause.REOPEN, Status.HELD, error, details, stamp, what=EventCode.REOPENED)
    return base, patch.also({}, CHECK)


def why_not_reopened(row: Row) -> Message | None:
    """Give why a mail of history cannot be reopened; None if it can."""
    if row.status is not Status.CANCELLED:
        return Message("why.only-cancelled")
    if "forgotten_at" in row.item:
        return Message("why.erased")
    if not row.has_texts:
        return Message("why.no-texts")
    if row.item.get("resent_as"):
        return Message("why.resent-already")
    if twice := next((event for event in row.timeline if event.get("what") == EventCode.SENT_TWICE), None):
        delivery = twice.get("delivery_id") or Message("why.unknown-delivery")
        return Message("why.sent-after-all", delivery_id=delivery)
    return None


def may_have_been_sent(row: Row) -> bool:
    """Tell whether a row's code says that it may have been sent; a HELD row with no room for a code may have been."""
    return row.error in IN_DOUBT or (row.status is Status.HELD and not row.error)


def was_in_doubt(row: Row) -> bool:
    """Tell whether a cancelled mail may have been sent before, as far as anybody knows."""
    event = next((event for event in reversed(row.timeline) if event.get("what") == EventCode.CANCELLED), None)
    if event is None:
        # A full row had no room for its timeline.
        return True
    was, error = state_of(event.get("was")), event.get("error", "")
    doubtful = was in {None, Status.UNKNOWN} or error in IN_DOUBT or error == ErrorCode.RESEND_PLANNED
    return doubtful or (not error and was is not Status.PENDING) or "delivery_id" in row.item


# --- A person edited the row by hand ----------------------------------------------------------------------------------


def unreadable(row: Row, problems: Sequence[Problem], stamp: Stamp, cause: Cause = Cause.REPAIR) -> Patch:
    """Leave a row to a person of which no mail can be made; the reason names every field that is wrong."""
    details = {"problems": as_details(problems)}
    return _problem(row, cause, Status.FAILED, ErrorCode.UNREADABLE, details, stamp)


def reserved(row: Row, stamp: Stamp) -> Patch:
    """Leave a row to a person whose id belongs to the service: sent, it would be shown in no list."""
    details = {"prefix": places.OURS}
    return _problem(row, Cause.REPAIR, Status.FAILED, ErrorCode.RESERVED_ID, details, stamp)


def inserted(row: Row, stamp: Stamp) -> Patch:
    """Say on a row that was inserted in a state which never sends by itself what to do: a copied table mails nobody.

    One that was copied while its mail was being sent may have been sent: UNKNOWN.
    """
    status = row.status if row.status in PROBLEMS and row.status else Status.UNKNOWN
    details = {"status": str(row.status)}
    patch = _problem(row, Cause.REPAIR, status, ErrorCode.INSERTED, details, stamp, what=EventCode.STATE_SET_BY_HAND)
    return patch.also({}, CHECK)


def overwritten(row: Row, before: Mapping[str, Any], stamp: Stamp) -> Patch:
    """Leave a mail to a person over which somebody saved an older version while it was being sent."""
    revision = max(row.revision, whole(before.get("revision"))) + 1
    patch = _problem(row, Cause.REPAIR, Status.UNKNOWN, ErrorCode.OVERWRITTEN, {}, stamp)
    kept = {name: before[name] for name in CLAIM if name in before}
    return patch.also({"revision": revision, **kept})


def left_the_outbox(row: Row, there: Mapping[str, Any], stamp: Stamp) -> Patch:
    """Leave a row to a person whose mail history has: somebody saved or resent it meanwhile. Nothing more is sent."""
    # Above every revision the send has used, so that this is not taken for one more older version saved by hand.
    revision = max(row.revision, whole(there.get("revision"))) + 1
    error, details = ErrorCode.ALREADY_SENT, {"delivery_id": str(there.get("delivery_id", "?"))}
    if there.get("status") == Status.CANCELLED:
        error, details = ErrorCode.ALREADY_CANCELLED, {}
    patch = _problem(row, Cause.REPAIR, Status.HELD, error, details, stamp)
    return patch.also({"revision": revision}, CHECK)


def filed(row: Row, stamp: Stamp) -> Patch:
    """Bring a row whose state a person typed by hand to where people look for that state."""
    known = row.error in set(ErrorCode) and isinstance(row.item.get("details"), Mapping)
    error = ErrorCode(row.error) if known else ErrorCode.SET_BY_HAND
    details = row.item["details"] if known else {}
    what = EventCode.STATE_SET_BY_HAND
    return _problem(row, Cause.REPAIR, row.status or Status.FAILED, error, details, stamp, what=what)


def restored(row: Row, error: ErrorCode, details: Mapping[str, Any], stamp: Stamp, what: EventCode) -> Patch:
    """Hold a row of a copy, whatever its state: nothing of it is due, claimed or being looked up any more."""
    return _problem(row, Cause.QUARANTINE, Status.HELD, error, details, stamp, what=what).also({}, CHECK)


# --- What they have in common -----------------------------------------------------------------------------------------


def due(row: Row, due_at: datetime) -> dict[str, Any]:
    """Give the attributes by which dispatch finds a row at a moment."""
    return {"lane": places.lane(row.id, urgent=row.urgent), "due_at": clock.text(due_at)}


def smaller(patch: Patch) -> list[Patch]:
    """Give ever smaller forms of a patch, for a row that has no room left; each can still be found by its state."""
    keys = {"status", "revision", "attempts", "deaths", "check_from", "check_until"} | DUE_INDEX | PROBLEM_INDEX
    index = {name: patch.assign[name] for name in keys if name in patch.assign}
    why, timeline = str(patch.assign.get("reason", "")), patch.assign.get("timeline")
    recent = {"timeline": timeline[-5:]} if isinstance(timeline, list) else {}
    code = {"error": patch.assign["error"]} if "error" in patch.assign else {}
    if len(str(patch.assign.get("details", {}))) <= SHORT_DETAILS:
        # Such as the batch that wrote the row, which it must not meet again.
        code |= {"details": patch.assign["details"]} if "details" in patch.assign else {}
    drop = patch.drop | {"timeline", "deferrals", "details", LEFT_AS}
    return [
        patch,
        patch.without(LEFT_AS).also(recent, frozenset({LEFT_AS})),
        Patch(index | code | {"reason": shorten(why, 120)}, drop, patch.change),
        Patch(index | {"reason": shorten(why, 60)}, drop | {"error"}, patch.change),
        Patch(index | {"reason": shorten(why, 60)}, drop | {"error", "fingerprint"}, patch.change),
    ]


def _why(error: ErrorCode, details: Mapping[str, Any], stamp: Stamp) -> dict[str, Any]:
    """Give the attributes that say why: the code, its parameters, and the sentence for whoever looks at the raw row."""
    kept = stored(details)
    said = reason({"error": str(error), "details": kept}, stamp.language)
    return {"error": str(error), "details": kept, "reason": said}


def _timeline(row: Row, stamp: Stamp, what: EventCode, **details: Any) -> list[Event]:  # noqa: ANN401  as above
    """Give the timeline with one more event, after one of what a person changed by hand since the last write."""
    if changed := hand_edits(row.item):
        row = Row({**row.item, "timeline": row.with_event(stamp.now, BY_HAND, EventCode.CHANGED_BY_HAND, of=changed)})
    return row.with_event(stamp.now, stamp.who, what, **details)


def _was(row: Row) -> dict[str, Any]:
    """Give what a row said of itself, for the event that ends it."""
    return {name: row.item.get(key) for name, key in (("was", "status"), ("error", "error"), ("details", "details"))}


def _problem(  # noqa: PLR0913  a dead letter has who, when, what and why
    row: Row,
    cause: Cause,
    status: Status,
    error: ErrorCode,
    details: Mapping[str, Any],
    stamp: Stamp,
    *,
    what: EventCode | None = None,
    attempts: int | None = None,
) -> Patch:
    """Leave a row to a person, in the problems index, with the reason on it."""
    change = StateChange(cause, row.status, status)
    assign: dict[str, Any] = {
        "status": str(status),
        "revision": row.revision + 1,
        "problem": str(status),
        "problem_at": clock.text(stamp.now),
        **_why(error, details, stamp),
    }
    if attempts is not None:
        assign["attempts"] = attempts
    told = {"error": str(error), "details": assign["details"], "claimed_at": row.item.get("claimed_at")}
    assign["timeline"] = _timeline(row, stamp, what or EventCode(status.lower()), **told)
    # A leave to send to a suppressed address ends with the try it was given for.
    drop = DUE_INDEX | CLAIM | {"deferrals", "send_anyway"}
    assign[LEFT_AS] = left_as({**row.item, **assign})
    return Patch(assign, drop, change)


def _wait(  # noqa: PLR0913  as above
    row: Row,
    cause: Cause,
    due_at: datetime,
    error: ErrorCode,
    details: Mapping[str, Any],
    stamp: Stamp,
    what: EventCode = EventCode.DEFERRED,
    **told: Any,  # noqa: ANN401  an event's details
) -> Patch:
    """Let a row wait for a moment, with the reason on it."""
    assign: dict[str, Any] = {
        "status": str(Status.WAITING),
        "revision": row.revision + 1,
        "deferrals": row.deferrals + (error is not ErrorCode.DEPENDENCY_UNAVAILABLE),
        **_why(error, details, stamp),
        **due(row, due_at),
    }
    assign["timeline"] = _timeline(row, stamp, what, error=str(error), details=assign["details"], **told)
    return Patch(assign, CLAIM | {LEFT_AS}, StateChange(cause, row.status, Status.WAITING))


def _for_late_answer(patch: Patch) -> Patch:
    """Keep `claim`: an answer that comes after all still finds its row, unless another worker has claimed it."""
    return patch.without("claim")


def _look_ended(row: Row, patch: Patch) -> Patch:
    """Take back the death that a look has noted at its beginning: it has come to an end."""
    if row.status is not Status.CHECKING:
        return patch
    deaths = row.deaths - 1
    return patch.also({"deaths": deaths}) if deaths > 0 else patch.also({}, frozenset({"deaths"}))


def _finished(row: Row, stamp: Stamp, keep: Retention, change: StateChange, done: Mapping[str, Any]) -> CheckedRow:
    """Make the row of history from the row it was."""
    gone = CLAIM | DUE_INDEX | PROBLEM_INDEX | CHECK | {"error", "details", "deferrals", "deaths", LEFT_AS}
    gone |= {"delivery_id", "confirmed_by", "send_anyway"}
    if not keep.bodies:
        gone |= set(BODY)
    item = {name: value for name, value in row.item.items() if name not in gone}
    item |= {
        "status": str(change.after),
        "revision": row.revision + 1,
        "finished_at": clock.text(stamp.now),
        "day": places.day(row.id, stamp.now),
        "recipient": places.recipient(row.item.get("to", "")),
        "expires_at": int((stamp.now + timedelta(days=keep.days)).timestamp()),
        **done,
    }
    return CheckedRow(item | {"reason": reason(item, stamp.language)}, change)
