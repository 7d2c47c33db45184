"""Who may call the webhook: Basic credentials from a secret, two pairs at once so that they can be changed in peace."""

import base64
import binascii
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

from outbox.adapters.secrets import CachedSecret
from outbox.core.errors import Stop
from outbox.core.ports import Clock
from outbox.core.text import bad_character

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

MOST_PAIRS, SHORTEST_PASSWORD = 2, 16
# A header of this length holds any user and password a person would choose; longer ones are not even decoded.
LONGEST_HEADER = 1024
WHAT = "the webhook's credentials"
FORM = (
    f'the secret with {WHAT} must be JSON of the form {{"credentials": [{{"user": "…", "password": "…"}}]}} with one '
    f"or two pairs, {SHORTEST_PASSWORD} or more characters in a password, no colon in a user and no control characters."
)

Digests = tuple[bytes, ...]


class WebhookCredentials:
    """Checks `Authorization` headers against the secret, which is read every five minutes.

    A password that is wrong makes it read at once, every 30 seconds at most however many come: so a new one is seen
    soon, and strangers cost little.
    """

    def __init__(self, client: "SecretsManagerClient", secret_id: str, clock: Clock) -> None:
        self._secret = CachedSecret(client, secret_id, clock, _parse, WHAT)

    def admits(self, header: str) -> bool:
        """Tell whether a header has one of the pairs. Raises `Stop` when the secret cannot be read or is unusable."""
        given = _digest_of(header)
        if given is None:
            return False
        known = self._secret()
        if _is_one(given, known):
            return True
        try:
            return _is_one(given, self._secret(refused=known))
        except Stop:
            # What is known was read once and does not have it: a stranger is no trouble with the secret.
            return False


def _is_one(given: bytes, known: Digests) -> bool:
    # Each is compared, to the last byte: the time taken tells nothing of which one was near.
    compared = [hmac.compare_digest(given, digest) for digest in known]
    return any(compared)


def _digest_of(header: str) -> bytes | None:
    scheme, _, encoded = header.partition(" ")
    if len(header) > LONGEST_HEADER or scheme.lower() != "basic":
        return None
    try:
        pair = base64.b64decode(encoded.strip(), validate=True)
        pair.decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    return _digest(pair) if b":" in pair else None


def _digest(pair: bytes) -> bytes:
    return hashlib.sha256(pair).digest()


def _parse(written: str) -> Digests:
    try:
        pairs = json.loads(written)["credentials"]
    except (ValueError, KeyError, TypeError, RecursionError):
        pairs = None
    if not (isinstance(pairs, list) and 1 <= len(pairs) <= MOST_PAIRS and all(map(_is_pair, pairs))):
        raise Stop(FORM)
    return tuple(_digest(f"{pair['user']}:{pair['password']}".encode()) for pair in pairs)


def _is_pair(pair: Any) -> bool:  # noqa: ANN401  JSON of any shape
    if not isinstance(pair, dict):
        return False
    user, password = pair.get("user"), pair.get("password")
    if not (isinstance(user, str) and isinstance(password, str)):
        return False
    return bool(user) and ":" not in user and not bad_character(user + password) and len(password) >= SHORTEST_PASSWORD
