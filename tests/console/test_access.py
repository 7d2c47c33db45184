"""Who gets in, how long, and how often they may try."""

import hashlib
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from outbox.console import users as module
from outbox.console.access import Role, Token
from outbox.console.app import create_app
from outbox.console.ask import own_path
from outbox.console.attempts import MOST, MOST_OF_A_NAME, MOST_OF_AN_ADDRESS, WITHIN, Attempts, TooManyAttempts
from outbox.console.session import COOKIE, LASTS, LONGEST_COOKIE, Session, Sessions
from outbox.console.users import Password, Users
from outbox.core.errors import InvalidRequest
from tests.console.conftest import ADDRESS, Browser, Seen

ALICE, BOB = "correct horse battery", "staple staple staple"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash at the least that is allowed: what it costs is not what is tested here."""
    monkeypatch.setattr(module, "COST", 2**14)
    monkeypatch.setattr(module, "LANES", 1)


def entry(name: str, role: str, password: str) -> str:
    return f'[users.{name}]\nrole = "{role}"\npassword = "{Password.of(password)}"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give a file of alice, who may act, and bob, who may look."""
    path = tmp_path / "users.toml"
    path.write_text(entry("alice", "act", ALICE) + entry("bob", "view", BOB), encoding="utf-8")
    return path


def change(path: Path, text: str) -> None:
    """Write a file so that its change shows, however coarse the clock of the file system."""
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 10**9))


class Stranger(Browser):
    """Somebody who has not signed in, before a console that asks who it is."""

    def meet(self, access: Any, sessions: Sessions | None = None) -> "Stranger":
        self.app = create_app(self.desk, access, sessions)
        return self.again()

    def again(self) -> "Stranger":
        """Come in another browser."""
        self.client = TestClient(self.app, base_url=ADDRESS, headers=self.headers)
        return self

    def sign_in(self, name: str, password: str, **more: str) -> Seen:
        return self.submit(self.get("/sign-in", **more), "/sign-in", name=name, password=password)


@pytest.fixture
def stranger(browser: Browser) -> Stranger:
    """Give a browser of nobody yet."""
    return Stranger(browser.service)


@pytest.fixture
def at_the_door(stranger: Stranger, file: Path) -> Stranger:
    """Give a browser before a console with a file of users."""
    return stranger.meet(Users(file))


def test_nobody_sees_a_page_without_signing_in(at_the_door: Stranger) -> None:
    """Every page leads to where one signs in, and from there back to it."""
    seen = at_the_door.get("/history", to="taro@example.com")

    assert seen.url == f"{ADDRESS}/sign-in?next=%2Fhistory%3Fto%3Dtaro%2540example.com"
    assert "taro" not in seen.text
    landed = at_the_door.submit(seen, "/sign-in", name="alice", password=ALICE)
    assert landed.url == f"{ADDRESS}/history?to=taro%40example.com"
    assert "alice" in landed.text


def test_a_wrong_password_says_no_more_than_a_wrong_name(at_the_door: Stranger) -> None:
    """Nobody learns who has an account."""
    wrong = [at_the_door.sign_in(name, "wrong wrong wrong") for name in ("alice", "nobody", "", "alice\u0000")]

    assert {seen.status for seen in wrong} == {403}
    assert {tuple(seen.notes) for seen in wrong} == {("Name or password is wrong.",)}
    assert at_the_door.get("/").url.startswith(f"{ADDRESS}/sign-in")


def test_roles_come_from_the_file(at_the_door: Stranger) -> None:
    """Bob may look, and is told so."""
    at_the_door.sign_in("bob", BOB)

    assert "bob · may look" in at_the_door.get("/").text
    assert at_the_door.post("/line/pause", reason="x").status == 403


def test_a_name_costs_the_same_known_or_not(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger's name is hashed once, at a cost of the file, as a real one is."""
    costs: list[tuple[Any, ...]] = []
    real = hashlib.scrypt

    def counted(password: bytes, **parts: Any) -> bytes:
        costs.append((parts["n"], parts["r"], parts["p"], parts["dklen"]))
        return real(password, **parts)

    monkeypatch.setattr(hashlib, "scrypt", counted)
    people = Users(file)
    for name in ("alice", "bob", "nobody", "x" * 5000):
        before = len(costs)
        assert people.sign_in({"name": name, "password": "wrong wrong wrong"}) is None
        assert len(costs) == before + 1
    assert len(set(costs)) == 1


@pytest.mark.parametrize("typed", ["ｃｏｒｒｅｃｔ　ｈｏｒｓｅ　ｂａｔｔｅｒｙ", ALICE])
def test_a_password_is_the_same_from_every_keyboard(file: Path, typed: str) -> None:
    """Wide letters are the letters they are."""
    assert Users(file).sign_in({"name": "alice", "password": typed}) is not None


@pytest.mark.parametrize("typed", [ALICE + " ", ALICE.upper(), "", ALICE + "x" * 2000, "\ud800" * 20])
def test_another_password_is_another_one(file: Path, typed: str) -> None:
    """Blanks and capitals count; what no hash can be made of is merely wrong."""
    assert Users(file).sign_in({"name": "alice", "password": typed}) is None


def test_a_hash_can_be_read_back() -> None:
    """The string holds all it takes, and neither the password nor the same salt twice."""
    one, other = Password.of(ALICE), Password.of(ALICE)

    assert str(one) != str(other)
    assert ALICE not in str(one)
    assert Password.parse(str(one)).matches(ALICE)
    assert not Password.parse(str(one)).matches(BOB)


@pytest.mark.parametrize("short", ["", "x" * 11, "x" * 1001])
def test_a_password_has_a_length(short: str) -> None:
    """What is guessed within minutes, or is no password, gets no hash."""
    with pytest.raises(InvalidRequest, match="12 to 1,000"):
        Password.of(short)


def test_who_is_taken_out_is_out_at_once(at_the_door: Stranger, file: Path) -> None:
    """The next page of somebody who is no longer in the file asks who they are."""
    at_the_door.sign_in("alice", ALICE)
    assert at_the_door.get("/help").status == 200
    assert "alice" in at_the_door.get("/").text

    change(file, entry("bob", "view", BOB))

    assert at_the_door.get("/").url.startswith(f"{ADDRESS}/sign-in")


def test_a_new_password_ends_old_sessions(at_the_door: Stranger, file: Path) -> None:
    """Who signed in with the old one signs in again."""
    at_the_door.sign_in("alice", ALICE)

    change(file, entry("alice", "act", BOB))

    assert at_the_door.get("/").url.startswith(f"{ADDRESS}/sign-in")
    assert at_the_door.sign_in("alice", BOB).url == f"{ADDRESS}/"


def test_a_new_role_holds_at_once(at_the_door: Stranger, file: Path) -> None:
    """Who may only look from now on cannot send the form that is still open."""
    at_the_door.sign_in("alice", ALICE)
    assert "may act" in at_the_door.get("/").text

    change(file, file.read_text(encoding="utf-8").replace('"act"', '"view"'))

    assert at_the_door.post("/line/pause", reason="x").status == 403


def test_a_file_that_becomes_wrong_lets_nobody_in(
    at_the_door: Stranger, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Half a file is no reason to trust the old one; visitors learn nothing of it, the log says why."""
    at_the_door.sign_in("alice", ALICE)
    right = file.read_text(encoding="utf-8")

    with caplog.at_level(logging.ERROR):
        change(file, right.replace('"act"', '"boss"'))
        seen = at_the_door.get("/")

    assert seen.status == 503
    assert "Nobody can sign in now" in seen.text
    assert "boss" not in seen.html
    assert "users.alice: role must be view or act, not 'boss'" in caplog.text
    file.unlink()
    assert at_the_door.get("/").status == 503
    change(file, right + "\n")
    assert at_the_door.get("/").status == 200


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "names nobody"),
        ("users = 1", "names nobody"),
        ("[users]", "names nobody"),
        ("[user.alice]\nrole = 'act'", "'user' is not known"),
        ("[users.alice", "is no TOML"),
        ("[users]\nalice = 1", "users.alice: must be a table"),
        ("[users.alice]\nrole = 'boss'", "users.alice: role must be view or act, not 'boss'"),
        ("[users.alice]\nrole = ['act']", "users.alice: role must be view or act"),
        ("[users.alice]\npassword = 'x'", "users.alice: role must be view or act, not None"),
        ("[users.alice]\nrole = 'act'", "users.alice: password must be what"),
        ("[users.alice]\nrole = 'act'\npassword = 'secret'", "users.alice: password must be what"),
        ("[users.alice]\nrole = 'act'\npassword = 7", "users.alice: password must be what"),
        ("[users.alice]\nrole = 'act'\npasword = 'x'", "users.alice: 'pasword' is not known"),
        ("[users.'']\nrole = 'act'", "who asks must be text"),
        ("[users.' alice']\nrole = 'act'", "must not begin or end with a blank"),
        (f"[users.{'a' * 101}]\nrole = 'act'", "who asks must be text of 1 to 100"),
        ('[users."a\\u0007b"]\nrole = "act"', "who asks must be text"),
        ("x" * 1_000_001, "is larger than"),
    ],
)
def test_a_wrong_file_names_user_and_rule(tmp_path: Path, text: str, rule: str) -> None:
    """Whoever starts the console reads what to put right, and where."""
    path = tmp_path / "users.toml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(InvalidRequest) as raised:
        Users(path)
    assert str(path) in str(raised.value)
    assert rule in str(raised.value)


@pytest.mark.parametrize(
    "written",
    [
        "scrypt$1$8$1$AAAAAAAAAAAAAAAAAAAAAA==$" + "A" * 43 + "=",
        "scrypt$16385$8$1$AAAAAAAAAAAAAAAAAAAAAA==$" + "A" * 43 + "=",
        "scrypt$1073741824$8$1$AAAAAAAAAAAAAAAAAAAAAA==$" + "A" * 43 + "=",
        "scrypt$16384$8$1000000$AAAAAAAAAAAAAAAAAAAAAA==$" + "A" * 43 + "=",
        "scrypt$16384$8$1$AA==$" + "A" * 43 + "=",
        "scrypt$16384$8$1$AAAAAAAAAAAAAAAAAAAAAA==$AA==",
        "scrypt$16384$8$1$AAAAAAAAAAAAAAAAAAAAAA==",
        "scrypt$x$8$1$AAAAAAAAAAAAAAAAAAAAAA==$" + "A" * 43 + "=",
        "bcrypt$16384$8$1$AAAAAAAAAAAAAAAAAAAAAA==$" + "A" * 43 + "=",
        "scrypt$16384$8$1$????$" + "A" * 43 + "=",
        "$" * 1000,
    ],
)
def test_a_hash_that_protects_nothing_or_eats_the_machine_is_refused(tmp_path: Path, written: str) -> None:
    """Neither a weak cost nor one of gigabytes is taken from a file."""
    path = tmp_path / "users.toml"
    path.write_text(f"[users.alice]\nrole = 'act'\npassword = '{written}'", encoding="utf-8")

    with pytest.raises(InvalidRequest, match=r"users\.alice: password must be"):
        Users(path)


def test_files_of_other_systems_are_read(tmp_path: Path) -> None:
    """A mark before the first line and names in any script are fine."""
    path = tmp_path / "users.toml"
    path.write_bytes(b"\xef\xbb\xbf" + entry('"山田 太郎"', "act", ALICE).encode())

    found = Users(path).sign_in({"name": " 山田 太郎 ", "password": ALICE})
    assert found is not None
    assert (found.name, found.role) == ("山田 太郎", Role.ACT)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Its name stands in the error."""
    with pytest.raises(InvalidRequest, match=r"nowhere\.toml: cannot be read"):
        Users(tmp_path / "nowhere.toml")


# How often.


class Stopwatch:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


def refused(act: Callable[[], Any]) -> int:
    with pytest.raises(TooManyAttempts) as raised:
        act()
    return raised.value.wait


def test_five_failures_of_a_name_a_minute() -> None:
    """The sixth is not even looked at, until the first is a minute old."""
    clock = Stopwatch()
    attempts = Attempts(clock)
    for _ in range(MOST_OF_A_NAME):
        attempts.begin("alice")
        clock.time += 1

    assert refused(lambda: attempts.begin("alice")) == 55
    attempts.begin("bob")
    clock.time = 1000 + WITHIN
    attempts.begin("alice")
    assert refused(lambda: attempts.begin("alice")) == 1


@pytest.mark.parametrize("many", [["192.0.2.1"], [f"2001:db8:0:7::{n:x}" for n in range(1, 99)]])
def test_a_stranger_keeps_nobody_else_out(many: list[str]) -> None:
    """Twenty failures of an address, or of all addresses one machine has, end its own tries and no others."""
    attempts = Attempts(Stopwatch())
    for number in range(MOST_OF_AN_ADDRESS):
        attempts.begin("alice" if number < MOST_OF_A_NAME else f"name {number}", many[number % len(many)])

    assert refused(lambda: attempts.begin("bob", many[-1])) == 60
    for near in ("192.0.2.2", "2001:db8:0:8::1", "::ffff:192.0.2.3"):
        attempts.begin("alice", near)


def test_there_is_an_end_to_all_failures_and_to_memory() -> None:
    """From a million addresses together no more are looked at than can be, and the rest leave nothing behind."""
    attempts = Attempts(Stopwatch())
    for number in range(MOST):
        attempts.begin("alice", f"address {number}")

    for number in range(100_000):
        refused_again(attempts, f"name {number}", f"other {number}")
    assert len(attempts._failed) == MOST


def refused_again(attempts: Attempts, name: str, address: str) -> None:
    try:
        attempts.begin(name, address)
    except TooManyAttempts:
        return
    pytest.fail("one more was let try")


def test_the_address_is_that_of_the_connection(at_the_door: Stranger) -> None:
    """Who guesses from one address does not keep the same name out at another, whatever a header says."""
    for number in range(MOST_OF_A_NAME + 1):
        seen = at_the_door.sign_in("alice", f"wrong wrong {number}")
    assert seen.status == 429
    at_the_door.headers = at_the_door.headers | {"x-forwarded-for": "192.0.2.9"}
    assert at_the_door.again().sign_in("alice", ALICE).status == 429

    at_the_door.client = TestClient(
        at_the_door.app, base_url=ADDRESS, headers=at_the_door.headers, client=("192.0.2.9", 1)
    )
    assert at_the_door.sign_in("alice", ALICE).url == f"{ADDRESS}/"


def test_what_succeeds_does_not_count() -> None:
    """Who signs in a hundred times is never refused for it."""
    attempts = Attempts(Stopwatch())
    for _ in range(100):
        attempts.begin("alice")
        attempts.succeeded("alice")
    for _ in range(MOST_OF_A_NAME - 1):
        attempts.begin("alice")
    attempts.begin("alice")
    refused(lambda: attempts.begin("alice"))


def test_tries_at_once_are_counted_before_they_end() -> None:
    """Forty threads at the same moment get five tries of a name, not forty."""
    attempts, let = Attempts(), []

    def tried() -> None:
        try:
            attempts.begin("alice")
        except TooManyAttempts:
            return
        let.append(1)

    threads = [threading.Thread(target=tried) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(let) == MOST_OF_A_NAME


def test_guessing_is_told_when_to_go_on(stranger: Stranger, file: Path) -> None:
    """The sixth guess gets a page that says how long to wait, even with the right password; then it works."""
    clock = Stopwatch()
    stranger.meet(Users(file, Attempts(clock)))
    assert [stranger.sign_in("alice", f"wrong wrong {n}").status for n in range(6)] == [403] * 5 + [429]

    seen = stranger.sign_in("alice", ALICE)

    assert seen.status == 429
    assert seen.headers["retry-after"] == "60"
    assert seen.notes == ["Too many attempts have failed. Try again in 60 seconds."]
    assert seen.form("/sign-in")["name"] == "alice"
    assert stranger.sign_in("bob", BOB).url == f"{ADDRESS}/"
    clock.time += 61
    assert stranger.again().sign_in("alice", ALICE).url == f"{ADDRESS}/"


# By a token.


def test_the_token_signs_in_and_leaves_the_address_bar(stranger: Stranger) -> None:
    """Whoever opens the printed address is in, as the one person, and sees a page without the token."""
    token = Token(lambda: "user/alice", Role.ACT)
    seen = stranger.meet(token).get("/sign-in", token=token.token, next="/history")

    assert seen.url == f"{ADDRESS}/history"
    assert "user/alice · may act" in seen.text
    assert token.token not in seen.html


@pytest.mark.parametrize("wrong", ["", "x", "\u3042", "\ud800", "x" * 10_000])
def test_another_token_signs_nobody_in(stranger: Stranger, wrong: str) -> None:
    """However often: no number of tries finds it, and none locks its owner out."""
    token = Token(lambda: "user/alice")
    stranger.meet(token)
    query = wrong.encode(errors="surrogatepass").decode(errors="replace")

    for _ in range(30):
        assert stranger.get("/sign-in", token=query).status in (200, 403)
    assert stranger.get("/").url.startswith(f"{ADDRESS}/sign-in")
    assert stranger.get("/sign-in", token=token.token).url == f"{ADDRESS}/"


def test_the_token_can_be_typed(stranger: Stranger) -> None:
    """The form takes it as well, and says what is wrong with another."""
    token = Token(lambda: "user/alice")
    page = stranger.meet(token).get("/")

    assert "This is not the token" in stranger.submit(page, "/sign-in", token="x").notes[0]
    assert stranger.submit(page, "/sign-in", token=token.token).url == f"{ADDRESS}/"


def test_the_person_is_asked_for_once(stranger: Stranger) -> None:
    """STS is not called with every page; the role holds for all of them."""
    asked = []
    token = Token(lambda: asked.append(1) or "user/alice", Role.VIEW)
    stranger.meet(token)

    for _ in range(3):
        assert "may look" in stranger.get("/sign-in", token=token.token).text
    assert asked == [1]


def test_tokens_differ() -> None:
    """Each start has its own, long enough that nobody guesses it."""
    tokens = {Token(lambda: "x").token for _ in range(100)}

    assert len(tokens) == 100
    assert min(map(len, tokens)) >= 43


# Where to go next.


@pytest.mark.parametrize(
    "wanted",
    [
        *(
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example/",
            "http:evil",
            "javascript:alert(1)",
        ),
        *(
            "/\t/evil.example",
            "/\n/evil.example",
            " //evil.example",
            "/ /evil",
            "///evil.example",
            "evil.example",
            "",
            "\x00/",
        ),
        *("/\u2028/evil", "/%", "/" + "x" * 3000),
    ],
)
def test_next_is_a_page_of_the_console(at_the_door: Stranger, wanted: str) -> None:
    """No link that somebody sends leads elsewhere after signing in, or changing the language."""
    landed = at_the_door.sign_in("alice", ALICE, next=wanted)

    assert landed.url.removeprefix(ADDRESS) in ("/", "/%25", "/%")
    page = at_the_door.get("/help")
    switched = at_the_door.submit(page, "/language", code="ja", next=wanted)
    assert switched.url.startswith(f"{ADDRESS}/")


@pytest.mark.parametrize("wanted", ["/", "/mail?id=a%2Fb%20c", "/history?to=a%40b.example", "/a//b"])
def test_next_keeps_a_page(wanted: str) -> None:
    """What is ours stays as it is."""
    assert own_path(wanted) == wanted


@pytest.mark.parametrize("wanted", ["/sign-in", "/sign-in?next=/sign-in", "/sign-out"])
def test_next_is_not_where_one_signs_in(at_the_door: Stranger, wanted: str) -> None:
    """Nobody goes in circles."""
    assert at_the_door.sign_in("alice", ALICE, next=wanted).url == f"{ADDRESS}/"


# Sessions.


def test_the_cookie_is_out_of_reach(stranger: Stranger, file: Path) -> None:
    """No script reads it, no foreign form sends it, and over HTTPS it goes nowhere else."""
    for secure in (False, True):
        stranger.meet(Users(file), Sessions(secure=secure))
        set_cookie = stranger.get("/sign-in").headers["set-cookie"]

        assert set_cookie.startswith(f"{COOKIE}=")
        assert {"httponly", "samesite=lax", "path=/", f"max-age={LASTS}"} <= {
            part.strip().lower() for part in set_cookie.split(";")
        }
        assert ("secure" in set_cookie.lower()) is secure


def test_signing_in_gives_a_new_form_token(at_the_door: Stranger) -> None:
    """What somebody saw, or planted, before is worth nothing after."""
    before = at_the_door.get("/sign-in").form("/sign-in")["csrf"]
    at_the_door.sign_in("alice", ALICE)

    assert at_the_door.get("/help").form("/language")["csrf"] != before
    assert at_the_door.send("/sign-out", {"csrf": before}).status == 403


def test_signing_out(at_the_door: Stranger) -> None:
    """It is said, and the next page asks who it is."""
    at_the_door.sign_in("alice", ALICE)

    seen = at_the_door.post("/sign-out", via="/help")

    assert seen.notes == ["You are signed out."]
    assert at_the_door.get("/").url.startswith(f"{ADDRESS}/sign-in")


def test_signing_out_ends_a_copied_cookie(at_the_door: Stranger) -> None:
    """What somebody has copied from the browser is worth nothing afterwards; signing in again works."""
    at_the_door.sign_in("alice", ALICE)
    copied = at_the_door.client.cookies[COOKIE]
    at_the_door.post("/sign-out", via="/help")

    at_the_door.again().client.cookies.set(COOKIE, copied)
    assert at_the_door.get("/").url.startswith(f"{ADDRESS}/sign-in")
    assert at_the_door.again().sign_in("bob", BOB).url == f"{ADDRESS}/"
    assert at_the_door.again().sign_in("alice", ALICE).url == f"{ADDRESS}/"
    assert at_the_door.get("/history").url == f"{ADDRESS}/history"


def test_what_a_browser_remembers_goes_over_https_alone(stranger: Stranger, file: Path) -> None:
    """Language and zone are as secure as who it is."""
    for secure in (False, True):
        stranger.meet(Users(file), Sessions(secure=secure))
        stranger.client = TestClient(stranger.app, base_url="https://localhost", headers=stranger.headers)
        token = stranger.get("/help").form("/language")["csrf"]
        for path, fields in (("/language", {"code": "ja"}), ("/settings", {"zone": "UTC"}), ("/settings", {})):
            said = stranger.client.post(path, data={"csrf": token, **fields}, follow_redirects=False).headers
            ours = [each for each in said.get_list("set-cookie") if not each.startswith(COOKIE)]
            assert ours
            assert all(("secure" in each.lower()) is secure for each in ours)


@pytest.mark.parametrize("path", ["/mail/edit", "/many", "/line/pause"])
def test_nothing_of_a_stranger_is_read(at_the_door: Stranger, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has not signed in is led away before a byte of what they send is looked at."""
    read: list[str] = []
    monkeypatch.setattr("outbox.console.app.form_of", lambda *_: read.append("read"))
    headers = {"origin": ADDRESS, "content-type": "application/x-www-form-urlencoded"}
    response = at_the_door.client.post(path, content=b"a=&" * 1_000_000, headers=headers, follow_redirects=False)

    assert (response.status_code, response.headers["location"]) == (303, "/sign-in?next=%2F")
    assert read == []
    monkeypatch.undo()
    response = at_the_door.client.post("/sign-in", content=b"a=" * 40_000, headers=headers)
    assert response.status_code == 413


def signed(sessions: Sessions, **parts: str) -> str:
    return str(sessions._signer.dumps({"name": "alice", "stamp": "", "csrf": "x", "told": [], **parts}))


def test_no_session_but_ours_is_believed(stranger: Stranger, file: Path) -> None:
    """Forged, of another key, of another stamp, of nobody we know, or no session at all: who are you?"""
    sessions, people = Sessions(), Users(file)
    stranger.meet(people, sessions)
    stamp = people.find("alice").stamp  # type: ignore[union-attr]
    good = signed(sessions, stamp=stamp)
    body, _, rest = good.partition(".")
    for bad in (
        signed(Sessions(), stamp=stamp),
        signed(sessions, stamp=""),
        signed(sessions, stamp="x" * 16),
        signed(sessions, name="carol", stamp=stamp),
        f"{body[:-2]}AA.{rest}",
        good[:-1],
        str(sessions._signer.dumps(["alice"])),
        str(sessions._signer.dumps({"name": "alice"})),
        "",
        "." * 5000,
        "\xff",
    ):
        stranger.client.cookies.clear()
        stranger.client.cookies.set(COOKIE, bad) if bad.isascii() else None
        assert stranger.get("/").url.startswith(f"{ADDRESS}/sign-in"), bad
    stranger.client.cookies.clear()
    stranger.client.cookies.set(COOKIE, good)
    assert stranger.get("/").url == f"{ADDRESS}/"


def test_a_session_ends(stranger: Stranger, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a day after the last thing that was done, one signs in again."""
    import itsdangerous.timed

    stranger.meet(Users(file)).sign_in("alice", ALICE)
    now = itsdangerous.timed.time.time()
    monkeypatch.setattr(itsdangerous.timed.time, "time", lambda: now + LASTS - 60)
    assert stranger.get("/").url == f"{ADDRESS}/"
    monkeypatch.setattr(itsdangerous.timed.time, "time", lambda: now + LASTS + 60)
    assert stranger.get("/").url.startswith(f"{ADDRESS}/sign-in")


def test_a_form_sent_too_late_says_so(at_the_door: Stranger) -> None:
    """Who was signed out meanwhile learns that nothing was done, and lands where they were."""
    at_the_door.sign_in("alice", ALICE)
    page = at_the_door.get("/help")
    token = page.form("/language")["csrf"]
    at_the_door.client.cookies.clear()

    response = at_the_door.client.post(
        "/line/pause",
        data={"csrf": token, "reason": "x"},
        headers={"origin": ADDRESS, "referer": f"{ADDRESS}/history?q=a"},
    )

    assert "nothing was done" in response.text
    assert "next=%2Fhistory%3Fq%3Da" in str(response.url)
    assert not at_the_door.desk.switch.state().stopped


def test_a_part_of_a_page_never_becomes_the_sign_in_page(at_the_door: Stranger) -> None:
    """What a script fetches says that it is not allowed, and has the whole page loaded again."""
    for headers in ({"hx-request": "true"}, {"sec-fetch-dest": "iframe"}, {"sec-fetch-dest": "image"}):
        response = at_the_door.client.get("/overview", headers=headers, follow_redirects=False)
        assert (response.status_code, response.headers["hx-refresh"]) == (401, "true")
        assert "set-cookie" not in response.headers


def test_notes_fit_into_a_cookie(stranger: Stranger) -> None:
    """However much was said at once, the cookie is one that browsers keep."""
    import random

    from starlette.responses import Response

    chance = random.Random(7)
    for _ in range(50):
        texts = ["".join(chr(chance.randrange(0x4E00, 0x9FFF)) for _ in range(600)) for _ in range(5)]
        told = [
            {"text": text, "kind": "done", "offer": "Undo", "path": "/mail/reopen", "fields": {"id": text[:80]}}
            for text in texts
        ]
        response, sessions = Response(), Sessions()
        sessions.write(response, Session("a" * 100, "s" * 16, told=told))
        header = response.headers["set-cookie"]
        assert len(header.partition(";")[0]) <= LONGEST_COOKIE + len(COOKIE) + 1
        assert len(header) < 4096
