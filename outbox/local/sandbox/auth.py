"""Compute and check the bearer token that the mail API asks for."""

import base64
import hashlib
import hmac

from starlette.requests import Request

from outbox.local.sandbox.settings import SandboxSettings


def token(login_id: str, api_key: str) -> str:
    """Return base64 over the 64 hex characters (not the 32 bytes) of SHA-256 over login id and key."""
    digest = hashlib.sha256(f"{login_id}{api_key}".encode()).hexdigest()
    return base64.b64encode(digest.encode()).decode()


def allowed(request: Request, settings: SandboxSettings) -> bool:
    """Tell whether the request carries the token of these credentials."""
    expected = f"Bearer {token(settings.login_id, settings.api_key)}"
    given = request.headers.get("authorization", "")
    return hmac.compare_digest(given.encode("latin-1", "replace"), expected.encode())
