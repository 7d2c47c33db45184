"""Thousands of rows as a hand may leave them, through the real stream filter: each ends sent, or visible and explained.

Only changes that pass the filter patterns of the template ring, through the adapter that reads the stream's records.
"""

import json
import os
import random
from datetime import timedelta
from typing import Any

import pytest
import structlog

from outbox.adapters import stream
from outbox.adapters.wire import to_wire
from outbox.core import clock as clocks
from outbox.core import places
from outbox.core.attachment import prefix
from outbox.core.states import PROBLEMS
from outbox.local.filters import matches
from outbox.testing import Change
from tests.attack.figures import at_most, count
from tests.attack.rows import STATES, mutate, starts
from tests.attack.world import World

ROWS = int(os.environ.get("OUTBOX_FUZZ_ROWS", "5600"))
BATCHES = 28
# What a row may cost from a slip to its rest: a doorbell, a claim, an outcome, looks, moves to where people look.
MOST_WRITES = 16
BUGS = {"deliver.failed", "dispatch.failed", "deliver.no_slots", "stream.garbage", "send.bug", "due.lane_failed"}


class Context:
    """What Lambda tells of the time that is left."""

    def get_remaining_time_in_millis(self) -> int:
        return 120_000


class Stream:
    """The stream of the outbox table with the filter of the template before deliver."""

    def __init__(self, world: World, patterns: list[str]) -> None:
        self.world, self.patterns = world, [json.loads(pattern) for pattern in patterns]
        self.passed = self.stopped = 0
        self.again: list[dict[str, Any]] = []

    def ring(self) -> bool:
        """Hand what is new and passes to deliver, three times what it asks for again; tell whether anything passed."""
        changes = self.world.store.changes[self.world.heard :]
        self.world.heard = len(self.world.store.changes)
        records = [record(number, change) for number, change in enumerate(changes)]
        heard = [each for each in records if any(matches(each, pattern) for pattern in self.patterns)]
        self.passed, self.stopped = self.passed + len(heard), self.stopped + len(records) - len(heard)
        self.again += heard
        for _ in range(4):
            if not heard:
                break
            heard = self._deliver(heard)
        return bool(records)

    def ring_all_again(self) -> None:
        """Hand everything that ever passed to deliver once more."""
        self._deliver(self.again)

    def _deliver(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        calm = self.world.calm

        def answer(doorbells: Any, deadline: float) -> set[int]:
            from outbox.flows.deliver import Deliver

            return Deliver(calm.sender(), 1, calm.start_dispatch)(doorbells, deadline)

        answered = stream.for_each_doorbell({"Records": records}, Context(), self.world.clock, answer)
        failed = {failure["itemIdentifier"] for failure in answered["batchItemFailures"]}
        return [each for each in records if each["dynamodb"]["SequenceNumber"] in failed]


def record(number: int, change: Change) -> dict[str, Any]:
    """Write a change as the stream's record."""
    images = {"OldImage": change.before, "NewImage": change.after}
    key = (change.after or change.before or {})["id"]
    return {
        "eventID": str(number),
        "eventName": change.name,
        "eventSource": "aws:dynamodb",
        "dynamodb": {
            "Keys": to_wire({"id": key}),
            "SequenceNumber": str(number),
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        }
        | {name: to_wire(image) for name, image in images.items() if image},
    }


def placed(world: World, made: dict[str, Any], mail_id: str, number: int) -> dict[str, Any]:
    """Make a row of its own of what the service wrote, with its file where the row says."""
    key = f"{prefix(mail_id)}try/0"
    world.files.objects[key] = b"x"
    files = [{**made["attachments"][0], "key": key}]
    own = {"id": mail_id, "subject": f"mail {number}", "to": f"to-{number}@example.com", "attachments": files}
    return {**made, **own}


def hurt(world: World, chance: random.Random, rows: int) -> dict[str, str]:
    """Write rows in each state as the service does, then change each by hand; give what each was."""
    made, _ = starts()
    was = {}
    for number in range(rows):
        state = STATES[number % len(STATES)]
        mail_id = chance.choice(["{}", "outbox:{}", "送{}", "{} \n", "delivery:{}", "<script>{}"]).format(number)
        row = placed(world, made[state], mail_id, number)
        if number % 3:
            world.store.put(row)
        if number % 11 == 0:
            # The id is spent: history has a mail under it.
            world.store.history[mail_id] = {**row, "status": "SENT", "delivery_id": f"9{number}", "reason": "Sent."}
        was[mail_id] = state
    # What the service wrote has been heard long ago; only the hands are new.
    world.heard = len(world.store.changes)
    for number, (mail_id, state) in enumerate(was.items()):
        row = placed(world, made[state], mail_id, number)
        world.store.put(mutate(row, chance))
    return was


def settle(world: World, wire: Stream) -> None:
    """Let doorbells ring and time go by until nothing moves any more."""
    until_quiet(wire)
    for span in (1, 5, 10, 20, 60, 60, 60 * 24, 60 * 24, 60 * 24 * 400, 60):
        world.clock.forward(minutes=span)
        world.calm.dispatch()
        until_quiet(wire)
    wire.ring_all_again()
    until_quiet(wire)
    world.clock.forward(minutes=10)
    world.calm.dispatch()
    until_quiet(wire)


def until_quiet(wire: Stream, rounds: int = 12) -> None:
    for _ in range(rounds):
        if not wire.ring():
            return
    pytest.fail("the service's own writes keep ringing")


def what_is_wrong(world: World, mail_id: str, hurt_row: dict[str, Any]) -> str:
    """Say what is wrong with where a row came to rest; nothing if it was sent or people can see why it was not."""
    row = world.store.outbox.get(mail_id)
    if row is None:
        finished = world.store.history.get(mail_id)
        if finished is None:
            return "vanished"
        return "" if finished["status"] in {"SENT", "CANCELLED"} else f"in history as {finished['status']}"
    status = row.get("status")
    if status in PROBLEMS:
        if not (row.get("problem") in PROBLEMS and isinstance(row.get("problem_at"), str)):
            return f"{status}, but in no index: {row.get('problem')!r}"
        # A reason that a hand took away or typed over on a row at rest is that hand's business.
        explained = isinstance(row.get("reason"), str) and row["reason"].strip()
        return "" if explained or row.get("reason") == hurt_row.get("reason") else f"{status} without a reason"
    due_at = clocks.parse(row.get("due_at"))
    if due_at and places.is_lane(row.get("lane")) and due_at > world.clock() + timedelta(days=300):
        return ""  # A time a person typed: far away, and listed with it.
    return f"left behind as {status!r}, lane {row.get('lane')!r}, due_at {row.get('due_at')!r}"


@pytest.mark.parametrize("seed", range(BATCHES))
def test_whatever_a_hand_does_to_a_row_it_ends_sent_or_visible(patterns, seed):
    """Rows with attributes dropped, mistyped, endless, nested, odd: nothing loops, nothing escapes, nothing is lost."""
    world, chance = World(), random.Random(seed)
    world.restart()
    wire = Stream(world, patterns)
    was = hurt(world, chance, ROWS // BATCHES)
    hurt_rows = {mail_id: dict(world.store.outbox[mail_id]) for mail_id in was}
    begun = len(world.store.changes)
    with structlog.testing.capture_logs() as logs:
        settle(world, wire)
    wrong = {mail_id: problem for mail_id in was if (problem := what_is_wrong(world, mail_id, hurt_rows[mail_id]))}
    writes = dict.fromkeys(was, 0)
    for change in world.store.changes[begun:]:
        writes[(change.after or change.before)["id"]] += 1
    bugs = [entry for entry in logs if entry["event"] in BUGS]
    ends = [world.store.outbox.get(mail_id, {}).get("status") for mail_id in was]
    count("fuzz", rows=len(was), sent=ends.count(None), visible=len(was) - ends.count(None))
    count("fuzz", doorbells=wire.passed, filtered=wire.stopped, writes=sum(writes.values()))
    at_most("fuzz", most_writes_of_a_row=max(writes.values()))
    told = [f"{was[mail_id]} {mail_id!r}: {problem}; {brief(hurt_rows[mail_id])}" for mail_id, problem in wrong.items()]
    assert not bugs, bugs[:5]
    assert not wrong, "\n".join(told[:10])
    assert max(writes.values()) <= MOST_WRITES, max(writes, key=lambda mail_id: writes[mail_id])


@pytest.mark.parametrize("state", ["SENDING", "WAITING", "CHECKING"])
@pytest.mark.parametrize(("name", "value"), [("lane", "normal-00"), ("due_at", "tomorrow")])
def test_text_that_is_no_lane_or_no_moment_is_heard(patterns, state, name, value):
    """A row written by hand with a lane or a time that nobody reads is visible all the same."""
    made, _ = starts()
    world = World()
    world.restart()
    world.store.put({**made[state], "id": "set-by-hand", name: value})
    row = dict(world.store.outbox["set-by-hand"])
    settle(world, Stream(world, patterns))
    assert not what_is_wrong(world, "set-by-hand", row)


def brief(row: dict[str, Any]) -> str:
    return ", ".join(f"{name}={str(value)[:40]!r}" for name, value in sorted(row.items()))
