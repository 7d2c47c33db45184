"""A row that kills or hangs whoever reads it: its neighbours go, and after the second time it is left to a person."""

import threading
import time
from collections import Counter
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from outbox.core import row as rows
from outbox.core import transitions
from outbox.core.errors import OutcomeUnknown
from outbox.core.rate import Rate
from outbox.core.row import Row
from outbox.flows import reading, worker_pool
from outbox.flows.daemon_executor import DaemonExecutor
from outbox.flows.limiter import SharedLimiter
from outbox.testing import FakeRecords, MemoryRegister, MemoryStore, TickingClock
from tests.attack.effects import Died, Effects
from tests.attack.world import RecordingApi
from tests.conftest import Service, make_mail
from tests.waiting import wait_for

INNOCENTS = 50
POISON = "poison"
LEASE = timedelta(seconds=180)


class Reader:
    """Reads rows in place of the real reader, and does with a poisonous one what the test says."""

    def __init__(self, monkeypatch):
        self._read = rows.mail_of
        self.how = None
        self.reads: Counter[str] = Counter()
        # Seconds that an innocent mail is read for: what is read beside the poison is under way when that kills.
        self.takes = 0.0
        self.effects = Effects()
        self.go_on = threading.Event()
        monkeypatch.setattr(rows, "mail_of", self)

    def __call__(self, item):
        """Read a row, and count that."""
        self.reads[item["subject"]] += 1
        if item["subject"].startswith(POISON) and self.how:
            self.how(self)
        time.sleep(self.takes)
        return self._read(item)


def die(reader):
    """Kill the process: nothing leaves it any more, whatever its other threads are about."""
    time.sleep(reader.takes / 2)
    reader.effects.dead = True
    raise Died


def hang(reader):
    """Hang until the test is over."""
    reader.go_on.wait()


def fail(_reader):
    """Raise what nobody thought of."""
    message = "a bug"
    raise ValueError(message)


class World:
    """Tables, API and records that outlive the processes which work on them."""

    def __init__(self, reader):
        self.reader, self.store, self.clock = reader, MemoryStore(), TickingClock()
        self.records, self.register = FakeRecords(), MemoryRegister()
        self.api = RecordingApi(self.records, self.clock)
        self.window, self.threads, self.deaths = 15.0, 4, 0
        self.calm = self._service(lambda _port, thing: thing)

    def _service(self, watched):
        return Service(
            watched("store", self.store),
            watched("api", self.api),
            self.clock,
            self.threads,
            look_up_minutes=self.window,
            records=watched("records", self.records),
            register=watched("register", self.register),
        )

    def process(self):
        """Start a new process."""
        self.reader.effects = Effects()
        return self._service(self.reader.effects.watch)

    def dies(self, work):
        """Do something in a new process; tell whether that died."""
        process = self.process()
        try:
            work(process)
        except Died:
            self.deaths += 1
            return True
        return False

    def deliver(self):
        """Have the stream bring all changes, and again those that a process took with it."""
        bells = self.calm.doorbells()
        while bells and self.dies(lambda process: process.deliver(bells)):
            pass

    def dispatch(self, rounds=1):
        """Let the schedule start dispatch, a minute after the other."""
        for _ in range(rounds):
            self.dies(lambda process: process.dispatch())
            self.clock.forward(seconds=61)

    def enqueue(self, poison="hold"):
        """Write 50 innocent mails, which are sent again when in doubt, and a poisonous one in their middle."""
        ids = {}
        for number in range(INNOCENTS + 1):
            is_poison = number == INNOCENTS // 2
            subject = POISON if is_poison else f"innocent {number}"
            policy = poison if is_poison else "resend"
            mail = make_mail(subject=subject, to=f"person{number}@example.com", on_unknown=policy)
            ids[subject] = self.calm.outbox.enqueue(mail).id
        self.poison = ids.pop(POISON)
        self.innocents = list(ids.values())

    def states(self):
        """Count the states of the innocent mails."""
        return Counter(self.calm.status(mail_id) for mail_id in self.innocents)

    def row(self):
        """Give the poisonous row."""
        return Row(self.store.get(self.poison))


@pytest.fixture
def reader(monkeypatch):
    reader = Reader(monkeypatch)
    yield reader
    reader.go_on.set()


@pytest.fixture
def world(reader):
    return World(reader)


@pytest.fixture
def impatient(monkeypatch):
    """Take a thread for hung after a moment."""
    monkeypatch.setattr(worker_pool, "LONGEST_READING", 0.2)
    monkeypatch.setattr(worker_pool, "LOOK_EVERY", 0.02)


def assert_with_a_person(world, *, reads=2):
    """Find every innocent mail sent once, and the poison with a person, for good."""
    assert world.states() == {"SENT": INNOCENTS}
    assert_poison_rests(world)
    assert world.reader.reads[POISON] == reads
    sent = Counter(mail.subject for mail in world.api.sent)
    assert set(sent.values()) == {1}
    assert POISON not in sent


def assert_poison_rests(world):
    """Find the poison with a person and its reason; it stays there, unread, whatever comes again."""
    row = world.row()
    assert (row.status, row.error) == ("UNKNOWN", "poison")
    assert row.item["problem"] == "UNKNOWN"
    assert "died or hung 2 times" in row.reason
    reads = world.reader.reads[POISON]
    world.clock.forward(days=1)
    world.dies(lambda process: process.deliver(world.calm.doorbells(all_of_them=True)))
    world.dispatch(3)
    assert world.row().item == row.item
    assert world.reader.reads[POISON] == reads


# --- death ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["hold", "resend"])
def test_a_death_in_deliver_and_one_in_the_first_look(world, policy):
    """What deliver had in its hands is found in the records or sent again; the poison is not read a third time."""
    world.enqueue(policy)
    world.reader.how = die
    world.deliver()
    assert world.deaths == 1
    assert world.states()["SENT"] >= INNOCENTS - 2 * world.threads
    world.clock.forward(minutes=5)
    world.dispatch(40)
    assert world.deaths == 2
    assert_with_a_person(world)


@pytest.mark.parametrize("window", [0.0, 15.0])
def test_two_deaths_in_dispatch(world, window):
    """Its events were lost; the policy sends it again after the first death, or reconciliation looks for it."""
    world.window = window
    world.enqueue("resend")
    world.reader.how = die
    world.clock.forward(minutes=10)
    world.dispatch(60)
    assert world.deaths == 2
    assert_with_a_person(world)


def test_two_deaths_in_looks(world):
    """A mail in doubt for another reason becomes poisonous, as a code change may do."""

    def answer(mail):
        if mail.subject == POISON:
            raise OutcomeUnknown("no answer within 30 s.")
        return world.api.accept(mail)

    world.enqueue()
    world.api.answer = answer
    world.deliver()
    assert world.row().status == "CHECKING"
    before = world.reader.reads[POISON]
    world.reader.how = die
    world.clock.forward(minutes=5)
    world.dispatch(30)
    assert world.deaths == 2
    assert_with_a_person(world, reads=before + 2)


def test_without_records_and_with_hold_the_first_death_is_for_a_person(world):
    """It may have been sent, nobody can look, and nothing is sent twice: it is not read again."""
    world.window = 0.0
    world.enqueue()
    world.reader.how = die
    world.deliver()
    world.clock.forward(minutes=5)
    world.dispatch(40)
    assert (world.row().status, world.row().error) == ("UNKNOWN", "unknown")
    assert world.reader.reads[POISON] == 1
    assert world.states() == {"SENT": INNOCENTS}


@pytest.mark.parametrize("window", [0.0, 15.0])
def test_mails_in_the_hands_of_a_dead_worker_are_not_taken_for_the_poison(world, window):
    """All twenty died with it once; tried one at a time, each but the poison comes through."""
    world.window, world.threads = window, 20
    world.enqueue("resend")
    taken = [world.poison, *world.innocents[:19]]
    for mail_id in taken:
        expect, patch = transitions.claim(world.store.get(mail_id), world.clock(), LEASE, "dead")
        world.store.update(mail_id, expect, patch)
    world.clock.forward(minutes=5)
    world.dispatch()
    assert {Row(world.store.get(mail_id)).deaths for mail_id in taken} == {1}
    world.reader.how, world.reader.takes = die, 0.05
    world.clock.forward(minutes=5)
    world.dispatch(60)
    assert world.deaths == 1
    assert_with_a_person(world, reads=1)


def test_a_person_who_edits_it_gives_it_a_new_chance(world):
    """Raw or through the service: what was counted before says nothing of the mail as it is now."""
    for edit in (
        lambda: world.store.edit(world.poison, subject="harmless"),
        lambda: world.calm.support.edit(world.poison, {"subject": "harmless"}, "alice", send=True),
    ):
        world.enqueue()
        world.reader.how = die
        world.deliver()
        world.clock.forward(minutes=5)
        world.dispatch(40)
        assert world.row().error == "poison"
        edit()
        world.deliver()
        assert world.calm.status(world.poison) == "SENT"


def test_an_edit_that_leaves_it_poisonous_is_two_more_reads(world):
    """The count begins anew."""
    world.enqueue()
    world.reader.how = die
    world.deliver()
    world.clock.forward(minutes=5)
    world.dispatch(40)
    reads = world.reader.reads[POISON]
    world.store.edit(world.poison, to="somebody.else@example.com")
    world.deliver()
    world.clock.forward(minutes=5)
    world.dispatch(40)
    assert world.reader.reads[POISON] == reads + 2
    assert_poison_rests(world)


def test_a_row_without_room_for_a_claim_is_noted_before_it_is_read(world):
    """Nothing would count its deaths; FAILED already, it is not read again."""
    world.enqueue()
    note = "x" * (400 * 1024 - 1500)
    world.store.edit(world.poison, note=note)
    left = 400 * 1024 - _size(world) - len("padding")
    world.store.edit(world.poison, padding="x" * left)
    world.reader.how = die
    world.deliver()
    world.clock.forward(minutes=5)
    world.dispatch(40)
    assert world.row().status == "FAILED"
    assert world.reader.reads[POISON] == 1
    assert world.states() == {"SENT": INNOCENTS}


def _size(world):
    from outbox.testing import item_size

    return item_size(world.row().item)


# --- a hang -----------------------------------------------------------------------------------------------------------


def test_deliver_waits_for_no_thread_that_hangs(world, impatient):
    """The others are sent, its records count as done, and the log names the mail."""
    world.enqueue()
    world.reader.how = hang
    process, began = world.process(), time.monotonic()
    with capture_logs() as logs:
        again = process.deliver(world.calm.doorbells())
    assert time.monotonic() - began < 5
    assert again == set()
    assert world.states() == {"SENT": INNOCENTS}
    assert [line["id"] for line in logs if line["event"] == "worker.hung"] == [world.poison]
    assert world.row().status == "SENDING"


def test_a_hang_in_deliver_and_one_in_the_first_look(world, impatient):
    """Dispatch serves the others meanwhile and frees its lease; then a person has the poison."""
    world.enqueue()
    world.reader.how = hang
    world.process().deliver(world.calm.doorbells())
    world.clock.forward(minutes=5)
    assert world.process().dispatch() == {"checking": 1}
    late = [world.calm.outbox.enqueue(make_mail(subject=f"late {number}")).id for number in range(20)]
    world.clock.forward(minutes=5)
    began = time.monotonic()
    assert world.process().dispatch() == {"hung": 1, "sent": 20}
    assert time.monotonic() - began < 5
    assert world.register.get("dispatch-0")["holder"] == ""
    assert {world.calm.status(mail_id) for mail_id in late} == {"SENT"}
    world.innocents += late
    world.clock.forward(minutes=5)
    assert world.process().dispatch() == {"unknown": 1}
    assert_poison_rests(world)
    assert world.reader.reads[POISON] == 2


def test_dispatch_goes_on_with_the_other_threads(world, impatient):
    """The poison is due first; all others are sent in the same run, also those that come while it hangs."""
    world.threads = 2
    world.enqueue("resend")
    world.reader.how = hang
    world.clock.forward(minutes=10)
    assert world.process().dispatch() == {"sent": INNOCENTS, "hung": 1}
    assert world.states() == {"SENT": INNOCENTS}


def test_when_all_threads_hang_the_rest_is_left_to_the_next_one(world, impatient):
    """Deliver has the records of the others brought again; dispatch frees its lease, and its next run goes on."""
    world.threads = 1
    world.enqueue("resend")
    world.reader.how = hang
    bells = world.calm.doorbells()
    again = world.process().deliver(bells)
    assert world.states()["SENT"] + len(again) == INNOCENTS
    assert again
    assert world.process().deliver([bells[position] for position in sorted(again)]) == set()
    assert world.states() == {"SENT": INNOCENTS}


def test_a_row_at_no_moment_that_hangs_does_not_hang_its_dispatcher(world, impatient):
    """A slip in `due_at` put it behind every moment; such rows are tried first, and by the threads as all others."""
    world.enqueue("resend")
    world.store.edit(world.poison, due_at="tomorrow")
    world.reader.how = hang
    world.clock.forward(minutes=10)
    assert world.process().dispatch() == {"sent": INNOCENTS, "hung": 1}


def test_a_thread_that_goes_on_after_all_sends_nothing(world, impatient):
    """Its time is over: another worker may have the mail, or a person."""
    world.enqueue("resend")
    world.reader.how = hang
    world.process().deliver(world.calm.doorbells())
    world.clock.forward(minutes=5)
    world.dispatch()
    row = world.row()
    assert row.status == "CHECKING"
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("mail-")]
    world.reader.go_on.set()
    for thread in threads:
        thread.join(5)
    assert world.row().item == row.item
    assert [mail for mail in world.api.sent if mail.subject == POISON] == []


def test_a_worker_that_is_out_of_time_ends_whatever_hangs(world, monkeypatch):
    """A thread may hang elsewhere than in reading; Lambda must not be the one to end the function."""
    monkeypatch.setattr(worker_pool, "LOOK_EVERY", 0.02)
    release = threading.Event()
    world.enqueue()

    def answer(mail):
        if mail.subject == POISON:
            release.wait()
        return world.api.accept(mail)

    world.api.answer = answer
    monkeypatch.setattr(Service, "deadline", property(lambda service: service.clock().timestamp() + 17))
    began = time.monotonic()
    monkeypatch.setattr(worker_pool, "time", _Hurried(200))
    with capture_logs() as logs:
        assert world.process().deliver(world.calm.doorbells()) == set()
    release.set()
    assert time.monotonic() - began < 5
    assert [line["id"] for line in logs if line["event"] == "worker.hung"] == [world.poison]
    assert world.states() == {"SENT": INNOCENTS}


class _Hurried:
    """The monotonic clock, many times as fast."""

    def __init__(self, times):
        self._times, self._began = times, time.monotonic()

    def monotonic(self):
        return (time.monotonic() - self._began) * self._times


# --- an error that nobody thought of ----------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["deliver", "dispatch"])
def test_a_reader_that_raises_is_a_mail_for_a_person_at_once(world, by):
    """Nothing has left, and the next reading would raise again."""
    world.enqueue()
    world.reader.how = fail
    if by == "deliver":
        world.deliver()
    else:
        world.clock.forward(minutes=10)
        world.dispatch()
    assert world.states() == {"SENT": INNOCENTS}
    assert (world.row().status, world.row().error) == ("FAILED", "unreadable")
    assert world.reader.reads[POISON] == 1


def test_a_reader_that_raises_in_a_look_ends_the_looks(world):
    """To look again, for a day, would raise again and again."""

    def answer(mail):
        if mail.subject == POISON:
            raise OutcomeUnknown("no answer within 30 s.")
        return world.api.accept(mail)

    world.enqueue()
    world.api.answer = answer
    world.deliver()
    world.reader.how = fail
    reads = world.reader.reads[POISON]
    world.clock.forward(minutes=5)
    world.dispatch(3)
    assert (world.row().status, world.row().error) == ("UNKNOWN", "unknown")
    assert world.reader.reads[POISON] == reads + 1
    assert world.states() == {"SENT": INNOCENTS}


# --- what was found wrong with it once --------------------------------------------------------------------------------


def test_a_suspect_is_not_starved_by_a_backlog(world):
    """It gets the first slot, however many rows wait for the ones behind."""
    world.threads, world.window = 1, 0.0
    world.enqueue("resend")
    world.store.edit(world.poison, deaths=1, status="WAITING", due_at="2026-01-01T00:00:00.000Z")
    service = world.calm
    service.limiter = SharedLimiter(service.register, service.clock, Rate(60, 0), service.pause)
    world.clock.forward(minutes=10)
    service.threads = 1
    service.dispatch()
    assert [mail.subject for mail in world.api.sent].index(POISON) < 8


def test_a_suspect_alone_in_a_line_that_is_held_is_waited_for_and_not_asked_for_again_and_again(world):
    """A 429 holds everybody back for a minute: a look now and then, no spinning."""
    world.enqueue("resend")
    for mail_id in world.innocents:
        world.store.outbox.pop(mail_id)
    world.store.edit(world.poison, deaths=1, status="WAITING")
    service = world.calm
    limiter = SharedLimiter(service.register, service.clock, Rate(60, 0), service.pause)
    service.limiter, booked = Booked(limiter), []
    service.limiter.booked = booked
    world.clock.forward(minutes=10)
    limiter.hold_back(60)
    service.dispatch()
    assert service.status(world.poison) == "SENT"
    assert len(booked) < 150


class Booked:
    """A limiter that notes its bookings."""

    def __init__(self, limiter):
        self._limiter, self.booked = limiter, []

    def book(self, count, *, urgent):
        self.booked.append(count)
        return self._limiter.book(count, urgent=urgent)

    def hold_back(self, seconds):
        self._limiter.hold_back(seconds)


@pytest.mark.parametrize("held", ["over the rate", "paused", "scheduled"])
def test_an_edited_row_that_must_wait_first_begins_anew_as_well(world, held):
    """What was counted before says nothing of the mail as it is now, also when no worker takes it at once."""
    world.enqueue()
    world.reader.how = die
    world.deliver()
    world.clock.forward(minutes=5)
    world.dispatch(40)
    assert world.row().deaths == 2
    if held == "over the rate":
        world.calm.limiter = SharedLimiter(world.register, world.clock, Rate(60, 0), lambda _: None)
        world.calm.limiter.hold_back(60)
    elif held == "paused":
        world.calm.switch.pause("alice", "a wrong price.")
    edit = {"send_at": "2026-12-24T09:00:00Z"} if held == "scheduled" else {}
    world.store.edit(world.poison, subject="harmless", **edit)
    world.calm.ring_until_quiet()
    assert (world.row().status, world.row().deaths) == ("WAITING", 0)


def test_a_table_that_fails_in_the_middle_of_a_run_leaves_no_call_behind(world):
    """The run ends with its error, and only when the calls under way have been written down."""
    world.enqueue("resend")
    world.clock.forward(minutes=10)
    taken, service = [], world.process()

    def answer(mail):
        taken.append(mail)
        time.sleep(0.2)
        return world.api.accept(mail)

    class Failing(type(world.store)):
        def due(self, *_args, **_more):
            if taken:
                raise ConnectionError
            return world.store.due(*_args, **_more)

    world.api.answer = answer
    failing = Failing()
    failing.outbox, failing.history, failing.changes = world.store.outbox, world.store.history, world.store.changes
    service.store = failing
    with pytest.raises(ConnectionError):
        service.dispatch()
    assert taken
    assert world.states()["SENDING"] == 0
    assert world.calm.status(world.poison) != "SENDING"
    assert len(world.api.sent) == len(taken)


def test_threads_that_come_back_are_threads_again(monkeypatch, impatient):
    """However often one of them hangs and returns, their number stays what it was."""
    clock, begun = TickingClock(), threading.Event()
    with DaemonExecutor(1) as executor:
        pool = worker_pool.WorkerPool(executor, 1, clock)
        for number in range(3):
            release = threading.Event()

            def work(release=release):
                with reading.reading():
                    begun.set()
                    release.wait(60)
                return "done"

            pool.submit(f"mail-{number}", clock(), work)
            wait_for(begun.is_set)
            pool.wait_for_all()
            assert pool.all_hang
            assert pool.room(5) == 0
            release.set()
            wait_for(lambda: not pool.all_hang)
            begun.clear()
        assert pool.room(1) == 1
