"""A mail is corrected in a form: nothing is rewritten that was not touched, and every rule stands beside its field."""

from typing import Any

import pytest

from outbox import Attachment
from tests.console.conftest import Browser
from tests.console.forms import SEND, event, problems, save

ODD_ID = " 注文 1/2?a=b&c#d\"'<b> "
HOSTILE = "</textarea><script>alert(1)</script>"


def test_three_clicks_and_one_edit(browser: Browser) -> None:
    """From the list to the mail, to the form, and sent with the wrong address put right."""
    browser.write_failed("m", to="wrong@example.com")

    done = save(browser, to="right@example.com", send=True)
    assert done.notes == ["Saved. It goes within moments."]
    browser.service.deliver()

    assert browser.status("m") == "SENT"
    assert browser.service.api.sent[0].to.email == "right@example.com"
    edited, again = browser.row("m").timeline[2:4]
    assert (edited["who"], edited["changes"]) == ("alice", {"to": ["wrong@example.com", "right@example.com"]})
    assert (again["who"], again["what"]) == ("alice", "resent")


def test_saved_and_not_sent(browser: Browser) -> None:
    """Without sending a failed mail stays where it is, and that is said."""
    browser.write_failed("m")

    done = save(browser, subject="Better")

    assert browser.status("m") == "FAILED"
    assert browser.row("m").item["subject"] == "Better"
    assert "It is still FAILED and does not go by itself" in done.notes[0]
    assert event(browser)["what"] == "edited"


def test_each_state_is_told_what_becomes_of_it(browser: Browser) -> None:
    """Held stays held, what waits goes at its time with the new content, what is pending goes."""
    browser.write_held("held")
    browser.write_later("later", hours=2)
    browser.write("pending")

    assert "stays HELD" in save(browser, "held", subject="x").notes[0]
    assert "It goes at 2026-01-01 02:00:00 +00:00" in save(browser, "later", subject="x").notes[0]
    assert "within moments" in save(browser, "pending", subject="x").notes[0]
    assert [browser.status(name) for name in ("held", "later", "pending")] == ["HELD", "WAITING", "PENDING"]


def test_all_fields_are_written_as_rows_hold_them(browser: Browser) -> None:
    """Lists by line and by comma, codes by line, a box ticked: each in its form on the row."""
    browser.write_failed("m")

    save(
        browser,
        to="Hanako <hanako@example.com>",
        cc='"Yamada, Taro" <t@example.com>, Jiro <j@example.com>\r\nYamada, Goro <g@example.com>',
        bcc="b@example.com;c@example.com、d@example.com",
        reply_to="re@example.com",
        text="\r\nfirst\r\n\r\nlast\r\n",
        html="<p>x</p>",
        insert_code="name=Taro\r\nline=one\r\n two\r\nempty=",
        tags="spring\r\n a, b \r\n",
        urgent="yes",
    )

    item = browser.row("m").item
    assert item["to"] == "Hanako <hanako@example.com>"
    assert item["cc"] == ['"Yamada, Taro" <t@example.com>', "Jiro <j@example.com>", '"Yamada, Goro" <g@example.com>']
    assert item["bcc"] == ["b@example.com", "c@example.com", "d@example.com"]
    assert item["text"] == "\nfirst\n\nlast\n"
    assert item["insert_code"] == {"name": "Taro", "line": "one\ntwo", "empty": ""}
    assert item["tags"] == ["spring", "a, b"]
    assert item["urgent"] is True
    assert (item["reply_to"], item["html"]) == ("re@example.com", "<p>x</p>")


def test_fields_are_cleared(browser: Browser) -> None:
    """An emptied field is taken from the mail."""
    browser.write_failed(
        "m", cc=["a@example.com"], reply_to="r@example.com", tags=["a"], html="<p>", insert_code={"a": "b"}, urgent=True
    )
    page = browser.get("/mail/edit", id="m")
    fields = page.form("/mail/edit") | {
        "cc": "",
        "reply_to": "",
        "tags": "",
        "html": "",
        "insert_code": "",
        "text": "t",
    }
    del fields["urgent"]

    assert browser.send("/mail/edit", fields).status == 200

    item = browser.row("m").item
    assert not item.keys() & {"cc", "reply_to", "tags", "html", "insert_code"}
    assert item["urgent"] is False


UNTOUCHED: list[dict[str, Any]] = [
    {"text": "one\r\ntwo\r\n"}, {"text": "one\rtwo"}, {"text": "\n\nx"}, {"text": " x \t"}, {"text": "\r\n"},
    {"cc": ["Yamada, Taro <t@example.com>"]}, {"cc": {"b@example.com", "a@example.com"}}, {"tags": {"b", "a"}},
    {"tags": ["a, b", " c "]}, {"insert_code": {"a": "1\r\n2", "b": "\n\n", "c": "x=y"}}, {"html": HOSTILE},
    {"subject": "  blanks  "}, {"subject": "a\u200bb\u202ec"}, {"cc": []}, {"cc": None}, {"reply_to": ""},
    {"insert_code": {}}, {"text": "&amp; &lt; \"'"}, {"note": 7},
]  # fmt: skip


@pytest.mark.parametrize("attributes", UNTOUCHED)
def test_what_was_not_touched_is_not_rewritten(browser: Browser, attributes: dict[str, Any]) -> None:
    """Line ends, blanks, sets and quotes stay as they were when another field is saved."""
    browser.write_failed("m")
    browser.service.store.put({**browser.service.store.get("m"), **attributes})

    done = save(browser, to="jiro@example.com")

    assert done.status == 200, done.text
    assert {name: browser.row("m").item.get(name) for name in attributes} == attributes
    assert list(event(browser)["changes"]) == ["to"]


def test_line_ends_stay_of_their_kind(browser: Browser) -> None:
    """A text of another system's line ends keeps them where one word of it is changed."""
    browser.write_failed("m", text="one\r\ntwo\r\n", insert_code={"a": "1\r\n2", "b": "1\n2"})

    save(browser, text="one\r\nthree\r\n", insert_code="a=1\r\n 3\r\nb=1\r\n 3")

    assert browser.row("m").item["text"] == "one\r\nthree\r\n"
    assert browser.row("m").item["insert_code"] == {"a": "1\r\n3", "b": "1\n3"}


def test_nothing_changed(browser: Browser) -> None:
    """A form that was only looked at writes nothing."""
    browser.write_failed("m")
    writes = len(browser.service.store.changes)

    done = save(browser)

    assert done.notes == ["Nothing was changed."]
    assert len(browser.service.store.changes) == writes


def test_sent_again_unchanged(browser: Browser) -> None:
    """Save and send without a change sends it again as it is."""
    browser.write_failed("m")

    save(browser, send=True)

    assert browser.status("m") == "PENDING"
    assert [each["what"] for each in browser.row("m").timeline][-2:] == ["failed", "resent"]


def test_a_value_of_the_wrong_type_is_put_right(browser: Browser) -> None:
    """It is shown as text, said to be wrong, and saved as what is seen."""
    browser.write_failed("m")
    browser.service.store.edit(
        "m", subject=7, to=["taro@example.com"], text=b"bytes", urgent="yes", cc="cc@example.com"
    )
    page = browser.get("/mail/edit", id="m")
    fields = page.form("/mail/edit")

    assert (fields["subject"], fields["to"], fields["text"], fields["cc"]) == (
        "7",
        "taro@example.com",
        "bytes",
        "cc@example.com",
    )
    assert page.text.count("saving puts right what you see here") == 5
    done = browser.send("/mail/edit", fields | dict([SEND]))
    assert done.status == 200, done.text

    item = browser.row("m").item
    assert (item["subject"], item["to"], item["text"], item["urgent"]) == ("7", "taro@example.com", "bytes", False)
    assert item["cc"] == ["cc@example.com"]


@pytest.mark.parametrize("value", ["a\nb", "a\u0000b", "\ud800"])
def test_a_subject_no_field_can_show_is_put_right(browser: Browser, value: str) -> None:
    """What a browser would not give back is replaced by what it shows."""
    browser.write_failed("m")
    browser.service.store.edit("m", subject=value)

    assert save(browser, to="jiro@example.com").status == 200
    assert browser.row("m").item["subject"] in ("a b", "a\ufffdb", "\ufffd")


def test_all_problems_at_once_beside_their_fields(browser: Browser) -> None:
    """Every wrong field says why, everything typed stays, nothing is saved."""
    browser.write_failed("m")
    before = dict(browser.row("m").item)
    typed = {
        "to": "nobody", "cc": "a@example.com\r\nnope", "bcc": "b@example.com\r\n" * 11, "reply_to": "x@",
        "subject": "s" * 257, "text": "t" * 40_000, "html": "h" * 80_000, "insert_code": "a b=1\r\nno code",
        "tags": "t" * 101, "schedule": "2020-01-01T00:00",
    }  # fmt: skip

    page = save(browser, send=True, **typed)

    assert page.status == 400
    assert browser.row("m").item == before
    found = problems(page)
    assert found.keys() == typed.keys()
    assert "nope: is not one address" in found["cc"]
    assert "11 addresses; at most 10" in found["bcc"]
    assert "257 characters" in found["subject"]
    assert "has passed" in found["schedule"]
    assert "line 2 is not NAME=VALUE" in found["insert_code"]
    links = [link["href"] for link in page.soup.select(".note.error a")]
    assert links[0] == "#to"
    assert all(page.soup.select_one(str(link)) for link in links)
    assert {name: page.form("/mail/edit")[name] for name in typed} == typed
    right = {
        "to": "t@example.com",
        "cc": "",
        "bcc": "",
        "reply_to": "",
        "subject": "s",
        "text": "t",
        "html": "",
        "tags": "",
    }
    assert browser.submit(page, "/mail/edit", schedule="", insert_code="", **right).status == 200


def test_neither_text_nor_html(browser: Browser) -> None:
    """It stands beside the text."""
    browser.write_failed("m")

    assert "both are empty" in problems(save(browser, text="", html=""))["text"]


def test_what_is_wrong_with_no_field_stands_at_the_top(browser: Browser) -> None:
    """A part that the form does not have is named with its rule."""
    browser.write_failed("m")
    browser.service.store.edit("m", attachments=["x"], encoding=["x"])

    page = save(browser, subject="x")

    assert page.status == 400
    assert "attachments[0]: must be a map, not text" in page.notes[0]
    assert "encoding: must be text, not a list" in page.notes[0]


def test_problems_in_japanese(browser: Browser) -> None:
    """The rules are told in the viewer's language."""
    browser.write_failed("m")
    browser.client.headers["accept-language"] = "ja"

    found = problems(save(browser, subject="", cc="nope", insert_code="x", schedule="2020-01-01T00:00"))

    assert found.keys() == {"subject", "cc", "insert_code", "schedule"}
    assert not [rule for rule in found.values() if "is " in rule or "has " in rule]


def test_a_hostile_mail_in_the_form(browser: Browser) -> None:
    """What a mail says stays inside of its field and comes back as it was."""
    browser.write_failed(ODD_ID, subject=HOSTILE, text=f"\n{HOSTILE}\u202e", html=HOSTILE, tags=[HOSTILE])

    page = browser.get("/mail/edit", id=ODD_ID)

    assert len(page.soup.select("script")) == 2
    fields = page.form("/mail/edit")
    assert fields["text"] == f"\r\n{HOSTILE}\u202e"
    assert fields["subject"] == HOSTILE
    assert fields["id"] == ODD_ID
    assert "style=" not in page.html


def test_a_large_japanese_text(browser: Browser) -> None:
    """A field of many bytes arrives, and is told to be too long."""
    browser.write_failed("m")

    page = save(browser, text="あ" * 400_000)

    assert page.status == 400
    assert "1200000 bytes" in problems(page)["text"]
    assert page.form("/mail/edit")["text"] == "あ" * 400_000


def test_texts_in_the_bucket(browser: Browser) -> None:
    """What fits a form is shown and, untouched, not copied onto the row; what does not fit stays out of it."""
    browser.write_failed("m", text="Hello", html="<p>x</p>", insert_code={"a": "あ\n" * 200_000})
    page = browser.get("/mail/edit", id="m")

    assert page.form("/mail/edit")["text"] == "Hello"
    assert page.form("/mail/edit")["insert_code"] == ""
    assert "too long for a form" in page.text
    assert browser.submit(page, "/mail/edit", subject="Better").status == 200
    assert not browser.row("m").item.keys() & {"text", "html", "insert_code"}
    save(browser, text="New")
    assert browser.row("m").item["text"] == "New"
    refused = save(browser, html="")
    assert "lies in the bucket" in problems(refused)["html"]


def test_texts_out_of_reach(browser: Browser) -> None:
    """A bucket that lost them is told; the other fields can be saved, and the texts be replaced."""
    browser.write_failed("m", insert_code={"a": "x" * 300_000})
    browser.service.files.objects.clear()
    page = browser.get("/mail/edit", id="m")

    assert "is not in the bucket any more" in page.notes[0]
    assert browser.submit(page, "/mail/edit", text="New", subject="Better").status == 200
    assert (browser.row("m").item["text"], browser.row("m").item["subject"]) == ("New", "Better")


def test_who_may_only_look(browser: Browser, viewer: Browser) -> None:
    """No form for those who may look, and no save either."""
    browser.write_failed("m")

    page = viewer.get("/mail/edit", id="m")

    assert page.status == 403
    assert not page.has_form("/mail/edit")
    assert page.soup.select('a[href="/mail?id=m"]')
    assert viewer.post("/mail/edit", id="m", subject="x").status == 403
    assert browser.row("m").item["subject"] == "Hello"


def test_no_form_for_what_cannot_be_edited(browser: Browser) -> None:
    """A sent mail, and one in doubt, lead back to the mail."""
    browser.write_sent("sent")
    browser.write_unknown("unknown")

    for name in ("sent", "unknown"):
        page = browser.get("/mail/edit", id=name)
        assert page.status == 409
        assert not page.has_form("/mail/edit")
    assert browser.get("/mail/edit", id="nowhere").status == 404


def test_a_mail_in_doubt_is_sent_only_by_a_tick(browser: Browser) -> None:
    """Saving it needs none; sending it does, now as well as later."""
    browser.write_unknown("m")
    browser.service.support.hold("m", "bob")

    for typed in ({"subject": "x"}, {"schedule": "2026-01-05T00:00"}):
        page = save(browser, send="subject" in typed, **typed)
        assert "say that you have looked" in problems(page)["sure"]
        assert browser.status("m") == "HELD"
    assert save(browser, subject="x").status == 200
    save(browser, send=True, sure="yes")

    assert browser.status("m") == "PENDING"


def test_a_wrong_sender_is_put_right(browser: Browser) -> None:
    """It is a field like the others, with its rule beside it."""
    browser.write_failed("m")
    browser.service.store.edit("m", sender="nobody at all")

    page = save(browser, send=True)
    assert page.form("/mail/edit")["sender"] == "nobody at all"
    assert problems(page).keys() == {"sender"}
    browser.submit(page, "/mail/edit", sender="Shop <shop@example.com>", button=SEND)
    browser.service.deliver()

    assert browser.service.api.sent[0].sender.email == "shop@example.com"
    (edited,) = [event for event in browser.row("m").timeline if event["what"] == "edited"]
    assert edited["changes"] == {"sender": ["nobody at all", "Shop <shop@example.com>"]}


def test_an_empty_form_saves_nothing(browser: Browser) -> None:
    """Fields that a form does not have count as untouched."""
    browser.write_failed("m", urgent=False)

    done = browser.post("/mail/edit", id="m", version=browser.row("m").version)

    assert done.notes == ["Nothing was changed."]


def test_a_form_without_a_version_saves_nothing(browser: Browser) -> None:
    """Nobody saves over what they have not seen."""
    browser.write_failed("m")

    assert browser.post("/mail/edit", id="m", subject="x").status == 409
    assert browser.row("m").item["subject"] == "Hello"


def test_every_field_has_a_label(browser: Browser) -> None:
    """Whoever listens to the form knows what each field is."""
    browser.write_failed("m", attachments=[Attachment("a.txt", b"a")])
    soup = browser.get("/mail/edit", id="m").soup

    for part in soup.select("main input:not([type=hidden]), main textarea"):
        assert soup.select_one(f'label[for="{part["id"]}"]'), part


def test_it_speaks_japanese(browser: Browser) -> None:
    """The form has no English words."""
    browser.write_failed("m")
    browser.client.headers["accept-language"] = "ja"
    page = browser.get("/mail/edit", id="m")

    for english in ("Subject", "Save", "Preview", "line", "Insert", "zone"):
        assert english not in page.text
