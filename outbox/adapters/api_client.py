"""Calls of the mail API over HTTP: token, bounds, and the decision when no answer comes at all."""

import base64
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from outbox.adapters.secrets import Credentials
from outbox.core.errors import OutcomeUnknown, Stop, TryLater
from outbox.core.message import Message

# A refusal of credentials within this many seconds leaves time for a second call with newer ones.
QUICK = 2.0
UNAUTHORIZED, TIMEOUT = 401, 408


class CredentialsSource(Protocol):
    """Gives the credentials, newer ones when told which were refused."""

    def __call__(self, *, refused: Credentials | None = None) -> Credentials:
        """Give the credentials. Raises `Stop` if there are none."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, the headers and the beginning of the body."""

    status: int
    headers: httpx.Headers
    body: str


class ApiClient:
    """Calls through the HTTP client it is handed, whose time-outs must be set; threads may share it.

    `answer_seconds` bounds the body of an answer, however slowly it drips.
    """

    def __init__(
        self,
        client: httpx.Client,
        base_url: str,
        credentials: CredentialsSource,
        answer_seconds: float = 30.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._base, self._credentials = client, base_url.rstrip("/"), credentials
        self._answer_seconds, self._monotonic = answer_seconds, monotonic

    @property
    def longest_call(self) -> float:
        """Seconds after which a call has ended: the last piece of an answer may come a time-out late.

        Headers that drip for longer are not bounded by the HTTP client; the row's lease is what bounds those.
        """
        timeout = self._client.timeout
        leaving = sum(part or 0.0 for part in (timeout.pool, timeout.connect, timeout.write))
        return QUICK + leaving + self._answer_seconds + (timeout.read or 0.0)

    @property
    def account(self) -> str:
        """Name the address and credentials in use without giving them away: another name means that they changed."""
        return hashlib.sha256(f"{self._base} {token(self._credentials())}".encode()).hexdigest()[:16]

    def ready(self) -> None:
        """Make sure that credentials are at hand. Raises `Stop` if there are none."""
        self._credentials()

    def forget_credentials(self) -> None:
        """Read the secret again before the next call."""
        self._credentials(refused=self._credentials())

    def call(self, method: str, path: str, *, longest: int, **parts: Any) -> Answer:  # noqa: ANN401  httpx's own parts
        """Make a call; refused credentials are tried once more with newer ones. `longest`: bytes of the body to read.

        Raises `TryLater` when nothing left this machine, `OutcomeUnknown` when no answer came, `Stop` when the address
        is none or the credentials cannot be read.
        """
        credentials = self._credentials()
        began = self._monotonic()
        answer = self._once(method, path, credentials, longest, parts)
        if answer.status == UNAUTHORIZED:
            fresh = self._credentials(refused=credentials)
            if fresh != credentials and self._monotonic() - began < QUICK:
                return self._once(method, path, fresh, longest, parts)
        return answer

    def _once(self, method: str, path: str, credentials: Credentials, longest: int, parts: dict[str, Any]) -> Answer:
        headers = {"Authorization": f"Bearer {token(credentials)}", "Accept-Language": "en-US"} | parts.get(
            "headers", {}
        )
        began = self._monotonic()
        try:
            request = self._client.build_request(method, self._base + path, **parts | {"headers": headers})
        except (httpx.UnsupportedProtocol, httpx.InvalidURL):
            raise Stop(Message("address-invalid")) from None
        except Exception as error:
            # A bug of ours, before anything has left.
            raise TryLater(Message("unexpected", kind=type(error).__name__)) from error
        try:
            response = self._client.send(request, stream=True, follow_redirects=False)
            try:
                return Answer(response.status_code, response.headers, self._read(response, began, longest))
            finally:
                response.close()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
            raise TryLater(Message("no-connection", kind=type(error).__name__)) from None
        except (httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError):
            # A host such as `app..example` gets no further than the resolver.
            raise Stop(Message("address-invalid")) from None
        except httpx.TimeoutException as error:
            waited = f"{self._monotonic() - began:.0f}"
            raise OutcomeUnknown(Message("no-answer", seconds=waited, kind=type(error).__name__)) from None
        except httpx.HTTPError as error:
            raise OutcomeUnknown(Message("connection-broke", kind=type(error).__name__)) from None

    def _read(self, response: httpx.Response, began: float, longest: int) -> str:
        body = b""
        try:
            for piece in response.iter_bytes():
                body += piece
                if len(body) > longest or self._monotonic() - began > self._answer_seconds:
                    break
        except httpx.HTTPError:
            # The status is the contract, a body is only its comment: a refusal stays one when its body is torn.
            if not 300 <= response.status_code < 500 or response.status_code == TIMEOUT:
                raise
        return body[:longest].decode("utf-8", "replace")


def token(credentials: Credentials) -> str:
    """Make the bearer token: base64 of the lower-case hex of SHA-256 over login id and API key, joined."""
    digest = hashlib.sha256((credentials.login_id + credentials.api_key).encode()).hexdigest()
    return base64.b64encode(digest.encode()).decode()
