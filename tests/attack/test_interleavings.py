"""Two deliver workers, dispatch, reconciliation and a person on one row, in every order with so many switches.

A switch takes an actor off before one of its calls and lets another run; that the next one runs when one has ended is
none. In each schedule any one of them may die before any of its calls; the mail API answers each call in each way, and
the person does one of four things. OUTBOX_SWITCHES sets another number of switches than three.
"""

import os
from datetime import timedelta
from itertools import combinations
from math import comb
from typing import Any
from unittest import mock

import pytest

from outbox.core import transitions
from outbox.core.change import CheckedRow, Expect, Patch
from outbox.core.row import Row
from outbox.core.states import Cause, Status
from outbox.core.transitions import Stamp
from outbox.testing import MemoryStore, TickingClock
from tests.attack.figures import count
from tests.attack.one_row import STARTS, explore
from tests.attack.scheduler import Actor, Answer, Call, Explorer, make

SWITCHES = int(os.environ.get("OUTBOX_SWITCHES", "3"))
CLAIMS = {Cause.CLAIM, Cause.CLAIM_EDITED}


def told(explorer: Explorer) -> str:
    return "\n".join(f"{fault}: {' | '.join(path)}" for fault, path in explorer.faults.items())


@pytest.mark.timeout(0)
@pytest.mark.parametrize("start", STARTS)
def test_no_schedule_loses_or_doubles_a_mail(start):
    """Each ends with the mail in one place, explained, and sent once, or again only for whoever asked for that."""
    schedules, explorer = explore(start, SWITCHES, crashes=1)
    assert not explorer.faults, told(explorer)
    count("interleavings", schedules=schedules, calls=explorer.calls, ends=explorer.ends)


# --- Each rule is needed: without it, a schedule is found that breaks a promise --------------------------------------


class NoCondition(MemoryStore):
    """Claims whatever row is there."""

    def update(self, mail_id: str, expect: Expect, patch: Patch) -> Any:
        if patch.change is None or patch.change.cause not in CLAIMS or mail_id not in self.outbox:
            return super().update(mail_id, expect, patch)
        self._write(mail_id, patch.applied(self.outbox[mail_id]))
        return self.get(mail_id)


class NoHistory(MemoryStore):
    """Takes a row out of the outbox that it does not put into history."""

    def finish(self, mail_id: str, expect: Expect, finished: CheckedRow, *, sole: bool = False) -> None:
        self.drop(mail_id, expect)


def found(switches: int, crashes: int, store: MemoryStore | None = None) -> str:
    """Give the first fault of a new mail."""
    _, explorer = explore("PENDING", switches, crashes, store, stops=True)
    return next(iter(explorer.faults), "")


def test_a_claim_without_its_condition_is_found_out():
    """Two workers send one mail."""
    _, explorer = explore("PENDING", 0, 0, NoCondition())
    assert any(fault.startswith("sent 2 times, asked again 0 times") for fault in explorer.faults)


def test_a_move_that_is_half_done_is_found_out():
    """The mail is nowhere."""
    assert found(0, 0, NoHistory()) == "the mail is nowhere"


def test_a_dead_worker_whose_mail_goes_again_is_found_out():
    """It may have been sent, and nobody looks for it."""

    def due_again(row: Row, stamp: Stamp, _window: timedelta) -> Patch:
        return transitions.given_back(row, stamp.now, stamp)

    with mock.patch.object(transitions, "worker_died", due_again):
        assert found(0, 1).startswith("sent 2 times, asked again 0 times")


def test_an_outcome_written_over_the_claim_of_another_worker_is_found_out():
    """A worker settles whatever is being sent, also what another one has claimed meanwhile."""
    anybody = Expect({"status": str(Status.SENDING)})
    with mock.patch.object(transitions, "claimed", return_value=anybody):
        assert found(2, 0) == "sent twice, not told"


def test_a_doubt_that_drops_the_claim_is_found_out():
    """An answer that comes after all does not find its row, and the mail is in two places."""
    with mock.patch.object(transitions, "_for_late_answer", lambda patch: patch):
        assert found(1, 0).startswith("in two places")


# --- The scheduler leaves none out ------------------------------------------------------------------------------------


class Log:
    """A world that is the list of who made calls."""

    now = TickingClock()()

    def __init__(self, calls: tuple[str, ...] = ()) -> None:
        self.calls, self.number = calls, calls


def orders(calls: int, switches: int, crashes: int) -> tuple[int, set[tuple[str, ...]]]:
    """Run two actors of so many calls; give how many schedules there are, and all orders of calls in the end."""
    ends = set()

    def made(world: Log, actor: Actor, _call: Call) -> list[tuple[Log, Answer]]:
        after = Log((*world.calls, actor.name))
        return [(after, Answer(None, None, world.now, after.calls.count(actor.name)))]

    def act() -> None:
        for _ in range(calls):
            make(Call("store", "update"))

    explorer = Explorer(made, lambda world: ends.add(world.calls), TickingClock())
    return explorer.explore(Log(), [Actor("a", act), Actor("b", act)], switches, crashes), ends


@pytest.mark.parametrize("switches", range(6))
def test_every_order_with_so_many_switches_is_run(switches):
    """Against a list of all orders of three and three calls, of which those with too many switches are struck out."""
    all_orders = [tuple("a" if n in chosen else "b" for n in range(6)) for chosen in combinations(range(6), 3)]

    def taken_off(order: tuple[str, ...]) -> int:
        return sum(order[n] != order[n + 1] and order[n] in order[n + 1 :] for n in range(5))

    expected = {order for order in all_orders if taken_off(order) <= switches}
    assert orders(3, switches, 0) == (len(expected), expected)
    assert switches < 5 or len(expected) == comb(6, 3)


def test_either_may_die_before_each_of_its_calls():
    """Without a switch: two orders, and in each six calls before which its actor may die."""
    schedules, ends = orders(3, 0, 1)
    assert schedules == 2 * (1 + 3) + 2 * 3
    assert {end for end in ends if len(end) < 6} == {
        (*[first] * ran, *[then] * others)
        for first, then in (("a", "b"), ("b", "a"))
        for ran, others in [(0, 3), (1, 3), (2, 3), (3, 0), (3, 1), (3, 2)]
    }
