"""A copy of the outbox brings back what is missing, held for a person, and nothing else; a copy can be silenced."""

import os
import random
import threading
from collections import Counter
from datetime import timedelta

import pytest

from outbox import Attachment
from outbox.core import places, transitions
from outbox.core.doorbell import lost
from outbox.core.errors import InvalidRequest, Lost
from outbox.core.retention import Retention
from outbox.core.row import Row
from outbox.core.states import Status
from outbox.core.transitions import Stamp
from outbox.flows import segments
from outbox.flows.quarantine import Quarantine, could_fire
from outbox.flows.restore import IntoHistory, IntoOutbox
from outbox.flows.segments import Fate, Report, Walk
from outbox.testing import LARGEST_ITEM, FakeMailApi, MemoryStore, TickingClock, item_size
from outbox.testing.source import MemorySource
from tests.attack import rows
from tests.conftest import Service, make_mail

# The full size: OUTBOX_RESTORE_ROWS=100000 pytest tests/flows/test_restore.py -k interrupted
ROWS = int(os.environ.get("OUTBOX_RESTORE_ROWS", "2000"))


@pytest.fixture
def backup():
    """Give the store whose outbox is the copy."""
    return MemoryStore()


def into_outbox(service, backup, *, go=True, store=None, clock=None, **walk):
    report = Report()
    task = IntoOutbox(store or service.store, clock or service.clock, "outbox-copy", "alice", go)
    Walk(MemorySource(backup.outbox), **walk)(task, report)
    return report


def into_history(service, backup, *, go=True):
    report = Report()
    Walk(MemorySource(backup.outbox))(IntoHistory(service.store, service.clock, go), report)
    return report


def quarantined(service, backup, *, go=True):
    report = Report()
    task = Quarantine(backup, service.clock, "outbox-copy", "alice", go)
    Walk(MemorySource(backup.outbox))(task, report)
    return report


def counted(report):
    return {fate.value: count for fate, count in report.counts.items() if count}


def unsent(mail_id="m", status="PENDING", **more):
    item = transitions.new(make_mail(), mail_id, Stamp(TickingClock()(), "app"))
    return item | {"status": status, "revision": 3} | more


def sent(mail_id="m", delivery="7", **parts):
    item = transitions.new(make_mail(**parts), mail_id, Stamp(TickingClock()(), "app"))
    return transitions.sent(
        Row({**item, "status": "SENDING"}), delivery, Stamp(TickingClock()(), "deliver"), Retention(400)
    )


def full(mail_id="m"):
    """Make a row of the outbox to which not one byte can be added."""
    item = unsent(mail_id, note="")
    return item | {"note": "x" * (LARGEST_ITEM - item_size(item))}


@pytest.mark.parametrize("status", ["PENDING", "WAITING", "FAILED", "HELD"])
def test_a_missing_row_arrives_held(service, backup, status):
    """It is where people look, says where it is from and who brought it, and nothing of it is due any more."""
    there = unsent(status=status, claim="x", claimed_at="2026-01-01T00:00:00.000Z", send_anyway="a@example.com")
    backup.put(there)

    report = into_outbox(service, backup)

    row = service.row("m")
    error = "restored-held" if status == "HELD" else "restored"
    assert (row.status, row.error, row.revision) == (Status.HELD, error, 4)
    assert row.reason == (
        f"Restored from outbox-copy on 2026-01-01 by alice; it was {status} there. Release it or cancel it."
    )
    assert (row.item["problem"], row.item["problem_at"]) == ("HELD", "2026-01-01T00:00:00.000Z")
    assert not row.item.keys() & {"lane", "due_at", "claim", "claimed_at", "send_anyway"}
    assert (row.timeline[-1]["who"], row.timeline[-1]["what"]) == ("alice", "restored")
    assert row.mail() == make_mail()
    assert counted(report) == {"arrives": 1}
    assert backup.outbox["m"] == there


@pytest.mark.parametrize("status", ["SENDING", "CHECKING", "UNKNOWN"])
def test_a_row_in_flight_says_that_it_may_have_been_sent(service, backup, status):
    """What was being sent when the copy was made is not taken for unsent."""
    backup.put(unsent(status=status, doubt="timeout", check_from="x", check_until="y", looks=2))

    report = into_outbox(service, backup)

    row = service.row("m")
    assert row.reason.startswith("May have been sent. Restored from outbox-copy")
    assert not row.item.keys() & transitions.CHECK
    assert report.in_doubt == 1


def test_nothing_fires_until_a_person_releases_it(service, backup):
    """Neither the stream nor dispatch touches what arrived; released, it is sent once."""
    backup.put(unsent())
    into_outbox(service, backup)

    service.ring_until_quiet()
    service.clock.forward(days=3)
    service.dispatch()
    assert service.api.sent == []

    service.support.release("m", "bob")
    service.ring_until_quiet()
    assert (len(service.api.sent), service.status("m")) == (1, "SENT")


def test_what_was_sent_or_called_back_stays_so(service, backup):
    """A mail that history has is skipped, whatever its state was in the copy."""
    for mail_id in ("sent", "cancelled"):
        service.outbox.enqueue(make_mail(), idempotency_key=mail_id)
        backup.put(service.store.outbox[mail_id])
    service.support.cancel("cancelled", "bob")
    service.ring_until_quiet()

    assert counted(into_outbox(service, backup)) == {"in_history": 2}
    assert service.store.outbox == {}


def test_a_live_row_stands(service, backup):
    """A row that is there is left alone, and told apart by whether its content is another."""
    for mail_id in ("same", "corrected", "broken"):
        service.outbox.enqueue(make_mail(), idempotency_key=mail_id)
        backup.put(service.store.outbox[mail_id])
    service.support.edit("corrected", {"to": "hanako@example.com"}, "bob")
    service.store.edit("broken", to=7)
    before = dict(service.store.outbox)

    assert counted(into_outbox(service, backup)) == {"same": 1, "changed": 2}
    assert service.store.outbox == before


def test_a_row_that_appears_meanwhile_stands(service, backup):
    """What came between the look and the write is not overwritten, in the outbox or in history."""

    class Late(MemoryStore):
        def present(self, ids):
            answer = super().present(ids)
            self.put(unsent("outbox"))
            self.history["history"] = sent("history")
            return answer

    for mail_id in ("outbox", "history"):
        backup.put(unsent(mail_id))
    service.store = Late()

    assert counted(into_outbox(service, backup)) == {"same": 1, "in_history": 1}
    assert service.store.outbox == {"outbox": unsent("outbox")}


def test_a_dry_run_writes_nothing(service, backup):
    """Without being told to go it counts the same and changes nothing."""
    stored = {"key": "mails/m/1", "size": 1, "sha256": "0" * 64}
    backup.put(unsent() | {"body": stored})
    backup.put(unsent("broken") | {"to": 7})

    report = into_outbox(service, backup, go=False)

    assert (service.store.outbox, service.store.changes) == ({}, [])
    assert (report.rows, report.about, counted(report)) == (2, 2, {"arrives": 2})
    assert (report.files, report.unreadable) == (1, 1)
    assert {item["id"] for item in report.samples[Fate.ARRIVES]} == {"m", "broken"}


ODD = {
    "nothing": {},
    "no state": {"status": 7, "revision": "x", "timeline": "y", "to": None},
    "a word": {"status": "SNET", "lane": 5, "due_at": [1], "problem": b"x", "problem_at": {"a": 1}},
    "said sent by hand": {"status": "SENT"},
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_row_is_held_like_any_other(service, backup, name):
    """Of a row that is no mail nothing is lost either: a person finds it, with its state there in the note."""
    backup.put({"id": "odd", **ODD[name]})

    report = into_outbox(service, backup)

    assert (counted(report), report.unreadable) == ({"arrives": 1}, 1)
    assert service.status("odd") == "HELD"
    assert lost(service.store.outbox["odd"]) is None


def test_rows_mutated_by_hand(service, backup):
    """Whatever a hand has left of a row, it arrives, and where people look."""
    made, _ = rows.starts()
    for number in range(400):
        chance = random.Random(number)
        backup.outbox[f"m-{number}"] = rows.mutate(made[chance.choice(rows.STATES)], chance) | {"id": f"m-{number}"}

    report = into_outbox(service, backup)

    assert report.counts[Fate.ARRIVES] == len(service.store.outbox)
    assert report.counts[Fate.ARRIVES] + report.counts[Fate.OTHER_TABLE] + report.counts[Fate.NOT_WRITTEN] == 400
    assert report.counts[Fate.ARRIVES] >= 395
    assert [
        item for item in service.store.outbox.values() if lost(item) or not item["error"].startswith("restored")
    ] == []


def test_what_is_no_unsent_mail_stays_out_of_the_outbox(service, backup):
    """The service's own items and rows of history are told, and left where they are."""
    for item in (sent("done", cc=["cc@example.com"]), {"id": "outbox:bounce:1"}, {"id": places.delivery_mark("7")}):
        backup.put(item)

    assert counted(into_outbox(service, backup)) == {"other_table": 1, "ours": 2}
    assert service.store.outbox == {}


def test_a_row_without_room_for_the_note(service, backup):
    """A row of 400 KB arrives with a shorter note, in the end with a torn text: better than not at all."""
    backup.put(full())

    assert counted(into_outbox(service, backup)) == {"arrives": 1}
    row = service.row("m")
    assert (row.status, row.error) == (Status.HELD, "restored")
    assert "Restored from outbox-copy" in row.reason
    assert row.mail() == make_mail()


def test_a_row_without_room_and_without_texts(service, backup):
    """What cannot be made smaller is named as not written."""
    item = {"id": "bytes", "x": b""}
    backup.put(item | {"x": b"x" * (LARGEST_ITEM - item_size(item))})

    report = into_outbox(service, backup)

    assert (counted(report), report.failed, service.store.outbox) == ({"not_written": 1}, ["bytes"], {})


def test_an_empty_copy(service, backup):
    """Nothing comes of nothing."""
    assert (into_outbox(service, backup).rows, into_history(service, backup).rows) == (0, 0)


@pytest.mark.parametrize("walk", [{"segments": 0}, {"segments": 65}, {"rate": 0}, {"rate": -1}, {"rate": float("nan")}])
def test_walks_that_make_no_sense(service, backup, walk):
    """No segments and no rows a second are refused before anything is read."""
    with pytest.raises(InvalidRequest, match="must be"):
        into_outbox(service, backup, **walk)


def test_nobody_restores(service, backup):
    """What is written names a person."""
    backup.put(unsent())
    with pytest.raises(InvalidRequest, match="who asks"):
        Walk(MemorySource(backup.outbox))(IntoOutbox(service.store, service.clock, "copy", "", go=True), Report())


def test_the_rate_is_kept(service, backup, monkeypatch):
    """Over all segments together no more rows a second are read than asked for."""
    pauses = []
    monkeypatch.setattr(threading.Event, "wait", lambda _self, seconds=None: pauses.append(seconds) or False)
    pace = segments.Pace(50, threading.Event())
    for _ in range(20):
        pace(10)
    assert 3.5 < pauses[-1] <= 4


# -- into history


def test_history_comes_back_as_it_was(service, backup):
    """Mails with their copies, bounces and marks that history lost are there again, and expire when they would have."""
    service.outbox.enqueue(make_mail(cc=["cc@example.com"]), idempotency_key="m")
    service.ring_until_quiet()
    service.store.history["outbox:bounce:1"] = {"id": "outbox:bounce:1", "expires_at": 10**10}
    before = dict(service.store.history)
    backup.outbox = dict(before)
    service.store.history.clear()

    report = into_history(service, backup)

    assert service.store.history == before
    assert counted(report) == {"arrives": 2, "ours": 1}
    assert counted(into_history(service, backup)) == {"in_history": 2, "ours": 1}


def test_history_that_must_not_come_back(service, backup):
    """What is over, unsent, or in the live outbox again is skipped and told; the outbox is never touched."""
    service.store.put(unsent("again"))
    over = int((service.clock() - timedelta(days=1)).timestamp())
    for item in (sent("over") | {"expires_at": over}, unsent("unsent"), sent("again")):
        backup.put(item)

    assert counted(into_history(service, backup)) == {"expired": 1, "other_table": 1, "in_outbox": 1}
    assert (service.store.history, service.store.outbox) == ({}, {"again": unsent("again")})


def test_a_row_that_comes_back_meanwhile_is_a_conflict(service, backup):
    """A row that is in the outbox again by the time history is written to is not declared sent."""

    class Late(MemoryStore):
        def present(self, ids):
            answer = super().present(ids)
            self.put(unsent("m"))
            return answer

    service.store = Late()
    backup.put(sent("m"))
    assert (counted(into_history(service, backup)), service.store.history) == ({"in_outbox": 1}, {})


def test_a_copy_of_a_mail_that_was_forgotten_does_not_come_back(service, backup):
    """The item by which a copied recipient is found comes with its mail or not at all."""
    service.store.history["m"] = sent("m")
    backup.put({"id": f"{places.COPY}0:m", "recipient": "forgotten@example.com"})

    assert counted(into_history(service, backup)) == {"ours": 1}
    assert set(service.store.history) == {"m"}


def test_odd_rows_of_history(service, backup):
    """What no index would take is left off, so that the row itself comes back."""
    backup.put({**sent("m"), "day": 7, "recipient": "", "status": "SNET"})

    assert counted(into_history(service, backup)) == {"arrives": 1}
    assert not service.store.history["m"].keys() & {"day", "recipient"}


def test_a_dry_run_into_history(service, backup):
    """Without being told to go nothing is written."""
    backup.put(sent())
    assert (counted(into_history(service, backup, go=False)), service.store.history) == ({"arrives": 1}, {})


# -- quarantine


def test_a_copy_is_silenced_in_place(service, backup):
    """Whatever could fire is held, by state or by index or because its state is none; a person's rows stay."""
    firing = {status: unsent(status, status) for status in ("PENDING", "WAITING", "SENDING", "CHECKING", "SNET")}
    due = unsent("due", "FAILED", problem="FAILED", problem_at="2026-01-01T00:00:00.000Z", reason="no")
    quiet = {name: value for name, value in due.items() if name not in transitions.DUE_INDEX} | {"id": "quiet"}
    for item in (*firing.values(), due, quiet, sent("sent"), {"id": "outbox:bounce:1"}):
        backup.put(item)

    report = quarantined(service, backup)

    held = {mail_id for mail_id, item in backup.outbox.items() if str(item.get("error")).startswith("quarantined")}
    assert held == {*firing, "due"}
    assert all(backup.outbox[mail_id]["status"] == "HELD" for mail_id in held)
    assert backup.outbox["SENDING"]["reason"].startswith("May have been sent. Quarantined from outbox-copy")
    assert backup.outbox["quiet"] == quiet
    assert counted(report) == {"arrives": 6, "quiet": 3}
    assert counted(quarantined(service, backup)) == {"quiet": 9}
    assert service.store.outbox == {}


def test_a_stack_on_a_silenced_copy_sends_nothing(backup):
    """Neither the doorbells of the quarantine itself nor dispatch days later make a mail of the copy."""
    staging = Service(backup, FakeMailApi(), TickingClock())
    for status in ("PENDING", "WAITING", "SENDING", "SNET"):
        backup.put(unsent(status, status))
    staging.heard = len(backup.changes)

    quarantined(staging, backup)
    staging.ring_until_quiet()
    staging.clock.forward(days=2)
    staging.dispatch()

    assert staging.api.sent == []
    assert Counter(item["status"] for item in backup.outbox.values()) == {"HELD": 4}


def test_a_dry_quarantine(service, backup):
    """Without being told to go the copy stays as it is."""
    backup.put(unsent())
    assert (counted(quarantined(service, backup, go=False)), backup.outbox["m"]) == ({"arrives": 1}, unsent())


def test_a_row_that_moves_while_it_is_silenced(service):
    """The row is held as it is now; one that left needs nothing, and one that never stands still is named."""

    class Busy(MemoryStore):
        def update(self, mail_id, expect, patch):
            if mail_id == "moves" and self.outbox[mail_id]["revision"] == 3:
                self.edit(mail_id, revision=4)
            elif mail_id == "leaves":
                self.remove(mail_id)
            elif mail_id == "never":
                raise Lost(self.outbox[mail_id])
            return super().update(mail_id, expect, patch)

    busy = Busy()
    for mail_id in ("moves", "leaves", "never"):
        busy.put(unsent(mail_id))

    report = quarantined(service, busy)

    assert counted(report) == {"arrives": 1, "quiet": 1, "not_written": 1}
    assert (busy.outbox["moves"]["status"], busy.outbox["moves"]["revision"]) == ("HELD", 5)
    assert report.failed == ["never"]


def test_a_full_row_is_silenced_too(service, backup):
    """A row of 400 KB fires no less than another."""
    backup.put(full())
    assert counted(quarantined(service, backup)) == {"arrives": 1}
    assert backup.outbox["m"]["status"] == "HELD"


# -- interrupted


class Interrupting(MemoryStore):
    """Ends everything at a random call, before it or after it is done; then no more comes through, as after a kill."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 10**9

    def add(self, item, *, once):
        self._count()
        super().add(item, once=once)
        self._count()

    def keep(self, finished):
        self._count()
        there = super().keep(finished)
        self._count()
        return there

    def update(self, mail_id, expect, patch):
        self._count()
        row = super().update(mail_id, expect, patch)
        self._count()
        return row

    def _count(self) -> None:
        with self._lock:
            self.left -= 1
            if self.left <= 0:
                raise KeyboardInterrupt


def until_done(store, run):
    """Run it again and again, each time ended at a random moment; give how often it was."""
    for times in range(1000):
        store.left = random.Random(times).randrange(1, max(3, ROWS // 4))
        try:
            run()
        except KeyboardInterrupt:
            continue
        store.left = 10**9
        return times
    return pytest.fail("it never came to its end")


def filled(store, backup):
    """Fill the copy: one half to come back, a quarter sent since, a quarter there and changed."""
    for number in range(ROWS):
        mail_id = f"m-{number:06}"
        backup.outbox[mail_id] = item = unsent(mail_id, random.Random(number).choice(["PENDING", "FAILED", "SENDING"]))
        if number % 4 == 0:
            store.history[mail_id] = sent(mail_id, str(number))
        elif number % 4 == 1:
            store.outbox[mail_id] = item | {"subject": "Corrected"}


@pytest.mark.timeout(1200)
def test_interrupted_at_random_points_it_completes(service, backup):
    """However often it is ended and begun again: all that is missing is there once, and all else as it was."""
    store = service.store = Interrupting()
    filled(store, backup)
    history, live = dict(store.history), dict(store.outbox)

    interrupted = until_done(store, lambda: into_outbox(service, backup))
    report = into_outbox(service, backup)

    assert interrupted >= 3
    assert store.history == history
    assert {key: store.outbox[key] for key in live} == live
    assert set(store.outbox) == set(backup.outbox) - set(history)
    arrived = [store.outbox[key] for key in store.outbox.keys() - live.keys()]
    assert {item["error"] for item in arrived} <= {"restored", "restored-in-doubt"}
    assert {(item["status"], item["revision"]) for item in arrived} == {("HELD", 4)}
    assert all([event["what"] for event in item["timeline"]] == ["enqueued", "restored"] for item in arrived)
    assert len(store.changes) == len(arrived) == ROWS // 2
    assert counted(report) == {"same": ROWS // 2, "changed": ROWS // 4, "in_history": ROWS // 4}


@pytest.mark.timeout(1200)
def test_interrupted_into_history(service, backup):
    """History ends complete, each item once, however often it is interrupted."""
    store = service.store = Interrupting()
    backup.outbox = {f"m-{number}": sent(f"m-{number}", str(number)) for number in range(ROWS)}

    assert until_done(store, lambda: into_history(service, backup)) >= 3
    assert store.history == backup.outbox


@pytest.mark.timeout(1200)
def test_interrupted_quarantine(service):
    """Each row is held once, by one event of its timeline, however often it is interrupted."""
    copy = Interrupting()
    copy.outbox = {f"m-{number}": unsent(f"m-{number}") for number in range(ROWS)}

    assert until_done(copy, lambda: quarantined(service, copy)) >= 3
    events = [[event["what"] for event in item["timeline"]] for item in copy.outbox.values()]
    assert events == [["enqueued", "quarantined"]] * ROWS


def test_an_error_of_one_segment_ends_the_others(service, backup):
    """What the store cannot do is raised after all threads have ended; a second run completes."""

    class Failing(MemoryStore):
        broken = True

        def add(self, item, *, once):
            if self.broken and item["id"] == "m-77":
                message = "out of reach"
                raise ConnectionError(message)
            super().add(item, once=once)

    service.store = Failing()
    for number in range(1000):
        backup.put(unsent(f"m-{number}"))

    with pytest.raises(ConnectionError):
        into_outbox(service, backup)
    assert [thread.name for thread in threading.enumerate() if "ThreadPool" in thread.name] == []
    service.store.broken = False
    into_outbox(service, backup)
    assert len(service.store.outbox) == 1000


def test_files_are_counted(service, backup):
    """How many rows name files is told: they may be gone from the bucket by then."""
    service.outbox.enqueue(make_mail(attachments=[Attachment("a.txt", b"x")]), idempotency_key="m")
    backup.put(service.store.outbox["m"])
    service.store.remove("m")
    assert into_outbox(service, backup).files == 1


@pytest.mark.parametrize("word", ["restored-in-doubt", "held-in-doubt", "already-sent", "overwritten"])
def test_a_doubt_outlives_a_second_restore(service, backup, word):
    """A row that was held because it may have been sent says so again, and goes with no bulk release."""
    backup.put(unsent(status="HELD") | {"error": word})
    into_outbox(service, backup)
    row = service.row("m")
    assert row.error == "restored-in-doubt"
    assert row.reason.startswith("May have been sent.")


def test_a_row_somebody_gave_a_finished_at_is_silenced_too(service, backup):
    """Whatever stands on it: as long as its state rings, it could fire."""
    backup.put(unsent() | {"finished_at": "2026-01-01T00:00:00.000Z"})
    assert could_fire(backup.get("m"))
