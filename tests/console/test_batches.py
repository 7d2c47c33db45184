"""The pages of batches: what was decided, how far it has come, stop and continue."""

from datetime import timedelta

from outbox.adapters.batch_read import TablesBusy
from outbox.core import clock
from outbox.core.states import Status
from outbox.flows.batch import Action
from outbox.flows.where import Where
from tests.console.conftest import Browser
from tests.waiting import wait_for

FAILED = Where(Status.FAILED)


def started(browser: Browser, where: Where = FAILED, action: Action | None = None) -> str:
    return browser.desk.batches.start(where, action or Action("resend"), "bob")


def test_a_batch_that_is_done(browser: Browser) -> None:
    """Who, what, how many and why some were left alone stand there, and nothing refreshes itself any more."""
    browser.write_failed("m1")
    browser.write_failed("m2")
    batch = started(browser, Where(Status.FAILED, ids=("m1", "m2")))
    browser.service.support.hold("m2", "carol")
    browser.desk.batches.run(batch)

    seen = browser.get("/batch", id=batch)

    assert "bob" in seen.text
    assert "1: is not, or no longer, what was asked for" in seen.text
    progress = seen.soup.select_one("#progress progress")
    assert progress is not None
    assert (progress["value"], progress["max"]) == ("2", "2")
    section = seen.soup.select_one("#progress")
    assert section is not None
    assert not section.has_attr("hx-get")
    assert not seen.has_form("/batch/stop")
    assert not seen.has_form("/batch/continue")
    assert browser.get("/batches").soup.select_one("tr[data-row] a")["href"] == f"/batch?id={batch}"  # type: ignore[index]


def test_an_interrupted_batch_can_be_continued(browser: Browser) -> None:
    """A batch nobody runs any more says so, and one button carries it on to its end."""
    browser.write_failed("m1")
    batch = started(browser)

    seen = browser.get("/batch", id=batch)
    assert "interrupted" in seen.text
    assert "interrupted" in browser.get("/batches").text

    told = browser.submit(seen, "/batch/continue")
    wait_for(lambda: not browser.runner.has(batch))

    assert "It goes on" in told.notes[0]
    assert "It has come to its end." in browser.get("/batch", id=batch).text
    assert browser.status("m1") == "WAITING"


def test_a_batch_that_somebody_runs(browser: Browser) -> None:
    """While another process holds it, it is running, refreshes itself and cannot be continued, only stopped."""
    browser.write_failed("m1")
    batch = started(browser)
    lease = clock.text(browser.service.clock() + timedelta(seconds=29))
    browser.service.register.items[f"batch-{batch}"] |= {"holder": "elsewhere", "lease": lease}

    part = browser.get("/batch/progress", id=batch)
    section = part.soup.select_one("#progress")
    assert section is not None
    assert (section["hx-trigger"], section["hx-get"]) == ("tick from:body", f"/batch/progress?id={batch}")
    assert not part.has_form("/batch/continue")
    assert not part.soup.select("html")
    told = browser.post("/batch/continue", id=batch)
    assert "Somebody still runs it" in told.notes[0]

    told = browser.submit(browser.get("/batch", id=batch), "/batch/stop")

    assert "Stopped." in told.notes[0]
    assert browser.desk.batches.show(batch).state == "stopped"
    browser.service.clock.forward(seconds=60)
    assert browser.get("/batch", id=batch).has_form("/batch/continue")


def test_what_is_over(browser: Browser) -> None:
    """A batch that is done can neither be stopped nor continued, which is told."""
    batch = started(browser)
    browser.desk.batches.run(batch)

    assert "done already" in browser.post("/batch/stop", id=batch).notes[0]
    assert "nothing is left to continue" in browser.post("/batch/continue", id=batch).notes[0]
    assert browser.desk.batches.show(batch).state == "done"


def test_no_such_batch(browser: Browser) -> None:
    """An id of none is told as such, whatever it holds."""
    for batch in ("", "x", "<script>", "日本語", "../switch"):
        assert browser.get("/batch", id=batch).status == 404
        assert browser.get("/batch/progress", id=batch).status == 404
        assert browser.post("/batch/stop", id=batch).status == 404
        assert browser.post("/batch/continue", id=batch).status == 404


def test_what_was_decided_is_told(browser: Browser) -> None:
    """Filter, corrections and note stand on the page; rows that were named one by one are told as such."""
    browser.write_failed("m1", to="taro@exampel.com")
    edit = started(
        browser,
        Where(Status.FAILED, subject="<b>", tag="a"),
        Action("edit", set=("to-domain=exampel.com:example.com",)),
    )
    hold = started(browser, Where(Status.FAILED, ids=("m1",)), Action("hold", note="<i>wait\u202e"))

    seen = browser.get("/batch", id=edit)
    assert "Subject: <b>" in seen.text
    assert "to-domain=exampel.com:example.com" in seen.text
    seen = browser.get("/batch", id=hold)
    assert "Those that were ticked" in seen.text
    assert "<i>wait" in seen.text
    assert "\u202e" not in seen.text
    assert not seen.soup.select("main b, main i")


def test_no_batches(browser: Browser) -> None:
    """An empty list says how to begin."""
    assert "Tick some in the outbox" in browser.get("/batches").text


def test_a_viewer_watches(viewer: Browser) -> None:
    """Who may only look sees how far it is, without a button."""
    viewer.write_failed("m1")
    batch = started(viewer)

    seen = viewer.get("/batch", id=batch)

    assert "interrupted" in seen.text
    assert not seen.has_form("/batch/continue")
    assert viewer.post("/batch/continue", via="/settings", id=batch).status == 403
    assert viewer.post("/batch/stop", via="/settings", id=batch).status == 403


def test_what_ended_a_run_is_told(browser: Browser) -> None:
    """Why it ended before its time stands on the page."""
    batch = started(browser)
    browser.runner._troubles[batch] = "ClientError: <denied>"

    assert "ClientError: <denied>" in browser.get("/batch", id=batch).text


def test_a_broken_item(browser: Browser) -> None:
    """A batch a hand has broken is shown as far as it can be."""
    batch = started(browser)
    browser.service.register.items[f"batch-{batch}"] |= {
        "state": "<b>", "at": 7, "who": ["x"], "expected": "many", "skipped": {}, "where": {}, "action": {},
    }  # fmt: skip

    assert browser.get("/batch", id=batch).status == 200
    assert browser.get("/batches").status == 200


def test_looking_writes_nothing(browser: Browser) -> None:
    """Neither the list nor a batch nor its progress changes anything."""
    batch = started(browser)
    before = repr(browser.service.register.items)

    browser.get("/batches")
    browser.get("/batch", id=batch)
    browser.get("/batch/progress", id=batch)

    assert repr(browser.service.register.items) == before


def test_who_stopped_and_continued_stands_there(browser: Browser) -> None:
    """Both are named with the time, and the rows name who had them changed after the other one had stopped it."""
    browser.write_failed("m1")
    batch = started(browser)
    browser.name = "car<b>ol"
    told = browser.post("/batch/stop", id=batch)
    assert "Stopped by car<b>ol, 2026-" in told.text
    browser.name = "dave"
    browser.submit(told, "/batch/continue")
    wait_for(lambda: not browser.runner.has(batch))

    seen = browser.get("/batch", id=batch)

    assert "Stopped by car<b>ol, 2026-" in seen.text
    assert "Continued by dave, 2026-" in seen.text
    assert "Started by bob" in seen.text
    assert {browser.row("m1").timeline[-1][name] for name in ("who", "batch")} == {"dave", batch}


def test_a_batch_that_cannot_be_read_is_told_at_once(browser: Browser) -> None:
    """Its page is asked for every few seconds, so it is not tried again for ten."""
    batch, asked = started(browser), []

    def away(name: str) -> None:
        asked.append(name)
        raise TablesBusy

    browser.service.register.get = away  # type: ignore[method-assign, assignment]
    assert browser.get("/batch/progress", id=batch).status == 502
    assert browser.get("/batch", id=batch).status == 502
    assert len(asked) == 2


def test_at_least_so_many_in_both_languages(browser: Browser) -> None:
    """What was not counted to its end says so, with the counter where it belongs."""
    batch = started(browser)
    browser.service.register.items[f"batch-{batch}"] |= {"expected": 3, "more": True}
    assert "0 of at least 3" in browser.get("/batch", id=batch).text
    browser.client.cookies.set("outbox-language", "ja")
    assert "3件以上のうち 0件" in browser.get("/batch", id=batch).text
    assert "3件以上" in browser.get("/batches").text
