"""Which rows of the outbox a person wants to see: a filter as it stands in the address bar, and what is wrong there."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from outbox.console import times
from outbox.console.ask import Ask
from outbox.core.codes import ErrorCode
from outbox.core.errors import InvalidRequest
from outbox.core.states import Status
from outbox.flows.listing import NEEDS_A_PERSON, WAITS, Filter

FIELDS = ("state", "error", "to", "subject", "tag", "text", "since", "until")
UNDER_WAY = "underway"
SINGLE = (
    Status.FAILED, Status.UNKNOWN, Status.HELD, Status.PENDING, Status.WAITING, Status.SENDING, Status.CHECKING,
)  # fmt: skip
STATES: Mapping[str, frozenset[Status]] = {
    "": NEEDS_A_PERSON,
    UNDER_WAY: WAITS,
    **{state.lower(): frozenset({state}) for state in SINGLE},
}
NAMES: Mapping[str, str] = {
    "": "Needs a person",
    UNDER_WAY: "Waits for its time",
    "failed": "FAILED",
    "unknown": "UNKNOWN",
    "held": "HELD",
    "pending": "PENDING",
    "waiting": "WAITING",
    "sending": "SENDING",
    "checking": "CHECKING",
}
# Why a row needs a person, or why it waits.
ERRORS: Mapping[ErrorCode, str] = {
    ErrorCode.REFUSED: "the mail API refused it",
    ErrorCode.SUPPRESSED: "its recipient is suppressed",
    ErrorCode.UNREADABLE: "the row cannot be sent as it is",
    ErrorCode.NOT_ENCODABLE: "no request can be made of it",
    ErrorCode.FILE_LOST: "a file is missing or was changed",
    ErrorCode.ATTEMPTS_USED_UP: "tried as often as it may be",
    ErrorCode.INSERTED: "inserted in a state that never sends",
    ErrorCode.RESERVED_ID: "its id belongs to the service",
    ErrorCode.UNKNOWN: "no clear answer came",
    ErrorCode.OVERWRITTEN: "saved over while it was being sent",
    ErrorCode.POISON: "its worker died or hung twice",
    ErrorCode.HELD: "held by somebody",
    ErrorCode.HELD_IN_DOUBT: "held, and may have been sent",
    ErrorCode.REOPENED: "taken back after it was cancelled",
    ErrorCode.REOPENED_IN_DOUBT: "taken back after it was cancelled, and may have been sent",
    ErrorCode.ALREADY_SENT: "was sent already",
    ErrorCode.ALREADY_CANCELLED: "was cancelled already",
    ErrorCode.SET_BY_HAND: "its state was set by hand",
    ErrorCode.RESTORED: "restored from a copy",
    ErrorCode.RESTORED_IN_DOUBT: "restored from a copy, and may have been sent",
    ErrorCode.RESTORED_HELD: "restored from a copy, where it was held",
    ErrorCode.QUARANTINED: "held in a copy that is quarantined",
    ErrorCode.QUARANTINED_IN_DOUBT: "held in a copy that is quarantined, and may have been sent",
}
ERRORS_WAITING: Mapping[ErrorCode, str] = {
    ErrorCode.SCHEDULED: "scheduled",
    ErrorCode.OVER_RATE: "over the rate",
    ErrorCode.PAUSED: "sending is stopped",
    ErrorCode.RETRY_LATER: "the mail API asked to wait, or could not be reached",
    ErrorCode.DEPENDENCY_UNAVAILABLE: "our own tables do not answer",
    ErrorCode.RECONCILING: "it is being looked up in the mail API's records",
    ErrorCode.RESEND_PLANNED: "no clear answer came, and it is sent again",
    ErrorCode.BATCH: "goes in its turn, as one of many",
    ErrorCode.BULK: "enqueued in bulk, goes in its turn",
    ErrorCode.NO_TIME: "there was no time left for it",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A filter as it was typed, by field, what was made of it, and by field what nothing could be made of."""

    typed: Mapping[str, str]
    filter: Filter
    problems: Mapping[str, str]

    @property
    def query(self) -> dict[str, str]:
        """What stands in the address bar of the same list."""
        return {name: value for name, value in self.typed.items() if value and name not in self.problems}

    @property
    def narrowed(self) -> bool:
        """Whether more than a state was asked for."""
        return bool(self.query.keys() - {"state"})


def read(ask: Ask) -> Asked:
    """Read what is asked for, in a form or in the address bar; what is wrong is left out of the filter and told."""
    typed = {name: ask.one(name) for name in FIELDS}
    typed["state"] = typed["state"].lower()
    problems: dict[str, str] = {}
    if typed["state"] not in STATES:
        problems["state"] = ask.words("There is no such state.")
    since, until = (_moment(ask, name, typed, problems) for name in ("since", "until"))
    if since and until and since > until:
        problems["until"] = ask.words("The end is before the beginning.")
        until = None
    texts = {name: typed[name] for name in ("error", "to", "subject", "tag", "text")}
    states = STATES.get(typed["state"], NEEDS_A_PERSON)
    return Asked(typed, Filter(states=states, since=since, until=until, **texts), problems)


def states(ask: Ask) -> list[tuple[str, str]]:
    """Name what states one can filter by, each as the address bar and as a person knows it."""
    return [(state, _named(state, ask.words(NAMES[state]))) for state in STATES]


def errors(ask: Ask, asked: Asked) -> list[tuple[str, str]]:
    """Name the words such rows may have, with what they mean."""
    if asked.filter.waits_for_a_person:
        return [(str(word), ask.words(ERRORS[word])) for word in ERRORS]
    return [(str(word), ask.words(ERRORS_WAITING[word])) for word in ERRORS_WAITING]


def days(ask: Ask) -> list[tuple[str, str]]:
    """Offer moments and days somebody may want to look from, as one types them, each with its name."""
    here = ask.now.astimezone(ask.zone)
    return [
        (f"{here - timedelta(hours=1):%Y-%m-%dT%H:%M}", ask.words("an hour ago")),
        (f"{here:%Y-%m-%d}", ask.words("today")),
        (f"{here - timedelta(days=1):%Y-%m-%d}", ask.words("yesterday")),
        (f"{here - timedelta(days=7):%Y-%m-%d}", ask.words("a week ago")),
    ]


def typed(moment: datetime, ask: Ask) -> str:
    """Write a moment as a person would type it, to the second."""
    return f"{moment.astimezone(ask.zone):%Y-%m-%dT%H:%M:%S}"


def _moment(ask: Ask, name: str, typed: Mapping[str, str], problems: dict[str, str]) -> datetime | None:
    try:
        return times.typed(typed[name], name, ask.zone, last=name == "until")
    except InvalidRequest:
        problems[name] = ask.words("Neither a day (2026-01-31) nor a moment (2026-01-31T09:00).")
        return None


def _named(state: str, called: str) -> str:
    """Give the word of a state together with what it is called in the viewer's language."""
    word = state.upper()
    return called if state in ("", UNDER_WAY) or called == word else f"{word} {called}"
