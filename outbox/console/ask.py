"""What somebody asks of the console: a request, who makes it, in which language and zone; and how it is answered."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

from starlette.datastructures import FormData, ImmutableMultiDict
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from outbox.console.access import Access, Person, Role
from outbox.console.guard import MAIL_POLICY, POLICY
from outbox.console.runner import Runner
from outbox.console.session import Session
from outbox.console.words import Words
from outbox.core.errors import InvalidRequest, NotFound
from outbox.core.message import Message
from outbox.core.text import size
from outbox.wiring.desk import Desk

# More than that are no addresses of pages, nor pages a person reads.
LONGEST_FIELD = 2000
# What a browser remembers of its person beside who it is: language and time zone.
LANGUAGE, ZONE = "outbox-language", "outbox-zone"
# No key of a table has more bytes.
LONGEST_ID, LONGEST_SAID = 2048, 100
# A reason, an id and some choices fit in, their Japanese written in percents.
LONGEST_FORM = 65_536
Draw = Callable[..., str]


class Kind(StrEnum):
    """How a note is meant."""

    DONE = "done"
    WARNING = "warning"
    ERROR = "error"


@dataclass(slots=True)
class Ask:
    """One request, as pages see it. `draw` renders a template; `runner` carries batches out when it is answered."""

    request: Request
    session: Session
    person: Person
    words: Words
    zone: tzinfo
    now: datetime
    draw: Draw
    runner: Runner
    access: Access
    form: FormData = field(default_factory=FormData)
    # What a browser remembers goes over HTTPS only.
    secure: bool = False

    @property
    def query(self) -> ImmutableMultiDict[str, str]:
        """What stands in the address bar."""
        return self.request.query_params

    def one(self, name: str, default: str = "") -> str:
        """Give what was asked under a name, in a form or else in the address bar, without blanks around it.

        Raises `InvalidRequest` when it is longer than any such thing.
        """
        found = self.form.get(name, self.query.get(name, default))
        text = found.strip() if isinstance(found, str) else default
        if len(text) > LONGEST_FIELD:
            raise InvalidRequest(Message("request.too-long", field=name, most=LONGEST_FIELD))
        return text

    @property
    def mail_id(self) -> str:
        """Give the id of the mail that is meant, exactly: an idempotency key may begin or end with a blank.

        Raises `NotFound` for what no table can have as a key.
        """
        found = self.form.get("id", self.query.get("id", ""))
        if not isinstance(found, str) or not 1 <= size(found) <= LONGEST_ID:
            raise NotFound(str(found)[:LONGEST_SAID])
        return found

    def text(self, name: str) -> str | None:
        """Give a text as it was typed, however long, its line ends as one character; None if the form had none."""
        found = self.form.get(name)
        return found.replace("\r\n", "\n").replace("\r", "\n") if isinstance(found, str) else None

    def several(self, name: str) -> list[str]:
        """Give all that was asked under a name."""
        listed = self.form.getlist(name) or self.query.getlist(name)
        return [each for each in listed if isinstance(each, str) and each]

    @property
    def address(self) -> str:
        """Where it is asked from: behind a proxy, the address of that."""
        return self.request.client.host if self.request.client else ""

    @property
    def fetched(self) -> bool:
        """Whether this is asked for a part of a page that is there already, not for a page of its own."""
        headers = self.request.headers
        return "hx-request" in headers or headers.get("sec-fetch-dest", "document") != "document"

    @property
    def here(self) -> str:
        """The address of this page; of the page its form was on, if this answers a form."""
        url = self.request.url
        return self.came_from if self.request.method == "POST" else own_path(address_of(url.path, url.query))

    @property
    def came_from(self) -> str:
        """The page of ours on which the form was that is sent; the first page where the browser does not say."""
        parts = urlsplit(self.request.headers.get("referer", ""))
        ours = parts.netloc == self.request.headers.get("host")
        return own_path(address_of(parts.path, parts.query)) if ours else "/"

    def page(self, template: str, status: int = HTTPStatus.OK, **values: Any) -> Response:  # noqa: ANN401
        """Answer with a page."""
        told, self.session.told, self.session.new = self.session.told, [], False
        return HTMLResponse(self.draw(template, ask=self, told=told, **values), status)

    def trouble(self, status: int, sentences: Sequence[str]) -> Response:
        """Answer with what went wrong; in place of a part, without saying what was to be said on a page."""
        if self.request.headers.get("sec-fetch-dest") == "iframe":
            return PlainTextResponse("\n".join(sentences), status, {POLICY: MAIL_POLICY})
        if self.fetched:
            return HTMLResponse(self.draw("trouble.html", ask=self, told=[], sentences=sentences), status)
        return self.page("trouble.html", status, sentences=sentences)

    def part(self, template: str, **values: Any) -> Response:  # noqa: ANN401  whatever a template takes
        """Answer with a part of a page, which says nothing of what was done."""
        return HTMLResponse(self.draw(template, ask=self, told=[], **values))

    def tell(self, english: str, kind: Kind = Kind.DONE, **values: Any) -> None:  # noqa: ANN401
        """Have something said on the page that comes next."""
        self.session.told.append({"text": self.words(english, **values), "kind": str(kind)})

    def offer(self, english: str, path: str, **fields: str) -> None:
        """Put a button beside what was told last: the way back from what was done."""
        self.session.told[-1] |= {"offer": self.words(english), "path": path, "fields": fields}

    def to(self, path: str, **query: str) -> Response:
        """Answer by sending the browser on, so that nothing is done twice by loading again."""
        return RedirectResponse(address(path, query), HTTPStatus.SEE_OTHER)


def address(path: str, query: Mapping[str, Any] | None = None, **more: str | Sequence[str]) -> str:
    """Write the address of a page of the console; what is empty is left out."""
    pairs = {name: value for name, value in {**(query or {}), **more}.items() if value}
    # A row may name halves of letters, which no address can hold.
    return f"{path}?{urlencode(pairs, doseq=True, errors='replace')}" if pairs else path


def address_of(path: str, query: str) -> str:
    """Put an address together again."""
    return f"{path}?{query}" if query else path


def own_path(said: str) -> str:
    """Give where to go next, if that is a page of this console, else the first page; who sent the link is unknown."""
    # Browsers take \ for /, leave blanks and control characters out, and read // as another host.
    plain = said.isprintable() and not any(char.isspace() or char == "\\" for char in said)
    return said if said.startswith("/") and not said.startswith("//") and plain and len(said) <= LONGEST_FIELD else "/"


Answer = Callable[[Ask, Desk], Response]


@dataclass(frozen=True, slots=True)
class Page:
    """A page: where it is, what answers, and who may have it. Whatever changes something is a POST and needs ACT.

    `open`: also to people who have not signed in. `own`: changes nothing but what the person's own browser remembers.
    `longest`: more bytes of a form are not read.
    """

    path: str
    answer: Answer
    method: Literal["GET", "POST"] = "GET"
    open: bool = False
    own: bool = False
    longest: int = LONGEST_FORM

    @property
    def role(self) -> Role:
        """Give the role it needs."""
        return Role.ACT if self.method == "POST" and not self.own else Role.VIEW
