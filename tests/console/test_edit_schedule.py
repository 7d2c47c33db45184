"""When a corrected mail goes: typed and shown in the viewer's zone, and never changed by accident."""

from datetime import timedelta

import pytest

from tests.console.conftest import Browser
from tests.console.forms import SEND, event, problems, save


def test_scheduled_in_the_viewers_zone(browser: Browser) -> None:
    """A time is read in the zone it is shown in."""
    browser.write_failed("m")
    browser.client.cookies.set("outbox-zone", "Asia/Tokyo")
    assert "Asia/Tokyo (UTC+09:00 now)" in browser.get("/mail/edit", id="m").text

    done = save(browser, schedule="2026-01-02T09:30")

    assert browser.status("m") == "WAITING"
    assert browser.row("m").item["send_at"] == "2026-01-02T00:30:00.000Z"
    assert "It goes at 2026-01-02 09:30:00 +09:00" in done.notes[0]
    assert browser.get("/mail/edit", id="m").form("/mail/edit")["schedule"] == "2026-01-02T09:30"
    assert event(browser)["who"] == "alice"


def test_a_schedule_that_was_not_touched_stays(browser: Browser) -> None:
    """Also to the second, and when it is saved and sent with a new text."""
    browser.service.clock.forward(seconds=7)
    browser.write_later("m", hours=5)
    before = browser.row("m").item["send_at"]

    save(browser, subject="x")
    assert browser.row("m").item["send_at"] == before
    done = save(browser, subject="y", send=True)

    assert browser.status("m") == "WAITING"
    assert browser.row("m").item["send_at"] == before
    assert "It goes at 2026-01-01 05:00:07" in done.notes[0]


def test_a_schedule_is_taken_away_by_sending(browser: Browser) -> None:
    """Saved alone it is refused, so that nothing goes that was not to be sent."""
    browser.write_later("m")

    page = save(browser, schedule="")
    assert "taken away only by sending" in problems(page)["schedule"]
    assert browser.status("m") == "WAITING"
    browser.submit(page, "/mail/edit", button=SEND)

    assert browser.status("m") == "PENDING"
    assert "send_at" not in browser.row("m").item


@pytest.mark.parametrize("typed", ["tomorrow", "2026-13-01T00:00", "0001-01-01T00:00", "2025-12-31T23:59"])
def test_a_schedule_nobody_can_keep(browser: Browser, typed: str) -> None:
    """No moment, and one that has passed, are told beside the field, and kept there."""
    browser.write_failed("m")

    page = save(browser, schedule=typed)

    assert page.status == 400
    assert problems(page).keys() == {"schedule"}
    assert page.form("/mail/edit")["schedule"] == typed
    assert browser.status("m") == "FAILED"


def test_a_schedule_that_has_passed_is_not_shown(browser: Browser) -> None:
    """An old time on a failed mail does not stand in the way of a save."""
    browser.write_failed("m")
    browser.service.store.edit("m", send_at="2025-01-01T00:00:00.000Z")

    assert browser.get("/mail/edit", id="m").form("/mail/edit")["schedule"] == ""
    assert save(browser, subject="x").status == 200


def test_the_schedule_of_a_moment_from_now(browser: Browser) -> None:
    """A minute ahead is a schedule, this very minute is not."""
    browser.write_failed("m")
    now = browser.service.clock()

    assert save(browser, schedule=f"{now:%Y-%m-%dT%H:%M}").status == 400
    assert save(browser, schedule=f"{now + timedelta(minutes=1):%Y-%m-%dT%H:%M}").status == 200
    assert browser.status("m") == "WAITING"
