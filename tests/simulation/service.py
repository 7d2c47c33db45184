"""The service as the template deploys it, on a fake clock: its real flows, stores in memory, calls that take time."""

import random
from bisect import bisect_left, bisect_right, insort
from datetime import timedelta
from typing import Any

import httpx

from outbox.adapters.api_client import ApiClient
from outbox.adapters.stream import MARGIN_SECONDS
from outbox.core import clock, moves, places
from outbox.core.doorbell import listen
from outbox.core.mail import Mail
from outbox.core.ports import Accepted, Due
from outbox.core.rate import Rate
from outbox.core.retention import Retention
from outbox.flows import deliver as deliver_module
from outbox.flows import dispatch as dispatch_module
from outbox.flows.deliver import OVER_THE_RATE, Deliver
from outbox.flows.dispatch import Dispatch
from outbox.flows.limiter import SharedLimiter
from outbox.flows.look_up import LookUp
from outbox.flows.send import Sender
from outbox.flows.suppression import NoSuppression
from outbox.flows.switch import SharedSwitch
from outbox.settings import WorkerSettings
from outbox.testing import FakeRecords, MemoryFiles, MemoryRegister, MemoryStore
from tests.conftest import make_mail
from tests.simulation.world import World

# From the template: what a function may take, how often the schedule starts dispatch.
FUNCTION_SECONDS, SCHEDULE_SECONDS = 120.0, 60.0
# What things take: a record to reach deliver, an asynchronous start, a write, a call of the mail API.
STREAM, INVOKE, WRITE, CALL = 0.1, 0.3, 0.005, (0.1, 0.6)


class IndexedStore(MemoryStore):
    """A memory store whose `due` index is one, for 100,000 rows; it forgets the stream and what history holds."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self._lanes: dict[str, list[tuple[str, str]]] = {}
        self.finished = 0

    def due(self, lane, until, limit):
        found = self._lanes.get(lane, [])
        end = bisect_right(found, (clock.text(until), "\uffff"))
        return [Due(mail_id, lane, due_at) for due_at, mail_id in found[: min(limit, end)]]

    def update(self, *arguments):
        self._world.pause(WRITE)
        return super().update(*arguments)

    def finish(self, mail_id, *arguments, **named):
        self._world.pause(WRITE)
        super().finish(mail_id, *arguments, **named)
        self.history[mail_id] = {}
        self.finished += 1

    def load(self, rows):
        """Write rows that have waited for long, without their time passing."""
        for row in rows:
            self.outbox[row["id"]] = row
            self._lanes.setdefault(row["lane"], []).append((row["due_at"], row["id"]))
        for entries in self._lanes.values():
            entries.sort()

    def _write(self, mail_id, item):
        before = self.outbox.get(mail_id)
        super()._write(mail_id, item)
        self.changes.clear()
        if before and "due_at" in before:
            entries, entry = self._lanes[before["lane"]], (before["due_at"], mail_id)
            del entries[bisect_left(entries, entry)]
        if item and "due_at" in item:
            insort(self._lanes.setdefault(item["lane"], []), (item["due_at"], mail_id))


class Service:
    """Deliver and dispatch with the default settings; `calls` are the moments of the calls, by urgency."""

    def __init__(self, world: World, monkeypatch: Any, *, seed: int = 1) -> None:
        # The two places where the flows use threads by themselves.
        monkeypatch.setattr(dispatch_module, "wait", world.wait)
        monkeypatch.setattr(deliver_module, "ThreadPoolExecutor", world.pool)
        fields = WorkerSettings.model_fields
        self.threads, self.lease = fields["threads"].default, fields["lease_seconds"].default
        self.rate = Rate(fields["rate_per_minute"].default, fields["rate_burst"].default)
        self.longest_call = longest_call(fields["connect_seconds"].default, fields["answer_seconds"].default)
        self.account = "account"
        self.world, self.chance = world, random.Random(seed)
        self.store, self.register = IndexedStore(world), MemoryRegister()
        self.calls: dict[bool, list[float]] = {True: [], False: []}
        self.waits: list[float] = []
        self.dispatches: list[dict[str, int]] = []

    def ready(self) -> None:
        """Be ready, as the mail API's client is."""

    def fresh_account(self) -> str:
        """Name the account."""
        return self.account

    def send(self, mail: Mail) -> Accepted:
        """Be the mail API: note the moment of the call, and take a while."""
        self.calls[mail.urgent].append(self.world.seconds)
        if mail.urgent:
            self.waits.append(self.world.seconds - float(mail.subject))
        self.world.pause(self.chance.uniform(*CALL))
        return Accepted(str(len(self.calls[True]) + len(self.calls[False])))

    def backlog(self, count: int) -> None:
        """Have so many bulk mails waiting since long."""
        mail = make_mail()
        first = moves.new(mail, "0", self.world(), None, "simulation")
        patch = moves.postponed(first, self.world() - timedelta(hours=1), "over-rate", OVER_THE_RATE)[1]
        base = patch.applied(first)
        ids = (f"bulk-{number:06}" for number in range(count))
        self.store.load([{**base, "id": each, "lane": places.lane(each, urgent=False)} for each in ids])

    def urgent(self, count: int) -> None:
        """Write urgent mails; the stream brings them to deliver."""
        bells = []
        for _ in range(count):
            mail = make_mail(subject=f"{self.world.seconds:.6f}", urgent=True)
            item = moves.new(mail, places.new_id(self.world()), self.world(), None, "simulation")
            self.store.add(item, once=False)
            bells.append(listen(None, item))
        self.world.start(STREAM, self._deliver, bells)

    def schedule(self) -> None:
        """Start dispatch every minute, for ever."""
        while True:
            self.start_dispatch()
            self.world.pause(SCHEDULE_SECONDS)

    def start_dispatch(self) -> None:
        """Start dispatch a little later, as an asynchronous invocation does."""
        self.world.start(INVOKE, self._dispatch)

    def _deliver(self, bells: list[Any]) -> None:
        again = Deliver(self._sender("deliver"), self.threads, self.start_dispatch)(bells, self._deadline())
        if again:
            self.world.start(1.0, self._deliver, [bells[position] for position in sorted(again)])

    def _dispatch(self) -> None:
        sender = self._sender("dispatch")
        look_up = LookUp(
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
        dispatch = Dispatch(sender, look_up, self.register, self.start_dispatch, self.threads, pool=self.world.pool)
        self.dispatches.append(dispatch(self._deadline()))

    def _deadline(self) -> float:
        return self.world().timestamp() + FUNCTION_SECONDS - MARGIN_SECONDS

    def _sender(self, who: str) -> Sender:
        world = self.world
        switch = SharedSwitch(self.register, world, world.monotonic)
        limiter = SharedLimiter(self.register, world, self.rate, world.pause)
        window = timedelta(minutes=15)
        return Sender(
            self.store,
            self,
            world,
            switch,
            limiter,
            world.pause,
            who,
            self.lease,
            Retention(400),
            window,
            NoSuppression(),
            MemoryFiles(),
        )


def longest_call(connect: float, answer: float) -> float:
    """Ask the real client how long a call of it may take."""
    timeout = httpx.Timeout(answer, connect=connect, write=connect, pool=connect)
    with httpx.Client(timeout=timeout) as client:
        return ApiClient(client, "http://127.0.0.1", lambda **_: None, answer).longest_call
