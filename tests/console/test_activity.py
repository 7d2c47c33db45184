"""The charts: bars drawn on the server, readable without a script and without seeing them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from outbox.console.chart import HEIGHT, WIDTH, bars, ceiling
from tests.console.conftest import Browser

START = datetime(2026, 1, 1, tzinfo=UTC)


def moments(number: int) -> list[datetime]:
    return [START + timedelta(minutes=n) for n in range(number)]


def test_both_charts_are_parts(browser: Browser) -> None:
    """The page is there at once and fetches each chart; without a script it asks for the whole."""
    page = browser.get("/activity")

    parts = page.soup.select("section[hx-trigger=load]")
    assert [part["hx-get"] for part in parts] == ["/activity/chart?span=hour", "/activity/chart?span=day"]
    assert 'http-equiv="refresh" content="0; url=/activity?whole=1"' in page.html

    whole = browser.get("/activity", whole="1")

    assert len(whole.soup.select("svg[role=img]")) == 6
    assert "http-equiv" not in whole.html
    assert not whole.soup.select("[hx-trigger=load]")


@pytest.mark.parametrize("span", ["hour", "day"])
def test_a_chart(browser: Browser, span: str) -> None:
    """Each series has a title, a description, a sum, and stands in a table too."""
    browser.write_sent("s1")
    browser.write_sent("s2")
    browser.write_failed("f1")

    seen = browser.get("/activity/chart", span=span)

    assert not seen.soup.select("html")
    told = [svg.find("desc").get_text() for svg in seen.soup.select("svg")]  # type: ignore[union-attr]
    assert [text.partition(" ")[0] for text in told] == ["2", "1", "0"]
    for svg in seen.soup.select("svg"):
        named = str(svg["aria-labelledby"]).split()
        assert all(seen.soup.find(id=each) is not None for each in named)
    cells = [[int(cell.get_text()) for cell in row.select("td")] for row in seen.soup.select("tbody tr")]
    assert [sum(column) for column in zip(*cells, strict=True)] == [2, 1, 0]
    assert "Every one was counted." in seen.text


def test_nothing_is_styled_inline(browser: Browser) -> None:
    """The policy of the page allows no style of its own."""
    seen = browser.get("/activity", whole="1")

    assert not seen.soup.select("main [style], main style, main script")


def test_no_such_span(browser: Browser) -> None:
    """A span that is none is told."""
    for span in ("", "year", "<script>"):
        assert browser.get("/activity/chart", span=span).status == 400


def test_a_viewer_may_look(viewer: Browser) -> None:
    """Charts are for everybody."""
    assert viewer.get("/activity", whole="1").status == 200


def test_times_are_the_viewers(browser: Browser) -> None:
    """The times below the bars are those of the viewer's zone."""
    assert bars([1], [START], timezone(timedelta(hours=9))).times[0].label == "09:00"


def test_bars_fit() -> None:
    """No bar leaves the picture, the highest reaches for the top, none has a height below nothing."""
    for numbers in ([0] * 60, [1] + [0] * 59, [7, 3, 0, 10], [10**9] * 24, [1, 10**6]):
        drawn = bars(numbers, moments(len(numbers)), UTC)

        assert all(bar.x >= 0 and bar.x + bar.width <= WIDTH for bar in drawn.bars)
        assert all(bar.y >= 0 and bar.y + bar.height <= HEIGHT for bar in drawn.bars)
        assert drawn.most.number == max(numbers)
        assert len(drawn.times) <= 6
        assert drawn.total == sum(numbers)


@pytest.mark.parametrize(("number", "round_"), [(0, 1), (1, 1), (2, 2), (3, 4), (5, 6), (7, 10), (11, 20), (601, 1000)])
def test_round_numbers(number: int, round_: int) -> None:
    """The grid ends at a number one can read."""
    assert ceiling(number) == round_


def test_in_japanese(browser: Browser) -> None:
    """The charts are told in Japanese."""
    browser.client.headers["accept-language"] = "ja"

    text = browser.get("/activity/chart", span="day").text

    assert "直近24時間" in text
    assert "全件を数えた正確な数です。" in text
