"""The service as the template deploys it, on a fake clock: its real flows, stores in memory, calls that take time."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx

from outbox.adapters.api_client import ApiClient
from outbox.adapters.stream import MARGIN_SECONDS
from outbox.core import places, transitions
from outbox.core.codes import ErrorCode
from outbox.core.doorbell import Doorbell, listen
from outbox.core.mail import Mail
from outbox.core.mail_api import Accepted, Request
from outbox.core.outcomes import Terms
from outbox.core.rate import Rate
from outbox.core.retention import Retention
from outbox.core.states import Status
from outbox.core.transitions import Stamp
from outbox.flows import deliver as deliver_module
from outbox.flows import worker_pool as worker_pool_module
from outbox.flows.deliver import Deliver
from outbox.flows.dispatch import Dispatch
from outbox.flows.limiter import SharedLimiter
from outbox.flows.reconcile import Reconcile
from outbox.flows.send import Sender
from outbox.flows.switch import SharedSwitch
from outbox.settings import WorkerSettings, load
from outbox.testing import FakeRecords, MemoryFiles
from tests.conftest import make_mail
from tests.simulation.meter import Meter
from tests.simulation.store import IndexedStore, TimedChecks, TimedRegister
from tests.simulation.world import World

# From the template: what each function may take, how often the schedule starts dispatch.
DELIVER_SECONDS, DISPATCH_SECONDS, SCHEDULE_SECONDS = 120.0, 900.0, 60.0
# What things take: a record to reach deliver, an asynchronous start, a call of the mail API (from, to).
STREAM, INVOKE, CALL = 0.1, 0.3, (0.1, 0.6)
# The settings' defaults; what has none does not matter here.
GIVEN = ("table", "history_table", "control_table", "suppression_table", "secret_id", "bucket")
DEFAULTS = load(WorkerSettings, mail_api_url="https://mail.example/api", **{name: name for name in GIVEN})
# Every twentieth arrival of urgent mail is a group of ten.
GROUPS, GROUP = 0.05, 10


class Service:
    """Deliver and dispatch with the default settings; `calls` are the moments of the calls, by urgency."""

    def __init__(
        self, world: World, monkeypatch: Any, *, seed: int = 1, rate: Rate | None = None, dispatchers: int = 1
    ) -> None:
        # The two places where the flows use threads by themselves.
        monkeypatch.setattr(worker_pool_module, "wait", world.wait)
        monkeypatch.setattr(deliver_module, "DaemonExecutor", world.pool)
        self.threads, self.lease = DEFAULTS.threads, DEFAULTS.lease_seconds
        self.rate = rate or Rate(DEFAULTS.rate_per_minute, DEFAULTS.rate_burst)
        self.dispatchers = dispatchers
        self.longest_call = longest_call(DEFAULTS.connect_seconds, DEFAULTS.answer_seconds)
        self.account, self.call = "account", CALL
        self.world, self.chance, self.meter = world, random.Random(seed), Meter()
        self.store = IndexedStore(world.pause, self.meter, self._hear, monkeypatch)
        self.register = TimedRegister(world.pause, self.meter)
        self.checks = TimedChecks(self.store, world.pause, self.meter)
        self.calls: dict[bool, list[float]] = {True: [], False: []}
        self.waits: list[float] = []
        self.dispatches: list[dict[str, int]] = []
        # What each function took, invocation by invocation.
        self.seconds: dict[str, list[float]] = {"deliver": [], "dispatch": []}

    def ready(self) -> None:
        """Be ready, as the mail API's client is."""

    def fresh_account(self) -> str:
        """Name the account."""
        return self.account

    def encode(self, mail: Mail) -> Request:
        """Make the request: the mail itself."""
        return Request({"mail": mail})

    def send(self, request: Request) -> Accepted:
        """Be the mail API: note the moment of the call, and take a while."""
        mail: Mail = request.parts["mail"]
        self.calls[mail.urgent].append(self.world.seconds)
        if mail.urgent:
            self.waits.append(self.world.seconds - float(mail.subject))
        self.world.pause(self.chance.uniform(*self.call))
        return Accepted(str(len(self.calls[True]) + len(self.calls[False])))

    def backlog(self, count: int) -> None:
        """Have so many bulk mails waiting since long."""
        first = transitions.new(make_mail(), "0", Stamp(self.world(), "simulation"))
        patch = transitions.postponed(
            first, Stamp(self.world() - timedelta(hours=1), "deliver"), ErrorCode.OVER_RATE, {}
        )[1]
        # As long as the ids that the service makes.
        ids = (f"01JGFJJZ00{number:016}" for number in range(count))
        self.store.begin(patch.applied(first), {each: places.lane(each, urgent=False) for each in ids})

    def arrivals(self, between: float) -> None:
        """Write urgent mails at random moments, so many seconds apart on average, for ever."""
        chance = random.Random(7)
        while True:
            self.world.pause(chance.expovariate(1 / between))
            self.urgent(GROUP if chance.random() < GROUPS else 1)

    def urgent(self, count: int) -> None:
        """Write urgent mails; the stream brings them to deliver."""
        bells = []
        for _ in range(count):
            mail = make_mail(subject=f"{self.world.seconds:.6f}", urgent=True)
            item = transitions.new(mail, places.new_id(self.world()), Stamp(self.world(), "simulation"))
            self.store.add(item, once=False)
            bells.append(listen(None, item))
        self.world.start(STREAM, self._deliver, bells)

    def limiter(self) -> SharedLimiter:
        """Make the limiter of one more worker."""
        return SharedLimiter(self.register, self.world, self.rate, self.world.pause)

    def schedule(self) -> None:
        """Start dispatch every minute, for ever."""
        while True:
            self.start_dispatch()
            self.world.pause(SCHEDULE_SECONDS)

    def start_dispatch(self) -> None:
        """Start dispatch a little later, as an asynchronous invocation does."""
        self.world.start(INVOKE, self._dispatch)

    def _hear(self, before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> None:
        """Bring a changed row to deliver; of what the flows write the stream's filter keeps claims from it."""
        if after["status"] != Status.SENDING:
            bell = listen(before, after)
            self.world.start(STREAM, self._deliver, [bell] if bell else [])

    def _deliver(self, bells: list[Doorbell]) -> None:
        with self._timed("deliver"):
            again = Deliver(self._sender("deliver"), self.threads, self.start_dispatch)(
                bells, self._deadline(DELIVER_SECONDS)
            )
        if again:
            self.world.start(1.0, self._deliver, [bells[position] for position in sorted(again)])

    def _start_helper(self) -> None:
        self.world.start(INVOKE, lambda: self._dispatch(helper=True))

    def _dispatch(self, *, helper: bool = False) -> None:
        sender = self._sender("dispatch")
        reconcile = Reconcile(
            self.store,
            FakeRecords(),
            sender.limiter,
            self.world,
            self.world.pause,
            "dispatch",
            self.lease,
            Retention(400),
            MemoryFiles(),
        )
        dispatch = Dispatch(
            sender, reconcile, self.register, self._start_helper, self.threads, self.dispatchers, self.world.pool
        )
        with self._timed("dispatch"):
            self.dispatches.append(dispatch(self._deadline(DISPATCH_SECONDS), helper=helper))

    @contextmanager
    def _timed(self, function: str) -> Iterator[None]:
        began = self.world.seconds
        yield
        self.seconds[function].append(self.world.seconds - began)

    def _deadline(self, seconds: float) -> float:
        return self.world().timestamp() + seconds - MARGIN_SECONDS

    def _sender(self, who: str) -> Sender:
        world = self.world
        switch = SharedSwitch(self.register, world)
        window = timedelta(minutes=15)
        return Sender(
            self.store,
            self,
            world,
            switch,
            self.limiter(),
            world.pause,
            who,
            self.lease,
            Terms(Retention(400), window),
            self.checks,
            MemoryFiles(),
        )


def longest_call(connect: float, answer: float) -> float:
    """Ask the real client how long a call of it may take."""
    timeout = httpx.Timeout(answer, connect=connect, write=connect, pool=connect)
    with httpx.Client(timeout=timeout) as client:
        return ApiClient(client, "http://127.0.0.1", lambda **_: None, answer).longest_call


def busiest_minute(moments: Sequence[float]) -> int:
    """Count the most calls in any 60 s."""
    begin = most = 0
    for end, moment in enumerate(moments):
        while moments[begin] <= moment - 60:
            begin += 1
        most = max(most, end - begin + 1)
    return most
