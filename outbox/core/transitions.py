"""What each step writes on a row: pure functions from the row as it was to a `Patch`, or to its history row.

Every patch raises `revision`, which fences every other writer; only a person's raw edit leaves it alone. Every row
that does not wait for a person carries `lane` and `due_at`: the moment somebody looks at it again (promise 1).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from outbox.core import backoff, clock, places
from outbox.core.attachment import StoredFile
from outbox.core.change import ABSENT, Expect, Patch
from outbox.core.errors import OutOfReach, Problem, Stop, TryLater
from outbox.core.mail import BODY, Mail
from outbox.core.retention import Retention
from outbox.core.row import Event, Row, whole
from outbox.core.states import DUE, PROBLEMS, Status, check
from outbox.core.text import shorten

# A doorbell that has not brought a claim by then is taken for lost; dispatch sends the mail. Longer than a lease, so
# that a claim within the first minute can leave the row where it is in the index.
LOST_DOORBELL = timedelta(minutes=4)
# The mail that met the stop is due again soon; until the line goes, dispatch leaves it alone.
STOPPED = timedelta(seconds=30)
LONGEST_REASON = 1000
# Our own tables do not answer, which says nothing of the mail API: no later wait is the longer for it.
AWAY = "out-of-reach"
# Clocks of two machines, and the whole seconds of the mail API's times, may differ by this much.
CLOCKS_APART = timedelta(seconds=60)
# Calls that count against a mail; then a person must look.
ATTEMPTS = 8

CLAIM = frozenset({"claim", "claimed_at"})
CHECK = frozenset({"doubt", "check_from", "check_until", "looks"})
DUE_INDEX = frozenset({"lane", "due_at"})
PROBLEM_INDEX = frozenset({"problem", "problem_at"})


def new(  # noqa: PLR0913  a row needs who, when, and where its parts lie
    mail: Mail,
    mail_id: str,
    now: datetime,
    send_at: datetime | None,
    who: str,
    body: StoredFile | None = None,
    *,
    bulk: bool = False,
) -> dict[str, Any]:
    """Make the row of a new mail: PENDING, or WAITING when its time is still to come.

    `body`: the file with text, HTML and variables, when the row has no room for them. `bulk`: WAITING and due now, so
    that nothing rings and dispatch sends it.
    """
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
    item |= due(base, send_at if later and send_at else now if bulk else now + LOST_DOORBELL)
    item["timeline"] = base.with_event(now, who, "written")
    if later and send_at:
        item |= {
            "send_at": clock.text(send_at),
            "reason": f"Scheduled for {clock.text(send_at)}.",
            "error": "scheduled",
        }
    elif bulk:
        item |= {"error": "bulk", "reason": "Written in bulk: dispatch sends it in its turn."}
    return item


def claim(item: Mapping[str, Any], now: datetime, lease: timedelta, token: str) -> tuple[Expect, Patch]:
    """Take a row to send it: the write that decides who calls the API. Uses its id, revision, status and place.

    The lease ends at `due_at`. A row that is due a little later than the lease asked for stays where it is: to move it
    in the index costs two more writes.
    """
    equals = {"revision": item.get("revision", ABSENT), "status": item.get("status", ABSENT)}
    assign = {
        "status": str(Status.SENDING),
        "revision": whole(item.get("revision")) + 1,
        "claim": token,
        "claimed_at": clock.text(now),
    }
    place, due_at = due(Row(item), now + lease), Row(item).due_at
    if due_at and now + lease <= due_at <= now + LOST_DOORBELL and item.get("lane") == place["lane"]:
        # A person who moves it at this moment makes the claim fail, and rings again.
        return Expect(equals | {"due_at": item["due_at"], "lane": item["lane"]}), Patch(assign, PROBLEM_INDEX)
    return Expect(equals), Patch(assign | place, PROBLEM_INDEX)


def claimed(row: Row) -> Expect:
    """Expect a row to be still in the hands of the worker that claimed it."""
    return Expect({"revision": row.revision, "claim": row.item.get("claim", ABSENT), "status": str(Status.SENDING)})


def sent(row: Row, delivery_id: str, now: datetime, keep: Retention, who: str) -> dict[str, Any]:
    """Make the history row of a mail the API accepted."""
    details = {"claimed_at": row.item.get("claimed_at"), "delivery_id": delivery_id}
    details |= {"left_out": [each["address"] for each in row.left_out]}
    timeline = row.with_event(now, who, "sent", **details)
    done = {"status": str(Status.SENT), "delivery_id": delivery_id, "attempts": row.attempts + 1}
    return finished(row, now, keep) | done | {"timeline": timeline, "reason": "Accepted by the mail API."}


def cancelled(row: Row, now: datetime, keep: Retention, who: str) -> dict[str, Any]:
    """Make the history row of a mail a person or the application called back; its timeline tells what was known."""
    was = {"was": row.item.get("status"), "error": row.error, "reason": row.reason}
    timeline = row.with_event(now, who, "cancelled", **was)
    done = {"status": str(Status.CANCELLED), "timeline": timeline, "reason": f"Cancelled by {who}."}
    return finished(row, now, keep) | done


def put_off(row: Row, why: TryLater | Stop, now: datetime, who: str) -> Patch:
    """Let a mail wait without blame: nothing was sent, and it was not the mail's fault."""
    if isinstance(why, Stop):
        return wait(row, now + STOPPED, "stopped", f"Nothing is being sent: {why}", now, who)
    away = isinstance(why, OutOfReach)
    due_at = backoff.soon(now) if away else backoff.next_try(now, row.deferrals + 1, why.wait)
    sentence = f"Not sent yet, tried again at {clock.text(due_at)}: {why}"
    return wait(row, due_at, AWAY if away else "try-later", sentence, now, who)


def given_back(row: Row, now: datetime) -> Patch:
    """Give back a mail for which the worker has no time left; it is due at that moment and nothing is noted."""
    check(Status.SENDING, Status.WAITING)
    assign = {"status": str(Status.WAITING), "revision": row.revision + 1, **due(row, now)}
    return Patch(assign | {"error": "no-time", "reason": "A worker had no time left for it; it is tried again."}, CLAIM)


def postponed(item: Mapping[str, Any], now: datetime, error: str, sentence: str) -> tuple[Expect, Patch]:
    """Let a row that rang wait for dispatch, without having read it: there is no slot, or the line is stopped."""
    expect = Expect({"revision": item.get("revision", ABSENT), "status": item.get("status", ABSENT)})
    revision = whole(item.get("revision")) + 1
    assign = {"status": str(Status.WAITING), "revision": revision, "error": error, "reason": sentence}
    return expect, Patch(assign | due(Row(item), now), PROBLEM_INDEX)


def pending(row: Row, now: datetime, who: str, what: str, **details: Any) -> Patch:  # noqa: ANN401
    """Make a row ring: send it now, because a person says so."""
    if row.status is not None:
        check(row.status, Status.PENDING)
    assign = {"status": str(Status.PENDING), "revision": row.revision + 1, **due(row, now + LOST_DOORBELL)}
    assign["timeline"] = row.with_event(now, who, what, was=row.item.get("status"), reason=row.reason, **details)
    return Patch(assign, PROBLEM_INDEX | CLAIM | CHECK | {"reason", "error", "deferrals", "send_at"})


def scheduled(row: Row, send_at: datetime, now: datetime, who: str, what: str, **details: Any) -> Patch:  # noqa: ANN401
    """Make a row wait for a time a person or the application chose."""
    patch = wait(row, send_at, "scheduled", f"Scheduled for {clock.text(send_at)}.", now, who, what, **details)
    deferrals = frozenset({"deferrals"})
    assign = {name: value for name, value in patch.assign.items() if name not in deferrals}
    return Patch(assign | {"send_at": clock.text(send_at)}, patch.drop | PROBLEM_INDEX | deferrals)


def held(row: Row, now: datetime, who: str, note: str) -> Patch:
    """Put a mail aside because a person says so; it never fires by itself, and a doubt about it stays on the row."""
    sentence = f"Held by {who}" + (f": {note}" if note else ".")
    if row.status is Status.UNKNOWN or in_doubt(row):
        return problem(row, Status.HELD, "held-in-doubt", f"{MAY_BE_SENT}. {sentence}", now, who, what="held")
    return problem(row, Status.HELD, "held", sentence, now, who, what="held")


def edited(row: Row, mail: Mail, now: datetime, who: str, changes: Mapping[str, list[str]]) -> Patch:
    """Save a person's corrections, of the changed fields alone, and leave the row in its state."""
    content = mail.to_item()
    assign = {name: content[name] for name in changes if name in content}
    assign |= {"revision": row.revision + 1, "timeline": row.with_event(now, who, "edited", changes=dict(changes))}
    if row.status in DUE and row.due_at:
        assign |= due(Row(content | {"id": row.id}), row.due_at)
    return Patch(assign, frozenset(changes) - content.keys())


def smaller(patch: Patch) -> list[Patch]:
    """Give ever smaller forms of a patch, for a row that has no room left; each can still be found by its state."""
    keys = {"status", "revision", "attempts"} | DUE_INDEX | PROBLEM_INDEX | {"check_from", "check_until"}
    index = {name: patch.assign[name] for name in keys if name in patch.assign}
    reason, timeline = str(patch.assign.get("reason", "")), patch.assign.get("timeline")
    recent = {"timeline": timeline[-5:]} if isinstance(timeline, list) else {}
    drop = patch.drop | {"timeline", "deferrals", "error"}
    return [
        patch,
        Patch({**patch.assign, **recent}, patch.drop),
        Patch(index | {"reason": shorten(reason, 120)}, drop),
        Patch(index | {"reason": shorten(reason, 60)}, drop),
        Patch(index | {"reason": shorten(reason, 60)}, drop | {"fingerprint"}),
    ]


def due(row: Row, due_at: datetime) -> dict[str, Any]:
    """Give the attributes by which dispatch finds a row at a moment."""
    return {"lane": places.lane(row.id, urgent=row.urgent), "due_at": clock.text(due_at)}


def problem(  # noqa: PLR0913  one sentence needs who, when, what and why
    row: Row,
    status: Status,
    error: str,
    sentence: str,
    now: datetime,
    who: str,
    *,
    what: str = "",
    revision: int = 0,
    attempts: int | None = None,
    by_hand: bool = False,
) -> Patch:
    """Put a row aside for a person, in the problems index, with the reason on it."""
    if not by_hand and row.status is not None:
        check(row.status, status)
    assert status in PROBLEMS  # noqa: S101  a row without due_at must be in the problems index
    sentence = shorten(sentence, LONGEST_REASON)
    assign: dict[str, Any] = {
        "status": str(status),
        "revision": revision or row.revision + 1,
        "problem": str(status),
        "problem_at": clock.text(now),
        "reason": sentence,
        "error": error,
    }
    if attempts is not None:
        assign["attempts"] = attempts
    details = {"claimed_at": row.item.get("claimed_at"), "reason": sentence}
    assign["timeline"] = row.with_event(now, who, what or status.lower(), **details)
    # A leave to send to a suppressed address ends with the try it was given for.
    return Patch(assign, DUE_INDEX | CLAIM | {"deferrals", "send_anyway"})


def wait(  # noqa: PLR0913  as above
    row: Row,
    due_at: datetime,
    error: str,
    sentence: str,
    now: datetime,
    who: str,
    what: str = "put off",
    **details: Any,  # noqa: ANN401
) -> Patch:
    """Let a row wait for a moment, with the reason on it."""
    if row.status is not None:
        check(row.status, Status.WAITING)
    sentence = shorten(sentence, LONGEST_REASON)
    assign: dict[str, Any] = {
        "status": str(Status.WAITING),
        "revision": row.revision + 1,
        "reason": sentence,
        "error": error,
        "deferrals": row.deferrals + (error != AWAY),
        **due(row, due_at),
    }
    assign["timeline"] = row.with_event(now, who, what, reason=sentence, **details)
    return Patch(assign, CLAIM)


def finished(row: Row, now: datetime, keep: Retention) -> dict[str, Any]:
    """Give what every history row has, from the row it was."""
    gone = (
        CLAIM | DUE_INDEX | PROBLEM_INDEX | CHECK | {"error", "deferrals", "delivery_id", "confirmed_by", "send_anyway"}
    )
    if not keep.bodies:
        gone |= set(BODY)
    item = {name: value for name, value in row.item.items() if name not in gone}
    return item | {
        "revision": row.revision + 1,
        "finished_at": clock.text(now),
        "day": places.day(row.id, now),
        "recipient": places.recipient(row.item.get("to", "")),
        "expires_at": int((now + timedelta(days=keep.days)).timestamp()),
    }


def queued(row: Row, now: datetime, who: str, batch: str, what: str = "sent again") -> Patch:
    """Let a row go in its turn, as one of many: due now, but it rings nobody."""
    if row.status is not None:
        check(row.status, Status.PENDING)
    sentence = f"{what.capitalize()} in batch {batch}; it goes in its turn."
    assign = {"status": str(Status.WAITING), "revision": row.revision + 1, "reason": sentence, "error": "batch"}
    assign |= due(row, now)
    was, reason = row.item.get("status"), row.reason
    assign["timeline"] = row.with_event(now, who, what, batch=batch, was=was, reason=reason)
    return Patch(assign, PROBLEM_INDEX | CLAIM | CHECK | {"deferrals", "send_at", "send_anyway"})


# Words of rows that may have been sent, or were: many at once go only when that very word is named.
IN_DOUBT = frozenset({"restored-in-doubt", "held-in-doubt", "already-sent", "overwritten"})
MAY_BE_SENT = "It may have been sent"


def in_doubt(row: Row) -> bool:
    """Tell whether a row's word says that it may have been sent; a HELD row with no room for a word begins so."""
    wordless = row.status is Status.HELD and not row.error
    return row.error in IN_DOUBT or (wordless and row.reason.startswith(MAY_BE_SENT))


def refused(row: Row, reason: str, now: datetime, who: str) -> Patch:
    """Put a mail the API refused aside for a person."""
    return problem(
        row, Status.FAILED, "refused", f"The mail API refused it: {reason}", now, who, attempts=row.attempts + 1
    )


def overwritten(row: Row, before: Mapping[str, Any], now: datetime, who: str) -> Patch:
    """Put a mail aside over which somebody saved an older version while it was being sent."""
    sentence = (
        "It may have been sent: somebody saved an older version of this row while it was being sent. "
        "Look for it in the mail API before sending it again."
    )
    revision = max(row.revision, whole(before.get("revision"))) + 1
    patch = problem(row, Status.UNKNOWN, "overwritten", sentence, now, who, revision=revision, by_hand=True)
    kept = {name: before[name] for name in CLAIM if name in before}
    return Patch({**patch.assign, **kept}, patch.drop - kept.keys())


def sent_meanwhile(row: Row, finished: Mapping[str, Any], now: datetime, who: str) -> Patch:
    """Put a row aside whose mail was sent while somebody saved or resent it; nothing more goes out by itself."""
    sentence = (
        f"This mail was already sent, as delivery {finished.get('delivery_id', 'of unknown id')}, and history has it. "
        "Nothing more was sent. Cancel the row; a second mail is a new mail."
    )
    # Above every revision the send has used, so that this is not taken for one more older version saved by hand.
    revision = max(row.revision, whole(finished.get("revision"))) + 1
    return problem(row, Status.HELD, "already-sent", sentence, now, who, revision=revision, by_hand=True)


def unreadable(row: Row, what: Problem, now: datetime, who: str) -> Patch:
    """Put a row aside of which no mail can be made; the reason names the field."""
    sentence = f"The row cannot be sent as it is: {what}."
    return problem(row, Status.FAILED, "unreadable", sentence, now, who, by_hand=True)


def suppressed(row: Row, why: str, now: datetime, who: str) -> Patch:
    """Put a mail aside because its recipient bounced before; it was not sent."""
    sentence = f"Not sent: {why} Lift the address, or send this mail anyway."
    return problem(row, Status.FAILED, "suppressed", sentence, now, who)


def file_lost(row: Row, what: str, now: datetime, who: str) -> Patch:
    """Put a mail aside of which a file is missing or changed; it was not sent."""
    return problem(row, Status.FAILED, "file-lost", f"Not sent: {what}", now, who)


def filed(row: Row, now: datetime, who: str) -> Patch:
    """Bring a row whose state a person typed by hand to where people look for that state."""
    status = row.status or Status.FAILED
    reason = row.reason or "The state was set by hand."
    return problem(row, status, row.error or "by-hand", reason, now, who, what="state set by hand", by_hand=True)


def doubtful(row: Row, why: str, now: datetime, who: str, window: timedelta) -> Patch:
    """Note that a mail may have been sent: CHECKING while there are records to look in, else what its policy says.

    The first look comes when the lease is over and two clocks can no longer disagree about it: until then a delivery
    with this content may belong to another worker's mail. `claim` stays, so that a late answer still finds the row.
    """
    if not window:
        return undecided(row, why, now, who, attempts=row.attempts + 1)
    check(row.status or Status.SENDING, Status.CHECKING)
    first = max(row.due_at or now, now) + CLOCKS_APART
    sentence = shorten(f"It may have been sent: {why} It is being looked up in the mail API's records.", LONGEST_REASON)
    assign = {
        "status": str(Status.CHECKING),
        "revision": row.revision + 1,
        "attempts": row.attempts + 1,
        "doubt": shorten(why, LONGEST_REASON),
        "check_from": row.item.get("claimed_at", clock.text(now)),
        "check_until": clock.text(max(now + window, first)),
        "reason": sentence,
        "error": "unknown",
        **due(row, first),
        "timeline": row.with_event(now, who, "in doubt", claimed_at=row.item.get("claimed_at"), reason=why),
    }
    return Patch(assign, PROBLEM_INDEX | {"deferrals", "looks"})


def worker_died(row: Row) -> str:
    """Say what is known of a mail whose worker never came back."""
    return f"the worker that took it at {row.item.get('claimed_at', 'an unknown time')} did not come back."


def looked(row: Row, next_look: datetime, note: str, *, counts: bool = True) -> Patch:
    """Note a look that did not show the mail; it is looked for again."""
    check(row.status or Status.CHECKING, Status.CHECKING)
    sentence = f"It may have been sent: {row.item.get('doubt', '')} {note} Looked for again at {clock.text(next_look)}."
    looks = row.looks + counts
    assign: dict[str, Any] = {"status": str(Status.CHECKING), "revision": row.revision + 1, "looks": looks}
    assign |= due(row, next_look)
    return Patch(assign | {"reason": shorten(sentence, LONGEST_REASON)})


def undecided(row: Row, note: str, now: datetime, who: str, attempts: int | None = None) -> Patch:
    """Do as the mail's policy says when nobody can tell whether it was sent: hold it for a person, or send it again."""
    doubt = str(row.item.get("doubt", "")) if row.status is Status.CHECKING else ""
    told = " ".join(part for part in (doubt, note) if part)
    tried = row.attempts if attempts is None else attempts
    if row.item.get("on_unknown") != "resend":
        sentence = f"It may have been sent: {told} Look for it in the mail API before sending it again."
        patch = problem(row, Status.UNKNOWN, "unknown", sentence, now, who, attempts=tried)
        return Patch(patch.assign, (patch.drop | CHECK) - {"claim"})
    if tried >= ATTEMPTS:
        sentence = f"Tried {tried} times without a clear answer, which is as often as it may: {told}"
        patch = problem(row, Status.FAILED, "attempts-used-up", sentence, now, who, attempts=tried)
        return Patch(patch.assign, patch.drop | CHECK)
    due_at = backoff.next_try(now, tried)
    sentence = f"It may have been sent: {told} It is sent again at {clock.text(due_at)}, as the mail's on_unknown says."
    patch = wait(row, due_at, "resend", sentence, now, who, "to be sent again")
    assign = {name: value for name, value in patch.assign.items() if name != "deferrals"}
    # `claim` stays: an answer that comes after all still finds its row, as long as no other worker has claimed it.
    return Patch(assign | {"attempts": tried}, (patch.drop | CHECK | {"deferrals"}) - {"claim"})


def found(row: Row, delivery_id: str, now: datetime, keep: Retention, who: str) -> dict[str, Any]:
    """Make the history row of a mail that the API's own records show."""
    timeline = row.with_event(now, who, "found in the mail API's records", delivery_id=delivery_id)
    done = {"status": str(Status.SENT), "delivery_id": delivery_id, "confirmed_by": "records"}
    reason = "Accepted by the mail API: found in its records."
    return finished(row, now, keep) | done | {"timeline": timeline, "reason": reason}


def said_sent(row: Row, delivery_id: str, now: datetime, keep: Retention, who: str) -> dict[str, Any]:
    """Make the history row of a mail of which a person says that it was sent."""
    timeline = row.with_event(now, who, "confirmed as sent", delivery_id=delivery_id, reason=row.reason)
    done = {"status": str(Status.SENT), "confirmed_by": who, "timeline": timeline, "reason": f"Sent, says {who}."}
    return finished(row, now, keep) | done | ({"delivery_id": delivery_id} if delivery_id else {})


# What a row of history has and none of the outbox may have: indexes, the end of its time, what became of it.
HISTORY_ONLY = frozenset({"finished_at", "day", "recipient", "expires_at", "delivery_id", "confirmed_by"})
# What a late answer of the mail API leaves in the timeline of a mail that history already has.
SENT_AFTERWARDS = "sent a second time"
REOPENED = "reopened"
# Where the event of a cancel has what the row said of itself then.
SAID = (("status", "was"), ("error", "error"), ("reason", "reason"))


def refusal(row: Row) -> str:
    """Give why a mail of history cannot be reopened; empty if it can."""
    if row.status is not Status.CANCELLED:
        return "only CANCELLED mails are"
    if "forgotten_at" in row.item:
        return "what it said was forgotten on request"
    if not row.has_texts:
        return "history does not keep what mails said"
    if row.item.get("resent_as"):
        return "it was sent again as another mail already; then there would be two"
    if sent := next((event for event in row.timeline if event.get("what") == SENT_AFTERWARDS), None):
        return f"it was sent after all, as delivery {sent.get('delivery_id', 'of unknown id')}"
    return ""


def reopened(row: Row, now: datetime, who: str) -> tuple[dict[str, Any], Patch]:
    """Give a cancelled mail without what only history has, and the patch that makes it HELD in the outbox."""
    word, sentence = REOPENED, f"Reopened by {who}."
    if was_in_doubt(row):
        word, sentence = "held-in-doubt", f"{MAY_BE_SENT}. {sentence}"
    base = {name: value for name, value in row.item.items() if name not in HISTORY_ONLY}
    patch = problem(row, Status.HELD, word, sentence, now, who, what=REOPENED)
    return base, Patch(patch.assign, patch.drop | CHECK)


def was_in_doubt(row: Row) -> bool:
    """Tell whether a cancelled mail may have been sent before, as far as anybody knows."""
    event = _cancel(row)
    was = Row({name: event[key] for name, key in SAID if key in event})
    silent = not (was.error or was.reason or was.status is Status.PENDING)
    doubtful = (
        was.status in {None, Status.UNKNOWN} or in_doubt(was) or MAY_BE_SENT.removeprefix("It ") in was.reason.lower()
    )
    return silent or doubtful or "delivery_id" in row.item


def _cancel(row: Row) -> Event:
    """Find the event that tells how the mail was cancelled; empty where a full row had no room for its timeline."""
    return next((event for event in reversed(row.timeline) if event.get("what") == "cancelled"), {})
