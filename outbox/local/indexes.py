"""Answers a Query on an index from the members its page shows, as DynamoDB does, not from the whole partition.

    Query -> the emulator's checks -> Indexes.members -> Reading.get -> the emulator's condition, page and answer

The embedded AWS sorts all members of a partition and tests the condition on each: a second and a half a page
where 100,000 lie. Here each partition is kept in order, and the emulator is handed the members of the page it
is about to make. It still decides everything itself; where something is not understood here, such as keys that
are no strings or a condition with a function, it gets all members as before.
"""

# ruff: noqa: SLF001  The emulator's index is no public part of it; its version is checked at start.

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import islice
from threading import Lock
from typing import Any

Table = dict[str, Any]
Key = tuple[str, str]
Rank = tuple[str, ...]

# Operators that have what fits begin, or end, at an operand, and whether behind what equals it.
FROM = {"EQ": False, "GE": False, "GT": True, "BETWEEN": False}
TO = {"EQ": True, "LE": True, "LT": False, "BETWEEN": True}

_request: ContextVar[Mapping[str, Any] | None] = ContextVar("request", default=None)


def install(dynamodb: Any) -> None:  # noqa: ANN401  A module without types.
    """Have the emulator's module for DynamoDB read its indexes in this way from now on."""
    indexes = Indexes(dynamodb)
    dynamodb._index_members = indexes.members
    dynamodb._query = indexes.query


@dataclass(frozen=True)
class Layout:
    """The attributes an index consists of: its two keys and, as ``order``, the sort key and the table's keys."""

    partition: str
    sort: str | None
    order: tuple[str, ...]

    def rank(self, item: Mapping[str, Mapping[str, Any]]) -> Rank | None:
        """Say where an item belongs, or None if a key of it is no string: nothing is known of its place."""
        values: list[Any] = [item.get(name, {}).get("S") for name in (self.partition, *self.order)]
        return None if None in values else tuple(values[1:])


class Partition:
    """The members of a partition, told by the emulator what comes and goes as the dictionary it would keep itself.

    It may be read and written by several threads: rows also expire while a Query is answered.
    """

    def __init__(self, index: "Index", keys: Iterable[Key] = ()) -> None:
        """Take the members there are."""
        self.lock = Lock()
        self._index = index
        self._ranks = {key: index.rank(key) for key in keys}
        self._order = sorted((rank, key) for key, rank in self._ranks.items() if rank is not None)

    def __len__(self) -> int:
        return len(self._ranks)

    def __iter__(self) -> Iterator[Key]:
        with self.lock:
            return iter(list(self._ranks))

    def __setitem__(self, key: Key, _nothing: None) -> None:
        rank = self._index.rank(key)
        with self.lock:
            self._drop(key)
            self._ranks[key] = rank
            if rank is not None:
                insort(self._order, (rank, key))

    def pop(self, key: Key, _nothing: None) -> None:
        """Forget a member, if it is one."""
        with self.lock:
            self._drop(key)

    def ordered(self) -> bool:
        """Say whether the place of every member is known."""
        return len(self._order) == len(self._ranks)

    def walk(self, low: Rank, high: Rank | None, *, forward: bool) -> Iterator[Key]:
        """Go from one rank to just before another or the end, or back; the caller holds the lock meanwhile."""
        start = bisect_left(self._order, (low,))
        end = len(self._order) if high is None else bisect_left(self._order, (high,))
        places = range(start, end) if forward else range(end - 1, start - 1, -1)
        return (self._order[place][1] for place in places)

    def _drop(self, key: Key) -> None:
        rank = self._ranks.pop(key, None)
        if rank is not None:
            del self._order[bisect_left(self._order, (rank, key))]


class Index(dict[Any, Partition]):
    """The partitions of an index by the value of its partition key."""

    def __init__(self, table: Table, layout: Layout | None, partitions: Mapping[Any, Iterable[Key]]) -> None:
        """Take the members the emulator found."""
        self.table = table
        self.layout = layout
        super().__init__({value: Partition(self, keys) for value, keys in partitions.items()})

    def setdefault(self, value: Any, _plain: object = None, /) -> Partition:  # noqa: ANN401  A key of any type.
        """Give the partition of a value, a new one of ours where the emulator offers a dictionary of its own."""
        if value not in self:
            self[value] = Partition(self)
        return self[value]

    def item(self, key: Key) -> Any:  # noqa: ANN401  What the emulator keeps.
        """Give the stored item, or None."""
        return self.table["items"].get(key[0], {}).get(key[1])

    def rank(self, key: Key) -> Rank | None:
        """Say where a stored item belongs in its partition, or None if that is not known."""
        item = self.item(key)
        return None if self.layout is None or item is None else self.layout.rank(item)


class Indexes:
    """The emulator's two functions that this replaces; it calls them itself for all it does not do."""

    def __init__(self, dynamodb: Any) -> None:  # noqa: ANN401  A module without types.
        """Take the emulator's module as it is before."""
        self._dynamodb = dynamodb
        self._members = dynamodb._index_members
        self._query = dynamodb._query

    def query(self, request: Mapping[str, Any]) -> Any:  # noqa: ANN401  The emulator's answer.
        """Answer a Query; `members` sees meanwhile which one."""
        token = _request.set(request)
        try:
            return self._query(request)
        finally:
            _request.reset(token)

    def members(self, table: Table) -> Mapping[str, Any]:
        """Give the members of all indexes of a table; of its index only what it needs while a Query is answered.

        The emulator keeps them with the table and drops them when it has replaced items or indexes.
        """
        known: dict[str, Index] | None = table.get(self._dynamodb._INDEX_MEMBERS)
        if known is None:
            found = self._members(table).items()
            known = {name: Index(table, self._layout(table, name), partitions) for name, partitions in found}
            table[self._dynamodb._INDEX_MEMBERS] = known
        request = _request.get()
        if request is None or request["IndexName"] not in known:
            return known
        name = request["IndexName"]
        return {name: Reading(self._dynamodb, known[name], request)}

    def _layout(self, table: Table, name: str) -> Layout | None:
        partitions, sorts = self._dynamodb._index_key_lists(self._dynamodb._index_def(table, name))
        order = self._dynamodb._index_order_keys(table, sorts)
        kinds = {self._dynamodb._get_attr_type(table, each) for each in partitions} | {kind for _, kind in order}
        if len(partitions) != 1 or len(sorts) > 1 or kinds != {"S"}:
            return None
        return Layout(partitions[0], next(iter(sorts), None), tuple(attribute for attribute, _ in order))


class Reading:
    """An index as one Query sees it."""

    def __init__(self, dynamodb: Any, index: Index, request: Mapping[str, Any]) -> None:  # noqa: ANN401  A module.
        """Take a request the emulator has found right."""
        self._dynamodb = dynamodb
        self._index = index
        self._request = request
        self._forward = bool(request.get("ScanIndexForward", True))

    def get(self, value: Any, nothing: Iterable[Key]) -> Iterable[Key]:  # noqa: ANN401  A key of any type.
        """Give the members of a partition that the answer can depend on."""
        members = self._index.get(value)
        if members is None:
            return nothing
        cuts = self._condition(value)
        if cuts is None or not members.ordered():
            return members
        lows, highs = cuts
        if start := self._request.get("ExclusiveStartKey"):
            (lows if self._forward else highs).append(_cut(self._cursor(start), behind=self._forward))
        # The emulator sees what is wrong with a condition only where it has a member to test it on.
        return self._page(members, lows, highs) or list(islice(members, 1))

    def _condition(self, value: Any) -> tuple[list[Rank], list[Rank]] | None:  # noqa: ANN401  A key of any type.
        layout, operations = self._index.layout, _operations(self._dynamodb, self._request)
        if layout is None or operations is None or operations.pop(layout.partition, None) != ("EQ", [value]):
            return None
        if operations.keys() - {layout.sort}:
            return None
        lows = [_cut((operands[0],), behind=FROM[name]) for name, operands in operations.values() if name in FROM]
        highs = [_cut((operands[-1],), behind=TO[name]) for name, operands in operations.values() if name in TO]
        return lows, highs

    def _cursor(self, start: Mapping[str, Any]) -> Rank:
        order = self._index.layout.order if self._index.layout else ()
        return tuple(self._dynamodb._index_order_value(start, name, "S") for name in order)

    def _page(self, members: Partition, lows: Sequence[Rank], highs: Sequence[Rank]) -> list[Key]:
        taken: list[Key] = []
        limit, name = self._request.get("Limit"), self._request["IndexName"]
        with members.lock:
            walk = members.walk(max(lows, default=()), min(highs, default=None), forward=self._forward)
            # The emulator's page ends at the limit or with 1 MB; it takes no item more than it needs to tell.
            self._dynamodb._paginate_evaluated_items(self._items(walk, taken), limit, self._index.table, name)
        return taken

    def _items(self, keys: Iterable[Key], taken: list[Key]) -> Iterator[Any]:
        for key in keys:
            if (item := self._index.item(key)) is not None:
                taken.append(key)
                yield item


def _cut(prefix: Rank, *, behind: bool) -> Rank:
    """Give the rank that parts those beginning so from those in front of them, or from those behind them."""
    # No text lies between another and the same with a zero character at its end.
    return (*prefix[:-1], prefix[-1] + "\0") if behind else prefix


def _operations(dynamodb: Any, request: Mapping[str, Any]) -> dict[str, tuple[str, list[str]]] | None:  # noqa: ANN401
    """Read from the condition what it asks of which attribute; None if it asks anything else."""
    tokens = dynamodb._tokenize(request.get("KeyConditionExpression") or "")
    # boto3's own conditions come in one pair of parentheses; any others are not understood below.
    if [kind for kind, _ in (tokens[0], *tokens[-2:])] == ["LPAREN", "RPAREN", "EOF"]:
        tokens = tokens[1:-2]
    clauses = dynamodb._key_condition_clauses(tokens)
    found = [_operation(clause, request) for clause in clauses]
    return dict(each for each in found if each is not None) if None not in found else None


def _operation(
    clause: Sequence[tuple[str, str]], request: Mapping[str, Any]
) -> tuple[str, tuple[str, list[str]]] | None:
    match clause:
        case [(_, name), (operator, _), ("VALUE_REF", operand)] if operator in FROM | TO:
            references = [operand]
        case [(_, name), (_, "BETWEEN"), ("VALUE_REF", low), (_, "AND"), ("VALUE_REF", high)]:
            operator, references = "BETWEEN", [low, high]
        case _:
            return None
    values = request.get("ExpressionAttributeValues") or {}
    operands = [values.get(reference, {}).get("S") for reference in references]
    names = request.get("ExpressionAttributeNames") or {}
    return None if None in operands else (names.get(name, name), (operator, operands))
