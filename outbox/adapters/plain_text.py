"""A text part for a mail that has only HTML, since the API wants one.

Reads HTML as a browser does: a tag, a comment or a script without an end reaches to the end of the document. So no
character is looked at twice, and reading takes time linear in the length of the text, whatever it is.
"""

import re
from collections.abc import Iterator
from html import unescape

from outbox.core.limits import HTML_BYTES, TEXT_BYTES

BREAKING = frozenset(
    """
    address article aside blockquote br caption dd div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6
    header hr li main nav ol p pre section table tr ul
    """.split()  # noqa: SIM905  forty quoted words would be harder to read
)
CELLS = frozenset({"td", "th"})
HIDDEN = frozenset({"iframe", "noembed", "noframes", "script", "style", "template", "title"})

_MARKUP = re.compile(r"<(?=[a-z/!?])", re.IGNORECASE | re.ASCII)
_NAME = re.compile(r"</?([a-z][^\s/>]*)", re.IGNORECASE | re.ASCII)
_COMMENT_END = re.compile(r"--!?>")
_VALUE_OR_END = re.compile(r"=\s*([\"'])|>")
_ATTRIBUTE = re.compile(r"([^\s/=]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s]*)))?")
_ENDS_OF_HIDDEN = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE | re.ASCII) for name in HIDDEN}
# Python refuses to read a number of more than 4,300 digits; no character has more than seven.
_NO_CHARACTER = re.compile(r"&#[0-9]{20,};?")


def plain_text(html: str) -> str:
    """Give the words of an HTML part, a line for each block; never empty, never over the API's limit.

    Takes any text and never raises. What is beyond the limit of an HTML part is not read.
    """
    lines = (" ".join(line.split()) for line in "".join(_words(html[:HTML_BYTES])).splitlines())
    text = "\n".join(line for line in lines if line)
    return text.encode("utf-8", "replace")[:TEXT_BYTES].decode("utf-8", "ignore") or " "


def _words(html: str) -> Iterator[str]:
    """Go from one piece of markup to the next, giving the text between and the blanks and links that tags stand for."""
    at, unclosed = 0, set[str]()
    while (markup := _MARKUP.search(html, at)) is not None:
        yield _unescaped(html[at : markup.start()])
        tag = _NAME.match(html, markup.start())
        if tag is None:
            at = _end_of_comment(html, markup.start())
            continue
        name, closing = tag[1].lower(), html.startswith("</", tag.start())
        end = _end_of_tag(html, tag.end())
        at = end + 1
        if name in BREAKING:
            yield "\n"
        elif name in CELLS:
            yield " "
        elif name == "a" and not closing:
            yield _link(html[tag.end() : end])
        elif name in HIDDEN and not closing and name not in unclosed:
            found = _ENDS_OF_HIDDEN[name].search(html, at)
            if found is not None:
                at = found.start()
            elif name == "title":
                # It is shown then, so that one forgotten tag does not leave a mail without text.
                unclosed.add(name)
            else:
                return
    yield _unescaped(html[at:])


def _end_of_comment(html: str, start: int) -> int:
    """Give where a comment ends that begins there, or what browsers take for one, such as `<!doctype>` and `</3>`."""
    if html.startswith("<!--", start):
        # `<!-->` is a whole comment.
        found = _COMMENT_END.search(html, start + 2)
        return found.end() if found else len(html)
    end = html.find(">", start)
    return end + 1 if end >= 0 else len(html)


def _end_of_tag(html: str, at: int) -> int:
    """Give where the `>` stands that ends a tag; one in the quoted value of an attribute does not."""
    while (found := _VALUE_OR_END.search(html, at)) is not None:
        if found[0] == ">":
            return found.start()
        at = html.find(found[1], found.end()) + 1
        if at == 0:
            break
    return len(html)


def _link(attributes: str) -> str:
    for attribute in _ATTRIBUTE.finditer(attributes):
        if attribute[1].lower() == "href":
            link = _unescaped(attribute[2] or attribute[3] or attribute[4] or "")
            return f"{link} " if link.startswith("http") else ""
    return ""


def _unescaped(text: str) -> str:
    return unescape(_NO_CHARACTER.sub("\N{REPLACEMENT CHARACTER}", text)) if "&" in text else text
