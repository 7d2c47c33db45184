"""What was typed is shown as it would go, in a frame that can do nothing; nothing is saved."""

from outbox.console.guard import MAIL_POLICY
from tests.console.conftest import Browser, Seen


def preview(browser: Browser, part: str = "html", **typed: str) -> Seen:
    page = browser.get("/mail/edit", id="m")
    return browser.send("/mail/preview", page.form("/mail/edit") | {"part": part} | typed)


def test_the_preview_shows_what_was_typed(browser: Browser) -> None:
    """HTML as it would go, or the text, with the insert codes; under the policy of mails; and nothing is saved."""
    browser.write_failed("m", text="Hello __name__", html="<p>Hi __name__</p>", insert_code={"name": "Taro"})
    writes = len(browser.service.store.changes)

    html = preview(browser, html="<h1>New __name__</h1><script>alert(1)</script>")
    text = preview(browser, "text", text="<b>New</b> __name__", subject="S __name__")

    assert html.html.startswith("<h1>New Taro</h1>")
    assert "<pre>&lt;b&gt;New&lt;/b&gt; Taro</pre>" in text.html
    assert "S Taro" in text.html
    assert {page.headers["content-security-policy"] for page in (html, text)} == {MAIL_POLICY}
    assert len(browser.service.store.changes) == writes


def test_the_preview_of_a_mail_without_html_is_its_text(browser: Browser) -> None:
    """There is always something to see."""
    browser.write_failed("m")

    assert "<pre>Good morning.</pre>" in preview(browser).html


def test_the_preview_tells_what_is_wrong(browser: Browser) -> None:
    """In place of a mail that could not go; a schedule does not matter for how it looks."""
    browser.write_failed("m", html="<p>x</p>")

    assert "To: is not one address" in preview(browser, to="<b>").text
    assert "<b>" not in preview(browser, cc="<b>").html
    assert preview(browser, schedule="2020-01-01T00:00").html == "<p>x</p>"


def test_the_preview_with_texts_in_the_bucket(browser: Browser) -> None:
    """What is not in the form is filled in all the same."""
    browser.write_failed("m", text="Hello __a__", insert_code={"a": "x" * 300_000})

    assert "Hello xxx" in preview(browser).html


def test_the_frame_of_the_preview_is_sandboxed(browser: Browser) -> None:
    """The buttons lead into a frame that can do nothing; the first button saves, so that Enter does not send."""
    browser.write_failed("m")
    page = browser.get("/mail/edit", id="m")

    frame = page.soup.select_one('iframe[name="preview"]')
    assert frame is not None
    assert frame.has_attr("sandbox")
    assert not frame["sandbox"]
    buttons = page.soup.select("form.edit button")
    assert [(button.get("formtarget"), button.get("value")) for button in buttons] == [
        (None, ""),
        (None, "yes"),
        ("preview", "html"),
        ("preview", "text"),
    ]
