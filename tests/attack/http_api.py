"""The mail API as HTTP: the real adapters over a transport that answers as a test says, good days and bad."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx

from outbox.adapters.api_client import ApiClient
from outbox.adapters.blastengine import BlastengineApi
from outbox.adapters.records import BlastengineRecords
from outbox.adapters.secrets import Credentials
from tests.attack.world import World

BASE = "https://mail.example/api/v1"
HTML = "<html><h1>502 Bad Gateway</h1></html>"


def no_connection(request: httpx.Request) -> Any:
    raise httpx.ConnectError("refused", request=request)


def silence(request: httpx.Request) -> Any:
    raise httpx.ReadTimeout("nothing came", request=request)


def reset(request: httpx.Request) -> Any:
    raise httpx.ReadError("connection reset by peer", request=request)


def says(status: int, *, text: str = "", headers: dict[str, str] | None = None) -> Callable[[httpx.Request], Any]:
    return lambda _request: httpx.Response(status, text=text, headers=headers)


# What the API answers, and whether it took the mail.
ANSWERS: dict[str, tuple[bool, Callable[[httpx.Request], Any] | None]] = {
    "sent": (True, None),
    "refused": (False, says(400, text='{"error_messages": {"to": ["unknown"]}}')),
    "429": (False, says(429, headers={"X-Rate-Limit-Retry-After-Seconds": "20"})),
    "no connection": (False, no_connection),
    "time-out after it was accepted": (True, silence),
    "time-out, not accepted": (False, silence),
    "500 after it was accepted": (True, says(500, text='{"message": "boom"}')),
    "500, not accepted": (False, says(500, text='{"message": "boom"}')),
    "502 with HTML after it was accepted": (True, says(502, text=HTML)),
    "502 with HTML, not accepted": (False, says(502, text=HTML)),
    "reset after it was accepted": (True, reset),
    "201 with an unreadable body": (True, says(201, text=HTML)),
    "401": (False, says(401)),
    "423": (False, says(423)),
}


class HttpApi(BlastengineApi):
    """The real adapter, before an API that remembers what it took and shows it in its logs."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock, self.answer, self.posted = clock, None, []
        http = httpx.Client(
            transport=httpx.MockTransport(self._serve), timeout=httpx.Timeout(5, read=30), trust_env=False
        )
        self.client = ApiClient(http, BASE, lambda **_refused: Credentials("login-id", "api-key"))
        super().__init__(self.client)

    @property
    def sent(self) -> list[Any]:
        """List what was taken, in a form in which mails can be counted."""
        return [Posted(payload["subject"]) for payload, _ in self.posted]

    def _serve(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1")
        if request.method == "POST":
            taken, answer = ANSWERS[self.answer or "sent"]
            if taken:
                self.posted.append((json.loads(request.content), self.clock().isoformat()))
            return answer(request) if answer else httpx.Response(201, json={"delivery_id": len(self.posted)})
        if path.startswith("/logs"):
            rows = [
                {"delivery_id": number, "maillog_id": number, "created_time": at}
                for number, (_, at) in enumerate(self.posted, 1)
            ]
            return httpx.Response(200, json={"data": rows[::-1]})
        payload, at = self.posted[int(path.rpartition("/")[2]) - 1]
        return httpx.Response(200, json={**payload, "created_time": at, "delivery_type": "TRANSACTION"})


class Posted:
    """A mail the API took."""

    def __init__(self, subject: str) -> None:
        self.subject = subject


class Records(BlastengineRecords):
    """The real look-up; nothing is played on it."""

    error: Exception | None = None


class HttpWorld(World):
    """A world whose mail API is spoken to over HTTP."""

    def __init__(self, store: Any = None, *, window: float = 15) -> None:
        super().__init__(store, window=window)
        self.api = HttpApi(self.clock)
        self.records = Records(self.api.client)
        self.restart()

    def answers(self, outcome: str) -> None:
        """Let the API answer so from now on."""
        self.api.answer = outcome
