"""Look through history, each mail with what came back of it; always through an index, never by a scan.

A bounce belongs to a mail when its delivery id and one of the mail's recipients match. They are joined when somebody
looks, so one that came before its mail was written down needs no second step.
"""

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date
from typing import TypeVar

from outbox.core.ports import Clock, Store
from outbox.flows.find import anywhere, check_limit
from outbox.flows.history_pages import Mark, check_size, no_place
from outbox.flows.history_search import MOST_DAYS, Bounces, Kept, Mails, Returned, Sought, bounces_of, when

__all__ = ["MOST_DAYS", "CameBack", "Found", "History", "Kept", "Returned", "Sought", "bounces_of"]

T = TypeVar("T")

# Queries and reads at once.
READERS = 16


@dataclass(frozen=True, slots=True)
class Found:
    """A page of mails, and the token to look on after them; empty at the end."""

    mails: tuple[Kept, ...] = ()
    after: str = ""


@dataclass(frozen=True, slots=True)
class CameBack:
    """A page of bounces, and the token to look on after them; empty at the end."""

    bounces: tuple[Returned, ...] = ()
    after: str = ""


@dataclass(frozen=True, slots=True)
class History:
    """Answers people's questions about what was sent, and what came back."""

    store: Store
    clock: Clock

    def page(self, sought: Sought, size: int = 25, after: str = "") -> Found:
        """Give a page of mails, the latest first; without an id, address or date, of those of today and yesterday.

        It reads what it shows: of each of the eight partitions of a day one entry more than the page has mails, the
        rows of the page, and what came back of them. Where only the row tells (tag, text, status, bounced), up to 500
        rows are read for a page. A page ends early, with a token to look on, after so many rows, 40 empty days, or
        5,000 entries of another kind. With `bounced` alone a mail stands where something came back of it last. All
        mails of an id or a delivery are one page. Raises `InvalidRequest`, also for a token of another question.
        """
        check_size(size)
        question = ["mails", asdict(sought)]
        mark = self._mark(question, after)
        with ThreadPoolExecutor(READERS) as pool:
            mails = self._mails(sought, mark.today, pool)
            if sought.mail_id or sought.delivery_id:
                return Found(tuple(_only_page(mails.in_hand, after)))
            found, place = mails.plan().page(self.store, pool, size, mark.place)
            found = mails.with_bounces(found)
        return Found(tuple(found), mark.at(place).token(question) if place else "")

    def bounces_page(  # noqa: PLR0913  each is one thing a person may know
        self,
        *,
        to: str = "",
        delivery_id: str = "",
        since: str = "",
        until: str = "",
        unmatched: bool = False,
        size: int = 25,
        after: str = "",
    ) -> CameBack:
        """Give a page of bounces, the latest first, with the mail each belongs to; `unmatched`: those without.

        Without anything: of those of today and yesterday. It reads what it shows, but of `unmatched` ones up to 500
        rows for a page, and ends early as a page of mails does. All bounces of a delivery are one page. Raises
        `InvalidRequest`, also for a token of another question.
        """
        check_size(size)
        sought = Sought(to, delivery_id=delivery_id, since=since, until=until)
        question = ["bounces", asdict(sought), unmatched]
        mark = self._mark(question, after)
        with ThreadPoolExecutor(READERS) as pool:
            bounces = self._bounces(sought, mark.today, pool, unmatched=unmatched)
            if delivery_id:
                return CameBack(tuple(_only_page(bounces.in_hand, after)))
            found, place = bounces.plan().page(self.store, pool, size, mark.place)
        return CameBack(tuple(found), mark.at(place).token(question) if place else "")

    def look(self, sought: Sought, limit: int = 50) -> list[Kept]:
        """List at most so many mails, the latest first; without an id, address or date, those of today and yesterday.

        It reads as much as it takes to find them. Raises `InvalidRequest`.
        """
        check_limit(limit)
        with ThreadPoolExecutor(READERS) as pool:
            mails = self._mails(sought, self.clock().date(), pool)
            if sought.mail_id or sought.delivery_id:
                return mails.in_hand()[:limit]
            if mails.by_bounces:
                # They are found in the order they came back: which mails are the latest, only all of them tell.
                found = mails.plan().all(self.store, pool)
                return sorted(found, key=lambda mail: when(mail.row.item), reverse=True)[:limit]
            return mails.with_bounces(mails.plan().all(self.store, pool, limit))

    def show(self, mail_id: str) -> Kept:
        """Give a mail wherever it is, with what came back of it. Raises `NotFound`."""
        row = anywhere(self.store, mail_id)
        return Kept(row, bounces_of(self.store, row))

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

        Without anything: those of today and yesterday. It reads as much as it takes. Raises `InvalidRequest`.
        """
        check_limit(limit)
        sought = Sought(to, delivery_id=delivery_id, since=since, until=until)
        with ThreadPoolExecutor(READERS) as pool:
            bounces = self._bounces(sought, self.clock().date(), pool, unmatched=unmatched)
            return bounces.in_hand()[:limit] if delivery_id else bounces.plan().all(self.store, pool, limit)

    def _mark(self, question: object, after: str) -> Mark:
        return Mark.of(after, question) if after else Mark(self.clock().date())

    def _mails(self, sought: Sought, today: date, pool: Executor) -> Mails:
        return Mails(self.store, pool, sought, today, sought.days(today), self.clock())

    def _bounces(self, sought: Sought, today: date, pool: Executor, *, unmatched: bool) -> Bounces:
        return Bounces(self.store, pool, sought, today, sought.days(today), self.clock(), unmatched)


def _only_page(read: Callable[[], list[T]], after: str) -> list[T]:
    if after:
        raise no_place()
    return read()
