"""Builds what sends, on the mail API: what deliver and dispatch have in common."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

import boto3
import httpx

from outbox.adapters import aws, logs
from outbox.adapters.api_client import ApiClient
from outbox.adapters.blastengine import BlastengineApi
from outbox.adapters.checks import DynamoChecks
from outbox.adapters.connections import Connections
from outbox.adapters.control import DynamoRegister
from outbox.adapters.dynamodb import DynamoStore
from outbox.adapters.files import S3Files
from outbox.adapters.secrets import SecretsManagerCredentials
from outbox.adapters.starter import Starter
from outbox.core import clock
from outbox.core.outcomes import Terms
from outbox.core.rate import Rate
from outbox.core.retention import Retention
from outbox.flows.limiter import SharedLimiter
from outbox.flows.send import Sender
from outbox.flows.switch import SharedSwitch
from outbox.settings import WorkerSettings, load


@dataclass(frozen=True, slots=True)
class Sending:
    """What deliver and dispatch have in common, from one invocation to the next; `sender` names who sends."""

    settings: WorkerSettings
    register: DynamoRegister
    http: ApiClient
    switch: SharedSwitch
    connections: Connections
    start_dispatch: Starter
    sender: Callable[[str], Sender]

    def begin(self, *shared: str) -> None:
        """Begin an invocation: the function may have been frozen since the last one, for any time.

        The switch is read again, and idle connections are closed; credentials get old by the wall clock alone.
        `shared`: the items of what workers share that are asked for at once, and so are read in one call.
        """
        self.register.read_together(*shared)
        self.switch.forget()
        self.connections.close_idle()


@cache
def sending() -> Sending:
    """Build it once a process. Raises `MissingSettings`."""
    settings = load(WorkerSettings)
    logs.configure(settings.log_level)
    # One session for all clients: each of its own would read the SDK's descriptions of AWS again.
    session, at_once = boto3.Session(), settings.threads + 2
    client = aws.dynamodb(session, at_once)
    store = DynamoStore(client, settings.table, settings.history_table)
    files = S3Files(aws.s3(session, at_once), settings.bucket)
    checks = DynamoChecks(client, settings.history_table, settings.suppression_table if settings.suppression else None)
    register = DynamoRegister(client, settings.control_table)
    connections = Connections.to(settings.mail_api_url, clock.now)
    http = api_client(settings, session, connections)
    switch = SharedSwitch(register, clock.now)
    limiter = SharedLimiter(register, clock.now, Rate(settings.rate_per_minute, settings.rate_burst), time.sleep)
    keep = Retention(settings.history_days, settings.history_bodies)

    def sender(who: str) -> Sender:
        lease, window = settings.lease_seconds, timedelta(minutes=settings.look_up_minutes)
        api = BlastengineApi(http)
        terms = Terms(keep, window)
        return Sender(
            store, api, clock.now, switch, limiter, time.sleep, who, lease, terms, checks, files, settings.language
        )

    return Sending(settings, register, http, switch, connections, Starter(settings.dispatch_function), sender)


def api_client(settings: WorkerSettings, session: boto3.Session, transport: Connections) -> ApiClient:
    """Build the mail API's client: no retries, no redirects."""
    seconds = settings.connect_seconds
    timeout = httpx.Timeout(settings.answer_seconds, connect=seconds, write=seconds, pool=seconds)
    client = httpx.Client(timeout=timeout, transport=transport, headers={"User-Agent": "outbox"})
    credentials = SecretsManagerCredentials(aws.secrets_manager(session), settings.secret_id, clock.now)
    return ApiClient(client, settings.mail_api_url, credentials, settings.answer_seconds)
