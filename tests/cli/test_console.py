"""`outbox console` as a person starts it: what it prints, whom it lets in, what it refuses, and how it ends."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from outbox.cli import serving
from outbox.console import users
from outbox.console.users import Password
from tests.cli.conftest import Terminal
from tests.waiting import SECONDS, wait_for

ROOT = Path(__file__).parents[2]
# The command on tables in memory: what is asked of it comes from the command line.
ON_MEMORY = """
import sys
from outbox.cli import program
from outbox.core.retention import Retention
from outbox.testing import MemoryRegister, MemoryStore, TickingClock
from outbox.wiring.desk import Desk, Line
line = Line(MemoryRegister())
desk = Desk(MemoryStore(), TickingClock(), Retention(400), lambda: "user/alice", "tables in memory", line)
sys.exit(program.run(sys.argv[1:], connect=lambda options, *, control=False: desk))
"""


@contextmanager
def started(*arguments: str, **more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command in a process of its own and give it with the first line it prints."""
    process = subprocess.Popen(
        [sys.executable, "-c", ON_MEMORY, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | more,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


@contextmanager
def console(*arguments: str, **more: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    with started("console", "--port", "0", "--json", *arguments, **more) as (process, line):
        yield process, json.loads(line)


def page(url: str) -> httpx.Response:
    return httpx.get(url, trust_env=False, follow_redirects=True, timeout=SECONDS)


def base(url: str) -> str:
    return url.partition("/sign-in")[0]


def listens(url: str) -> bool:
    with closing(socket.socket()) as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", httpx.URL(url).port or 0)) == 0


def test_it_prints_where_it_is_and_lets_its_person_in() -> None:
    """One line of JSON: the address signs in, as who AWS says one is; without its token nobody gets in."""
    with console() as (_, said):
        assert (said["role"], said["who"]) == ("act", "user/alice")
        assert "user/alice · may act" in page(said["url"]).text
        stranger = page(base(said["url"]) + "/")
        assert stranger.url.path == "/sign-in"
        assert "user/alice" not in stranger.text


def test_it_tells_a_person() -> None:
    """The address, who one is, on what tables, and how it ends."""
    with started("console", "--port", "0", "--role", "view") as (process, line):
        assert line.startswith("The console: http://127.0.0.1:")
        assert process.stdout is not None
        assert process.stdout.readline() == "You are user/alice and may view; tables in memory. Ctrl-C ends it.\n"
        assert "may look" in page(line.removeprefix("The console: ").strip()).text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_order(number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM end it with status 0 and without a word; nothing listens any more."""
    with console() as (process, said):
        assert listens(said["url"])
        process.send_signal(number)
        out, err = process.communicate(timeout=SECONDS)

        assert (process.returncode, out, err) == (0, "", "")
        assert not listens(said["url"])


def test_a_kill_ends_it_as_well(tmp_path: Path) -> None:
    """It lives in the command's own process and makes no temporary file: nothing is left of it."""
    with console(TMPDIR=str(tmp_path)) as (process, said):
        process.kill()
        process.wait()
        assert not listens(said["url"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_page_for_the_browser_is_gone_when_it_ends(tmp_path: Path, number: signal.Signals) -> None:
    """The file by which the browser was opened holds the token: it goes with the console."""
    with console("--open", TMPDIR=str(tmp_path), BROWSER="true") as (process, _):
        wait_for(lambda: list(tmp_path.glob("outbox-console-*/open.html")))
        process.send_signal(number)
        process.communicate(timeout=SECONDS)
    assert list(tmp_path.iterdir()) == []


def test_a_taken_port_is_told(terminal: Terminal) -> None:
    """The port, and what to do: no traceback."""
    with closing(serving.listen()) as taken:
        port = str(taken.getsockname()[1])
        ended = terminal("console", "--port", port, "--json")

        assert (ended.status, ended.json["error"]["kind"]) == (1, "PortTaken")
        assert f"Port {port} of 127.0.0.1 cannot be taken" in terminal("console", "--port", port).err


ELSEWHERE = ["--users", "--certificate", "--name"]


@pytest.mark.parametrize(
    ("arguments", "lacking"),
    [
        (["--host", "0.0.0.0"], ELSEWHERE),
        (["--host", "::"], ELSEWHERE),
        (["--host", "192.0.2.1", "--users", "u.toml"], ["--certificate", "--name"]),
        (["--host", "0.0.0.0", "--users", "u.toml", "--behind-https"], ["--name"]),
        (["--host", "0.0.0.0", "--behind-https", "--name", "c.example.com"], ["--users"]),
        (["--host", "0.0.0.0", "--users", "u.toml", "--name", "c.example.com"], ["--certificate"]),
        (["--behind-https"], ["--users", "--name"]),
        (["--name", "c.example.com"], ["--users", "--certificate"]),
    ],
)
def test_elsewhere_only_with_all_it_takes(terminal: Terminal, arguments: list[str], lacking: list[str]) -> None:
    """It listens for others only with people, HTTPS and its name, and says what of these is missing."""
    ended = terminal("console", "--port", "0", *arguments)

    assert ended.status == 2
    assert "To be reached from elsewhere it needs also" in ended.err
    assert [option for option in ELSEWHERE if option in ended.err] == lacking


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--role", "boss"], "--role: must be view or act, not 'boss'"),
        (["--host", "no such host"], "--host: 'no such host' is no address"),
        (["--host", ""], "--host: '' is no address"),
        (["--name", "https://c.example.com"], "--name: 'https://c.example.com' is no host name"),
        (["--certificate", "c.pem"], "--certificate and --private-key go together"),
        (["--private-key", "k.pem"], "--certificate and --private-key go together"),
        (["--certificate", "/nowhere/c.pem", "--private-key", "/nowhere/k.pem"], "they cannot be used"),
        (["--users", "/nowhere/users.toml"], "/nowhere/users.toml: cannot be read"),
        (["--port", "70000"], "--port"),
    ],
)
def test_wrong_options_are_told(terminal: Terminal, arguments: list[str], told: str) -> None:
    """Status 2, and the option by its name."""
    ended = terminal("console", "--port", "0", *arguments)

    assert ended.status == 2
    assert told in ended.err


def test_a_name_no_timeline_would_take(terminal: Terminal) -> None:
    """Who asks is checked before anybody acts in their name."""
    ended = terminal("--as", "a\nb", "console", "--port", "0")

    assert ended.status == 2
    assert "who asks must be text" in ended.err


def test_people_sign_in(tmp_path: Path) -> None:
    """With a file of users the address has no token, and each comes in by name and password."""
    file = tmp_path / "users.toml"
    file.write_text(f'[users.bob]\nrole = "view"\npassword = "{Password.of("a long password")}"', encoding="utf-8")

    with console("--users", str(file)) as (_, said), httpx.Client(trust_env=False, follow_redirects=True) as client:
        assert (said["role"], said["who"]) == (None, None)
        assert "token" not in said["url"]
        form = client.get(said["url"])
        token = form.text.partition('name="csrf" value="')[2].partition('"')[0]
        fields = {"csrf": token, "name": "bob", "password": "a long password"}
        assert "bob · may look" in client.post(f"{said['url']}/sign-in", data=fields).text


def test_behind_a_proxy(tmp_path: Path) -> None:
    """It says the name under which it is reached, answers to that, and marks its cookie."""
    file = tmp_path / "users.toml"
    file.write_text(f'[users.bob]\nrole = "view"\npassword = "{Password.of("a long password")}"', encoding="utf-8")

    with closing(serving.listen()) as free:
        port = str(free.getsockname()[1])
    arguments = ("--port", port, "--users", str(file), "--behind-https", "--name", "Console.example.com")
    with console(*arguments) as (_, said):
        assert said["url"] == "https://Console.example.com"
        seen = httpx.get(f"http://127.0.0.1:{port}/sign-in", headers={"host": "console.example.com"}, trust_env=False)
        assert seen.status_code == 200
        assert "secure" in seen.headers["set-cookie"].lower()
        assert "strict-transport-security" in seen.headers
        assert (
            httpx.get(f"http://127.0.0.1:{port}/", headers={"host": "evil.example"}, trust_env=False).status_code == 421
        )


@pytest.mark.parametrize(
    ("host", "names", "secure", "port", "url"),
    [
        ("127.0.0.1", (), False, 8025, "http://127.0.0.1:8025"),
        ("::1", (), False, 8025, "http://[::1]:8025"),
        ("127.0.0.1", (), True, 443, "https://127.0.0.1"),
        ("0.0.0.0", ("c.example.com", "d.example.com"), True, 8025, "https://c.example.com:8025"),
    ],
)
def test_its_address(host: str, names: tuple[str, ...], secure: bool, port: int, url: str) -> None:  # noqa: FBT001
    """As people type it."""
    pem = Path("x.pem") if secure else None
    wanted = serving.Wanted(host, port, Path("u.toml"), pem, pem, names)

    assert wanted.url(port) == url
    assert set(names) | {"127.0.0.1", "localhost", "::1"} <= wanted.hosts


def test_a_hash_for_the_file(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A password on stdin becomes what the file takes; a short one is refused."""
    import io

    monkeypatch.setattr(users, "COST", 2**14)
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery\n"))
    printed = terminal("console", "--hash").out.strip()
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery\r\n"))
    document = terminal("console", "--hash", "--json").json

    assert Password.parse(printed).matches("correct horse battery")
    assert Password.parse(document["password"]).matches("correct horse battery")
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    ended = terminal("console", "--hash")
    assert (ended.status, ended.out) == (2, "")
    assert "short" not in ended.err


def test_a_password_is_typed_twice_unseen(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal it is asked for twice, and neither shown nor printed."""
    import io

    asked: list[Any] = []

    class Tty(io.StringIO):
        def isatty(self) -> bool:
            return True

    def prompt(text: str, **options: Any) -> str:
        asked.append((text, options["hide_input"], bool(options["confirmation_prompt"])))
        return "correct horse battery"

    monkeypatch.setattr(users, "COST", 2**14)
    monkeypatch.setattr("sys.stdin", Tty())
    monkeypatch.setattr("typer.prompt", prompt)

    assert terminal("console", "--hash").out.startswith("scrypt$")
    assert asked == [("Password", True, True)]


def test_the_browser_is_opened_without_showing_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs is for all to see on a machine: the browser gets a file that only this person can read."""
    opened: list[str] = []
    monkeypatch.setattr(serving.webbrowser, "open", lambda url: opened.append(url) or True)

    with serving._opener() as opens:
        opens("http://127.0.0.1:1/sign-in?token=treasure&x=<>")
        assert "treasure" not in opened[0]
        file = Path(httpx.URL(opened[0]).path)
        assert "url=http://127.0.0.1:1/sign-in?token=treasure&amp;x=&lt;&gt;" in file.read_text(encoding="utf-8")
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert not file.exists()


def test_no_browser_is_no_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The address was printed; that is enough."""
    monkeypatch.setattr(serving.webbrowser, "open", lambda _: False)

    with serving._opener() as opens:
        opens("http://127.0.0.1:1/")
    assert "no browser" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["uvicorn", "starlette", "itsdangerous"])
def test_missing_extra(missing: str) -> None:
    """Without the extra the command says which one it needs."""
    code = f"import sys; sys.modules[{missing!r}] = None\nfrom outbox.cli.app import main\n"
    code += "sys.exit(main(['console', '--json']))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS, check=False)

    error: Any = json.loads(ended.stdout)["error"]
    assert (ended.returncode, error["kind"]) == (2, "MissingExtra")
    assert "pip install 'outbox[console]'" in error["message"]


def test_settings_are_asked_for_first() -> None:
    """Where no tables are named it says so, before it listens."""
    code = "from outbox.cli.app import main; import sys; sys.exit(main(['console', '--json']))"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "OUTBOX_"))}
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS, check=False, env=clean
    )

    error = json.loads(ended.stdout)["error"]
    assert (ended.returncode, error["kind"]) == (2, "MissingSettings")
    assert "OUTBOX_CONTROL_TABLE" in error["names"]
