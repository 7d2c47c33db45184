"""Look through history, each mail with what came back of it; always through an index, never by a scan.

A bounce belongs to a mail when its delivery id and one of the mail's recipients match. They are joined when somebody
looks, so one that came before its mail was written down needs no second step.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, partial
from heapq import merge
from itertools import islice

from outbox.core import places
from outbox.core.errors import InvalidRequest
from outbox.core.ports import Clock, Page, Store
from outbox.core.row import Item, Row
from outbox.core.states import FINISHED, Status
from outbox.flows.find import PAGE, anywhere, check_limit, everything, expired, once, utc_date

# As long as history is kept unless somebody says otherwise; each day costs eight queries.
MOST_DAYS = 400
# The mail API tries a delivery for some days; what comes back later than this is not looked for.
BOUNCES_FOR = timedelta(days=30)

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

    def matches(self, row: Row) -> bool:
        """Tell whether a mail is what is sought, as far as its row says and but for the days."""
        tags = row.item.get("tags")
        return (
            (not self.mail_id or row.id == self.mail_id)
            and (not self.to or _email(self.to) in places.recipients(row.item))
            and (not self.delivery_id or row.delivery_id == self.delivery_id)
            and (not self.tag or (isinstance(tags, (list, set)) and self.tag in tags))
            and self.text.lower() in str(row.item.get("subject", "")).lower()
            and (self.status is None or row.status is self.status)
        )


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
class History:
    """Answers people's questions about what was sent, and what came back."""

    store: Store
    clock: Clock

    def look(self, sought: Sought, limit: int = 50) -> list[Kept]:
        """List at most so many mails, the latest first; without an id, address or date, those of today and yesterday.

        Raises `InvalidRequest`.
        """
        check_limit(limit)
        days, now = self._checked(sought), self.clock()
        rows = (Row(item) for item in self._candidates(sought, days) if not expired(item, now))
        found = once(row for row in rows if sought.matches(row) and _within(row.item, days))
        mails = map(self._with_bounces, found)
        return list(islice((mail for mail in mails if mail.bounces or not sought.bounced), limit))

    def show(self, mail_id: str) -> Kept:
        """Give a mail wherever it is, with what came back of it. Raises `NotFound`."""
        return self._with_bounces(anywhere(self.store, mail_id))

    def bounces(  # noqa: PLR0913  each is one thing a person may know
        self,
        *,
        to: str = "",
        delivery_id: str = "",
        since: str = "",
        until: str = "",
        unmatched: bool = False,
        limit: int = 50,
    ) -> list[Returned]:
        """List at most so many bounces, the latest first, with the mail each belongs to; `unmatched`: those without.

        Without anything: those of today and yesterday. Raises `InvalidRequest`.
        """
        check_limit(limit)
        sought = Sought(to, delivery_id=delivery_id, since=since, until=until)
        days, now = self._checked(sought), self.clock()
        owner_of = self._owners()
        events = (
            item
            for item in self._events(sought, days)
            if not expired(item, now) and _within(item, days) and (not to or item.get("recipient") == _email(to))
        )
        returned = (Returned(item, owner_of(item)) for item in events)
        return list(islice((each for each in returned if not (unmatched and each.mail_id)), limit))

    def _checked(self, sought: Sought) -> Days | None:
        """Give the days in question, None for all of them."""
        if sought.status is not None and sought.status not in FINISHED:
            message = f"nothing in history is {sought.status}; SENT and CANCELLED live there"
            raise InvalidRequest(message)
        if sought.to and "@" not in sought.to:
            message = f"history is asked by a whole address, not by {sought.to!r}"
            raise InvalidRequest(message)
        by_something = sought.mail_id or sought.to or sought.delivery_id
        if by_something and not (sought.since or sought.until):
            return None
        return self._days(sought)

    def _days(self, sought: Sought) -> Days:
        last = utc_date("until", sought.until) if sought.until else self.clock().date()
        first = utc_date("since", sought.since) if sought.since else last - timedelta(days=1)
        if not sought.since and (sought.mail_id or sought.to or sought.delivery_id):
            first = last - timedelta(days=MOST_DAYS - 1)
        if not timedelta(0) <= last - first < timedelta(days=MOST_DAYS):
            message = f"from {first} until {last} is no span of 1 to {MOST_DAYS} days"
            raise InvalidRequest(message)
        return first, last

    def _candidates(self, sought: Sought, days: Days | None) -> Iterable[Item]:
        if sought.mail_id:
            item = self.store.get_finished(sought.mail_id) if places.is_mail(sought.mail_id) else None
            return [] if item is None else [item]
        if sought.delivery_id:
            return self.store.by_delivery(sought.delivery_id).items
        if sought.to:
            return everything(lambda cursor: self.store.by_recipient(_email(sought.to), PAGE, cursor))
        first, last = days or self._days(sought)
        return self._bounced(first, last) if sought.bounced else self._by_day(first, last)

    def _by_day(self, first: date, last: date) -> Iterator[Item]:
        for day in _backwards(first, last):
            shards = [everything(partial(self._shard, shard)) for shard in places.days(day)]
            yield from merge(*shards, key=_when, reverse=True)

    def _shard(self, shard: str, cursor: str | None) -> Page:
        return self.store.by_day(shard, PAGE, cursor)

    def _bounced(self, first: date, last: date) -> list[Item]:
        """Give the mails of the bounces since then: they are few, where a look at each mail would cost a query."""
        until = min(last + BOUNCES_FOR, self.clock().date())
        # Another clock may have told of the bounce just before midnight.
        events = self._came_back(first - timedelta(days=1), max(until, first))
        deliveries = dict.fromkeys(str(event["delivery_id"]) for event in events if "delivery_id" in event)
        mails = [mail for delivery in deliveries for mail in self.store.by_delivery(delivery).items]
        return sorted(mails, key=_when, reverse=True)

    def _events(self, sought: Sought, days: Days | None) -> Iterable[Item]:
        if sought.delivery_id:
            return sorted(self.store.bounces(sought.delivery_id), key=_when, reverse=True)
        if sought.to:
            return everything(lambda cursor: self.store.bounces_of(_email(sought.to), PAGE, cursor))
        return self._came_back(*(days or self._days(sought)))

    def _came_back(self, first: date, last: date) -> Iterator[Item]:
        for day in _backwards(first, last):
            yield from everything(lambda cursor, day=day: self.store.bounces_on(day, PAGE, cursor))  # type: ignore[misc]

    def _owners(self) -> Callable[[Item], str]:
        """Give what names the mail of a bounce, asking once for each delivery."""
        mails_of = cache(lambda delivery: self.store.by_delivery(delivery).items)

        def owner(bounce: Item) -> str:
            mails = mails_of(str(bounce["delivery_id"])) if "delivery_id" in bounce else []
            return next((str(mail["id"]) for mail in mails if bounce.get("recipient") in places.recipients(mail)), "")

        return owner

    def _with_bounces(self, row: Row) -> Kept:
        return Kept(row, bounces_of(self.store, row))


def bounces_of(store: Store, row: Row) -> tuple[Item, ...]:
    """List what came back of a mail from the people it went to, the oldest first."""
    if not row.delivery_id:
        return ()
    addresses = places.recipients(row.item)
    events = (event for event in store.bounces(row.delivery_id) if event.get("recipient") in addresses)
    return tuple(sorted(events, key=_when))


def _email(written: str) -> str:
    return places.recipient(written)


def _when(item: Item) -> str:
    return str(item.get("finished_at", ""))


def _within(item: Item, days: Days | None) -> bool:
    return days is None or days[0].isoformat() <= _when(item)[:10] <= days[1].isoformat()


def _backwards(first: date, last: date) -> Iterator[str]:
    for back in range((last - first).days + 1):
        yield (last - timedelta(days=back)).isoformat()
