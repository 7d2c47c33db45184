"""What a page of the list costs while the outbox holds tens of thousands of rows: the same as with a thousand.

OUTBOX_LISTING_ROWS=1000000 pytest -s tests/flows/test_listing_size.py    # with a million; times are told, not judged
"""

import math
import os
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import boto3
import pytest
from botocore.config import Config
from starlette.testclient import TestClient

from outbox.adapters import aws
from outbox.adapters.dynamodb import DynamoStore
from outbox.adapters.wire import from_wire
from outbox.console.access import Everybody, Person, Role
from outbox.console.app import create_app
from outbox.core.clock import now
from outbox.core.rate import Rate
from outbox.core.retention import Retention
from outbox.core.states import DUE, IN_FLIGHT, Status
from outbox.flows.listing import Filter, Listing
from outbox.flows.where import READERS, chunks
from outbox.testing import MemoryRegister
from outbox.testing.size import item_size
from outbox.wiring.connect import CONNECTIONS
from outbox.wiring.desk import Desk, Line
from tests.flows.listing import problem, waiting
from tests.store import tables

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

ROWS, FEW = int(os.environ.get("OUTBOX_LISTING_ROWS", "20000")), 1000
UNIT = 4096
WAITS = DUE | IN_FLIGHT
# Each list with the units a page of it may take, whatever the outbox holds.
LISTS = {
    "what needs a person": (Filter(), 4),
    "one state": (Filter(frozenset({Status.HELD})), 1.5),
    "what waits": (Filter(WAITS), 21),
    "one waiting state": (Filter(frozenset({Status.WAITING})), 21),
    "filtered by tag": (Filter(tag="fifth"), 15),
    "waiting, filtered by subject": (Filter(WAITS, subject="fifth"), 175),
}
# A page of these looks at all it may, which a small outbox does not have.
RARE = {
    "filtered by what is not there": (Filter(to="nobody@"), 70),
    "waiting, filtered by what is not there": (Filter(WAITS, to="nobody@"), 175),
}

# Pages of the console, each with the units it may take: the list, and beside it how the service stands.
PAGES = {
    "/": 70,
    "/?state=held": 70,
    "/?state=underway": 90,
    "/?tag=fifth": 80,
    "/overview": 65,
}


class Meter:
    """Counts the read units of a client's answers by AWS's rules; the embedded AWS counts half a unit for any query.

    An eventually consistent read is half a unit for each 4 KB: of all entries of a query together, of each row of a
    batch by itself.
    """

    def __init__(self, client):
        self.units, self.calls, self._lock = 0.0, 0, threading.Lock()
        for operation, cost in (("Query", self._query), ("BatchGetItem", self._batch), ("Scan", self._scan)):
            client.meta.events.register(f"after-call.dynamodb.{operation}", self._counting(cost))

    def _counting(self, cost):
        def count(parsed, **_):
            with self._lock:
                self.units += cost(parsed)
                self.calls += 1

        return count

    def _query(self, parsed):
        return max(1, math.ceil(sum(map(_size, parsed["Items"])) / UNIT)) / 2

    def _batch(self, parsed):
        return sum(math.ceil(_size(row) / UNIT) for rows in parsed["Responses"].values() for row in rows) / 2

    def _scan(self, _parsed):
        pytest.fail("a list never scans")


def _size(attributes):
    return item_size(from_wire(attributes))


def rows(count):
    """Make rows of one size: half need a person, in three states, half wait, many at one moment."""
    for number in range(count // 2):
        fifth = "fifth" if number % 5 == 0 else "other"
        status = ("FAILED", "FAILED", "HELD", "UNKNOWN")[number % 4]
        more = {"subject": f"Order {number:07} {fifth}", "html": "<p>Good morning.</p>" * 50}
        yield problem(f"p{number:07}", status, 86_400 * 7 - number, tags=[fifth], **more)
        yield waiting(f"w{number:07}", "WAITING", number // 300, **more)


@contextmanager
def outbox_of(stack, count):
    """Give a store with so many rows in an account of its own, and take it away again."""
    keys = {"aws_access_key_id": f"{700_000_000_000 + count:012}", "aws_secret_access_key": "y"}
    session = boto3.Session(**keys, region_name="us-east-1")
    address = stack.info.aws_endpoint_url
    # The embedded AWS pauses while so much is written, and puts an index in order when it is first asked: both take it
    # longer than our own client waits.
    patience = aws.config(READERS).merge(Config(read_timeout=600, parameter_validation=False))
    patient = DynamoStore(session.client("dynamodb", endpoint_url=address, config=patience), "outbox", "history")
    tables.create(patient.client)
    began = time.perf_counter()
    with ThreadPoolExecutor(READERS) as pool:
        deque(pool.map(partial(_put, patient), chunks(rows(count), 25)), maxlen=0)
    print(f"\n{count:,} rows written in {time.perf_counter() - began:.1f} s")  # noqa: T201  the numbers are the point
    for wanted, _ in LISTS.values():
        Listing(patient)(wanted)
    yield DynamoStore(aws.dynamodb(session, CONNECTIONS, endpoint_url=address), "outbox", "history")
    for table in ("outbox", "history"):
        patient.client.delete_table(TableName=table)


def _put(store, batch):
    while batch:
        batch = store.add_all(batch)


def costs(store):
    """Open each list, its first page and its second, and give what they read."""
    meter, told = Meter(store.client), {}
    for name, (wanted, most) in (LISTS | RARE).items():
        after = ""
        for page in ("first page", "page two"):
            before, began = (meter.units, meter.calls), time.perf_counter()
            shown = Listing(store)(wanted, after=after)
            took = (time.perf_counter() - began) * 1000
            units, calls, after = meter.units - before[0], meter.calls - before[1], shown.after
            told[name, page] = (units, calls, len(shown.rows), shown.looked)
            said = f"{took:8.0f} ms {units:6.1f} units {calls:3} calls {len(shown.rows):3} rows  {name}, {page}"
            print(said)  # noqa: T201  the numbers are the point
            assert units <= most, said
    return told


def opened(store):
    """Open each page of the console a few times, and see what it reads."""
    desk = Desk(store, now, Retention(400), lambda: "alice", line=Line(MemoryRegister(), Rate(500, 5)))
    client = TestClient(create_app(desk, Everybody(lambda: Person("alice", Role.ACT))), base_url="http://127.0.0.1")
    meter = Meter(store.client)
    for page, most in PAGES.items():
        took = []
        for _ in range(5):
            before, began = (meter.units, meter.calls), time.perf_counter()
            answer = client.get(page)
            took.append((time.perf_counter() - began) * 1000)
        units, calls = meter.units - before[0], meter.calls - before[1]
        said = f"{min(took):5.0f} ms at best, {sorted(took)[2]:5.0f} ms {units:6.1f} units {calls:3} calls  {page}"
        print(said)  # noqa: T201  the numbers are the point
        assert answer.status_code == 200
        assert units <= most, said


def test_a_page_costs_the_same_whatever_the_outbox_holds(local_stack):
    """Each list reads as many units with a thousand rows as with all; the console's pages stay within their few."""
    with outbox_of(local_stack, FEW) as store:
        few = costs(store)
    with outbox_of(local_stack, ROWS) as store:
        many = costs(store)
        opened(store)
    pages = [(name, page) for name in LISTS for page in ("first page", "page two")]
    assert {page: many[page] for page in pages} == {page: few[page] for page in pages}
    assert [many[name, "first page"][3] for name in RARE] == [1000, 300]
