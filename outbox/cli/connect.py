"""From the global options to the tables: which account, region, stack and tables, and who asks."""

import getpass
import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from outbox.adapters import aws
from outbox.adapters.dynamodb import DynamoStore
from outbox.client import Outbox
from outbox.core import clock
from outbox.core.errors import MissingSettings
from outbox.core.ports import Clock, Store
from outbox.flows.find import Find
from outbox.flows.support import LONGEST_WHO, Support
from outbox.settings import TableSettings, load

# Who asks is a courtesy to the timeline: not worth a wait.
WHO_SECONDS = 2
OUTPUTS = {"table": "OutboxTable", "history_table": "HistoryTable"}


@dataclass(frozen=True, slots=True)
class Options:
    """What stands before the command; empty where nothing was said."""

    profile: str = ""
    region: str = ""
    endpoint_url: str = ""
    stack: str = ""
    table: str = ""
    history_table: str = ""
    who: str = ""

    def command(self, *words: str) -> str:
        """Write a command that asks in the same place, to be copied into a shell."""
        names = {"who": "as"}
        given = [
            part
            for name, value in asdict(self).items()
            if value
            for part in (f"--{names.get(name, name).replace('_', '-')}", value)
        ]
        return shlex.join(["outbox", *given, *words])


class Desk:
    """Everything a command asks: the flows on one store, and in whose name."""

    def __init__(self, store: Store, now: Clock, keep_days: int, who: Callable[[], str], where: str = "") -> None:
        self._store, self._now, self._keep_days, self._find_who, self.where = store, now, keep_days, who, where

    @property
    def now(self) -> Clock:
        """Give the clock."""
        return self._now

    @cached_property
    def who(self) -> str:
        """Name the person for the mails' timelines; found out once, and only by a command that changes something."""
        return self._find_who()

    @property
    def support(self) -> Support:
        """Give what acts on single mails."""
        return Support(self._store, self._now, self._keep_days)

    @property
    def find(self) -> Find:
        """Give what looks for mails."""
        return Find(self._store, self._now)

    @property
    def outbox(self) -> Outbox:
        """Give what writes mails, in the person's name."""
        return Outbox(store=self._store, now=self._now, actor=self.who, history_days=self._keep_days)


Connect = Callable[[Options], Desk]


def connect(options: Options) -> Desk:
    """Find the tables and make the clients. Raises `MissingSettings` naming all, and what botocore raises."""
    # botocore reads AWS_DEFAULT_REGION alone, while every other SDK and Lambda go by AWS_REGION.
    region = options.region or os.environ.get("AWS_REGION") or None
    session = boto3.Session(profile_name=options.profile or None, region_name=region)
    endpoint: dict[str, Any] = {"endpoint_url": options.endpoint_url} if options.endpoint_url else {}
    settings = _settings(options, session, endpoint)
    client = aws.dynamodb(session, **endpoint)
    store = DynamoStore(client, settings.table, settings.history_table)
    where = f"tables {settings.table} and {settings.history_table} at {client.meta.endpoint_url}"
    return Desk(store, clock.now, settings.history_days, lambda: who(options, session, endpoint), where)


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


def _settings(options: Options, session: boto3.Session, endpoint: Mapping[str, Any]) -> TableSettings:
    stack = _stack(options, session, endpoint) if options.stack and session.region_name else {}
    given = {name: getattr(options, name) or stack.get(name) for name in OUTPUTS}
    names: list[str] = []
    details = ""
    try:
        settings = load(TableSettings, **given, history_days=stack.get("history_days"))
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


def _stack(options: Options, session: boto3.Session, endpoint: Mapping[str, Any]) -> dict[str, Any]:
    client = session.client("cloudformation", config=Config(connect_timeout=5, read_timeout=20), **endpoint)
    found = client.describe_stacks(StackName=options.stack)["Stacks"][0]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}
    absent = [key for name, key in OUTPUTS.items() if key not in outputs and not getattr(options, name)]
    if absent:
        raise MissingSettings(absent, f"The stack {options.stack} has no output {' and no output '.join(absent)}.")
    parameters = {each["ParameterKey"]: each["ParameterValue"] for each in found.get("Parameters", [])}
    return {name: outputs.get(key) for name, key in OUTPUTS.items()} | {"history_days": parameters.get("HistoryDays")}
