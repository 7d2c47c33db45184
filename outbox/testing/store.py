"""The two tables and their indexes in memory."""

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import gt, lt
from typing import Any

from outbox.core import clock, places
from outbox.core.change import CheckedRow, Expect, Patch
from outbox.core.errors import AlreadyThere, Lost
from outbox.core.places import INDEXES, Index
from outbox.core.ports import NEVER, Due, Page
from outbox.core.row import Item
from outbox.testing.change import Change
from outbox.testing.copied import copied
from outbox.testing.size import check_size


class MemoryStore:
    """Two tables and their indexes in memory; one lock makes each write one step. `changes` is the outbox's stream."""

    def __init__(self) -> None:
        self.outbox: dict[str, dict[str, Any]] = {}
        self.history: dict[str, dict[str, Any]] = {}
        self.changes: list[Change] = []
        self._lock = threading.RLock()

    def put(self, item: Item) -> None:
        """Write a row of the outbox as a person does by hand: whole, unasked, no condition."""
        with self._lock:
            self._write(str(item["id"]), dict(item))

    def edit(self, mail_id: str, **attributes: Any) -> None:  # noqa: ANN401  a person types anything
        """Change attributes of a row as a person does by hand; None removes one."""
        with self._lock:
            item = {**self.outbox[mail_id], **attributes}
            self._write(mail_id, {name: value for name, value in item.items() if value is not None})

    def remove(self, mail_id: str) -> None:
        """Delete a row of the outbox as a person does by hand."""
        with self._lock:
            self._write(mail_id, None)

    def add(self, item: CheckedRow, *, once: bool) -> None:
        """Write a new row; with `once` the id must also be unused in history. Raises `AlreadyThere`, `TooLarge`."""
        with self._lock:
            mail_id = str(item["id"])
            row = self.outbox.get(mail_id)
            finished = self.history.get(mail_id) if once else None
            if row is not None or finished is not None:
                raise AlreadyThere(copied(row), copied(finished))
            self._write(mail_id, dict(item))

    def add_all(self, items: Sequence[CheckedRow]) -> Sequence[CheckedRow]:
        """Write up to 25 new rows; give those that were not taken this time: none. Raises `TooLarge`."""
        with self._lock:
            for item in items:
                check_size(item)
            for item in items:
                self._write(str(item["id"]), dict(item))
            return []

    def get(self, mail_id: str) -> Item | None:
        """Read a row of the outbox as it is now."""
        with self._lock:
            return copied(self.outbox.get(mail_id))

    def get_finished(self, mail_id: str) -> Item | None:
        """Read a row of history as it is now."""
        with self._lock:
            return copied(self.history.get(mail_id))

    def update(self, mail_id: str, expect: Expect, patch: Patch) -> Item:
        """Change a row if it is as expected and give it as it is then. Raises `Lost`, `TooLarge`."""
        expect.guards(patch.change)
        with self._lock:
            row = self.outbox.get(mail_id)
            if row is None or not expect.holds(row):
                raise Lost(copied(row))
            self._write(mail_id, patch.applied(row))
            return copied(self.outbox[mail_id])

    def finish(self, mail_id: str, expect: Expect, finished: CheckedRow, *, sole: bool = False) -> None:
        """Move a row to history in one step, if it is as expected; with `sole`, its delivery for this mail alone."""
        expect.guards(finished.change)
        with self._lock:
            row = self.outbox.get(mail_id)
            there = self.history.get(str(finished["id"]))
            mark = places.delivery_mark(str(finished.get("delivery_id"))) if sole else ""
            if there is not None or not expect.holds(row) or mark in self.history:
                raise Lost(copied(row), finished=there is not None)
            check_size(finished)
            if sole:
                self.history[mark] = {"id": mark, "mail": mail_id, "expires_at": finished["expires_at"]}
            self._keep(finished)
            self._write(mail_id, None)

    def drop(self, mail_id: str, expect: Expect) -> None:
        """Delete a row of the outbox whose mail history has, if it is as expected. Raises `Lost`."""
        with self._lock:
            row = self.outbox.get(mail_id)
            if not expect.holds(row):
                raise Lost(copied(row))
            self._write(mail_id, None)

    def keep(self, finished: CheckedRow) -> Item | None:
        """Write to history alone unless the id is there already; then give what is there. Raises `TooLarge`."""
        with self._lock:
            there = self.history.get(str(finished["id"]))
            if there is None:
                check_size(finished)
                self._keep(finished)
            return copied(there) if there != finished else None

    def add_linked(self, item: CheckedRow, origin_id: str, expect: Expect, patch: Patch) -> None:
        """Write a new row and, in the same step, note it on the finished mail it comes from. Raises `Lost`."""
        with self._lock:
            origin = self.history.get(origin_id)
            if origin is None or not expect.holds(origin) or str(item["id"]) in self.outbox:
                raise Lost(copied(origin))
            check_size(item)
            self.history[origin_id] = copied(patch.applied(origin))
            self._write(str(item["id"]), dict(item))

    def annotate(self, mail_id: str, patch: Patch, expect: Expect | None = None) -> None:
        """Change a row of history. Raises `Lost` if there is none, or it is not as expected."""
        with self._lock:
            there = self.history.get(mail_id)
            if there is None or not (expect or Expect()).holds(there):
                raise Lost(copied(there))
            self.history[mail_id] = copied(patch.applied(there))

    def reopen(self, finished: Item, expect: Expect, item: CheckedRow) -> None:
        """Move a mail of history back as a row of the outbox in one step, and its copies' items out of history."""
        expect.guards(item.change)
        with self._lock:
            mail_id = str(finished["id"])
            row = self.outbox.get(mail_id)
            if row is not None or not expect.holds(self.history.get(mail_id)):
                raise Lost(copied(row))
            self._write(mail_id, dict(item))
            for each in (finished, *places.copies(finished)):
                self.erase(str(each["id"]))

    def erase(self, item_id: str) -> None:
        """Delete an item of history: a person asked for it. Does nothing for one that is gone."""
        with self._lock:
            self.history.pop(item_id, None)

    def due(self, lane: str, until: datetime, limit: int) -> list[Due]:
        """List what should be looked at by then, the longest due first."""
        rows, latest = self._sorted(self.outbox, "lane", lane, "due_at"), clock.text(until)
        return [Due(row["id"], row["lane"], row["due_at"]) for row in rows if row["due_at"] <= latest][:limit]

    def never_due(self, lane: str, limit: int) -> list[Due]:
        """List what was given a `due_at` by hand that no moment reaches."""
        rows = self._sorted(self.outbox, "lane", lane, "due_at")
        return [Due(row["id"], row["lane"], row["due_at"]) for row in rows if row["due_at"] > NEVER][:limit]

    def present(self, ids: Sequence[str]) -> tuple[set[str], set[str]]:
        """Tell which of some ids the outbox has and which history has."""
        with self._lock:
            return {each for each in ids if each in self.outbox}, {each for each in ids if each in self.history}

    def by_problem(
        self,
        status: str,
        limit: int,
        cursor: str | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Page:
        """List rows that wait for a person, in one state, the latest first."""
        rows = self.outbox
        if since is not None or until is not None:
            first, last = clock.text(since) if since else "", clock.text(until) if until else NEVER
            rows = {key: row for key, row in rows.items() if first <= str(row.get("problem_at")) <= last}
        page = self._page(rows, ("problem", status, "problem_at"), limit, cursor)
        shown = {"id", "problem", "problem_at", *places.LISTED}
        return Page([{name: row[name] for name in row if name in shown} for row in page.items], page.cursor)

    def by_lane(self, lane: str, limit: int, cursor: str | None = None) -> Page:
        """List rows that wait for their time, the next due first."""
        return self._page(self.outbox, ("lane", lane, "due_at"), limit, cursor, latest_first=False)

    def by_recipient(self, email: str, limit: int, cursor: str | None = None) -> Page:
        """List what was sent to an address (in lower case), as a copy too, the latest first."""
        page = self.copies(email, limit, cursor)
        ids = dict.fromkeys(places.owner(row["id"]) for row in page.items if not row["id"].startswith(places.BOUNCE))
        found = (self.get_finished(mail_id) for mail_id in ids)
        return Page([row for row in found if row is not None and email in places.recipients(row)], page.cursor)

    def by_delivery(self, delivery_id: str) -> Page:
        """List what was sent under the mail API's id."""
        return Page([copied(row) for row in self._delivery(delivery_id) if places.is_mail(row["id"])])

    def has_delivery(self, delivery_id: str) -> bool:
        """Tell whether history has a mail under the mail API's id."""
        return bool(self.by_delivery(delivery_id).items)

    def by_day(self, day: str, limit: int, cursor: str | None = None) -> Page:
        """List what was finished in one partition of a day, the latest first."""
        return self._page(self.history, ("day", day, "finished_at"), limit, cursor)

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
        """List what an index itself shows under a key, by time, going on after an entry of it."""
        table, name, sort = INDEXES[index]
        rows = self._sorted(self.outbox if table == "outbox" else self.history, name, key, sort)
        found = [row for row in rows if (not since or row[sort] >= since) and (not until or row[sort] <= until)]
        if latest_first:
            found.reverse()
        if after is not None:
            beyond, place = lt if latest_first else gt, (after[sort], after["id"])
            found = [row for row in found if beyond((row[sort], row["id"]), place)]
        shown = {"id", name, sort, *(places.LISTED if index == "problems" else ())}
        return [copied({part: row[part] for part in row if part in shown}) for row in found[:limit]]

    def rows(self, table: str, ids: Sequence[str]) -> list[Item]:
        """Read whole rows of `outbox` or `history`, in the order of the ids; those that are gone are left out."""
        read = self.get if table == "outbox" else self.get_finished
        return [row for row in map(read, dict.fromkeys(ids)) if row is not None]

    def bounces(self, delivery_id: str) -> list[Item]:
        """List what came back of a delivery, in no order."""
        return [copied(row) for row in self._delivery(delivery_id) if row["id"].startswith(places.BOUNCE)]

    def bounces_of(self, email: str, limit: int, cursor: str | None = None) -> Page:
        """List what came back from an address (in lower case), the latest first; a page may be short."""
        page = self.copies(email, limit, cursor)
        return Page([row for row in page.items if row["id"].startswith(places.BOUNCE)], page.cursor)

    def bounces_on(self, date: str, limit: int, cursor: str | None = None) -> Page:
        """List what came back on a UTC date (YYYY-MM-DD), the latest first."""
        return self.by_day(places.bounce_day(date), limit, cursor)

    def copies(self, email: str, limit: int, cursor: str | None = None) -> Page:
        """List everything history finds an address by, as it is stored: mails, copies' items, bounces."""
        return self._page(self.history, ("recipient", email, "finished_at"), limit, cursor)

    def every(self, table: str, limit: int, cursor: str | None = None) -> Page:
        """Go through a whole table, `outbox` or `history`, in no order."""
        with self._lock:
            rows = [*(self.outbox if table == "outbox" else self.history).values()]
        begin = int(cursor or 0)
        return Page(copied(rows[begin : begin + limit]), str(begin + limit) if len(rows) > begin + limit else None)

    def _delivery(self, delivery_id: str) -> list[dict[str, Any]]:
        return self._sorted(self.history, "delivery_id", delivery_id, "id")

    def _keep(self, finished: Item) -> None:
        for item in (finished, *places.copies(finished)):
            self.history[str(item["id"])] = copied(dict(item))

    def _write(self, mail_id: str, item: dict[str, Any] | None) -> None:
        before = self.outbox.get(mail_id)
        if item is not None:
            check_size(item)
        if before == item:
            return  # A write that changes nothing makes no stream record.
        self.changes.append(
            Change("REMOVE" if item is None else "MODIFY" if before else "INSERT", before, copied(item))
        )
        if item is None:
            self.outbox.pop(mail_id, None)
        else:
            self.outbox[mail_id] = copied(item)

    def _sorted(self, table: Mapping[str, Item], key: str, value: str, order: str) -> list[dict[str, Any]]:
        """List rows as they are stored: most are left out afterwards, and only what is handed on is copied."""
        with self._lock:
            rows = [row for row in table.values() if row.get(key) == value and isinstance(row.get(order), str)]
        return sorted(rows, key=lambda row: (row[order], row["id"]))  # type: ignore[arg-type]

    def _page(
        self,
        table: Mapping[str, Item],
        index: tuple[str, str, str],
        limit: int,
        cursor: str | None,
        *,
        latest_first: bool = True,
    ) -> Page:
        rows = self._sorted(table, *index)
        if latest_first:
            rows.reverse()
        begin = int(cursor or 0)
        rest = len(rows) > begin + limit
        return Page(copied(rows[begin : begin + limit]), str(begin + limit) if rest else None)
