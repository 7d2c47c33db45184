"""A batch does its work once on each row, however often it dies, is stopped, or is run by two at once."""

import os
import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from typing import Any, ClassVar

import pytest

from outbox.adapters.outcome import outcome
from outbox.core import places
from outbox.core.codes import ErrorCode
from outbox.core.errors import InvalidMail, InvalidRequest, Lost, Rejected, TooLarge
from outbox.core.message import render
from outbox.core.rate import Rate
from outbox.core.retention import Retention
from outbox.core.states import Status
from outbox.core.transitions import Stamp
from outbox.flows import batch_run, where
from outbox.flows.batch import Action, Batches, NoBatch
from outbox.flows.batch_report import BatchBusy, BatchOver
from outbox.flows.limiter import SharedLimiter
from outbox.flows.suppression import SuppressionList
from outbox.flows.where import Where
from outbox.testing import MemoryRegister, MemoryStore, MemorySuppressions, TickingClock

ROWS = int(os.environ.get("OUTBOX_BATCH_ROWS", "2000"))
LEASE_OVER = 31


class Died(BaseException):
    """The process is gone."""


class QuickStore(MemoryStore):
    """The memory store with an index that is read a page at a time, as DynamoDB does: for many rows."""

    def __init__(self) -> None:
        super().__init__()
        self.index: list[tuple[str, str]] | None = None

    def by_problem(self, status, limit, cursor=None, *, since=None, until=None):
        if len(self.outbox) < 5000:
            return super().by_problem(status, limit, cursor, since=since, until=until)
        return self._from_index(status, limit, cursor, since, until)

    def _from_index(self, status, limit, cursor, since, until):
        from outbox.core import clock
        from outbox.core.ports import Page

        if self.index is None:
            self.index = sorted(((row["problem_at"], key) for key, row in self.outbox.items()), reverse=True)
        last = clock.text(until) if until else "~"
        begin, items = int(cursor or 0), []
        for place in range(begin, len(self.index)):
            at, key = self.index[place]
            row = self.outbox.get(key, {})
            if at > last or row.get("problem") != status or row.get("problem_at") != at:
                continue
            items.append({name: part for name, part in row.items() if name not in {"text", "timeline"}})
            if len(items) == limit:
                return Page(items, str(place + 1))
        return Page(items)


class Frail:
    """A store or register whose next effect may be its last, before or after it happened; or that only throttles."""

    def __init__(self, inner: Any, fate: "Fate") -> None:
        self._inner, self._fate = inner, fate

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if name not in {"update", "finish", "get", "swap", "by_problem"}:
            return method

        def call(*args: Any, **options: Any) -> Any:
            self._fate.before()
            answer = method(*args, **options)
            self._fate.after()
            return answer

        return call


class Fate:
    """Says when a process dies and which calls are throttled."""

    def __init__(self, chance: random.Random, *, dies_in: int | None = None, throttled: float = 0) -> None:
        self.chance, self.left, self.throttled, self.dead = chance, dies_in, throttled, False
        self.lock = threading.Lock()
        self.when = chance.choice(["before", "after"])

    def before(self) -> None:
        with self.lock:
            if self.left is not None and not self.dead:
                self.left -= 1
                self.dead = self.left <= 0 and self.when == "before"
            if self.dead:
                raise Died
            if self.chance.random() < self.throttled:
                raise OSError("throttled")

    def after(self) -> None:
        with self.lock:
            if self.left is not None and self.left <= 0:
                self.dead = True
                raise Died
            if self.chance.random() < self.throttled:
                raise OSError("no answer")


def no_pause(_seconds: float) -> None:
    """Do not wait."""


def fill(store: MemoryStore, clock: TickingClock, count: int, **more: Any) -> list[str]:
    """Write FAILED rows, a few at each moment."""
    from outbox.core import transitions
    from outbox.core.row import Row
    from tests.conftest import make_mail

    ids = []
    for number in range(count):
        ids.append(f"m{number:06}")
        item = transitions.new(make_mail(**{"to": f"t{number}@example.co", **more}), ids[-1], Stamp(clock(), "app"))
        store.outbox[ids[-1]] = transitions.dead_letter(
            Row({**item, "status": "SENDING"}),
            ErrorCode.REFUSED,
            {"answer": "invalid"},
            Stamp(clock(), "deliver"),
            attempts=1,
        ).applied(item)
        if number % 3 == 0:
            clock.forward(seconds=0.01)
    clock.forward(seconds=1)
    return ids


@pytest.fixture
def clock():
    """Give the clock."""
    return TickingClock()


@pytest.fixture
def store():
    """Give an empty store."""
    return QuickStore()


@pytest.fixture
def batches(store, clock):
    """Give the batches of a healthy process."""
    return Batches(store, MemoryRegister(), clock, Retention(400), no_pause)


def frail(batches: Batches, fate: Fate) -> Batches:
    """Give the same in a process with a fate."""
    store, register = Frail(batches.store, fate), Frail(batches.register, fate)
    return Batches(store, register, batches.clock, batches.keep, no_pause)


def marks(row: Any, batch: str) -> int:
    """Count how often a batch has written a row."""
    return sum(event.get("batch") == batch for event in row["timeline"])


FAILED = Where(Status.FAILED)
RESEND = Action("resend")


def test_it_sends_again_in_turn(batches, store, clock):
    """Each row waits for dispatch, due now, out of the problems; batch and person stand in its timeline."""
    ids = fill(store, clock, 250)
    batch = batches.start(Where(domain="example.co"), RESEND, "alice")
    seen: list[int] = []
    report = batches.run(batch, lambda at: seen.append(at.done))

    assert (report.state, report.done, report.skipped, report.failed, report.expected) == ("done", 250, {}, 0, 250)
    assert seen == sorted(seen)
    for row in map(store.outbox.get, ids):
        assert (row["status"], row["error"], row["due_at"]) == ("WAITING", "batch", row["timeline"][-1]["at"])
        assert not row.keys() & {"problem", "problem_at", "claim", "deferrals", "send_at"}
        assert batch in row["reason"]
        assert row["timeline"][-1] | {"who": "alice", "batch": batch, "was": "FAILED"} == row["timeline"][-1]


def test_it_rings_nobody(service, mail):
    """A thousand rows sent again are no thousand doorbells; dispatch sends them."""
    fill(service.store, service.clock, 50)
    service.doorbells()
    batches = Batches(service.store, service.register, service.clock, service.keep, no_pause)
    batches.run(batches.start(FAILED, RESEND, "alice"))

    assert service.doorbells() == []
    service.dispatch()
    assert (len(service.api.sent), service.store.outbox) == (50, {})


def test_the_rate_is_kept_and_urgent_goes_first(service, mail):
    """What a batch sends again goes through the limiter like everything else."""
    service.limiter = SharedLimiter(service.register, service.clock, Rate(60, 0), no_pause)
    service.threads = 1
    fill(service.store, service.clock, 30)
    fill_urgent = {"m000007", "m000021"}
    for mail_id in fill_urgent:
        service.store.outbox[mail_id]["urgent"] = True
    times = []
    service.api.answer = lambda sent: times.append(service.clock()) or service.api.accept(sent)
    batches = Batches(service.store, service.register, service.clock, service.keep, no_pause)
    batches.run(batches.start(FAILED, RESEND, "alice"))
    service.dispatch()

    assert len(times) == 30
    assert min((b - a).total_seconds() for a, b in pairwise(times)) >= 0.999
    assert {sent.to.email for sent in service.api.sent[:2]} == {"t7@example.co", "t21@example.co"}


def test_what_fails_again_is_not_taken_again(service):
    """A mail the API refuses for ever is sent once by one batch, run as often as one likes."""
    fill(service.store, service.clock, 20)
    batches = Batches(service.store, service.register, service.clock, service.keep, no_pause)
    batch = batches.start(FAILED, RESEND, "alice")
    calls = Counter()

    def refuse(sent):
        calls[sent.to.email] += 1
        raise Rejected("no")

    service.api.answer = refuse
    with pytest.raises(KeyboardInterrupt):
        batches.run(batch, lambda _: (service.dispatch(), (_ for _ in ()).throw(KeyboardInterrupt)))
    report = batches.run(batch)
    service.dispatch()

    assert (report.state, report.done) == ("done", 20)
    assert set(calls.values()) == {1}
    assert all(row["status"] == "FAILED" for row in service.store.outbox.values())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "action",
    [RESEND, Action("hold", note="wait"), Action("cancel"), Action("edit", ("to-domain=example.co:example.com",))],
    ids=lambda action: action.kind,
)
@pytest.mark.timeout(3600)
def test_it_dies_anywhere_and_is_continued(batches, store, clock, seed, action):
    """However often it dies, in the end each row was written once by it, and the counts are exact."""
    if ROWS > 5000 and (seed or action is not RESEND):
        pytest.skip("one seed at the full size")
    rows = ROWS if action is RESEND and not seed else min(ROWS, 600)
    chance = random.Random(seed)
    ids = fill(store, clock, rows)
    batch = batches.start(FAILED, action, "alice")
    deaths = 0
    while deaths < 12 or ROWS > 5000:
        fate = Fate(chance, dies_in=chance.randrange(1, rows // 2), throttled=0.05)
        try:
            frail(batches, fate).run(batch)
        except Died:
            deaths += 1
            clock.forward(seconds=LEASE_OVER)
        except BatchOver:
            break
    report = batches.show(batch)
    if report.state != "done":
        report = batches.run(batch)

    everything = store.outbox | store.history
    assert (report.state, report.done, report.skipped, report.failed) == ("done", rows, {}, 0)
    assert sorted(everything) == ids
    assert {marks(row, batch) for row in everything.values()} == {1}
    assert len(store.changes) == rows
    states = {"resend": "WAITING", "hold": "HELD", "cancel": "CANCELLED", "edit": "FAILED"}
    assert {row["status"] for row in everything.values()} == {states[action.kind]}


def test_two_at_once(batches, store, clock):
    """The second one is told that somebody is at it; nothing is doubled."""
    fill(store, clock, 300)
    batch = batches.start(FAILED, RESEND, "alice")

    def second(_: Any) -> None:
        with pytest.raises(BatchBusy):
            batches.run(batch)

    report = batches.run(batch, lambda at: second(at) if at.state == "running" else None)
    assert (report.done, len(store.changes)) == (300, 300)


def test_a_run_that_was_thought_dead(batches, store, clock):
    """Its lease is over while it still works: the other one ends the batch, this one notices, nothing is doubled."""
    fill(store, clock, 500)
    batch = batches.start(FAILED, RESEND, "alice")
    other = []

    def meanwhile(_: Any) -> None:
        clock.forward(seconds=LEASE_OVER)
        other.append(batches.run(batch))

    with pytest.raises(BatchBusy):
        batches.run(batch, meanwhile)
    assert (other[0].state, other[0].done, len(store.changes)) == ("done", 500, 500)


def test_stop_and_continue(batches, store, clock):
    """Somebody else stops it; it ends within a hundred rows, and goes on where it was."""
    fill(store, clock, 500)
    batch = batches.start(FAILED, RESEND, "alice")
    stopped = batches.run(batch, lambda _: batches.stop(batch))

    assert (stopped.state, stopped.done) == ("stopped", 100)
    assert batches.run(batch).done == 500
    assert len(store.changes) == 500
    with pytest.raises(BatchOver):
        batches.run(batch)


def test_stopped_by_its_own_process(batches, store, clock):
    """What was not begun stays open; nothing is lost."""
    fill(store, clock, 300)
    batch = batches.start(FAILED, RESEND, "alice")
    looks = iter([False] * 150 + [True] * 1000)
    lock = threading.Lock()

    def stopping() -> bool:
        with lock:
            return next(looks)

    report = batches.run(batch, stopping=stopping)
    assert report.state == "stopped"
    assert 100 <= report.done < 160
    assert batches.run(batch).done == 300


def test_a_store_that_throttles_for_ever(batches, store, clock):
    """After a hundred rows that fail it ends and says why; continued, it does the rest."""
    fill(store, clock, 400)
    batch = batches.start(FAILED, RESEND, "alice")

    class Throttling(Frail):
        def __getattr__(self, name):
            if name == "update":
                raise OSError("throttled")
            return getattr(self._inner, name)

    sick = Batches(Throttling(store, None), batches.register, clock, batches.keep, no_pause)
    report = sick.run(batch)
    assert (report.state, report.done, report.failed) == ("stopped", 0, 100)
    assert report.trouble == "OSError: throttled"
    again = batches.run(batch)
    assert (again.state, again.done, again.failed, again.trouble) == ("done", 400, 0, "")


def test_one_bad_row_ends_nothing(batches, store, clock):
    """Rows that changed, are in flight, left, or cannot be are left alone and counted with the reason."""
    ids = fill(store, clock, 8)
    there = store.by_problem("FAILED", 10)
    store.outbox[ids[0]]["status"] = "SENDING"
    store.outbox[ids[1]]["status"] = "PENDING"
    store.outbox[ids[2]]["error"] = "already-sent"
    store.history[ids[3]] = store.outbox.pop(ids[3])
    store.outbox.pop(ids[4])
    store.outbox[ids[5]]["problem_at"] = "2030-01-01T00:00:00.000Z"
    update, store.by_problem = store.update, lambda *_, **__: there
    lost = ids[6]
    store.update = lambda key, *rest: (_ for _ in ()).throw(Lost(None)) if key == lost else update(key, *rest)
    batch = batches.start(Where(ids=tuple(ids)), RESEND, "alice")
    report = batches.run(batch)

    assert (report.state, report.done) == ("done", 1)
    assert report.skipped == {
        "is just being sent": 1,
        "is to be sent already": 1,
        "was already sent; history has it": 1,
        "has left the outbox": 1,
        "no such mail": 1,
        "is not, or no longer, what was asked for": 1,
        "was changed meanwhile": 1,
    }


def test_unknown_only_when_named(batches, store, clock):
    """A mail that may have been sent is never part of a batch that did not say so; the preview counts it."""
    ids = fill(store, clock, 3)
    store.outbox[ids[0]] |= {"status": "UNKNOWN", "problem": "UNKNOWN"}
    preview = batches.preview(Where(domain="example.co"))
    batches.run(batches.start(Where(domain="example.co"), RESEND, "alice"))

    assert (preview.count, preview.excluded) == (2, {"UNKNOWN, may have been sent: name the state to mean them": 1})
    assert store.outbox[ids[0]]["status"] == "UNKNOWN"
    assert batches.run(batches.start(Where(Status.UNKNOWN), RESEND, "alice")).done == 1
    assert store.outbox[ids[0]]["status"] == "WAITING"


def test_a_preview_counts_the_suppressed(batches, store, clock):
    """Who is suppressed stays suppressed, and one knows before."""
    fill(store, clock, 5)
    suppressions = MemorySuppressions()
    suppressions.put({"email": "t3@example.co"})
    listed = SuppressionList(suppressions, clock)
    looking = Batches(store, batches.register, clock, batches.keep, no_pause, listed)

    preview = looking.preview(FAILED, limit=2)
    assert (preview.count, preview.more, len(preview.sample), preview.suppressed) == (5, False, 2, 1)
    assert store.changes == []


def test_edit_and_send(batches, store, clock):
    """Only rows that need it are corrected, and those go again; one write each."""
    fill(store, clock, 4, to="Taro <taro@exampel.com>")
    other = fill(MemoryStore(), clock, 6)[4:]
    for mail_id in other:
        store.outbox[mail_id] = {**store.outbox["m000000"], "id": mail_id, "to": "x@example.org"}
    action = Action("edit", ("to-domain=exampel.com:example.com", "tag+=fixed"), send=True)
    only_domain = Action("edit", ("to-domain=EXAMPEL.com:example.com",), send=True)
    assert batches.try_out(FAILED, only_domain)[:2] == (4, 2)
    trial = next(trial for trial in batches.try_out(FAILED, action, 9)[2] if trial.row.id == "m000001")
    batch = batches.start(FAILED, only_domain, "alice")
    report = batches.run(batch)

    assert trial.changes["to"] == ("Taro <taro@exampel.com>", "Taro <taro@example.com>")
    assert (report.done, report.skipped) == (4, {"needs no correction": 2})
    row = store.outbox["m000001"]
    assert (row["to"], row["status"], len(store.changes)) == ("Taro <taro@example.com>", "WAITING", 4)
    assert [event["what"] for event in row["timeline"][-2:]] == ["edited", "resent"]


def test_an_edit_that_makes_no_mail(batches, store, clock):
    """A row that cannot be sent as corrected is left as it was, with the reason."""
    ids = fill(store, clock, 2)
    store.outbox[ids[0]]["cc"] = "not a list"
    report = batches.run(batches.start(FAILED, Action("edit", ("reply_to=help@example.com",)), "alice"))

    assert (report.done, report.skipped) == (1, {"cannot be: cc: must be a list, not text": 1})
    assert "reply_to" not in store.outbox[ids[0]]
    (why,) = report.skipped
    assert render(why, "ja") == "このままでは修正できません: CC: リストでなければなりません(現在は文字列)"


def test_a_batch_keeps_codes(batches, store, clock):
    """Its item names why rows were left alone in no language; whoever continues it goes on counting."""
    ids = fill(store, clock, 3)
    batch = batches.start(Where(ids=(*ids, "nobody")), RESEND, "alice")
    report = batches.run(batch)

    assert batches.register.get(f"batch-{batch}")["skipped"] == [{"why": {"code": "skipped.gone"}, "count": 1}]
    assert [(why.code, number) for why, number in report.skipped.items()] == [("skipped.gone", 1)]


@pytest.mark.parametrize("skipped", [None, "many", {"x": 1}, [None, 7, {}, {"why": ["x"], "count": "y"}]])
def test_counts_that_a_person_broke_are_no_counts(batches, store, clock, skipped):
    """The report is shown as far as it can be read."""
    fill(store, clock, 1)
    batch = batches.start(FAILED, RESEND, "alice")
    batches.register.items[f"batch-{batch}"]["skipped"] = skipped

    assert sum(batches.show(batch).skipped.values()) == 0


def test_release_and_hold(batches, store, clock):
    """Held in bulk and released in bulk; one that has a time of its own to come goes then."""
    ids = fill(store, clock, 3)
    batches.run(batches.start(FAILED, Action("hold", note="wrong template"), "alice"))
    store.outbox[ids[0]]["send_at"] = "2027-01-01T00:00:00.000Z"
    clock.forward(hours=1)
    report = batches.run(batches.start(Where(Status.HELD), Action("release"), "bob"))

    assert report.done == 3
    rows = [store.outbox[mail_id] for mail_id in ids]
    assert [row["due_at"][:4] for row in rows] == ["2027", "2026", "2026"]
    assert {row["timeline"][-1]["who"] for row in rows} == {"bob"}


def test_by_ids(batches, store, clock):
    """More ids than fit beside one item; each once, those without a mail counted."""
    ids = fill(store, clock, 1200)
    asked = where.of([], [*ids, *ids, "nobody"])
    preview = batches.preview(asked)
    report = batches.run(batches.start(asked, RESEND, "alice"))

    assert (preview.count, preview.excluded) == (1200, {"no such mail": 1})
    assert (report.done, report.skipped) == (1200, {"no such mail": 1})


def test_bad_input(batches, store, clock):
    """Nothing is begun for nobody, for nothing said, or for what fits no row."""
    fill(store, clock, 1)
    with pytest.raises(InvalidRequest, match="nothing was said"):
        batches.start(Where(), RESEND, "alice")
    with pytest.raises(InvalidRequest, match="who asks"):
        batches.start(FAILED, RESEND, "")
    with pytest.raises(InvalidRequest, match="HELD mails are released"):
        batches.start(FAILED, Action("release"), "alice")
    with pytest.raises(InvalidMail, match="sender"):
        batches.start(FAILED, Action("edit", ("sender=nobody",)), "alice")
    for act in (batches.run, batches.show, batches.stop):
        with pytest.raises(NoBatch):
            act("01NONE")
    assert batches.latest() == []
    assert batches.run(batches.start(Where(), RESEND, "alice", everything=True)).done == 1
    assert [report.who for report in batches.latest()] == ["alice"]


def test_the_latest_fifty(batches, clock):
    """The list is short, and the last one is first."""
    ids = [batches.start(FAILED, RESEND, f"p{n}") for n in range(52)]
    assert [report.id for report in batches.latest()] == ids[:1:-1]


def test_a_slow_page_keeps_its_lease(batches, store, clock, monkeypatch):
    """A stop is heard while a page is under way."""
    monkeypatch.setattr(batch_run, "BEAT", 0.01)
    fill(store, clock, 60)
    batch = batches.start(FAILED, RESEND, "alice")
    get, gate = store.get, threading.Event()

    def slowly(mail_id):
        batches.stop(batch)
        gate.wait(0.05)
        return get(mail_id)

    store.get = slowly
    assert batches.run(batch).done < 60
    store.get = get
    assert batches.run(batch).done == 60


IN_DOUBT = ["restored-in-doubt", "held-in-doubt", "overwritten"]
SENDING = [(Where(Status.HELD), Action("release")), (Where(Status.HELD), RESEND)]
CORRECT = Action("edit", ("subject=New",), send=True)


def put_aside(store, ids, error, status="HELD"):
    for mail_id in ids:
        store.outbox[mail_id] |= {"status": status, "problem": status, "error": error}


@pytest.mark.parametrize("error", IN_DOUBT)
@pytest.mark.parametrize(("asked", "action"), [*SENDING, (Where(Status.HELD), CORRECT)])
def test_what_may_have_been_sent_goes_only_when_its_error_is_named(batches, store, clock, error, asked, action):
    """Preview and run leave it alone with the reason; its own word, or its id, takes it along."""
    ids = fill(store, clock, 4)
    put_aside(store, ids, "held")
    put_aside(store, ids[:2], error)
    why = {f"may have been sent: give error={error} or ids to mean them": 2}
    looked = batches.preview(asked, action=action)
    report = batches.run(batches.start(asked, action, "alice"))

    assert (looked.count, looked.excluded, {row.id for row in looked.sample}) == (2, why, set(ids[2:]))
    assert (report.done, report.skipped) == (2, why)
    assert {store.outbox[mail_id]["status"] for mail_id in ids[:2]} == {"HELD"}
    by_id = Where(Status.HELD, ids=(ids[0],))
    assert (batches.preview(by_id, action=action).count, batches.run(batches.start(by_id, action, "a")).done) == (1, 1)
    named = Where(Status.HELD, error=error)
    assert (batches.preview(named, action=action).count, batches.run(batches.start(named, action, "a")).done) == (1, 1)


def test_what_sends_nothing_takes_the_doubtful_along(batches, store, clock):
    """A doubt is no reason not to hold, correct or cancel a row."""
    put_aside(store, fill(store, clock, 2), "overwritten", "UNKNOWN")
    asked, correction = Where(Status.UNKNOWN), Action("edit", ("subject=New",))

    assert batches.preview(asked, action=correction).excluded == {}
    assert batches.run(batches.start(asked, correction, "alice")).done == 2
    assert batches.run(batches.start(asked, Action("cancel"), "alice")).done == 2


def test_what_was_already_sent_is_sent_by_no_batch(batches, store, clock):
    """History has the mail: neither its error nor its id sends it as one of many."""
    ids = fill(store, clock, 1)
    put_aside(store, ids, "already-sent")
    for asked in (Where(Status.HELD, error="already-sent"), Where(Status.HELD, ids=tuple(ids))):
        left = {"was already sent; history has it": 1}
        assert batches.preview(asked).excluded == left
        assert batches.run(batches.start(asked, RESEND, "alice")).skipped == left


@pytest.mark.parametrize("full", [False, True])
def test_hold_and_release_in_bulk_keep_the_doubt(batches, store, clock, full):
    """A batch that holds UNKNOWN mails, also rows without room for a word, hands none to a batch that releases."""
    ids = fill(store, clock, 2)
    put_aside(store, ids, "unknown", "UNKNOWN")
    batches.run(batches.start(Where(Status.UNKNOWN), Action("hold", note="ask"), "alice"))
    rows = [store.outbox[mail_id] for mail_id in ids]
    assert {row["error"] for row in rows} == {"held-in-doubt"}
    assert {row["reason"] for row in rows} == {"It may have been sent. Held by alice: ask"}
    for row in rows if full else []:
        del row["error"]
    clock.forward(seconds=1)
    report = batches.run(batches.start(Where(Status.HELD), Action("release"), "bob"))

    assert (report.done, sum(report.skipped.values())) == (0, 2)
    assert {store.outbox[mail_id]["status"] for mail_id in ids} == {"HELD"}


class Denied(Exception):
    """What the SDK raises where a right is missing."""

    response: ClassVar = {"Error": {"Code": "AccessDeniedException"}, "ResponseMetadata": {"HTTPStatusCode": 400}}


@pytest.mark.parametrize("method", ["update", "get", "by_problem"])
def test_a_denied_right_ends_the_run_at_once(batches, store, clock, method, capsys):
    """No row is tried again, the error is told, no traceback is logged; with the right given, it goes on."""
    fill(store, clock, 150)
    batch = batches.start(FAILED, RESEND, "alice")
    calls: list[str] = []

    class Refusing(Frail):
        def __getattr__(self, name):
            return refuse if name == method else getattr(self._inner, name)

    def refuse(*args, **_):
        calls.append(args[0])
        raise Denied

    denied = replace(batches, store=Refusing(store, None), judge=outcome)
    with pytest.raises(Denied):
        denied.run(batch)
    assert 1 <= len(calls) <= batches.threads
    assert len(calls) == len(set(calls))
    assert "Traceback" not in "".join(capsys.readouterr())
    assert (batches.show(batch).state, batches.show(batch).alive) == ("stopped", False)
    again = batches.run(batch)
    assert (again.state, again.done, again.failed) == ("done", 150, 0)


def test_a_register_that_refuses_is_told_at_once(batches):
    """Without the right to the shared table nothing is tried again."""
    calls: list[str] = []

    class Refusing(Frail):
        def __getattr__(self, name):
            calls.append(name)
            raise Denied

    with pytest.raises(Denied):
        replace(batches, register=Refusing(None, None), judge=outcome).show("01X")
    assert calls == ["get"]


def test_a_full_row_is_cancelled_in_the_name_of_its_batch(batches, store, clock):
    """Where history has no room for a timeline the reason names the batch, so that it is counted once."""
    ids = fill(store, clock, 1)
    finish = store.finish

    def full(mail_id, expect, finished, **more):
        if "timeline" in finished:
            raise TooLarge
        finish(mail_id, expect, finished, **more)

    store.finish = full
    batch = batches.start(FAILED, Action("cancel"), "alice")
    report = batches.run(batch)

    assert report.done == 1
    assert store.history[ids[0]]["reason"] == f"Cancelled by alice in batch {batch}."
    assert "timeline" not in store.history[ids[0]]


@pytest.mark.parametrize("correction", ["tag-=zzz", "tag+=a"])
def test_tags_typed_as_a_set_are_no_change(batches, store, clock, correction):
    """A row whose tags are a set, and stay the same, needs no correction."""
    ids = fill(store, clock, 1)
    store.outbox[ids[0]]["tags"] = {"b", "a"}
    action = Action("edit", (correction,))

    assert batches.try_out(FAILED, action)[:2] == (0, 1)
    assert batches.run(batches.start(FAILED, action, "alice")).skipped == {"needs no correction": 1}
    assert batches.try_out(FAILED, Action("edit", ("tag-=a",)))[:2] == (1, 0)


def test_who_cannot_wait_counts_a_few(batches, store, clock):
    """With a bound a preview and a start look at so many rows and say that there are more; the batch meets all."""
    fill(store, clock, 30)
    quick = replace(batches, look=20)

    assert (quick.preview(FAILED).count, quick.preview(FAILED).more) == (20, True)
    assert (quick.preview(FAILED).count, replace(batches, look=30).preview(FAILED).more) == (20, False)
    nobody = quick.preview(replace(FAILED, subject="of nobody"))
    assert (nobody.count, nobody.more) == (0, True)
    batch = quick.start(FAILED, RESEND, "alice")
    assert (quick.show(batch).expected, quick.show(batch).more) == (20, True)
    assert quick.run(batch).done == 30


def test_an_id_that_was_given_out_starts_one_batch(batches, store, clock):
    """Who asks twice under one id gets one batch, even when both ask at once."""
    fill(store, clock, 3)
    batch = places.new_id(clock())

    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(batches.start, FAILED, RESEND, who, batch=batch) for who in ("alice", "bob")]
    assert {each.result() for each in asked} == {batch}

    assert [report.id for report in batches.latest()] == [batch]
    assert batches.run(batch).done == 3
    with pytest.raises(BatchOver):
        batches.run(batches.start(FAILED, RESEND, "alice", batch=batch))


def test_rows_that_were_named_are_told_apart(batches, store, clock):
    """A report says whether the rows were named one by one."""
    ids = fill(store, clock, 2)

    named, listed = (batches.start(meant, RESEND, "alice") for meant in (replace(FAILED, ids=tuple(ids)), FAILED))

    assert (batches.show(named).by_ids, batches.show(listed).by_ids) == (True, False)


def test_who_stops_and_continues_is_written_down(batches, store, clock):
    """The batch keeps who did it and when; rows name who continued it and are still counted as the batch's."""
    rows = fill(store, clock, 300)
    batch = batches.start(FAILED, Action("resend"), "alice")
    first = batches.run(batch, lambda _: batches.stop(batch, "bob"))
    assert (first.state, first.stopped_by, first.continued_by) == ("stopped", "bob", "")
    before = first.done
    clock.forward(seconds=5)

    report = batches.run(batch, who="carol")

    assert (report.who, report.stopped_by, report.continued_by) == ("alice", "bob", "carol")
    assert report.stopped_at < report.continued_at
    assert (report.state, report.done, report.skipped) == ("done", len(rows), {})
    names = Counter(store.get(row)["timeline"][-1]["who"] for row in rows)
    assert names == {"alice": before, "carol": len(rows) - before}
    with pytest.raises(InvalidRequest, match="who asks"):
        batches.stop(batch, "a\x00b")


def test_shown_once_is_read_once(batches, store, clock, monkeypatch):
    """Who asks again anyway is told at once that it cannot be read."""
    batch = batches.start(FAILED, Action("resend"), "alice", everything=True)
    asked = []

    def away(name):
        asked.append(name)
        raise OSError("throttled")

    monkeypatch.setattr(batches.register, "get", away)
    with pytest.raises(OSError, match="throttled"):
        batches.show(batch, once=True)
    assert len(asked) == 1
