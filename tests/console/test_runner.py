"""Batches in the background of the console: a few at once, each once, all of them ended with the console."""

import threading
import time
from collections.abc import Callable
from typing import Any

from starlette.testclient import TestClient

from outbox.console.access import Everybody, Person, Role
from outbox.console.app import create_app
from outbox.console.runner import ThreadRunner
from outbox.core.states import Status
from outbox.flows.batch import Action
from outbox.flows.batch_report import DONE, STOPPED, BatchBusy
from outbox.flows.where import Where
from tests.console.conftest import ADDRESS, Browser
from tests.waiting import wait_for

RESEND = Action("resend")


class Held:
    """Batches that last until they are let go, and obey a wish to stop."""

    def __init__(self, error: Exception | None = None) -> None:
        self.begun: list[str] = []
        self.stopped: list[str] = []
        self.go, self.error = threading.Event(), error

    def run(self, batch: str, *, stopping: Callable[[], bool], who: str = "") -> None:
        self.begun.append(batch)
        while not self.go.is_set():
            if stopping():
                self.stopped.append(batch)
                return
            time.sleep(0.005)
        if self.error is not None:
            raise self.error


def runner_of(batches: Any, at_once: int = 2) -> ThreadRunner:
    return ThreadRunner(lambda: batches, at_once)


def test_a_batch_is_run(browser: Browser) -> None:
    """It runs to its end by itself, in the name of who started it."""
    for number in range(3):
        browser.write_failed(f"m{number}")
    batches = browser.desk.batches
    batch = batches.start(Where(Status.FAILED), RESEND, "alice")

    browser.runner.run(batch)
    wait_for(lambda: not browser.runner.has(batch))

    assert (batches.show(batch).state, batches.show(batch).done) == (DONE, 3)
    assert browser.row("m0").timeline[-1]["who"] == "alice"
    assert browser.runner.trouble(batch) == ""


def test_a_few_at_once() -> None:
    """What comes on top waits for its turn and is in hand meanwhile; nothing is begun twice."""
    held = Held()
    runner = runner_of(held)

    for batch in ("a", "b", "c", "a", "c"):
        runner.run(batch)
    wait_for(lambda: len(held.begun) == 2)
    assert [runner.has(batch) for batch in "abc"] == [True, True, True]

    held.go.set()
    wait_for(lambda: not any(runner.has(batch) for batch in "abc"))
    assert sorted(held.begun) == ["a", "b", "c"]
    runner.close()


def test_the_end_of_the_console() -> None:
    """What runs is stopped as a person would stop it, what waits is not begun, and nothing more is taken."""
    held = Held()
    runner = runner_of(held)
    for batch in ("a", "b", "c"):
        runner.run(batch)
    wait_for(lambda: len(held.begun) == 2)

    runner.close()
    runner.run("d")

    assert (sorted(held.begun), sorted(held.stopped)) == (["a", "b"], ["a", "b"])
    assert not any(runner.has(batch) for batch in "abcd")
    runner.close()


def test_what_ended_it_is_remembered() -> None:
    """An error of the run is told until it is run again; a bug of ours as well."""
    for error, told in (
        (BatchBusy("Batch a is being run."), "Batch a is being run."),
        (KeyError("x"), "KeyError: 'x'"),
    ):
        held = Held(error)
        held.go.set()
        runner = runner_of(held)

        runner.run("a")
        wait_for(lambda runner=runner: not runner.has("a"))  # type: ignore[misc]
        assert runner.trouble("a") == told

        held.error = None
        runner.run("a")
        wait_for(lambda runner=runner: not runner.has("a"))  # type: ignore[misc]
        assert runner.trouble("a") == ""
        runner.close()


def test_the_application_closes_its_runner(browser: Browser) -> None:
    """A batch that runs when the console is stopped is left stopped, so that it can be continued at once."""
    for number in range(300):
        browser.write_failed(f"m{number}")
    slow = SlowStore(browser.service.store)
    browser.desk._store = slow  # type: ignore[assignment]
    app = create_app(browser.desk, Everybody(lambda: Person("alice", Role.ACT)))
    batch = browser.desk.batches.start(Where(Status.FAILED), RESEND, "alice")

    with TestClient(app, base_url=ADDRESS) as client:
        client.cookies.set("outbox-zone", "UTC")
        page = client.get("/batch", params={"id": batch})
        token = page.text.partition('name="csrf" value="')[2].partition('"')[0]
        client.post("/batch/continue", data={"csrf": token, "id": batch}, headers={"origin": ADDRESS})
        wait_for(lambda: slow.writes > 20)

    report = browser.desk.batches.show(batch)
    assert (report.state, report.alive) == (STOPPED, False)
    assert 0 < report.done < 300
    assert browser.desk.batches.run(batch).done == 300


class SlowStore:
    """A store that takes its time for each write."""

    def __init__(self, store: Any) -> None:
        self._store, self.writes = store, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def update(self, *args: Any) -> Any:
        self.writes += 1
        time.sleep(0.02)
        return self._store.update(*args)
