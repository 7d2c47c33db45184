"""A browser without a screen, on a console over a service in memory: pages as text, forms as a person sends them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from bs4 import BeautifulSoup, Tag
from starlette.testclient import TestClient

from outbox.console.access import Everybody, Person, Role
from outbox.console.app import create_app
from outbox.console.runner import ThreadRunner
from outbox.core.errors import OutcomeUnknown, Rejected
from outbox.core.mail import Mail
from outbox.core.message import Message
from outbox.core.rate import Rate
from outbox.core.retention import Retention
from outbox.core.row import Row
from outbox.testing.bounces import MemorySuppressions
from outbox.wiring.desk import Beside, Desk, Line
from tests.conftest import Service, make_mail
from tests.flows.bounces import bounce

ADDRESS = "http://127.0.0.1"


@dataclass
class Seen:
    """A page that was answered."""

    status: int
    html: str
    headers: Any
    url: str = ""

    @cached_property
    def soup(self) -> BeautifulSoup:
        return BeautifulSoup(self.html, "html.parser")

    @property
    def text(self) -> str:
        """What a person reads, blanks folded."""
        return " ".join(self.soup.get_text(" ").split())

    @property
    def notes(self) -> list[str]:
        """What the page says was done, or was not."""
        return [" ".join(note.get_text(" ").split()) for note in self.soup.select(".note")]

    def form(self, action: str, **fields: str) -> dict[str, Any]:
        """Give the fields of a form as the page has them; `fields` tell forms of one address apart."""
        for form in self.soup.find_all("form"):
            found = fields_of(form)
            if form.get("action") == action and all(found.get(name) == value for name, value in fields.items()):
                return found
        raise AssertionError(f"no form to {action} with {fields} on the page: {self.text[:500]}")

    def has_form(self, action: str) -> bool:
        return any(form.get("action") == action for form in self.soup.find_all("form"))


def fields_of(form: Tag) -> dict[str, Any]:
    """Give what a browser would send of a form, without its buttons."""
    found: dict[str, Any] = {}
    for part in form.select("input[name], textarea[name], select[name]"):
        name = str(part["name"])
        if part.name == "textarea":
            # A browser drops one line break after the tag, and sends each as two characters.
            found[name] = part.text.removeprefix("\n").replace("\n", "\r\n")
        elif part.name == "select":
            chosen = part.select_one("option[selected]") or part.select_one("option")
            found[name] = str(chosen.get("value", chosen.text)) if chosen else ""
        elif part.get("type") in ("checkbox", "radio"):
            if part.has_attr("checked"):
                found.setdefault(name, []).append(str(part.get("value", "on")))
        else:
            found[name] = str(part.get("value", ""))
    return found


@dataclass
class Browser:
    """Looks at pages of a console over a service in memory, as alice, who may act."""

    service: Service
    role: Role = Role.ACT
    name: str = "alice"
    rate: Rate | None = field(default_factory=lambda: Rate(500, 5))
    suppressions: MemorySuppressions = field(default_factory=MemorySuppressions)
    headers: dict[str, str] = field(default_factory=lambda: {"accept-language": "en"})

    def __post_init__(self) -> None:
        self.desk = Desk(
            self.service.store,
            self.service.clock,
            Retention(400),
            lambda: self.name,
            "tables in memory",
            Line(self.service.register, self.rate),
            Beside(lambda: self.suppressions, lambda: self.service.files),
        )
        self.runner = ThreadRunner(lambda: self.desk.batches)
        self.app = create_app(self.desk, Everybody(lambda: Person(self.name, self.role)), runner=self.runner)
        self.client = TestClient(self.app, base_url=ADDRESS, headers=self.headers)
        self.client.cookies.set("outbox-zone", "UTC")

    def get(self, path: str, **query: Any) -> Seen:
        """Open a page."""
        return self._seen(self.client.get(path, params=query or None))

    def post(self, path: str, *, via: str = "/", **fields: Any) -> Seen:
        """Send a form with the token that a page has given, and follow where it leads."""
        page = self.get(via)
        token = page.soup.select_one("input[name=csrf]")
        assert token is not None
        return self.send(path, {"csrf": str(token["value"]), **fields})

    def send(self, path: str, fields: dict[str, Any]) -> Seen:
        """Send a form exactly like this, and follow where it leads."""
        return self._seen(self.client.post(path, data=fields, headers={"origin": ADDRESS}))

    def submit(self, page: Seen, action: str, *, button: tuple[str, str] | None = None, **changes: Any) -> Seen:
        """Send a form of a page with some fields filled in, by one of its buttons."""
        fields = page.form(action) | changes | (dict([button]) if button else {})
        return self.send(action, fields)

    def _seen(self, response: Any) -> Seen:
        return Seen(response.status_code, response.text, response.headers, str(response.url))

    def write(self, mail_id: str, **parts: Any) -> str:
        """Write a mail under a chosen id; it is PENDING."""
        return self.service.outbox.enqueue(make_mail(**parts), idempotency_key=mail_id).id

    def write_later(self, mail_id: str, hours: float = 24, **parts: Any) -> str:
        """Write a mail for later; it is WAITING."""
        at = self.service.clock() + timedelta(hours=hours)
        return self.service.outbox.enqueue(make_mail(**parts), idempotency_key=mail_id, send_at=at).id

    def write_failed(self, mail_id: str, **parts: Any) -> str:
        """Write a mail the API refused."""
        return self._settled(mail_id, parts, _refuse)

    def write_unknown(self, mail_id: str, **parts: Any) -> str:
        """Write a mail of which nobody knows whether it was sent."""
        before, self.service.look_up_minutes = self.service.look_up_minutes, 0
        try:
            return self._settled(mail_id, parts, _lose)
        finally:
            self.service.look_up_minutes = before

    def write_held(self, mail_id: str, **parts: Any) -> str:
        """Write a mail and put it aside."""
        self.write(mail_id, **parts)
        self.service.deliver([])
        self.service.support.hold(mail_id, "bob", "look first")
        return mail_id

    def write_sent(self, mail_id: str, **parts: Any) -> str:
        """Write a mail the API took."""
        return self._settled(mail_id, parts, None)

    def came_back(self, mail_id: str, email: str, kind: str = "HARDERROR", **parts: Any) -> None:
        """Tell of a bounce of a sent mail, as the webhook writes it down."""
        bounce(self.service, parts.pop("delivery_id", self.row(mail_id).delivery_id), email, kind, **parts)

    def row(self, mail_id: str) -> Row:
        return self.service.row(mail_id)

    def status(self, mail_id: str) -> str:
        return self.service.status(mail_id)

    def _settled(self, mail_id: str, parts: dict[str, Any], answer: Callable[[Mail], Any] | None) -> str:
        self.write(mail_id, **parts)
        self.service.api.answer = answer
        self.service.deliver()
        self.service.api.answer = None
        return mail_id


def _refuse(_: Mail) -> Any:
    message = Message("answer-said", said="to: invalid format.", status=400)
    raise Rejected(message)


def _lose(_: Mail) -> Any:
    message = Message("no-answer", seconds=30, kind="ReadTimeout")
    raise OutcomeUnknown(message)


@pytest.fixture(scope="package", autouse=True)
def _one_loop() -> Iterator[None]:
    """Serve all requests from one event loop: a client makes one for each, which takes longer than most pages."""
    with start_blocking_portal() as portal, pytest.MonkeyPatch.context() as patch:
        patch.setattr(TestClient, "portal", portal)
        yield


@pytest.fixture
def browser(service: Service) -> Browser:
    """Give a browser of alice, who may act."""
    return Browser(service)


@pytest.fixture
def viewer(browser: Browser) -> Browser:
    """Give a browser of vera, who may only look, on the same service."""
    return Browser(browser.service, Role.VIEW, "vera", suppressions=browser.suppressions)
