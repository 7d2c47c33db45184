"""One decision about many mails: looked at first, started once, in the person's name."""

from typing import Any

import pytest

from outbox.core import clock
from outbox.core.errors import Rejected
from outbox.core.message import Message
from outbox.core.row import Row
from outbox.core.states import Status
from outbox.flows.batch_report import DONE
from outbox.flows.support import Support
from tests.conftest import make_mail
from tests.console.conftest import Browser, Seen
from tests.waiting import wait_for


def batch_of(browser: Browser, seen: Seen) -> Any:
    """Wait for the batch whose page this is, and give its report."""
    batch = seen.url.partition("id=")[2]
    assert batch, seen.text[:500]
    wait_for(lambda: not browser.runner.has(batch), pause=0.01)
    return browser.desk.batches.show(batch)


def submit_all(browser: Browser, page: Seen, **changes: str) -> Seen:
    """Send the form with all its fields of one name, as a browser does."""
    form = next(form for form in page.soup.find_all("form") if form.get("action") == "/many")
    fields: dict[str, Any] = page.form("/many")
    ids = [str(each["value"]) for each in form.select("input[name=ids]")]
    return browser.send("/many", fields | {"ids": ids} | changes)


def ticked(browser: Browser, action: str, *ids: str) -> Seen:
    return browser.get("/many", action=action, ids=[*ids])


def fill(browser: Browser, number: int, **parts: Any) -> None:
    for n in range(number):
        browser.service.outbox.enqueue(make_mail(**parts), idempotency_key=f"m{n}")

    def refuse(_: object) -> None:
        message = Message("answer-said", said="to: invalid format.", status=400)
        raise Rejected(message)

    browser.service.api.answer = refuse
    browser.service.deliver()
    browser.service.api.answer = None


def test_all_that_match(browser: Browser) -> None:
    """From the list: the count and a sample first, then a batch that does it to these and to no others."""
    fill(browser, 8, to="taro@example.com")
    browser.write_failed("other", to="hanako@example.org")

    listed = browser.get("/", state="failed", to="taro")
    form = next(form for form in listed.soup.find_all("form") if form.select("input[name=all]"))
    assert {field["name"]: field["value"] for field in form.select("input")} == {
        "all": "1", "state": "failed", "to": "taro",
    }  # fmt: skip
    shown = browser.get("/many", action="resend", all="1", state="failed", to="taro")

    assert "8 mails" in shown.text
    assert len(shown.soup.select("tr[data-row]")) == 5
    assert browser.status("m0") == "FAILED"
    assert browser.service.register.items == {}

    started = browser.submit(shown, "/many")
    report = batch_of(browser, started)

    assert "Started." in started.notes[0]
    assert (report.state, report.done, report.who) == (DONE, 8, "alice")
    assert browser.row("m7").timeline[-1]["who"] == "alice"
    assert browser.status("m7") == "WAITING"
    assert browser.status("other") == "FAILED"


def test_a_double_click_starts_one_batch(browser: Browser) -> None:
    """The page that was looked at can be sent once; the second time is told so."""
    browser.write_failed("m1")
    shown = ticked(browser, "resend", "m1")
    form = shown.form("/many")

    first, second = browser.send("/many", form), browser.send("/many", form)

    assert len(browser.desk.batches.latest()) == 1
    assert first.url == second.url
    assert any("started already" in note for note in second.notes)
    batch_of(browser, first)
    assert [event["what"] for event in browser.row("m1").timeline].count("resent") == 1


def test_what_fails_after_the_look_is_not_meant(browser: Browser) -> None:
    """Who decided on one mail does not decide on the thousand that fail a moment later."""
    browser.write_failed("m1")
    browser.service.clock.forward(seconds=5)
    shown = browser.get("/many", action="cancel", all="1", state="failed")
    browser.service.clock.forward(seconds=5)
    browser.write_failed("m2")

    report = batch_of(browser, browser.submit(shown, "/many"))

    assert (browser.status("m1"), browser.status("m2"), report.done) == ("CANCELLED", "FAILED", 1)


def test_a_moment_somebody_made_up(browser: Browser) -> None:
    """The moment of the look cannot be moved into the future, nor be nonsense."""
    browser.write_failed("m1")
    shown = browser.get("/many", action="cancel", all="1", state="failed")
    for moment in ("9999-12-31T00:00:00.000Z", "x", ""):
        seen = browser.send("/many", shown.form("/many") | {"seen_at": moment})
        report = browser.desk.batches.show(seen.url.partition("id=")[2])
        until = clock.parse(report.where["until"])
        assert until is not None
        assert until <= browser.service.clock()


def test_ticked_rows_of_several_states(browser: Browser) -> None:
    """What may have been sent goes only when that is confirmed, what was put aside not at all."""
    browser.write_failed("f1")
    browser.write_unknown("u1")
    browser.write_held("h1")
    shown = ticked(browser, "resend", "f1", "u1", "h1", "nowhere")

    assert "Whoever got one of them gets it twice" in shown.text
    assert "1: is held: release it instead" in shown.text
    assert "1: no such mail" in shown.text

    started = submit_all(browser, shown)
    batch_of(browser, started)

    assert [browser.status(mail_id) for mail_id in ("f1", "u1", "h1")] == ["WAITING", "UNKNOWN", "HELD"]
    assert any("was left alone" in note for note in started.notes)

    batch_of(browser, submit_all(browser, ticked(browser, "resend", "u1", "h1"), **{"sure-UNKNOWN-doubt": "1"}))
    assert browser.status("u1") == "WAITING"


def test_unknown_mails_must_be_confirmed(browser: Browser) -> None:
    """Without the tick nothing is started, whether by a filter or one by one, and the page says what to do."""
    browser.write_unknown("u1")
    for shown in (ticked(browser, "resend", "u1"), browser.get("/many", action="resend", all="1", state="unknown")):
        box = shown.soup.select_one("input[type=checkbox]")
        assert box is not None
        assert box.has_attr("required")

        seen = browser.submit(shown, "/many")

        assert seen.status == 409
        assert any("Tick that you know" in note for note in seen.notes)
        assert browser.desk.batches.latest() == []
        assert seen.form("/many")["action"] == "resend"

    report = batch_of(browser, browser.submit(shown, "/many", **{"sure-UNKNOWN-doubt": "1"}))
    assert (report.done, browser.status("u1")) == (1, "WAITING")


def test_a_held_mail_in_doubt_must_be_confirmed(browser: Browser) -> None:
    """Putting a doubtful mail aside and releasing it does not lose the doubt."""
    browser.write_unknown("u1")
    browser.service.support.hold("u1", "bob")
    browser.write_held("h1")

    batch_of(browser, submit_all(browser, ticked(browser, "release", "u1", "h1")))

    assert [browser.status(mail_id) for mail_id in ("u1", "h1")] == ["HELD", "WAITING"]
    by_filter = browser.get("/many", action="release", all="1", state="held")
    assert "may have been sent" in by_filter.text
    assert "Nothing of this can be done" in by_filter.text
    named = browser.get("/many", action="release", all="1", state="held", error="held-in-doubt")
    assert browser.submit(named, "/many").status == 409


def test_hold_with_a_note(browser: Browser) -> None:
    """The reason one gives stands on each mail."""
    browser.write_failed("m1")

    batch_of(browser, browser.submit(ticked(browser, "hold", "m1"), "/many", note="the wrong\nprice"))

    assert browser.row("m1").reason == "Held by alice: the wrong price"


def test_cancel_and_release(browser: Browser) -> None:
    """Both are done to ticked rows as to those of a filter."""
    browser.write_held("h1")
    browser.write_failed("f1")

    batch_of(browser, browser.submit(ticked(browser, "release", "h1"), "/many"))
    batch_of(browser, browser.submit(ticked(browser, "cancel", "f1"), "/many"))

    assert (browser.status("h1"), browser.status("f1")) == ("WAITING", "CANCELLED")


def test_rows_that_wait_for_their_time(browser: Browser) -> None:
    """They are acted on at once: put aside, called back or sent now, each in the person's name."""
    for name in ("a", "b", "c"):
        browser.write_later(name)

    assert browser.submit(ticked(browser, "hold", "a"), "/many", note="wait").notes[0] == "held: 1"
    assert browser.submit(ticked(browser, "cancel", "b"), "/many").notes[0] == "cancelled: 1"
    assert browser.submit(ticked(browser, "resend", "c"), "/many").notes[0] == "sent now: 1"

    assert [browser.status(name) for name in ("a", "b", "c")] == ["HELD", "CANCELLED", "PENDING"]
    assert browser.row("a").timeline[-1]["who"] == "alice"
    assert browser.desk.batches.latest() == []


def test_a_double_click_on_rows_that_wait(browser: Browser) -> None:
    """What was decided about a row as it was seen is done to it once."""
    browser.write_later("a")
    form = ticked(browser, "resend", "a").form("/many")

    browser.send("/many", form)
    seen = browser.send("/many", form)

    assert "Nothing has been done yet." in seen.text
    assert [event["what"] for event in browser.row("a").timeline].count("resent") == 1


def test_a_row_that_came_into_doubt_meanwhile(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read as waiting and is in doubt a moment later is left alone: that was not asked about."""
    browser.write_later("a")
    shown = ticked(browser, "resend", "a")
    resend = Support.resend

    def first_the_doubt(support: Support, mail_id: str, who: str, **more: Any) -> Row:
        browser.service.store.edit("a", status="UNKNOWN")
        return resend(support, mail_id, who, **more)

    monkeypatch.setattr(Support, "resend", first_the_doubt)
    seen = browser.submit(shown, "/many")

    assert "Left alone: 1" in seen.text
    assert browser.status("a") == "UNKNOWN"


def test_a_row_that_left_meanwhile(browser: Browser) -> None:
    """It is told in the place of what was to be done to it."""
    browser.write_later("a")
    shown = ticked(browser, "cancel", "a")
    browser.service.support.cancel("a", "bob")

    seen = browser.submit(shown, "/many")

    assert seen.status == 200
    assert "has left the outbox" in seen.text
    assert browser.row("a").timeline[-1]["who"] == "bob"


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"action": "resend"},
        {"action": "delete", "ids": ["m1"]},
        {"action": "edit", "ids": ["m1"]},
        {"action": "resend", "all": "1"},
        {"action": "resend", "all": "1", "state": "underway"},
        {"action": "resend", "all": "1", "state": "failed", "since": "nonsense"},
        {"action": "resend", "all": "1", "state": "nonsense"},
        {"action": "resend", "all": "1", "state": "held"},
        {"action": "release", "all": "1", "state": "failed"},
        {"action": "cancel", "ids": [f"m{n}" for n in range(201)]},
    ],
)
def test_what_cannot_be_meant(browser: Browser, query: dict[str, Any]) -> None:
    """A filter nobody can read never becomes a wider one; nothing is started."""
    browser.write_failed("m1")

    assert browser.get("/many", **query).status == 400
    assert browser.post("/many", **query).status == 400
    assert browser.desk.batches.latest() == []
    assert browser.status("m1") == "FAILED"


def test_an_id_of_a_batch_somebody_made_up(browser: Browser) -> None:
    """No name of another shared item can be taken for that of a batch."""
    browser.write_failed("m1")
    form = ticked(browser, "resend", "m1").form("/many")

    for batch in ("x", "../switch", "01HZX3V0000000000000000000-ids-0", "01hzx3v0000000000000000000"):
        assert browser.send("/many", form | {"batch-FAILED": batch}).status == 400
    assert browser.service.register.items == {}


def test_a_huge_outbox_is_not_counted_out(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page answers after a bounded look, and says that there are more."""
    monkeypatch.setattr("outbox.console.pages.many.LOOK", 20)
    fill(browser, 30, to="taro@example.com")
    browser.service.clock.forward(seconds=5)
    browser.write_failed("latest", to="hanako@example.org")

    assert "at least 19 mails" in browser.get("/many", action="resend", all="1", state="failed", to="taro").text
    none = browser.get("/many", action="resend", all="1", state="failed", to="nobody")
    assert "None among the first 20" in none.text

    report = batch_of(browser, browser.submit(none, "/many"))
    assert (report.state, report.done, report.expected, report.more) == (DONE, 0, 0, True)


def test_suppressed_recipients_are_counted(browser: Browser) -> None:
    """Mails that will fail again are told before they are sent again."""
    browser.write_failed("m1", to="gone@example.com")
    browser.desk.suppression.add("gone@example.com", "bob", "moved")

    shown = ticked(browser, "resend", "m1")

    assert "1 of them go to suppressed addresses" in shown.text
    assert "suppressed addresses" not in ticked(browser, "cancel", "m1").text


def test_a_viewer_looks_and_does_not_start(viewer: Browser) -> None:
    """The count and the sample are there, the button is not, and a form made up is refused."""
    viewer.write_failed("m1")
    shown = ticked(viewer, "resend", "m1")

    assert "1 mail" in shown.text
    assert "Left alone" not in shown.text
    assert not shown.soup.select("main form button.primary")
    assert viewer.send("/many", shown.form("/many")).status == 403
    assert (viewer.status("m1"), viewer.desk.batches.latest()) == ("FAILED", [])


def test_odd_ids(browser: Browser) -> None:
    """An id may hold anything."""
    ids = ["a/b?c=d&e", "日本語 の id", "<b>\"'", "+%20%", "é" * 128]
    for mail_id in ids:
        browser.write_failed(mail_id)

    listed = browser.get("/")
    boxes = [str(box["value"]) for box in listed.soup.select("input[name=ids]")]
    assert sorted(boxes) == sorted(ids)
    report = batch_of(browser, submit_all(browser, ticked(browser, "cancel", *ids)))

    assert report.done == 5
    assert {browser.status(mail_id) for mail_id in ids} == {"CANCELLED"}


def test_looking_writes_nothing(browser: Browser) -> None:
    """A look at what would be done does nothing."""
    browser.write_failed("m1")
    before = repr(browser.service.store.outbox)

    for action in ("resend", "hold", "cancel"):
        ticked(browser, action, "m1")
        browser.get("/many", action=action, all="1", state="failed")

    assert repr(browser.service.store.outbox) == before
    assert browser.service.register.items == {}


def test_hostile_mails(browser: Browser) -> None:
    """What a mail says is never a part of the page."""
    browser.write_failed("m1", subject="<script>alert(1)</script>\u202e")
    browser.service.store.outbox["m1"]["to"] = ["<img src=x>", 3]

    shown = ticked(browser, "resend", "m1")

    assert not shown.soup.select("tr script, tr img")
    assert "\u202e" not in shown.text


def test_in_japanese(browser: Browser) -> None:
    """The warning reads as Japanese, and so does what is left alone."""
    browser.client.headers["accept-language"] = "ja"
    browser.write_unknown("u1")
    browser.write_held("h1")

    text = ticked(browser, "resend", "u1", "h1").text

    assert "届いていた人には二重に届きます" in text
    assert "保留中です(保留解除を使ってください)" in text
    assert Status.UNKNOWN in text
