"""Deliver beside the handler of the tutorials, and beside what the mail API's own latency and rate allow.

Both read the same stream event and call the same sandbox over HTTP, which answers each call after a set time; both keep
their rows in the memory store, where each call takes DATABASE_SECONDS: what a DynamoDB call within a region is taken to
take. That leaves out what the SDK makes the processor do; the line «with the SDK» has it. On the embedded AWS the
emulator's own time is what is measured. No line has the two calls a batch that book its slots.

The limit is what no program beats with so many calls at once: the API's latency times the rounds of calls, or the time
the API needs to take so many calls at all, and one round trip to the tables. The API's rate is what the sandbox takes
from bare connections with ready requests, measured in the same run: on this machine it is a process as well.
"""

import json
import math
import socket
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from outbox import Mail
from outbox.adapters.api_client import token
from outbox.adapters.blastengine import payload_of
from outbox.core.ports import LONG_AGO
from outbox.flows.send import Result
from tests.bench import plain, profiled, rig
from tests.bench.effort import Effort, clocked, median
from tests.bench.rig import THREADS
from tests.bench.wired import Wired

DATABASE_SECONDS = 0.004
# A DynamoDB call on each mail's way, one after the other: claim, look into history and suppression list, settle.
CALLS_A_MAIL = 3
LATENCIES, BATCHES = (0.02, 0.1, 0.5), (10, 100, 1000)
COMPARED = (100, 0.1)
PARTS = {
    "the SDK": ("botocore", "boto3", "urllib3", "s3transfer"),
    "the HTTP client": ("httpx", "httpcore", "h11", "/ssl.py", "/http/"),
    "the bench": ("tests/bench", "outbox/testing"),
}
# So long, in seconds, that the second look at a cell would tell nothing new.
LONG = 10.0


def measure(effort: Effort) -> dict[str, Any]:
    """Measure every batch at every latency, one of them against the plain handler too."""
    rate = api_rate(effort.pick(2000, 200))
    effort.say(f"the sandbox takes {rate:.0f} calls a second")
    matrix = []
    for latency in effort.pick(LATENCIES, (0.02,)):
        for batch in effort.pick(BATCHES, (10,)):
            effort.say(f"deliver: batch {batch}, API {latency * 1000:.0f} ms")
            matrix.append(_cell(batch, latency, rate, effort))
    compared = COMPARED if not effort.quick else (10, 0.02)
    effort.say("the plain handler")
    return {
        "threads": THREADS,
        "database_ms": round(DATABASE_SECONDS * 1000),
        "api_calls_a_second": round(rate),
        "plain": _against_plain(*compared, effort),
        "matrix": matrix,
        "with_sdk": [_with_sdk(compared[0], latency, rate, effort) for latency in effort.pick((0.02, 0.1), (0.02,))],
        "profile": _profile(effort.pick(200, 5)),
    }


def limit(count: int, latency: float, rate: float, threads: int = THREADS) -> float:
    """Give the seconds that so many calls take at the least."""
    return max(math.ceil(count / threads) * latency, count / rate) + DATABASE_SECONDS


def ours(mails: Sequence[Mail], api: Any) -> float:
    """Give the seconds deliver takes for a batch, warm."""
    rows, seconds = rig.rows_of(mails), list[float]()
    store, event = rig.in_memory(rows), rig.event_of(rows)
    flow = rig.deliver(rig.Tables.memory(store).taking(DATABASE_SECONDS), api)
    with clocked(seconds):
        rig.hear(flow, event)
    assert (len(store.outbox), len(store.history)) == (0, len(mails))
    return seconds[0]


def with_sdk(mails: Sequence[Mail], api: Any, wired: Wired) -> float:
    """Give the seconds deliver takes for a batch, warm, with all that the SDK does for it."""
    rows, seconds = rig.rows_of(mails), list[float]()
    event, flow = rig.event_of(rows), rig.deliver(wired.tables(rows), api)
    with clocked(seconds):
        rig.hear(flow, event)
    return seconds[0]


def theirs(mails: Sequence[Mail], ready: Mapping[str, str]) -> float:
    """Give the seconds the handler of the tutorials takes for the same batch."""
    rows, kept, seconds = rig.rows_of(mails), dict[str, Any](), list[float]()
    store, event = rig.in_memory(rows), rig.event_of(rows)
    tables = rig.Tables.memory(store).taking(DATABASE_SECONDS)

    def put(row: dict[str, Any]) -> None:
        time.sleep(DATABASE_SECONDS)
        kept[row["id"]] = row

    with clocked(seconds):
        url = f"{ready['mail_api_url']}/deliveries/transaction"
        sent = plain.handler(event, url, token(rig.credentials(ready)), put, tables.store.remove)
    assert (sent, len(kept), len(store.outbox)) == (len(mails), len(mails), 0)
    return seconds[0]


def api_rate(calls: int) -> float:
    """Give the calls a second that the sandbox takes from bare connections."""
    with rig.sandbox(0.001) as ready:
        request = _request(rig.mails_of(1)[0], ready)
        best = 0.0
        for _ in range(2):
            began = time.perf_counter()
            with ThreadPoolExecutor(THREADS) as pool:
                list(pool.map(lambda _: _bare_calls(ready, request, calls // THREADS), range(THREADS)))
            best = max(best, calls // THREADS * THREADS / (time.perf_counter() - began))
    return best


def _cell(batch: int, latency: float, rate: float, effort: Effort) -> dict[str, Any]:
    least, mails = limit(batch, latency, rate), rig.mails_of(batch)
    with rig.sandbox(latency) as ready, rig.http_api(ready) as api:
        ours(rig.mails_of(THREADS), api)
        seconds = [ours(mails, api) for _ in effort.times(2 if least > LONG else None)]
    return {
        "batch": batch,
        "latency_ms": round(latency * 1000),
        "seconds": median(seconds),
        "limit_seconds": round(least, 3),
        "tables_seconds": round(math.ceil(batch / THREADS) * CALLS_A_MAIL * DATABASE_SECONDS, 3),
        "times_the_limit": median([each / least for each in seconds], 2),
    }


def _with_sdk(batch: int, latency: float, rate: float, effort: Effort) -> dict[str, Any]:
    effort.say(f"deliver with the SDK: batch {batch}, API {latency * 1000:.0f} ms")
    least, mails, wired = limit(batch, latency, rate), rig.mails_of(batch), Wired(DATABASE_SECONDS)
    with rig.sandbox(latency) as ready, rig.http_api(ready) as api:
        with_sdk(rig.mails_of(THREADS), api, wired)
        wired.calls.clear()
        seconds = [with_sdk(mails, api, wired) for _ in effort.times()]
    sent = batch * len(seconds)
    assert [wired.calls[name] for name in ("UpdateItem", "BatchGetItem", "TransactWriteItems")] == [sent] * 3
    return {
        "batch": batch,
        "latency_ms": round(latency * 1000),
        "seconds": median(seconds),
        "times_the_limit": median([each / least for each in seconds], 2),
    }


def _profile(count: int) -> dict[str, float]:
    """Share out the processor's time of mails that are sent one after the other, tables and SDK included."""
    rows, wired = rig.rows_of(rig.mails_of(count)), Wired(0)
    with rig.sandbox(0.0) as ready, rig.http_api(ready) as api:
        sender = rig.deliver(wired.tables(rows), api).sender

        def send() -> None:
            for row in rows:
                assert sender.send(row, LONG_AGO, time.time() + 600) is Result.SENT

        return profiled.shares(send, PARTS)


def _against_plain(batch: int, latency: float, effort: Effort) -> dict[str, Any]:
    mine, plainly, mails = list[float](), list[float](), rig.mails_of(batch)
    with rig.sandbox(latency) as ready, rig.http_api(ready) as api:
        ours(rig.mails_of(THREADS), api)
        for _ in effort.times(3):
            plainly.append(theirs(mails, ready))
            mine.append(ours(mails, api))
    return {
        "batch": batch,
        "latency_ms": round(latency * 1000),
        "seconds": median(mine),
        "plain_seconds": median(plainly, 2),
        "times_faster": median([one / other for one, other in zip(plainly, mine, strict=True)], 1),
    }


def _request(mail: Mail, ready: Mapping[str, str]) -> bytes:
    body = json.dumps(payload_of(mail)).encode()
    where = urlsplit(f"{ready['mail_api_url']}/deliveries/transaction")
    head = f"POST {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Type: application/json\r\n"
    head += f"Authorization: Bearer {token(rig.credentials(ready))}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _bare_calls(ready: Mapping[str, str], request: bytes, count: int) -> None:
    """Send a ready request again and again, and look at no more than whether it was answered."""
    where = urlsplit(ready["mail_api_url"])
    with socket.create_connection((where.hostname, where.port), timeout=30) as connection:
        for _ in range(count):
            connection.sendall(request)
            answer = connection.recv(65536)
            while b"delivery_id" not in answer:
                piece = connection.recv(65536)
                assert piece, answer
                answer += piece
