"""The stores the contract runs on: memory, moto, the embedded AWS."""

import itertools

import boto3
import pytest
from moto import mock_aws

from outbox.adapters import aws
from outbox.adapters.dynamodb import DynamoStore
from outbox.testing import MemoryStore
from tests.store import tables

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
