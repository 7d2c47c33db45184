"""DynamoDB as the SDK sees it: the real adapters make, sign and read each call, and the wire answers after a while."""

import io
import json
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

import boto3
from botocore.awsrequest import AWSRequest, AWSResponse

from outbox.adapters import aws
from outbox.adapters.checks import DynamoChecks
from outbox.adapters.control import DynamoRegister
from outbox.adapters.dynamodb import DynamoStore
from outbox.adapters.wire import Wire, to_wire
from outbox.core.row import Item
from tests.bench.rig import THREADS, Tables

JSON = {"Content-Type": "application/x-amz-json-1.0"}
SET = re.compile(r"(#\w+) = (:\w+)")


class _Body(io.BytesIO):
    def stream(self, **_: object) -> Any:
        yield self.getvalue()


class Wired:
    """Answers what deliver asks of its tables; `calls` counts them by operation."""

    def __init__(self, seconds: float) -> None:
        self.calls, self._seconds = dict[str, int](), seconds
        self._rows: dict[str, Wire] = {}
        session = boto3.Session("none", "none", region_name="ap-northeast-1")
        self._client = aws.dynamodb(session, THREADS + 2)
        self._client.meta.events.register("before-send.dynamodb.*", self._answer)

    def tables(self, rows: Sequence[Item]) -> Tables:
        """Hold rows, and nothing in history nor on the list."""
        self._rows = {str(row["id"]): to_wire(row) for row in rows}
        store = DynamoStore(self._client, "outbox", "history")
        return Tables(store, DynamoRegister(self._client, "control"), DynamoChecks(self._client, "history", "list"))

    def _answer(self, request: AWSRequest, **_: object) -> AWSResponse:
        time.sleep(self._seconds)
        target: Any = request.headers["X-Amz-Target"]
        name = (target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]
        self.calls[name] = self.calls.get(name, 0) + 1
        body: Any = request.body
        said = json.dumps(self._said(name, json.loads(body))).encode()
        return AWSResponse(request.url, 200, JSON, _Body(said))

    def _said(self, name: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        if name == "BatchGetItem":
            return {"Responses": {table: [] for table in asked["RequestItems"]}, "UnprocessedKeys": {}}
        if name != "UpdateItem":
            return {}
        names, values = asked["ExpressionAttributeNames"], asked["ExpressionAttributeValues"]
        new = {names[to]: values[value] for to, value in SET.findall(asked["UpdateExpression"])}
        return {"Attributes": self._rows[asked["Key"]["id"]["S"]] | new}
