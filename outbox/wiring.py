"""Builds the service from its settings: the only module that joins flows and adapters, on first use."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx

from outbox.adapters import aws, logs, stream
from outbox.adapters.blastengine import BlastengineApi
from outbox.adapters.dynamodb import DynamoStore
from outbox.adapters.secrets import SecretsManagerCredentials
from outbox.core import clock
from outbox.core.ports import AlwaysOn, Unlimited
from outbox.flows.deliver import Deliver
from outbox.flows.dispatch import Dispatch
from outbox.flows.send import Sender
from outbox.settings import WorkerSettings, load


@dataclass(frozen=True, slots=True)
class Worker:
    """The two functions of the service, as Lambda calls them."""

    deliver_flow: Deliver
    dispatch_flow: Dispatch

    def deliver(self, event: object, context: stream.Context) -> dict[str, Any]:
        """Answer the doorbells of a batch of stream records."""
        return stream.for_each_doorbell(event, context, clock.now, self.deliver_flow)

    def dispatch(self, context: stream.Context) -> dict[str, int]:
        """Work through what is due."""
        return self.dispatch_flow(stream.deadline(context, clock.now))


@cache
def worker() -> Worker:
    """Build the service once a process. Raises `MissingSettings`."""
    settings = load(WorkerSettings)
    logs.configure(settings.log_level)
    store = DynamoStore(aws.dynamodb(connections=settings.threads + 2), settings.table, settings.history_table)
    api = mail_api(settings)

    def sender(who: str) -> Sender:
        lease, keep = settings.lease_seconds, settings.history_days
        return Sender(store, api, clock.now, AlwaysOn(), Unlimited(), who, lease, keep)

    return Worker(Deliver(sender("deliver"), settings.threads), Dispatch(sender("dispatch"), settings.threads))


def mail_api(settings: WorkerSettings) -> BlastengineApi:
    """Build the mail API's client: connections kept, no retries, no redirects."""
    timeout = httpx.Timeout(
        settings.answer_seconds,
        connect=settings.connect_seconds,
        write=settings.connect_seconds,
        pool=settings.connect_seconds,
    )
    pool = httpx.Limits(max_connections=settings.threads, max_keepalive_connections=settings.threads)
    client = httpx.Client(timeout=timeout, limits=pool, headers={"User-Agent": "outbox"})
    credentials = SecretsManagerCredentials(aws.secrets_manager(), settings.secret_id, clock.now)
    return BlastengineApi(client, settings.mail_api_url, credentials, settings.answer_seconds)
