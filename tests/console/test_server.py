"""The console on a real port: where it listens, what it believes, and how it ends."""

import datetime as dt
import ipaddress
import logging
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from starlette.responses import PlainTextResponse, Response

from outbox.console.access import Everybody, Person, Role
from outbox.console.app import create_app
from outbox.console.ask import Ask, Page
from outbox.console.server import HOST, STOP_SECONDS, Running, for_one, is_loopback, listen, port_of
from outbox.wiring.desk import Desk
from tests.console.conftest import Browser
from tests.waiting import wait_for


def seen_by_the_console(ask: Ask, _desk: Desk) -> Response:
    client = ask.request.client
    return PlainTextResponse(f"{ask.request.url.scheme} {client.host if client else ''}")


BEGUN = threading.Event()


def slow(_ask: Ask, _desk: Desk) -> Response:
    BEGUN.set()
    time.sleep(1)
    return PlainTextResponse("done")


def mistaken(_ask: Ask, _desk: Desk) -> Response:
    raise ZeroDivisionError


PAGES = [Page("/seen", seen_by_the_console), Page("/slow", slow), Page("/mistaken", mistaken)]


@pytest.fixture
def app(browser: Browser) -> Callable[..., object]:
    """Give the console of alice, with pages that tell what it sees."""
    return create_app(browser.desk, Everybody(lambda: Person("alice", Role.ACT)), pages=PAGES)


@pytest.fixture
def port(app: object) -> Iterator[int]:
    """Run that console and give its port."""
    listener = listen()
    with Running(app, listener):  # type: ignore[arg-type]
        yield port_of(listener)


def get(port: int, path: str, **headers: str) -> httpx.Response:
    return httpx.get(f"http://{HOST}:{port}{path}", headers=headers, trust_env=False, timeout=20, follow_redirects=True)


def reachable(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.settimeout(2)
        return probe.connect_ex((HOST, port)) == 0


def test_it_answers_on_the_loopback_alone(port: int) -> None:
    """The page is there; on another address of this machine nobody listens."""
    assert get(port, "/help").status_code == 200
    others = {str(place[0]) for *_, place in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for other in others - {HOST}:
        with closing(socket.socket()) as probe:
            probe.settimeout(2)
            assert probe.connect_ex((other, port)) != 0


def test_nobody_writes_where_they_come_from(port: int) -> None:
    """What a header says of address and scheme is not believed."""
    seen = get(
        port, "/seen", **{"X-Forwarded-For": "10.9.8.7", "X-Forwarded-Proto": "https", "Forwarded": "for=10.9.8.7"}
    )

    assert seen.text == f"http {HOST}"
    assert "server" not in seen.headers


def test_addresses_are_not_written_down(
    port: int, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither ids nor tokens of the address bar end in a log, also when a page fails."""
    with caplog.at_level(logging.DEBUG):
        get(port, "/sign-in?token=treasure")
        get(port, "/mail?id=treasure")
        assert get(port, "/mistaken?id=treasure").status_code == 500
        # The answer goes first, then the mistake is written down.
        wait_for(lambda: "ZeroDivisionError" in caplog.text)

    ours = [record for record in caplog.records if not record.name.startswith("http")]
    assert "treasure" not in "".join(capfd.readouterr()) + "".join(map(caplog.handler.format, ours))


def test_a_taken_port_is_an_error() -> None:
    """Two consoles do not share a port; a free one is found."""
    with closing(listen()) as first:
        with pytest.raises(OSError, match="in use"):
            listen(HOST, port_of(first))
        with closing(listen()) as other:
            assert port_of(other) != port_of(first)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "localhost", "::1"])
def test_what_this_machine_alone_reaches(host: str) -> None:
    """Every address of the loopback."""
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "2001:db8::1"])
def test_what_others_reach(host: str) -> None:
    """Every other address."""
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["", "no such host", "256.0.0.1"])
def test_what_is_no_address(host: str) -> None:
    """An error, not a guess."""
    with pytest.raises(OSError, match=r".+"):
        is_loopback(host)


def test_an_open_connection_does_not_keep_it(app: object) -> None:
    """Connections that idle, or have said half a request, end with it; the port is free at once."""
    listener = listen()
    port = port_of(listener)
    with httpx.Client(trust_env=False) as client, closing(socket.socket()) as half:
        with Running(app, listener):  # type: ignore[arg-type]
            client.get(f"http://{HOST}:{port}/help")
            half.connect((HOST, port))
            half.sendall(b"GET /help HTTP/1.1\r\nHost: ")
            time.sleep(0.2)
            began = time.monotonic()
        assert time.monotonic() - began < STOP_SECONDS
    assert not reachable(port)
    listen(HOST, port).close()


def test_an_answer_on_its_way_is_let_end(app: object) -> None:
    """Who has asked is answered; nobody new is."""
    listener = listen()
    port = port_of(listener)
    answers: list[str] = []
    asking = threading.Thread(target=lambda: answers.append(get(port, "/slow").text))
    with Running(app, listener):  # type: ignore[arg-type]
        BEGUN.clear()
        asking.start()
        assert BEGUN.wait(20)
    asking.join()

    assert answers == ["done"]
    assert not reachable(port)


def test_what_runs_in_the_background_ends_with_it(browser: Browser) -> None:
    """Batches are stopped, as by a person, before the console is gone."""
    closed = []

    class Runner:
        def run(self, batch: str, who: str = "") -> None: ...

        def has(self, batch: str) -> bool:
            return False

        def trouble(self, batch: str) -> str:
            return ""

        def close(self) -> None:
            closed.append(1)

    app = create_app(browser.desk, Everybody(lambda: Person("alice", Role.ACT)), runner=Runner())
    with Running(app, listen()):
        assert closed == []
    assert closed == [1]


def test_two_consoles_do_not_sign_each_other_out(browser: Browser) -> None:
    """Browsers keep one jar for all ports of a machine; each console has a cookie of its own."""
    one, other = listen(), listen()
    with for_one(browser.desk, one) as first, for_one(browser.desk, other, Role.VIEW) as second:
        with httpx.Client(trust_env=False, follow_redirects=True) as client:
            assert "may act" in client.get(first).text
            assert "may look" in client.get(second).text
            again = client.get(f"http://{HOST}:{port_of(one)}/")
            assert "may act" in again.text
            assert again.url.path == "/"
        assert re.fullmatch(rf"http://{HOST}:{port_of(one)}/sign-in\?token=[\w-]{{43}}", first)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    """Make a certificate for 127.0.0.1 that nobody has signed but itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "console")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    public, private = tmp_path / "cert.pem", tmp_path / "key.pem"
    public.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(public), str(private)


def test_it_speaks_https(app: object, certificate: tuple[str, str]) -> None:
    """With a certificate and its key; plain HTTP is no answer there."""
    listener = listen()
    with Running(app, listener, *certificate):  # type: ignore[arg-type]
        trusted = ssl.create_default_context(cafile=certificate[0])
        url = f"https://{HOST}:{port_of(listener)}/seen"
        assert httpx.get(url, verify=trusted, trust_env=False).text == f"https {HOST}"
        with pytest.raises(httpx.HTTPError):
            get(port_of(listener), "/seen")


def test_no_certificate_no_console(app: object, certificate: tuple[str, str], tmp_path: Path) -> None:
    """Files that are no certificate, no key or not there end it before it listens."""
    public, private = certificate
    (tmp_path / "none.pem").write_text("no certificate", encoding="utf-8")
    for pair in ((public, public), (str(tmp_path / "none.pem"), private), (str(tmp_path / "nowhere.pem"), private)):
        with closing(listen()) as listener, pytest.raises(OSError, match=r".+"):
            Running(app, listener, *pair)  # type: ignore[arg-type]
