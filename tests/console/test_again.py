"""A mail of history is sent again from its page: once for each decision, knowing what there is to know."""

import threading
from typing import Any

import pytest

from outbox import Attachment
from outbox.flows.again import links
from tests.console.conftest import Browser, Seen, fields_of

HOSTILE = "<script>alert(1)</script></textarea>\u202e"
ODD_ID = " 注文 1/2?a=b&c#d\"'<b> "


@pytest.fixture
def old(browser: Browser) -> str:
    """Give the id of a mail sent yesterday, with a copy and a file."""
    parts: dict[str, Any] = {"cc": ["cc@example.com"], "attachments": [Attachment("a.txt", b"a")]}
    browser.write_sent("order-42", subject="Your order", **parts)
    browser.service.clock.forward(days=1)
    return "order-42"


def made(browser: Browser) -> list[str]:
    """Give the ids of the mails made of it, as the old one names them."""
    return [link["id"] for link in links(browser.row("order-42"))]


def same(seen: Seen) -> dict[str, Any]:
    """Give the form that sends it to the same people."""
    return next(fields for fields in forms(seen) if "target" not in fields)


def other(seen: Seen, to: str) -> dict[str, Any]:
    """Give the form that sends it to another address."""
    return next(fields for fields in forms(seen) if "target" in fields) | {"to": to}


def forms(seen: Seen) -> list[dict[str, Any]]:
    """Give the fields of all forms that send it."""
    return [fields_of(form) for form in seen.soup.select('form[action="/mail/again"]')]


def test_to_the_same_people(browser: Browser, old: str) -> None:
    """One button makes a new mail with copies and files, in the person's name, and leads to it."""
    page = browser.get("/mail/again", id=old)
    assert "taro@example.com and one copy" in page.text
    assert "a.txt" in page.text

    done = browser.send("/mail/again", same(page))
    browser.service.ring_until_quiet()

    [new] = made(browser)
    assert done.url.endswith(f"/mail?id={new}")
    assert browser.row(new).item["timeline"][0]["who"] == "alice"
    assert [str(address.email) for address in browser.service.api.sent[1].cc] == ["cc@example.com"]
    assert browser.row(new).item["resend_of"] == old


def test_to_another_address(browser: Browser, old: str) -> None:
    """It goes there alone, without the copies, which the page says."""
    page = browser.get("/mail/again", id=old)
    assert "without the copies" in page.text

    browser.send("/mail/again", other(page, "Hanako <hanako@example.com>"))
    browser.service.ring_until_quiet()

    sent = browser.service.api.sent[1]
    assert (sent.to.email, sent.cc) == ("hanako@example.com", ())


@pytest.mark.parametrize("to", ["", "nobody", "a@b, c@d", HOSTILE])
def test_a_wrong_address_is_told_beside_the_field(browser: Browser, old: str, to: str) -> None:
    """Nothing is sent, and what was typed is still there."""
    seen = browser.send("/mail/again", other(browser.get("/mail/again", id=old), to))

    assert seen.status == 400
    problem = seen.soup.select_one(".field.wrong .problem")
    assert problem is not None
    assert other(seen, to) in forms(seen)
    assert made(browser) == []


def test_warnings_are_asked_about_first(browser: Browser) -> None:
    """Sent just now and came back: a question with all of it; a yes sends it to whom it was meant for."""
    browser.write_sent("order-42")
    browser.came_back("order-42", "taro@example.com", message=HOSTILE)
    asked = browser.send("/mail/again", same(browser.get("/mail/again", id="order-42")))

    assert asked.status == 409
    assert "sent only less than a minute ago" in asked.text
    assert "came back from taro@example.com" in asked.text
    assert "<script>alert" not in asked.html
    assert made(browser) == []

    browser.submit(asked, "/mail/again")
    assert len(made(browser)) == 1


def test_a_question_carries_what_was_typed(browser: Browser) -> None:
    """The yes is for that address, not for the old one."""
    browser.write_sent("order-42")
    page = browser.get("/mail/again", id="order-42")

    asked = browser.send("/mail/again", other(page, "hanako@example.com"))
    browser.submit(asked, "/mail/again")
    browser.service.ring_until_quiet()

    assert browser.service.api.sent[1].to.email == "hanako@example.com"


def test_both_forms_of_one_page_make_two_mails(browser: Browser, old: str) -> None:
    """To another address is another wish, also on a page that has sent it once: the warning is asked, and it goes."""
    page = browser.get("/mail/again", id=old)
    browser.send("/mail/again", same(page))

    asked = browser.send("/mail/again", other(page, "hanako@example.com"))
    assert "sent again already" in asked.text
    for _ in range(2):
        browser.submit(asked, "/mail/again")
    browser.service.ring_until_quiet()

    # Several threads send: in which order does not matter.
    assert sorted(mail.to.email for mail in browser.service.api.sent[1:]) == ["hanako@example.com", "taro@example.com"]
    assert len(made(browser)) == 2


@pytest.mark.parametrize("answer", ["", "confirmed"])
def test_a_double_click_makes_one_mail(browser: Browser, old: str, answer: str) -> None:
    """The same form sent twice leads to the same new mail, also when it said yes to a warning."""
    page = browser.get("/mail/again", id=old)
    form = same(page)
    if answer:
        browser.send("/mail/again", form)
        asked = browser.send("/mail/again", same(browser.get("/mail/again", id=old)))
        form = asked.form("/mail/again")
    before = len(made(browser))

    first = browser.send("/mail/again", form)
    second = browser.send("/mail/again", form)

    assert len(made(browser)) == before + 1
    assert first.url == second.url == f"http://127.0.0.1/mail?id={made(browser)[-1]}"


def test_two_clicks_at_the_same_moment_make_one_mail(browser: Browser, old: str) -> None:
    """Both read the mail as it was before; one note lets one through, and both lead to the one mail."""
    form = same(browser.get("/mail/again", id=old)) | {"confirmed": "1"}
    barrier, add = threading.Barrier(2), browser.service.store.add_linked
    urls: list[str] = []

    def together(*args: Any) -> None:
        if not barrier.broken:
            barrier.wait(5)
        add(*args)

    browser.service.store.add_linked = together
    threads = [threading.Thread(target=lambda: urls.append(browser.send("/mail/again", form).url)) for _ in range(2)]
    for thread in threads:
        thread.start()
    barrier_done = [thread.join(10) for thread in threads]

    assert barrier_done == [None, None]
    assert len(made(browser)) == 1
    assert urls == [f"http://127.0.0.1/mail?id={made(browser)[0]}"] * 2


def test_a_second_decision_is_asked_about(browser: Browser, old: str) -> None:
    """A form opened anew knows that it was sent again already, by whom and as what."""
    browser.send("/mail/again", same(browser.get("/mail/again", id=old)))
    page = browser.get("/mail/again", id=old)
    assert "Sent again already" in page.text

    asked = browser.send("/mail/again", same(page))

    assert asked.status == 409
    assert f"by alice, as {made(browser)[0]}" in asked.text
    assert len(made(browser)) == 1


def test_a_yes_is_for_what_was_told(browser: Browser) -> None:
    """Somebody else was quicker between question and yes: it is asked again, with the new warning."""
    browser.write_sent("order-42")
    asked = browser.send("/mail/again", same(browser.get("/mail/again", id="order-42")))
    browser.desk.again("order-42", "bob", confirmed=True)

    seen = browser.submit(asked, "/mail/again")

    assert seen.status == 409
    assert "by bob" in seen.text
    assert len(made(browser)) == 1
    browser.submit(seen, "/mail/again")
    assert len(made(browser)) == 2


def test_a_suppressed_recipient(browser: Browser, old: str) -> None:
    """It is said before and asked about; with the box ticked it goes this once."""
    browser.desk.suppression.add("taro@example.com", "bob", "he said so")
    page = browser.get("/mail/again", id=old)
    assert "taro@example.com is suppressed since" in page.text

    asked = browser.send("/mail/again", same(page))
    assert asked.status == 409
    assert "he said so" in asked.text
    browser.submit(asked, "/mail/again")

    assert [browser.row(each).item.get("send_anyway") for each in made(browser)] == ["taro@example.com"]


def test_a_box_ticked_at_once(browser: Browser, old: str) -> None:
    """Whoever ticks the box is not asked about the suppression again."""
    browser.desk.suppression.add("taro@example.com", "bob", "he said so")
    page = browser.get("/mail/again", id=old)

    assert "/mail?id=" in browser.send("/mail/again", same(page) | {"anyway": "1"}).url
    assert len(made(browser)) == 1


def test_another_suppressed_address(browser: Browser, old: str) -> None:
    """An address that is typed is looked up as well."""
    browser.desk.suppression.add("hanako@example.com", "bob", "she said so")

    asked = browser.send("/mail/again", other(browser.get("/mail/again", id=old), "Hanako@Example.com"))

    assert asked.status == 409
    assert "she said so" in asked.text


def test_where_no_list_is_known(browser: Browser, old: str) -> None:
    """Without a suppression list it is sent as it is."""
    from outbox.core.errors import MissingSettings

    def missing() -> Any:
        raise MissingSettings(["OUTBOX_SUPPRESSION_TABLE"], "is not set")

    object.__setattr__(browser.desk._beside, "suppressions", missing)
    browser.send("/mail/again", same(browser.get("/mail/again", id=old)))

    assert len(made(browser)) == 1


def test_an_unsent_mail_is_edited_instead(browser: Browser) -> None:
    """It is where it can be corrected, and the page leads there; sending it from here does nothing."""
    browser.write_failed("m")
    page = browser.get("/mail/again", id="m")

    assert "has not left the outbox" in page.text
    assert page.soup.select_one('a[href="/mail/edit?id=m"]') is not None
    assert not page.has_form("/mail/again")
    assert browser.post("/mail/again", id="m").status == 409
    assert len(browser.service.store.outbox) == 1


def test_what_cannot_be_sent_again(browser: Browser, old: str) -> None:
    """A mail that was forgotten, whose files are gone, or that nobody knows, is told of as what it is."""
    assert browser.get("/mail/again", id="nobody").status == 404
    browser.service.files.objects.clear()
    assert browser.post("/mail/again", id=old).status == 404
    browser.service.store.history[old]["forgotten_at"] = "2026-01-01T00:00:00.000Z"
    page = browser.get("/mail/again", id=old)
    assert "Nothing can be made of this mail" in page.text
    assert not page.has_form("/mail/again")
    assert browser.post("/mail/again", id=old).status == 409
    assert made(browser) == []


def test_a_mail_a_hand_has_broken(browser: Browser, old: str) -> None:
    """Its page can be drawn, and what is wrong with it is told when it is sent."""
    browser.service.store.history[old] |= {
        "cc": HOSTILE, "to": ["taro@example.com"], "attachments": [7, {"x": HOSTILE}], "resent_as": [3, {"id": HOSTILE}]
    }  # fmt: skip
    page = browser.get("/mail/again", id=old)

    assert page.status == 200
    assert "<script>alert" not in page.html
    seen = browser.send("/mail/again", same(page) | {"confirmed": "1"})
    assert seen.status == 400
    assert "No mail can be made of it" in seen.text
    assert browser.service.store.outbox == {}


def test_an_odd_id_and_hostile_words(browser: Browser) -> None:
    """Ids with blanks at their ends and signs of HTML and addresses go through page, form and question."""
    browser.write_sent(ODD_ID, subject=HOSTILE)
    page = browser.get("/mail/again", id=ODD_ID)
    assert "<script>alert" not in page.html
    assert same(page)["id"] == ODD_ID

    asked = browser.send("/mail/again", same(page))
    browser.submit(asked, "/mail/again")

    assert len(links(browser.row(ODD_ID))) == 1


def test_a_viewer_may_not(browser: Browser, viewer: Browser, old: str) -> None:
    """Whoever may look has no button, and is refused without one."""
    page = viewer.get("/mail/again", id=old)

    assert "You may look, not act" in page.text
    assert not page.has_form("/mail/again")
    assert viewer.post("/mail/again", id=old).status == 403
    assert made(browser) == []


def test_a_look_writes_nothing(browser: Browser, old: str) -> None:
    """Opening the page, also with an answer in its address, changes nothing."""
    before = repr((browser.service.store.outbox, browser.service.store.history))

    browser.get("/mail/again", id=old, confirmed="1", to="a@example.com", target="other")

    assert repr((browser.service.store.outbox, browser.service.store.history)) == before


def test_in_japanese(browser: Browser, old: str) -> None:
    """The page and its warnings speak Japanese."""
    browser.client.headers["accept-language"] = "ja"
    browser.send("/mail/again", same(browser.get("/mail/again", id=old)))
    asked = browser.send("/mail/again", same(browser.get("/mail/again", id=old)))

    assert "再送" in asked.text
    assert "It was sent again already" not in asked.text
    assert "すでに2026-01-02 00:00:00 +00:00にaliceが再送しています" in asked.text
