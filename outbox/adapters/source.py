"""A copy of a table in DynamoDB, read as a whole in parallel segments, with patience where it throttles."""

import random
import re
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from outbox.adapters.answers import CONFLICTS, RETRIED, reasons_of
from outbox.adapters.wire import from_wire
from outbox.core.errors import InvalidRequest
from outbox.core.row import Item

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_dynamodb.type_defs import TableDescriptionTypeDef

T = TypeVar("T")

NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}")
ARN = re.compile(r"arn:[^:]+:dynamodb:(?P<place>[^:]*:[^:]*):table/(?P<name>[A-Za-z0-9_.-]{3,255})")
THROTTLED = CONFLICTS | RETRIED | {"ProvisionedThroughputExceededException", "ThrottlingException", "Throttling"}
# Together about a minute, on top of the SDK's own three tries each time.
TRIES, FIRST_PAUSE, LONGEST_PAUSE = 14, 0.1, 10.0
KEYS = [{"AttributeName": "id", "KeyType": "HASH"}]


class Source:
    """Reads a table that is neither live one, given by name or ARN; `stop` ends all reading and waiting soon."""

    def __init__(self, client: "DynamoDBClient", table: str, outbox: str, history: str) -> None:
        arn = ARN.fullmatch(table)
        if arn is None and not NAME.fullmatch(table):
            message = f"{table!r} is neither the name nor the ARN of a table"
            raise InvalidRequest(message)
        self.name, self._place = (arn["name"], arn["place"]) if arn else (table, "")
        self.client, self.live = client, {"outbox": outbox, "history": history}
        self.stop = threading.Event()

    def check(self, *, to_be_changed: bool = False) -> int:
        """Tell about how many rows it has. Raises `InvalidRequest` saying why nothing can be taken from it.

        `to_be_changed`: also when it has a stream, as live tables have, of whichever stack, and restored ones have not.
        """
        live = {self._described(table)["TableArn"]: what for what, table in self.live.items()}
        places = {":".join(arn.split(":")[3:5]) for arn in live}
        if self._place and self._place not in places:
            message = f"the table {self.name} is in another region or account ({self._place}) than the live tables"
            raise InvalidRequest(message)
        there = self._there()
        if there["TableArn"] in live:
            message = f"the table {self.name} is the live {live[there['TableArn']]} itself; --from names a copy of it"
            raise InvalidRequest(message)
        if wrong := _wrong(there):
            message = f"the table {self.name} {wrong}"
            raise InvalidRequest(message)
        if to_be_changed and there.get("StreamSpecification", {}).get("StreamEnabled"):
            message = f"the table {self.name} has a stream, as a live outbox has: it may be that of another stack"
            raise InvalidRequest(message)
        return there.get("ItemCount", 0)

    def pages(self, segment: int, segments: int, limit: int) -> Iterator[list[Item]]:
        """Read one of so many disjoint parts, in pages of at most `limit` rows; smaller ones while it throttles."""
        size = _Size(limit)
        request: Any = {"TableName": self.name, "ConsistentRead": True, "Segment": segment, "TotalSegments": segments}
        while not self.stop.is_set():
            answer = self.steadily(lambda: self.client.scan(**request, Limit=size.rows), size.halve)
            size.grow()
            yield [from_wire(item) for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def steadily(self, call: Callable[[], T], throttled: Callable[[], None] = lambda: None) -> T:
        """Do it again, later, as long as a table says that it is too much; the last error is raised."""
        for number in range(TRIES):
            try:
                return call()
            except ClientError as error:
                if not is_throttled(error) or number == TRIES - 1:
                    raise
                throttled()
                pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**number)
                if self.stop.wait(random.uniform(pause / 2, pause)):  # noqa: S311  no secret
                    raise
        raise AssertionError

    def _there(self) -> "TableDescriptionTypeDef":
        try:
            return self._described(self.name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            message = f"there is no table {self.name} in {self.client.meta.region_name}"
            raise InvalidRequest(message) from None

    def _described(self, table: str) -> "TableDescriptionTypeDef":
        return self.client.describe_table(TableName=table)["Table"]


class _Size:
    """How many rows the next page may have."""

    def __init__(self, limit: int) -> None:
        self.rows = self._limit = limit

    def halve(self) -> None:
        self.rows = max(1, self.rows // 2)

    def grow(self) -> None:
        self.rows = min(self._limit, self.rows * 2)


def is_throttled(error: ClientError) -> bool:
    """Tell whether an answer says that it was too much, and nothing else."""
    codes = {error.response["Error"]["Code"]} | {str(reason.get("Code")) for reason in reasons_of(error)}
    return bool(codes & THROTTLED) and "ConditionalCheckFailed" not in codes


def _wrong(there: "TableDescriptionTypeDef") -> str:
    """Say what is wrong with a table as a copy; nothing if all is well."""
    if (status := there["TableStatus"]) != "ACTIVE":
        return f"is {status}, not ACTIVE; wait until it is"
    types = {each["AttributeName"]: each["AttributeType"] for each in there["AttributeDefinitions"]}
    if there["KeySchema"] != KEYS or types.get("id") != "S":
        keys = ", ".join(f"{each['AttributeName']} ({each['KeyType']})" for each in there["KeySchema"])
        return f"is no copy of an outbox or history: its key is {keys}, not id (HASH, text) alone"
    return ""
