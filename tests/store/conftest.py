"""The stores the contract runs on: memory, moto, the embedded AWS."""

import itertools

import boto3
import pytest
from moto import mock_aws

from outbox.adapters import aws
from outbox.adapters.dynamodb import DynamoStore
from outbox.testing import MemoryBounces, MemoryStore, MemorySuppressions
from tests.store import tables
from tests.store.bounces import Kept, client_of, on_dynamodb
from tests.store.bounces import accounts as others

accounts = itertools.count(111111111111)


@pytest.fixture(params=["memory", "moto", pytest.param("embedded", marks=pytest.mark.stack)])
def store(request, monkeypatch):
    """Give an empty store of each kind."""
    if request.param == "memory":
        yield MemoryStore()
    elif request.param == "moto":
        with mock_aws():
            keys = {"aws_access_key_id": "x", "aws_secret_access_key": "y", "region_name": "us-east-1"}
            client = aws.dynamodb(boto3.Session(**keys))
            tables.create(client)
            yield DynamoStore(client, "outbox", "history")
    else:
        yield request.getfixturevalue("embedded")


@pytest.fixture
def store_kind(request):
    """Tell which store a test runs on."""
    return request.node.callspec.params["store"]


@pytest.fixture
def embedded(local_stack):
    """Give an empty store in an account of its own of the embedded AWS."""
    keys = {"aws_access_key_id": str(next(accounts)), "aws_secret_access_key": "y", "region_name": "us-east-1"}
    client = aws.dynamodb(boto3.Session(**keys), endpoint_url=local_stack.info.aws_endpoint_url)
    tables.create(client)
    return DynamoStore(client, "outbox", "history")


@pytest.fixture
def embedded_kept(local_stack):
    return on_dynamodb(client_of(next(others), endpoint_url=local_stack.info.aws_endpoint_url))


@pytest.fixture
def moto_kept():
    with mock_aws():
        yield on_dynamodb(client_of("x"))


@pytest.fixture(params=["memory", "moto", pytest.param("embedded", marks=pytest.mark.stack)])
def kept(request):
    """Give empty records and an empty list of each kind."""
    if request.param == "memory":
        store, suppressions = MemoryStore(), MemorySuppressions()
        return Kept(store, MemoryBounces(store, suppressions), suppressions)
    return request.getfixturevalue(f"{request.param}_kept")
