"""A text part for a mail that has only HTML, since the API wants one."""

from html.parser import HTMLParser

from outbox.core.limits import TEXT_BYTES

BREAKING = {"p", "div", "br", "tr", "li", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol", "blockquote", "hr"}
HIDDEN = {"script", "style", "head", "title", "template"}


def plain_text(html: str) -> str:
    """Give the words of an HTML part, a line for each block; never empty, never over the API's limit."""
    words = _Words()
    words.feed(html)
    words.close()
    lines = (" ".join(line.split()) for line in "".join(words.parts).splitlines())
    text = "\n".join(line for line in lines if line)
    return text.encode()[:TEXT_BYTES].decode("utf-8", "ignore") or " "


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.hidden: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in HIDDEN:
            self.hidden.append(tag)
        elif tag in BREAKING:
            self.parts.append("\n")
        elif tag == "a" and (link := dict(attrs).get("href")) and link.startswith("http"):
            self.parts.append(f"{link} ")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.hidden:
            self.hidden.remove(tag)
        elif tag in BREAKING:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.parts.append(data)
