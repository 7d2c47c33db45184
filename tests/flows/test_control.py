"""What the workers share: the rate, the switch, the leases; on memory and on DynamoDB."""

import itertools
import threading
import time
from datetime import timedelta

import boto3
import pytest

from outbox.adapters import aws
from outbox.adapters.control import DynamoRegister
from outbox.core import clock as clocks
from outbox.core.rate import Rate
from outbox.flows.lease import Lease
from outbox.flows.limiter import SharedLimiter
from outbox.flows.switch import SharedSwitch
from outbox.testing import MemoryRegister, TickingClock

tables = itertools.count()


def no_pause(_seconds):
    """Do not wait."""


@pytest.fixture(params=["memory", pytest.param("embedded", marks=pytest.mark.stack)])
def register(request):
    """Give a register of each kind."""
    if request.param == "memory":
        return MemoryRegister()
    stack = request.getfixturevalue("local_stack")
    keys = {"aws_access_key_id": "777777777777", "aws_secret_access_key": "y", "region_name": "us-east-1"}
    client = aws.dynamodb(boto3.Session(**keys), endpoint_url=stack.info.aws_endpoint_url)
    name = f"control-{next(tables)}"
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return DynamoRegister(client, name)


@pytest.fixture
def clock():
    return TickingClock()


def write(register, name, item):
    """Write an item as a person does by hand."""
    if isinstance(register, MemoryRegister):
        register.items[name] = item
    else:
        from outbox.adapters.wire import to_wire

        register._client.put_item(TableName=register._table, Item=to_wire({**item, "id": name}))


def test_a_swap_is_won_once(register):
    """Of two writers who saw the same, one wins, also when both want the same."""
    assert register.get("x") is None
    won, first = register.swap("x", None, {"a": 1})
    assert (won, first["a"]) == (True, 1)
    assert register.swap("x", None, {"a": 1}) == (False, first)
    won, second = register.swap("x", first, {"a": 1})
    assert won
    assert register.swap("x", first, {"a": 2}) == (False, second)
    assert register.get("x") == second


def test_many_bookers_at_once_never_get_one_slot_twice(register, clock):
    """Eight threads on one line of slots: every slot is somebody's alone, none is lost."""
    limiter = SharedLimiter(register, clock, Rate(6000, 0), time.sleep)
    taken, lock = [], threading.Lock()

    def work():
        for _ in range(20):
            while not (slots := limiter.book(1, urgent=False)):
                pass  # Too many at once: a booker may give up, and come again.
            with lock:
                taken.extend(slots)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(taken)) == len(taken) == 160
    assert max(taken) - min(taken) == timedelta(milliseconds=10) * 159


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"next_slot": 5},
        {"next_slot": "tomorrow"},
        {"next_slot": "9999-01-01T00:00:00+00:00"},
        {"next_slot": "2026-01-01"},
        {"next_slot": None},
    ],
)
def test_a_limiter_item_edited_by_hand_is_begun_anew(register, clock, item):
    """Whatever stands there, calls go on, and not in a flood."""
    write(register, "rate", item)
    limiter = SharedLimiter(register, clock, Rate(60, 0), no_pause)
    assert 1 <= len(limiter.book(100, urgent=False)) <= 3


def test_a_clock_that_jumps_back_neither_stops_nor_floods_the_line(register, clock):
    """After a jump of an hour or a day the rate still holds and calls still go."""
    limiter = SharedLimiter(register, clock, Rate(60, 0), no_pause)
    assert len(limiter.book(10, urgent=False)) == 3
    clock.forward(days=-1)
    assert 1 <= len(limiter.book(10, urgent=False)) <= 3
    assert limiter.book(10, urgent=False) == []


@pytest.mark.parametrize(
    ("asked", "stopped"), [(20, 20), (86_400 * 365, 3600), (-5, 60), (float("nan"), 60), (float("inf"), 60)]
)
def test_a_wait_holds_everybody_back_and_is_bounded(register, clock, asked, stopped):
    """What the API asks for counts for all workers; nonsense counts as a minute, a year as an hour."""
    limiter = SharedLimiter(register, clock, Rate(600, 0), no_pause)
    limiter.hold_back(asked)
    other = SharedLimiter(register, clock, Rate(600, 0), no_pause)
    clock.forward(seconds=stopped - 10.5)
    assert other.book(1, urgent=True) == []
    clock.forward(seconds=11)
    assert len(other.book(1, urgent=False)) == 1


def test_the_switch_is_obeyed_within_five_seconds(register, clock):
    """Another worker's switch believes what it read for two seconds at most."""
    here, there = (SharedSwitch(register, clock) for _ in range(2))
    assert there.stopped() is None
    here.pause("alice", "the wrong template went out")
    assert here.stopped() == "the wrong template went out"
    clock.forward(seconds=2)
    assert there.stopped() == "the wrong template went out"
    state = there.state()
    assert (state.by, state.at) == ("alice", clock() - timedelta(seconds=2))
    there.resume("bob")
    clock.forward(seconds=2)
    assert here.stopped() is None


@pytest.mark.parametrize("passes", [{"hours": 1}, {"seconds": -1}, {"days": -1}])
def test_the_switch_is_read_again_after_a_freeze_and_by_a_clock_that_was_set_back(register, clock, passes):
    """What it believes gets old by the wall clock, the only one that goes on while a function is frozen."""
    here, there = (SharedSwitch(register, clock) for _ in range(2))
    assert there.stopped() is None
    here.pause("alice", "the wrong template went out")
    clock.forward(**passes)
    assert there.stopped() == "the wrong template went out"


def test_the_switch_is_read_again_at_the_start_of_an_invocation(register, clock):
    """Whatever the clocks say."""
    here, there = (SharedSwitch(register, clock) for _ in range(2))
    assert there.stopped() is None
    here.pause("alice", "the wrong template went out")
    assert there.stopped() is None
    there.forget()
    assert there.stopped() == "the wrong template went out"


def test_a_second_stop_keeps_the_first_reason(register, clock):
    """Who stopped it first is who is asked."""
    switch = SharedSwitch(register, clock)
    switch.pause("alice", "wrong template")
    switch.trip("credentials refused.", "deliver", "abc")
    assert switch.state().reason == "wrong template"
    assert switch.mend("other") is False, "a person's stop is not ended by new credentials"


def test_a_persons_stop_outlives_new_credentials(register, clock):
    """Who pauses a line that has stopped itself wants it to stay so."""
    switch = SharedSwitch(register, clock)
    switch.trip("credentials refused.", "deliver", "old")
    switch.pause("alice", "wrong template")
    assert not switch.mend("new")
    assert switch.state().by == "alice"


def test_new_credentials_end_a_stop_that_the_old_ones_made(register, clock):
    """The same ones do not."""
    switch = SharedSwitch(register, clock)
    switch.trip("credentials refused.", "deliver", "old")
    assert not switch.mend("old")
    assert switch.mend("new")
    assert switch.stopped() is None


@pytest.mark.parametrize("item", [{}, {"stopped": "yes"}, {"stopped": None}, {"stopped": 1}])
def test_a_switch_broken_by_hand_counts_as_stopped(register, clock, item):
    """Better still than wrong; a person resumes it."""
    write(register, "switch", item)
    switch = SharedSwitch(register, clock)
    assert "by hand" in switch.stopped()
    switch.resume("alice")
    assert switch.stopped() is None


def test_one_holds_the_lease_until_it_is_freed_or_over(register, clock):
    """A second one gets nothing; a dead one's lease ends by itself."""
    mine, theirs = Lease(register, clock, "dispatch-0"), Lease(register, clock, "dispatch-0")
    assert mine.take()
    assert not theirs.take()
    assert mine.take(), "it can be renewed"
    mine.free()
    assert theirs.take()
    theirs.free()
    assert mine.take()
    clock.forward(seconds=31)
    assert theirs.take(), "its holder is dead"
    assert not mine.take()
    mine.free()
    assert not mine.take(), "freeing another's lease does nothing"


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"holder": "x"},
        {"holder": "x", "until": 5},
        {"holder": "x", "until": "never"},
        {"holder": "x", "until": "9999-01-01T00:00:00.000Z"},
    ],
)
def test_a_lease_item_edited_by_hand_does_not_lock_dispatch_out(register, clock, item):
    """A lease that no holder could have written is nobody's."""
    write(register, "dispatch-0", item)
    assert Lease(register, clock, "dispatch-0").take()


def test_a_clock_that_jumps_back_frees_the_lease(register, clock):
    """What seems to last longer than any lease is over."""
    assert Lease(register, clock, "dispatch-0").take()
    clock.forward(days=-1)
    assert Lease(register, clock, "dispatch-0").take()
    assert clocks.now() > clock()
