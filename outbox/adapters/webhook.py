"""Calls of the webhook, as a Lambda function URL hands them over -> events to record, and the answer to the mail API.

Whoever finds the address may call it: everything is checked from the cheapest to the dearest, nothing of a call but
counts and the status is logged, and 200 is said only once everything is written down. The mail API is thought to send
again, at most three times, what was answered otherwise.
"""

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Protocol

import structlog

from outbox.core.bounce import Counts
from outbox.core.errors import Stop

log = structlog.get_logger()

DEEPEST = 32
# More digits than any id has; Python refuses to read 4,301 of them, and one such event must not cost the others.
LONGEST_NUMBER = 100
_JSON = re.compile(r"application/(?:[\w.-]+\+)?json", re.ASCII)

Network = IPv4Network | IPv6Network


class Credentials(Protocol):
    """Who may call."""

    def admits(self, header: str) -> bool:
        """Tell whether an `Authorization` header is right. Raises `Stop` when nobody can tell."""


@dataclass(frozen=True, slots=True)
class Config:
    """What a call is held to. `allowed`: the networks it may come from, none for all; sizes in bytes of the body."""

    credentials: Credentials
    allowed: tuple[Network, ...] = ()
    max_bytes: int = 1_000_000
    max_events: int = 1000


class Refused(Exception):
    """The call is answered with a status, and nothing is written."""

    def __init__(self, status: HTTPStatus, rule: str, **headers: str) -> None:
        self.status, self.headers = status, {name.replace("_", "-"): value for name, value in headers.items()}
        super().__init__(rule)


def answer(event: Mapping[str, Any], config: Config, record: Callable[[Sequence[object]], Counts]) -> dict[str, Any]:
    """Answer a call; `record` writes its events down, or raises. Never raises itself."""
    try:
        events = _events(_map(event), config)
        counts = asdict(record(events))
    except Refused as refused:
        log.warning("webhook.refused", status=int(refused.status), rule=str(refused))
        return _answer(refused.status, {"error": str(refused)}, refused.headers)
    except Stop as stop:
        log.error("webhook.no_credentials", status=503, reason=str(stop))  # noqa: TRY400  the sentence says it all
        return _answer(HTTPStatus.SERVICE_UNAVAILABLE, {"error": "not available for the moment; send it again"})
    except Exception as error:  # noqa: BLE001  whatever failed: the mail API must send again
        log.error("webhook.failed", status=503, error=type(error).__name__)  # noqa: TRY400  a trace may quote a mail
        return _answer(HTTPStatus.SERVICE_UNAVAILABLE, {"error": "not all was written down; send it again"})
    log.info("webhook.recorded", status=200, **counts)
    return _answer(HTTPStatus.OK, counts)


def _answer(status: HTTPStatus, said: Mapping[str, Any], more: Mapping[str, str] | None = None) -> dict[str, Any]:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store", **(more or {})}
    return {"statusCode": int(status), "headers": headers, "body": json.dumps(said)}


def _events(event: Mapping[str, Any], config: Config) -> list[object]:
    http = _map(_map(event.get("requestContext")).get("http"))
    headers = {str(name).lower(): str(value) for name, value in _map(event.get("headers")).items()}
    if http.get("method") != "POST":
        raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "the webhook takes POST", Allow="POST")
    if config.allowed and not _is_within(http.get("sourceIp"), config.allowed):
        raise Refused(HTTPStatus.FORBIDDEN, "calls from this address are not allowed")
    if not config.credentials.admits(headers.get("authorization", "")):
        basic = 'Basic realm="bounces", charset="UTF-8"'
        raise Refused(HTTPStatus.UNAUTHORIZED, "user or password is missing or wrong", WWW_Authenticate=basic)
    body = _body(event, config.max_bytes)
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    # That the mail API names its JSON so is known from an article only: a call that names nothing is taken as well.
    if kind and not _JSON.fullmatch(kind):
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the content type must be application/json")
    return _listed(body, config.max_events)


def _is_within(source: object, allowed: Iterable[Network]) -> bool:
    try:
        address = ip_address(str(source))
    except ValueError:
        return False
    # Where both families are listened to, an IPv4 caller may be written as ::ffff:192.0.2.1.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return any((mapped or address) in network for network in allowed)


def _body(event: Mapping[str, Any], max_bytes: int) -> bytes:
    written = event.get("body") or ""
    if not isinstance(written, str):
        raise _bad("the body must be text")
    encoded = event.get("isBase64Encoded") is True
    if len(written) > (4 * (max_bytes + 2) // 3 + 4 if encoded else max_bytes):
        raise _too_large(f"the body must have {max_bytes} bytes at most")
    try:
        body = base64.b64decode(written, validate=True) if encoded else written.encode("utf-8")
    except (binascii.Error, ValueError):
        raise _bad("the body must be UTF-8, or base64 where it says so") from None
    if len(body) > max_bytes:
        raise _too_large(f"the body must have {max_bytes} bytes at most")
    return body


def _listed(body: bytes, max_events: int) -> list[object]:
    try:
        said = json.loads(
            body.decode("utf-8-sig"),
            # What is no JSON at this place is text to us: the event may be unreadable, and costs no other.
            parse_constant=str,
            parse_float=lambda digits: float(digits) if math.isfinite(float(digits)) else digits,
            parse_int=lambda digits: int(digits) if len(digits) < LONGEST_NUMBER else digits,
        )
    except UnicodeDecodeError:
        raise _bad("the body must be UTF-8") from None
    except RecursionError:
        raise _bad(f"the body must not be nested deeper than {DEEPEST}") from None
    except json.JSONDecodeError:
        raise _bad("the body must be JSON") from None
    if not isinstance(said, dict) or not isinstance(said.get("events"), list):
        raise _bad('the body must be an object with a list "events"')
    if len(said["events"]) > max_events:
        raise _too_large(f"there must be {max_events} events at most")
    _check_depth(said)
    return list(said["events"])


def _check_depth(said: object) -> None:
    level = [said]
    for _ in range(DEEPEST):
        level = [
            part
            for whole in level
            if isinstance(whole, (dict, list))
            for part in (whole.values() if isinstance(whole, dict) else whole)
        ]
        if not level:
            return
    raise _bad(f"the body must not be nested deeper than {DEEPEST}")


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _bad(rule: str) -> Refused:
    return Refused(HTTPStatus.BAD_REQUEST, rule)


def _too_large(rule: str) -> Refused:
    return Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, rule)
