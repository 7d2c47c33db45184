"""Deliver as `outbox.wiring` builds it, on tables and a mail API whose time per call is known."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx

from outbox import Mail
from outbox.adapters import stream
from outbox.adapters.api_client import ApiClient
from outbox.adapters.blastengine import BlastengineApi
from outbox.adapters.connections import Connections
from outbox.adapters.secrets import Credentials
from outbox.adapters.wire import to_wire
from outbox.core import clock, places, transitions
from outbox.core.outcomes import Terms
from outbox.core.ports import Unlimited
from outbox.core.retention import Retention
from outbox.core.row import Item
from outbox.core.transitions import Stamp
from outbox.flows.deliver import Deliver
from outbox.flows.send import Sender
from outbox.flows.switch import SharedSwitch
from outbox.testing import MemoryChecks, MemoryFiles, MemoryRegister, MemoryStore, MemorySuppressions
from outbox.wiring.processor import one_processor
from tests.conftest import make_mail

THREADS = 20
# Any rate is too low for a measure of speed.
NO_RATE = ("--rate-per-minute", "1000000")


class Timed:
    """Hands every call on, after as long as a database takes."""

    def __init__(self, target: Any, seconds: float) -> None:
        self._target, self._seconds = target, seconds

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)
        if not callable(method):
            return method

        def slow(*args: Any, **named: Any) -> Any:
            time.sleep(self._seconds)
            return method(*args, **named)

        return slow


class Context:
    """Lambda's word on the time that is left: enough."""

    def get_remaining_time_in_millis(self) -> int:
        return 600_000


@dataclass(frozen=True)
class Tables:
    """Where deliver finds everything; `memory` answers at once."""

    store: Any
    register: Any
    checks: Any

    @classmethod
    def memory(cls, store: MemoryStore) -> "Tables":
        return cls(store, MemoryRegister(), MemoryChecks(store, MemorySuppressions()))

    def taking(self, seconds: float) -> "Tables":
        """Let each call take so long."""
        return Tables(*(Timed(each, seconds) for each in (self.store, self.register, self.checks)))


def deliver(tables: Tables, api: Any, threads: int = THREADS) -> Deliver:
    """Build deliver as the wiring does, without a rate."""
    switch = SharedSwitch(tables.register, clock.now)
    sender = Sender(
        tables.store, api, clock.now, switch, Unlimited(), time.sleep, "deliver", 180.0,
        Terms(Retention(400), timedelta(0)), tables.checks, MemoryFiles(),
    )  # fmt: skip
    return Deliver(sender, threads, lambda: None)


def hear(flow: Deliver, event: object, *, everywhere: bool = False) -> None:
    """Have deliver answer an event in a thread that is set up as a function's is; or one that may run `everywhere`."""
    with ThreadPoolExecutor(1, initializer=None if everywhere else one_processor) as function:
        answer = function.submit(stream.for_each_doorbell, event, Context(), clock.now, flow).result()
    assert answer == {"batchItemFailures": []}, answer


def credentials(ready: Mapping[str, str]) -> Credentials:
    """Read the sandbox's account."""
    return Credentials(ready["login_id"], ready["api_key"])


@contextmanager
def http_api(ready: Mapping[str, str]) -> Iterator[BlastengineApi]:
    """Call the sandbox with a client as the wiring makes it."""
    timeout, transport = httpx.Timeout(30, connect=5, write=5, pool=5), Connections.to(ready["mail_api_url"], clock.now)
    with httpx.Client(timeout=timeout, transport=transport, headers={"User-Agent": "outbox"}) as client:
        yield BlastengineApi(ApiClient(client, ready["mail_api_url"], lambda **_: credentials(ready)))


@contextmanager
def sandbox(latency: float) -> Iterator[dict[str, str]]:
    """Run the sandbox in a process of its own, each call answered after so many seconds."""
    command = [sys.executable, "-m", "outbox.local.sandbox", "--until-stdin-closes", *NO_RATE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        ready: dict[str, str] = json.loads(process.stdout.readline())
        slow(ready["url"], latency)
        yield ready
        process.stdin.close()


def slow(url: str, latency: float) -> None:
    """Have a sandbox answer each call after so many seconds."""
    rule = {"mode": "slow", "seconds": latency}
    httpx.post(f"{url}/_sandbox/faults", json=rule, trust_env=False).raise_for_status()


def mails_of(count: int, text: int = 800) -> list[Mail]:
    """Make mails to people of their own, with texts of so many bytes."""
    words = "Thank you. " * (text // 11 + 1)
    return [
        make_mail(to=f"taro{number}@example.com", subject=f"Order {number}", text=words[:text])
        for number in range(count)
    ]


def rows_of(mails: Sequence[Mail]) -> list[Item]:
    """Make the rows that `enqueue` would write."""
    now = clock.now()
    return [transitions.new(mail, places.new_id(now), Stamp(now, "application")) for mail in mails]


def in_memory(rows: Sequence[Item]) -> MemoryStore:
    """Give a store that holds rows."""
    store = MemoryStore()
    for row in rows:
        store.put(row)
    return store


def event_of(rows: Sequence[Item]) -> dict[str, Any]:
    """Say what the stream of their table would say of new rows."""
    return {"Records": [_record(number, row) for number, row in enumerate(rows)]}


def _record(number: int, row: Item) -> dict[str, Any]:
    return {
        "eventID": f"{number:032x}",
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "ap-northeast-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1767225600.0,
            "Keys": {"id": {"S": row["id"]}},
            "NewImage": to_wire(row),
            "SequenceNumber": f"{number:021d}",
            "SizeBytes": 1000,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": "arn:aws:dynamodb:ap-northeast-1:123456789012:table/outbox/stream/2026-01-01T00:00:00.000",
    }
