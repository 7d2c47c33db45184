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

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from outbox.adapters.api_client import Answer, ApiClient
from outbox.adapters.plain_text import plain_text
from outbox.adapters.sentences import sentence_of
from outbox.core.attachment import Attachment, S3Object, StoredFile
from outbox.core.errors import NotEncodable, OutcomeUnknown, Rejected, Stop, TryLater
from outbox.core.mail import Mail
from outbox.core.mail_api import LONGEST_UPLOAD, Accepted, Request
from outbox.core.message import Message

LONGEST_ANSWER = 64 * 1024
# The API's limit is per minute, so a minute is the wait when it does not say.
DEFAULT_WAIT = 60.0
LONGEST_NUMBER = 10
# A key of an index that the table would refuse must not cost a mail that was sent its outcome.
LONGEST_ID = 50
REMAINING = ("x-rate-limit-remaining", "x-ratelimit-remaining")
RETRY_AFTER = "x-rate-limit-retry-after-seconds"
STOPPING = {
    403: "no-right-to-send",
    423: "account-locked",
    404: "address-not-found",
    405: "address-refuses-call",
    415: "address-refuses-form",
}
OK, CREATED, UNAUTHORIZED, TIMEOUT, TOO_MANY = 200, 201, 401, 408, 429


class BlastengineApi:
    """Sends mails, one call each; threads may share it."""

    def __init__(self, client: ApiClient, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._client, self._monotonic = client, monotonic

    @property
    def longest_call(self) -> float:
        """Seconds after which a call has certainly ended."""
        return self._client.longest_call

    @property
    def account(self) -> str:
        """Name address and credentials without giving them away."""
        return self._client.account

    def ready(self) -> None:
        """Make sure that credentials are at hand. Raises `Stop` if there are none."""
        self._client.ready()

    def fresh_account(self) -> str:
        """Read the credentials anew and name them."""
        self._client.forget_credentials()
        return self._client.account

    def encode(self, mail: Mail) -> Request:
        """Make the request of `POST /deliveries/transaction`. Raises `NotEncodable`: nothing has left."""
        try:
            payload = json.dumps(payload_of(mail), ensure_ascii=False).encode()
            if not mail.attachments:
                return Request({"headers": {"Content-Type": "application/json"}, "content": payload})
            upload = _Upload(self._monotonic)
            files: list[Any] = [("data", ("data.json", payload, "application/json"))]
            # A stream is sent piece by piece, and from its beginning again if the call is made a second time.
            files += [("file", (each.name, _opened(each, upload), each.mime)) for each in mail.attachments]
        except Exception as error:
            raise NotEncodable(type(error).__name__) from error
        return Request({"files": files}, LONGEST_UPLOAD)

    def send(self, request: Request) -> Accepted:
        """Send one mail. Raises `Rejected`, `TryLater`, `OutcomeUnknown` or `Stop`."""
        return _decide(self._client.call("POST", "/deliveries/transaction", longest=LONGEST_ANSWER, **request.parts))


def _opened(attachment: Attachment, upload: "_Upload") -> "bytes | _Leaving":
    content = attachment.content
    if isinstance(content, (Path, S3Object, StoredFile)):
        message = f"the file {attachment.name!r} was not opened before the call"
        raise TypeError(message)
    return content if isinstance(content, bytes) else _Leaving(content, upload)


class _Upload:
    """The files of one mail on their way out: together they have so many seconds from the first piece on."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic, self._until = monotonic, 0.0

    def check(self) -> None:
        """Begin to count at the first piece. Raises `OutcomeUnknown` when the time is over."""
        now = self._monotonic()
        self._until = self._until or now + LONGEST_UPLOAD
        if now > self._until:
            raise OutcomeUnknown(Message("files-did-not-leave", seconds=f"{LONGEST_UPLOAD:.0f}"))


class _Leaving:
    """A stream on its way out, which ends the call when it takes too long: each piece alone may be quick enough."""

    def __init__(self, source: BinaryIO, upload: _Upload) -> None:
        self._source, self._upload = source, upload
        self.seek, self.tell = source.seek, source.tell

    def read(self, count: int = -1) -> bytes:
        self._upload.check()
        return self._source.read(count)


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


def _decide(answer: Answer) -> Accepted:
    status = answer.status
    if status in {OK, CREATED}:
        return Accepted(_delivery_id(status, answer.body), _remaining(answer.headers), _asked_wait(answer.headers))
    stop_if_everybody_must(answer)
    if 400 <= status < 500 and status != TIMEOUT:
        raise Rejected(sentence_of(status, answer.body))
    raise OutcomeUnknown(Message("answer-says-nothing", status=status))


def stop_if_everybody_must(answer: Answer) -> None:
    """Raise `TryLater` or `Stop` for an answer that concerns every call, whatever it asked."""
    status = answer.status
    if status == TOO_MANY:
        wait = _asked_wait(answer.headers)
        raise TryLater(Message("rate-used-up"), DEFAULT_WAIT if wait is None else wait)
    if status == UNAUTHORIZED:
        raise Stop(Message("credentials-refused"))
    if status in STOPPING:
        raise Stop(Message(STOPPING[status]))
    if 300 <= status < 400:
        raise Stop(Message("address-redirects", status=status))


def _delivery_id(status: int, body: str) -> str:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    found = answer.get("delivery_id") if isinstance(answer, dict) else None
    text = str(found).strip() if isinstance(found, (int, str)) and not isinstance(found, bool) else ""
    if not text.isdecimal() or len(text) > LONGEST_ID:
        raise OutcomeUnknown(Message("answer-without-id", status=status))
    return text


def _remaining(headers: Mapping[str, str]) -> int | None:
    for name in REMAINING:
        if headers.get(name, "").strip().isdecimal() and len(headers[name]) < LONGEST_NUMBER:
            return int(headers[name])
    return None


def _asked_wait(headers: Mapping[str, str]) -> float | None:
    """Read the wait the API asks for; what is no number of seconds counts as not said."""
    try:
        seconds = float(headers.get(RETRY_AFTER, headers.get("retry-after", "")))
    except ValueError:
        return None
    return seconds if 0 <= seconds < math.inf else None
