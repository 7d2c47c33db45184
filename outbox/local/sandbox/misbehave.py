"""Play a fault: answer wrongly, late, or not at all."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from outbox.local.sandbox import answers, captured, invented
from outbox.local.sandbox.connections import Connections
from outbox.local.sandbox.counters import NO_ANSWER
from outbox.local.sandbox.faults import STORING, Call, Rule
from outbox.local.sandbox.rate import RETRY_AFTER, Ticket
from outbox.local.sandbox.settings import SandboxSettings

Normal = Callable[[], Awaitable[Response]]

# Tells a person with a network trace that this was no real failure.
MARK = "X-Sandbox-Fault"


class Silence(Response):
    """Answers nothing and holds the connection until the client gives up."""

    def __init__(self) -> None:
        super().__init__(status_code=NO_ANSWER)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Wait for the disconnect."""
        while (await receive())["type"] != "http.disconnect":
            pass


class Reset(Silence):
    """Answers nothing and resets the connection."""

    def __init__(self, connections: Connections) -> None:
        super().__init__()
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reset, then wait until the server has noticed: it would answer 500 before."""
        self._connections.reset(scope["client"])
        await super().__call__(scope, receive, send)


class Misbehaviour:
    """Answers in place of the normal answer."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def answer(self, rule: Rule, call: Call, settings: SandboxSettings, normal: Normal) -> Response:
        """Return the wrong answer; `normal` stores the mail and is called only when the rule says so."""
        if rule.mode == "slow":
            response = await normal()
            await asyncio.sleep(rule.seconds)
        else:
            if rule.mode in STORING and call.kind == "sends":
                await normal()
            response = self._wrong_answer(rule, call, settings)
        response.headers[MARK] = rule.mode
        return response

    def _wrong_answer(self, rule: Rule, call: Call, settings: SandboxSettings) -> Response:
        if rule.mode in {"hang", "accept_then_hang"}:
            return Silence()
        if rule.mode in {"reset", "accept_then_reset"}:
            return Reset(self._connections)
        return _over_http(rule, call, settings)


def _over_http(rule: Rule, call: Call, settings: SandboxSettings) -> Response:
    match rule.mode:
        case "rate_limited":
            return _rate_limited(rule, settings)
        case "server_error":
            return answers.gateway_error(rule.status or HTTPStatus.INTERNAL_SERVER_ERROR)
        case "accept_then_error":
            return answers.gateway_error(rule.status or HTTPStatus.BAD_GATEWAY)
        case "unreadable":
            return _unreadable(rule, call, settings)
        case "redirect":
            return RedirectResponse(rule.location, rule.status or HTTPStatus.TEMPORARY_REDIRECT)
        case _:
            return _refusal(rule, call)


def _refusal(rule: Rule, call: Call) -> Response:
    match rule.mode:
        case "refuse_address":
            return answers.error_messages({"to": [captured.invalid_format(call.to)]})
        case "unauthorized":
            return answers.general_error(invented.UNAUTHORIZED, HTTPStatus.UNAUTHORIZED)
        case "forbidden":
            return answers.general_error(invented.FORBIDDEN, HTTPStatus.FORBIDDEN)
        case _:
            return answers.general_error(invented.LOCKED, HTTPStatus.LOCKED)


def _rate_limited(rule: Rule, settings: SandboxSettings) -> Response:
    headers = Ticket(allowed=False, remaining=0, retry_after=60).headers(settings.rate_header)
    if rule.retry_after is not None:
        headers[RETRY_AFTER] = rule.retry_after
    return answers.general_error(invented.RATE_LIMITED, HTTPStatus.TOO_MANY_REQUESTS, headers if rule.headers else None)


def _unreadable(rule: Rule, call: Call, settings: SandboxSettings) -> Response:
    status = settings.success_status if call.kind == "sends" else HTTPStatus.OK
    body = invented.BROKEN_BODY if rule.body is None else rule.body
    return Response(body, status, media_type="application/json")
