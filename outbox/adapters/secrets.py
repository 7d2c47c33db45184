"""Secrets from Secrets Manager: cached for five minutes, read again when what they hold is refused."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from outbox.core.clock import recent
from outbox.core.errors import Stop
from outbox.core.message import Message
from outbox.core.ports import Clock

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

T = TypeVar("T")

KEPT = timedelta(minutes=5)
# Not every mail of a batch must ask again for what has just failed or been refused.
AGAIN = timedelta(seconds=30)
WHAT = Message("mail-api-credentials")
FORM = '{"login_id": "…", "api_key": "…"}'


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """Who we are to the mail API; never shown."""

    login_id: str
    api_key: str


class CachedSecret(Generic[T]):
    """Reads one secret as `parse` understands it; threads share what was read, and what failed.

    `what` names in a sentence what it holds. `parse` raises `Stop` for a secret of another form.
    """

    def __init__(
        self, client: "SecretsManagerClient", secret_id: str, clock: Clock, parse: Callable[[str], T], what: str
    ) -> None:
        self._client, self._secret_id, self._clock = client, secret_id, clock
        self._parse, self._what = parse, what
        self._lock = threading.Lock()
        self._known: T | None = None
        self._failure: Stop | None = None
        self._asked_at: datetime | None = None
        self._refused_at: datetime | None = None

    def __call__(self, *, refused: T | None = None) -> T:
        """Give what the secret holds. `refused`: what was not taken, so that a newer secret is read at once.

        Raises `Stop` when the secret cannot be read or has another form. What is known and was not refused outlives
        a secret that cannot be read for a while.
        """
        with self._lock:
            now, refusal = self._clock(), refused is not None and refused == self._known
            if refusal and not recent(self._refused_at, now, AGAIN):
                self._refused_at = now
                self._ask(now)
            elif not refusal and not recent(self._asked_at, now, AGAIN if self._failure else KEPT):
                self._ask(now)
            if self._known is None or (refusal and self._failure):
                raise self._failure or Stop(Message("secret-empty", what=self._what))
            return self._known

    def _ask(self, now: datetime) -> None:
        self._asked_at = now
        try:
            self._known, self._failure = self._read(), None
        except Stop as error:
            self._failure = error

    def _read(self) -> T:
        try:
            written = self._client.get_secret_value(SecretId=self._secret_id).get("SecretString", "")
        except (ClientError, BotoCoreError) as error:
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
            raise Stop(Message("secret-unreadable", what=self._what, code_said=code)) from None
        return self._parse(written)


class SecretsManagerCredentials(CachedSecret[Credentials]):
    """Reads a secret of the form `{"login_id": …, "api_key": …}`; when it cannot be read, nobody can send."""

    def __init__(self, client: "SecretsManagerClient", secret_id: str, clock: Clock) -> None:
        super().__init__(client, secret_id, clock, _parse, WHAT)


def _parse(written: str) -> Credentials:
    try:
        secret = json.loads(written)
        login_id, api_key = secret["login_id"], secret["api_key"]
    except (ValueError, KeyError, TypeError):
        login_id = api_key = None
    if not (isinstance(login_id, str) and isinstance(api_key, str) and login_id and api_key):
        raise Stop(Message("secret-malformed", what=WHAT, form=FORM))
    return Credentials(login_id, api_key)
