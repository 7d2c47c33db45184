"""One decision about one mail: done once, in the person's name, told, and never a dead end."""

import threading
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from outbox.core.errors import OutcomeUnknown, Rejected
from outbox.core.message import Message
from outbox.core.row import Row
from outbox.core.states import Status
from outbox.flows.support import Support
from tests.console.conftest import ADDRESS, Browser, Seen

ODD_ID = " 注文 1/2?a=b&c#d\"'<b> "
ACTS = ("resend", "hold", "release", "cancel", "confirm", "reopen")


def press(browser: Browser, act: str, mail_id: str = "m", **fields: str) -> Seen:
    """Press a button of the mail's page."""
    page = browser.get("/mail", id=mail_id)
    return browser.submit(page, f"/mail/{act}", **fields)


def last(browser: Browser, mail_id: str = "m") -> dict[str, Any]:
    return browser.row(mail_id).timeline[-1]


def cancelled(browser: Browser, mail_id: str) -> None:
    browser.write_failed(mail_id)
    browser.service.support.cancel(mail_id, "bob")


def refuse(_: Any) -> Any:
    message = Message("answer-said", said="to: invalid format.", status=400)
    raise Rejected(message)


def lose(_: Any) -> Any:
    message = Message("no-answer", seconds=30, kind="ReadTimeout")
    raise OutcomeUnknown(message)


def send_meanwhile(browser: Browser) -> None:
    browser.service.support.resend("m", "bob")
    browser.service.deliver()


# What is written, what is pressed, where that leads, and what it is called in the timeline.
CASES = [
    ("write_failed", "resend", {}, "PENDING", "resent"),
    ("write_later", "resend", {}, "PENDING", "resent"),
    ("write_unknown", "resend", {"sure": "yes"}, "PENDING", "resent"),
    ("write_failed", "hold", {"note": "ask Jiro"}, "HELD", "held"),
    ("write", "hold", {}, "HELD", "held"),
    ("write_held", "release", {}, "PENDING", "released"),
    ("write_failed", "cancel", {}, "CANCELLED", "cancelled"),
    ("write_unknown", "confirm", {"delivery_id": "77"}, "SENT", "confirmed"),
    ("write_unknown", "confirm", {}, "SENT", "confirmed"),
    ("cancelled", "reopen", {}, "HELD", "reopened"),
]


def prepare(browser: Browser, how: str, mail_id: str) -> None:
    if how == "cancelled":
        cancelled(browser, mail_id)
    else:
        getattr(browser, how)(mail_id)


@pytest.mark.parametrize(("how", "act", "fields", "status", "what"), CASES)
def test_every_act_names_the_person(
    browser: Browser, how: str, act: str, fields: dict[str, str], status: str, what: str
) -> None:
    """It is done, stands in the timeline with the person's name, is told, and one is back on the mail."""
    prepare(browser, how, ODD_ID)

    done = press(browser, act, ODD_ID, **fields)

    assert done.status == 200
    assert parse_qs(urlsplit(done.url).query)["id"] == [ODD_ID]
    assert browser.status(ODD_ID) == status
    assert (last(browser, ODD_ID)["who"], last(browser, ODD_ID)["what"]) == ("alice", what)
    assert done.soup.select_one(".note.done")
    assert "alice" in done.soup.select_one("#timeline").text  # type: ignore[union-attr]


@pytest.mark.parametrize("act", ACTS)
def test_who_may_only_look_can_do_nothing(browser: Browser, viewer: Browser, act: str) -> None:
    """No act is possible for those who may look, however the form was made."""
    for how in ("write_failed", "write_unknown", "write_held", "cancelled"):
        prepare(browser, how, how)
        before = dict(browser.row(how).item)
        done = viewer.post(f"/mail/{act}", id=how, sure="yes", anyway="yes")
        assert done.status == 403
        assert browser.row(how).item == before


@pytest.mark.parametrize("act", ACTS)
def test_a_form_of_another_page_does_nothing(browser: Browser, act: str) -> None:
    """Without the token, nothing is done."""
    browser.write_failed("m")

    assert browser.send(f"/mail/{act}", {"id": "m"}).status == 403
    assert browser.status("m") == "FAILED"


@pytest.mark.parametrize("act", ACTS)
def test_a_mail_that_is_not_there(browser: Browser, act: str) -> None:
    """An id of no mail is told."""
    assert browser.post(f"/mail/{act}", id="nowhere").status == 404


@pytest.mark.parametrize("act", ACTS)
def test_looking_at_the_address_does_nothing(browser: Browser, act: str) -> None:
    """What is done is never done by following a link."""
    browser.write_failed("m")

    assert browser.get(f"/mail/{act}", id="m").status == 405


def test_sending_again_sends(browser: Browser) -> None:
    """One press, and the next doorbell brings it."""
    browser.write_failed("m")
    press(browser, "resend")
    browser.service.deliver()

    assert browser.status("m") == "SENT"
    assert len(browser.service.api.sent) == 1


def test_a_mail_in_doubt_asks_first(browser: Browser) -> None:
    """What may have been sent is sent again only by a person who was told so; a key on a list is not enough."""
    browser.write_unknown("m")

    asked = browser.post("/mail/resend", id="m")

    assert browser.status("m") == "UNKNOWN"
    assert "This mail may have been sent already. Nothing was done yet: decide here." in asked.notes
    question = asked.soup.select_one("details.ask[open]")
    assert question is not None
    assert "sends it twice" in question.text
    browser.submit(asked, "/mail/resend")
    assert browser.status("m") == "PENDING"


def test_a_held_mail_in_doubt_asks_before_it_is_released(browser: Browser) -> None:
    """A doubt stays with a mail that was put aside."""
    browser.write_unknown("m")
    browser.service.support.hold("m", "bob")

    assert "decide here" in browser.post("/mail/release", id="m").text
    assert browser.status("m") == "HELD"
    press(browser, "release")
    assert browser.status("m") == "PENDING"


def test_cancelling_asks_and_can_be_undone(browser: Browser) -> None:
    """The button is inside of a question; what was done offers the way back, which leads to HELD."""
    browser.write_failed("m")
    page = browser.get("/mail", id="m")
    assert page.soup.select('details.ask form[action="/mail/cancel"]')
    assert not [form for form in page.soup.select('form[action="/mail/cancel"]') if not form.find_parent("details")]

    done = browser.submit(page, "/mail/cancel")
    assert browser.status("m") == "CANCELLED"
    undo = done.soup.select_one(".note form")
    assert undo is not None
    assert undo["action"] == "/mail/reopen"
    back = browser.submit(done, "/mail/reopen")

    assert browser.status("m") == "HELD"
    assert last(browser)["what"] == "reopened"
    assert "back in the outbox" in back.notes[0]


def test_holding_offers_to_release(browser: Browser) -> None:
    """The note stands on the mail, and the way back is beside what was done."""
    browser.write_failed("m")

    done = press(browser, "hold", note="ask <b>Jiro</b>")

    assert browser.row("m").reason == "Held by alice: ask <b>Jiro</b>"
    assert not done.soup.select("main b")
    browser.submit(done, "/mail/release")
    assert browser.status("m") == "PENDING"


def test_releasing_a_scheduled_mail_keeps_its_time(browser: Browser) -> None:
    """It is told when it goes."""
    browser.write_later("m", hours=3)
    browser.service.support.hold("m", "bob")

    done = press(browser, "release")

    assert browser.status("m") == "WAITING"
    assert "goes at 2026-01-01 03:00:00 +00:00" in done.notes[0]


def test_sending_to_a_suppressed_recipient_anyway(browser: Browser) -> None:
    """It is one question and one time, and stands in the timeline by its own words."""
    browser.write_failed("m")
    browser.service.store.edit("m", error="suppressed")
    page = browser.get("/mail", id="m")

    browser.send("/mail/resend", page.form("/mail/resend", anyway="yes"))

    assert browser.status("m") == "PENDING"
    assert (last(browser)["who"], last(browser)["what"]) == ("alice", "resent-though-suppressed")
    assert browser.row("m").item["send_anyway"] == "taro@example.com"


def test_anyway_is_for_suppressed_mails_alone(browser: Browser) -> None:
    """A form made by hand does not get around the question of a mail in doubt."""
    browser.write_unknown("m")

    done = browser.post("/mail/resend", id="m", anyway="yes")

    assert browser.status("m") == "UNKNOWN"
    assert done.soup.select(".note.warning")


@pytest.mark.parametrize("delivery_id", ["x" * 51, "あ", "1\n2", "1\u0000"])
def test_a_delivery_id_that_is_none(browser: Browser, delivery_id: str) -> None:
    """It is refused, and the question stands open again."""
    browser.write_unknown("m")

    done = press(browser, "confirm", delivery_id=delivery_id)

    assert browser.status("m") == "UNKNOWN"
    assert done.soup.select_one(".note.error")
    assert done.soup.select_one('details.ask[open] form[action="/mail/confirm"]')


@pytest.mark.parametrize(("how", "act", "fields", "status", "what"), CASES)
def test_pressing_twice_does_it_once(
    browser: Browser, how: str, act: str, fields: dict[str, str], status: str, what: str
) -> None:
    """The second of two presses finds it done: one event, one mail, and no word of an error."""
    prepare(browser, how, "m")
    page = browser.get("/mail", id="m")
    form = page.form(f"/mail/{act}") | fields

    browser.send(f"/mail/{act}", form)
    again = browser.send(f"/mail/{act}", form)

    assert again.status == 200
    assert not again.soup.select(".note.warning, .note.error")
    assert browser.status("m") == status
    assert [event["what"] for event in browser.row("m").timeline].count(what) == 1


def test_the_same_wish_later_is_a_new_one(browser: Browser) -> None:
    """A mail that failed again is sent again, however quickly."""
    browser.write_failed("m")
    for _ in range(2):
        press(browser, "resend")
        browser.service.api.answer = refuse
        browser.service.deliver()

    assert browser.status("m") == "FAILED"
    assert [event["what"] for event in browser.row("m").timeline].count("resent") == 2


def test_at_the_same_moment_twice(browser: Browser) -> None:
    """Two presses that overtake each other send one mail."""
    browser.write_failed("m")
    form = browser.get("/mail", id="m").form("/mail/resend")
    gate = threading.Barrier(2)
    seen: list[Seen] = []

    def send() -> None:
        gate.wait()
        seen.append(browser.send("/mail/resend", form))

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    browser.service.ring_until_quiet()

    assert [each.status for each in seen] == [200, 200]
    assert len(browser.service.api.sent) == 1


@pytest.mark.parametrize(
    ("act", "meanwhile"),
    [
        ("resend", lambda browser: browser.service.support.cancel("m", "bob")),
        ("hold", lambda browser: browser.service.support.cancel("m", "bob")),
        ("cancel", lambda browser: browser.service.store.edit("m", status="SENDING", claim="x")),
        ("hold", lambda browser: browser.service.store.edit("m", status="CHECKING")),
        ("resend", lambda browser: browser.service.store.edit("m", status="SENDING", claim="x")),
        ("cancel", send_meanwhile),
    ],
)
def test_somebody_was_faster(browser: Browser, act: str, meanwhile: Any) -> None:
    """Another person, or the service: it is told on the mail's page, which shows how it is now."""
    browser.write_failed("m")
    page = browser.get("/mail", id="m")
    meanwhile(browser)
    before = dict(browser.row("m").item)

    done = browser.submit(page, f"/mail/{act}")

    assert done.status == 200
    assert done.soup.select_one(".note.warning")
    assert str(before["status"]) in done.text
    assert browser.row("m").item == before


def doubt_anew(browser: Browser) -> None:
    """Bob has sent it again, and nobody knows of that either."""
    browser.service.support.resend("m", "bob")
    browser.service.look_up_minutes = 0
    browser.service.api.answer = lose
    browser.service.deliver()
    browser.service.api.answer = None


@pytest.mark.parametrize("act", ["resend", "confirm"])
def test_a_newer_doubt_is_another_question(browser: Browser, act: str) -> None:
    """Who was asked about the first doubt has not looked at the second: nothing is done, and it is told."""
    browser.write_unknown("m")
    page = browser.get("/mail", id="m")
    doubt_anew(browser)
    before = dict(browser.row("m").item)
    assert before["status"] == "UNKNOWN"

    for fields in ({}, {"version": ""}):
        done = browser.submit(page, f"/mail/{act}", **fields)
        assert "changed meanwhile" in done.soup.select_one(".note.warning").text  # type: ignore[union-attr]
        assert browser.row("m").item == before
    assert browser.submit(browser.get("/mail", id="m"), f"/mail/{act}").soup.select(".note.done")


def test_a_held_mail_with_a_newer_doubt_stays(browser: Browser) -> None:
    """The yes to releasing it was for the mail as it was."""
    browser.write_unknown("m")
    browser.service.support.hold("m", "bob")
    page = browser.get("/mail", id="m")
    browser.service.support.edit("m", {"subject": "Other"}, "bob")

    assert "changed meanwhile" in browser.submit(page, "/mail/release").text
    assert browser.status("m") == "HELD"


@pytest.mark.parametrize("status", ["HELD", "WAITING"])
def test_a_button_of_a_list_is_for_the_state_it_showed(browser: Browser, status: str) -> None:
    """A list that is old sends nothing that somebody has put aside or that waits for its time."""
    browser.write_failed("m")
    page = browser.get("/")
    browser.service.store.edit("m", status=status)

    done = browser.submit(page, "/mail/resend")

    assert "changed meanwhile" in done.soup.select_one(".note.warning").text  # type: ignore[union-attr]
    assert browser.status("m") == status


def test_a_doubt_between_the_look_and_the_act(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mail that comes into doubt after it was looked at is not sent: that was not asked about."""
    browser.write_failed("m")
    page = browser.get("/mail", id="m")
    resend = Support.resend

    def first_the_doubt(support: Support, mail_id: str, who: str, **more: Any) -> Row:
        browser.service.store.edit("m", status="UNKNOWN")
        return resend(support, mail_id, who, **more)

    monkeypatch.setattr(Support, "resend", first_the_doubt)
    browser.submit(page, "/mail/resend")

    assert browser.status("m") == "UNKNOWN"


def test_between_the_look_and_the_write(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service claims the row just before our write: nothing is overwritten, and it is told."""
    browser.write_later("m")
    page = browser.get("/mail", id="m")
    update, claims = browser.service.store.update, []

    def first_the_claim(mail_id: str, expect: Any, patch: Any) -> Any:
        if not claims:
            claims.append(browser.service.store.edit("m", status="SENDING", claim="x", revision=9))
        return update(mail_id, expect, patch)

    monkeypatch.setattr(browser.service.store, "update", first_the_claim)
    done = browser.submit(page, "/mail/hold")

    assert browser.status("m") == "SENDING"
    assert done.status == 200
    assert "just being sent" in done.soup.select_one(".note.warning").text  # type: ignore[union-attr]


def test_back_to_the_list(browser: Browser) -> None:
    """A decision on a list goes on with the list, filtered as it was; one on the mail's page with the mail."""
    browser.write_failed("m", tags=["a"])
    token = browser.get("/").form("/language")["csrf"]

    def from_page(address: str, **fields: str) -> str:
        headers = {"origin": ADDRESS, "referer": address}
        answer = browser.client.post(
            "/mail/hold", data={"csrf": token, "id": "m", **fields}, headers=headers, follow_redirects=False
        )
        return str(answer.headers["location"])

    assert from_page(f"{ADDRESS}/?state=failed&tag=a") == "/?state=failed&tag=a"
    assert from_page(f"{ADDRESS}/mail?id=m") == "/mail?id=m"
    assert from_page("https://evil.example/?x") == "/mail?id=m"
    assert from_page(f"{ADDRESS}/sign-in") == "/mail?id=m"
    assert from_page("") == from_page("http://[") == "/mail?id=m"
    assert from_page("http://[", next="/history?q=a") == "/history?q=a"
    assert from_page("", next="//evil.example") == "/"


def test_an_answer_of_the_table_that_was_lost(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that happened although nobody was told so counts as done."""
    browser.write_failed("m")
    page = browser.get("/mail", id="m")
    update = browser.service.store.update

    def lost(mail_id: str, expect: Any, patch: Any) -> Any:
        update(mail_id, expect, patch)
        return update(mail_id, expect, patch)

    monkeypatch.setattr(browser.service.store, "update", lost)
    done = browser.submit(page, "/mail/hold")

    assert browser.row("m").status is Status.HELD
    assert done.soup.select_one(".note.done")


def test_a_doubt_that_came_meanwhile_is_asked_about(browser: Browser) -> None:
    """A page that showed a failed mail does not send again one that may have been sent since."""
    browser.write_failed("m")
    page = browser.get("/mail", id="m")
    browser.service.look_up_minutes = 0
    browser.service.support.resend("m", "bob")
    browser.service.api.answer = lose
    browser.service.deliver()

    done = browser.submit(page, "/mail/resend")

    assert browser.status("m") == "UNKNOWN"
    assert "decide here" in done.text


def test_it_speaks_japanese(browser: Browser) -> None:
    """What was done, and what could not be, is told in Japanese."""
    browser.client.headers["accept-language"] = "ja"
    browser.write_failed("m", subject="注文")

    done = press(browser, "hold")
    assert done.notes[0].startswith("「注文」を保留しました。")
    browser.service.support.cancel("m", "bob")
    late = browser.submit(done, "/mail/release")

    assert "すでに送信箱を出て" in late.notes[0]
