"""Builds what looks after the files of mails: they stay when their row was written, they go when history forgets it."""

from functools import cache
from typing import Any

import boto3

from outbox.adapters import aws, logs, stream
from outbox.adapters.dynamodb import DynamoStore
from outbox.adapters.files import S3Files
from outbox.flows.cleanup import Cleanup
from outbox.flows.keep import Keep
from outbox.settings import BucketSettings, CleanupSettings, load


@cache
def _keep() -> Keep:
    settings = load(BucketSettings)
    logs.configure(settings.log_level)
    return Keep(S3Files(aws.s3(), settings.bucket))


@cache
def _cleanup() -> Cleanup:
    settings = load(CleanupSettings)
    logs.configure(settings.log_level)
    session = boto3.Session()
    store = DynamoStore(aws.dynamodb(session), settings.table, settings.history_table)
    return Cleanup(S3Files(aws.s3(session), settings.bucket), (store.get, store.get_finished))


def keep(event: object) -> dict[str, Any]:
    """Let the files of a batch's new rows stay. Raises `MissingSettings`."""
    return stream.for_each_kept(event, _keep())


def cleanup(event: object) -> dict[str, Any]:
    """Delete the files of a batch's expired rows. Raises `MissingSettings`."""
    return stream.for_each_expired(event, _cleanup())
