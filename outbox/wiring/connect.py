"""From names to the tables: which account, region, stack and tables, and who asks."""

import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from outbox.adapters import aws
from outbox.adapters.bounces import DynamoSuppressions
from outbox.adapters.control import DynamoRegister
from outbox.adapters.dynamodb import DynamoStore
from outbox.adapters.files import S3Files
from outbox.core import clock
from outbox.core.errors import MissingSettings
from outbox.core.rate import Rate
from outbox.core.retention import Retention
from outbox.flows.support import LONGEST_WHO
from outbox.settings import ControlSettings, TableSettings, load
from outbox.wiring.copied import copied
from outbox.wiring.desk import Beside, Desk, Line

# Who asks is a courtesy to the timeline: not worth a wait.
WHO_SECONDS = 2
# Batches, counts and imports ask from several threads at once.
CONNECTIONS = 32
OUTPUTS = {"table": "OutboxTable", "history_table": "HistoryTable"}
CONTROL = {"control_table": "ControlTable"}
# What only some commands need, and an older stack may not have.
BESIDE = {"suppression_table": "SuppressionTable", "bucket": "FilesBucket"}
RATE = {"rate_per_minute": "RatePerMinute", "rate_burst": "RateBurst"}
# How whoever writes rows in the name of a stack writes them.
WRITING = {"history_days": "HistoryDays", "language": "Language"}


@dataclass(frozen=True, slots=True)
class Options:
    """What stands before the command; empty where nothing was said."""

    profile: str = ""
    region: str = ""
    endpoint_url: str = ""
    stack: str = ""
    table: str = ""
    history_table: str = ""
    control_table: str = ""
    suppression_table: str = ""
    bucket: str = ""
    who: str = ""


class Connect(Protocol):
    """Makes a desk; with `control`, one that knows the table of what the workers share."""

    def __call__(self, options: Options, *, control: bool = False) -> Desk:
        """Find the tables. Raises `MissingSettings`."""


def connect(options: Options, *, control: bool = False, session: boto3.Session | None = None) -> Desk:
    """Find the tables and make the clients. Raises `MissingSettings` naming all, and what botocore raises.

    `session`: another account than the one the options and the shell name.
    """
    session = session or _session(options)
    endpoint: dict[str, Any] = {"endpoint_url": options.endpoint_url} if options.endpoint_url else {}
    names = OUTPUTS | (CONTROL if control else {})
    stack = _stack(options, session, endpoint, names) if options.stack and session.region_name else {}
    settings = _settings(options, session, stack, names)
    client = aws.dynamodb(session, CONNECTIONS, **endpoint)
    store = DynamoStore(client, settings.table, settings.history_table)
    tables, line = [settings.table, settings.history_table], None
    if isinstance(settings, ControlSettings):
        tables.append(settings.control_table)
        line = Line(DynamoRegister(client, settings.control_table), _rate(stack))
    where = f"tables {', '.join(tables[:-1])} and {tables[-1]} at {client.meta.endpoint_url}"
    return Desk(
        store,
        clock.now,
        Retention(settings.history_days, settings.history_bodies),
        lambda: who(options, session, endpoint),
        where,
        line,
        Beside(
            (lambda: DynamoSuppressions(client, settings.suppression_table)) if settings.suppression_table else None,
            (lambda: S3Files(aws.s3(session, **endpoint), settings.bucket)) if settings.bucket else None,
            lambda table: copied(session, endpoint, settings, table),
        ),
        settings.language,
    )


def _session(options: Options) -> boto3.Session:
    # botocore reads AWS_DEFAULT_REGION alone, while every other SDK and Lambda go by AWS_REGION.
    region = options.region or os.environ.get("AWS_REGION") or None
    return boto3.Session(profile_name=options.profile or None, region_name=region)


def who(options: Options, session: boto3.Session, endpoint: Mapping[str, Any]) -> str:
    """Name who asks: as said, else the tail of the AWS identity (user/alice), else the name on this machine."""
    said = options.who or os.environ.get("OUTBOX_ACTOR")
    if said:
        return said
    config = Config(connect_timeout=WHO_SECONDS, read_timeout=WHO_SECONDS, retries={"total_max_attempts": 1})
    try:
        arn = session.client("sts", config=config, **endpoint).get_caller_identity()["Arn"]
    except (BotoCoreError, ClientError):
        return _user()
    return str(arn).split(":", 5)[-1][-LONGEST_WHO:] or _user()


def _user() -> str:
    try:
        return getpass.getuser()[:LONGEST_WHO]
    except (OSError, KeyError, ImportError):
        # A container may run under a number that has no name.
        return "unknown"


def _settings(
    options: Options, session: boto3.Session, stack: Mapping[str, Any], outputs: dict[str, str]
) -> TableSettings:
    given = {name: getattr(options, name) or stack.get(name) for name in outputs | BESIDE}
    kind = ControlSettings if CONTROL.keys() <= outputs.keys() else TableSettings
    names: list[str] = []
    details = ""
    try:
        settings = load(kind, **given, **{name: stack.get(name) for name in WRITING})
    except MissingSettings as missing:
        # Without a region the stack was not asked: its tables may well be there.
        if not options.stack or session.region_name:
            names, details = [*missing.names], f"{missing} "
    if not session.region_name:
        names.append("AWS_REGION")
        details += "AWS_REGION: is not set, and neither --region nor the profile names one."
    if names:
        raise MissingSettings(names, details.strip())
    return settings


def _stack(
    options: Options, session: boto3.Session, endpoint: Mapping[str, Any], names: dict[str, str]
) -> dict[str, Any]:
    client = session.client("cloudformation", config=Config(connect_timeout=5, read_timeout=20), **endpoint)
    found = client.describe_stacks(StackName=options.stack)["Stacks"][0]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}
    absent = [key for name, key in names.items() if key not in outputs and not getattr(options, name)]
    if absent:
        raise MissingSettings(absent, f"The stack {options.stack} has no output {' and no output '.join(absent)}.")
    parameters = {each["ParameterKey"]: each["ParameterValue"] for each in found.get("Parameters", [])}
    known = {name: outputs.get(key) for name, key in (names | BESIDE).items()}
    return known | {name: parameters.get(key) for name, key in (RATE | WRITING).items()}


def _rate(stack: Mapping[str, Any]) -> Rate | None:
    """Give the rate as the stack or the environment says it; None where nobody does: a default would be a guess."""
    said = [stack.get(name) or os.environ.get(f"OUTBOX_{name.upper()}") or "" for name in RATE]
    return Rate(int(said[0]), int(said[1])) if all(map(str.isdecimal, said)) else None
