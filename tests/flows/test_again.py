"""A mail of history is sent again as a new one: linked both ways, never twice by accident."""

import threading

import pytest

from outbox import Attachment, InvalidMail, InvalidRequest, MissingSettings, NotFound, WrongState
from outbox.core.errors import FileLost, NeedsConfirmation
from outbox.core.retention import Retention
from outbox.flows.again import Again, can_be_resent, links
from outbox.flows.support import Support
from tests.flows.bounces import bounce


@pytest.fixture
def again(service):
    """Give what makes a new mail of an old one."""
    return Again(service.store, service.files, service.clock)


@pytest.fixture
def old(service, mail):
    """Give the id of a mail sent yesterday, with a copy and a file."""
    parts = {"cc": ["cc@example.com"], "bcc": ["bcc@example.com"], "attachments": [Attachment("a.txt", b"a")]}
    service.outbox.enqueue(mail(tags=["orders"], **parts), idempotency_key="order-42")
    service.ring_until_quiet()
    service.clock.forward(days=1)
    return "order-42"


def test_a_new_mail_is_linked_both_ways(service, again, old):
    """It has an id of its own, the same content with its own copy of the files, and goes as any new mail."""
    row = again(old, "alice")
    service.ring_until_quiet()

    first, second = service.row(old), service.row(row.id)
    assert (second.item["resend_of"], [link["id"] for link in links(first)]) == (old, [second.id])
    assert (second.status, second.delivery_id, first.revision) == ("SENT", "2", 4)
    assert service.api.sent[0].differences(service.api.sent[1]) == []
    assert second.own_files != first.own_files
    assert len(second.own_files) == 1
    assert (first.timeline[-1]["who"], first.timeline[-1]["what"]) == ("alice", "copied-to")
    assert second.timeline[0] == {
        "at": "2026-01-02T00:00:00.000Z",
        "who": "alice",
        "what": "copied-from",
        "of": old,
    }


def test_to_another_address_it_goes_there_alone(service, again, old):
    """The people of the copies have it already; the old mail does not tell who got the new one."""
    row = again(old, "alice", "hanako@example.com")
    service.ring_until_quiet()
    sent = service.api.sent[1]
    assert (sent.to.email, sent.cc, sent.bcc) == ("hanako@example.com", (), ())
    assert "hanako" not in str(service.store.history[old])
    assert service.row(row.id).item["recipient"] == "hanako@example.com"


def test_large_texts_are_copied(service, again, mail):
    """Texts that have no room on a row come along."""
    mail_id = service.outbox.enqueue(mail(insert_code={"a": "x" * 300_000})).id
    service.ring_until_quiet()
    again(mail_id, "alice", confirmed=True)
    service.ring_until_quiet()
    assert len(service.api.sent[1].insert_code["a"]) == 300_000


def test_a_cancelled_mail_can_be_sent_after_all(service, again, mail):
    """It was never sent, so nobody is asked."""
    mail_id = service.outbox.enqueue(mail()).id
    service.support.cancel(mail_id, "bob")
    again(mail_id, "alice")
    service.ring_until_quiet()
    assert len(service.api.sent) == 1


@pytest.mark.parametrize("kind", ["HARDERROR", "DROP"])
@pytest.mark.parametrize("email", ["taro@example.com", "cc@example.com"])
def test_what_came_back_is_said_first(service, again, old, kind, email):
    """A hard error or a drop of anyone it would go to needs a yes; of anyone else it does not matter."""
    bounce(service, "1", email, kind, message="no such \x1b[2J user")
    with pytest.raises(NeedsConfirmation, match=kind) as asked:
        again(old, "alice")
    assert len(asked.value.warnings) == 1
    assert service.store.outbox == {}
    again(old, "alice", "hanako@example.com")
    assert len(service.store.outbox) == 1


def test_a_soft_error_needs_no_yes(service, again, old):
    """It may go well this time."""
    bounce(service, "1", "taro@example.com", "SOFTERROR")
    assert again(old, "alice").status == "PENDING"


def test_a_mail_just_sent_is_not_sent_again_unasked(service, again, mail):
    """Mostly the recipient has only not waited long enough."""
    mail_id = service.outbox.enqueue(mail()).id
    service.ring_until_quiet()
    service.clock.forward(minutes=9, seconds=59)
    with pytest.raises(NeedsConfirmation, match="9 minutes ago"):
        again(mail_id, "alice")
    service.clock.forward(seconds=1)
    assert again(mail_id, "alice").status == "PENDING"


def test_a_second_resend_names_the_first(service, again, old):
    """When, by whom and as what; with a yes it goes all the same, and both are noted."""
    first = again(old, "alice")
    with pytest.raises(NeedsConfirmation, match=f"at 2026-01-02T00:00:00.000Z by alice, as {first.id}"):
        again(old, "bob")
    second = again(old, "bob", confirmed=True)
    assert [link["id"] for link in links(service.row(old))] == [first.id, second.id]


def test_all_warnings_are_told_at_once(service, again, mail):
    """A person decides once, knowing everything."""
    mail_id = service.outbox.enqueue(mail()).id
    service.ring_until_quiet()
    bounce(service, "1", "taro@example.com")
    again(mail_id, "alice", confirmed=True)
    with pytest.raises(NeedsConfirmation) as asked:
        again(mail_id, "alice")
    assert len(asked.value.warnings) == 3


def test_of_two_who_press_at_once_one_is_asked(service, again, old):
    """Both saw the same mail; the note on it lets one through."""
    barrier, add = threading.Barrier(2), service.store.add_linked
    outcomes = []

    def together(*args):
        if not barrier.broken:
            barrier.wait(5)
        return add(*args)

    def press(who):
        try:
            outcomes.append(again(old, who).status)
        except NeedsConfirmation as asked:
            outcomes.append(asked.warnings)

    service.store.add_linked = together
    threads = [threading.Thread(target=press, args=(who,)) for who in ("alice", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(service.store.outbox) == 1
    assert sorted(isinstance(each, tuple) for each in outcomes) == [False, True]


def test_a_yes_is_meant_for_what_was_seen(service, again, old):
    """Whoever confirmed is asked again when somebody else was quicker."""
    add = service.store.add_linked

    def overtaken(*args):
        service.store.add_linked = add
        again(old, "bob", confirmed=True)
        return add(*args)

    service.store.add_linked = overtaken
    with pytest.raises(NeedsConfirmation, match="by bob"):
        again(old, "alice", confirmed=True)
    assert len(service.store.outbox) == 1


def test_an_unrelated_note_does_not_stop_it(service, again, old):
    """A change that warns of nothing is simply read again."""
    add = service.store.add_linked

    def noted(*args):
        service.store.add_linked = add
        service.store.history[old]["revision"] += 1
        return add(*args)

    service.store.add_linked = noted
    assert again(old, "alice").status == "PENDING"
    assert len(service.store.outbox) == 1


def test_a_lost_answer_makes_no_second_mail(service, again, old):
    """Whether the store finds out by itself or the caller tries again, a second mail needs a yes."""
    add = service.store.add_linked

    def lost(*args):
        add(*args)
        message = "the answer was lost"
        raise TimeoutError(message)

    service.store.add_linked = lost
    with pytest.raises(TimeoutError):
        again(old, "alice")
    service.store.add_linked = add
    with pytest.raises(NeedsConfirmation):
        again(old, "alice")
    assert len(service.store.outbox) == 1


def test_our_own_write_is_recognised(service, again, old):
    """A write that came through although the store says it was lost gives the mail it made."""
    add = service.store.add_linked

    def repeated(*args):
        add(*args)
        return add(*args)

    service.store.add_linked = repeated
    row = again(old, "alice")
    assert list(service.store.outbox) == [row.id]


def test_a_mail_that_has_not_left_is_not_copied(service, again, mail):
    """It can be edited where it is; items of the service are no mails; an unknown id is said."""
    mail_id = service.outbox.enqueue(mail()).id
    with pytest.raises(WrongState, match="still in the outbox"):
        again(mail_id, "alice")
    for nobody in ("nobody", "outbox:delivery:1"):
        with pytest.raises(NotFound):
            again(nobody, "alice")


def test_a_mail_whose_bodies_are_not_kept(service, mail):
    """History that keeps no bodies has nothing to send."""
    support = Support(service.store, service.clock, Retention(400, bodies=False))
    mail_id = service.outbox.enqueue(mail()).id
    support.cancel(mail_id, "bob")
    with pytest.raises(WrongState, match="does not keep"):
        Again(service.store, None, service.clock)(mail_id, "alice")
    assert not can_be_resent(service.row(mail_id))


def test_wrong_arguments(service, again, old):
    """A wrong address or no name changes nothing, and neither does a row a hand has broken."""
    with pytest.raises(InvalidMail, match="to"):
        again(old, "alice", "nobody")
    with pytest.raises(InvalidRequest):
        again(old, "")
    service.store.history[old]["cc"] = "cc@example.com"
    with pytest.raises(InvalidMail, match="cc"):
        again(old, "alice")
    assert (service.store.outbox, links(service.row(old))) == ({}, [])


def test_files_that_are_gone_or_out_of_reach(service, again, old):
    """Without its files nothing is written."""
    with pytest.raises(MissingSettings, match="OUTBOX_BUCKET"):
        Again(service.store, None, service.clock)(old, "alice")
    service.files.objects.clear()
    with pytest.raises(FileLost, match=r"a\.txt"):
        again(old, "alice")
    assert service.store.outbox == {}


def test_links_a_hand_has_broken(service, again, old):
    """What stands in the place of the links does not keep a person from sending."""
    service.store.history[old]["resent_as"] = ["what", {"id": 4}]
    with pytest.raises(NeedsConfirmation, match="as 4"):
        again(old, "alice")
    service.store.history[old]["resent_as"] = "none"
    assert again(old, "alice").status == "PENDING"


def test_anyway(service, again, old):
    """A person may send it although the recipient is suppressed."""
    row = again(old, "alice", anyway=True)
    assert service.store.get(row.id)["send_anyway"] == "taro@example.com"


def test_a_form_sent_twice_makes_one_mail(service, again, old):
    """What is asked twice under one word gives the mail of the first time, also after a yes and once it has left."""
    first = again(old, "alice", asked="form-1", confirmed=True)
    service.ring_until_quiet()
    second = again(old, "alice", asked="form-1", confirmed=True)
    assert (second.id, second.status, len(service.api.sent)) == (first.id, "SENT", 2)
    with pytest.raises(NeedsConfirmation):
        again(old, "alice", asked="form-2")
    third = again(old, "bob", asked="form-2", confirmed=True)
    assert [again(old, "alice", asked=word).id for word in ("form-1", "form-2")] == [first.id, third.id]


def test_a_form_sent_twice_at_once_makes_one_mail(service, again, old):
    """Both were confirmed and read the same mail; whoever comes second gives the mail of the first."""
    add = service.store.add_linked

    def overtaken(*args):
        service.store.add_linked = add
        made.append(again(old, "alice", confirmed=True, asked="form-1").id)
        return add(*args)

    made = []
    service.store.add_linked = overtaken
    made.append(again(old, "alice", confirmed=True, asked="form-1").id)
    assert made == list(service.store.outbox) * 2
