"""What a mail is checked against before it goes: one read of two tables, on memory, moto and the embedded AWS."""

import time

import pytest

from outbox.adapters import checks as module
from outbox.adapters.batch_read import LOOKS, TablesBusy, read_batch
from outbox.adapters.bounces import DynamoSuppressions
from outbox.adapters.checks import DynamoChecks
from outbox.adapters.lists import Lists
from outbox.adapters.source import is_throttled
from outbox.cli.problems import explain
from outbox.core import transitions
from outbox.core.retention import Retention
from outbox.core.transitions import Stamp
from outbox.flows.support import Support
from outbox.testing import MemoryChecks, TickingClock
from tests.conftest import make_mail
from tests.store.bounces import EMAIL, NOW

OTHER = "ken@example.com"
SENT = {"id": "m", "subject": "Hello", "finished_at": "2026-11-20T11:00:00.000Z"}


@pytest.fixture
def checks(kept):
    """Give the checks of each kind."""
    if kept.client is None:
        return MemoryChecks(kept.store, kept.suppressions)
    return DynamoChecks(kept.client, "history", "suppression", lambda _: None)


def test_nothing_is_known_of_a_new_mail_to_new_people(checks):
    """Neither its row nor any entry."""
    assert checks.look("m", {EMAIL, OTHER}) == (None, {})
    assert checks.look("m", []) == (None, {})


def test_row_and_entries_are_given_as_they_are_now(checks, kept):
    """Each is found with the other and without it; nobody else's are."""
    kept.store.keep(SENT)
    assert checks.look("m", {EMAIL}) == (SENT, {})
    kept.suppressions.swap(EMAIL, None, {"email": EMAIL, "reason": "x"})
    kept.suppressions.swap("else@example.com", None, {"email": "else@example.com"})
    there, entries = checks.look("m", [EMAIL, OTHER, EMAIL])
    assert (there, set(entries), entries[EMAIL]["reason"]) == (SENT, {EMAIL}, "x")
    there, entries = checks.look("n", {EMAIL})
    assert (there, set(entries)) == (None, {EMAIL})


def test_more_people_than_one_call_takes_are_all_looked_for(checks, kept):
    """AWS takes a hundred keys at once, the mail's own among them."""
    emails = [f"user{number:03}@example.com" for number in range(230)]
    for email in emails[::100]:
        kept.suppressions.swap(email, None, {"email": email})
    kept.store.keep(SENT)
    there, entries = checks.look("m", emails)
    assert (there, sorted(entries)) == (SENT, emails[::100])


def test_without_a_list_history_alone_is_asked(kept):
    """There may be no table to ask."""
    kept.store.keep(SENT)
    alone = MemoryChecks(kept.store) if kept.client is None else DynamoChecks(kept.client, "history", None)
    assert alone.look("m", {EMAIL}) == (SENT, {})


class Busy:
    """Tables that read one key of a batch at a time, the last one first; of those in `stuck`, none."""

    def __init__(self, rows, stuck=()):
        self.rows, self.stuck, self.asked, self.now = rows, stuck, [], True

    def batch_get_item(self, RequestItems):  # noqa: N803  the SDK's name
        self.asked.append({table: len(keys["Keys"]) for table, keys in RequestItems.items()})
        self.now &= all(keys.get("ConsistentRead") for keys in RequestItems.values())
        found, left = {}, {table: {**keys, "Keys": list(keys["Keys"])} for table, keys in RequestItems.items()}
        table = next((table for table in reversed(left) if table not in self.stuck), None)
        if table is not None:
            ((value,),) = (key.values() for key in [left[table]["Keys"].pop()])
            found[table] = [self.rows[value["S"]]] if value["S"] in self.rows else []
        # As little as AWS may say: not how they were asked for.
        return {"Responses": found, "UnprocessedKeys": {t: {"Keys": k["Keys"]} for t, k in left.items() if k["Keys"]}}


def test_keys_that_were_not_read_are_asked_for_again_a_little_later():
    """A busy table answers in parts."""
    emails, pauses = [f"user{number}@example.com" for number in range(5)], []
    table = Busy({email: {"email": {"S": email}} for email in emails})
    assert set(DynamoSuppressions(table, "suppression", pauses.append).look(emails)) == set(emails)
    assert pauses == [0.02] * 4


def test_a_row_of_history_that_comes_last_is_not_taken_for_none():
    """Had it been, a mail would be sent twice."""
    tables, pauses = Busy({"m": {"id": {"S": "m"}}}), []
    there, entries = DynamoChecks(tables, "history", "suppression", pauses.append).look("m", {EMAIL, OTHER})
    assert (there, entries) == ({"id": "m"}, {})
    assert tables.now
    assert tables.asked == [{"history": 1, "suppression": 2}, {"history": 1, "suppression": 1}, {"history": 1}]
    assert pauses == [0.02] * 2


@pytest.mark.parametrize("stuck", ["history", "suppression"])
def test_a_table_that_does_not_answer_is_no_permission(stuck):
    """The mail must wait, not go, whatever the other table said."""
    tables, pauses = Busy({}, stuck=[stuck]), []
    with pytest.raises(TablesBusy):
        DynamoChecks(tables, "history", "suppression", pauses.append).look("m", {EMAIL})
    # One look brought what the other table has.
    assert len(tables.asked) == 1 + LOOKS
    assert pauses == [0.02, 0.04, 0.08, 0.16, 0.32, *[0.5] * 5]


def test_no_look_is_begun_when_the_first_ones_took_too_long():
    """A worker has its mail to give back before its own time is up."""
    tables, moments = Busy({}, stuck=["history"]), iter([0.0, 4.0, 9.0, 14.0])
    with pytest.raises(TablesBusy):
        read_batch(tables, [("history", {"id": {"S": "m"}})], lambda _: None, longest=10, timer=lambda: next(moments))
    assert len(tables.asked) == 3


def test_a_mail_has_such_a_bound(monkeypatch):
    """Its check ends in time, come what may."""
    monkeypatch.setattr(module, "LONGEST", -1.0)
    tables = Busy({})
    with pytest.raises(TablesBusy):
        DynamoChecks(tables, "history", "suppression", lambda _: None).look("m", {EMAIL})
    assert len(tables.asked) == 1


def test_what_one_answer_has_no_room_for_is_no_sign_of_a_busy_table():
    """A hundred large rows, one an answer: each look brings one, and no clock runs against a person's list."""
    ids = [f"m{number}" for number in range(101)]
    tables = Busy({mail_id: {"id": {"S": mail_id}} for mail_id in ids})
    moments = iter(range(0, 10**6, 60))
    found = read_batch(
        tables, [("history", {"id": {"S": each}}) for each in ids], lambda _: None, timer=moments.__next__
    )
    assert len(found["history"]) == len(tables.asked) == 101


def test_a_row_that_was_not_read_is_not_told_as_absent_by_a_list(monkeypatch):
    """A page would leave a mail out, a restore count one that was sent as lost: nothing is told, a person hears why."""
    monkeypatch.setattr(time, "sleep", lambda _: None)
    tables = Busy({"m": {"id": {"S": "m"}}})
    lists = Lists(tables, "outbox", "history")
    assert lists.present(["m", "n", "m"]) == ({"m"}, {"m"})
    assert tables.now
    assert lists.rows("history", ["n", "m", "m"]) == [{"id": "m"}]
    stuck = Lists(Busy({}, stuck=["history"]), "outbox", "history")
    for ask in (lambda: stuck.present(["m"]), lambda: stuck.rows("history", ["m"])):
        with pytest.raises(TablesBusy) as told:
            ask()
        assert (
            explain(told.value).message == "AWS refused BatchGetItem: The tables are too busy to answer for all keys."
        )
        assert is_throttled(told.value)


@pytest.mark.parametrize("said", [{"arn:aws:dynamodb:::table/history": [{"id": {"S": "m"}}]}, {}])
def test_an_answer_for_another_table_or_for_none_is_no_answer(said):
    """By its ARN, say: a row that is there must not be taken for one that is not."""

    class Elsewhere:
        def batch_get_item(self, RequestItems):  # noqa: N803  the SDK's name
            return {"Responses": said, "UnprocessedKeys": {}}

    with pytest.raises(KeyError):
        DynamoChecks(Elsewhere(), "history", None).look("m", [])


def test_a_list_that_does_not_answer_is_no_permission():
    """Asked alone, for a person, likewise."""
    with pytest.raises(TablesBusy):
        DynamoSuppressions(Busy({}, stuck=["suppression"]), "suppression", lambda _: None).look([EMAIL])


@pytest.mark.parametrize("to", ["\ufdfa" * 200 + "@example.com", "a" * 5000 + "@example.com"])
def test_a_row_whose_address_no_index_takes_can_be_cancelled(kept, to):
    """A person wrote it by hand, or it is from before there was a rule: it leaves under the beginning of it."""
    clock = TickingClock(NOW)
    kept.store.add(transitions.new(make_mail(), "m", Stamp(clock(), "alice")).also({"to": to}), once=False)
    Support(kept.store, clock, Retention(400)).cancel("m", "alice")
    there = kept.store.get_finished("m")
    assert (there["status"], there["to"]) == ("CANCELLED", to)
    assert 2000 < len(there["recipient"].encode()) <= 2048
