"""The addresses that get no mail are listed, looked up, lifted and added to."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from outbox.console.session import COOKIE
from outbox.core.errors import MissingSettings
from outbox.flows.find import Find
from outbox.flows.suppression import SuppressionList
from tests.console.conftest import Browser, Seen

TARO = "taro@example.com"
HOSTILE = "<script>alert(1)</script>\u202e"


def addresses(seen: Seen) -> list[str]:
    """Give the addresses of the list."""
    return [link.get_text() for link in seen.soup.select("[data-row] [data-key=open]")]


def is_suppressed(browser: Browser, email: str = TARO) -> bool:
    return bool(browser.desk.suppression.reasons([email]))


def wait(browser: Browser, mail_id: str = "waits", to: str = TARO) -> str:
    """Write a mail that waits because its address is suppressed."""
    browser.service.suppression = SuppressionList(browser.suppressions, browser.service.clock)
    return browser.write_sent(mail_id, to=to)


def test_an_empty_list(browser: Browser) -> None:
    """Nobody is suppressed, which is said."""
    assert "No address is on the list" in browser.get("/suppressed").text


def test_add_and_take_back(browser: Browser) -> None:
    """An address gets no mail from then on, in the person's name, and one button takes it back."""
    seen = browser.post("/suppressed/add", email=" Taro <TARO@Example.com>", reason="he said so", until="")

    assert is_suppressed(browser)
    entry = browser.suppressions.entries[TARO]
    assert (entry["suppressed_by"], entry["reason"]) == ("alice", "he said so")
    assert "gets no mail" in seen.text
    assert "without end" in seen.text
    undo = browser.submit(seen, "/suppressed/lift")
    assert not is_suppressed(browser)
    assert "gets mail again" in undo.text


def test_a_day_is_one_of_the_viewer(browser: Browser) -> None:
    """Until a day means until its end where the viewer is; without a reason the name is the reason."""
    browser.client.cookies.set("outbox-zone", "Asia/Tokyo")

    browser.post("/suppressed/add", email=TARO, reason="", until="2026-01-31")

    entry = browser.suppressions.entries[TARO]
    assert entry["suppressed_until"] == "2026-01-31T14:59:59.999Z"
    assert entry["reason"] == "added by alice"


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"email": ""}, "email"),
        ({"email": "a@example.com, b@example.com"}, "email"),
        ({"email": HOSTILE}, "email"),
        ({"reason": "x" * 501}, "reason"),
        ({"until": "2025-12-31"}, "until"),
        ({"until": "tomorrow"}, "until"),
        ({"until": "9999-99-99"}, "until"),
    ],
)
def test_a_slip_is_told_beside_its_field(browser: Browser, typed: dict[str, str], field: str) -> None:
    """Nobody is suppressed, and what was typed is still there."""
    fields = {"email": TARO, "reason": "why", "until": ""} | typed
    seen = browser.post("/suppressed/add", **fields)

    assert seen.status == 400
    problems = seen.soup.select(".field.wrong")
    assert [problem.select("input")[0]["name"] for problem in problems] == [field]
    assert seen.form("/suppressed/add") | fields == seen.form("/suppressed/add")
    assert browser.suppressions.entries == {}


def test_the_list_page_by_page(browser: Browser) -> None:
    """All addresses are found behind the link for more, each once."""
    for number in range(120):
        browser.desk.suppression.add(f"a{number}@example.com", "bob", "")

    seen, found = browser.get("/suppressed"), []
    for _ in range(4):
        found += addresses(seen)
        link = seen.soup.select_one("a[rel=next]")
        if link is None:
            break
        seen = browser.get(str(link["href"]))

    assert sorted(found) == sorted(f"a{number}@example.com" for number in range(120))


def test_what_is_known_of_an_address(browser: Browser) -> None:
    """Since when, until when, why and by whom; or that it gets mail; or that it was lifted."""
    browser.desk.suppression.add(TARO, "bob", "he said so", datetime(2026, 2, 1, tzinfo=UTC))

    told = browser.get("/suppressed", q="TARO@example.com").text
    for part in ("gets no mail", "2026-01-01 00:00:00", "2026-02-01 00:00:00", "he said so", "bob"):
        assert part in told
    assert "nothing is noted" in browser.get("/suppressed", q="hanako@example.com").text
    browser.desk.suppression.lift(TARO, "carol")
    told = browser.get("/suppressed", q=TARO).text
    assert "gets mail" in told
    assert "carol" in told
    browser.service.clock.forward(days=60)
    assert "carol" in browser.get("/suppressed").text
    assert browser.get("/suppressed", q="taro").status == 400


def test_lift(browser: Browser) -> None:
    """It asks first, says what was done, leaves what waits where it is, and can be taken back as it was."""
    end = browser.service.clock() + timedelta(days=7)
    browser.desk.suppression.add(TARO, "bob", "he said so", end)
    wait(browser)

    link = browser.get("/suppressed").soup.select_one("[data-row] .acts a")
    assert link is not None
    asked = browser.get(str(link["href"]))
    assert asked.soup.select_one('details[open] form[action="/suppressed/lift"]') is not None
    seen = browser.submit(asked, "/suppressed/lift")

    assert not is_suppressed(browser)
    assert browser.status("waits") == "FAILED"
    assert browser.suppressions.entries[TARO]["lifted_by"] == "alice"
    browser.submit(seen, "/suppressed/add")
    assert browser.desk.suppression.reasons([TARO])[TARO].endswith("until 2026-01-08T00:00:00.000Z: he said so")


def test_lift_and_send(browser: Browser) -> None:
    """What waits for the address goes, in the person's name, and nothing that waits for another."""
    for email in (TARO, "xtaro@example.com"):
        browser.desk.suppression.add(email, "bob", "")
    wait(browser)
    wait(browser, "more")
    wait(browser, "other", "xtaro@example.com")

    seen = browser.submit(browser.get("/suppressed", q=TARO), "/suppressed/lift", resend="1")
    browser.service.ring_until_quiet()

    assert any("go again: 2" in note for note in seen.notes)
    assert [browser.status(each) for each in ("waits", "more", "other")] == ["SENT", "SENT", "FAILED"]
    assert any(event["who"] == "alice" for event in browser.row("waits").timeline)


@pytest.mark.parametrize("change", [{"status": "UNKNOWN"}, {"status": "HELD"}, {"error": "rejected"}])
def test_lift_sends_only_what_still_waits(browser: Browser, monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    """A mail that somebody has dealt with since the list was read is left as it is, and counted."""
    browser.desk.suppression.add(TARO, "bob", "")
    wait(browser)
    listed = browser.desk.find.suppressed(TARO)
    monkeypatch.setattr(Find, "suppressed", lambda *_: listed)
    browser.service.store.edit("waits", **change)
    before = dict(browser.row("waits").item)

    seen = browser.submit(browser.get("/suppressed", q=TARO), "/suppressed/lift", resend="1")

    assert any("still in the outbox: 1" in note for note in seen.notes)
    assert browser.row("waits").item == before


def test_lift_with_more_waiting_than_somebody_waits_for(browser: Browser) -> None:
    """So many go at once; of the rest it is said that they are there."""
    browser.desk.suppression.add(TARO, "bob", "")
    for number in range(203):
        wait(browser, f"m{number}")

    seen = browser.submit(browser.get("/suppressed", q=TARO), "/suppressed/lift", resend="1")

    assert any("go again: 200" in note for note in seen.notes)
    assert any("still in the outbox: 3" in note for note in seen.notes)


def test_lift_somebody_who_is_not_suppressed(browser: Browser) -> None:
    """It says so and changes nothing; two people who lift at once are both answered."""
    seen = browser.post("/suppressed/lift", email=TARO)

    assert "was not suppressed" in seen.text
    assert browser.suppressions.entries == {}
    assert browser.post("/suppressed/lift", email="nobody").status == 400


def test_entries_nobody_wrote(browser: Browser) -> None:
    """Whatever a hand left in the table is shown as harmless text, and can be lifted."""
    browser.suppressions.put({"email": TARO})
    browser.suppressions.put({"email": "a@example.com", "reason": {"x": HOSTILE}, "suppressed_since": 7, "errors": "x"})
    browser.suppressions.put({"email": HOSTILE, "suppressed_until": HOSTILE, "suppressed_by": [HOSTILE, b"x"]})
    browser.suppressions.put({"email": "b@example.com", "errors": {"a": "b"}, "expires_at": 1})

    seen = browser.get("/suppressed")

    assert len(addresses(seen)) == 4
    assert "<script>alert" not in seen.html
    assert "\u202e" not in seen.html
    assert browser.get("/suppressed", q="a@example.com").status == 200
    browser.post("/suppressed/lift", email=TARO)
    assert not is_suppressed(browser)


def test_a_long_reason_does_not_overflow_the_cookie(browser: Browser) -> None:
    """What is kept for the way back fits into what browsers keep."""
    browser.desk.suppression.add(TARO, "bob", "理由" * 250)

    browser.post("/suppressed/lift", email=TARO)
    browser.desk.suppression.add(TARO, "bob", "理由" * 250)
    response = browser.client.post(
        "/suppressed/lift",
        data=browser.get("/suppressed", q=TARO).form("/suppressed/lift") | {"resend": "1"},
        follow_redirects=False,
    )

    cookie = next(each for each in response.headers.get_list("set-cookie") if each.startswith(COOKIE))
    assert len(cookie) < 4000


@pytest.mark.parametrize("path", ["/suppressed", "/suppressed?q=taro@example.com"])
def test_where_no_list_is_known(browser: Browser, path: str) -> None:
    """A console that was told of no list says so in plain words, whatever is asked of it."""

    def missing() -> Any:
        raise MissingSettings(["OUTBOX_SUPPRESSION_TABLE"], "is not set")

    object.__setattr__(browser.desk._beside, "suppressions", missing)
    seen = browser.get(path)

    assert seen.status == 501
    assert "was not told of a list" in seen.text
    assert "OUTBOX_SUPPRESSION_TABLE" in seen.text
    assert browser.post("/suppressed/lift", via="/suppressed", email=TARO).status == 501


def test_a_viewer_may_not(browser: Browser, viewer: Browser) -> None:
    """Whoever may look sees the list without buttons, and is refused."""
    browser.desk.suppression.add(TARO, "bob", "")
    seen = viewer.get("/suppressed")

    assert addresses(seen) == [TARO]
    assert not viewer.get("/suppressed", q=TARO, lift="1").has_form("/suppressed/lift")
    assert not seen.has_form("/suppressed/add")
    assert viewer.post("/suppressed/lift", email=TARO).status == 403
    assert viewer.post("/suppressed/add", email="a@example.com").status == 403
    assert list(browser.suppressions.entries) == [TARO]


def test_a_look_writes_nothing(browser: Browser) -> None:
    """Looking changes no entry."""
    browser.desk.suppression.add(TARO, "bob", "")
    before = repr(browser.suppressions.entries)

    browser.get("/suppressed", q=TARO, email=TARO, resend="1")

    assert repr(browser.suppressions.entries) == before
