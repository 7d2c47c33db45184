"""Everything can be done in a browser that runs no scripts."""

import pytest

from tests.browser.window import Window, Windows
from tests.console.conftest import Browser as Memory
from tests.waiting import wait_for

pytestmark = pytest.mark.browser


@pytest.fixture
def window(windows: Windows, house: str, memory: Memory) -> Window:
    """Give a window without scripts on a list of three mails that failed."""
    for number in (1, 2, 3):
        memory.write_failed(f"m{number}", subject=f"Mail {number}")
        memory.service.clock.forward(seconds=1)
    return windows(house, scripts=False).open("/")


def test_pause_and_resume(window: Window, memory: Memory) -> None:
    """The reason is asked for where the button is, and stands where everybody sees it."""
    window.page.get_by_text("Pause all sending…").click()
    window.edit("Why", "we move")
    window.click(window.button("Pause all sending"))
    window.sees("Nothing is being sent.")
    window.sees("we move")
    assert memory.service.switch.state().stopped

    window.click("#resume")
    window.sees("Sending is on.")
    assert not memory.service.switch.state().stopped


def test_cancel_and_take_it_back(window: Window, memory: Memory) -> None:
    """What is asked first is asked on the page itself, and what was done offers the way back."""
    window.open("/mail?id=m2")
    window.page.get_by_text("Cancel…").click()
    assert memory.status("m2") == "FAILED"
    window.click(window.button("Cancel this mail"))
    assert memory.status("m2") == "CANCELLED"

    window.click(window.page.locator("#notes").get_by_role("button"))
    assert memory.status("m2") == "HELD"
    assert [event["who"] for event in memory.row("m2").timeline][-2:] == ["alice", "alice"]


def test_many_at_once(window: Window, memory: Memory) -> None:
    """Ticked ones, and all that match: counted and shown first, then done in the background."""
    window.page.locator("[data-row]", has_text="Mail 1").get_by_role("checkbox").check()
    window.page.locator("[data-row]", has_text="Mail 3").get_by_role("checkbox").check()
    ticked = window.page.locator("form.toolbar", has_text="With the ticked mails")
    window.click(ticked.get_by_role("button", name="Send again…"))
    window.sees("2 mails")
    assert memory.status("m1") == "FAILED"
    window.click(window.button("Send them again"))

    def ended() -> int:
        window.page.reload()
        return window.page.get_by_text("It has come to its end.").count()

    wait_for(ended, pause=0.1)
    assert [memory.status(f"m{number}") for number in (1, 2, 3)] == ["WAITING", "FAILED", "WAITING"]


def test_send_again_from_history(window: Window, memory: Memory) -> None:
    """With its question, and to the new mail."""
    memory.write_sent("sent", subject="Gone")
    window.open("/history")
    window.click(window.link("Send again"))
    window.click(window.button("Send again"))
    window.sees("Send again all the same?")
    window.click(window.button("Send all the same"))
    window.sees("A new mail was made of it")
    window.click(window.link("sent").first)
    assert window.page.url.endswith("/mail?id=sent")


def test_suppress_and_lift(window: Window, memory: Memory) -> None:
    """An address is suppressed and lifted again."""
    window.open("/suppressed")
    window.page.get_by_text("Suppress an address …").click()
    window.edit("Address", "taro@example.com")
    window.click(window.button("Suppress"))
    assert memory.desk.suppression.reasons(["taro@example.com"])
    window.click(window.page.locator("#notes").get_by_role("button"))
    assert not memory.desk.suppression.reasons(["taro@example.com"])


def test_another_language(window: Window) -> None:
    """The switch at the foot of the page changes it, and stays on the page."""
    window.open("/history?q=nobody")
    window.click(window.button("日本語", "footer"))
    assert window.page.url.endswith("/history?q=nobody")
    assert window.page.locator("html").get_attribute("lang") == "ja"
    assert "履歴" in window.page.locator("h1").inner_text()
