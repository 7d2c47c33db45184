"""What a mail says and carries: read from wherever it lies, shown and handed out so that it does no harm."""

import io
import json
from decimal import Decimal
from typing import Any

import pytest

from outbox import Attachment
from outbox.console import content
from outbox.console.guard import FILE_POLICY, MAIL_POLICY
from outbox.core.row import Row
from tests.console.conftest import Browser


def test_the_frame_of_the_html_lets_nothing_out(browser: Browser) -> None:
    """The HTML comes with its insert codes, under a policy that runs and loads nothing, in a sandboxed frame."""
    html = (
        "<head><meta http-equiv=refresh content='0;url=https://x.example'><LINK rel=preconnect href=//x.example>"
        "<base href=//x.example></head><body onload=alert(1)><script>alert(1)</script>__name__</body>"
    )
    browser.write_failed("m", html=html, insert_code={"name": "<b>Taro</b>"})

    frame = browser.get("/mail", id="m").soup.select_one("iframe")
    page = browser.get("/mail/html", id="m")

    assert frame is not None
    assert not frame["sandbox"]
    assert frame["title"]
    assert page.headers["content-security-policy"] == MAIL_POLICY
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<b>Taro</b>" in page.html
    for tag in ("<meta", "<LINK", "<link", "<base"):
        assert tag not in page.html


@pytest.mark.parametrize(
    "html",
    ["x" * 350_000, "<p>" * 100_000, "</" * 100_000, "\ud800 \u0000", "<meta charset=iso-2022-jp>\u3042", "<", "<meta"],
)
def test_the_frame_of_a_monster(browser: Browser, html: str) -> None:
    """Large, unfinished or unencodable: it comes as UTF-8, under the same policy."""
    browser.write_failed("m")
    browser.service.store.edit("m", html=html)

    page = browser.get("/mail/html", id="m")

    assert page.status == 200
    assert page.headers["content-security-policy"] == MAIL_POLICY


def test_five_megabytes_in_the_bucket(browser: Browser) -> None:
    """Texts in the bucket are read; of long ones a page shows the beginning and leads to the whole."""
    browser.write_failed("m", text="Hello __a__", html="<p>__a__</p>", insert_code={"a": "あ\n" * 1_000_000})
    assert "body" in browser.row("m").item

    page = browser.get("/mail", id="m")

    assert "It is cut here." in page.text
    assert len(page.html) < 1_500_000
    assert len(browser.get("/mail/html", id="m").html) > 2_000_000
    whole = browser.get("/mail/file", id="m", n="text")
    assert whole.html.startswith("Hello あ\nあ")
    assert whole.headers["content-disposition"].startswith("attachment")


def test_insert_codes_do_not_blow_a_text_up() -> None:
    """A text that names a huge value a thousand times ends where nobody would read on."""
    row = Row({"text": "__a__" * 1000, "insert_code": {"a": "x" * 1_000_000}})

    assert len(content.filled(row.item["text"], row.item["insert_code"])) <= content.MOST_FILLED
    assert content.text(row, "text").cut


@pytest.mark.parametrize(
    ("written", "codes", "expected"),
    [
        ("__a__ and __b__", {"a": "1"}, "1 and __b__"),
        ("__a__", {"a": "__b__", "b": "2"}, "__b__"),
        ("____a____", {"a": "1"}, "__1__"),
        ("__a__", None, "__a__"),
        ("__a__", "text", "__a__"),
        ("__a__", {"a": 7}, "7"),
        (7, {"a": "1"}, "7"),
        (None, {}, ""),
    ],
)
def test_insert_codes_are_filled_in_once(written: Any, codes: Any, expected: str) -> None:
    """Each name gives its value; a value is not looked into again."""
    assert content.filled(written, codes) == expected


def test_texts_out_of_reach_are_told(browser: Browser) -> None:
    """A bucket that does not answer, or lost the file, takes nothing else from the page."""
    browser.write_failed("m", insert_code={"a": "x" * 300_000})
    browser.service.files.objects.clear()

    page = browser.get("/mail", id="m")
    assert page.status == 200
    assert "Its texts cannot be read now" in page.text
    assert "FAILED" in page.text
    assert browser.get("/mail/html", id="m").status == 404


def test_files_are_downloads(browser: Browser) -> None:
    """Each is checked, and handed out as bytes to be saved, whatever it calls itself."""
    names = ["a.txt", "請求書.pdf", 'x"; filename="evil.html', "\u202egnp.js.html", "100%;.csv"]
    browser.write_failed("m", attachments=[Attachment(name, name.encode(), "text/html") for name in names])
    page = browser.get("/mail", id="m")

    assert "text/html" in page.text
    for number, name in enumerate(names):
        file = browser.client.get("/mail/file", params={"id": "m", "n": str(number)})
        assert file.content == name.encode()
        assert file.headers["content-type"] == "application/octet-stream"
        assert file.headers["content-security-policy"] == FILE_POLICY
        assert file.headers["content-disposition"].startswith('attachment; filename="')
        assert file.headers["content-disposition"].count('"') == 2
        assert file.headers["content-length"] == str(len(name.encode()))


def test_a_large_file_comes_whole(browser: Browser) -> None:
    """A file of several pieces arrives as it was put."""
    data = bytes(range(256)) * 3000
    browser.write_failed("m", attachments=[Attachment("a.bin", data)])

    assert browser.client.get("/mail/file", params={"id": "m", "n": "0"}).content == data


def test_a_file_that_changed_is_not_handed_out(browser: Browser) -> None:
    """Nobody opens what was not enqueued; that it is lost or changed is told."""
    browser.write_failed("m", attachments=[Attachment("a.txt", b"good")])
    (key,) = browser.service.files.objects
    for bad, told in ((b"evil", "SHA-256 differs"), (None, "is not in the bucket any more")):
        browser.service.files.objects.clear()
        if bad:
            browser.service.files.put(key, io.BytesIO(bad))
        page = browser.get("/mail/file", id="m", n="0")
        assert page.status == 404
        assert told in page.text


def test_a_file_of_another_mail_is_not_handed_out(browser: Browser) -> None:
    """A row that names somebody else's file gives nothing away."""
    browser.write_failed("other", attachments=[Attachment("secret.txt", b"secret")])
    browser.write_failed("m")
    browser.service.store.edit("m", attachments=browser.row("other").item["attachments"])

    page = browser.get("/mail/file", id="m", n="0")

    assert page.status == 404
    assert "secret" not in page.text.replace("secret.txt", "")
    assert not browser.get("/mail", id="m").soup.select('a[href*="n=0"]')


@pytest.mark.parametrize("number", ["", "7", "-1", "one", "source", "x" * 1999])
def test_a_file_there_is_none_of(browser: Browser, number: str) -> None:
    """A number of no file is told."""
    browser.write_failed("m", attachments=[Attachment("a.txt", b"a")])

    assert browser.get("/mail/file", id="m", n=number).status == 400


def test_the_source_is_the_row(browser: Browser) -> None:
    """The source is what is stored, to read and to save; characters that would reorder it are written out."""
    browser.write_failed("m", subject="\u202eabc あ")
    browser.service.store.edit("m", price=Decimal("1.5"), data=b"x")

    source = browser.get("/mail/source", id="m")

    assert json.loads(source.html)["subject"] == "\u202eabc あ"
    assert json.loads(source.html)["price"] == 1.5
    assert "\u202e" not in source.html
    assert source.headers["content-type"] == "application/octet-stream"
    assert source.headers["content-disposition"].startswith("attachment")
    assert "&#34;price&#34;: 1.5" in browser.get("/mail", id="m").html
