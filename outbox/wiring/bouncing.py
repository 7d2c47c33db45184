"""Builds what hears of bounces: the webhook, the suppression list, and nothing that could send or delete."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache
from typing import Any

import boto3

from outbox.adapters import aws, logs, webhook
from outbox.adapters.bounces import DynamoBounces, DynamoSuppressions
from outbox.adapters.webhook_secret import WebhookCredentials
from outbox.core import clock
from outbox.core.suppression import Rule
from outbox.flows.bounce import RecordBounces
from outbox.settings import WebhookSettings, load

THREADS = 16


@cache
def hear() -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Build the webhook once a process. Raises `MissingSettings`."""
    settings = load(WebhookSettings)
    logs.configure(settings.log_level)
    session = boto3.Session()
    client = aws.dynamodb(session, THREADS + 2)
    rule = Rule(
        settings.suppress_after,
        timedelta(days=settings.suppress_within_days),
        timedelta(days=settings.suppress_for_days),
    )
    records = DynamoBounces(client, settings.history_table, settings.suppression_table)
    suppressions = DynamoSuppressions(client, settings.suppression_table)
    record = RecordBounces(records, suppressions, clock.now, rule, settings.history_days, THREADS, settings.language)
    credentials = WebhookCredentials(aws.secrets_manager(session), settings.webhook_secret_id, clock.now)
    config = webhook.Config(credentials, settings.sources)
    return lambda event: webhook.answer(event, config, record)
