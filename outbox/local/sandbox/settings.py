"""What the sandbox plays; where sources on the real mail API disagree, both answers can be chosen."""

from dataclasses import dataclass, replace
from typing import Literal

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
}


def changed(settings: SandboxSettings, payload: object) -> SandboxSettings:
    """Return the settings with what the JSON object changes; raises BadInput naming the field."""
    return replace(settings, **checks.fields(payload, _CHECKS))
