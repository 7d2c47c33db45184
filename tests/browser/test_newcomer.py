"""Somebody who has never seen the console finds out why a mail failed, corrects it and sees it sent."""

import re
from typing import Any

import pytest

from outbox.wiring.desk import Desk
from tests.browser.window import Window, Windows
from tests.conftest import make_mail
from tests.e2e.conftest import Deployed

pytestmark = [pytest.mark.browser, pytest.mark.stack]
WRONG, RIGHT = "hanako@exampel.com", "hanako@example.com"


@pytest.fixture
def failed(deployed: Deployed) -> str:
    """Give the id of a mail the API refused for its address."""
    deployed.fault("refuse_address", match={"to": WRONG})
    mail_id = deployed.outbox.enqueue(make_mail(to=WRONG, subject="Your ticket")).id
    deployed.until(mail_id, "FAILED")
    return mail_id


def correct(window: Window) -> None:
    """Go from the first page to the corrected mail."""
    row = window.page.locator("[data-row]", has_text="Your ticket")
    assert "refused" in row.inner_text()
    window.click(row.get_by_role("link", name=re.compile("Edit")))
    window.edit("To", RIGHT)
    window.click(window.button("Save and send"))


def arrived(deployed: Deployed) -> list[Any]:
    """Name to whom it arrived."""
    return [mail["to"] for mail in deployed.arrived() if mail["subject"] == "Your ticket"]


def test_find_correct_and_see_it_sent(windows: Windows, console: str, deployed: Deployed, failed: str) -> None:
    """From the first page it takes at most three clicks and one edit, and nobody loads a page again."""
    window = windows(console).open(console)

    correct(window)
    loaded = window.page.evaluate("performance.timeOrigin")
    window.page.locator("#state .state-sent").wait_for()

    assert window.page.evaluate("performance.timeOrigin") == loaded
    assert (window.clicks <= 3, window.edits) == (True, 1)
    assert arrived(deployed) == [RIGHT]
    assert deployed.outbox.get(failed).item["timeline"][-3]["who"] == "alice"
    found_in_history(window, failed)


def test_the_same_without_scripts(windows: Windows, console: str, deployed: Deployed, failed: str) -> None:
    """Every step works in a browser that runs no scripts; only to look again is one's own business."""
    window = windows(console, scripts=False).open(console)

    correct(window)
    deployed.until(failed, "SENT")
    if window.link("Look again").count():
        window.click(window.link("Look again"))

    assert window.page.locator("#state .state-sent").is_visible()
    assert (window.clicks <= 3, window.edits) == (True, 1)
    assert arrived(deployed) == [RIGHT]
    found_in_history(window, failed)


def found_in_history(window: Window, mail_id: str) -> None:
    """Look for it by its new address."""
    window.click(window.link("History", "header"))
    window.page.get_by_label("Address, delivery id or mail id").fill(RIGHT)
    window.click(window.button("Search"))
    rows = window.page.locator("[data-row]")
    assert rows.count() == 1
    assert mail_id in rows.inner_text()


def test_pause_and_resume(windows: Windows, console: str, deployed: Deployed, desk: Desk) -> None:
    """While all sending is paused the reason stands on the first page, and a new mail waits for it without blame."""
    window = windows(console).open(console)

    window.page.get_by_text("Pause all sending…").click()
    window.edit("Why", "the <b>shop</b> moves")
    window.click(window.button("Pause all sending"))
    window.sees("Nothing is being sent.")
    window.sees("the <b>shop</b> moves")
    # The workers believe for some seconds what they have read of the switch.
    deployed.settle(2.5)
    mail_id = deployed.outbox.enqueue(make_mail(subject="Waits")).id
    deployed.until(mail_id, "WAITING")
    window.open(f"/mail?id={mail_id}")
    window.sees("the <b>shop</b> moves")

    window.open("/")
    window.click("#resume")
    window.sees("Sending is on.")
    deployed.settle(2.5)
    deployed.until(mail_id, "SENT", nudge=deployed.dispatch)
    assert deployed.outbox.get(mail_id).attempts == 1
