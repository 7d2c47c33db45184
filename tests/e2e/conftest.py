"""The deployed service, seen from outside: a client, the tables, the sandbox, the functions."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import httpx
import pytest

from outbox import Outbox
from outbox.adapters.bounces import DynamoSuppressions
from outbox.adapters.dynamodb import DynamoStore
from outbox.adapters.files import S3Files
from outbox.core import clock
from outbox.core.retention import Retention
from outbox.flows.support import Support
from outbox.flows.suppression import SuppressionList
from outbox.local.stack import LocalStack
from tests import waiting


class Deployed:
    """A running stack and what a test does to it."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack, self.info = stack, stack.info
        self.dynamodb: Any = stack.client("dynamodb")
        self.table: Any = boto3.resource("dynamodb", **stack.boto3_arguments).Table(self.info.outbox_table)
        names = {"table": self.info.outbox_table, "history_table": self.info.history_table}
        self.s3: Any = stack.client("s3")
        self.files = S3Files(self.s3, self.info.files_bucket)
        self.outbox = Outbox(client=self.dynamodb, files=self.files, actor="e2e", **names)
        self.store = DynamoStore(self.dynamodb, *names.values())
        self.support = Support(self.store, clock.now, Retention(400))
        self.suppression = SuppressionList(DynamoSuppressions(self.dynamodb, self.info.suppression_table), clock.now)
        self.sandbox = httpx.Client(base_url=self.info.sandbox_url or "", timeout=60)

    def fault(self, mode: str, **how: object) -> None:
        self.sandbox.post("/_sandbox/faults", json={"mode": mode, **how}).raise_for_status()

    def bounce(self, **how: object) -> None:
        self.sandbox.post("/_sandbox/bounces", json=how).raise_for_status()

    def objects(self) -> set[str]:
        """Name the files in the bucket."""
        answer = self.s3.list_objects_v2(Bucket=self.info.files_bucket)
        return {each["Key"] for each in answer.get("Contents", [])}

    def arrived(self, **match: str) -> list[dict[str, Any]]:
        mails: list[dict[str, Any]] = self.sandbox.get("/_sandbox/mails", params=match).json()["mails"]
        return mails

    def dispatch(self) -> Any:
        return self.stack.invoke("dispatch", {})

    def until(
        self, mail_id: str, status: str, seconds: float = waiting.SECONDS, nudge: Callable[[], Any] | None = None
    ) -> Any:
        """Wait until a mail is in a state and give its row; `nudge` is called before each look but the first."""
        row: Any = None

        def there() -> bool:
            nonlocal row
            if row is not None and nudge:
                nudge()
            row = self.outbox.get(mail_id)
            return bool(row.item.get("status") == status)

        def told() -> str:
            return f"{mail_id} is {row.item.get('status')}, not {status}: {row.reason}\n{self.stack.log_tail()}"

        waiting.wait_for(there, seconds, pause=0.2 if nudge else 0.1, told=told)
        return row

    def wait_for(self, condition: Callable[[], Any], seconds: float = waiting.SECONDS) -> Any:
        """Wait until something holds and give it."""
        return waiting.wait_for(condition, seconds, told=self.stack.log_tail)

    def settle(self, seconds: float = 1.5) -> None:
        """Give the stream time to do what it should not."""
        time.sleep(seconds)


@pytest.fixture
def deployed(local_stack: LocalStack) -> Iterator[Deployed]:
    """Give the running service with an obedient mail API and empty tables."""
    service = Deployed(local_stack)
    service.sandbox.post("/_sandbox/reset").raise_for_status()
    local_stack.connect_webhook()
    info = service.info
    tables = {info.outbox_table: "id", info.history_table: "id", info.control_table: "id"}
    for table, key in (tables | {info.suppression_table: "email"}).items():
        for page in service.dynamodb.get_paginator("scan").paginate(TableName=table, ProjectionExpression=key):
            keys = [{"DeleteRequest": {"Key": item}} for item in page["Items"]]
            for begin in range(0, len(keys), 25):
                service.dynamodb.batch_write_item(RequestItems={table: keys[begin : begin + 25]})
    for key in service.objects():
        service.s3.delete_object(Bucket=info.files_bucket, Key=key)
    yield service
    if service.dynamodb.get_item(TableName=service.info.control_table, Key={"id": {"S": "switch"}}).get("Item"):
        service.dynamodb.delete_item(TableName=service.info.control_table, Key={"id": {"S": "switch"}})
        # The functions believe for two seconds what they read of it.
        time.sleep(2.2)
    service.sandbox.close()
