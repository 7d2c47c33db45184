"""Many mails at once: in order, each its own fate, whoever fails, stops or leaves in the middle."""

import itertools
import os
import resource
import threading
import time
import tracemalloc
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from outbox import Attachment, Draft, InvalidMail, InvalidRequest, KeyConflict, NotWritten, Outbox, OutboxError
from outbox.adapters.outcome import outcome
from outbox.core.errors import TooLarge
from outbox.flows import bulk_write
from outbox.flows.bulk import AHEAD_MAILS, Bulk
from outbox.flows.bulk_write import Limit, Writer
from outbox.testing import MemoryStore
from outbox.testing.files import MemoryFiles
from tests.conftest import make_mail
from tests.flows.bulk import Dropping, Failing, Moody, Narrow, answer, threads

# The full size is 1,000,000: OUTBOX_BULK_MAILS=1000000 pytest tests/flows/test_bulk.py -k memory
FLAT = int(os.environ.get("OUTBOX_BULK_MAILS", "5000"))
# Following each allocation costs five times the time; beyond this the memory of the process is looked at instead.
TRACED = 50_000


def mails(count, first=0):
    return [make_mail(subject=f"{n}") for n in range(first, first + count)]


def keyed(count):
    return [Draft(mail, f"order-{n}") for n, mail in enumerate(mails(count))]


def subjects(store):
    return sorted(int(row["subject"]) for row in store.outbox.values())


def at_once(outbox, given, count=16):
    """Write without waiting between tries."""
    return Bulk(given, Writer(outbox._enqueue, outcome, Limit(time.monotonic, lambda _: None)), count)


@pytest.fixture(autouse=True)
def no_thread_survives():
    """However a test left its loop, its threads end."""
    yield
    assert threads() == []


def test_receipts_come_in_order_and_name_the_rows(store, outbox):
    """Position, receipt and row belong together; nothing is written before somebody asks."""
    bulk = outbox.enqueue_many(mails(103))
    assert store.outbox == {}
    told = list(bulk)
    assert [each.number for each in told] == list(range(103))
    assert [store.outbox[each.receipt.id]["subject"] for each in told] == [f"{n}" for n in range(103)]
    assert {each.receipt.status for each in told} == {"PENDING"}
    assert (bulk.taken, bulk.written, bulk.duplicates, bulk.failed, bulk.stopped) == (103, 103, 0, 0, False)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("keys", [False, True])
def test_a_moody_table_gets_each_row_once_and_receipts_stay_in_order(seed, keys):
    """Leftovers, throttling, lost answers before and after the write, random latency: exact in the end."""
    store = Moody(seed)
    given = keyed(60) if keys else mails(300)
    told = list(at_once(Outbox(store=store), given))
    assert [each.error for each in told] == [None] * len(given)
    assert [store.outbox[each.receipt.id]["subject"] for each in told] == [f"{n}" for n in range(len(given))]
    assert subjects(store) == list(range(len(given)))
    assert store.most <= 25
    assert {change.name for change in store.changes} == {"INSERT"}


def test_a_lost_answer_of_a_mail_that_was_sent_since_writes_no_second_row(service, mail):
    """The batch was committed, the mail went, then the time-out: the mail is not brought back."""

    class Sent(type(service.store)):
        def add_all(self, items):
            super().add_all(items)
            service.ring_until_quiet()
            raise TimeoutError

    service.store.__class__ = Sent
    bulk = service.outbox.enqueue_many([mail(), mail()]).run()
    service.ring_until_quiet()
    assert (bulk.written, bulk.failed) == (2, 0)
    assert len(service.api.sent) == 2
    assert service.store.outbox == {}


def test_what_is_no_mail_is_an_error_of_its_position_alone(store, outbox):
    """Wrong types, keys and times are told; their neighbours go in."""
    good = make_mail(subject="1")
    wrong = ["text", None, {"to": "a"}, Draft("text"), Draft(good, ""), Draft(good, ["x"]), Draft(good, None, "now")]
    told = list(outbox.enqueue_many([part for each in wrong for part in (each, good)]))
    assert [type(each.error) for each in told[::2]] == [InvalidRequest] * len(wrong)
    assert [each.error for each in told[1::2]] == [None] * len(wrong)
    assert len(store.outbox) == len(wrong)


def test_one_row_that_is_too_large_costs_its_neighbours_nothing():
    """A 400 KB row in a batch: 24 go in, one is named."""
    store = Narrow()
    given = mails(50)
    given[7] = make_mail(subject="large")
    bulk = Outbox(store=store).enqueue_many(given).run()
    assert [(each.number, type(each.error)) for each in bulk.failures] == [(7, TooLarge)]
    assert (bulk.written, bulk.failed, len(store.outbox)) == (49, 1, 49)


def test_texts_too_large_for_a_row_and_files_go_as_enqueue_sends_them(store, files, outbox):
    """Five megabytes of variables, an attachment and a forbidden size among small mails."""
    given = mails(30)
    given[3] = make_mail(insert_code={f"a{n}": "x" * 100_000 for n in range(40)})
    given[4] = make_mail(attachments=[Attachment("a.txt", b"x")])
    given[5] = make_mail(attachments=[Attachment("a.txt", b"x" * 1_000_001)])
    told = list(outbox.enqueue_many(given))
    assert [each.number for each in told if each.error] == [5]
    assert isinstance(told[5].error, InvalidMail)
    assert "body" in store.outbox[told[3].receipt.id]
    assert store.outbox[told[4].receipt.id]["attachments"][0]["key"] in files.objects


def test_a_bucket_out_of_reach_is_the_error_of_its_mail():
    """Nothing of that mail was written, which is said; the others go in."""

    def torn(step, key):
        raise ConnectionResetError

    store = MemoryStore()
    given = [make_mail(), make_mail(attachments=[Attachment("a.txt", b"x")]), make_mail()]
    bulk = Outbox(store=store, files=MemoryFiles(torn)).enqueue_many(given).run()
    assert [(each.number, each.error.certain) for each in bulk.failures] == [(1, True)]
    assert len(store.outbox) == 2


def test_keys_make_each_mail_one_mail_also_within_one_input(store, outbox):
    """The same again is a duplicate, another mail under the key a conflict; the first position wins."""
    one, other = make_mail(subject="1"), make_mail(subject="2")
    given = [Draft(one, "a"), Draft(one, "a"), Draft(other, "a"), Draft(other, "b"), one] * 2
    bulk = outbox.enqueue_many(given)
    told = list(bulk)
    assert [each.receipt and each.receipt.duplicate for each in told[:5]] == [False, True, None, False, False]
    assert [each.receipt and each.receipt.duplicate for each in told[5:]] == [True, True, None, True, False]
    assert isinstance(told[2].error, KeyConflict)
    assert (bulk.written, bulk.duplicates, bulk.failed) == (4, 4, 2)
    assert store.outbox["a"]["subject"] == "1"


@pytest.mark.parametrize("seed", range(4))
def test_of_one_key_the_first_position_wins_whichever_thread_is_faster(seed):
    """Under random latency a file with two mails of one key always comes out the same."""
    store = Moody(seed, share=0, seconds=0.01)
    given = [Draft(mail, f"k{n % 7}") for n, mail in enumerate(mails(40))]
    told = list(Outbox(store=store).enqueue_many(given))
    assert [each.number for each in told if each.receipt] == list(range(7))
    assert all(isinstance(each.error, KeyConflict) for each in told[7:])


def test_two_at_once_with_the_same_keys_write_each_mail_once():
    """Two processes import the same file: one row a key, and both know."""
    store = Moody(1, share=0.1)
    both = [at_once(Outbox(store=store), keyed(80)) for _ in range(2)]
    running = [threading.Thread(target=bulk.run) for bulk in both]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert subjects(store) == list(range(80))
    assert [bulk.failed for bulk in both] == [0, 0]
    assert sum(bulk.written for bulk in both) <= 80
    assert sum(bulk.written + bulk.duplicates for bulk in both) == 160


def test_an_error_in_the_middle_and_a_second_run_with_keys_is_exact():
    """The table goes away after some rows; the same input again completes it, and nothing is doubled."""
    calls = itertools.count()
    store = Failing(lambda: answer("InternalServerError", 500) if next(calls) > 20 else None)
    first = at_once(Outbox(store=store), keyed(60)).run()
    assert first.failed > 0
    assert {(type(each.error), each.error.certain) for each in first.failures} == {(NotWritten, False)}
    store.error = lambda: None
    second = Outbox(store=store).enqueue_many(keyed(60)).run()
    assert subjects(store) == list(range(60))
    assert (second.failed, second.written + second.duplicates) == (0, 60)


@pytest.mark.parametrize("keys", [False, True])
@pytest.mark.parametrize(
    ("error", "certain", "most"),
    [
        (answer("ProvisionedThroughputExceededException"), True, 10),
        (answer("AccessDeniedException"), True, 11),
        (answer("InternalServerError", 500), False, 11),
        (TimeoutError(), False, 11),
    ],
)
def test_what_never_goes_in_says_whether_that_is_certain(error, certain, most, keys):
    """Throttled or refused: nothing was written. A time-out: nobody knows. The tries are finite."""
    store = Failing(lambda: error)
    bulk = at_once(Outbox(store=store), keyed(1) if keys else mails(10)).run()
    assert {(type(each.error), each.error.certain) for each in bulk.failures} == {(NotWritten, certain)}
    assert bulk.failed == bulk.taken
    assert store.calls <= most
    assert isinstance(bulk.failures[0].error, OutboxError)
    assert bulk.failures[0].error.__cause__ is error


def test_doubt_is_not_forgotten_when_the_next_answer_is_clear():
    """A time-out, then a refusal: the row of the time-out may be there all the same."""
    for given in (keyed(1), mails(1)):
        errors = iter([TimeoutError(), answer("AccessDeniedException")])
        bulk = at_once(Outbox(store=Failing(lambda errors=errors: next(errors))), given).run()
        assert [each.error.certain for each in bulk.failures] == [False]


def test_a_row_that_is_there_already_is_an_answer_and_ends_the_tries_in_vain():
    """The answer for a whole batch is lost, then every other call is throttled: nothing is told as not written."""

    class Slow(MemoryStore):
        def __init__(self):
            super().__init__()
            self._calls = itertools.count()

        def add_all(self, items):
            super().add_all(items)
            raise TimeoutError

        def add(self, item, *, once):
            if next(self._calls) % 2:
                raise answer("ThrottlingException")
            super().add(item, once=once)

    bulk = at_once(Outbox(store=Slow()), mails(25)).run()
    assert (bulk.written, bulk.failed) == (25, 0)


def test_bulk_rows_ring_nothing_and_dispatch_sends_each_once(service):
    """They wait, due now and in sight; the first dispatch sends them, and no later step sends them again."""
    bulk = service.outbox.enqueue_many(mails(60), bulk=True)
    told = list(bulk)
    assert {each.receipt.status for each in told} == {"WAITING"}
    assert service.doorbells() == []
    assert "bulk" in service.row(told[0].receipt.id).reason
    service.dispatch()
    service.ring_until_quiet()
    service.clock.forward(minutes=10)
    service.dispatch()
    assert sorted(int(sent.subject) for sent in service.api.sent) == list(range(60))
    assert service.store.outbox == {}


def test_bulk_leaves_times_keys_and_urgency_as_they_are(service, mail):
    """A scheduled mail waits for its time, a key is spent, urgent mail lies in its lane."""
    at = service.clock() + timedelta(hours=1)
    given = [Draft(mail(), None, at), Draft(mail(), "k"), Draft(mail(), "k"), mail(urgent=True)]
    told = list(service.outbox.enqueue_many(given, bulk=True))
    assert service.row(told[0].receipt.id).error == "scheduled"
    assert [each.receipt.duplicate for each in told] == [False, False, True, False]
    assert service.row(told[3].receipt.id).item["lane"].startswith("urgent")
    service.dispatch()
    assert len(service.api.sent) == 2


def test_a_deadline_stops_cleanly_and_names_the_rest():
    """Each mail that was taken is there or told as not written; the list from `taken` on was not touched."""
    store = Moody(3, share=0, seconds=0.02)
    given = mails(5000)
    began = time.monotonic()
    bulk = Outbox(store=store).enqueue_many(given, deadline=0.2, threads=2)
    told = list(bulk)
    # All of them would take half a minute and more.
    assert time.monotonic() - began < 15
    assert bulk.stopped
    assert 0 < bulk.taken < 5000
    assert [each.number for each in told] == list(range(bulk.taken))
    assert (bulk.written + bulk.failed, bulk.written) == (bulk.taken, len(store.outbox))
    assert all(isinstance(each.error, NotWritten) and each.error.certain for each in bulk.failures)
    rest = [given[each.number] for each in told if each.error] + given[bulk.taken :]
    store.seconds = 0
    assert Outbox(store=store).enqueue_many(rest).run().failed == 0
    assert subjects(store) == list(range(5000))


@pytest.mark.parametrize("ago", [0, -5])
def test_a_deadline_that_has_come_takes_nothing(store, outbox, ago):
    """Seconds or a moment: the input is not even asked."""
    moment = outbox._now() + timedelta(seconds=ago)
    for deadline in (ago, moment):
        bulk = outbox.enqueue_many(iter(mails(3)), deadline=deadline).run()
        assert (bulk.taken, bulk.stopped, store.outbox) == (0, True, {})


def test_waits_between_tries_end_with_the_deadline(monkeypatch):
    """A throttled table does not hold a caller beyond it."""
    monkeypatch.setattr(bulk_write, "FIRST_WAIT", 600)
    monkeypatch.setattr(bulk_write, "LONGEST_WAIT", 600)
    store = Failing(lambda: answer("ThrottlingException"))
    began = time.monotonic()
    bulk = Outbox(store=store).enqueue_many(mails(30), deadline=0.3).run()
    assert time.monotonic() - began < 30
    assert bulk.failed == bulk.taken


@pytest.mark.parametrize("deadline", [datetime(2027, 1, 1), float("nan"), "5", True])  # noqa: DTZ001  that is the point
def test_wrong_arguments_are_refused_at_the_call(outbox, deadline):
    """Not in the middle of the night's run."""
    for arguments in ({"deadline": deadline}, {"threads": 0}, {"threads": "4"}):
        with pytest.raises(InvalidRequest):
            outbox.enqueue_many([], **arguments)
    with pytest.raises(InvalidRequest, match="iterable"):
        outbox.enqueue_many(make_mail())


@pytest.mark.parametrize("count", [0, 7, 30, 2000])
def test_an_error_of_the_input_passes_through_after_all_was_told(store, outbox, count):
    """What was taken is written and its receipts come; then the caller's own exception."""

    def broken():
        yield from mails(count)
        raise LookupError("line 8")

    bulk, told = outbox.enqueue_many(broken()), []
    with pytest.raises(LookupError, match="line 8"):
        told.extend(bulk)
    with pytest.raises(LookupError, match="line 8"):
        outbox.enqueue_many(broken()).run()
    assert bulk.taken == bulk.written == count
    assert len(store.outbox) == 2 * count
    assert list(bulk) == []


@pytest.mark.parametrize("where", ["input", "waiting", "loop"])
def test_ctrl_c_in_the_middle_loses_nothing(where):
    """In the input, while waiting, or in the caller's loop: what was taken is settled, the rest is known."""
    import _thread

    store = Moody(5, share=0, seconds=0.01)
    given = mails(3000)

    def interrupted():
        for number, each in enumerate(given):
            if number == 1000 and where == "input":
                raise KeyboardInterrupt
            if number == 1000 and where == "waiting":
                threading.Timer(0.01, _thread.interrupt_main).start()
            yield each

    def loop():
        for written in bulk:
            if where == "loop" and written.number == 1000:
                raise KeyboardInterrupt

    bulk = Outbox(store=store).enqueue_many(interrupted(), threads=4)
    with pytest.raises(KeyboardInterrupt):
        loop()
    bulk.close()
    assert bulk.stopped
    assert 1000 <= bulk.taken < 3000
    assert bulk.taken == bulk.written == len(store.outbox)
    Outbox(store=store).enqueue_many(given[bulk.taken :]).run()
    assert subjects(store) == list(range(3000))


def test_leaving_the_loop_finishes_what_was_under_way(store):
    """No `close`, the iterator still held: the threads end by themselves, and the counts come true."""
    store = Moody(6, share=0, seconds=0.01)
    bulk = Outbox(store=store).enqueue_many(mails(5000))
    for written in bulk:
        if written.number == 30:
            break
    assert threads() == []
    assert bulk.taken == bulk.written == len(store.outbox) < 5000


def test_with_waits_for_what_is_under_way():
    """After the block all that was taken is there."""
    store = Moody(7, share=0, seconds=0.05)
    with Outbox(store=store).enqueue_many(mails(500)) as bulk:
        next(bulk)
    assert bulk.taken == bulk.written == len(store.outbox)
    assert bulk.stopped
    with Outbox(store=store).enqueue_many([]) as unused:
        pass
    assert (unused.taken, unused.stopped) == (0, True)


def test_the_input_is_asked_no_further_than_a_bound_ahead():
    """Whoever looks at receipts slowly is not flooded; what is large counts more."""
    asked = itertools.count()
    bulk = Outbox(store=Dropping()).enqueue_many(make_mail(subject=f"{next(asked)}") for _ in range(10_000))
    for _ in range(100):
        next(bulk)
    assert next(asked) <= 100 + AHEAD_MAILS + 25
    bulk.close()


def test_a_slow_input_does_not_hold_back_receipts_for_long():
    """A batch that does not fill goes after a moment."""
    given = []

    def slow():
        for each in mails(30):
            time.sleep(0.05)
            given.append(each)
            yield each

    with closing(Outbox(store=MemoryStore()).enqueue_many(slow())) as bulk:
        next(bulk)
        assert len(given) < 25


@pytest.mark.timeout(0)
def test_memory_stays_flat_for_a_generator_of_any_length():
    """The most that is held at once does not depend on how many there are."""
    store = Dropping()
    outbox = Outbox(store=store)
    text = "Good morning. " * 100

    def run(count):
        bulk = outbox.enqueue_many(make_mail(subject=f"{n}", text=f"{n} {text}") for n in range(count))
        return sum(1 for written in bulk if written.receipt)

    run(2000)
    traced, resident = FLAT <= TRACED, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if traced:
        tracemalloc.start()
    assert run(FLAT) == FLAT
    grown = tracemalloc.get_traced_memory()[1] if traced else 0
    tracemalloc.stop()
    grown = grown or 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident)
    print(f"{grown:,} bytes for {FLAT:,} mails of {len(text):,}")  # noqa: T201
    assert store.count == FLAT + 2000
    assert grown < 16_000_000


def test_without_a_thread_to_be_had_the_callers_own_writes(store, outbox, monkeypatch):
    """A machine at its limit of threads is slow, not stuck."""

    def none_left(_thread):
        raise RuntimeError

    monkeypatch.setattr(threading.Thread, "start", none_left)
    assert outbox.enqueue_many([*mails(60), *keyed(3)]).run().written == 63


def test_failures_are_kept_up_to_a_bound_and_counted_beyond():
    """A million wrong mails are a number, not a list."""
    bulk = Outbox(store=Dropping()).enqueue_many(itertools.repeat("no mail", 3000)).run()
    assert (bulk.failed, len(bulk.failures), bulk.taken) == (3000, 1000, 3000)


def test_a_clock_of_its_own_counts_the_deadline(store):
    """A moment is compared with the time the outbox is given, not with the machine's."""
    outbox = Outbox(store=store, now=lambda: datetime(2030, 1, 1, tzinfo=UTC))
    assert outbox.enqueue_many(mails(3), deadline=datetime(2030, 1, 1, 0, 1, tzinfo=UTC)).run().written == 3
