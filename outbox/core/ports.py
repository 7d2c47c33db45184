"""What the flows need from outside; adapters and the memory fakes of `outbox.testing` provide it."""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO, Protocol

from outbox.core.change import CheckedRow, Expect, Patch
from outbox.core.places import Index
from outbox.core.row import Item

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = "9999-12-31T23:59:59.999Z"


class Clock(Protocol):
    """The time, in UTC."""

    def __call__(self) -> datetime:
        """Tell the moment it is now."""


@dataclass(frozen=True, slots=True)
class Due:
    """An entry of the `due` index: enough to claim the row it stands for."""

    id: str
    lane: str
    due_at: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows and where to go on; `cursor` is None at the end."""

    items: Sequence[Item]
    cursor: str | None = None


class Store(Protocol):
    """The outbox and history tables; every write is one conditional step. Any other error: it may have happened."""

    def add(self, item: CheckedRow, *, once: bool) -> None:
        """Write a new row; with `once` the id must also be unused in history. Raises `AlreadyThere`, `TooLarge`."""

    def add_all(self, items: Sequence[CheckedRow]) -> Sequence[CheckedRow]:
        """Write up to 25 new rows whose ids nobody else can have; give those that were not taken this time.

        Raises `TooLarge` when one of them is larger than the table takes; then nothing was written.
        """

    def get(self, mail_id: str) -> Item | None:
        """Read a row of the outbox as it is now."""

    def get_finished(self, mail_id: str) -> Item | None:
        """Read a row of history as it is now."""

    def present(self, ids: Sequence[str]) -> tuple[set[str], set[str]]:
        """Tell which of some ids the outbox has and which history has, as of now."""

    def update(self, mail_id: str, expect: Expect, patch: Patch) -> Item:
        """Change a row if it is as expected and give it as it is then. Raises `Lost`, `TooLarge`.

        `ValueError` for a change of state that is not written over the state it starts from; so do `finish`, `reopen`.
        """

    def finish(self, mail_id: str, expect: Expect, finished: CheckedRow, *, sole: bool = False) -> None:
        """Move a row to history in one step, if it is as expected. Raises `Lost`, `TooLarge`.

        With `sole` no other mail may have taken the delivery of `finished`, and from then on none can.
        """

    def drop(self, mail_id: str, expect: Expect) -> None:
        """Delete a row of the outbox whose mail history has, if it is as expected. Raises `Lost`."""

    def keep(self, finished: CheckedRow) -> Item | None:
        """Write to history alone unless the id is there already; then give what is there. Raises `TooLarge`."""

    def add_linked(self, item: CheckedRow, origin_id: str, expect: Expect, patch: Patch) -> None:
        """Write a new row and, in the same step, note it on the finished mail it comes from. Raises `Lost`."""

    def annotate(self, mail_id: str, patch: Patch, expect: Expect | None = None) -> None:
        """Change a row of history. Raises `Lost` if there is none, or it is not as expected."""

    def reopen(self, finished: Item, expect: Expect, item: CheckedRow) -> None:
        """Move a mail of history back to the outbox, as a new row, in one step. Raises `Lost`, `TooLarge`.

        Its copies' items leave history too. `Lost` carries the row the outbox has, None if history is not as expected.
        """

    def erase(self, item_id: str) -> None:
        """Delete an item of history: a person asked for it. Does nothing for one that is gone."""

    def due(self, lane: str, until: datetime, limit: int) -> list[Due]:
        """List what should be looked at by then, the longest due first."""

    def never_due(self, lane: str, limit: int) -> list[Due]:
        """List what was given a `due_at` by hand that no moment reaches (text that sorts behind every time)."""

    def by_problem(
        self,
        status: str,
        limit: int,
        cursor: str | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Page:
        """List rows that wait for a person, in one state, the latest first; of each, what the index shows.

        `since` and `until`, both included, bound when they got there.
        """

    def by_lane(self, lane: str, limit: int, cursor: str | None = None) -> Page:
        """List rows that wait for their time, the next due first."""

    def by_recipient(self, email: str, limit: int, cursor: str | None = None) -> Page:
        """List what was sent to an address, as `places.recipient` gives it, as a copy too, the latest first.

        A page may be short, or empty with a cursor.
        """

    def by_delivery(self, delivery_id: str) -> Page:
        """List what was sent under the mail API's id."""

    def has_delivery(self, delivery_id: str) -> bool:
        """Tell whether history has a mail under the mail API's id."""

    def by_day(self, day: str, limit: int, cursor: str | None = None) -> Page:
        """List what was finished in one partition of a day, the latest first."""

    def entries(  # noqa: PLR0913  a place in an index has many parts
        self,
        index: Index,
        key: str,
        limit: int,
        *,
        after: Item | None = None,
        since: str = "",
        until: str = "",
        latest_first: bool = False,
    ) -> list[Item]:
        """List what an index itself shows under a key, by time, going on after an entry of it; reads no row.

        `since` and `until` bound the times as they are stored, both included.
        """

    def rows(self, table: str, ids: Sequence[str]) -> list[Item]:
        """Read whole rows of `outbox` or `history`, in the order of the ids; those that are gone are left out."""

    def bounces(self, delivery_id: str) -> list[Item]:
        """List what came back of a delivery, in no order."""

    def bounces_of(self, email: str, limit: int, cursor: str | None = None) -> Page:
        """List what came back from an address (in lower case), the latest first; a page may be short."""

    def bounces_on(self, date: str, limit: int, cursor: str | None = None) -> Page:
        """List what came back on a UTC date (YYYY-MM-DD), the latest first."""

    def copies(self, email: str, limit: int, cursor: str | None = None) -> Page:
        """List everything history finds an address by, as it is stored: mails, copies' items, bounces."""

    def every(self, table: str, limit: int, cursor: str | None = None) -> Page:
        """Go through a whole table, `outbox` or `history`, in no order: for an inspection, never to find work."""


class Suppressions(Protocol):
    """The addresses that bounced, by address in lower case (see `outbox.core.suppression`)."""

    def look(self, emails: Collection[str]) -> Mapping[str, Item]:
        """Read the entries of some addresses in one batch; those without an entry are left out."""

    def get(self, email: str) -> Item | None:
        """Read the entry of an address as it is now; None if there is none."""

    def swap(self, email: str, seen: Item | None, new: Item | None) -> bool:
        """Write an entry (None: delete it) if it is still as seen; tell whether that was so."""

    def page(self, limit: int, cursor: str | None = None) -> Page:
        """List entries, in no order; the table holds nothing else."""


class Checks(Protocol):
    """What a mail is checked against right before it goes."""

    def look(self, mail_id: str, emails: Collection[str]) -> tuple[Item | None, Mapping[str, Item]]:
        """Read the row history has of a mail, and the entries of some addresses on the suppression list, as of now.

        Any error: nobody knows whether the mail may go.
        """


class BounceRecords(Protocol):
    """Where bounces are written down; nothing is ever deleted or sent through this."""

    def record(self, bounces: Sequence[Item], entry: tuple[Item | None, Item] | None) -> AbstractSet[str]:
        """Write up to 90 bounces of one address down once, and in the same step its entry (as seen, as it shall be).

        Gives the ids of those that were there already: if there are any, nothing was written. Raises `Lost` when the
        entry is not as seen.
        """


class Files(Protocol):
    """The bucket with the files of mails. An error of the SDK: it may have happened, or it is out of reach."""

    def put(self, key: str, content: BinaryIO) -> tuple[int, str]:
        """Store what a stream gives under a new key, to expire unless kept; give its size and SHA-256 in hex."""

    def source(self, bucket: str, key: str, version: str = "") -> BinaryIO:
        """Open any object the caller may read, as a stream. Raises `FileLost`."""

    def get(self, key: str) -> BinaryIO:
        """Open a stored file as a stream. Raises `FileLost`."""

    def keep(self, key: str) -> None:
        """Let a file stay, because its mail was committed. Does nothing for one that is gone."""

    def delete(self, keys: Sequence[str]) -> Mapping[str, str]:
        """Delete files, also those that are gone already; give the error code of each that could not be."""


class Register(Protocol):
    """Small items that all workers share, by name."""

    def get(self, name: str) -> Item | None:
        """Read an item as it is now; None if there is none."""

    def swap(self, name: str, seen: Item | None, new: Item) -> tuple[bool, Item | None]:
        """Write an item if it is still as seen; tell whether it was written, and the item as it is now."""


class Limiter(Protocol):
    """The rate of the mail API, shared by all workers."""

    def book(self, count: int, *, urgent: bool) -> Sequence[datetime]:
        """Take up to so many slots; give the moments of the calls, none when the line is full for now."""

    def hold_back(self, seconds: float) -> None:
        """Let nobody call for so long: the API said so."""


class Unlimited:
    """No rate of our own: the API's 429 is what limits."""

    def book(self, count: int, *, urgent: bool) -> Sequence[datetime]:  # noqa: ARG002  the port's form
        """Allow every call, now."""
        return [LONG_AGO] * count

    def hold_back(self, seconds: float) -> None:
        """Hold nobody back."""


class Switch(Protocol):
    """The switch that stops all sending."""

    def stopped(self) -> str | None:
        """Tell why nothing may be sent now, None if all is well."""

    def trip(self, reason: str, who: str, account: str) -> None:
        """Stop all sending because the API refused everybody; `account` names the address and credentials in use."""

    def mend(self, account: str) -> bool:
        """End a stop that was made for another account than this one; tell whether the line goes now."""
