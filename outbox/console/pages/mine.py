"""What a person's own browser remembers: who they are, their language and time zone; and what there is to know."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from itertools import groupby
from zoneinfo import ZoneInfo

from starlette.responses import Response

from outbox.console import times
from outbox.console.ask import LANGUAGE, ZONE, Ask, Page, own_path
from outbox.console.attempts import TooManyAttempts
from outbox.console.session import new_token
from outbox.console.words import LANGUAGES
from outbox.core.errors import InvalidRequest
from outbox.core.message import Message
from outbox.core.states import Status
from outbox.wiring.desk import Desk

YEAR = 365 * 24 * 60 * 60
# Beside the zone, where a person and not the script has chosen it.
CHOSEN = f"{ZONE}-chosen"
SIGNING = ("/sign-in", "/sign-out")


def sign_in_page(ask: Ask, _desk: Desk) -> Response:
    """Ask who it is; an address with the token signs in at once and leaves the address bar."""
    if ask.person.name:
        return ask.to(_next(ask))
    if "token" in ask.access.fields and "token" in ask.query:
        return _signed_in(ask, {"token": ask.query["token"]})
    return _sign_in_page(ask)


def sign_in(ask: Ask, _desk: Desk) -> Response:
    """Let a person in who can say who they are."""
    return _signed_in(ask, {name: ask.text(name) or "" for name in ask.access.fields})


def sign_out(ask: Ask, _desk: Desk) -> Response:
    """Forget who it is, in every browser they signed in with."""
    ask.session.name, ask.session.stamp, ask.session.csrf = "", "", new_token()
    ask.tell("You are signed out.")
    return ask.to("/sign-in")


def language(ask: Ask, _desk: Desk) -> Response:
    """Speak another language from now on."""
    code = ask.one("code")
    if code not in LANGUAGES:
        raise InvalidRequest(Message("request.language", written=repr(code[:40])))
    return _remembering(ask, ask.to(_wanted(ask)), **{LANGUAGE: code})


def settings_page(ask: Ask, _desk: Desk) -> Response:
    """Show which time zone moments are shown in, and all there are."""
    chosen = ask.request.cookies.get(ZONE, "") if CHOSEN in ask.request.cookies else ""
    return ask.page("settings.html", regions=_regions(ask.now), chosen=chosen)


def settings(ask: Ask, _desk: Desk) -> Response:
    """Show moments in another zone from now on; none chosen means the browser's own."""
    name = ask.one("zone")
    if not name:
        ask.tell("Moments are shown in the time zone of this browser now.")
        return _remembering(ask, ask.to("/settings"), **{ZONE: "", CHOSEN: ""})
    if name not in times.names():
        raise InvalidRequest(Message("request.zone", written=repr(name[:40])))
    ask.tell("Moments are shown in the time zone %(zone)s now.", zone=name)
    return _remembering(ask, ask.to("/settings"), **{ZONE: name, CHOSEN: "1"})


def help_page(ask: Ask, _desk: Desk) -> Response:
    """Tell what the states mean and which keys there are."""
    return ask.page("help.html", states=list(Status))


def _signed_in(ask: Ask, given: Mapping[str, str]) -> Response:
    try:
        person = ask.access.sign_in(given, ask.address)
    except TooManyAttempts as error:
        why = ask.words("Too many attempts have failed. Try again in %(seconds)d seconds.", seconds=error.wait)
        response = _sign_in_page(ask, HTTPStatus.TOO_MANY_REQUESTS, problem=why, name=given.get("name", ""))
        response.headers["Retry-After"] = str(error.wait)
        return response
    if person is None:
        why = ask.words("Name or password is wrong.")
        if "token" in ask.access.fields:
            why = ask.words("This is not the token of the console that runs now.")
        return _sign_in_page(ask, HTTPStatus.FORBIDDEN, problem=why, name=given.get("name", ""))
    # A token that somebody saw before, in a form, is worth nothing afterwards.
    ask.session.name, ask.session.stamp, ask.session.csrf = person.name, person.stamp, new_token()
    return ask.to(_next(ask))


def _sign_in_page(ask: Ask, status: int = HTTPStatus.OK, problem: str = "", name: str = "") -> Response:
    return ask.page("sign_in.html", status, next=_next(ask), problem=problem, name=name, fields=ask.access.fields)


def _next(ask: Ask) -> str:
    wanted = _wanted(ask)
    return "/" if wanted.partition("?")[0] in SIGNING else wanted


def _wanted(ask: Ask) -> str:
    """Give where to go on; the first page instead of anything that is none of ours."""
    said = ask.form.get("next", ask.query.get("next", "/"))
    return own_path(said) if isinstance(said, str) else "/"


def _remembering(ask: Ask, response: Response, **cookies: str) -> Response:
    for name, value in cookies.items():
        if value:
            # The script reads and sets the zone as well, so they are not out of its reach.
            response.set_cookie(name, value, max_age=YEAR, samesite="lax", path="/", secure=ask.secure)
        else:
            response.delete_cookie(name, path="/", samesite="lax", secure=ask.secure)
    return response


def _regions(now: datetime) -> list[tuple[str, list[dict[str, str]]]]:
    """Give the zones by their region, each with its offset at this moment; those of none under an empty one."""
    named = [{"name": name, "offset": now.astimezone(ZoneInfo(name)).isoformat()[-6:]} for name in times.names()]
    sorted_by_region = sorted(named, key=_region)
    return [(region, list(zones)) for region, zones in groupby(sorted_by_region, _region)]


def _region(zone: Mapping[str, str]) -> str:
    region, slash, _ = zone["name"].partition("/")
    return region if slash else ""


PAGES: tuple[Page, ...] = (
    Page("/sign-in", sign_in_page, open=True),
    Page("/sign-in", sign_in, "POST", open=True, own=True),
    Page("/sign-out", sign_out, "POST", own=True),
    Page("/language", language, "POST", open=True, own=True),
    Page("/settings", settings_page, open=True),
    Page("/settings", settings, "POST", open=True, own=True),
    Page("/help", help_page, open=True),
)
