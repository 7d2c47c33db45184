"""From the global options to the tables: which account, region, stack and tables, and who asks."""

import getpass
import os
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from outbox.adapters import aws
from outbox.adapters.bounces import DynamoSuppressions
from outbox.adapters.control import DynamoRegister
from outbox.adapters.dynamodb import DynamoStore
from outbox.adapters.files import S3Files
from outbox.adapters.outcome import rights
from outbox.cli.copied import Copied, copied
from outbox.client import Outbox
from outbox.core import clock
from outbox.core.errors import InvalidRequest, MissingSettings
from outbox.core.ports import Clock, Files, Register, Store, Suppressions
from outbox.core.rate import Rate
from outbox.core.retention import Retention
from outbox.flows.again import Again
from outbox.flows.batch import Batches
from outbox.flows.doctor import Doctor
from outbox.flows.find import Find
from outbox.flows.forget import Forget
from outbox.flows.history import History
from outbox.flows.support import LONGEST_WHO, Support
from outbox.flows.suppression import NoSuppression, SuppressionList
from outbox.flows.switch import SharedSwitch
from outbox.settings import ControlSettings, TableSettings, load

# Who asks is a courtesy to the timeline: not worth a wait.
WHO_SECONDS = 2
# Batches, counts and imports ask from several threads at once.
CONNECTIONS = 32
OUTPUTS = {"table": "OutboxTable", "history_table": "HistoryTable"}
CONTROL = {"control_table": "ControlTable"}
# What only some commands need, and an older stack may not have.
BESIDE = {"suppression_table": "SuppressionTable", "bucket": "FilesBucket"}
RATE = {"rate_per_minute": "RatePerMinute", "rate_burst": "RateBurst"}


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


@dataclass(frozen=True, slots=True)
class Line:
    """What all workers share: the register with its items, and the rate if it is known here."""

    register: Register
    rate: Rate | None = None


@dataclass(frozen=True, slots=True)
class Beside:
    """What lies beside the tables of mails, made on first use; None where nothing names it."""

    suppressions: Callable[[], Suppressions] | None = None
    files: Callable[[], Files] | None = None
    copied: Callable[[str], Copied] | None = None


class Desk:
    """Everything a command asks: the flows on one store, and in whose name."""

    def __init__(  # noqa: PLR0913  what a command may ask of
        self,
        store: Store,
        now: Clock,
        keep: Retention,
        who: Callable[[], str],
        where: str = "",
        line: Line | None = None,
        beside: Beside | None = None,
    ) -> None:
        self._store, self._now, self._keep, self._find_who, self.where = store, now, keep, who, where
        self._line, self._beside = line, beside or Beside()

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
        return Support(self._store, self._now, self._keep, self._files)

    @property
    def find(self) -> Find:
        """Give what looks for mails."""
        return Find(self._store, self._now)

    @property
    def history(self) -> History:
        """Give what looks through history, and for what came back."""
        return History(self._store, self._now)

    @property
    def again(self) -> Again:
        """Give what makes a new mail of one in history."""
        return Again(self._store, self._files, self._now)

    @property
    def doctor(self) -> Doctor:
        """Give what inspects both tables."""
        return Doctor(self._store, self._now, self._keep, self._files)

    def copied(self, table: str) -> Copied:
        """Give a copy of a table, to restore from or to quarantine. Raises `InvalidRequest`."""
        if self._beside.copied is None:
            raise InvalidRequest("there are no copies of tables here")
        return self._beside.copied(table)

    @property
    def suppression(self) -> SuppressionList:
        """Give the list of addresses that get no mail. Raises `MissingSettings`."""
        return SuppressionList(self._suppressions, self._now)

    @property
    def forget(self) -> Forget:
        """Give what forgets a person. Raises `MissingSettings`."""
        needed = {"OUTBOX_SUPPRESSION_TABLE": self._beside.suppressions, "OUTBOX_BUCKET": self._files}
        if self._files is None or None in needed.values():
            raise _missing(*(name for name, there in needed.items() if there is None))
        return Forget(self._store, self._suppressions, self._files, self._now)

    @property
    def batches(self) -> Batches:
        """Give what acts on many rows at once; only for a command that asked for what the workers share."""
        listed = SuppressionList(self._suppressions, self._now) if self._beside.suppressions else NoSuppression()
        return Batches(self._store, self.line.register, self._now, self._keep, time.sleep, listed, judge=rights)

    @property
    def files(self) -> Files | None:
        """Give the bucket of the mails' files; None where nothing names it."""
        return self._files

    @property
    def outbox(self) -> Outbox:
        """Give what writes mails, in the person's name."""
        return Outbox(store=self._store, files=self._files, now=self._now, actor=self.who, history_days=self._keep.days)

    @cached_property
    def _suppressions(self) -> Suppressions:
        if self._beside.suppressions is None:
            raise _missing("OUTBOX_SUPPRESSION_TABLE")
        return self._beside.suppressions()

    @cached_property
    def _files(self) -> Files | None:
        """Give the bucket of the mails' files; None where nothing names it: most mails have no files."""
        return self._beside.files() if self._beside.files else None

    @property
    def store(self) -> Store:
        """Give the tables, to count what is in their indexes."""
        return self._store

    @property
    def line(self) -> Line:
        """Give what the workers share; there only for a command that asked for it."""
        if self._line is None:
            raise _missing("OUTBOX_CONTROL_TABLE")
        return self._line

    @property
    def switch(self) -> SharedSwitch:
        """Give the switch that stops all sending."""
        return SharedSwitch(self.line.register, self._now, time.monotonic)


class Connect(Protocol):
    """Makes a desk; with `control`, one that knows the table of what the workers share."""

    def __call__(self, options: Options, *, control: bool = False) -> Desk:
        """Find the tables. Raises `MissingSettings`."""


def connect(options: Options, *, control: bool = False) -> Desk:
    """Find the tables and make the clients. Raises `MissingSettings` naming all, and what botocore raises."""
    # botocore reads AWS_DEFAULT_REGION alone, while every other SDK and Lambda go by AWS_REGION.
    region = options.region or os.environ.get("AWS_REGION") or None
    session = boto3.Session(profile_name=options.profile or None, region_name=region)
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
    )


def _missing(*names: str) -> MissingSettings:
    return MissingSettings(names, " ".join(f"{name}: is not set." for name in names))


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
        settings = load(kind, **given, history_days=stack.get("history_days"))
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
    return known | {name: parameters.get(key) for name, key in (RATE | {"history_days": "HistoryDays"}).items()}


def _rate(stack: Mapping[str, Any]) -> Rate | None:
    """Give the rate as the stack or the environment says it; None where nobody does: a default would be a guess."""
    said = [stack.get(name) or os.environ.get(f"OUTBOX_{name.upper()}") or "" for name in RATE]
    return Rate(int(said[0]), int(said[1])) if all(map(str.isdecimal, said)) else None
