"""Calls of the webhook, right ones and wrong ones, each with the status it must be answered."""

import base64
import json
import math
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from outbox.adapters import webhook
from outbox.adapters.webhook import Config
from outbox.adapters.webhook_secret import WebhookCredentials
from outbox.core import bounce as bounces
from outbox.settings import WebhookSettings
from outbox.testing import TickingClock
from tests.flows.test_bounce import Bad, World

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
PAIRS = [("blastengine", "correct-horse-01"), ("blastengine-2", "battery-staple-02")]
RIGHT, SOURCE = ["Basic " + base64.b64encode(":".join(pair).encode()).decode() for pair in PAIRS], "3.114.82.121"
MOST_BYTES, MOST_EVENTS = 20_000, 40


def networks(written):
    given = {"history_table": "h", "suppression_table": "s", "webhook_secret_id": "w"}
    return WebhookSettings(**given, webhook_sources=written).sources


class Secret:
    """A secret store that may stall."""

    stalled = False

    def get_secret_value(self, **_: Any) -> dict[str, str]:
        if self.stalled:
            from botocore.exceptions import ReadTimeoutError

            raise ReadTimeoutError(endpoint_url="x")
        return {"SecretString": json.dumps({"credentials": [{"user": u, "password": p} for u, p in PAIRS]})}


@dataclass
class Hook:
    """The webhook on memory, and what the test knows must be there."""

    chance: random.Random
    secret: Secret = field(default_factory=Secret)
    expected: set[str] = field(default_factory=set)
    said: dict[tuple[Any, ...], str] = field(default_factory=dict)
    last: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world = World()
        self.world.clock = TickingClock(START)
        self.config = Config(self.credentials(), networks(f"{SOURCE}, 35.79.248.0/24"), MOST_BYTES, MOST_EVENTS)

    def credentials(self) -> WebhookCredentials:
        return WebhookCredentials(self.secret, "webhook", self.world.clock)

    def call(self, event: Any, faults: tuple[set[int], set[int]] = (set(), set()), *, stalled: bool = False) -> Any:
        self.secret.stalled = stalled
        # What a function has read outlives a stall; only a new one has nothing.
        config = Config(self.credentials(), self.config.allowed, MOST_BYTES, MOST_EVENTS) if stalled else self.config
        records = Bad(self.world.records, *faults)
        return webhook.answer(event, config, lambda events: self.world.record(events, records, threads=4))


def an_event(hook: Hook) -> Any:
    """Make an event out of few parts, so that the same comes again, in one of its spellings."""
    chance = hook.chance
    email, delivery = f"user{chance.randrange(6)}@example.com", chance.randrange(1000, 1003)
    kind = chance.choices(["HARDERROR", "DROP", "SOFTERROR", "COMPLAINT"], [6, 1, 2, 1])[0]
    at = START + timedelta(hours=chance.choice([*range(-700, 100, 15), 24 * 3650]))
    code = chance.choice(["550", "554(errors)"])
    identity = (email, delivery, kind, at, code)
    detail = {
        "mailaddress": chance.choice([email, email.upper(), f" {email}\t"]),
        "subject": chance.choice(["件名", "x" * 500, 7]),
        "error_code": chance.choice([code, int(code) if code.isdigit() else code]),
        "error_message": "secret message",
        "delivery_id": chance.choice([delivery, str(delivery), float(delivery)]),
        "insert_codes": [{"key": "__id__", "value": "1"}],
    }
    written = chance.choice([at, at.astimezone(timezone(timedelta(hours=9)))]).isoformat()
    event = {"event": {"type": chance.choice([kind, kind.lower()]) if kind != "COMPLAINT" else kind}}
    event["event"] |= {"datetime": written, "detail": detail}
    name = bounces.read(event, 0, START).id
    assert hook.said.setdefault(identity, name) == name
    return event


ODD = [
    None,
    True,
    -1,
    1e999,
    10**30,
    "",
    "\x00",
    "\ud800",
    "x" * 3000,
    "あ@",
    "a@b@c.example",
    [],
    [[1]],
    {},
    {"a": {}},
]


def hurt(event: Any, chance: random.Random) -> Any:
    """Replace, remove or add a member somewhere in an event."""
    event = json.loads(json.dumps(event))
    places = [event, event["event"], event["event"]["detail"]]
    place = chance.choice(places)
    name = chance.choice(list(place))
    how = chance.randrange(3)
    if how == 0:
        del place[name]
    else:
        place[name if how == 1 else "more"] = chance.choice(ODD)
    return chance.choice([event, event, event, *ODD])


def bytes_hurt(body: bytes, chance: random.Random) -> bytes:
    """Cut, flip, double or replace bytes."""
    at = chance.randrange(len(body) + 1)
    return chance.choice(
        [
            body[:at],
            body[:at] + bytes([chance.randrange(256)]) + body[at + 1 :],
            body[:at]
            + chance.choice([b"{", b"]", b'"', b"NaN", b"\xff", b"\xef\xbb\xbf", b',"events":[]'])
            + body[at:],
            body[at:] + body[:at],
            body + body,
            b"[" * chance.randrange(1, MOST_BYTES),
            chance.randbytes(chance.randrange(300)),
        ]
    )


WRONG_HEADERS = [
    None,
    "",
    "Basic",
    "Basic " + "A" * 5000,
    "Basic é",
    "Bearer x",
    "Basic " + base64.b64encode(b"\xff:\xff").decode(),
    "Basic " + base64.b64encode(f"{PAIRS[0][0]}:{PAIRS[1][1]}".encode()).decode(),
    RIGHT[0][:-4],
    RIGHT[0] + "=",
    f"{RIGHT[0]},{RIGHT[1]}",
]


@dataclass
class Call:
    """One call: what it holds, what is wrong with it, and the statuses that may follow."""

    event: Any
    body: bytes
    statuses: set[int]
    stalled: bool = False
    faults: tuple[set[int], set[int]] = (set(), set())


def a_call(hook: Hook) -> Call:
    """Make a call; the first thing that is wrong with it, in the order of the checks, says its status."""
    chance = hook.chance
    events = hook.last
    if chance.random() < 0.8:
        events = [an_event(hook) for _ in range(chance.choice([0, 1, 1, 1, 2, 5, 20, MOST_EVENTS]))]
        events = hook.last = [hurt(event, chance) if chance.random() < 0.1 else event for event in events]
    body = json.dumps({"events": events}, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
    wrong = {
        name for name in ("method", "source", "secret", "header", "size", "type", "count") if chance.random() < 0.04
    }
    if chance.random() < 0.25:
        body = bytes_hurt(body, chance)
    if "count" in wrong:
        body = json.dumps({"events": [1] * (MOST_EVENTS + chance.randrange(1, 50))}).encode()
    if "size" in wrong:
        body += b" " * (MOST_BYTES - len(body) + chance.randrange(1, 99))
    encoded = chance.random() < 0.5 or not is_text(body)
    headers = {
        "authorization": chance.choice(WRONG_HEADERS if "header" in wrong else RIGHT),
        "content-type": chance.choice(["text/html", "json"] if "type" in wrong else ["application/json", None]),
        "x-forwarded-for": SOURCE,
    }
    source = chance.choice(["1.2.3.4", "", None, "::1"] if "source" in wrong else [SOURCE, "35.79.248.35"])
    http = {"method": chance.choice(["GET", "DELETE", None] if "method" in wrong else ["POST"]), "sourceIp": source}
    event = {
        "requestContext": {"http": http},
        "headers": {name: value for name, value in headers.items() if value is not None},
        "rawQueryString": "secret=query",
        "body": base64.b64encode(body).decode() if encoded else body.decode(),
        "isBase64Encoded": encoded,
    }
    order = {"method": 405, "source": 403, "secret": 503, "header": 401, "size": 413, "type": 415}
    first = next((status for name, status in order.items() if name in wrong), 0)
    if "secret" not in wrong and not first and len(body) > MOST_BYTES:
        first = 413
    if first == 415 and len(body) > MOST_BYTES:
        first = 413
    statuses = {first} if first else {status_of(body)}
    if first == 503 and "header" in wrong:
        # Some headers are wrong whatever the secret says.
        statuses = {401, 503}
    faults: tuple[set[int], set[int]] = (set(), set())
    if statuses == {200} and chance.random() < 0.2:
        numbers = list(range(1, 80))
        faults = set(chance.sample(numbers, 9)), set(chance.sample(numbers, 9))
        statuses = {200, 503}
    return Call(event, body, statuses, "secret" in wrong, faults)


def is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def parsed(body: bytes) -> Any:
    """Read a body as Python has it; a number that is none stays text."""

    def number(digits: str) -> float | str:
        return float(digits) if math.isfinite(float(digits)) else digits

    return json.loads(body.decode().removeprefix("\ufeff"), parse_constant=str, parse_float=number)


def status_of(body: bytes) -> int:
    """Say what a body of allowed size must be answered."""
    try:
        said = parsed(body)
    except (ValueError, RecursionError):
        return 400
    if not isinstance(said, dict) or not isinstance(said.get("events"), list):
        return 400
    return 413 if len(said["events"]) > MOST_EVENTS else 200
