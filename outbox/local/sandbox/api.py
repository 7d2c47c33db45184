"""The endpoints of the mail API, under /api/v1."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from outbox.local.sandbox import answers, auth, body, captured, invented, rows, search, validation
from outbox.local.sandbox.bouncer import Bouncer
from outbox.local.sandbox.errors import Invalid
from outbox.local.sandbox.faults import Call, Kind
from outbox.local.sandbox.mail import JST, Mail, iso_time
from outbox.local.sandbox.misbehave import MARK, Misbehaviour, Normal
from outbox.local.sandbox.rate import Ticket
from outbox.local.sandbox.state import State

BASE = "/api/v1"
_PLAN_MAILS = 10_000

Endpoint = Callable[[Request], Awaitable[Response]]
Reading = Callable[[Request], Response]


class Api:
    """What an application's client talks to."""

    def __init__(self, state: State, bouncer: Bouncer, misbehaviour: Misbehaviour) -> None:
        self._state = state
        self._bouncer = bouncer
        self._misbehaviour = misbehaviour

    def routes(self) -> list[Route]:
        """Return the endpoints with their paths."""
        reads: dict[str, Reading] = {
            "/deliveries": self._deliveries,
            "/deliveries/all": self._all_deliveries,
            "/deliveries/{delivery_id:int}": self._delivery,
            "/logs/mails/results": self._logs,
            "/logs/mails/{maillog_id:int}": self._log,
            "/errors": self._errors,
            "/usages/latest": self._usage,
        }
        send = Route(f"{BASE}/deliveries/transaction", self._guarded("sends", self._send), methods=["POST"])
        return [
            send,
            *(Route(BASE + path, self._guarded("reads", self._read(read))) for path, read in reads.items()),
        ]

    def _guarded(self, kind: Kind, endpoint: Endpoint) -> Endpoint:
        """Check the token and the rate before the endpoint, count its answer after it."""

        async def guarded(request: Request) -> Response:
            if not auth.allowed(request, self._state.settings):
                return self._counted(unauthorized())
            ticket = self._ticket(kind)
            if not ticket.allowed:
                self._state.counters.refused += 1
                response = answers.general_error(invented.RATE_LIMITED, HTTPStatus.TOO_MANY_REQUESTS)
            else:
                self._state.counters.allowed += 1
                response = await endpoint(request)
            # A fault decides itself which headers it shows.
            if MARK not in response.headers:
                response.headers.update(ticket.headers(self._state.settings.rate_header))
            return self._counted(response)

        return guarded

    def _ticket(self, kind: Kind) -> Ticket:
        settings = self._state.settings
        if kind == "reads" and settings.rate_scope == "sends":
            return Ticket(allowed=True, remaining=settings.rate_per_minute)
        return self._state.rate.take(self._state.clock(), settings)

    def _counted(self, response: Response) -> Response:
        self._state.counters.answers[response.status_code] += 1
        return response

    async def _send(self, request: Request) -> Response:
        settings = self._state.settings
        try:
            letter = await body.read(request, settings)
        except body.UnsupportedMedia:
            return answers.framework_error(request, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        except body.Unreadable as unreadable:
            return answers.framework_error(request, HTTPStatus.BAD_REQUEST, str(unreadable))
        except Invalid as invalid:
            return answers.error_messages(invalid.messages)
        try:
            mail = validation.accepted_mail(letter.payload, letter.files, settings)
        except Invalid as invalid:
            refusal = answers.error_messages(invalid.messages)
            return await self._answer(_call(letter.payload, acceptable=False), _already(refusal))
        return await self._answer(_call(letter.payload, acceptable=True), lambda: self._accept(mail))

    async def _answer(self, call: Call, normal: Normal) -> Response:
        rule = self._state.faults.strike(call)
        if rule is None:
            return await normal()
        return await self._misbehaviour.answer(rule, call, self._state.settings, normal)

    async def _accept(self, mail: Mail) -> Response:
        delivery = self._state.accept(mail)
        await self._bouncer.accepted(delivery)
        return JSONResponse({"delivery_id": delivery.delivery_id}, self._state.settings.success_status)

    def _read(self, read: Reading) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            try:
                response = read(request)
            except Invalid as invalid:
                response = answers.error_messages(invalid.messages)
            return await self._answer(Call("reads"), _already(response))

        return endpoint

    def _deliveries(self, request: Request) -> Response:
        return self._search(search.DeliveryQuery(request.query_params))

    def _all_deliveries(self, request: Request) -> Response:
        return self._search(search.DeliveryQuery(request.query_params, with_smtp=True))

    def _search(self, query: search.DeliveryQuery) -> Response:
        found = query.find(self._state.findable_deliveries())
        return JSONResponse({"data": [rows.delivery_row(each) for each in found]})

    def _delivery(self, request: Request) -> Response:
        wanted = request.path_params["delivery_id"]
        for delivery in self._state.findable_deliveries():
            if delivery.delivery_id == wanted:
                return JSONResponse(rows.delivery_detail(delivery))
        return _not_found()

    def _logs(self, request: Request) -> Response:
        found = search.LogQuery(request.query_params).find(self._state.findable_logs())
        return JSONResponse({"data": [rows.log_row(log) for log in found]})

    def _log(self, request: Request) -> Response:
        wanted = request.path_params["maillog_id"]
        for log in self._state.findable_logs():
            if log.maillog_id == wanted:
                return JSONResponse(rows.log_detail(log))
        return _not_found()

    def _errors(self, request: Request) -> Response:
        found = search.ErrorQuery(request.query_params).find(self._bouncer.listed_errors())
        return JSONResponse({"data": [rows.error_row(error) for error in found]})

    def _usage(self, request: Request) -> Response:  # noqa: ARG002
        used = sum(len(delivery.mail.recipients) for delivery in self._state.deliveries())
        now = self._state.clock()
        return JSONResponse({
            "month": int(datetime.fromtimestamp(now, UTC).astimezone(JST).strftime("%Y%m")),
            "current": used,
            "remaining": max(0, _PLAN_MAILS - used),
            "updated_time": iso_time(now),
            "plan_id": f"be-plan-{_PLAN_MAILS}",
        })  # fmt: skip


def _already(response: Response) -> Normal:
    async def normal() -> Response:
        return response

    return normal


def _call(payload: dict[str, object], *, acceptable: bool) -> Call:
    """Return what rules look at; of a wrong type is as good as missing."""
    to, subject = (value if isinstance(value := payload.get(name), str) else "" for name in ("to", "subject"))
    return Call("sends", to, subject, acceptable)


def _not_found() -> Response:
    return answers.general_error(captured.NO_DATA_FOUND, HTTPStatus.NOT_FOUND)


def unauthorized() -> Response:
    """Refuse a request without the right token."""
    return answers.general_error(invented.UNAUTHORIZED, HTTPStatus.UNAUTHORIZED)
