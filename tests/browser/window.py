"""A browser's window on the console, as a person has it: what is clicked, and what the browser complains of."""

import contextlib
import os
import shutil
import socket
import threading
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response

from tests.waiting import SECONDS

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
MISSING = "there is no Chromium on this machine: apt-get install chromium, or name one by OUTBOX_CHROMIUM"
# What pages load by themselves: a page that is refused is an answer, a part of it that is missing is a bug.
PARTS = {"stylesheet", "script", "image", "font", "xhr", "fetch", "iframe"}
VIOLATION = "document.addEventListener('securitypolicyviolation', e => console.error('CSP', e.blockedURI, e.sample))"


def chromium_path() -> str:
    """Name the browser; without one the tests are left out, but on CI that is a failure."""
    path = os.environ.get("OUTBOX_CHROMIUM") or shutil.which("chromium")
    if path:
        return path
    if os.environ.get("CI") == "true":
        pytest.fail(MISSING)
    pytest.skip(MISSING)


class Elsewhere:
    """A machine somewhere else, where nothing may ever ask: every name of evil.example leads here."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.asked: list[bytearray] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    @property
    def argument(self) -> str:
        """Give the argument that makes a browser find it."""
        return f"--host-resolver-rules=MAP *evil.example 127.0.0.1:{self.port}"

    def close(self) -> None:
        self._listener.close()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            # Whoever comes has come, also if nothing is said.
            self.asked.append(said := bytearray())
            threading.Thread(target=_hear, args=(connection, said), daemon=True).start()


def _hear(connection: socket.socket, said: bytearray) -> None:
    with connection, contextlib.suppress(OSError):
        connection.settimeout(1)
        said += connection.recv(500)


@dataclass
class Window:
    """One window on a console at an address; `complaints` are what no page may cause."""

    page: Page
    base: str
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    clicks: int = 0
    edits: int = 0
    # A mail in a frame may try what it likes: that the browser refuses it, it says aloud.
    hostile: bool = False

    def __post_init__(self) -> None:
        self.page.set_default_timeout(SECONDS * 1000)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("request", self._asked)
        self.page.on("response", self._answered)
        self.page.on("dialog", self._dialog)

    def open(self, path: str = "/") -> "Window":
        answer = self.page.goto(path if path.startswith("http") else self.base + path)
        assert answer is not None
        assert answer.status < 500, f"{path}: {answer.status}"
        return self

    def click(self, what: Any) -> None:
        """Click, and count it."""
        self.clicks += 1
        (self.page.locator(what) if isinstance(what, str) else what).click()

    def button(self, name: str, within: str = "main") -> Any:
        return self.page.locator(within).get_by_role("button", name=name, exact=True)

    def link(self, name: str, within: str = "main") -> Any:
        return self.page.locator(within).get_by_role("link", name=name)

    def edit(self, label: str, value: str) -> None:
        """Put another text into a field, and count it."""
        self.edits += 1
        self.page.get_by_label(label, exact=True).fill(value)

    def sees(self, text: str, seconds: float = SECONDS) -> None:
        """Wait until a text is to be seen."""
        self.page.locator("main").get_by_text(text).first.wait_for(state="visible", timeout=seconds * 1000)

    @property
    def text(self) -> str:
        """What a person reads in the main part of the page."""
        return self.page.locator("main").inner_text()

    @property
    def path(self) -> str:
        parts = urlsplit(self.page.url)
        return parts.path

    def calm(self) -> None:
        """Check that the browser had nothing to complain of."""
        if not self.hostile:
            assert not self.complaints, self.complaints
        assert self.dialogs == []

    def _said(self, message: ConsoleMessage) -> None:
        # That a page was answered by a 4xx is in the answer's hands.
        refused = message.text.startswith("Failed to load resource: the server responded with a status of")
        if message.type == "error" and not refused:
            self.complaints.append(f"{self.page.url}: {message.text}")

    def _asked(self, request: Request) -> None:
        self.requests.append(request.url)

    def _answered(self, response: Response) -> None:
        if response.status >= 400 and response.request.resource_type in PARTS:
            self.complaints.append(f"{response.status} {response.url}")

    def _dialog(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()


@dataclass
class Windows:
    """Opens windows, each as of a person who was never here, and looks at the end whether all was calm."""

    browser: Browser
    opened: list[Window] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    def __call__(self, base: str, *, language: str = "en", scripts: bool = True, **options: Any) -> Window:
        how = {"viewport": {"width": 1200, "height": 800}, "timezone_id": "Asia/Tokyo", "reduced_motion": "reduce"}
        context = self.browser.new_context(
            locale={"en": "en-US", "ja": "ja-JP"}[language], java_script_enabled=scripts, **(how | options)
        )
        if scripts:
            context.add_init_script(VIOLATION)
        self.contexts.append(context)
        # What signs a person in is the address of one page.
        parts = urlsplit(base)
        window = Window(context.new_page(), f"{parts.scheme}://{parts.netloc}")
        self.opened.append(window)
        return window

    def close(self) -> None:
        """Close all windows, and check that all was calm; may be called twice."""
        while self.contexts:
            self.contexts.pop().close()
        while self.opened:
            self.opened.pop().calm()
