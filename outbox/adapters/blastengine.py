"""The mail API over HTTP, after blastengine's reference: the only place that knows its status codes and bodies.

| answer                                             | decision         | why                                        |
|----------------------------------------------------|------------------|--------------------------------------------|
| 200, 201 with an id                                | accepted         |                                            |
| any other 2xx, or no readable id                   | OutcomeUnknown   | probably accepted; nobody can tell         |
| 400, 409, 413, 422 and other 4xx                   | Rejected         | this mail is wrong                         |
| 401 (twice, with the secret read again), 403, 423  | Stop             | credentials, rights, account               |
| 3xx, 404, 405, 415                                 | Stop             | not the API, or not its address            |
| 429                                                | TryLater         | the rate; the wait its header asks for     |
| 408, 5xx                                           | OutcomeUnknown   | a gateway may speak for an API that sent   |
| no connection                                      | TryLater         | nothing left this machine                  |
| anything after the request began to leave          | OutcomeUnknown   | time-out, reset, a torn answer             |
"""

import base64
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import httpx

from outbox.adapters.plain_text import plain_text
from outbox.adapters.secrets import Credentials
from outbox.adapters.sentences import sentence_of
from outbox.core.errors import OutcomeUnknown, Rejected, Stop, TryLater
from outbox.core.mail import Mail
from outbox.core.ports import Accepted

LONGEST_ANSWER = 64 * 1024
# The API's limit is per minute, so a minute is the wait when it does not say.
DEFAULT_WAIT = 60.0
REMAINING = ("x-rate-limit-remaining", "x-ratelimit-remaining")
RETRY_AFTER = "x-rate-limit-retry-after-seconds"
STOPPING = {
    403: "the mail API says these credentials have no right to send (403)",
    423: "the mail API says the account is locked (423)",
    404: "the mail API's address answers that there is no such place (404); check the address setting",
    405: "the mail API's address does not take this call (405); check the address setting",
    415: "the mail API's address does not take this form (415); check the address setting",
}
# A refusal of credentials within this many seconds leaves time for a second call with newer ones.
QUICK = 2.0
OK, CREATED, UNAUTHORIZED, TIMEOUT, TOO_MANY = 200, 201, 401, 408, 429


class CredentialsSource(Protocol):
    """Gives the credentials, newer ones when told which were refused."""

    def __call__(self, *, refused: Credentials | None = None) -> Credentials:
        """Give the credentials. Raises `Stop` if there are none."""


class BlastengineApi:
    """Sends through the HTTP client it is handed, whose time-outs must be set; threads may share it.

    `answer_seconds` bounds a whole answer, however slowly it drips.
    """

    def __init__(
        self,
        client: httpx.Client,
        base_url: str,
        credentials: CredentialsSource,
        answer_seconds: float = 30.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._credentials, self._monotonic = client, credentials, monotonic
        self._url = base_url.rstrip("/") + "/deliveries/transaction"
        self._answer_seconds = answer_seconds

    @property
    def longest_call(self) -> float:
        """Seconds after which a call has certainly ended: the last piece of an answer may come a time-out late."""
        timeout = self._client.timeout
        leaving = sum(part or 0.0 for part in (timeout.pool, timeout.connect, timeout.write))
        return QUICK + leaving + self._answer_seconds + (timeout.read or 0.0)

    def send(self, mail: Mail) -> Accepted:
        """Send one mail. Raises `Rejected`, `TryLater`, `OutcomeUnknown` or `Stop`."""
        credentials = self._credentials()
        began = self._monotonic()
        status, headers, body = self._call(mail, credentials)
        if status == UNAUTHORIZED:
            fresh = self._credentials(refused=credentials)
            if fresh != credentials and self._monotonic() - began < QUICK:
                status, headers, body = self._call(mail, fresh)
        return _decide(status, headers, body)

    def _call(self, mail: Mail, credentials: Credentials) -> tuple[int, httpx.Headers, str]:
        request = self._request(mail, credentials)
        began = self._monotonic()
        try:
            response = self._client.send(request, stream=True, follow_redirects=False)
            try:
                return response.status_code, response.headers, self._read(response, began)
            finally:
                response.close()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
            message = f"no connection to the mail API ({type(error).__name__})."
            raise TryLater(message) from None
        except (httpx.UnsupportedProtocol, httpx.InvalidURL):
            message = "the mail API's address is no web address."
            raise Stop(message) from None
        except httpx.TimeoutException as error:
            waited = self._monotonic() - began
            message = f"the mail API did not answer within {waited:.0f} s ({type(error).__name__})."
            raise OutcomeUnknown(message) from None
        except httpx.HTTPError as error:
            message = f"the connection to the mail API broke before its answer came ({type(error).__name__})."
            raise OutcomeUnknown(message) from None

    def _request(self, mail: Mail, credentials: Credentials) -> httpx.Request:
        headers = {"Authorization": f"Bearer {token(credentials)}", "Accept-Language": "en-US"}
        payload = json.dumps(payload_of(mail), ensure_ascii=False).encode()
        if not mail.attachments:
            headers["Content-Type"] = "application/json"
            return self._client.build_request("POST", self._url, headers=headers, content=payload)
        files: list[Any] = [("data", ("data.json", payload, "application/json"))]
        files += [("file", (a.name, a.content, a.mime)) for a in mail.attachments]
        return self._client.build_request("POST", self._url, headers=headers, files=files)

    def _read(self, response: httpx.Response, began: float) -> str:
        body = b""
        for piece in response.iter_bytes():
            body += piece
            if len(body) > LONGEST_ANSWER or self._monotonic() - began > self._answer_seconds:
                break
        return body[:LONGEST_ANSWER].decode("utf-8", "replace")


def token(credentials: Credentials) -> str:
    """Make the bearer token: base64 of the lower-case hex of SHA-256 over login id and API key, joined."""
    digest = hashlib.sha256((credentials.login_id + credentials.api_key).encode()).hexdigest()
    return base64.b64encode(digest.encode()).decode()


def payload_of(mail: Mail) -> dict[str, Any]:
    """Put a mail into the API's words; only addresses go where the API takes no names."""
    payload: dict[str, Any] = {
        "from": {"email": mail.sender.email, "name": mail.sender.name},
        "to": mail.to.email,
        "subject": mail.subject,
        # The API wants a text part (at least one character, by the vendor's own client) also beside HTML.
        "text_part": mail.text or plain_text(mail.html),
        "encode": mail.encoding,
    }
    optional: dict[str, Any] = {
        "html_part": mail.html,
        "cc": [address.email for address in mail.cc],
        "bcc": [address.email for address in mail.bcc],
        "insert_code": [{"key": f"__{key}__", "value": value} for key, value in mail.insert_code.items()],
    }
    if mail.reply_to:
        optional["reply_to"] = {"email": mail.reply_to.email, "name": mail.reply_to.name}
    if mail.list_unsubscribe:
        parts = {"mailto": mail.list_unsubscribe.mailto, "url": mail.list_unsubscribe.url}
        optional["list_unsubscribe"] = {name: value for name, value in parts.items() if value}
    return payload | {name: value for name, value in optional.items() if value}


def _decide(status: int, headers: Mapping[str, str], body: str) -> Accepted:
    if status in (OK, CREATED):
        return Accepted(_delivery_id(status, body), _remaining(headers))
    if status == TOO_MANY:
        message = "the mail API's rate is used up for the moment (429)."
        raise TryLater(message, _retry_after(headers))
    if status == UNAUTHORIZED:
        message = "the mail API refuses the credentials (401)."
        raise Stop(message)
    if status in STOPPING:
        raise Stop(STOPPING[status] + ".")
    if 300 <= status < 400:
        message = f"the mail API's address sends elsewhere ({status}); check the address setting."
        raise Stop(message)
    if 400 <= status < 500 and status != TIMEOUT:
        raise Rejected(sentence_of(status, body))
    message = f"the mail API answered {status}, which says nothing about this mail."
    raise OutcomeUnknown(message)


def _delivery_id(status: int, body: str) -> str:
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    found = answer.get("delivery_id") if isinstance(answer, dict) else None
    if isinstance(found, bool) or not isinstance(found, (int, str)) or not str(found).strip().isdigit():
        message = f"the mail API answered {status} without a readable delivery id."
        raise OutcomeUnknown(message)
    return str(found).strip()


def _remaining(headers: Mapping[str, str]) -> int | None:
    for name in REMAINING:
        if headers.get(name, "").strip().isdecimal():
            return int(headers[name])
    return None


def _retry_after(headers: Mapping[str, str]) -> float:
    """Read the wait the API asks for; what is no number of seconds counts as the default."""
    try:
        seconds = float(headers.get(RETRY_AFTER, headers.get("retry-after", DEFAULT_WAIT)))
    except ValueError:
        return DEFAULT_WAIT
    return seconds if seconds >= 0 else DEFAULT_WAIT
