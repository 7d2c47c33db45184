"""The first page: how it stands, and the list of the outbox with its filter."""

from datetime import timedelta

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from outbox.adapters.batch_read import TablesBusy
from outbox.core.errors import MissingSettings, Rejected
from outbox.core.message import Message
from outbox.core.rate import Rate
from tests.conftest import make_mail
from tests.console.conftest import Browser, Seen


def rows(seen: Seen) -> list[str]:
    """Give the subjects a list shows, in its order."""
    return [" ".join(link.get_text().split()) for link in seen.soup.select("tr[data-row] a[data-key=open]")]


def card(seen: Seen, name: str) -> str:
    found = seen.soup.select_one(f".card-{name} .number")
    assert found is not None
    return found.get_text(strip=True)


def test_the_failed_mail_is_on_the_first_page(browser: Browser) -> None:
    """Who opens the console sees what failed and why, and the way to correct it, without a click."""
    browser.write_failed("m1", to="hanako@exampel.com", subject="Your ticket")

    seen = browser.get("/")

    assert rows(seen) == ["Your ticket"]
    assert "The mail API refused it: to: invalid format. (400)" in seen.text
    assert "hanako@exampel.com" in seen.text
    edit = seen.soup.select_one("tr[data-row] a[data-key=e]")
    assert edit is not None
    assert edit["href"] == "/mail/edit?id=m1"
    assert seen.form("/mail/resend")["id"] == "m1"


def test_an_empty_outbox_is_good_news(browser: Browser) -> None:
    """Nothing to do is said as such."""
    seen = browser.get("/")

    assert seen.status == 200
    assert "No mail needs you." in seen.text
    assert not seen.soup.select("table")


def test_the_counts_lead_to_their_lists(browser: Browser) -> None:
    """Each state that needs a person has its number, and so has what waits; each is a link to just these."""
    browser.write_failed("f1")
    browser.write_failed("f2")
    browser.write_unknown("u1", subject="in doubt")
    browser.write_held("h1")
    browser.write_later("w1", subject="later")

    seen = browser.get("/")

    assert [card(seen, name) for name in ("failed", "unknown", "held", "later")] == ["2", "1", "1", "1"]
    links = {str(link["href"]).partition("&")[0] for link in seen.soup.select(".cards a")}
    assert {"/?state=failed", "/?state=unknown", "/?state=held", "/?state=underway"} <= links
    unknown, later = (seen.soup.select_one(f"#card-{name}") for name in ("unknown", "later"))
    assert unknown is not None
    assert later is not None
    assert rows(browser.get(str(unknown["href"]))) == ["in doubt"]
    assert rows(browser.get(str(later["href"]))) == ["later"]


def test_the_part_that_refreshes_itself(browser: Browser) -> None:
    """What is fetched again and again is the overview alone, and holds nothing anybody types into."""
    page, part = browser.get("/"), browser.get("/overview")

    section = part.soup.select_one("#overview")
    assert section is not None
    assert (section["hx-get"], section["hx-trigger"]) == ("/overview", "tick from:body")
    assert not part.soup.select("html, main, input[type=text], textarea")
    assert page.soup.select_one("#overview") is not None
    reason = page.soup.select_one("input[name=reason]")
    assert reason is not None
    assert reason.find_parent(id="overview") is None


def test_the_rate_is_told(browser: Browser) -> None:
    """What left the outbox and what may go at the most stand there, and the first also where no rate is known."""
    browser.rate = Rate(500, 5)
    seen = browser.get("/")

    assert "at most 500 may be sent" in seen.text
    assert seen.soup.select_one("meter") is None

    unrated = Browser(browser.service, rate=None).get("/")

    assert unrated.status == 200
    assert "left the outbox in the last minute" in unrated.text


def test_filters(browser: Browser) -> None:
    """State, error, recipient, subject, tag and a part of the reason narrow the list, together."""
    browser.write_failed("m1", to="taro@example.com", subject="Order 1", tags=["a"])
    browser.write_failed("m2", to="hanako@example.org", subject="Order 2", tags=["b"])
    browser.write_held("m3", to="taro@example.com", subject="Invoice 3")

    assert sorted(rows(browser.get("/"))) == ["Invoice 3", "Order 1", "Order 2"]
    assert rows(browser.get("/", state="held")) == ["Invoice 3"]
    assert rows(browser.get("/", state="FAILED", to="example.org")) == ["Order 2"]
    assert rows(browser.get("/", subject="order", tag="a")) == ["Order 1"]
    assert rows(browser.get("/", error="held")) == ["Invoice 3"]
    assert rows(browser.get("/", text="look first")) == ["Invoice 3"]
    assert rows(browser.get("/", to="taro", error="refused", tag="b")) == []
    assert "Nothing here fits the filter." in browser.get("/", to="nobody").text


def test_what_waits(browser: Browser) -> None:
    """The mails that wait for their time are a list of their own, the next due first."""
    browser.write_failed("f1", subject="failed")
    browser.write_later("w2", 48, subject="in two days")
    browser.write_later("w1", 24, subject="tomorrow")

    seen = browser.get("/", state="underway")

    assert rows(seen) == ["tomorrow", "in two days"]
    assert "Scheduled for" in seen.text
    assert rows(browser.get("/", state="pending")) == []


def test_a_span_in_the_zone_of_the_viewer(browser: Browser) -> None:
    """A day is one of the viewer's, its last moment included."""
    browser.service.clock.forward(hours=20)
    browser.write_failed("m1", subject="on the second in Tokyo")
    browser.client.cookies.set("outbox-zone", "Asia/Tokyo")

    assert rows(browser.get("/", since="2026-01-02", until="2026-01-02")) == ["on the second in Tokyo"]
    assert rows(browser.get("/", since="2026-01-03")) == []
    assert rows(browser.get("/", until="2026-01-01")) == []
    assert rows(browser.get("/", since="2026-01-02T04:00", until="2026-01-02T05:30:10")) == ["on the second in Tokyo"]


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("state", "sent", "There is no such state."),
        ("state", "<script>", "There is no such state."),
        ("since", "yesterday", "Neither a day"),
        ("until", "2026-02-31", "Neither a day"),
        ("since", "0001-01-01T00:00", "Neither a day"),
        ("until", "99999-01-01", "Neither a day"),
    ],
)
def test_a_filter_nobody_can_read(browser: Browser, field: str, value: str, told: str) -> None:
    """It is told beside its field and left out; the rest of the page is as it would be without it."""
    browser.client.cookies.set("outbox-zone", "Asia/Tokyo")
    browser.write_failed("m1", subject="still here")

    seen = browser.get("/", to="taro", **{field: value})

    assert seen.status == 400
    wrong = seen.soup.select(".field.wrong")
    assert [told in part.get_text() for part in wrong] == [True]
    assert wrong[0].select_one(f"[name={field}]") is not None
    assert rows(seen) == ["still here"]
    assert not [form for form in seen.soup.find_all("form") if form.select("input[name=all]")]


def test_an_end_before_the_beginning(browser: Browser) -> None:
    """It is told beside the end."""
    seen = browser.get("/", since="2026-01-02", until="2026-01-01")

    assert (seen.status, "The end is before the beginning." in seen.text) == (400, True)


def test_pages(browser: Browser) -> None:
    """The list goes on page by page under the same filter, without a gap and without a double."""
    for number in range(60):
        browser.write_failed(f"m{number}", subject=f"mail {number}")
        browser.service.clock.forward(seconds=1)
    found: list[str] = []
    seen = browser.get("/", state="failed")
    while True:
        found += rows(seen)
        link = seen.soup.select_one("nav.pages a[rel=next]")
        if link is None:
            break
        assert "state=failed" in str(link["href"])
        seen = browser.get(str(link["href"]))

    assert found == [f"mail {number}" for number in reversed(range(60))]
    assert seen.soup.find("a", string="First page") is not None


def test_a_place_that_is_none(browser: Browser) -> None:
    """An address somebody has cut off is told, not answered with an error of ours."""
    for after in ("x", "e30", "\x00"):
        assert browser.get("/", after=after).status == 400


def test_a_filter_that_finds_few(browser: Browser) -> None:
    """When so many rows were looked at that the page must end, it says so and leads on."""
    for number in range(1100):
        browser.service.outbox.enqueue(make_mail(to="no@example.com"), idempotency_key=f"m{number}")
    browser.service.api.answer = refuse
    browser.service.deliver()

    seen = browser.get("/", to="taro")

    assert rows(seen) == []
    assert "1,000 rows were looked at; there are more to look through." in seen.text
    assert seen.soup.select_one("nav.pages a[rel=next]") is not None


def refuse(_: object) -> None:
    message = Message("answer-said", said="to: invalid format.", status=400)
    raise Rejected(message)


def test_a_viewer_sees_and_cannot_act(viewer: Browser) -> None:
    """Who may only look gets the same list without a box, a button or a form that would act."""
    viewer.write_failed("m1", subject="look at me")

    seen = viewer.get("/")

    assert rows(seen) == ["look at me"]
    assert not seen.soup.select("input[type=checkbox], a[data-key=e]")
    posts = [form.get("action") for form in seen.soup.find_all("form") if form.get("method") == "post"]
    assert set(posts) <= {"/language", "/sign-out", "/settings"}
    assert viewer.post("/line/pause", reason="no").status == 403
    assert viewer.post("/line/resume").status == 403


def test_hostile_mails(browser: Browser) -> None:
    """Nothing in a mail becomes a part of the page or reorders it."""
    browser.write_failed(
        "<b>/?&\"'#日本語 \u202e",
        subject='"><script>alert(1)</script>\u202e',
        to='"</td><img src=x>" <taro@example.com>',
    )
    item = browser.service.store.outbox["<b>/?&\"'#日本語 \u202e"]
    item["reason"] = "</table><script>alert(2)</script>\u202e\n" + "x" * 5000

    seen = browser.get("/")

    assert not seen.soup.select("tr script, tr img")
    assert "\u202e" not in seen.text
    box = seen.soup.select_one("input[name=ids]")
    assert box is not None
    assert len(seen.html) < 40_000


def test_rows_of_wrong_types(browser: Browser) -> None:
    """Whatever a hand has put on a row, the list shows it."""
    for number, wrong in enumerate([12, ["a", 3], {"a": b"x"}, None, b"\xff", True]):
        mail_id = browser.write_failed(f"m{number}")
        item = browser.service.store.outbox[mail_id]
        item |= {"to": wrong, "subject": wrong, "reason": wrong, "error": wrong, "tags": wrong, "status": wrong}

    seen = browser.get("/")

    assert seen.status == 200
    assert len(seen.soup.select("tr[data-row]")) == 6


def test_nothing_is_written(browser: Browser) -> None:
    """Looking changes nothing, whatever is asked."""
    browser.write_failed("m1")
    before, items = repr(browser.service.store.outbox), repr(browser.service.register.items)

    for query in ({}, {"state": "underway"}, {"state": "x"}, {"to": "taro", "tick": "all"}):
        browser.get("/", **query)
    browser.get("/overview")

    assert (repr(browser.service.store.outbox), repr(browser.service.register.items)) == (before, items)


def test_all_boxes_are_ticked_by_a_link(browser: Browser) -> None:
    """Without a script, too, a whole page can be ticked."""
    browser.write_failed("m1")
    browser.write_failed("m2")

    link = browser.get("/", state="failed").soup.find("a", string="Tick all on this page")
    assert link is not None
    seen = browser.get(str(link["href"]))  # type: ignore[index]

    assert len(seen.soup.select("input[name=ids][checked]")) == 2


def test_what_a_row_offers(browser: Browser) -> None:
    """A failed mail can be edited or sent again from the list, one that was put aside released."""
    browser.write_failed("f1")
    browser.write_held("h1")

    seen = browser.get("/")

    assert seen.form("/mail/resend")["id"] == "f1"
    assert seen.form("/mail/release")["id"] == "h1"
    assert {str(link["href"]) for link in seen.soup.select("a[data-key=e]")} == {"/mail/edit?id=f1", "/mail/edit?id=h1"}


def test_in_japanese(browser: Browser) -> None:
    """The page and the reason speak the viewer's language."""
    browser.client.headers["accept-language"] = "ja"
    browser.write_failed("m1")
    browser.write_unknown("m2")

    seen = browser.get("/")

    assert "メールAPIに拒否されました: 「to: invalid format.」(400)" in seen.text
    assert "送信された可能性があります: メールAPIから30秒以内に応答がありませんでした(ReadTimeout)。" in seen.text
    assert "要確認のメール" in seen.text


def test_the_oldest_unsent(browser: Browser) -> None:
    """How long the oldest mail has been unsent stands there."""
    browser.write_failed("m1")
    browser.service.clock.forward(seconds=timedelta(hours=5).total_seconds())

    assert "5 hours ago" in card(browser.get("/"), "oldest")


def test_a_page_reads_what_it_shows(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a thousand failed mails no row is read, and of the index a page's worth besides the bounded counts."""
    for number in range(1000):
        browser.service.outbox.enqueue(make_mail(), idempotency_key=f"m{number}")
    browser.service.api.answer = refuse
    browser.service.deliver()
    store, read = browser.service.store, []
    for name in ("get", "get_finished", "rows", "by_lane", "by_problem", "every"):
        monkeypatch.setattr(store, name, lambda *_args, name=name, **_more: read.append(name))
    entries = store.entries

    def counted(*args, **more):
        found = entries(*args, **more)
        if args[:2] == ("problems", "FAILED"):
            read.append(len(found))
        return found

    monkeypatch.setattr(store, "entries", counted)
    seen = browser.get("/", state="failed")

    assert len(rows(seen)) == 25
    assert sorted(read) == [5, 26, 251]


def test_buttons_that_would_not_help(browser: Browser) -> None:
    """A suppressed mail, or one that may have been sent, is decided on its own page, where that is told."""
    browser.desk.suppression.add("gone@example.com", "bob", "moved")
    browser.service.suppression = browser.desk.suppression
    browser.write("s1", to="gone@example.com")
    browser.service.deliver()
    browser.write_unknown("u1")
    browser.service.support.hold("u1", "bob")

    seen = browser.get("/")

    states = [row.get_text(" ", strip=True) for row in seen.soup.select("tr[data-row] .state")]
    assert sorted(states) == ["FAILED", "HELD"]
    assert not seen.has_form("/mail/resend")
    assert not seen.has_form("/mail/release")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            ClientError({"Error": {"Code": "X", "Message": "<slow> down"}}, "GetItem"),
            "AWS refused GetItem: <slow> down",
        ),
        (EndpointConnectionError(endpoint_url="https://x"), "AWS is out of reach"),
        (TablesBusy(), "AWS refused BatchGetItem: The tables are too busy"),
        (MissingSettings("OUTBOX_CONTROL_TABLE", "OUTBOX_CONTROL_TABLE"), "OUTBOX_CONTROL_TABLE"),
    ],
)
def test_the_list_needs_the_outbox_alone(browser: Browser, error: Exception, told: str) -> None:
    """What keeps the state of the service from being read is told in its place, which goes on to ask."""
    browser.write_failed("m1", subject="Your ticket")

    def away(_name: str) -> None:
        raise error

    browser.service.register.get = away  # type: ignore[method-assign, assignment]
    for seen in (browser.get("/"), browser.get("/overview")):
        section = seen.soup.select_one("#overview")
        assert section is not None
        assert section["hx-get"] == "/overview"
        assert "How it stands cannot be read just now: " in section.get_text()
        assert told in section.get_text()
        assert seen.status == 200
    assert rows(browser.get("/")) == ["Your ticket"]
