"""A mail in doubt is looked up in the API's own records before anything else; a hit is proof, a miss is not."""

import pytest

from outbox.core import transitions
from outbox.core.change import Expect
from outbox.core.errors import NoRecords, NotAnswered, OutcomeUnknown, Stop, TooLarge, TryLater
from outbox.core.mail_api import Seen
from outbox.core.rate import Rate
from outbox.core.row import Row
from outbox.core.transitions import Stamp
from outbox.flows.limiter import SharedLimiter


def no_pause(_seconds):
    """Do not wait."""


def no_answer(_mail):
    raise OutcomeUnknown("no answer within 30 s.")


def accepted_in_silence(service):
    """Let the API take a mail and its answer be lost."""

    def answer(sent):
        accepted = service.api.accept(sent)
        service.records.deliveries.append((sent, Seen(accepted.delivery_id, service.clock())))
        raise OutcomeUnknown("the connection broke.")

    return answer


def until_settled(service, mail_id, minutes=40):
    for _ in range(minutes):
        service.clock.forward(minutes=1)
        service.dispatch()
        service.ring_until_quiet()
        if service.status(mail_id) != "CHECKING":
            return


def test_a_mail_the_api_took_in_silence_is_found_and_never_sent_again(service, mail):
    """Its row moves to history, with how it was found."""
    service.api.answer = accepted_in_silence(service)
    mail_id = service.outbox.enqueue(mail(on_unknown="resend")).id
    service.deliver()
    assert service.status(mail_id) == "CHECKING"
    assert "being looked up" in service.row(mail_id).reason
    until_settled(service, mail_id)
    row = service.row(mail_id)
    assert (row.status, row.delivery_id, row.item["confirmed_by"]) == ("SENT", "1", "records")
    assert len(service.api.sent) == 1


def test_a_mail_never_seen_is_held_for_a_person(service, mail):
    """After the window the policy decides; by default a person does."""
    service.api.answer = no_answer
    mail_id = service.outbox.enqueue(mail()).id
    service.deliver()
    until_settled(service, mail_id)
    row = service.row(mail_id)
    assert row.status == "UNKNOWN"
    assert "no answer within 30 s." in row.reason
    assert "not seen in the mail API's records" in row.reason
    assert service.records.looks >= 3


def test_a_mail_never_seen_is_sent_again_if_it_says_so(service, mail):
    """With on_unknown="resend" it goes again after a backoff, and at most so many times."""
    service.api.answer = no_answer
    mail_id = service.outbox.enqueue(mail(on_unknown="resend")).id
    service.deliver()
    for _ in range(3000):
        service.clock.forward(minutes=1)
        service.dispatch()
        if service.status(mail_id) == "FAILED":
            break
    row = service.row(mail_id)
    assert (row.status, row.attempts) == ("FAILED", 8)
    assert "Tried 8 times" in row.reason


def test_the_second_try_of_a_mail_is_one_mail(service, mail):
    """Not taken the first time, taken the second: one goes out."""
    service.api.answer = no_answer
    mail_id = service.outbox.enqueue(mail(on_unknown="resend")).id
    service.deliver()
    until_settled(service, mail_id)
    service.api.answer = None
    service.clock.forward(hours=1)
    service.dispatch()
    assert (service.status(mail_id), len(service.api.sent)) == ("SENT", 1)


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_two_mails_of_one_content_are_not_confused_into_one(service, mail, taken):
    """Of two identical mails in doubt to one person, as many are found as the API took, each with its own id."""
    left = [taken]

    def answer(sent):
        if left[0]:
            left[0] -= 1
            accepted_in_silence(service)(sent)
        no_answer(sent)

    service.api.answer = answer
    ids = [service.outbox.enqueue(mail()).id for _ in range(2)]
    service.deliver()
    for mail_id in ids:
        until_settled(service, mail_id)
    rows = [service.row(mail_id) for mail_id in ids]
    assert sorted(str(row.status) for row in rows) == ["SENT"] * taken + ["UNKNOWN"] * (2 - taken)
    assert len({row.delivery_id for row in rows if row.status == "SENT"}) == taken


def test_a_delivery_that_is_another_mails_answer_is_left_to_it(service, mail):
    """While an identical mail is still being settled by its worker, its delivery is not taken for the one in doubt."""
    service.api.answer = no_answer
    doubtful = service.outbox.enqueue(mail()).id
    service.deliver()
    settle_late = []

    def answered(sent):
        accepted = service.api.accept(sent)
        service.records.deliveries.append((sent, Seen(accepted.delivery_id, service.clock())))
        for _ in range(3):
            service.clock.forward(seconds=55)
            settle_late.append(service.dispatch())
        return accepted

    service.clock.forward(seconds=100)
    service.api.answer = answered
    other = service.outbox.enqueue(mail()).id
    service.deliver()
    assert settle_late
    assert service.status(other) == "SENT"
    service.api.answer = None
    until_settled(service, doubtful)
    assert service.status(doubtful) == "UNKNOWN"
    assert service.row(other).delivery_id == "1"


@pytest.mark.parametrize("policy", ["hold", "resend"])
def test_an_api_without_records_goes_straight_to_the_policy(service, mail, policy):
    """No look-up is a supported case."""
    service.api.answer = no_answer
    service.records.error = NoRecords("the mail API has no records to look in (404).")
    mail_id = service.outbox.enqueue(mail(on_unknown=policy)).id
    service.deliver()
    service.clock.forward(minutes=5)
    service.dispatch()
    assert service.status(mail_id) == {"hold": "UNKNOWN", "resend": "WAITING"}[policy]


@pytest.mark.parametrize("policy", ["hold", "resend"])
def test_a_look_up_switched_off_goes_straight_to_the_policy(service, mail, policy):
    """The window is a setting; none means none."""
    service.look_up_minutes = 0
    service.api.answer = no_answer
    mail_id = service.outbox.enqueue(mail(on_unknown=policy)).id
    service.deliver()
    assert service.status(mail_id) == {"hold": "UNKNOWN", "resend": "WAITING"}[policy]
    assert service.records.looks == 0


@pytest.mark.parametrize(
    "error", [NotAnswered("no."), TryLater("rate.", 5), TryLater("no connection."), Stop("locked."), KeyError("x")]
)
def test_records_that_do_not_answer_are_asked_again(service, mail, error):
    """Silence is no miss: the policy decides only after the records have said something, or nothing for a day."""
    service.api.answer = accepted_in_silence(service)
    service.records.error = error
    mail_id = service.outbox.enqueue(mail(on_unknown="resend")).id
    service.deliver()
    for _ in range(60):
        service.clock.forward(minutes=2)
        service.dispatch()
    assert service.status(mail_id) == "CHECKING"
    service.records.error = None
    service.clock.forward(hours=2)
    service.dispatch()
    assert service.status(mail_id) == "SENT"
    assert len(service.api.sent) == 1


def test_records_silent_for_days_leave_it_to_the_policy(service, mail):
    """A row does not stay in CHECKING for ever."""
    service.api.answer = no_answer
    service.records.error = NotAnswered("no.")
    mail_id = service.outbox.enqueue(mail()).id
    service.deliver()
    for _ in range(60):
        service.clock.forward(hours=1)
        service.dispatch()
    assert service.status(mail_id) == "UNKNOWN"


def test_a_look_spends_the_rate_like_any_call(service, mail):
    """When the line is full, a look waits and is not counted."""
    service.limiter = SharedLimiter(service.register, service.clock, Rate(60, 0), no_pause)
    service.api.answer = no_answer
    mail_id = service.outbox.enqueue(mail()).id
    service.deliver()
    before = service.register.get("rate")
    service.clock.forward(minutes=5)
    service.dispatch()
    assert service.records.looks == 1
    assert service.register.get("rate") != before
    assert service.status(mail_id) == "CHECKING"


def test_a_worker_that_died_is_looked_up_too(service, mail):
    """A crash while SENDING is a doubt like any other."""

    class Dies(BaseException):
        pass

    def answer(sent):
        accepted = service.api.accept(sent)
        service.records.deliveries.append((sent, Seen(accepted.delivery_id, service.clock())))
        raise Dies

    service.api.answer = answer
    mail_id = service.outbox.enqueue(mail()).id
    with pytest.raises(Dies):
        service.sender().send(service.doorbells()[0].seen, service.clock(), service.deadline)
    service.clock.forward(minutes=4, seconds=1)
    assert service.dispatch() == {"checking": 1}
    until_settled(service, mail_id)
    assert (service.status(mail_id), service.row(mail_id).delivery_id) == ("SENT", "1")


@pytest.fixture
def put_back(service, mail):
    """Give a mail that history has as delivery 77, with delivery 1 out as well: an old tab was saved over it."""
    service.api.answer = accepted_in_silence(service)
    mail_id = service.outbox.enqueue(mail()).id
    service.deliver()
    old = service.store.get(mail_id)
    service.store.finish(mail_id, Expect({"status": "CHECKING"}), finished(Row(old), "77", service))
    service.store.put(old)
    # The stream tells of it, too; here its event is lost, and dispatch finds the row.
    service.doorbells()
    return mail_id


def finished(row, delivery_id, service):
    return transitions.found(row, delivery_id, Stamp(service.clock(), "deliver"), service.keep)


def test_another_delivery_of_a_mail_that_history_has_puts_the_row_aside(service, put_back):
    """It cannot move to history a second time; it does not stay in CHECKING for ever, nor is it sent once more."""
    until_settled(service, put_back)
    row = service.row(put_back)
    assert (row.status, row.error, row.item.get("check_until")) == ("HELD", "already-sent", None)
    assert "already sent, as delivery 77" in row.reason
    assert len(service.api.sent) == 1


def test_that_delivery_is_left_to_a_twin_in_doubt(service, put_back, mail):
    """Nobody knows whose it is, but the mail in history has one of its own: the twin must not go twice for it."""
    service.records.deliveries.clear()
    twin = service.outbox.enqueue(mail(on_unknown="resend")).id
    service.deliver()
    for mail_id in (put_back, twin):
        until_settled(service, mail_id)
    assert (service.status(put_back), service.status(twin)) == ("HELD", "SENT")
    assert len(service.api.sent) == 2


def test_a_mail_found_though_history_has_it_as_cancelled_is_told_there(service, put_back):
    """It was sent after all: history says so beside its own truth, and the row names the delivery."""
    there = service.store.get_finished(put_back)
    service.store.erase(put_back)
    cancelled = {name: value for name, value in there.items() if name != "delivery_id"}
    service.store.keep({**cancelled, "status": "CANCELLED"})
    until_settled(service, put_back)
    assert "already sent, as delivery 1" in service.row(put_back).reason
    event = service.store.get_finished(put_back)["timeline"][-1]
    assert (event["what"], event["delivery_id"]) == ("sent-twice", "1")


def test_a_crash_after_that_was_told_tells_it_once(service, put_back):
    """The row is put aside at the next look, and history has one note of the delivery."""
    service.store.history[put_back] = {**service.store.history[put_back], "status": "CANCELLED", "delivery_id": ""}
    annotate, update, dead = service.store.annotate, service.store.update, []

    def noted(*args, **more):
        annotate(*args, **more)
        dead.append(True)

    def written(*args, **more):
        if dead and len(dead) < 2:
            dead.append(True)
            raise ConnectionError
        return update(*args, **more)

    service.store.annotate, service.store.update = noted, written
    until_settled(service, put_back)
    assert len(dead) == 2
    assert service.status(put_back) == "HELD"
    told = [event["what"] for event in service.store.get_finished(put_back)["timeline"]]
    assert told.count("sent-twice") == 1


def test_a_found_mail_whose_row_is_full_moves_all_the_same(service, mail):
    """A person's notes yield when history has no room for them."""
    service.api.answer = accepted_in_silence(service)
    mail_id = service.outbox.enqueue(mail()).id
    service.deliver()
    service.store.edit(mail_id, note="x")
    whole = service.store.finish

    def narrow(mail_id, expect, item, **more):
        if "note" in item:
            raise TooLarge
        whole(mail_id, expect, item, **more)

    service.store.finish = narrow
    until_settled(service, mail_id)
    assert service.status(mail_id) == "SENT"
    assert "note" not in service.store.get_finished(mail_id)


def test_a_crash_in_the_move_of_a_found_mail_leaves_it_to_be_found_again(service, mail):
    """The move is one step: before it the mail is CHECKING, after it is history."""
    service.api.answer = accepted_in_silence(service)
    mail_id = service.outbox.enqueue(mail()).id
    service.deliver()
    finish = service.store.finish

    def broken(*_args, **_more):
        raise ConnectionError

    service.store.finish = broken
    service.clock.forward(minutes=6)
    for _ in range(3):
        assert service.dispatch() in ({"checking": 1}, {})
        service.clock.forward(minutes=6)
    # A table that fails is no death of a worker.
    assert (service.status(mail_id), service.row(mail_id).deaths) == ("CHECKING", 0)
    service.store.finish = finish
    until_settled(service, mail_id)
    assert service.status(mail_id) == "SENT"


def test_a_row_nobody_can_read_any_more_is_left_to_a_person(service, mail):
    """Broken by hand while being looked up: visible, with both reasons."""
    service.api.answer = no_answer
    mail_id = service.outbox.enqueue(mail()).id
    service.deliver()
    service.store.edit(mail_id, to=5)
    until_settled(service, mail_id)
    assert service.status(mail_id) == "UNKNOWN"
    assert "to: must be text" in service.row(mail_id).reason


def test_a_person_can_say_it_was_sent(service, mail):
    """An UNKNOWN mail goes to history on a person's word."""
    service.api.answer = no_answer
    service.look_up_minutes = 0
    mail_id = service.outbox.enqueue(mail()).id
    service.deliver()
    service.support.confirm(mail_id, "alice", "77")
    row = service.row(mail_id)
    assert (row.status, row.delivery_id, row.item["confirmed_by"]) == ("SENT", "77", "alice")
    assert row.timeline[-1]["who"] == "alice"


def test_the_late_answer_of_a_slow_worker_ends_the_doubt(service, mail):
    """While the row is being looked up, the worker that called comes back with the id."""

    def answer(sent):
        service.clock.forward(seconds=260)
        assert service.dispatch() == {"checking": 1}
        return service.api.accept(sent)

    service.api.answer = answer
    mail_id = service.outbox.enqueue(mail()).id
    service.deliver()
    assert service.status(mail_id) == "SENT"
    assert service.store.outbox == {}


@pytest.mark.parametrize(("deaths", "error"), [(0, "unknown"), (1, "poison")])
def test_the_late_answer_of_a_slow_worker_takes_an_unknown_row_to_history(service, mail, deaths, error):
    """The looks have ended, or the row counts as poison, and then the worker that called comes back with the id."""

    def answer(sent):
        # As if a worker had died with the row before.
        service.store.edit(mail_id, deaths=deaths)
        while service.status(mail_id) != "UNKNOWN":
            service.clock.forward(minutes=4)
            service.dispatch()
        assert service.row(mail_id).error == error
        return service.api.accept(sent)

    service.api.answer = answer
    mail_id = service.outbox.enqueue(mail()).id
    service.deliver()
    assert service.status(mail_id) == "SENT"
    assert service.store.outbox == {}


def test_an_old_tab_saved_while_a_mail_in_doubt_left_is_told_that_it_was_sent(service, mail):
    """The stream tells of the row that is back: it waits for a person, and nothing goes."""
    service.api.answer = accepted_in_silence(service)
    mail_id = service.outbox.enqueue(mail()).id
    service.deliver()
    old = service.store.get(mail_id)
    service.store.finish(mail_id, Expect({"status": "CHECKING"}), finished(Row(old), "77", service))
    service.store.put(old)
    service.ring_until_quiet()
    assert (service.store.get(mail_id)["status"], service.store.get(mail_id)["error"]) == ("HELD", "already-sent")
