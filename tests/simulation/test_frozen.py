"""A function that is frozen between invocations: the wall clock goes on or is set back, the monotonic one stands still.

Seeded rounds over all that deliver remembers: connections that die meanwhile, a switch that is thrown, credentials that
are changed. `OUTBOX_FROZEN_ROUNDS=2000 pytest tests/simulation/test_frozen.py` makes more of them.
"""

import itertools
import json
import os
import random

import boto3
import pytest

from outbox.adapters.api_client import token
from outbox.adapters.blastengine import BlastengineApi
from outbox.adapters.connections import Connections
from outbox.adapters.secrets import KEPT, Credentials
from outbox.adapters.starter import Starter
from outbox.flows.switch import SharedSwitch
from outbox.settings import WorkerSettings, load
from outbox.testing import MemoryRegister, MemoryStore, TickingClock
from outbox.wiring.sending import Sending, api_client
from tests.adapters.peer import FORGETS, Peer
from tests.conftest import Service, make_mail

ROUNDS = int(os.environ.get("OUTBOX_FROZEN_ROUNDS", "100"))
NAMES = ("table", "history_table", "control_table", "suppression_table", "secret_id", "bucket")
# Seconds by the wall clock between two invocations; a clock that is set back by a day makes everything old.
DAY_BACK = -86_400.0
SHORT, LONG = (0.0, 0.5), (3.0, 60.0, 600.0, 3600.0, DAY_BACK)


class Register(MemoryRegister):
    """Items in memory, which are read as they are asked for."""

    def read_together(self, *names):
        """Read nothing yet."""


class Secrets(boto3.Session):
    """A session whose secret a person changes."""

    number = 0

    def client(self, *_args, **_named):
        return self

    def get_secret_value(self, **_):
        return {"SecretString": json.dumps({"login_id": "me", "api_key": str(self.number)})}


class Warm:
    """A function that stays in memory from one invocation to the next, and what is around it."""

    def __init__(self, peer: Peer, *, begins: bool) -> None:
        self.peer, self.begins, self.clock, self.secrets = peer, begins, TickingClock(), Secrets()
        settings = load(WorkerSettings, mail_api_url=peer.url, answer_seconds=2, **{name: name for name in NAMES})
        connections = Connections.to(peer.url, self.clock)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("outbox.core.clock.now", self.clock)
            http = api_client(settings, self.secrets, connections)
        self.service = Service(MemoryStore(), BlastengineApi(http), self.clock, register=Register())
        register, switch = self.service.register, self.service.switch
        self.operator = SharedSwitch(register, self.clock)
        sender = self.service.sender
        self.parts = Sending(settings, register, http, switch, connections, Starter(""), sender)

    def deliver(self, count: int) -> list[str]:
        """Invoke deliver for some new mails; give the states they are in afterwards."""
        ids = [self.service.outbox.enqueue(make_mail()).id for _ in range(count)]
        if self.begins:
            self.parts.begin()
        self.service.deliver()
        return [self.service.status(each) for each in ids]

    def tokens_used(self) -> set[str]:
        """Tell the bearer tokens of the calls since the last time."""
        heads, self.peer.heads = self.peer.heads, []
        return {line.split()[-1] for head in heads for line in head.splitlines() if line.startswith("Authorization")}


@pytest.fixture
def peer():
    numbers = itertools.count(1)
    peer = Peer(lambda _head: b'{"delivery_id": %d}' % next(numbers))
    yield peer
    peer.close()


@pytest.fixture(params=[True, False], ids=["begins", "by the clock"])
def warm(request, peer):
    warm = Warm(peer, begins=request.param)
    yield warm
    warm.parts.connections.close()


@pytest.mark.parametrize("seed", range(4))
def test_nothing_outlives_a_freeze(peer, warm, seed):
    """After each one: no mail is in doubt, a pause is obeyed, changed credentials are in use within five minutes.

    With the start of an invocation noticed, as deliver and dispatch do, also after the shortest one; by the clock
    alone, after three seconds.
    """
    chance = random.Random(seed)
    # Keys of the mail API are numbered; older ones than `oldest` were known longer ago than five minutes.
    paused, oldest = False, 0
    for _ in range(ROUNDS // 4):
        if chance.random() < 0.3:
            paused = not paused
            (warm.operator.pause("alice", "wrong template") if paused else warm.operator.resume("alice"))
        warm.secrets.number += chance.random() < 0.3
        peer.forget(chance.choice(FORGETS))
        frozen = chance.choice(SHORT + LONG if warm.begins else LONG)
        warm.clock.forward(seconds=frozen)
        assert warm.deliver(3) == ["WAITING" if paused else "SENT"] * 3, f"after {frozen} s"
        if not paused:
            if frozen == DAY_BACK or frozen >= KEPT.total_seconds():
                oldest = warm.secrets.number
            keys = range(oldest, warm.secrets.number + 1)
            assert warm.tokens_used() <= {token(Credentials("me", str(key))) for key in keys}, f"after {frozen} s"
    assert peer.seen["answered"] == sum(peer.seen.values()) - peer.seen["connection"]
