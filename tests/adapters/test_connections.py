"""A connection that died while it was idle is not used again, whatever the clocks say: no mail ends in doubt by it."""

import itertools
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import boto3
import httpx
import pytest

from outbox.adapters import connections as module
from outbox.adapters.blastengine import BlastengineApi
from outbox.adapters.connections import IDLE, Connections
from outbox.core import clock
from outbox.settings import WorkerSettings, load
from outbox.testing import MemoryStore, TickingClock
from outbox.wiring import sending
from tests.adapters.peer import FORGETS, Peer
from tests.conftest import Service, make_mail

MAILS = 20
NAMES = ("table", "history_table", "control_table", "suppression_table", "secret_id", "bucket")


class Wall:
    """The real wall clock, and what a test adds."""

    def __init__(self) -> None:
        self.more = timedelta()

    def __call__(self):
        return clock.now() + self.more

    def forward(self, **span):
        self.more += timedelta(**span)


class Secrets(boto3.Session):
    """A session whose secret is always the same."""

    def client(self, *_args, **_named):
        return self

    def get_secret_value(self, **_):
        return {"SecretString": '{"login_id": "me", "api_key": "key"}'}


@pytest.fixture
def peer() -> Iterator[Peer]:
    """Give a mail API that takes a while for each call, so that twenty at once need twenty connections."""
    numbers = itertools.count(1)

    def answer(_head: str) -> bytes:
        time.sleep(0.05)
        return b'{"delivery_id": %d}' % next(numbers)

    peer = Peer(answer)
    yield peer
    peer.close()


@pytest.fixture
def wall():
    return Wall()


@pytest.fixture
def connections(peer, wall):
    made = Connections.to(peer.url, wall)
    yield made
    made.close()


@pytest.fixture
def api(peer, connections):
    """Give the mail API as the wiring builds it."""
    settings = load(WorkerSettings, mail_api_url=peer.url, answer_seconds=3, **{name: name for name in NAMES})
    return BlastengineApi(sending.api_client(settings, Secrets(), connections))


@pytest.fixture
def service(api, wall):
    """Deliver on memory, with a real wall clock and real connections."""
    return Service(MemoryStore(), api, wall, threads=MAILS)


def deliver(service):
    """Deliver twenty mails; count how they ended."""
    ids = [service.outbox.enqueue(make_mail(to=f"a{number}@example.com")).id for number in range(MAILS)]
    service.deliver()
    return Counter(service.status(each) for each in ids)


@pytest.mark.parametrize("how", FORGETS)
@pytest.mark.parametrize("pause", [{"seconds": 3}, {"hours": 1}, {"seconds": -3}, {"days": -1}])
def test_after_a_pause_that_only_the_wall_clock_saw_every_mail_is_sent(service, peer, wall, how, pause):
    """The monotonic clock stood still; the wall clock went on, or was set back."""
    assert deliver(service) == {"SENT": MAILS}
    peer.forget(how)
    wall.forward(**pause)
    assert deliver(service) == {"SENT": MAILS}
    assert peer.seen["answered"] == 2 * MAILS


@pytest.mark.parametrize("how", FORGETS)
def test_after_a_pause_that_both_clocks_saw_every_mail_is_sent(service, peer, how):
    """Also in the middle of an invocation."""
    assert deliver(service) == {"SENT": MAILS}
    peer.forget(how)
    time.sleep(IDLE.total_seconds() + 0.1)
    assert deliver(service) == {"SENT": MAILS}


@pytest.mark.parametrize("how", FORGETS)
def test_after_a_pause_that_only_the_monotonic_clock_saw_every_mail_is_sent(service, peer, wall, how):
    """The wall clock was set back by as long as the pause lasted."""
    assert deliver(service) == {"SENT": MAILS}
    peer.forget(how)
    time.sleep(IDLE.total_seconds() + 0.1)
    wall.forward(seconds=-1.05)
    assert deliver(service) == {"SENT": MAILS}


@pytest.mark.parametrize("how", FORGETS)
def test_after_a_pause_that_no_clock_saw_every_mail_is_sent(service, connections, peer, how):
    """The start of an invocation closes what is idle, without asking a clock."""
    assert deliver(service) == {"SENT": MAILS}
    peer.forget(how)
    connections.close_idle()
    assert deliver(service) == {"SENT": MAILS}


class Made(httpx.BaseTransport):
    """A connection in memory; it counts how often it was used and closed."""

    def __init__(self) -> None:
        self.used = self.closed = 0
        self.breaks = False

    def handle_request(self, request):
        self.used += 1
        if self.breaks:
            message = "reset"
            raise httpx.ReadError(message)
        return httpx.Response(201, stream=httpx.ByteStream(b""))

    def close(self):
        self.closed += 1


class Pool:
    """Connections in memory, with a clock in the test's hand."""

    def __init__(self) -> None:
        self.made, self.clock = [], TickingClock()
        self.connections = Connections(self._connect, self.clock)

    def _connect(self):
        self.made.append(Made())
        return self.made[-1]

    def call(self):
        """Begin a call; it lasts until the response is closed."""
        return self.connections.handle_request(httpx.Request("POST", "http://127.0.0.1"))

    @property
    def used(self):
        return [each.used for each in self.made]

    @property
    def closed(self):
        return [each.closed for each in self.made]


@pytest.fixture
def pool():
    return Pool()


def test_calls_one_after_the_other_share_a_connection(pool):
    """It is idle for less than a second each time."""
    for _ in range(5):
        pool.call().close()
        pool.clock.forward(seconds=0.9)
    assert pool.used == [5]


def test_calls_at_once_have_a_connection_each(pool):
    """Closing a response twice does not hand its connection to two calls."""
    first, second = pool.call(), pool.call()
    first.stream.close()
    first.stream.close()
    pool.call()
    pool.call()
    second.close()
    assert pool.used == [2, 1, 1]


def test_connections_that_are_not_needed_get_old_and_are_closed(pool):
    """After twenty calls at once, calls one by one use a single connection."""
    for call in [pool.call() for _ in range(MAILS)]:
        call.close()
    for _ in range(4):
        pool.clock.forward(seconds=0.4)
        pool.call().close()
    assert sorted(pool.used) == [1] * (MAILS - 1) + [5]
    assert sum(pool.closed) == MAILS - 1


def test_the_start_of_an_invocation_leaves_a_call_under_way_alone(pool):
    """Nothing is under way then; if it is, its connection is not cut, and is idle only from its end on."""
    idle, under_way = pool.call(), pool.call()
    idle.close()
    pool.connections.close_idle()
    assert pool.closed == [1, 0]
    pool.clock.forward(hours=1)
    under_way.close()
    pool.call()
    assert pool.used == [1, 2]


def test_a_connection_that_failed_is_closed_and_not_used_again(pool):
    """Whatever else it still has to say."""
    for _ in range(3):
        pool.made[-1].breaks = True
        with pytest.raises(httpx.ReadError):
            pool.call()
        pool.call().close()
    assert pool.closed == [1, 1, 1, 0]
    assert pool.used == [1, 2, 2, 1]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"https_proxy": "http://proxy:3128"}, "http://proxy:3128"),
        ({"https_proxy": "proxy:3128"}, "http://proxy:3128"),
        ({"all_proxy": "http://proxy:3128"}, "http://proxy:3128"),
        ({"http_proxy": "http://proxy:3128"}, None),
        ({"https_proxy": "http://proxy:3128", "no_proxy": "mail.example"}, None),
        ({"https_proxy": "http://proxy:3128", "no_proxy": "other.example"}, "http://proxy:3128"),
    ],
)
def test_the_proxy_of_the_environment_is_used(monkeypatch, environment, expected):
    """As the SDK does it for the calls of AWS."""
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_proxy".upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert module._proxy("https://mail.example/api/v1") == expected


def test_a_proxy_that_no_connection_can_be_made_with_shows_at_once(monkeypatch):
    """Not at the first mail, of which nobody could then tell whether it left."""
    monkeypatch.setenv("https_proxy", "ftp://proxy")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(ValueError, match="proxy"):
        Connections.to("https://mail.example", clock.now)
