"""Whoever works with the keyboard is quicker; whoever types is left alone."""

import pytest

from tests.browser.window import Window, Windows
from tests.console.conftest import Browser as Memory

pytestmark = pytest.mark.browser


@pytest.fixture
def window(windows: Windows, house: str, memory: Memory) -> Window:
    """Give a window on a list of three mails that failed."""
    for number in (1, 2, 3):
        memory.write_failed(f"m{number}", subject=f"Mail {number}")
        memory.service.clock.forward(seconds=1)
    return windows(house).open("/")


def focused(window: Window) -> str:
    """Give the text of what has the focus."""
    return str(window.page.evaluate("document.activeElement.textContent")).strip()


def test_j_and_k_go_through_the_list(window: Window) -> None:
    """They stop at its ends; what has the focus is the mail that Enter opens."""
    seen = []
    for key in "jjjjkkkk":
        window.page.keyboard.press(key)
        seen.append(focused(window))
    assert seen == [f"Mail {number}" for number in (3, 2, 1, 1, 2, 3, 3, 3)]

    window.page.keyboard.press("Enter")
    window.page.wait_for_url("**/mail?id=m3")


def test_e_edits_the_mail_one_is_at(window: Window) -> None:
    """In the list as on its page."""
    window.page.keyboard.press("j")
    window.page.keyboard.press("j")
    window.page.keyboard.press("e")
    window.page.wait_for_url("**/mail/edit?id=m2")
    window.open("/mail?id=m1")
    window.page.keyboard.press("e")
    window.page.wait_for_url("**/mail/edit?id=m1")


def test_r_sends_the_mail_one_is_at_again(window: Window, memory: Memory) -> None:
    """In the list as on its page; without a mail at hand nothing happens."""
    window.page.keyboard.press("r")
    assert {memory.status(f"m{number}") for number in (1, 2, 3)} == {"FAILED"}
    window.page.keyboard.press("j")
    window.page.keyboard.press("r")
    window.page.locator("#notes .note.done").wait_for()
    assert memory.status("m3") == "PENDING"

    window.open("/mail?id=m1")
    window.page.keyboard.press("r")
    window.page.locator("#state .state-pending").wait_for()
    assert [memory.status(f"m{number}") for number in (1, 2)] == ["PENDING", "FAILED"]


def test_slash_goes_to_the_search(window: Window) -> None:
    """On every list, also where the field is folded away."""
    for path, label in (("/", "Recipient"), ("/history", "Address, delivery id or mail id"), ("/bounces", "Recipient")):
        window.open(path)
        window.page.keyboard.press("/")
        assert window.page.get_by_label(label, exact=True).evaluate("each => each === document.activeElement")


def test_keys_are_text_while_somebody_types(window: Window, memory: Memory) -> None:
    """In a field they are letters, whichever field it is; with Ctrl they belong to the browser."""
    for path, label in (("/", "Recipient"), ("/mail/edit?id=m1", "Text"), ("/mail/edit?id=m1", "Subject")):
        window.open(path)
        field = window.page.get_by_label(label, exact=True)
        field.focus()
        field.fill("")
        window.page.keyboard.type("jkerox/?")
        assert field.input_value() == "jkerox/?"
        assert window.page.url.endswith(path)
    window.open("/mail?id=m1")
    window.page.keyboard.press("Control+r")
    window.page.keyboard.press("Control+e")
    assert window.path == "/mail"
    assert memory.status("m1") == "FAILED"
