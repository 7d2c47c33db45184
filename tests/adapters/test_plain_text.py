"""HTML becomes text: always, soon, and with the words a person would see."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox.adapters.plain_text import plain_text
from outbox.core.limits import TEXT_BYTES


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<table><tr><td>2</td><td>500</td></tr><tr><th>3</th><td>7</td></tr></table>", "2 500\n3 7"),
        ("<p>Price <![ 5</p>", "Price"),
        ("<p>a</p><!-- b --><!--[if mso]>c<![endif]--><![if !mso]>d<![endif]><!--> e", "a\nd e"),
        ("<!doctype html><?xml version='1.0'?><p>a</3>b", "ab"),
        ("<html><head><meta charset=utf-8><title>t</title><p>a", "a"),
        ("<head><title>Shop<body><p>a", "Shop\na"),
        ("<style>p { }</style ><script>if (a<b) c()</script>a<TITLE>b</Title>c", "ac"),
        ("a<script>b", "a"),
        ("<p title='a>b' class=\"c>d\">e", "e"),
        ("<a title='href=no' href = 'https://example.com/?a=1&amp;b'>go</a>", "https://example.com/?a=1&b go"),
        ("<a href=https://example.com/x>go</a> <a name=x>there</a>", "https://example.com/x go there"),
        ("<a href=mailto:a@example.com>write</a>", "write"),
        ("1 < 2 &lt; 3 &amp;&nbsp; &#65;&#x42; &unknown; <", "1 < 2 < 3 & AB &unknown; <"),
        (f"a&#{'9' * 5000};b&#x{'f' * 5000};c", "a\ufffdb\ufffdc"),
        ("<div>a<section>b</section>c<hr/>d<li>e", "a\nb\nc\nd\ne"),
        ("\ud800a\0", "?a\0"),
        ("<p", " "),
        ("", " "),
    ],
)
def test_reads_html_as_a_browser_does(html, text):
    """Blocks are lines, cells are apart, links are kept; what has no end reaches to the end."""
    assert plain_text(html) == text


MARKUP = [
    "<",
    ">",
    "</",
    "<a ",
    "<p>",
    "<td>",
    "<title>",
    "</title",
    "<script>",
    "<!--",
    "-->",
    "<![",
    "href=",
    '"',
    "'",
]
PARTS = st.sampled_from([*MARKUP, "&#", "&#x", "&amp", ";", "9", "é", "\ud800", "\0", " "]) | st.text(max_size=3)


@given(st.lists(PARTS, max_size=30).map("".join), st.sampled_from([1, 1, 5000]))
def test_takes_any_text_and_never_gives_none(html, times):
    """It never raises, and what it gives can be sent: text of UTF-8, not empty, within the limit."""
    text = plain_text(html * times)
    assert 1 <= len(text.encode()) <= TEXT_BYTES
