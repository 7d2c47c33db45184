"""The tables that records of bounces and the suppression list live in, made where a test wants them."""

import itertools
from datetime import UTC, datetime

import boto3

from outbox.adapters import aws
from outbox.adapters.bounces import DynamoBounces, DynamoSuppressions
from outbox.adapters.dynamodb import DynamoStore
from outbox.core.bounce import BOUNCE
from outbox.core.suppression import Rule
from outbox.flows.bounce import RecordBounces
from outbox.testing import TickingClock
from tests.store import tables

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
EMAIL = "taro@example.com"
accounts = itertools.count(222222222222)


class Kept:
    """The records and the list of one kind, and the history they write to."""

    def __init__(self, store, records, suppressions, client=None):
        self.store, self.records, self.suppressions, self.client = store, records, suppressions, client

    def flow(self):
        return RecordBounces(self.records, self.suppressions, TickingClock(NOW), Rule(), 400, 8)


def on_dynamodb(client):
    tables.create(client)
    client.create_table(
        TableName="suppression",
        AttributeDefinitions=[{"AttributeName": "email", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "email", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    suppressions = DynamoSuppressions(client, "suppression", lambda _: None)
    store = DynamoStore(client, "outbox", "history")
    return Kept(store, DynamoBounces(client, "history", "suppression"), suppressions, client)


def client_of(account, **options):
    keys = {"aws_access_key_id": str(account), "aws_secret_access_key": "y", "region_name": "us-east-1"}
    return aws.dynamodb(boto3.Session(**keys), **options)


def bounce(name="a", **parts):
    return {"id": f"{BOUNCE}{name}", "recipient": EMAIL, "finished_at": "2026-11-20T11:00:00.000Z", **parts}
