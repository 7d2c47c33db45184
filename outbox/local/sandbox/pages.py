"""The inbox in the browser: what arrived, and the switches for faults and settings."""

from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from outbox.local.sandbox import bounce, faults, forms, settings
from outbox.local.sandbox.bounce_orders import order_from
from outbox.local.sandbox.bouncer import Bouncer
from outbox.local.sandbox.checks import BadInput
from outbox.local.sandbox.mail import Delivery
from outbox.local.sandbox.state import State

TEMPLATES = Path(__file__).parent / "templates"
MAILS_ON_A_PAGE = 50

_EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_PAGE_HEADERS = _EVERYWHERE | {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src data:; frame-src 'self'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    )
}
# Foreign HTML: looks like in a mail program that loads nothing, and can do nothing.
_MAIL_HEADERS = _EVERYWHERE | {
    "Content-Security-Policy": (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none';"
        " base-uri 'none'; frame-ancestors 'self'"
    )
}
_FILE_HEADERS = _EVERYWHERE | {"Content-Security-Policy": "sandbox; default-src 'none'"}


class Pages:
    """Server-rendered pages without a script."""

    def __init__(self, state: State, bouncer: Bouncer) -> None:
        self._state = state
        self._bouncer = bouncer
        self._templates = Environment(
            loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        self._templates.filters["clock"] = _clock
        self._templates.filters["size"] = _size

    def routes(self) -> list[Route]:
        """Return the pages with their paths."""
        return [
            Route("/", self._inbox),
            Route("/style.css", self._style),
            Route("/mails/{delivery_id:int}", self._mail),
            Route("/mails/{delivery_id:int}/html", self._html_part),
            Route("/mails/{delivery_id:int}/attachments/{at:int}", self._attachment),
            Route("/mails/{delivery_id:int}/bounces", self._bounce, methods=["POST"]),
            Route("/faults", self._faults, methods=["GET"]),
            Route("/faults", self._add_fault, methods=["POST"]),
            Route("/faults/off", self._clear_faults, methods=["POST"]),
            Route("/faults/{rule_id:int}/off", self._remove_fault, methods=["POST"]),
            Route("/settings", self._change_settings, methods=["POST"]),
            Route("/forget", self._forget, methods=["POST"]),
        ]

    def _page(self, name: str, status: int = HTTPStatus.OK, **values: Any) -> Response:  # noqa: ANN401
        html = self._templates.get_template(name).render(
            rules=self._state.faults.rules,
            settings=self._state.settings,
            counters=self._state.counters.as_json(),
            modes=faults.MODES,
            bounce_types=bounce.TYPES,
            **values,
        )
        return HTMLResponse(html, status, _PAGE_HEADERS)

    async def _style(self, request: Request) -> Response:  # noqa: ARG002
        return FileResponse(TEMPLATES / "style.css", media_type="text/css", headers=_EVERYWHERE)

    async def _inbox(self, request: Request) -> Response:
        wanted = request.query_params.get("q", "").strip()
        found = [each for each in reversed(self._state.deliveries()) if _mentions(each, wanted)]
        shown = found[:MAILS_ON_A_PAGE]
        paused = "paused" in request.query_params
        return self._page("inbox.html", deliveries=shown, found=len(found), wanted=wanted, paused=paused)

    async def _mail(self, request: Request) -> Response:
        return self._page("mail.html", delivery=self._delivery(request))

    async def _html_part(self, request: Request) -> Response:
        mail = self._delivery(request).mail
        return HTMLResponse(mail.filled_in(mail.html_part), headers=_MAIL_HEADERS)

    async def _attachment(self, request: Request) -> Response:
        files = self._delivery(request).mail.attachments
        at = request.path_params["at"]
        if at >= len(files):
            raise HTTPException(HTTPStatus.NOT_FOUND)
        disposition = f"attachment; filename*=UTF-8''{quote(files[at].name, safe='')}"
        headers = _FILE_HEADERS | {"Content-Disposition": disposition}
        return Response(files[at].content, media_type="application/octet-stream", headers=headers)

    def _delivery(self, request: Request) -> Delivery:
        delivery = self._state.delivery(request.path_params["delivery_id"])
        if delivery is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return delivery

    async def _bounce(self, request: Request) -> Response:
        delivery_id = self._delivery(request).delivery_id
        try:
            order = order_from(forms.bounce_payload(await request.form(), delivery_id), self._state)
        except BadInput as bad:
            page = {"delivery": self._delivery(request), "problem": str(bad)}
            return self._page("mail.html", HTTPStatus.BAD_REQUEST, **page)
        self._bouncer.carry_out(order)
        return RedirectResponse(f"/mails/{delivery_id}", HTTPStatus.SEE_OTHER)

    async def _faults(self, request: Request) -> Response:  # noqa: ARG002
        return self._page("faults.html")

    async def _add_fault(self, request: Request) -> Response:
        try:
            self._state.faults.add(faults.rule_from(forms.fault_payload(await request.form())))
        except BadInput as bad:
            return self._page("faults.html", HTTPStatus.BAD_REQUEST, problem=str(bad))
        return _back_to_inbox()

    async def _remove_fault(self, request: Request) -> Response:
        self._state.faults.remove(request.path_params["rule_id"])
        return _back_to_inbox()

    async def _clear_faults(self, request: Request) -> Response:  # noqa: ARG002
        self._state.faults.clear()
        return _back_to_inbox()

    async def _change_settings(self, request: Request) -> Response:
        try:
            payload = forms.settings_payload(await request.form())
            self._state.settings = settings.changed(self._state.settings, payload)
        except BadInput as bad:
            return self._page("faults.html", HTTPStatus.BAD_REQUEST, problem=str(bad))
        return RedirectResponse("/faults", HTTPStatus.SEE_OTHER)

    async def _forget(self, request: Request) -> Response:  # noqa: ARG002
        self._state.reset()
        return _back_to_inbox()


def _back_to_inbox() -> Response:
    return RedirectResponse("/", HTTPStatus.SEE_OTHER)


def _mentions(delivery: Delivery, wanted: str) -> bool:
    mail = delivery.mail
    texts = (*mail.recipients, mail.sender.email, mail.filled_in(mail.subject), str(delivery.delivery_id))
    return any(wanted.lower() in text.lower() for text in texts)


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _size(count: int) -> str:
    return f"{count} B" if count < 1_000 else f"{count / 1_000:.1f} kB"
