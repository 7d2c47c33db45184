"""Find mails for a person: by state, recipient, delivery id or day; always through an index, never by a scan."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice

from outbox.core import places
from outbox.core.codes import ErrorCode
from outbox.core.errors import InvalidRequest, NotFound
from outbox.core.message import Message
from outbox.core.ports import Clock, Page, Store
from outbox.core.row import Item, Row
from outbox.core.states import DUE, FINISHED, IN_FLIGHT, PROBLEMS, Status

# The word by which the sender says that a mail's recipient is on the suppression list.
SUPPRESSED = ErrorCode.SUPPRESSED
PAGE = 100
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person looks for; what is not given does not matter. Given together, all must hold."""

    status: Status | None = None
    to: str = ""
    delivery_id: str = ""
    day: str = ""
    tag: str = ""
    text: str = ""

    def matches(self, row: Row) -> bool:
        """Tell whether a mail is what is wanted, as far as its row says."""
        to, subject = str(row.item.get("to", "")), str(row.item.get("subject", ""))
        tags = row.item.get("tags")
        return (
            (self.status is None or row.status is self.status)
            and self.to.lower() in to.lower()
            and (not self.delivery_id or row.delivery_id == self.delivery_id)
            and (not self.tag or (isinstance(tags, (list, set)) and self.tag in tags))
            and self.text.lower() in f"{subject}\n{row.reason}".lower()
        )


@dataclass(frozen=True, slots=True)
class Find:
    """Looks through the indexes that fit the question."""

    store: Store
    clock: Clock

    def __call__(self, wanted: Wanted, limit: int = 50) -> list[Row]:
        """List at most so many mails: those that wait for a person first, then those that wait, then history.

        History is asked only by `to`, `delivery_id`, `day` or a state that lives there. Raises `InvalidRequest`.
        """
        check_limit(limit)
        if wanted.status is not None and wanted.status not in FINISHED and (wanted.day or wanted.delivery_id):
            raise InvalidRequest(Message("request.history-only", status=wanted.status))
        rows = (Row(item) for item in self._candidates(wanted))
        now = self.clock()
        return list(islice(once(row for row in rows if wanted.matches(row) and not expired(row.item, now)), limit))

    def addressed(self, email: str) -> list[Row]:
        """List unsent mails that go to an address (in lower case), as a copy too.

        The problems index shows no copies: each of its rows to somebody else costs a read.
        """
        candidates = (*self._waiting(None), *map(self._whole(email), self._problems(None)))
        return list(once(Row(item) for item in candidates if email in places.recipients(item)))

    def suppressed(self, email: str) -> list[Row]:
        """List the FAILED mails that wait because their recipient (in lower case) is suppressed."""
        rows = map(Row, self._problems(Status.FAILED))
        return [row for row in rows if row.error == SUPPRESSED and places.recipient(row.item.get("to", "")) == email]

    def _whole(self, email: str) -> Callable[[Item], Item]:
        def read(item: Item) -> Item:
            known = places.recipient(item.get("to", "")) == email
            return item if known else self.store.get(str(item["id"])) or item

        return read

    def _candidates(self, wanted: Wanted) -> Iterator[Item]:
        in_outbox = wanted.status not in FINISHED and not wanted.delivery_id and not wanted.day
        if in_outbox:
            yield from self._problems(wanted.status)
            yield from self._waiting(wanted.status)
        if wanted.status is None or wanted.status in FINISHED:
            yield from self._history(wanted)

    def _problems(self, status: Status | None) -> Iterator[Item]:
        for state in sorted(PROBLEMS):
            if status in (None, state):
                yield from everything(lambda cursor, state=state: self.store.by_problem(state, PAGE, cursor))  # type: ignore[misc]

    def _waiting(self, status: Status | None) -> Iterator[Item]:
        if status is not None and status not in DUE | IN_FLIGHT:
            return
        for lane in (*places.lanes(urgent=True), *places.lanes(urgent=False)):
            yield from everything(lambda cursor, lane=lane: self.store.by_lane(lane, PAGE, cursor))  # type: ignore[misc]

    def _history(self, wanted: Wanted) -> Iterator[Item]:
        if wanted.delivery_id:
            yield from self.store.by_delivery(wanted.delivery_id).items
        elif "@" in wanted.to:
            yield from everything(lambda cursor: self.store.by_recipient(places.recipient(wanted.to), PAGE, cursor))
        elif wanted.day or wanted.status in FINISHED:
            for partition in self._days(wanted.day):
                yield from everything(lambda cursor, day=partition: self.store.by_day(day, PAGE, cursor))  # type: ignore[misc]

    def _days(self, day: str) -> Iterable[str]:
        if not day:
            now = self.clock()
            return [part for back in (0, 1) for part in places.days(f"{now - timedelta(days=back):%Y-%m-%d}")]
        return places.days(utc_date("day", day).isoformat())


def anywhere(store: Store, mail_id: str) -> Row:
    """Give a mail wherever it is. Raises `NotFound`."""
    for read in (store.get, store.get_finished, store.get):
        # It may move to history between two reads, or be reopened out of it: hence the order, and the third.
        item = read(mail_id)
        if item is not None:
            return Row(item)
    raise NotFound(mail_id)


def expired(item: Item, now: datetime) -> bool:
    """Tell whether a row of history is over: the table may take two days to delete it."""
    expires = item.get("expires_at")
    return isinstance(expires, int) and expires <= now.timestamp()


def check_limit(limit: int) -> None:
    """Refuse a list longer than anybody reads. Raises `InvalidRequest`."""
    if not 1 <= limit <= MOST:
        raise InvalidRequest(Message("request.limit", most=MOST))


def utc_date(name: str, written: str) -> date:
    """Read a date of the form YYYY-MM-DD. Raises `InvalidRequest`, with its name."""
    try:
        return datetime.strptime(written, "%Y-%m-%d").date()  # noqa: DTZ007  a date has no zone
    except ValueError:
        raise InvalidRequest(Message("request.date", field=name)) from None


def everything(page_of: Callable[[str | None], Page]) -> Iterator[Item]:
    """Go through a list page by page."""
    cursor: str | None = None
    while True:
        page = page_of(cursor)
        yield from page.items
        cursor = page.cursor
        if cursor is None:
            return


def once(rows: Iterable[Row]) -> Iterator[Row]:
    """Leave out a mail that moved from one index to the next while we looked."""
    seen: set[str] = set()
    for row in rows:
        if row.id not in seen:
            seen.add(row.id)
            yield row
