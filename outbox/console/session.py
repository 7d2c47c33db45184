"""Who has signed in: a signed cookie, so that a process needs to remember nothing but who has signed out since."""

import secrets
from dataclasses import dataclass, field
from typing import Any

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.requests import Request
from starlette.responses import Response

from outbox.core.text import shorten

COOKIE = "outbox-console"
# A working day after the last thing done; then one signs in again.
LASTS = 12 * 60 * 60
# A browser drops a cookie of more than 4 KB, its name and flags included.
MOST_NOTES, LONGEST_NOTE, LONGEST_COOKIE = 3, 300, 3800


def new_token() -> str:
    """Make what a form must carry."""
    return secrets.token_urlsafe(24)


@dataclass(slots=True)
class Session:
    """What the cookie holds: the person's name and stamp, the token forms carry, and what is to be told once.

    `turn`: how often the person had signed out before; a session of an earlier turn is over.
    `new`: the browser has no cookie of it yet; the first whole page gives it one.
    """

    name: str = ""
    stamp: str = ""
    csrf: str = field(default_factory=new_token)
    told: list[dict[str, Any]] = field(default_factory=list)
    turn: int = 0
    new: bool = False


@dataclass(frozen=True, slots=True)
class Sessions:
    """Reads and writes sessions; `secure`: the browser sends the cookie over HTTPS only.

    Browsers do not tell ports of one name apart: two consoles there need two names of the `cookie`.
    """

    key: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    secure: bool = False
    cookie: str = COOKIE
    _turns: dict[str, int] = field(default_factory=dict, repr=False)

    def read(self, request: Request) -> Session:
        """Give the session of a request; a new one if it has none, or one that is over or not ours."""
        try:
            said = self._signer.loads(request.cookies.get(self.cookie, ""), max_age=LASTS)
            name, turn = str(said["name"]), int(said.get("turn", 0))
            if turn < self._turns.get(name, 0):
                return Session(new=True)
            return Session(name, str(said["stamp"]), str(said["csrf"]), list(said["told"]), turn)
        except (BadData, KeyError, TypeError):
            return Session(new=True)

    def changed(self, session: Session, before: str) -> None:
        """Take note that the session of `before` is another person's now, or nobody's: all of theirs are over."""
        if before:
            self._turns[before] = self._turns.get(before, 0) + 1
        session.turn = self._turns.get(session.name, 0)

    def write(self, response: Response, session: Session) -> None:
        """Put the session into the answer; out of reach of scripts and of other sites' forms."""
        told = [{**note, "text": shorten(note["text"], LONGEST_NOTE)} for note in session.told[-MOST_NOTES:]]
        while len(written := self._signed(session, told)) > LONGEST_COOKIE and told:
            told.pop(0)
        response.set_cookie(
            self.cookie, written, max_age=LASTS, httponly=True, samesite="lax", secure=self.secure, path="/"
        )

    def _signed(self, session: Session, told: list[dict[str, Any]]) -> str:
        said = {name: getattr(session, name) for name in ("name", "stamp", "csrf", "turn")}
        return str(self._signer.dumps({**said, "told": told}))

    @property
    def _signer(self) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self.key, salt="session")
