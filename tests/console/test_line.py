"""The switch that stops all sending: thrown from the first page, with its reason in plain sight."""

from outbox.core.message import Message
from outbox.flows.switch import NAME
from tests.console.conftest import Browser


def test_pause_and_resume(browser: Browser) -> None:
    """A reason is typed once, stands on the page and on every mail that waits, and one button lets them go."""
    told = browser.submit(browser.get("/"), "/line/pause", reason="the wrong  price")

    assert "Nothing is being sent any more" in told.notes[0]
    assert "by alice" in told.text
    assert "the wrong price." in told.text
    browser.write("m1")
    browser.service.clock.forward(seconds=5)
    browser.service.deliver()
    assert "the wrong price. It goes when sending is resumed." in browser.row("m1").reason

    told = browser.submit(browser.get("/"), "/line/resume")

    assert "Mails go again" in told.notes[0]
    assert browser.service.switch.state().stopped is False
    assert "Resumed by alice" in told.text


def test_without_a_reason_the_name_is_one(browser: Browser) -> None:
    """Who did it stands there."""
    browser.post("/line/pause")

    assert browser.service.switch.state().reason == "paused by alice."


def test_a_pause_can_be_taken_back(browser: Browser) -> None:
    """The note offers the way back, and so does the note of the way back."""
    told = browser.submit(browser.get("/"), "/line/pause", reason="a slip")

    note = told.soup.select_one(".note form[action='/line/resume']")
    assert note is not None
    told = browser.post("/line/resume")
    assert told.form("/line/pause", reason="a slip.")

    browser.submit(told, "/line/pause", reason="a slip.")
    assert browser.service.switch.state().reason == "a slip."


def test_a_second_pause(browser: Browser) -> None:
    """Whoever stopped it first stays the one to ask; the second is told by whom and why."""
    browser.service.switch.pause("bob", "lunch.")

    told = browser.post("/line/pause", reason="me too")

    assert told.notes[0] == "It was stopped already, by bob: lunch. That stop and its reason stay."
    assert browser.service.switch.state().by == "bob"


def test_a_stop_by_the_mail_api(browser: Browser) -> None:
    """It is explained, a person may stop it for good, and resuming says that it may stop again."""
    browser.service.switch.trip(Message("credentials-refused"), "deliver", "abc")

    seen = browser.get("/")
    assert "The mail API refused the account" in seen.text
    told = browser.submit(seen, "/line/pause", reason="until the key is there")
    assert "Nothing is being sent any more" in told.notes[0]
    assert (browser.service.switch.state().by, browser.service.switch.state().account) == ("alice", "")

    browser.post("/line/resume")
    browser.service.switch.trip(Message("credentials-refused"), "deliver", "abc")
    told = browser.post("/line/resume")

    assert "sending stops by itself again" in " ".join(told.notes)


def test_resume_of_a_line_that_goes(browser: Browser) -> None:
    """Nothing is changed, which is said."""
    told = browser.post("/line/resume")

    assert told.notes[0] == "Sending was not stopped; nothing was changed."
    assert browser.service.register.get(NAME) is None


def test_a_switch_somebody_broke(browser: Browser) -> None:
    """A switch that says neither on nor off is told as stopped, and resuming mends it."""
    browser.service.register.items[NAME] = {"stopped": "perhaps", "by": ["a"], "at": 7}

    assert "the switch was edited by hand" in browser.get("/").text
    browser.post("/line/resume")
    assert browser.service.switch.state().stopped is False


def test_hostile_reasons(browser: Browser) -> None:
    """What somebody gave as a reason is no part of the page, nor too long for it."""
    browser.service.switch.pause("<b>\u202e", "<script>alert(1)</script>\u202e" + "長" * 490)

    seen = browser.get("/")
    told = browser.post("/line/pause", reason="x" * 1900)

    assert not seen.soup.select("#line script, #line b")
    assert "\u202e" not in seen.text + told.text
    assert told.status == 200


def test_a_stop_can_be_seen_by_who_may_not_end_it(viewer: Browser) -> None:
    """The reason stands in plain sight, without a button."""
    viewer.service.switch.pause("bob", "lunch.")

    seen = viewer.get("/")

    assert "lunch." in seen.text
    assert not seen.has_form("/line/resume")
    assert not seen.has_form("/line/pause")


def test_in_japanese(browser: Browser) -> None:
    """The stop, and what the mail API said, read as Japanese."""
    browser.client.headers["accept-language"] = "ja"
    browser.service.switch.trip(Message("credentials-refused"), "deliver", "abc")

    text = browser.get("/").text

    assert "送信は停止中です。" in text
    assert "メールAPIが認証情報を拒否しています(401)。" in text
