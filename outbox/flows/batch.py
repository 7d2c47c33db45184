"""One decision about many rows that wait for a person: looked at first, then carried out as a batch with an id.

    start --> running --> done
                | ^
           stop | | continue (also after a crash, when its lease of 30 s is over)
                v |
              stopped

A batch is one small item among what the workers share: who, when, what, how far. Each row is changed by one conditional
write that names the batch, so a batch can die anywhere, be continued and even run twice at once, and doubles nothing.
Rows that are sent again wait for dispatch, which sends them within the rate; they ring nobody.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any

from outbox.core import clock, places
from outbox.core.errors import InvalidRequest, OutboxError
from outbox.core.message import Language, Message
from outbox.core.ports import Clock, Page, Register, Store
from outbox.core.retention import Retention
from outbox.core.row import Item, Row
from outbox.core.states import Status
from outbox.flows import correct
from outbox.flows.batch_report import RUNNING, STOPPED, Progress, Report
from outbox.flows.batch_row import FINISHED, GONE, Action, Deed
from outbox.flows.batch_run import Pages, Run, never, patiently, retried, update
from outbox.flows.batch_trial import Trial, tried
from outbox.flows.bulk_write import Judge
from outbox.flows.find import everything as all_of
from outbox.flows.support import check_who
from outbox.flows.suppression import NoSuppression, SuppressionList
from outbox.flows.where import Place, Where, chunks, of_json, walk

# Beyond this a preview says «more».
MOST = 100_000
LATEST = 50
THREADS = 16
# Rows between two looks at the item, on which a stop is written.
SIZE = 100
# Ids beside the item: 256 bytes each at the most, far below the 400 KB an item takes.
IDS = 500
ASKED = 100
# As `places.new_id` makes them.
ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}", re.ASCII)
RESEND = Action("resend")
NOT_ASKED = Message("skipped.not-asked")
# States that are meant only when they are named.
UNNAMED = {Message("skipped.unknown-unnamed"): Status.UNKNOWN, Message("skipped.held-unnamed"): Status.HELD}

__all__ = ["Action", "Batches", "NoBatch", "Preview", "Progress", "Report", "Trial"]


class NoBatch(OutboxError):
    """There is no batch of this id."""

    def __init__(self, batch: str) -> None:
        super().__init__(Message("batch.none", batch=repr(batch)))


@dataclass(frozen=True, slots=True)
class Preview:
    """What a batch would meet: how many rows (`more`: at least), some of them, and what is left out or will fail.

    `suppressed`: rows whose recipient is suppressed now, so that they will fail again. `excluded`: rows that were not
    asked for but nearly, or cannot be acted on, by reason.
    """

    count: int = 0
    more: bool = False
    sample: tuple[Row, ...] = ()
    suppressed: int = 0
    excluded: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Batches:
    """Looks at, starts, runs and stops batches; `pause` waits seconds between the tries of a row.

    `judge` sorts what a store or register raises: what is "refused" ends a run at once, all else is tried again.
    `look`: how many rows to go through at most to tell how many are meant, for who cannot wait.
    """

    store: Store
    register: Register
    clock: Clock
    keep: Retention
    pause: Callable[[float], None]
    suppression: SuppressionList | NoSuppression = field(default_factory=NoSuppression)
    threads: int = THREADS
    judge: Judge = retried
    look: int | None = None
    language: Language = "en"

    def preview(self, where: Where, limit: int = 5, action: Action = RESEND) -> Preview:
        """Count the rows that an action would meet, up to 100,000, and show some; changes nothing."""
        rows, cut = self._looked(where)
        sample: list[Row] = []
        counts: Counter[str] = Counter()
        left: Counter[str] = Counter()
        for some in chunks(islice(rows, MOST), ASKED):
            whys = [action.leaves(row, where, by_ids=bool(where.ids)) for row in some]
            left.update(filter(None, whys))
            met = [row for row, why in zip(some, whys, strict=True) if not why]
            sample += met[: limit - len(sample)]
            counts["rows"] += len(met)
            counts["suppressed"] += self._suppressed(met)
        more = next(rows, None) is not None or cut()
        excluded = {why: number for why, number in {**left, **self._nearly(where)}.items() if number}
        return Preview(counts["rows"], more, tuple(sample), counts["suppressed"], excluded)

    def try_out(self, where: Where, action: Action, limit: int = 5) -> tuple[int, int, list[Trial]]:
        """Count the rows that an edit would change and those it would not, and show some of the first."""
        action.check(where)
        some = correct.corrections(action.set)
        counts: Counter[bool] = Counter()
        trials: list[Trial] = []
        for rows in chunks(islice(where.rows(self.store), MOST), ASKED):
            for row in rows if correct.listed(some) else self._whole(rows):
                counts[bool(changed := correct.changes(some, row.item))] += 1
                if changed and len(trials) < limit:
                    trials += [tried(whole, some) for whole in self._whole([row])]
        return counts[True], counts[False], trials

    def start(self, where: Where, action: Action, who: str, *, everything: bool = False, batch: str = "") -> str:
        """Write a batch down and give its id; `run` carries it out. Raises `InvalidRequest`, `InvalidMail`.

        `everything`: nothing was said of the rows, and that is meant. `batch`: an id of `places.new_id`, given out
        before; who asks twice under it starts one batch.
        """
        check_who(who)
        action.check(where)
        if where.empty and not everything:
            raise InvalidRequest(Message("batch.everything"))
        now = self.clock()
        batch = batch or places.new_id(now)
        pages = [*chunks(where.ids, IDS)]
        for number, ids in enumerate(pages):
            self._write(_ids(batch, number), {"ids": ids})
        rows, cut = self._looked(where)
        count = len(where.ids) or sum(1 for _ in islice(rows, MOST + 1))
        item: dict[str, Any] = {"who": who, "at": clock.text(now), "where": where.as_json(), "action": action.as_json()}
        item |= {"state": RUNNING, "expected": min(count, MOST), "more": count > MOST or cut(), "pages": len(pages)}
        self._write(_name(batch), item)
        update(self.register, "batches", lambda there: _listed(batch, there), self.pause, self.judge)
        return batch

    def run(
        self, batch: str, progress: Progress | None = None, stopping: Callable[[], bool] = never, who: str = ""
    ) -> Report:
        """Carry a batch out, or on, until it is done or stopped; `stopping` is asked all the time.

        `who` continues it: that is noted on the batch, and the rows from then on name them.
        Raises `NoBatch`, `BatchOver` for one that is done, `BatchBusy` while somebody else runs it, and at once what
        the store refuses, as `judge` says: a right that is missing. It can be continued then.
        """
        item = self._item(batch)
        where, at = of_json(item["where"]), clock.parse(item["at"])
        started = at or self.clock()
        action = Action.of_json(item["action"])
        number = int(item.get("pages", 0))
        deed = Deed(
            self.store,
            self.clock,
            self.keep,
            batch,
            who or str(item["who"]),
            started,
            where,
            action,
            number > 0,
            self.language,
        )
        pages = self._pages(batch, number, where, started)
        run = Run(
            self.register, self.clock, self.pause, batch, _name(batch), deed, pages, self.threads, stopping, self.judge,
            self._noted("continued", who),
        )  # fmt: skip
        return run(progress or (lambda _report: None))

    def stop(self, batch: str, who: str = "") -> Report:
        """Stop a batch, whoever runs it, within a second or a hundred rows; `who` is noted. Raises `NoBatch`."""
        noted = self._noted("stopped", who)

        def stopped(there: Item | None) -> Item | None:
            return {**there, **noted, "state": STOPPED} if there and there.get("state") == RUNNING else None

        self._item(batch)
        update(self.register, _name(batch), stopped, self.pause, self.judge)
        return self.show(batch)

    def show(self, batch: str, *, once: bool = False) -> Report:
        """Tell how far a batch has come; `once`: without trying again for seconds. Raises `NoBatch`."""
        return Report.of(batch, self._item(batch, once=once), self.clock())

    def latest(self) -> list[Report]:
        """List the latest batches, the last one first."""
        ids = (self.register.get("batches") or {}).get("ids", [])
        items = ((batch, self.register.get(_name(batch))) for batch in ids)
        return [Report.of(batch, item, self.clock()) for batch, item in items if item is not None]

    def _looked(self, where: Where) -> tuple[Iterator[Row], Callable[[], bool]]:
        """Go through the rows that are meant, and tell in the end whether there are others that were not looked at."""
        if self.look is None or where.ids:
            return where.rows(self.store), never
        items = all_of(partial(where.page, self.store))
        rows = (Row(item) for item in islice(items, self.look) if where.matches(item))
        return rows, lambda: next(items, None) is not None

    def _noted(self, what: str, who: str) -> dict[str, Any]:
        if not who:
            return {}
        check_who(who)
        return {f"{what}_by": who, f"{what}_at": clock.text(self.clock())}

    def _write(self, name: str, new: dict[str, Any]) -> None:
        # Nobody else knows the name yet: a swap that is lost was our own, asked for twice or its answer lost.
        patiently(lambda: self.register.swap(name, None, new), self.pause, self.judge)

    def _item(self, batch: str, *, once: bool = False) -> Item:
        read = partial(self.register.get, _name(batch))
        item = read() if once else patiently(read, self.pause, self.judge)
        if item is None:
            raise NoBatch(batch)
        return item

    def _suppressed(self, rows: Iterable[Row]) -> int:
        addresses = [str(row.item.get("to", "")) for row in rows]
        reasons = self.suppression.reasons(addresses)
        return sum(places.recipient(address) in reasons for address in addresses) if reasons else 0

    def _nearly(self, where: Where) -> dict[str, int]:
        if where.ids:
            outbox, history = self._present(where.ids)
            absent = len(where.ids) - outbox - history
            return {FINISHED: history, GONE: absent} | self._other(where, outbox)
        if where.status is not None:
            return {}
        return {why: self._number(where, status) for why, status in UNNAMED.items()}

    def _other(self, where: Where, outbox: int) -> dict[str, int]:
        return {NOT_ASKED: outbox - sum(1 for _ in where.rows(self.store))}

    def _number(self, where: Where, status: Status) -> int:
        return sum(1 for _ in islice(replace(where, status=status).rows(self.store), MOST))

    def _present(self, ids: Iterable[str]) -> tuple[int, int]:
        found = [self.store.present(some) for some in chunks(ids, ASKED)]
        return sum(len(outbox) for outbox, _ in found), sum(len(history - outbox) for outbox, history in found)

    def _whole(self, rows: Iterable[Row]) -> Iterator[Row]:
        return (Row(item) for row in rows if (item := self.store.get(row.id)) is not None)

    def _pages(self, batch: str, number: int, where: Where, started: datetime) -> Pages:
        """Give the way to the rows: so many pages of ids, or the index."""
        return partial(self._by_ids, batch, number) if number else partial(self._by_index, where, started)

    def _by_ids(self, batch: str, number: int, place: Any) -> Iterator[tuple[list[str], Any]]:  # noqa: ANN401  JSON
        for page in range(int(place or 0), number):
            item = patiently(partial(self.register.get, _ids(batch, page)), self.pause, self.judge)
            yield list((item or {}).get("ids", [])), page + 1

    def _by_index(self, where: Where, started: datetime, place: Any) -> Iterator[tuple[list[str], Any]]:  # noqa: ANN401  JSON
        """Give the ids of rows that were there when the batch was started, and the place after them."""
        begin = Place(str(place["until"]), frozenset(place["seen"])) if place else Place(clock.text(started))

        def look(until: datetime) -> Iterator[Page]:
            cursor: str | None = None
            while True:
                page = patiently(partial(where.page, self.store, cursor, until), self.pause, self.judge)
                yield page
                cursor = page.cursor
                if cursor is None:
                    return

        for items, after in walk(look, begin, SIZE):
            ids = [str(item["id"]) for item in items if where.matches(item)]
            yield ids, {"until": after.until, "seen": sorted(after.seen)}


def _listed(batch: str, there: Item | None) -> dict[str, Any]:
    ids = dict.fromkeys([batch, *(there or {}).get("ids", [])])
    return {"ids": [*ids][:LATEST]}


def _name(batch: str) -> str:
    return f"batch-{batch}"


def _ids(batch: str, number: int) -> str:
    return f"batch-{batch}-ids-{number}"
