"""What is sought in history, and how it is found and read: the plans that the walk through its indexes follows."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial

from outbox.core import places
from outbox.core.errors import InvalidRequest
from outbox.core.message import Message
from outbox.core.ports import Store
from outbox.core.row import Item, Row
from outbox.core.states import FINISHED, Status
from outbox.flows.find import expired, utc_date
from outbox.flows.history_pages import Plan, Stretch

# As long as history is kept unless somebody says otherwise; each day costs eight queries.
MOST_DAYS = 400
# The mail API tries a delivery for some days; what comes back later than this is not looked for.
BOUNCES_FOR = timedelta(days=30)
# The bounces of a date are one partition: so many of them are asked at once.
DAYS_AT_ONCE = 8
# No walk leaves the calendar.
FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(9990, 1, 1)
# Behind every time of the date it follows.
END = "~"

Days = tuple[date, date]


@dataclass(frozen=True, slots=True)
class Sought:
    """What a person looks for in history; what is not given does not matter. Given together, all must hold.

    `to` is a whole address, also one that got a copy; `mail_id` is the idempotency key if there was one; `since` and
    `until` are UTC dates (YYYY-MM-DD), both inclusive; `text` is a part of the subject.
    """

    to: str = ""
    mail_id: str = ""
    delivery_id: str = ""
    since: str = ""
    until: str = ""
    tag: str = ""
    text: str = ""
    status: Status | None = None
    bounced: bool = False

    @property
    def email(self) -> str:
        """The address as indexes know it."""
        return places.recipient(self.to)

    def matches(self, row: Row) -> bool:
        """Tell whether a mail is what is sought, as far as its row says and but for the days."""
        tags = row.item.get("tags")
        return (
            (not self.mail_id or row.id == self.mail_id)
            and (not self.to or self.email in places.recipients(row.item))
            and (not self.delivery_id or row.delivery_id == self.delivery_id)
            and (not self.tag or (isinstance(tags, (list, set)) and self.tag in tags))
            and self.text.lower() in str(row.item.get("subject", "")).lower()
            and (self.status is None or row.status is self.status)
        )

    def days(self, today: date) -> Days | None:
        """Give the days in question, None for all of them. Raises `InvalidRequest` for what history cannot answer."""
        if self.status is not None and self.status not in FINISHED:
            raise InvalidRequest(Message("request.history-state", status=self.status))
        if self.to and "@" not in self.to:
            raise InvalidRequest(Message("request.whole-address", written=repr(self.to)))
        by_something = bool(self.mail_id or self.to or self.delivery_id)
        if by_something and not (self.since or self.until):
            return None
        last = utc_date("until", self.until) if self.until else today
        back = MOST_DAYS - 1 if by_something else 1
        first = utc_date("since", self.since) if self.since else date.fromordinal(max(1, last.toordinal() - back))
        if not timedelta(0) <= last - first < timedelta(days=MOST_DAYS) or first < FIRST_DAY or last > LAST_DAY:
            raise InvalidRequest(Message("request.days", first=first, last=last, most=MOST_DAYS))
        return first, last


@dataclass(frozen=True, slots=True)
class Kept:
    """A mail and what came back of it, the oldest first."""

    row: Row
    bounces: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True)
class Returned:
    """A bounce and the id of the mail it belongs to; empty when no mail here does."""

    bounce: Item
    mail_id: str = ""


@dataclass(frozen=True, slots=True)
class Mails:
    """Finds and reads the mails of a question, side by side where it can; `today` is when the walk began."""

    store: Store
    pool: Executor
    sought: Sought
    today: date
    days: Days | None
    now: datetime
    seen: set[str] = field(default_factory=set)

    @property
    def by_bounces(self) -> bool:
        """Whether mails are found by what came back: it is little, where a look at each mail would cost a query."""
        sought = self.sought
        return sought.bounced and not (sought.to or sought.mail_id or sought.delivery_id)

    def plan(self) -> Plan[Kept]:
        """Say how the mails are found that neither an id nor a delivery names."""
        sought = self.sought
        if self.by_bounces and self.days:
            first, last = self.days
            # Another clock may have told of the bounce just before midnight.
            stretches = _bounce_days(first - timedelta(days=1), max(first, min(last + BOUNCES_FOR, self.today)))
            return Plan(stretches, partial(self._of_bounces, stretches))
        picky = bool(sought.tag or sought.text or sought.status)
        stretches = _stretches(sought, self.days, _mail_days)
        return Plan(stretches, self._of_entries, lambda item_id: bool(_mail_of(item_id)), picky=picky)

    def in_hand(self) -> list[Kept]:
        """Read the mails of an id or a delivery, the latest first."""
        if self.sought.mail_id:
            item = self.store.get_finished(self.sought.mail_id) if places.is_mail(self.sought.mail_id) else None
            items: Sequence[Item] = [] if item is None else [item]
        else:
            items = sorted(self.store.by_delivery(self.sought.delivery_id).items, key=when, reverse=True)
        mails = self.with_bounces([Kept(row) for row in map(Row, items) if self._is_sought(row)])
        return [mail for mail in mails if mail.bounces or not self.sought.bounced]

    def with_bounces(self, mails: Sequence[Kept]) -> list[Kept]:
        """Read what came back of the mails of which nothing is known to have."""
        read = self.pool.map(lambda mail: mail.bounces or bounces_of(self.store, mail.row), mails)
        return [Kept(mail.row, bounces) for mail, bounces in zip(mails, read, strict=True)]

    def _of_entries(self, entries: Sequence[Item]) -> list[list[Kept]]:
        ids = [_mail_of(str(entry["id"])) for entry in entries]
        rows = {row["id"]: Row(row) for row in self.store.rows("history", list(dict.fromkeys(ids)))}
        pairs = ((entry, rows.get(mail_id)) for entry, mail_id in zip(entries, ids, strict=True))
        mails = [[Kept(row)] if row is not None and self._shows(entry, row) else [] for entry, row in pairs]
        if not self.sought.bounced:
            return mails
        read = self.with_bounces([mail for some in mails for mail in some])
        bounced = {mail.row.id: [mail] for mail in read if mail.bounces}
        return [bounced.get(some[0].row.id, []) if some else [] for some in mails]

    def _shows(self, entry: Item, row: Row) -> bool:
        """Tell whether a mail is shown for an entry: a copy's to the mail's own recipient was left over by another."""
        if row.id in self.seen or (entry["id"] != row.id and entry["recipient"] == row.item.get("recipient")):
            return False
        self.seen.add(row.id)
        return self._is_sought(row)

    def _is_sought(self, row: Row) -> bool:
        return not expired(row.item, self.now) and self.sought.matches(row) and _within(row.item, self.days)

    def _of_bounces(self, stretches: Sequence[Stretch], entries: Sequence[Item]) -> list[list[Kept]]:
        """Give the mails of bounces, each for the latest of its bounces that the walk meets."""
        events = {row["id"]: row for row in self.store.rows("history", [str(entry["id"]) for entry in entries])}
        deliveries = list(dict.fromkeys(str(row["delivery_id"]) for row in events.values() if "delivery_id" in row))
        mails = dict(zip(deliveries, self.pool.map(self._delivered, deliveries), strict=True))
        met = {key for stretch in stretches for key in stretch.keys}

        def stands_at(mail: Kept, item_id: object) -> bool:
            there = [event for event in mail.bounces if event.get("day") in met and stretches[0].has(when(event))]
            return max(((when(event), event["id"]) for event in there), default=("", ""))[1] == item_id

        delivered = (mails.get(str(events.get(entry["id"], {}).get("delivery_id")), []) for entry in entries)
        return [
            [mail for mail in some if stands_at(mail, entry["id"])]
            for entry, some in zip(entries, delivered, strict=True)
        ]

    def _delivered(self, delivery_id: str) -> list[Kept]:
        rows = [row for row in map(Row, self.store.by_delivery(delivery_id).items) if self._is_sought(row)]
        events = self.store.bounces(delivery_id) if rows else []
        return [Kept(row, _belonging(events, row)) for row in rows]


@dataclass(frozen=True, slots=True)
class Bounces:
    """Finds and reads what came back, with the mail each bounce belongs to."""

    store: Store
    pool: Executor
    sought: Sought
    today: date
    days: Days | None
    now: datetime
    unmatched: bool
    mails: dict[str, Sequence[Item]] = field(default_factory=dict)

    def plan(self) -> Plan[Returned]:
        """Say how the bounces are found that no delivery names."""
        stretches = _stretches(self.sought, self.days, _bounce_days)
        return Plan(stretches, self._of_entries, _is_bounce)

    def in_hand(self) -> list[Returned]:
        """Read the bounces of a delivery, the latest first."""
        events = sorted(self.store.bounces(self.sought.delivery_id), key=when, reverse=True)
        return [returned for some in self._returned(events) for returned in some]

    def _of_entries(self, entries: Sequence[Item]) -> list[list[Returned]]:
        rows = {row["id"]: row for row in self.store.rows("history", [str(entry["id"]) for entry in entries])}
        return self._returned([rows.get(entry["id"], {}) for entry in entries])

    def _returned(self, events: Sequence[Item]) -> list[list[Returned]]:
        deliveries = {str(event["delivery_id"]) for event in events if "delivery_id" in event} - self.mails.keys()
        found = self.pool.map(lambda delivery: self.store.by_delivery(delivery).items, deliveries)
        self.mails.update(zip(deliveries, found, strict=True))
        returned = [Returned(event, self._owner(event)) if self._is_sought(event) else None for event in events]
        return [[each] if each and not (self.unmatched and each.mail_id) else [] for each in returned]

    def _is_sought(self, event: Item) -> bool:
        is_theirs = not self.sought.to or event.get("recipient") == self.sought.email
        return bool(event) and is_theirs and not expired(event, self.now) and _within(event, self.days)

    def _owner(self, event: Item) -> str:
        mails = self.mails.get(str(event.get("delivery_id")), ())
        return next((str(mail["id"]) for mail in mails if event.get("recipient") in places.recipients(mail)), "")


def bounces_of(store: Store, row: Row) -> tuple[Item, ...]:
    """List what came back of a mail from the people it went to, the oldest first."""
    return _belonging(store.bounces(row.delivery_id), row) if row.delivery_id else ()


def when(item: Item) -> str:
    """Give the time by which history is ordered."""
    return str(item.get("finished_at", ""))


def _belonging(events: Sequence[Item], row: Row) -> tuple[Item, ...]:
    addresses = places.recipients(row.item)
    return tuple(sorted((event for event in events if event.get("recipient") in addresses), key=when))


def _mail_of(item_id: str) -> str:
    """Give the mail an entry stands for, also that of a copy; empty for what is no mail."""
    if item_id.startswith(places.COPY):
        return item_id[len(places.COPY) :].partition(":")[2]
    return item_id if places.is_mail(item_id) else ""


def _is_bounce(item_id: str) -> bool:
    return item_id.startswith(places.BOUNCE)


def _within(item: Item, days: Days | None) -> bool:
    return days is None or days[0].isoformat() <= when(item)[:10] <= days[1].isoformat()


def _bounds(days: Days | None) -> tuple[str, str]:
    return (days[0].isoformat(), f"{days[1].isoformat()}{END}") if days else ("", "")


def _stretches(sought: Sought, days: Days | None, by_days: Callable[[date, date], list[Stretch]]) -> list[Stretch]:
    if sought.to:
        return [Stretch("by_recipient", (sought.email,), *_bounds(days))]
    return by_days(*days) if days else []


def _mail_days(first: date, last: date) -> list[Stretch]:
    """Go back day by day; the eight partitions of a day are merged."""
    return [Stretch("by_day", places.days(day), *_bounds((first, last))) for day in _backwards(first, last)]


def _bounce_days(first: date, last: date) -> list[Stretch]:
    """Go back some days at a time, each of which is one partition."""
    keys = [places.bounce_day(day) for day in _backwards(first, last)]
    groups = (tuple(keys[begin : begin + DAYS_AT_ONCE]) for begin in range(0, len(keys), DAYS_AT_ONCE))
    return [Stretch("by_day", group, *_bounds((first, last))) for group in groups]


def _backwards(first: date, last: date) -> Iterator[str]:
    for back in range((last - first).days + 1):
        yield (last - timedelta(days=back)).isoformat()
