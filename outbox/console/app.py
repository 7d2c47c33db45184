"""Puts the pages together into one ASGI application, and stands between them and everybody who asks."""

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from outbox.console import failures, times
from outbox.console.access import Access, Person, Role
from outbox.console.ask import LANGUAGE, ZONE, Ask, Draw, Kind, Page
from outbox.console.body import form_of
from outbox.console.guard import LOOPBACK, Guard, TooLong
from outbox.console.pages import PAGES
from outbox.console.render import drawn
from outbox.console.runner import Runner, ThreadRunner
from outbox.console.session import Session, Sessions
from outbox.console.words import accepted, chosen, words
from outbox.wiring.desk import Desk

T = TypeVar("T")
STATIC = Path(__file__).parent / "static"
NOBODY = Person("", Role.VIEW)


@dataclass(frozen=True, slots=True)
class Front:
    """Reads who asks for what, lets in whom it may, and turns what goes wrong into a page."""

    desk: Desk
    access: Access
    sessions: Sessions
    runner: Runner
    draw: Draw = drawn

    async def answer(self, page: Page, request: Request) -> Response:
        """Answer one request."""
        session = self.sessions.read(request)
        before, name = repr(session), session.name
        ask = self._ask(request, session)
        response = await run_in_threadpool(self._safely, self._let_in, page, ask)
        if response is None:
            # Nothing that a stranger sends is read, but where one signs in.
            ask.form = await form_of(request, page.longest) if page.method == "POST" else FormData()
            response = await run_in_threadpool(self._safely, self._done, page, ask)
        if session.name != name:
            self.sessions.changed(session, name)
        # A part of a page that is fetched meanwhile must not put back what was said before.
        if repr(session) != before:
            self.sessions.write(response, session)
        return response

    async def missing(self, request: Request, error: Exception) -> Response:
        """Answer what no page answers."""
        status = HTTPStatus(error.status_code if isinstance(error, HTTPException) else HTTPStatus.NOT_FOUND)

        def told(ask: Ask, _desk: Desk) -> Response:
            if status is HTTPStatus.NOT_FOUND:
                return ask.trouble(status, [ask.words("There is no such page.")])
            return ask.trouble(status, [ask.words("The console can make nothing of this request.")])

        return await self.answer(Page("", told, open=True), request)

    async def bug(self, request: Request, _error: Exception) -> Response:
        """Answer when a page has failed by a mistake of ours; the server writes down which."""
        return await run_in_threadpool(self._confess, request)

    def _confess(self, request: Request) -> Response:
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        try:
            ask = self._ask(request, Session())
            why = ask.words("The console has made a mistake. Whoever runs it finds in its output what went wrong.")
            return ask.trouble(status, [why, ask.words(failures.LOOK_FIRST)])
        except Exception:  # noqa: BLE001  the mistake may be in what draws every page
            return PlainTextResponse(status.phrase, status)

    def _ask(self, request: Request, session: Session) -> Ask:
        tags = accepted(request.headers.get("accept-language", ""))
        spoken = words(chosen([request.cookies.get(LANGUAGE, ""), *tags]))
        zone, now = times.zone(request.cookies.get(ZONE, "")), self.desk.now()
        ask = Ask(request, session, NOBODY, spoken, zone, now, self.draw, self.runner, self.access)
        ask.secure = self.sessions.secure
        return ask

    def _safely(self, step: Callable[[Page, Ask], T], page: Page, ask: Ask) -> T | Response:
        try:
            return step(page, ask)
        except failures.EXPECTED as error:
            return ask.trouble(failures.status(error), failures.sentences(error, ask))

    def _person(self, session: Session) -> Person | None:
        if not session.name:
            # Where nothing is to be typed, somebody else has signed the person in.
            return None if self.access.fields else self.access.sign_in({})
        person = self.access.find(session.name)
        return person if person is not None and _same(person.stamp, session.stamp) else None

    def _let_in(self, page: Page, ask: Ask) -> Response | None:
        person = self._person(ask.session)
        ask.person = person or NOBODY
        if person is None and not page.open:
            return _sign_in_first(ask)
        if page.role is Role.ACT and not ask.person.acts:
            why = ask.words("You may look, not act. Nothing was done.")
            return ask.trouble(HTTPStatus.FORBIDDEN, [why])
        return None

    def _done(self, page: Page, ask: Ask) -> Response:
        if page.method == "POST" and not _same(ask.form.get("csrf"), ask.session.csrf):
            why = ask.words("This form is too old, or not one of ours. Nothing was done; load the page again.")
            return ask.trouble(HTTPStatus.FORBIDDEN, [why])
        return page.answer(ask, self.desk)


def create_app(  # noqa: PLR0913  all but two have defaults
    desk: Desk,
    access: Access,
    sessions: Sessions | None = None,
    hosts: Sequence[str] = tuple(LOOPBACK),
    pages: Sequence[Page] = (),
    runner: Runner | None = None,
) -> Guard:
    """Give the console as an ASGI application that answers to these names; without `sessions`, those of this process.

    `sessions.key` must be the same in all processes that serve one console; each knows only who signed out there.
    `runner` carries batches out, threads of this process unless another is given; it is closed with the application.
    """
    front = Front(desk, access, sessions or Sessions(), runner or ThreadRunner(lambda: desk.batches))
    routes = [_route(front, page) for page in (*PAGES, *pages)]
    app = Starlette(
        routes=[*routes, Mount("/static", StaticFiles(directory=STATIC))],
        exception_handlers={HTTPException: front.missing, TooLong: _too_long, Exception: front.bug},
        lifespan=lambda _app: _until_closed(front.runner),
    )
    # Where a page has no slash at its end, there is none with one: the way there would be over plain HTTP.
    app.router.redirect_slashes = False
    # Around all of it: also what answers a mistake gets the headers.
    return Guard(app, hosts=hosts, secure=front.sessions.secure)


@asynccontextmanager
async def _until_closed(runner: Runner) -> AsyncIterator[None]:
    yield
    # What runs ends within moments; nobody is answered meanwhile anyway.
    await run_in_threadpool(runner.close)


def _route(front: Front, page: Page) -> Route:
    answer: Callable[[Request], Awaitable[Response]] = lambda request: front.answer(page, request)  # noqa: E731

    async def endpoint(request: Request) -> Response:
        return await answer(request)

    return Route(page.path, endpoint, methods=[page.method], name=f"{page.method} {page.path}")


def _same(given: object, known: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode(errors="replace"), known.encode())


def _sign_in_first(ask: Ask) -> Response:
    if ask.fetched:
        # The whole page is loaded again, and leads to where one signs in; this part of it could not show that.
        headers = {"HX-Refresh": "true"}
        return PlainTextResponse(HTTPStatus.UNAUTHORIZED.phrase, HTTPStatus.UNAUTHORIZED, headers)
    if ask.request.method != "POST":
        return ask.to("/sign-in", next=ask.here)
    ask.tell("You had been signed out, and nothing was done. Sign in, and do it again.", Kind.WARNING)
    return ask.to("/sign-in", next=ask.here)


def _too_long(_request: Request, _error: Exception) -> Response:
    return PlainTextResponse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE.phrase, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
