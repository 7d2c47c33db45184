"""Which of the rows that wait for a person are meant: through the problems index or by their ids, never by a scan."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from outbox.core import clock, places
from outbox.core.errors import InvalidRequest
from outbox.core.message import Message
from outbox.core.ports import NEVER, Page, Store
from outbox.core.row import Item, Row
from outbox.core.states import PROBLEMS, Status
from outbox.flows.find import everything, utc_date

T = TypeVar("T")

PAGE = 1000
# Reads of single rows at once.
READERS = 16
KEYS = ("state", "error", "text", "day", "since", "until", "domain", "tag", "to", "subject")
# What of a `Where` is text and kept as it is.
TEXTS = ("error", "text", "domain", "tag", "to", "subject")
DOMAIN = re.compile(r"[^\s@<>,;:]+\.[^\s@<>,;:.]+")
END_OF_DAY = time(23, 59, 59, 999000, UTC)


@dataclass(frozen=True, slots=True)
class Where:
    """What rows are meant; all that is given must hold, and without a state FAILED is meant.

    UNKNOWN mails may have been sent, HELD ones were put aside by somebody: each only when it is named. `error` is the
    row's word, `text` a part of its reason, `to` and `subject` parts of those as written (capitals do not matter in
    parts), `domain` the whole domain of the recipient; `since` and `until`, both included, say when it got there.
    """

    status: Status | None = None
    error: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None
    domain: str = ""
    tag: str = ""
    to: str = ""
    subject: str = ""
    ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no row that waits for a person can be. Raises `InvalidRequest`."""
        if self.status is not None and self.status not in PROBLEMS:
            raise InvalidRequest(Message("request.waits-for-nobody", status=self.status))
        if self.since and self.until and self.since > self.until:
            since, until = clock.text(self.since), clock.text(self.until)
            raise InvalidRequest(Message("request.since", since=since, until=until))

    @property
    def state(self) -> Status:
        """The one state that is meant."""
        return self.status or Status.FAILED

    @property
    def empty(self) -> bool:
        """Whether nothing was said at all."""
        return self == Where()

    def matches(self, item: Item) -> bool:
        """Tell whether a row, or what the index shows of one, is meant."""
        in_time = within(item.get("problem_at"), self.since, self.until)
        return item.get("status") == self.state and in_time and self.suits(item)

    def suits(self, item: Item) -> bool:
        """Tell whether a row, or what the index shows of one, is meant but for its state and its time."""
        tags = item.get("tags")
        return (
            (not self.error or item.get("error") == self.error)
            and _part(self.text, item.get("reason", ""))
            and _part(self.to, item.get("to", ""))
            and _part(self.subject, item.get("subject", ""))
            and (not self.domain or domain_of(item) == self.domain)
            and (not self.tag or (isinstance(tags, (list, set)) and self.tag in tags))
        )

    def rows(self, store: Store) -> Iterator[Row]:
        """Go through the rows, the latest first (ids: as given), each as far as the index shows it."""
        items = _read(store, self.ids) if self.ids else everything(partial(self.page, store))
        return (Row(item) for item in items if self.matches(item))

    def page(self, store: Store, cursor: str | None = None, until: datetime | None = None) -> Page:
        """Read a page of the index within the time that is meant, and not later than another bound."""
        bounds = [bound for bound in (self.until, until) if bound is not None]
        return store.by_problem(self.state, PAGE, cursor, since=self.since, until=min(bounds) if bounds else None)

    def as_json(self) -> dict[str, Any]:
        """Give the same in plain values, but for the ids."""
        times = {name: clock.text(moment) for name in ("since", "until") if (moment := getattr(self, name))}
        said = {"status": str(self.state)} | {name: getattr(self, name) for name in TEXTS}
        return {name: value for name, value in (said | times).items() if value}


@dataclass(frozen=True, slots=True)
class Place:
    """How far a walk through the index has come: to this moment, of which these rows were seen."""

    until: str = NEVER
    seen: frozenset[str] = frozenset()

    def after(self, items: Iterable[Item]) -> "Place":
        """Move on past some rows, given the latest first."""
        listed = list(items)
        # A hand may have typed what is no moment: such a row stands between others and marks no place.
        moments = [str(item["problem_at"]) for item in listed if clock.parse(item["problem_at"])]
        at = moments[-1] if moments else self.until
        unplaced = {at, *(item["problem_at"] for item in listed if clock.parse(item["problem_at"]) is None)}
        seen = frozenset(str(item["id"]) for item in listed if item["problem_at"] in unplaced)
        return Place(at, seen | self.seen if at == self.until else seen)


def walk(look: Callable[[datetime], Iterator[Page]], place: Place, size: int) -> Iterator[tuple[list[Item], Place]]:
    """Go through an index from which rows are taken meanwhile: so many rows at a time, and the place after them.

    A cursor would not do: it is worth nothing in another process, nor when rows before it have gone.
    """
    while fresh := _fresh(look(clock.parse(place.until) or datetime.max.replace(tzinfo=UTC)), place.seen):
        for items in chunks(fresh, size):
            place = place.after(items)
            yield items, place


def of(pairs: Iterable[str], ids: Iterable[str] = ()) -> Where:
    """Read `KEY=VALUE` as typed. Raises `InvalidRequest` naming the key and its rule."""
    given: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if key not in KEYS or not equals:
            raise InvalidRequest(Message("request.pair", written=repr(pair), keys=", ".join(KEYS)))
        if key in given or not value.strip():
            raise InvalidRequest(Message("request.twice" if key in given else "request.empty", field=key))
        given[key] = value.strip()
    if "day" in given and given.keys() & {"since", "until"}:
        raise InvalidRequest(Message("request.day"))
    return replace(_where(given), ids=tuple(dict.fromkeys(ids)))


def of_json(said: Mapping[str, Any]) -> Where:
    """Read back what `as_json` gave."""
    since, until = (clock.parse(said.get(name)) for name in ("since", "until"))
    texts: dict[str, Any] = {name: str(said.get(name, "")) for name in TEXTS}
    return Where(Status(str(said["status"])), since=since, until=until, **texts)


def domain_of(item: Item) -> str:
    """Give the domain of a row's recipient as lists and indexes know it; empty if there is none."""
    _, at, domain = places.recipient(item.get("to", "")).rpartition("@")
    return domain if at else ""


def within(written: object, since: datetime | None, until: datetime | None) -> bool:
    """Tell whether a row's time is within bounds, both included; what is no moment is not, if there is a bound."""
    at = clock.parse(written)
    return (since is None or (at is not None and at >= since)) and (until is None or (at is not None and at <= until))


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Give so many at a time."""
    left = iter(items)
    while chunk := list(islice(left, size)):
        yield chunk


def _where(given: Mapping[str, str]) -> Where:
    day = given.get("day", "")
    return Where(
        status=_state(given["state"]) if "state" in given else None,
        error=given.get("error", ""),
        text=given.get("text", ""),
        since=_moment("since" if "since" in given else "day", given.get("since", day)),
        until=_moment("until" if "until" in given else "day", given.get("until", day), last=True),
        domain=_domain(given["domain"]) if "domain" in given else "",
        tag=given.get("tag", ""),
        to=given.get("to", ""),
        subject=given.get("subject", ""),
    )


def _state(word: str) -> Status:
    if word.upper() not in PROBLEMS:
        raise InvalidRequest(Message("request.problem-state", written=repr(word)))
    return Status(word.upper())


def _domain(written: str) -> str:
    if not DOMAIN.fullmatch(written):
        raise InvalidRequest(Message("request.domain", written=repr(written)))
    return domain_of({"to": f"anybody@{written}"})


def _moment(key: str, written: str, *, last: bool = False) -> datetime | None:
    """Read a moment with a zone, or the first or last one of a UTC day."""
    if not written:
        return None
    if len(written) <= len("YYYY-MM-DD"):
        day = utc_date(f"{key}:", written)
        return datetime.combine(day, END_OF_DAY if last else time(tzinfo=UTC))
    try:
        moment = datetime.fromisoformat(written)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidRequest(Message("request.moment", field=key, written=repr(written)))


def _part(asked: str, written: object) -> bool:
    return asked.lower() in str(written).lower()


def _read(store: Store, ids: Iterable[str]) -> Iterator[Item]:
    with ThreadPoolExecutor(READERS) as pool:
        for some in chunks(ids, PAGE):
            yield from (item for item in pool.map(store.get, some) if item is not None)


def _fresh(pages: Iterable[Page], seen: frozenset[str]) -> list[Item]:
    """Give the first page's worth of rows that were not seen yet."""
    fresh = ([item for item in page.items if item["id"] not in seen] for page in pages)
    return next((items for items in fresh if items), [])
