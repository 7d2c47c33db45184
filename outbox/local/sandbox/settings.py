"""What the sandbox plays; where sources on the real mail API disagree, both answers can be chosen."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from outbox.local.sandbox import checks

RateHeader = Literal["hyphenated", "joined", "both", "none"]
RateAlgorithm = Literal["window", "bucket"]

RATE_HEADERS: tuple[RateHeader, ...] = ("hyphenated", "joined", "both", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSettings:
    """All that can be chosen, at the start and while it runs; times in seconds."""

    login_id: str = "sandbox"
    api_key: str = "sandbox-key"

    rate_per_minute: int = 500
    rate_header: RateHeader = "hyphenated"
    rate_algorithm: RateAlgorithm = "window"
    # Not stated for the real one whether look-ups spend from the same limit.
    rate_scope: Literal["all", "sends"] = "all"
    # Shorter than a minute only for tests that wait for the next one.
    minute_seconds: float = 60.0

    # Until then a delivery is WAIT without a delivery time, and has no mail logs.
    delivery_delay: float = 0.0
    # Until then neither the delivery nor its mail logs can be found.
    visibility_delay: float = 0.0

    success_status: Literal[200, 201] = 201
    unknown_fields: Literal["tolerated", "refused"] = "tolerated"
    # strict: at least one character; lenient: may be empty or missing.
    text_part: Literal["strict", "lenient"] = "strict"
    # Unit of the limits of 30 and 70 K on text and HTML.
    body_unit: Literal["bytes", "characters"] = "bytes"
    attachment_bytes: int = 1_000_000
    attachment_count: int = 100

    # Empty: bounces stay in the records. Only the loopback is ever called.
    webhook_url: str = ""
    webhook_user: str = field(default="", repr=False)
    webhook_password: str = field(default="", repr=False)
    webhook_retry_seconds: float = 1.0
    # The real one tells only those named in its console; all: every one of the mail, none: the field is missing.
    webhook_insert_codes: Literal["all", "none"] = "all"
    stop_list: Literal["on", "off"] = "on"
    # Not stated for the real one whether GET /errors has only whom it stops, or every hard error.
    errors_show: Literal["stopped", "all"] = "stopped"

    def __post_init__(self) -> None:
        """Refuse a webhook elsewhere also when nobody has sent it as JSON."""
        checks.fields({"webhook_url": self.webhook_url}, _CHECKS)


_CHECKS: dict[str, checks.Check] = {
    "login_id": checks.text(),
    "api_key": checks.text(),
    "rate_per_minute": checks.integer(1, 1_000_000),
    "rate_header": checks.one_of(*RATE_HEADERS),
    "rate_algorithm": checks.one_of("window", "bucket"),
    "rate_scope": checks.one_of("all", "sends"),
    "minute_seconds": checks.number(0.1, 60),
    "delivery_delay": checks.number(0, 86_400),
    "visibility_delay": checks.number(0, 86_400),
    "success_status": checks.one_of(200, 201),
    "unknown_fields": checks.one_of("tolerated", "refused"),
    "text_part": checks.one_of("strict", "lenient"),
    "body_unit": checks.one_of("bytes", "characters"),
    "attachment_bytes": checks.integer(0, 100_000_000),
    "attachment_count": checks.integer(0, 1_000),
    "webhook_url": checks.loopback_url,
    # The first colon of Basic auth ends the user.
    "webhook_user": checks.secret(without=":"),
    "webhook_password": checks.secret(),
    "webhook_retry_seconds": checks.number(0, 60),
    "webhook_insert_codes": checks.one_of("all", "none"),
    "stop_list": checks.one_of("on", "off"),
    "errors_show": checks.one_of("stopped", "all"),
}
_SECRETS = frozenset({"webhook_user", "webhook_password"})


def changed(settings: SandboxSettings, payload: object) -> SandboxSettings:
    """Return the settings with what the JSON object changes; raises BadInput naming the field."""
    return replace(settings, **checks.fields(payload, _CHECKS))


def shown(settings: SandboxSettings) -> dict[str, Any]:
    """Return the settings without what is known only to the receiver of the webhook."""
    return {name: value for name, value in asdict(settings).items() if name not in _SECRETS}
