"""The sandbox's own endpoints for bounces, under /_sandbox/bounces."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from outbox.local.sandbox.admin import BASE
from outbox.local.sandbox.admin_json import bad_input, read
from outbox.local.sandbox.bounce_orders import order_from
from outbox.local.sandbox.bouncer import Bouncer
from outbox.local.sandbox.checks import BadInput
from outbox.local.sandbox.state import State


class BounceAdmin:
    """What tests use to bounce accepted mails, and to see what the webhook was told."""

    def __init__(self, state: State, bouncer: Bouncer) -> None:
        self._state = state
        self._bouncer = bouncer

    def routes(self) -> list[Route]:
        """Return the endpoints with their paths."""
        return [
            Route(f"{BASE}/bounces", self._calls, methods=["GET"]),
            Route(f"{BASE}/bounces", self._order, methods=["POST"]),
        ]

    async def _calls(self, request: Request) -> Response:  # noqa: ARG002
        return JSONResponse({"calls": [call.as_json() for call in self._state.webhooks.calls]})

    async def _order(self, request: Request) -> Response:
        try:
            order = order_from(await read(request), self._state)
        except BadInput as bad:
            return bad_input(bad)
        return JSONResponse(self._bouncer.carry_out(order))
