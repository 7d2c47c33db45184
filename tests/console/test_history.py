"""What left the outbox is found by whatever somebody has in hand."""

import pytest

from outbox.testing import MemoryStore
from tests.console.conftest import Browser, Seen

ODD_ID = "注文 1/2?a=b&c#d\"'<b>"
HOSTILE = "<script>alert(1)</script></td>\u202e"


def subjects(seen: Seen) -> list[str]:
    """Give the subjects of the list, from its top."""
    return [link.get_text() for link in seen.soup.select("[data-row] [data-key=open]")]


def test_today_and_yesterday_by_themselves(browser: Browser) -> None:
    """Without a question the latest are shown, which is said; what is older is not."""
    browser.write_sent("old", subject="Old")
    browser.service.clock.forward(days=3)
    browser.write_sent("first", subject="First")
    browser.service.clock.forward(seconds=1)
    browser.write_sent("second", subject="Second")

    seen = browser.get("/history")

    assert subjects(seen) == ["Second", "First"]
    assert "Today and yesterday (UTC)" in seen.text


def test_nothing_at_all(browser: Browser) -> None:
    """An empty history says what it looked for and where."""
    seen = browser.get("/history")

    assert seen.status == 200
    assert "Nothing in history fits" in seen.text
    assert seen.soup.select("[data-row]") == []


@pytest.mark.parametrize(
    "in_hand", ["taro@example.com", " Taro <TARO@example.com> ", "1", "order-42", "cc@example.com"]
)
def test_one_field_takes_what_is_in_hand(browser: Browser, in_hand: str) -> None:
    """An address, also of a copy, however it is written; a delivery id; a key: each finds the mail, however old."""
    browser.write_sent("order-42", subject="Wanted", cc=["cc@example.com"])
    browser.write_sent("other", to="hanako@example.com")
    browser.service.clock.forward(days=100)

    assert subjects(browser.get("/history", q=in_hand)) == ["Wanted"]


@pytest.mark.parametrize("key", ["welcome-taro@example.com", "20260131", ODD_ID])
def test_a_key_may_look_like_anything(browser: Browser, key: str) -> None:
    """A key with an @ or of digits alone is found when it is no address and no delivery id."""
    browser.write_sent(key, subject="Wanted", to="hanako@example.com")

    seen = browser.get("/history", q=key)

    assert subjects(seen) == ["Wanted"]
    link = seen.soup.select_one("[data-key=open]")
    assert link is not None
    assert browser.get(str(link["href"])).url.startswith("http://127.0.0.1/mail?id=")


def test_everything_else_that_is_known(browser: Browser) -> None:
    """Tag, part of the subject, state, days and what came back narrow the list; all must hold."""
    browser.write_sent("a", subject="Invoice January", tags=["billing"])
    browser.write_sent("b", subject="Welcome", tags=["login"])
    browser.write("c", subject="Invoice February", tags=["billing"])
    browser.service.support.cancel("c", "bob")
    browser.came_back("b", "taro@example.com")

    def found(**asked: str) -> set[str]:
        return set(subjects(browser.get("/history", **asked)))

    assert found(tag="billing") == {"Invoice January", "Invoice February"}
    assert found(text="invoice", status="SENT") == {"Invoice January"}
    assert found(status="CANCELLED") == {"Invoice February"}
    assert found(bounced="1") == {"Welcome"}
    assert found(since="2026-01-01", until="2026-01-01", tag="login") == {"Welcome"}
    assert found(since="2025-12-30", until="2025-12-31") == set()
    assert found(q="taro@example.com", tag="login", to="taro@example.com") == {"Welcome"}


def test_what_came_back_is_seen(browser: Browser) -> None:
    """A bounce stands beside its mail, in the API's word, and leads to the bounces."""
    browser.write_sent("m")
    browser.came_back("m", "taro@example.com", "HARDERROR")
    browser.came_back("m", "taro@example.com", "HARDERROR", code="551")
    browser.came_back("m", "taro@example.com", "DROP")

    seen = browser.get("/history")

    assert [badge.get_text() for badge in seen.soup.select(".bounced")] == ["HARDERROR", "DROP"]
    assert seen.soup.select_one('a[href="/bounces?delivery=1"]') is not None


def test_page_after_page(browser: Browser) -> None:
    """Older mails are one link away, with the question kept; each is seen once."""
    for number in range(60):
        browser.write_sent(f"m{number}", subject=f"Mail {number}", tags=["x"])

    seen, found = browser.get("/history", tag="x", since="2026-01-01"), []
    for _ in range(5):
        found += subjects(seen)
        link = seen.soup.select_one("a[rel=next]")
        if link is None:
            break
        assert "since=2026-01-01" in str(link["href"])
        seen = browser.get(str(link["href"]))

    assert sorted(found) == sorted(f"Mail {number}" for number in range(60))
    assert found[0] == "Mail 59"


def test_looking_goes_on_where_it_stopped(browser: Browser) -> None:
    """A search that has looked at enough for one page says so and offers to look on."""
    browser.write_sent("wanted", subject="Wanted", tags=["rare"])
    for number in range(520):
        browser.service.clock.forward(seconds=1)
        browser.write_sent(f"m{number}")

    seen = browser.get("/history", tag="rare")
    assert subjects(seen) == []
    assert "more to look through" in seen.text
    link = seen.soup.find("a", string="Look on, further back")
    assert link is not None
    assert subjects(browser.get(str(link["href"]))) == ["Wanted"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"since": "yesterday"}, "A day is needed"),
        ({"until": "2026-02-30"}, "A day is needed"),
        ({"to": "taro"}, "A whole address is needed"),
        ({"status": "FAILED"}, "No mail in history has this state"),
        ({"since": "2026-01-02", "until": "2026-01-01"}, "no span"),
        ({"since": "2020-01-01", "until": "2026-01-01"}, "no span"),
        ({"q": "あ" * 1000}, "too long"),
        ({"q": "a@example.com", "to": "b@example.com"}, "The field at the top says something else"),
        ({"q": "a@example.com", "id": "b"}, "The field at the top says something else"),
    ],
)
def test_a_slip_is_told_beside_its_field(browser: Browser, asked: dict[str, str], said: str) -> None:
    """What was typed is still there, and nothing was looked for."""
    seen = browser.get("/history", **asked)

    assert seen.status == 400
    problem = seen.soup.select_one(".field.wrong .problem")
    assert problem is not None
    assert said in problem.get_text()
    for name, value in asked.items():
        assert name == "status" or seen.form("/history")[name] == value


def test_nothing_found_says_where_else_to_look(browser: Browser) -> None:
    """What was sought is named, and an id that is in the outbox, or was not meant otherwise, is led to."""
    browser.write_failed("waits", subject="Waits")
    browser.write_sent("sent", subject="Gone")

    unsent = browser.get("/history", q="waits")
    assert "still in the outbox" in unsent.text
    assert unsent.soup.select_one('a[href="/mail?id=waits"]') is not None
    assert "the rest does not fit" in browser.get("/history", q="sent", tag="x").text
    assert "An address is searched for whole" in browser.get("/history", q="taro").text
    nobody = browser.get("/history", q="nobody@example.com", text="Hello")
    assert "Recipient, or id: nobody@example.com Part of the subject: Hello" in nobody.text
    assert nobody.soup.select_one('a[href="/?to=nobody%40example.com"]') is not None


def test_rows_nobody_wrote(browser: Browser, service) -> None:
    """Whatever stands in history by a hand's slip is shown as harmless text."""
    browser.write_sent("m", subject=HOSTILE, to='"<b>" <taro@example.com>')
    row = service.store.history["m"]
    for broken in (
        {"subject": 7, "to": ["a", {"b": b"x"}], "status": "SENT"},
        {"status": {"a": HOSTILE}, "tags": 5, "resent_as": 3, "cc": 7, "delivery_id": 12},
        {"subject": None, "to": None, "finished_at": row["finished_at"]},
    ):
        service.store.history["m"] = {**row, **broken}
        seen = browser.get("/history")
        assert seen.status == 200
        assert len(seen.soup.select("[data-row]")) == 1
        assert "<script>alert" not in seen.html
        assert "\u202e" not in seen.html


def test_a_viewer_is_offered_nothing_to_do(browser: Browser, viewer: Browser) -> None:
    """Whoever may look finds the same mails, without a way to send them."""
    browser.write_sent("m")

    assert "Send again" in browser.get("/history").text
    seen = viewer.get("/history")
    assert subjects(seen) == ["Hello"]
    assert "Send again" not in seen.text


def test_a_look_writes_nothing(browser: Browser, service) -> None:
    """Neither table changes when somebody searches."""
    browser.write_sent("m")
    before = repr((service.store.outbox, service.store.history))

    for asked in ({}, {"q": "m"}, {"q": "taro@example.com"}, {"q": "1"}, {"bounced": "1"}, {"since": "x"}):
        browser.get("/history", **asked)

    assert repr((service.store.outbox, service.store.history)) == before


@pytest.mark.parametrize("after", ["x", "e30", "W10", "[" * 500])
def test_a_token_of_another_list(browser: Browser, after: str) -> None:
    """A place in no list is told as a mistake."""
    browser.write_sent("m")

    assert browser.get("/history", after=after).status == 400


def test_a_page_reads_what_it_shows(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a long history only the rows of the page are read."""
    for number in range(100):
        browser.write_sent(f"m{number}")
    read: list[str] = []
    rows = MemoryStore.rows

    def counted(self, table, ids):
        read.extend(ids)
        return rows(self, table, ids)

    monkeypatch.setattr(MemoryStore, "rows", counted)
    browser.get("/history")

    assert len(read) <= 30


def test_days_are_told_in_both_zones(browser: Browser) -> None:
    """The days are those of UTC, and the page says when they begin for the viewer."""
    browser.client.cookies.set("outbox-zone", "Asia/Tokyo")
    browser.write_sent("m")
    browser.service.clock.forward(hours=1)

    seen = browser.get("/history")

    assert "begins at 09:00 of your time" in seen.text
    assert "2026-01-01 09:00:00 +09:00" in seen.text
