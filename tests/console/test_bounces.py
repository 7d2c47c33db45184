"""What came back is found by address, delivery and day, with the mail it belongs to."""

from datetime import timedelta

import pytest

from tests.console.conftest import Browser, Seen
from tests.flows.bounces import bounce

HOSTILE = "<script>alert(1)</script>\u202e"


def rows(seen: Seen) -> list[list[str]]:
    """Give the cells of the list."""
    return [
        [" ".join(cell.get_text(" ").split()) for cell in row.select("td")] for row in seen.soup.select("[data-row]")
    ]


def test_the_latest_by_themselves(browser: Browser) -> None:
    """Without a question today's and yesterday's are shown, each with the mail it belongs to."""
    browser.write_sent("m 1/2")
    browser.came_back("m 1/2", "taro@example.com", "HARDERROR", code="550", message="user unknown")
    browser.came_back("m 1/2", "somebody@example.com", "SOFTERROR", delivery_id="77", ago=timedelta(hours=3))
    browser.came_back("m 1/2", "old@example.com", ago=timedelta(days=5))

    seen = browser.get("/bounces")

    assert [row[1:] for row in rows(seen)] == [
        ["taro@example.com", "HARDERROR", "550", "user unknown", "m 1/2"],
        ["somebody@example.com", "SOFTERROR", "550", "user unknown", "no mail here (delivery 77)"],
    ]
    assert seen.soup.select_one('a[href="/mail?id=m+1%2F2"]') is not None
    assert "Today and yesterday (UTC)" in seen.text


def test_nothing_came_back(browser: Browser) -> None:
    """An empty list says what was looked for."""
    assert (
        "Nothing came back that fits: Recipient: taro@example.com"
        in browser.get("/bounces", to="taro@example.com").text
    )
    assert browser.get("/bounces").status == 200


def test_by_what_is_known(browser: Browser) -> None:
    """Address, delivery id, days and those of no mail narrow the list."""
    browser.write_sent("a")
    browser.came_back("a", "taro@example.com")
    browser.came_back("a", "jiro@example.com", delivery_id="9", ago=timedelta(days=10))

    def found(**asked: str) -> list[str]:
        return [row[1] for row in rows(browser.get("/bounces", **asked))]

    assert found(to="Jiro <JIRO@example.com>") == ["jiro@example.com"]
    assert found(delivery="1") == ["taro@example.com"]
    assert found(since="2025-12-20", until="2025-12-25") == ["jiro@example.com"]
    assert found(since="2025-12-20", unmatched="1") == ["jiro@example.com"]
    assert found(unmatched="1") == []


@pytest.mark.parametrize(
    "asked", [{"since": "x"}, {"until": "2026-13-01"}, {"to": "taro"}, {"since": "2026-01-02", "until": "2026-01-01"}]
)
def test_a_slip_is_told_beside_its_field(browser: Browser, asked: dict[str, str]) -> None:
    """What was typed is still there."""
    seen = browser.get("/bounces", **asked)

    assert seen.status == 400
    assert seen.soup.select_one(".field.wrong .problem") is not None
    assert {**seen.form("/bounces"), **asked} == seen.form("/bounces")


def test_page_after_page(browser: Browser) -> None:
    """Older ones are one link away; each is seen once."""
    browser.write_sent("m")
    for number in range(60):
        browser.came_back("m", f"a{number}@example.com", ago=timedelta(minutes=number))

    seen, found = browser.get("/bounces"), []
    for _ in range(5):
        found += [row[1] for row in rows(seen)]
        link = seen.soup.select_one("a[rel=next]")
        if link is None:
            break
        seen = browser.get(str(link["href"]))

    assert found == [f"a{number}@example.com" for number in range(60)]


def test_what_cannot_be_read(browser: Browser) -> None:
    """An event of no readable address, and hostile words, are shown harmlessly."""
    bounce(browser.service, "", "", "UNREADABLE", problem=f"events[0].event: {HOSTILE}", said=HOSTILE)
    bounce(browser.service, "5", "a@example.com", HOSTILE, code=HOSTILE)
    for item in browser.service.store.history.values():
        item["message"] = {"a": [HOSTILE, b"x"]}

    seen = browser.get("/bounces")

    assert len(rows(seen)) == 2
    assert "nobody we can read" in seen.text
    assert "<script>alert" not in seen.html
    assert "\u202e" not in seen.html


def test_everybody_may_look(browser: Browser, viewer: Browser) -> None:
    """There is nothing to do here, so the page is the same for all."""
    browser.write_sent("m")
    browser.came_back("m", "taro@example.com")

    assert rows(viewer.get("/bounces")) == rows(browser.get("/bounces"))
