"""Threads of one interpreter stay on one processor: those of the function, and nobody else's."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from outbox.wiring.processor import one_processor

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processors are chosen on Linux alone")


def where_and_children(_=None):
    one_processor()
    with ThreadPoolExecutor(2) as pool:
        return os.sched_getaffinity(0), list(pool.map(lambda _: os.sched_getaffinity(0), range(4)))


def test_a_thread_and_those_it_starts_share_one_processor():
    """One that was allowed before; the thread that asked for the work keeps all of them."""
    before = os.sched_getaffinity(0)
    with ThreadPoolExecutor(1) as function:
        mine, theirs = function.submit(where_and_children).result()
    assert len(mine) == 1
    assert mine <= before
    assert theirs == [mine] * 4
    assert os.sched_getaffinity(0) == before


def test_asked_again_it_stays():
    """Each invocation asks."""
    with ThreadPoolExecutor(1) as function:
        first, second = (function.submit(where_and_children).result()[0] for _ in range(2))
    assert first == second


@pytest.mark.parametrize("call", ["sched_getaffinity", "sched_setaffinity"])
def test_a_machine_that_refuses_is_no_error(monkeypatch, call):
    """Mails go all the same."""

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, call, refuse)
    one_processor()


def test_processes_spread_over_the_processors(monkeypatch):
    """Two functions on one machine do not choose the same one because it is the first."""
    chosen = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {4, 2, 7})
    monkeypatch.setattr(os, "sched_setaffinity", lambda _, chosen_now: chosen.extend(chosen_now))
    for pid in (3, 4, 5):
        monkeypatch.setattr(os, "getpid", lambda pid=pid: pid)
        one_processor()
    assert chosen == [2, 4, 7]
