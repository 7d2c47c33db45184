"""Read the JSON of the sandbox's own endpoints, and say what is wrong with it."""

import json
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from outbox.local.sandbox.checks import BadInput


async def read(request: Request) -> object:
    """Return the body; raises BadInput when it is no JSON."""
    try:
        payload = json.loads(await request.body())
        # Half of a surrogate pair is valid JSON that neither an answer nor a webhook could ever contain.
        json.dumps(payload, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise BadInput("body", f"is not JSON: {error}") from None
    return payload


def bad_input(bad: BadInput) -> Response:
    """Answer 400 with the field and what is wrong with it."""
    return JSONResponse({"error": str(bad), "field": bad.field}, HTTPStatus.BAD_REQUEST)


def missing() -> Response:
    """Answer 404."""
    return JSONResponse({"error": "there is none of that id"}, HTTPStatus.NOT_FOUND)
