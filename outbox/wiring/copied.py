"""A copy of a live table, as what reads one as a whole needs it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3

from outbox.adapters import aws
from outbox.adapters.dynamodb import DynamoStore
from outbox.adapters.source import Source
from outbox.core.ports import Store
from outbox.flows import segments
from outbox.settings import TableSettings


@dataclass(frozen=True, slots=True)
class Copied:
    """A copy: to read it, itself as the outbox of a store, and the live tables by a client for as many threads."""

    source: segments.Source
    copy: Store
    live: Store


def copied(session: boto3.Session, endpoint: Mapping[str, Any], settings: TableSettings, table: str) -> Copied:
    """Make the clients for a copy, by its name or ARN. Raises `InvalidRequest` for what is neither."""
    client = aws.dynamodb(session, connections=segments.WRITERS + segments.MOST_SEGMENTS, **endpoint)
    source = Source(client, table, settings.table, settings.history_table)
    copy = DynamoStore(client, source.name, settings.history_table)
    return Copied(source, copy, DynamoStore(client, settings.table, settings.history_table))
