"""What the attacks share: the stores and filter patterns of other tests, and the figures at the end."""

import boto3
import pytest

from outbox.adapters import aws
from tests.attack import figures
from tests.attack.effects import Inline
from tests.attack.world import TableStore
from tests.store import tables
from tests.store.conftest import accounts
from tests.template.conftest import patterns, resources, translated  # noqa: F401  fixtures


@pytest.fixture(autouse=True)
def _no_threads(monkeypatch):
    """Let deliver hand its mails to no thread: a world has but one process, and starting threads took most of it."""
    monkeypatch.setattr("outbox.flows.deliver.DaemonExecutor", Inline)


@pytest.fixture
def embedded_stores(local_stack):
    """Give a maker of empty stores, each in an account of its own of the embedded AWS."""

    def make():
        keys = {"aws_access_key_id": str(next(accounts)), "aws_secret_access_key": "y", "region_name": "us-east-1"}
        client = aws.dynamodb(boto3.Session(**keys), endpoint_url=local_stack.info.aws_endpoint_url)
        tables.create(client)
        return TableStore(client)

    return make


def pytest_terminal_summary(terminalreporter):
    """Print what the attacks counted and keep it."""
    for line in figures.lines():
        terminalreporter.write_line(line)
    figures.save()
