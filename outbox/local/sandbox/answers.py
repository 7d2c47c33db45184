"""The answers of the mail API, in its two error shapes."""

from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from outbox.local.sandbox import invented


def error_messages(messages: Mapping[str, Any], status: int = HTTPStatus.BAD_REQUEST) -> Response:
    """Answer with errors of fields, or of the whole under `main`."""
    return JSONResponse({"error_messages": messages}, status)


def general_error(text: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with one error that belongs to no field."""
    return JSONResponse({"error_messages": {"main": [text]}}, status, dict(headers or {}))


def framework_error(request: Request, status: int, message: str = "", headers: Any = None) -> Response:  # noqa: ANN401
    """Answer as the framework below the mail API does, before its own code is reached."""
    phrase = HTTPStatus(status).phrase
    content = {
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "status": status,
        "error": phrase,
        "message": message or phrase,
        "path": request.url.path,
    }
    return JSONResponse(content, status, headers)


def gateway_error(status: int) -> Response:
    """Answer with a gateway's HTML page."""
    return HTMLResponse(invented.gateway_page(status, HTTPStatus(status).phrase), status)
