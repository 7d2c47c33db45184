"""Rows of several tables by their keys, in one call; keys that a busy table did not read are asked for again."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import HTTPClientError

from outbox.adapters.wire import Wire, from_wire
from outbox.core.row import Item

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

# What one BatchGetItem takes, over all its tables (API reference).
MOST = 100
# Of a hundred keys. Seconds: a little later each time, under three in all; and until no further look is begun.
LOOKS, FIRST_PAUSE, LONGEST_PAUSE, LONGEST = 10, 0.02, 0.5, 10.0

Keys = dict[str, list[Wire]]
NOW: dict[str, Any] = {"ConsistentRead": True}


class TablesBusy(HTTPClientError):
    """The tables answered, though not for all keys, however often they were asked: the same as no answer."""

    fmt = "the tables are too busy to answer for all keys"


def read_batch(
    client: "DynamoDBClient",
    keys: Sequence[tuple[str, Wire]],
    pause: Callable[[float], None],
    monotonic: Callable[[], float] = time.monotonic,
    how: Mapping[str, Any] = NOW,
) -> Mapping[str, list[Item]]:
    """Read the rows of some (table, key), no two alike; give those that there are, by table, in no order.

    `how`: what else to ask of a table; by default its rows as they are now. Raises `TablesBusy` when a table does not
    answer for all keys, and whatever else AWS says.
    """
    found: dict[str, list[Item]] = {table: [] for table, _ in keys}
    for begin in range(0, len(keys), MOST):
        until = monotonic() + LONGEST
        wanted: Keys = {}
        for table, key in keys[begin : begin + MOST]:
            wanted.setdefault(table, []).append(key)
        for number in range(LOOKS):
            if number:
                pause(min(FIRST_PAUSE * 2 ** (number - 1), LONGEST_PAUSE))
            wanted = _look(client, wanted, found, how)
            if not wanted or monotonic() > until:
                break
        if wanted:
            # Not to know is not to be allowed: nobody must take these for keys without a row.
            raise TablesBusy
    return found


def _look(client: "DynamoDBClient", wanted: Keys, found: dict[str, list[Item]], how: Mapping[str, Any]) -> Keys:
    """Read what can be read now; give the keys that are left. Raises `KeyError` for an answer about other tables."""
    # What is left is asked for as it was at first, whatever the answer says of how.
    request: Any = {table: {"Keys": keys, **how} for table, keys in wanted.items()}
    answer: Any = client.batch_get_item(RequestItems=request)
    read, left = answer["Responses"], answer.get("UnprocessedKeys") or {}
    for table in {*wanted, *read}:
        if table in read or table not in left:
            found[table] += map(from_wire, read[table])
    return {table: each["Keys"] for table, each in left.items()}
