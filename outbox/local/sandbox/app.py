"""Put the mail API, the admin endpoints and the pages together."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from outbox.local.sandbox import answers, api, auth
from outbox.local.sandbox.admin import Admin
from outbox.local.sandbox.bounce_admin import BounceAdmin
from outbox.local.sandbox.bouncer import Bouncer
from outbox.local.sandbox.connections import Connections
from outbox.local.sandbox.guard import Guard
from outbox.local.sandbox.misbehave import Misbehaviour
from outbox.local.sandbox.pages import Pages
from outbox.local.sandbox.settings import SandboxSettings
from outbox.local.sandbox.state import State


def create_app(
    settings: SandboxSettings | None = None,
    *,
    connections: Connections | None = None,
    state: State | None = None,
) -> Starlette:
    """Return the whole sandbox as an ASGI app; faults below HTTP need the connections of its server."""
    state = state or State(settings or SandboxSettings())
    bouncer = Bouncer(state)
    mail_api = api.Api(state, bouncer, Misbehaviour(connections or Connections()))
    others = (Admin(state), BounceAdmin(state, bouncer), Pages(state, bouncer))
    app = Starlette(
        routes=[*mail_api.routes(), *(route for each in others for route in each.routes())],
        middleware=[Middleware(Guard)],
        exception_handlers={HTTPException: _error_handler(state)},
    )
    # A path with a slash too many is another path, for the real one as well.
    app.router.redirect_slashes = False
    return app


def _error_handler(state: State) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handle(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.INTERNAL_SERVER_ERROR
        headers = error.headers if isinstance(error, HTTPException) else None
        if not request.url.path.startswith("/api/"):
            return PlainTextResponse(HTTPStatus(status).phrase, status, headers)
        if not auth.allowed(request, state.settings):
            return api.unauthorized()
        return answers.framework_error(request, status, headers=headers)

    return handle
