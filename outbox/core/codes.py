"""What is stored to say why a mail is where it is, and what happened to it; the sentences are in `catalogue`."""

from enum import StrEnum


class ErrorCode(StrEnum):
    """`error` on a row of the outbox: the kind of reason. Its parameters are the row's `details`."""

    # WAITING
    SCHEDULED = "scheduled"
    BULK = "bulk"
    BATCH = "batch"
    OVER_RATE = "over-rate"
    PAUSED = "paused"
    NO_TIME = "no-time"
    RETRY_LATER = "retry-later"
    DEPENDENCY_UNAVAILABLE = "dependency-unavailable"
    RESEND_PLANNED = "resend-planned"
    # CHECKING, UNKNOWN
    RECONCILING = "reconciling"
    UNKNOWN = "unknown"
    OVERWRITTEN = "overwritten"
    POISON = "poison"
    # FAILED
    REFUSED = "refused"
    UNREADABLE = "unreadable"
    NOT_ENCODABLE = "not-encodable"
    SUPPRESSED = "suppressed"
    FILE_LOST = "file-lost"
    ATTEMPTS_USED_UP = "attempts-used-up"
    INSERTED = "inserted"
    RESERVED_ID = "reserved-id"
    # HELD
    HELD = "held"
    HELD_IN_DOUBT = "held-in-doubt"
    REOPENED = "reopened"
    REOPENED_IN_DOUBT = "reopened-in-doubt"
    ALREADY_SENT = "already-sent"
    ALREADY_CANCELLED = "already-cancelled"
    RESTORED = "restored"
    RESTORED_HELD = "restored-held"
    RESTORED_IN_DOUBT = "restored-in-doubt"
    QUARANTINED = "quarantined"
    QUARANTINED_IN_DOUBT = "quarantined-in-doubt"
    # Any of FAILED, UNKNOWN and HELD
    SET_BY_HAND = "set-by-hand"


# Of mails that may have been sent, or were: many at once go only when that very code is named.
IN_DOUBT = frozenset(
    {
        ErrorCode.RESTORED_IN_DOUBT,
        ErrorCode.QUARANTINED_IN_DOUBT,
        ErrorCode.HELD_IN_DOUBT,
        ErrorCode.REOPENED_IN_DOUBT,
        ErrorCode.ALREADY_SENT,
        ErrorCode.OVERWRITTEN,
        ErrorCode.POISON,
    }
)


class EventCode(StrEnum):
    """`what` of an event of a timeline. Its parameters are the event's other attributes."""

    ENQUEUED = "enqueued"
    SENT = "sent"
    DEFERRED = "deferred"
    FAILED = "failed"
    UNKNOWN = "unknown"
    IN_DOUBT = "in-doubt"
    RESEND_PLANNED = "resend-planned"
    FOUND = "found"
    CONFIRMED = "confirmed"
    SENT_TWICE = "sent-twice"
    # What people did.
    EDITED = "edited"
    CHANGED_BY_HAND = "changed-by-hand"
    STATE_SET_BY_HAND = "state-set-by-hand"
    SCHEDULED = "scheduled"
    HELD = "held"
    RELEASED = "released"
    CANCELLED = "cancelled"
    REOPENED = "reopened"
    RESENT = "resent"
    RESENT_THOUGH_SUPPRESSED = "resent-though-suppressed"
    COPIED_TO = "copied-to"
    COPIED_FROM = "copied-from"
    RESTORED = "restored"
    QUARANTINED = "quarantined"
    DUPLICATE_CANCELLED = "duplicate-cancelled"
    ERASED = "erased"
    COPY_ERASED = "copy-erased"
