"""Runs the console for a command: alone, or beside a local stack. Needs the extra `console`."""

import re
import socket
import sys
import tempfile
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from outbox.cli import output
from outbox.cli.connect import Options
from outbox.cli.desk import Cli
from outbox.cli.problems import Failure
from outbox.console.access import Access, Role, Token
from outbox.console.app import create_app
from outbox.console.guard import LOOPBACK
from outbox.console.server import HOST, Running, for_one, is_loopback, listen, port_of, signing_in
from outbox.console.session import COOKIE, Sessions
from outbox.console.users import Password, Users
from outbox.core.errors import InvalidRequest
from outbox.flows.support import check_who
from outbox.wiring.connect import connect
from outbox.wiring.desk import Desk

if TYPE_CHECKING:
    from outbox.local.stack import LocalStack

HTTPS = 443
HOSTNAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", re.IGNORECASE)
OPENER = '<!doctype html><meta http-equiv="refresh" content="0; url={url}"><a href="{url}">outbox</a>\n'


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where the console is to be, and how it is reached.

    Raises `InvalidRequest` when it would be reached from elsewhere without all that takes.
    """

    host: str
    port: int
    users: Path | None = None
    certificate: Path | None = None
    private_key: Path | None = None
    names: tuple[str, ...] = ()
    behind_https: bool = False

    def __post_init__(self) -> None:
        for name in self.names:
            if not HOSTNAME.fullmatch(name):
                raise InvalidRequest(f"--name: {name[:80]!r} is no host name; it has neither https:// nor a port")
        if (self.certificate is None) != (self.private_key is None):
            raise InvalidRequest("--certificate and --private-key go together")
        if self._exposed and self._lacking:
            raise InvalidRequest(f"To be reached from elsewhere it needs also: {'; '.join(self._lacking)}.")

    @property
    def secure(self) -> bool:
        """Whether browsers reach it by HTTPS."""
        return self.behind_https or self.certificate is not None

    @property
    def hosts(self) -> set[str]:
        """The names it answers to; under another one, a stranger's page could pass for it."""
        return {*LOOPBACK, self.host.lower(), *(name.lower() for name in self.names)}

    def url(self, port: int) -> str:
        """Write the address under which people reach it."""
        name = self.names[0] if self.names else f"[{self.host}]" if ":" in self.host else self.host
        usual = self.behind_https or (self.secure and port == HTTPS)
        return f"{'https' if self.secure else 'http'}://{name}{'' if usual else f':{port}'}"

    @property
    def _exposed(self) -> bool:
        try:
            return self.behind_https or bool(self.names) or not is_loopback(self.host)
        except OSError as error:
            raise InvalidRequest(f"--host: {self.host[:80]!r} is no address ({error.strerror})") from None

    @property
    def _lacking(self) -> list[str]:
        there = {
            "--users FILE": self.users is not None,
            "--certificate FILE and --private-key FILE, or --behind-https": self.secure,
            "--name HOSTNAME": bool(self.names),
        }
        return [option for option, given in there.items() if not given]


def tell_hash(cli: Cli) -> None:
    """Ask for a password, twice where somebody types it, and tell what the file of users holds of it."""
    if sys.stdin.isatty():
        asked: str = typer.prompt("Password", hide_input=True, confirmation_prompt="Once more", err=True)
    else:
        asked = sys.stdin.readline().rstrip("\r\n")
    made = str(Password.of(asked))
    if cli.as_json:
        output.document({"password": made})
    else:
        output.say(made)


def serve(cli: Cli, wanted: Wanted, role: str, *, open_it: bool) -> None:
    """Run the console until Ctrl-C or SIGTERM. Raises `InvalidRequest`, and what asking AWS raises."""
    if role not in tuple(Role):
        raise InvalidRequest(f"--role: must be view or act, not {role[:40]!r}")
    desk = cli.control
    access: Access = Users(wanted.users) if wanted.users else Token(lambda: desk.who, Role(role))
    if isinstance(access, Token):
        check_who(access.person.name)
    # Wrong credentials and wrong tables show here, not on somebody's first page.
    desk.switch.state()
    with taken(wanted.host, wanted.port, cli) as listener:
        url = wanted.url(port_of(listener))
        with _running(desk, access, wanted, listener) as running, _opener() as opened:
            said = _said(url, access)

            def ready() -> None:
                _tell(cli, said, desk.where)
                if open_it:
                    opened(str(said["url"]))

            running.until_asked_to_end(ready)


def beside(listener: socket.socket) -> "Callable[[LocalStack], AbstractContextManager[str]]":
    """Give what runs the console on a local stack, by its credentials and not the shell's, and tells its address."""

    def run(stack: "LocalStack") -> AbstractContextManager[str]:
        where = Options(endpoint_url=stack.info.aws_endpoint_url, stack=stack.info.stack_name)
        return for_one(connect(where, control=True, session=stack.session()), listener)

    return run


@contextmanager
def taken(host: str, port: int, cli: Cli) -> Iterator[socket.socket]:
    """Take a port for the console; when that cannot be, the command ends with a sentence."""
    try:
        listener = listen(host, port)
    except OSError as error:
        message = f"Port {port} of {host} cannot be taken: {error.strerror or error}."
        failure = Failure("PortTaken", message, hint="Choose another port; 0 takes any that is free.")
        output.failure(failure, as_json=cli.as_json)
        raise typer.Exit(failure.status) from None
    with listener:
        yield listener


def taken_here(port: int, cli: Cli) -> AbstractContextManager[socket.socket]:
    """Take a port of the loopback."""
    return taken(HOST, port, cli)


def _running(desk: Desk, access: Access, wanted: Wanted, listener: socket.socket) -> Running:
    sessions = Sessions(secure=wanted.secure, cookie=f"{COOKIE}-{port_of(listener)}")
    app = create_app(desk, access, sessions, hosts=tuple(wanted.hosts))
    try:
        return Running(app, listener, str(wanted.certificate or ""), str(wanted.private_key or ""))
    except OSError as error:
        raise InvalidRequest(f"--certificate, --private-key: they cannot be used: {error}") from None


def _said(url: str, access: Access) -> dict[str, str | None]:
    if not isinstance(access, Token):
        return {"url": url, "role": None, "who": None}
    return {"url": signing_in(url, access), "role": str(access.person.role), "who": access.person.name}


def _tell(cli: Cli, said: dict[str, str | None], where: str) -> None:
    if cli.as_json:
        output.document(said)
        return
    output.say(f"The console: {said['url']}")
    who = f"You are {said['who']} and may {said['role']}" if said["who"] else "People sign in by name and password"
    output.say(f"{who}; {where}. Ctrl-C ends it.")


@contextmanager
def _opener() -> Iterator[Callable[[str], None]]:
    """Give what opens an address in the browser: by a file of this person's own, as all may read a command line."""
    with ExitStack() as kept:

        def opened(url: str) -> None:
            # Not before: whoever kills a console that opens no browser would leave an empty directory behind.
            page = Path(kept.enter_context(tempfile.TemporaryDirectory(prefix="outbox-console-"))) / "open.html"
            page.write_text(OPENER.format(url=escape(url)), encoding="utf-8")
            if not webbrowser.open(page.as_uri()):
                output.note("There is no browser here to open it in.")

        yield opened
