"""Somebody whose browser asks for Japanese does a day's work without a word of English."""

import re

import pytest

from tests.browser.window import Windows
from tests.console.conftest import Browser as Memory

pytestmark = pytest.mark.browser


def test_a_days_work(windows: Windows, house: str, memory: Memory) -> None:
    """Find, correct, send, look up, send again, pause and resume."""
    memory.write_failed("m", subject="チケット", to="hanako@exampel.com")
    window = windows(house, language="ja").open("/")
    row = window.page.locator("[data-row]", has_text="チケット")
    assert "メールAPIに拒否されました" in row.inner_text()
    window.click(row.get_by_role("link", name=re.compile("編集")))
    window.edit("宛先", "hanako@example.com")
    window.click(window.button("保存して送信"))
    window.page.locator("#state .state-pending").wait_for()
    memory.service.ring_until_quiet()
    window.page.locator("#state .state-sent").wait_for()
    window.sees("送信済み")

    window.click(window.link("履歴", "header"))
    window.page.get_by_label("メールアドレス、配信IDまたはメールID").fill("hanako@example.com")
    window.click(window.button("検索"))
    window.click(window.link("再送"))
    window.click(window.button("再送"))
    window.sees("それでも再送しますか?")
    window.sees("まだ1分も経っていません")
    window.click(window.button("それでも送信する"))
    window.sees("新しいメールを作成しました。")

    window.open("/").page.get_by_text("すべての送信を一時停止…").click()
    window.edit("理由", "引っ越しのため")
    window.click(window.button("すべての送信を一時停止"))
    window.sees("引っ越しのため")
    window.click("#resume")
    window.sees("通常どおり送信しています。")
    assert window.page.locator("html").get_attribute("lang") == "ja"
