"""Rows of several tables by their keys, in one call; keys that a busy table did not read are asked for again."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from outbox.adapters.wire import Wire, from_wire
from outbox.core.row import Item

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

# What one BatchGetItem takes, over all its tables (API reference).
MOST = 100
# So many looks in a row that brought nothing are enough. Seconds between them, a little more each time: three in all.
LOOKS, FIRST_PAUSE, LONGEST_PAUSE = 10, 0.02, 0.5

Keys = dict[str, list[Wire]]
NOW: dict[str, Any] = {"ConsistentRead": True}
# What AWS itself answers when it can read none of the keys (API reference of BatchGetItem).
BUSY: Any = {
    "Error": {
        "Code": "ProvisionedThroughputExceededException",
        "Message": "The tables are too busy to answer for all keys.",
    },
    "ResponseMetadata": {"HTTPStatusCode": 400},
}


class TablesBusy(ClientError):
    """The tables answered, though not for all keys, however often they were asked: they throttle."""

    def __init__(self, error_response: Any = BUSY, operation_name: str = "BatchGetItem") -> None:  # noqa: ANN401  the SDK's
        super().__init__(error_response, operation_name)


def read_batch(  # noqa: PLR0913  tests have clocks of their own
    client: "DynamoDBClient",
    keys: Sequence[tuple[str, Wire]],
    pause: Callable[[float], None],
    *,
    how: Mapping[str, Any] = NOW,
    longest: float = math.inf,
    timer: Callable[[], float] = time.monotonic,
) -> Mapping[str, list[Item]]:
    """Read the rows of some (table, key), no two alike; give those that there are, by table, in no order.

    `how`: what else to ask of a table; by default its rows as they are now. `longest`: seconds for a hundred keys after
    which no further look is begun. Raises `TablesBusy` when a table does not answer for all keys, and whatever else AWS
    says: nobody must take such a key for one without a row.
    """
    found: dict[str, list[Item]] = {table: [] for table, _ in keys}
    for begin in range(0, len(keys), MOST):
        until, in_vain = timer() + longest, 0
        wanted: Keys = {}
        for table, key in keys[begin : begin + MOST]:
            wanted.setdefault(table, []).append(key)
        fewest = _count(wanted)
        while left := _look(client, wanted, found, how):
            # An answer holds 16 MB at most: what it had no room for is no sign of a busy table.
            in_vain = in_vain + 1 if _count(left) >= fewest else 0
            fewest = min(fewest, _count(left))
            if in_vain == LOOKS or timer() > until:
                raise TablesBusy
            pause(min(FIRST_PAUSE * 2**in_vain, LONGEST_PAUSE))
            wanted = left
    return found


def _count(keys: Keys) -> int:
    return sum(map(len, keys.values()))


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
