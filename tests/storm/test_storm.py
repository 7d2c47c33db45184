"""A storm on the local stack: faults on one call in five, workers killed at random; afterwards every mail is counted.

`OUTBOX_STORM_MAILS=10000 pytest tests/storm -s` is the full size; without the setting it is one that fits into CI.
"""

import os
import random
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from outbox import Outbox
from outbox.adapters.wire import from_wire
from outbox.core import places, transitions
from outbox.local.stack import LocalStack
from tests.conftest import make_mail
from tests.storm import crew, figures, worker

MAILS = int(os.environ.get("OUTBOX_STORM_MAILS", "250"))
FULL = MAILS > 2000
# The sandbox's minute: short enough in CI that several of them fit into the run.
MINUTE = 60 if FULL else 10
PER_SECOND = int(os.environ.get("OUTBOX_STORM_RATE", "20"))
LIMIT = MINUTE * PER_SECOND
BURST = 5
# The calls a minute for which the limiter lets at most LIMIT - BURST through in one of the sandbox's minutes.
RATE = (LIMIT - 2 * BURST) * 60 // MINUTE + 2 * BURST
STREAM = [0.15, 0.02, 0.1]
WORKERS = ["deliver-0", "deliver-1", "dispatch-0"]
# The weather clears when so few mails are under way: the unluckiest of them would else meet fault after fault, and
# how long that takes is chance alone. The seconds are for one that comes to rest never, a small multiple of the usual.
FEW = min(20, MAILS // 20)
SECONDS = 240 + 12 * MAILS / PER_SECOND if FULL else 900

BOTH: list[dict[str, Any]] = [
    {"mode": "server_error"},
    {"mode": "reset"},
    {"mode": "rate_limited", "retry_after": "1"},
    {"mode": "unreadable"},
    {"mode": "slow", "seconds": 0.7},
    {"mode": "hang"},
]
SENDS: list[dict[str, Any]] = [
    {"mode": "accept_then_error"},
    {"mode": "accept_then_reset"},
    {"mode": "accept_then_hang"},
    {"mode": "slow", "seconds": 3},
]
SHARE = 0.2

pytestmark = [pytest.mark.stack, pytest.mark.timeout(SECONDS + 80)]


def faults():
    """Share one call in five among the faults: the first that strikes plays, so later ones strike harder."""
    for on, modes in (("sends", BOTH + SENDS), ("reads", BOTH)):
        each = SHARE / len(modes)
        for number, fault in enumerate(modes):
            yield fault | {"on": on, "probability": each / (1 - number * each)}


class Storm:
    """The mails of a storm, the service they go through and what is found of them afterwards."""

    def __init__(self, stack, sandbox, client):
        self.info, self.sandbox, self.client = stack.info, sandbox, client
        names = {"table": stack.info.outbox_table, "history_table": stack.info.history_table}
        self.outbox = Outbox(client=client, actor="storm", **names)
        self.mails: dict[str, Any] = {}
        self.keyed: list[str] = []
        self.repeated = 0
        self.struck = 0

    def break_out(self):
        """Let the mail API have bad days, and refuse one address for good."""
        wrong = {"mode": "refuse_address", "match": {"to": "wrong@example.com"}}
        for fault in [wrong, *faults()]:
            self.sandbox.post("/_sandbox/faults", json=fault).raise_for_status()

    def clear_up(self):
        """End the mail API's bad days, counting how often a fault struck; the refused address stays refused."""
        for rule in self.sandbox.get("/_sandbox/faults").json()["faults"]:
            if rule["mode"] != "refuse_address":
                self.sandbox.delete(f"/_sandbox/faults/{rule['id']}").raise_for_status()
                self.struck += rule["fired"]

    def enqueue(self, number):
        """Write one mail: half of them with a key, a quarter urgent, half to be sent again when in doubt."""
        # Every fortieth pair are twins: the same mail to the same person, twice, and both are wanted.
        subject = f"storm {number - 1 if number % 40 == 1 else number}"
        refused = number % 40 == 2
        mail = make_mail(
            to="wrong@example.com" if refused else f"person{number // 2 % max(10, MAILS // 8)}@example.com",
            subject=subject,
            text=f"This is {subject}.",
            urgent=number % 4 == 3,
            on_unknown="resend" if number % 80 >= 40 else "hold",
        )
        key = f"key-{number}" if number % 2 else None
        mail_id = self.outbox.enqueue(mail, idempotency_key=key).id
        self.mails[mail_id] = mail
        if key:
            self.keyed.append(key)

    def enqueue_all(self):
        """Write all mails from several threads."""
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(self.enqueue, range(MAILS)))

    def repeat_one(self):
        """Enqueue a mail once more under its key, whatever has become of it."""
        key = random.choice(self.keyed)
        assert self.outbox.enqueue(self.mails[key], idempotency_key=key).duplicate
        self.repeated += 1

    def rows(self, table, names="id, #s, delivery_id, confirmed_by, attempts, #e, reason"):
        """Read all rows of a table as far as this test looks at them."""
        words = {"#s": "status", "#e": "error"}
        pages = self.client.get_paginator("scan").paginate(
            TableName=table, ProjectionExpression=names, ExpressionAttributeNames=words, ConsistentRead=True
        )
        return {str(row["id"]): row for page in pages for row in map(from_wire, page["Items"])}

    def under_way(self):
        """Give the states of the mails that do not wait for a person."""
        rows = self.rows(self.info.outbox_table)
        return Counter(row["status"] for row in rows.values() if row["status"] not in {"FAILED", "UNKNOWN"})

    def arrived(self):
        """Give all that the sandbox took."""
        return self.sandbox.get("/_sandbox/mails").json()["mails"]


@pytest.fixture
def storm(tmp_path):
    """Start a stack whose work is done by processes of our own, and a mail API with bad days."""
    arguments = ("--rate-per-minute", str(LIMIT))
    with LocalStack(sandbox_arguments=arguments) as stack, httpx.Client(base_url=stack.info.sandbox_url) as sandbox:
        sandbox.timeout = httpx.Timeout(60)
        crew.take_over(stack)
        sandbox.post("/_sandbox/settings", json={"minute_seconds": MINUTE}).raise_for_status()
        environment = crew.environment(
            stack,
            rate_per_minute=RATE,
            rate_burst=BURST,
            look_up_minutes=0.25,
            connect_seconds=1,
            answer_seconds=1.5,
            storm_haste=1,
            storm_stream=STREAM,
            storm_function_seconds=20,
        )
        with crew.Crew(WORKERS, environment, tmp_path) as workers:
            storm = Storm(stack, sandbox, stack.client("dynamodb"))
            storm.break_out()
            yield storm, workers


def test_a_storm_loses_nothing_doubles_nothing_and_keeps_to_the_rate(storm, monkeypatch):
    """Each mail ends in exactly one place, none without leave arrives twice, and the sandbox never says 429 itself."""
    storm, workers = storm
    monkeypatch.setattr(transitions, "LOST_EVENT", {name: value for _, name, value in worker.HASTE}["LOST_EVENT"])
    began = time.monotonic()
    with ThreadPoolExecutor(1) as writer:
        written = writer.submit(storm.enqueue_all)
        rage(storm, workers, written, began)
    seconds = time.monotonic() - began
    stats = storm.sandbox.get("/_sandbox/stats").json()
    outbox, history = storm.rows(storm.info.outbox_table), storm.rows(storm.info.history_table)
    arrived = storm.arrived()
    note(storm, workers, seconds, stats, outbox, history, arrived)
    assert_each_in_one_place(storm, outbox, history)
    assert_sent_is_sent(storm, history, arrived)
    assert_nothing_doubled(storm, arrived)
    assert stats["requests"]["refused"] == 0, "over the rate"
    assert busiest(arrived) <= LIMIT
    assert workers.counted()["mail.sent_twice"] == 0


def rage(storm, workers, written, began):
    """Kill at random, and repeat, until few mails are under way; then let these end in peace."""
    next_look, clear = 0.0, False
    while True:
        time.sleep(random.uniform(0.5, 1.5))
        assert not workers.dead(), workers.tail()
        if written.done():
            written.result()
            storm.repeat_one()
            if time.monotonic() >= next_look:
                left = storm.under_way().total()
                if not clear and left <= FEW:
                    clear = True
                    storm.clear_up()
                if not left:
                    return
                next_look = time.monotonic() + (5 if FULL else 1)
        assert time.monotonic() < began + SECONDS, f"still under way: {storm.under_way()}\n{workers.tail()}"
        if not clear and random.random() < 0.4:
            workers.kill(random.choice(workers.names))


def assert_each_in_one_place(storm, outbox, history):
    """Find each mail in the outbox or in history, never both; what is in the outbox waits for a person."""
    mails = {mail_id for mail_id in history if not mail_id.startswith(places.OURS)}
    assert not outbox.keys() & mails, "in both"
    assert outbox.keys() | mails == storm.mails.keys(), "lost, or made up"
    assert {row["status"] for row in outbox.values()} <= {"FAILED", "UNKNOWN"}
    assert {history[mail_id]["status"] for mail_id in mails} <= {"SENT"}
    refused = {mail_id for mail_id, mail in storm.mails.items() if mail.to.email == "wrong@example.com"}
    for mail_id, row in outbox.items():
        assert row["reason"]
        if row["status"] == "FAILED" and row["error"] == "refused":
            assert mail_id in refused
        if row["status"] == "UNKNOWN":
            assert storm.mails[mail_id].on_unknown == "hold"


def assert_sent_is_sent(storm, history, arrived):
    """Each mail in history has a delivery of its own, and it is the mail that the sandbox took under that id."""
    subjects = {str(each["delivery_id"]): each["subject"] for each in arrived}
    sent = {mail_id: row["delivery_id"] for mail_id, row in history.items() if mail_id in storm.mails}
    assert len(set(sent.values())) == len(sent), "two mails claim one delivery"
    wrong = [mail_id for mail_id, delivery in sent.items() if subjects.get(delivery) != storm.mails[mail_id].subject]
    assert wrong == []


def doubles(storm, arrived):
    """Count the arrivals beyond the first of each mail, by policy."""
    wanted: Counter[str] = Counter(mail.subject for mail in storm.mails.values())
    policy = {mail.subject: mail.on_unknown for mail in storm.mails.values()}
    more: defaultdict[str, int] = defaultdict(int)
    for subject, count in Counter(each["subject"] for each in arrived).items():
        more[policy[subject]] += max(0, count - wanted[subject])
    return more


def assert_nothing_doubled(storm, arrived):
    """With "hold" never; with "resend" not either here, since these records show at once all that was taken."""
    assert doubles(storm, arrived) == {"hold": 0, "resend": 0}


def busiest(arrived):
    """Count the most arrivals in any stretch as long as the sandbox's minute."""
    moments = sorted(each["received_at"] for each in arrived)
    begin = most = 0
    for end, moment in enumerate(moments):
        while moments[begin] <= moment - MINUTE:
            begin += 1
        most = max(most, end - begin + 1)
    return most


def note(storm, workers, seconds, stats, outbox, history, arrived):
    """Say what the storm was and what was left of it."""
    said = workers.counted()
    more = doubles(storm, arrived)
    states = Counter(row["status"] for row in outbox.values())
    found = [row for mail_id, row in history.items() if mail_id in storm.mails and row.get("confirmed_by")]
    figures.note(
        "storm",
        {
            "mails": len(storm.mails),
            "seconds": round(seconds),
            "kills": workers.kills,
            "calls": stats["requests"]["allowed"],
            "faults": storm.struck,
            "batches_heard_again": said["storm.heard_again"],
            "batches_not_heard": said["storm.not_heard"],
            "keys_repeated": storm.repeated,
            "look_ups": said["mail.looked_up"] + said["mail.found"],
            "found": len(found),
            "sent": sum(1 for mail_id in history if mail_id in storm.mails),
            "failed": states["FAILED"],
            "unknown": states["UNKNOWN"],
            "doubles_hold": more["hold"],
            "doubles_resend": more["resend"],
            "over_the_rate": stats["requests"]["refused"],
            "busiest_minute": busiest(arrived),
            "limit": LIMIT,
        },
    )
