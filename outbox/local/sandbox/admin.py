"""The sandbox's own endpoints, under /_sandbox: faults, settings, what arrived, numbers."""

from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from outbox.local.sandbox import faults, settings
from outbox.local.sandbox.admin_json import bad_input, missing, read
from outbox.local.sandbox.checks import BadInput
from outbox.local.sandbox.mail import Address, Delivery, iso_time
from outbox.local.sandbox.state import State

BASE = "/_sandbox"


class Admin:
    """What tests and people use to play with the sandbox; no token is asked for."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        """Return the endpoints with their paths."""
        every_method = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        return [
            Route(f"{BASE}/faults", self._list_faults, methods=["GET"]),
            Route(f"{BASE}/faults", self._add_fault, methods=["POST"]),
            Route(f"{BASE}/faults", self._clear_faults, methods=["DELETE"]),
            Route(f"{BASE}/faults/{{rule_id:int}}", self._remove_fault, methods=["DELETE"]),
            Route(f"{BASE}/settings", self._show_settings, methods=["GET"]),
            Route(f"{BASE}/settings", self._change_settings, methods=["POST"]),
            Route(f"{BASE}/reset", self._reset, methods=["POST"]),
            Route(f"{BASE}/mails", self._mails, methods=["GET"]),
            Route(f"{BASE}/mails/{{delivery_id:int}}", self._mail, methods=["GET"]),
            Route(f"{BASE}/stats", self._stats, methods=["GET"]),
            Route(f"{BASE}/redirected", self._redirected, methods=every_method),
        ]

    async def _list_faults(self, request: Request) -> Response:  # noqa: ARG002
        return self._faults()

    def _faults(self) -> Response:
        return JSONResponse({"faults": [rule.as_json() for rule in self._state.faults.rules]})

    async def _add_fault(self, request: Request) -> Response:
        try:
            rule = self._state.faults.add(faults.rule_from(await read(request)))
        except BadInput as bad:
            return bad_input(bad)
        return JSONResponse(rule.as_json(), HTTPStatus.CREATED)

    async def _clear_faults(self, request: Request) -> Response:  # noqa: ARG002
        self._state.faults.clear()
        return self._faults()

    async def _remove_fault(self, request: Request) -> Response:
        if not self._state.faults.remove(request.path_params["rule_id"]):
            return missing()
        return self._faults()

    async def _show_settings(self, request: Request) -> Response:  # noqa: ARG002
        return JSONResponse(settings.shown(self._state.settings))

    async def _change_settings(self, request: Request) -> Response:
        try:
            self._state.settings = settings.changed(self._state.settings, await read(request))
        except BadInput as bad:
            return bad_input(bad)
        return JSONResponse(settings.shown(self._state.settings))

    async def _reset(self, request: Request) -> Response:  # noqa: ARG002
        self._state.reset()
        return JSONResponse({"reset": True})

    async def _mails(self, request: Request) -> Response:
        to, subject = (request.query_params.get(name) for name in ("to", "subject"))
        found = [
            mail_json(each)
            for each in self._state.deliveries()
            if (to is None or each.mail.to == to) and (subject is None or subject in each.mail.subject)
        ]
        return JSONResponse({"mails": found})

    async def _mail(self, request: Request) -> Response:
        delivery = self._state.delivery(request.path_params["delivery_id"])
        return missing() if delivery is None else JSONResponse(mail_json(delivery))

    async def _stats(self, request: Request) -> Response:  # noqa: ARG002
        rest = {
            "webhooks": self._state.webhooks.as_json(),
            "rate_per_minute": self._state.settings.rate_per_minute,
        }
        return JSONResponse(self._state.counters.as_json() | rest)

    async def _redirected(self, request: Request) -> Response:  # noqa: ARG002
        """Catch clients that follow a redirect, and with it carry their token elsewhere."""
        self._state.counters.redirects_followed += 1
        return JSONResponse({"redirected": True})


def _person(address: Address | None) -> dict[str, str] | None:
    return None if address is None else asdict(address)


def mail_json(delivery: Delivery) -> dict[str, Any]:
    """Return everything that is known of an accepted mail, but for the content of attachments."""
    mail = delivery.mail
    return {
        "delivery_id": delivery.delivery_id,
        "received_at": delivery.received_at,
        "received_time": iso_time(delivery.received_at),
        "status": delivery.status,
        "from": _person(mail.sender),
        "to": mail.to,
        "cc": list(mail.cc),
        "bcc": list(mail.bcc),
        "reply_to": _person(mail.reply_to),
        "subject": mail.subject,
        "text_part": mail.text_part,
        "html_part": mail.html_part,
        "encode": mail.encode,
        "insert_code": [{"key": key, "value": value} for key, value in mail.insert_code],
        "list_unsubscribe": dict(mail.list_unsubscribe),
        "rendered": {
            "subject": mail.filled_in(mail.subject),
            "text_part": mail.filled_in(mail.text_part),
            "html_part": mail.filled_in(mail.html_part),
        },
        "attachments": [
            {"name": file.name, "mime": file.mime, "size": len(file.content), "sha256": file.sha256}
            for file in mail.attachments
        ],
        "bounces": [asdict(bounce) | {"time": iso_time(bounce.at)} for bounce in delivery.bounces],
    }
