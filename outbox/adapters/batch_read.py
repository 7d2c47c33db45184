"""Rows of several tables by their keys, in one call; keys that a busy table did not read are asked for again."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from outbox.adapters.wire import Wire, from_wire
from outbox.core.row import Item

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

# What one BatchGetItem takes, over all its tables (API reference).
MOST = 100
# A little later each time: some three seconds in all.
LOOKS, FIRST_PAUSE, LONGEST_PAUSE = 10, 0.02, 0.5


def read_batch(
    client: "DynamoDBClient", keys: Sequence[tuple[str, Wire]], pause: Callable[[float], None]
) -> defaultdict[str, list[Item]]:
    """Read the rows of some (table, key), as they are now; give those that there are, by table, in no order.

    Raises `TimeoutError` when a table does not answer for all keys, and whatever else AWS says.
    """
    found: defaultdict[str, list[Item]] = defaultdict(list)
    for begin in range(0, len(keys), MOST):
        wanted: Any = {}
        for table, key in keys[begin : begin + MOST]:
            wanted.setdefault(table, {"Keys": [], "ConsistentRead": True})["Keys"].append(key)
        _read(client, wanted, pause, found)
    return found


def _read(client: "DynamoDBClient", wanted: Any, pause: Callable[[float], None], found: dict[str, list[Item]]) -> None:  # noqa: ANN401  a request
    for number in range(LOOKS):
        if number:
            pause(min(FIRST_PAUSE * 2 ** (number - 1), LONGEST_PAUSE))
        answer = client.batch_get_item(RequestItems=wanted)
        for table, items in answer["Responses"].items():
            found[table] += map(from_wire, items)
        wanted = answer.get("UnprocessedKeys")
        if not wanted:
            return
    # Not to know is not to be allowed: nobody must take these for keys without a row.
    message = "the tables did not answer for all keys"
    raise TimeoutError(message)
