"""Find deliveries and mail logs by the rules of the mail API: what matches in part, what exactly."""

from collections.abc import Iterable
from dataclasses import dataclass

from starlette.datastructures import QueryParams

from outbox.local.sandbox.bounce import Bounce
from outbox.local.sandbox.mail import Delivery, MailLog
from outbox.local.sandbox.query import Query

STATUSES = ("EDIT", "IMPORTING", "RESERVE", "WAIT", "SENDING", "SENT", "FAILED")
DELIVERY_TYPES = ("TRANSACTION", "BULK", "ALL")
DELIVERY_TYPES_WITH_SMTP = ("TRANSACTION", "BULK", "SMTP", "ALL")
LOG_STATUSES = ("SENT", "RETRY", "HARDERROR", "SOFTERROR", "DROP", "ALL")
SORT_FIELDS = ("delivery_time", "updated_time")
_HIGHEST_ID = 10**18


@dataclass(frozen=True, slots=True)
class Period:
    """From one moment to another, both included; either may be open."""

    start: float | None
    end: float | None

    def holds(self, sent_at: float | None) -> bool:
        """Tell whether a mail that left then (None: not yet) is within; stored times have whole seconds."""
        if self.start is None and self.end is None:
            return True
        if sent_at is None:
            return False
        second = int(sent_at)
        return (self.start is None or self.start <= second) and (self.end is None or second <= self.end)


def _period(query: Query) -> Period:
    return Period(query.time("delivery_start"), query.time("delivery_end"))


class DeliveryQuery:
    """A search in `/deliveries`; raises Invalid when made of wrong parameters."""

    def __init__(self, params: QueryParams, *, with_smtp: bool = False) -> None:
        query = Query(params)
        self._parts = {
            "text_part": query.text("text_part", 300),
            "html_part": query.text("html_part", 300),
            "subject": query.text("subject", 30),
            "from": query.text("from", 254),
            "url": query.text("list_unsubscribe_url", 450),
            "mailto": query.text("list_unsubscribe_mailto", 450),
        }
        self._statuses = query.many("status", 10, STATUSES)
        self._types = query.many("delivery_type", 10, DELIVERY_TYPES_WITH_SMTP if with_smtp else DELIVERY_TYPES)
        self._period = _period(query)
        self._size = query.integer("size", 1, 1_000) or 100
        self._page = query.integer("page", 1, 1_000) or 1
        self._sorting = query.sorting("sort", SORT_FIELDS)
        query.raise_if_wrong()

    def find(self, deliveries: Iterable[Delivery]) -> list[Delivery]:
        """Return one page of what matches, the newest first unless sorted otherwise."""
        found = sorted(filter(self._matches, deliveries), key=lambda each: -each.delivery_id)
        for field, descending in reversed(self._sorting):
            found.sort(key=lambda each: _sort_key(each, field), reverse=descending)
        return found[(self._page - 1) * self._size : self._page * self._size]

    def _matches(self, delivery: Delivery) -> bool:
        searched = _searched_texts(delivery)
        return (
            all(part is None or part in searched[name] for name, part in self._parts.items())
            and (not self._statuses or delivery.status in self._statuses)
            and (not self._types or "TRANSACTION" in self._types)
            and self._period.holds(delivery.sent_at)
        )


def _searched_texts(delivery: Delivery) -> dict[str, str]:
    """Return the texts as they were posted: values of insert codes cannot be searched for."""
    mail = delivery.mail
    return {
        "text_part": mail.text_part,
        "html_part": mail.html_part,
        "subject": mail.subject,
        "from": mail.sender.email,
        "url": mail.list_unsubscribe.get("url", ""),
        "mailto": mail.list_unsubscribe.get("mailto", ""),
    }


def _sort_key(delivery: Delivery, field: str) -> int:
    moment = delivery.sent_at if field == "delivery_time" else (delivery.sent_at or delivery.received_at)
    return int(moment or 0)


class LogQuery:
    """A search in `/logs/mails/results`; raises Invalid when made of wrong parameters."""

    def __init__(self, params: QueryParams) -> None:
        query = Query(params)
        self._anchor = query.integer("anchor", 1, _HIGHEST_ID)
        self._count = query.integer("count", 1, 1_000) or 100
        self._email = query.text("email", 254)
        self._delivery_id = query.integer("delivery_id", 0, _HIGHEST_ID)
        self._types = query.many("delivery_type", 10, DELIVERY_TYPES_WITH_SMTP)
        self._statuses = query.many("status", 10, LOG_STATUSES)
        self._codes = query.many("response_code", 30)
        self._period = _period(query)
        query.raise_if_wrong()

    def find(self, logs: Iterable[MailLog]) -> list[MailLog]:
        """Return the newest that match and lie strictly below the anchor."""
        found = sorted(filter(self._matches, logs), key=lambda log: -log.maillog_id)
        return found[: self._count]

    def _matches(self, log: MailLog) -> bool:
        return (
            (self._anchor is None or log.maillog_id < self._anchor)
            and (self._email is None or log.email == self._email)
            and (self._delivery_id is None or log.delivery_id == self._delivery_id)
            and (not self._types or "TRANSACTION" in self._types)
            and (not self._statuses or log.status in self._statuses)
            and (not self._codes or bool(self._codes & _spellings(log.response_code)))
            and self._period.holds(log.sent_at)
        )


def _spellings(code: str) -> set[str]:
    """Return a code as it is and without its decoration; by which one the real search goes is unknown."""
    return {code, code.partition("(")[0]}


class ErrorQuery:
    """A search in `/errors`; raises Invalid when made of wrong parameters."""

    def __init__(self, params: QueryParams) -> None:
        query = Query(params)
        self._period = Period(query.time("error_start"), query.time("error_end"))
        self._size = query.integer("size", 1, 1_000) or 100
        self._page = query.integer("page", 1, _HIGHEST_ID) or 1
        self._sorting = query.sorting("sort", ("error_time", "updated_time"))
        query.raise_if_wrong()

    def find(self, errors: Iterable[Bounce]) -> list[Bounce]:
        """Return one page of those in the period, the newest first unless sorted otherwise."""
        # Both fields hold the same moment here: the first one decides.
        descending = self._sorting[0][1] if self._sorting else True
        found = sorted((error for error in errors if self._period.holds(error.at)), key=lambda error: error.at)
        if descending:
            found.reverse()
        return found[(self._page - 1) * self._size : self._page * self._size]
