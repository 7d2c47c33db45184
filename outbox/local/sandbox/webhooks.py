"""Call the webhook: Basic auth, at most three tries, and a list of how each call ended."""

import asyncio
import itertools
import ssl
from dataclasses import asdict, dataclass
from typing import Any

import httpx

from outbox.local.sandbox.background import Background, Task
from outbox.local.sandbox.settings import SandboxSettings

TRIES = 3
# Not published for the real one, nor is its pause between tries, nor which answer counts as success.
ANSWER_SECONDS = 10.0
# As many as the smallest of servers lets wait: one more would be dropped, and come a second late.
AT_ONCE = 5
# Only http is ever called: loading the usual certificates for each call would take longer than the call.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(slots=True)
class Call:
    """One body on its way to the webhook; status or error are those of the last try."""

    id: int
    body: dict[str, Any]
    tries: int = 0
    status: int | None = None
    error: str | None = None
    done: bool = False

    @property
    def delivered(self) -> bool:
        """Tell whether the webhook has answered 2xx."""
        return self.status is not None and httpx.codes.is_success(self.status)

    def as_json(self) -> dict[str, Any]:
        """Return it as a test or a person reads it."""
        return asdict(self) | {"delivered": self.delivered}


class Webhooks:
    """All calls since the start or the last reset, those that still go on included."""

    def __init__(self, background: Background) -> None:
        self._background = background
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._ids = itertools.count(1)
        self.calls: list[Call] = []

    def send(self, body: dict[str, Any], settings: SandboxSettings) -> Task:
        """Call the webhook of these settings in the background; later settings do not change this call."""
        call = Call(next(self._ids), body)
        self.calls.append(call)
        return self._background.start(self._deliver(call, settings))

    def as_json(self) -> dict[str, int]:
        """Return how many calls were delivered, given up, or go on."""
        sent = sum(call.delivered for call in self.calls)
        failed = sum(call.done and not call.delivered for call in self.calls)
        return {"sent": sent, "failed": failed, "pending": len(self.calls) - sent - failed}

    async def _deliver(self, call: Call, settings: SandboxSettings) -> None:
        while not call.done:
            async with self._gate:
                await _try(call, settings)
            call.done = call.delivered or call.tries == TRIES
            if not call.done:
                await asyncio.sleep(settings.webhook_retry_seconds)


def _client(settings: SandboxSettings) -> httpx.AsyncClient:
    user, password = settings.webhook_user, settings.webhook_password
    auth = (user, password) if user or password else None
    # A proxy from the environment would carry the call away from this machine.
    return httpx.AsyncClient(
        auth=auth,
        verify=_NO_TLS,
        timeout=None,  # noqa: S113 - it would be for each read, and a slow drip never end; the whole is limited
        trust_env=False,
    )


async def _try(call: Call, settings: SandboxSettings) -> None:
    call.tries += 1
    call.status = call.error = None
    try:
        async with asyncio.timeout(ANSWER_SECONDS), _client(settings) as client:
            answer = await client.post(settings.webhook_url, json=call.body)
        call.status = answer.status_code
    except TimeoutError:
        call.error = f"no answer within {ANSWER_SECONDS:g} s"
    except httpx.HTTPError as error:
        call.error = str(error) or type(error).__name__
