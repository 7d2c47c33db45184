"""Settings from arguments or the environment (`OUTBOX_…`); what is missing is said all at once."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from outbox.core.errors import MissingSettings
from outbox.core.message import Language

PREFIX = "OUTBOX_"
THIS_MACHINE = {"127.0.0.1", "localhost", "::1"}
S = TypeVar("S", bound="Settings")


class Settings(BaseSettings):
    """What every part reads the same way."""

    # Each function uses one of these classes; the others need not be built.
    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, defer_build=True)

    log_level: str = "INFO"

    @field_validator("log_level")
    @classmethod
    def _is_level(cls, value: str) -> str:
        if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            message = "must be DEBUG, INFO, WARNING or ERROR"
            raise ValueError(message)
        return value.upper()


class BucketSettings(Settings):
    """What keep needs: `OUTBOX_BUCKET`."""

    bucket: str = Field(min_length=1)


class CleanupSettings(BucketSettings):
    """What cleanup needs besides: the tables, to spare the files of mails that are in them."""

    table: str = Field(min_length=1)
    history_table: str = Field(min_length=1)


class WebhookSettings(Settings):
    """What the webhook needs: history, the suppression list and its rule, the secret, and who may call."""

    history_table: str = Field(min_length=1)
    suppression_table: str = Field(min_length=1)
    webhook_secret_id: str = Field(min_length=1)
    history_days: int = Field(default=400, ge=1, le=36500)
    # Addresses and networks, separated by commas; empty: everybody who knows the credentials.
    webhook_sources: str = ""
    # The mail API's own rule: two hard errors within two weeks exclude an address for two weeks.
    suppress_after: int = Field(default=2, ge=1, le=20)
    suppress_within_days: int = Field(default=14, ge=1, le=365)
    suppress_for_days: int = Field(default=14, ge=1, le=365)
    # The language in which it is written why an address is suppressed.
    language: Language = "en"

    @property
    def sources(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Give who may call."""
        return tuple(ip_network(part.strip(), strict=False) for part in self.webhook_sources.split(",") if part.strip())

    @field_validator("webhook_sources")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        for part in filter(None, map(str.strip, value.split(","))):
            try:
                ip_network(part, strict=False)
            except ValueError:
                message = f"{part!r} is no address and no network such as 192.0.2.0/24"
                raise ValueError(message) from None
        return value


class TableSettings(Settings):
    """What it takes to enqueue: `OUTBOX_TABLE`, `OUTBOX_HISTORY_TABLE`; who asks, and how long history is kept."""

    table: str = Field(min_length=1)
    history_table: str = Field(min_length=1)
    actor: str = Field(default="application", min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")
    history_days: int = Field(default=400, ge=1, le=36500)
    # The language in which reasons are written on rows; who reads them in the CLI or the console has their own.
    language: Language = "en"
    # Whether history keeps what a mail said: text, HTML and insert codes.
    history_bodies: bool = True
    # Where attachments lie, and what the contract with the mail API allows of them: raw bytes a mail, and how many.
    bucket: str = ""
    attachment_bytes: int = Field(default=1_000_000, ge=0, le=1_000_000_000)
    attachment_count: int = Field(default=100, ge=0, le=100)
    # The addresses that bounced; none for a service that does not suppress.
    suppression_table: str = ""


class ControlSettings(TableSettings):
    """What it takes to stop and resume the line besides: `OUTBOX_CONTROL_TABLE`."""

    control_table: str = Field(min_length=1)


class WorkerSettings(ControlSettings):
    """What deliver and dispatch need besides: the mail API, its secret, its rate and their own bounds."""

    mail_api_url: str = Field(min_length=1)
    secret_id: str = Field(min_length=1)
    bucket: str = Field(min_length=1)
    # Whether mails to addresses that bounced are set aside, and where those addresses are.
    suppression: bool = True
    suppression_table: str = ""
    # Calls a minute the API allows this account, and how many of them may come at once after a pause.
    rate_per_minute: int = Field(default=500, ge=1, le=10_000_000)
    rate_burst: int = Field(default=5, ge=0, le=100_000)
    # Minutes for which a mail in doubt is looked up in the API's records; 0: not at all.
    look_up_minutes: float = Field(default=15, ge=0, le=1440)
    # Dispatchers at once, each on its part of the shards; and the function to start for one (none: the schedule does).
    dispatchers: int = Field(default=1, ge=1, le=8)
    dispatch_function: str = ""
    # Calls of the mail API at once in one function; their connections are kept.
    threads: int = Field(default=20, ge=1, le=200)
    # Seconds: to connect, and to wait for each piece of an answer; also the bound of the whole answer.
    connect_seconds: float = Field(default=5, gt=0, le=60)
    answer_seconds: float = Field(default=30, gt=0, le=300)
    # Longer than any call and its writing down, so that nobody is calling for a row past it. No call begins that could
    # outlast it; how long the function lives does not matter.
    lease_seconds: float = Field(default=180, ge=10, le=43200)

    @field_validator("mail_api_url")
    @classmethod
    def _is_web_address(cls, value: str) -> str:
        parts = urlsplit(value)
        safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in THIS_MACHINE)
        if not safe or not parts.hostname or parts.username or any(char.isspace() for char in value):
            message = "must be https://host/path (http only to this machine): the token goes with every call"
            raise ValueError(message)
        return value.rstrip("/")

    # These messages begin with the setting they are about; `load` names it so.
    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if 2 * self.rate_burst >= self.rate_per_minute:
            message = "rate_burst must be less than half of rate_per_minute"
            raise ValueError(message)
        if self.suppression and not self.suppression_table:
            message = "suppression_table must be set, or suppression be false"
            raise ValueError(message)
        longest = 2 + 3 * self.connect_seconds + 2 * self.answer_seconds + 15
        if self.lease_seconds < longest:
            message = f"lease_seconds must be at least {longest:.0f}: a call and its writing down may take that long"
            raise ValueError(message)
        return self


def load(kind: type[S], **given: Any) -> S:  # noqa: ANN401  settings of many types
    """Read settings; what is given and not None wins over the environment. Raises `MissingSettings` naming all."""
    try:
        return kind(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        wrong = {str(part["loc"][0]) if part["loc"] else part["msg"].split()[2]: part["msg"] for part in error.errors()}
        names = [PREFIX + name.upper() for name in wrong]
        said = "; ".join(f"{PREFIX}{name.upper()}: {_plainly(message)}" for name, message in wrong.items())
        raise MissingSettings(names, f"Settings are missing or wrong. {said}.") from None


def _plainly(message: str) -> str:
    return "is not set" if message == "Field required" else message.removeprefix("Value error, ").lower()
