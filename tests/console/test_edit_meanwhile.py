"""Somebody else, or the service, was faster: nothing is overwritten, and nothing typed is lost."""

from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from tests.console.conftest import Browser
from tests.console.forms import SEND, event, save


def test_both_versions_stand_side_by_side(browser: Browser) -> None:
    """Nothing is overwritten; theirs and yours are shown, what was typed stays, and saving again is a decision."""
    browser.write_failed("m", cc=["a@example.com"])
    mine = browser.get("/mail/edit", id="m")
    browser.service.support.edit("m", {"subject": "Theirs", "to": "theirs@example.com"}, "bob")

    page = browser.submit(mine, "/mail/edit", subject="Mine", text="My text", button=SEND)

    assert page.status == 409
    assert "Nothing was overwritten" in page.notes[0]
    assert browser.row("m").item["subject"] == "Theirs"
    rows = [
        [" ".join(cell.text.split()) for cell in row.select("th, td")] for row in page.soup.select(".versions tbody tr")
    ]
    assert rows == [["Subject", "Theirs", "Mine"], ["Text", "Good morning.", "My text"]]
    fields = page.form("/mail/edit")
    assert (fields["subject"], fields["text"], fields["to"]) == ("Mine", "My text", "theirs@example.com")
    assert "since you had not touched it: To" in page.notes[0]

    done = browser.send("/mail/edit", fields)

    item = browser.row("m").item
    assert done.status == 200
    assert (item["subject"], item["text"], item["to"]) == ("Mine", "My text", "theirs@example.com")
    assert browser.status("m") == "FAILED"
    assert event(browser)["changes"].keys() == {"subject", "text"}


def test_two_people_one_after_the_other(browser: Browser) -> None:
    """A third change while one decides is met the same way."""
    browser.write_failed("m")
    page = browser.get("/mail/edit", id="m")
    for number in range(3):
        browser.service.support.edit("m", {"subject": f"Theirs {number}"}, "bob")
        page = browser.submit(page, "/mail/edit", subject="Mine")
        assert page.status == 409
        assert f"Theirs {number}" in page.text

    assert browser.submit(page, "/mail/edit").status == 200
    assert browser.row("m").item["subject"] == "Mine"


def test_a_raw_edit_meanwhile(browser: Browser) -> None:
    """A hand in the table itself is somebody else, too."""
    browser.write_failed("m")
    mine = browser.get("/mail/edit", id="m")
    browser.service.store.edit("m", subject="By hand")

    page = browser.submit(mine, "/mail/edit", subject="Mine")

    assert page.status == 409
    assert "By hand" in page.text


def test_the_same_correction_by_both(browser: Browser) -> None:
    """Where both typed the same, that is said, and saving changes nothing."""
    browser.write_failed("m")
    mine = browser.get("/mail/edit", id="m")
    browser.service.support.edit("m", {"subject": "Same"}, "bob")

    page = browser.submit(mine, "/mail/edit", subject="Same")

    assert page.status == 409
    assert "What you typed is what stands there now." in page.notes[0]
    assert browser.submit(page, "/mail/edit").notes == ["Nothing was changed."]


def test_between_the_look_and_the_save(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change in the very moment of the save is met with both versions as well."""
    browser.write_failed("m")
    mine = browser.get("/mail/edit", id="m")
    update, changes = browser.service.store.update, []

    def first_theirs(mail_id: str, expect: Any, patch: Any) -> Any:
        if not changes:
            changes.append(browser.service.store.edit("m", subject="Theirs"))
        return update(mail_id, expect, patch)

    monkeypatch.setattr(browser.service.store, "update", first_theirs)
    page = browser.submit(mine, "/mail/edit", subject="Mine")

    assert page.status == 409
    assert page.soup.select(".versions")
    assert browser.row("m").item["subject"] == "Theirs"


@pytest.mark.parametrize("status", ["SENDING", "CHECKING"])
def test_being_sent_right_now(browser: Browser, status: str) -> None:
    """It is told, what was typed stays in the form, and once it is back it can be saved."""
    browser.write_failed("m")
    mine = browser.get("/mail/edit", id="m")
    before = dict(browser.row("m").item)
    browser.service.store.edit("m", status=status, claim="x")

    page = browser.submit(mine, "/mail/edit", subject="Mine", button=SEND)

    assert page.status == 409
    assert "It is just being sent, so nothing was saved." in page.notes[0]
    assert page.form("/mail/edit")["subject"] == "Mine"
    assert browser.row("m").item["subject"] == "Hello"
    browser.service.store.put(before)
    assert browser.submit(page, "/mail/edit").status == 200
    assert browser.row("m").item["subject"] == "Mine"


def test_claimed_in_the_moment_of_the_save(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service is faster by a hair: told, nothing saved."""
    browser.write_later("m")
    mine = browser.get("/mail/edit", id="m")
    update, claims = browser.service.store.update, []

    def first_the_claim(mail_id: str, expect: Any, patch: Any) -> Any:
        if not claims:
            claims.append(browser.service.store.edit("m", status="SENDING", claim="x", revision=9))
        return update(mail_id, expect, patch)

    monkeypatch.setattr(browser.service.store, "update", first_the_claim)
    page = browser.submit(mine, "/mail/edit", subject="Mine")

    assert page.status == 409
    assert page.form("/mail/edit")["subject"] == "Mine"
    assert browser.row("m").item["subject"] == "Hello"


def test_sent_meanwhile(browser: Browser) -> None:
    """What was typed stays to be read, with the way to the mail."""
    browser.write_failed("m")
    mine = browser.get("/mail/edit", id="m")
    browser.service.support.resend("m", "bob")
    browser.service.deliver()

    page = browser.submit(mine, "/mail/edit", text="A long answer", button=SEND)

    assert page.status == 409
    assert "It has left the outbox meanwhile; nothing was saved." in page.notes[0]
    assert "What you typed Text A long answer" in page.text
    assert page.soup.select('a[href="/mail?id=m"]')
    assert len(browser.service.api.sent) == 1


def test_gone_meanwhile(browser: Browser) -> None:
    """A mail that is nowhere any more is told, and what was typed stays to be read."""
    browser.write_failed("m")
    mine = browser.get("/mail/edit", id="m")
    browser.service.store.remove("m")

    page = browser.submit(mine, "/mail/edit", subject="Mine")

    assert page.status == 404
    assert "What you typed Subject Mine" in page.text


def test_pressed_twice(browser: Browser) -> None:
    """The second of two saves finds it saved, says so like the first, and adds nothing."""
    browser.write_failed("m")
    form = browser.get("/mail/edit", id="m").form("/mail/edit") | {"subject": "Mine"}

    first = browser.send("/mail/edit", form)
    again = browser.send("/mail/edit", form)

    assert (again.status, again.url, again.notes) == (200, first.url, first.notes)
    assert [each["what"] for each in browser.row("m").timeline].count("edited") == 1


@pytest.mark.parametrize("schedule", ["", "2026-01-05T00:00"])
def test_save_and_send_pressed_twice(browser: Browser, schedule: str) -> None:
    """However far the mail is by then, it is told as saved; it goes once."""
    browser.write_failed("m")
    fields = {"subject": "Mine", "cc": "b@example.com, c@example.com", "schedule": schedule, **dict([SEND])}
    form = browser.get("/mail/edit", id="m").form("/mail/edit") | fields

    first = browser.send("/mail/edit", form)
    assert browser.send("/mail/edit", form).notes == first.notes
    browser.service.deliver()
    last = browser.send("/mail/edit", form)

    assert last.notes == (first.notes if schedule else ["Saved, and sent."])
    assert len(browser.service.api.sent) == (0 if schedule else 1)


@pytest.mark.parametrize("how", ["other words", "sent after saved", "later", "another person", "time taken away"])
def test_what_was_not_done_is_not_told_as_done(browser: Browser, how: str) -> None:
    """A second form that asks for more, comes late or from somebody else is met with what stands there."""
    browser.write_later("m", hours=2)
    form = browser.get("/mail/edit", id="m").form("/mail/edit") | {"subject": "Mine"}
    browser.send("/mail/edit", form)
    browser.service.clock.forward(seconds=31 if how == "later" else 1)
    if how == "another person":
        browser.service.support.edit("m", {"subject": "Theirs"}, "bob")
    more = {"other words": {"text": "More"}, "sent after saved": dict([SEND]), "time taken away": {"schedule": ""}}

    again = browser.send("/mail/edit", form | more.get(how, {}))

    assert again.status == 409
    assert "Nothing was overwritten" in again.notes[0]


def test_in_doubt_meanwhile(browser: Browser) -> None:
    """What may have been sent is not edited behind the question; what was typed stays to be read."""
    browser.write_failed("m")
    mine = browser.get("/mail/edit", id="m")
    browser.service.store.edit("m", status="UNKNOWN")
    before = dict(browser.row("m").item)

    for version in (mine.form("/mail/edit")["version"], browser.row("m").version):
        page = browser.submit(mine, "/mail/edit", text="A long answer", version=version, button=SEND)

        assert page.status == 409
        assert "This mail cannot be edited as it is now." in page.notes[0]
        assert "What you typed Text A long answer" in page.text
    assert browser.row("m").item == before


def test_the_table_does_not_answer(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was typed is not lost for that."""
    browser.write_failed("m")
    mine = browser.get("/mail/edit", id="m")

    def silent(*_: Any) -> Any:
        raise EndpointConnectionError(endpoint_url="https://dynamodb.example")

    monkeypatch.setattr(browser.service.store, "update", silent)
    page = browser.submit(mine, "/mail/edit", subject="Mine")

    assert page.status == 502
    assert page.form("/mail/edit")["subject"] == "Mine"
    assert "nobody knows whether it was" in page.notes[0]


def test_no_room_on_the_row(browser: Browser) -> None:
    """A save for which the table has no room says so, and loses nothing typed."""
    browser.write_failed("m")
    browser.service.store.edit("m", note="n" * 390_000)

    page = save(browser, text="t" * 20_000, html="h" * 20_000)

    assert page.status == 409
    assert "400 KB" in page.notes[0]
    assert len(page.form("/mail/edit")["text"]) == 20_000
