"""People act on mails: seen, corrected, sent again, held, released, cancelled; with their name kept."""

from dataclasses import replace

import pytest

from outbox import (
    Attachment,
    ChangedMeanwhile,
    InvalidMail,
    InvalidRequest,
    MissingSettings,
    NotFound,
    WrongState,
)
from outbox.core.errors import OutcomeUnknown, Rejected
from outbox.flows.suppression import SuppressionList
from outbox.testing.bounces import MemorySuppressions


@pytest.fixture
def failed(service, mail):
    """Give the id of a FAILED row."""

    def answer(sent):
        if sent.to.email.startswith("wrong"):
            raise Rejected("to: unknown. (400)")
        return service.api.accept(sent)

    service.api.answer = answer
    mail_id = service.outbox.enqueue(mail(to="wrong@example.com")).id
    service.ring_until_quiet()
    return mail_id


def whats(service, mail_id):
    return [(event["who"], event["what"]) for event in service.row(mail_id).timeline]


def test_edit_and_send_sends_the_correction_and_keeps_who_did_it(service, failed):
    """A person fixes the address; the timeline shows who changed what from what to what."""
    service.support.edit(failed, {"to": "right@example.com"}, "alice", send=True)
    service.ring_until_quiet()
    row = service.row(failed)
    assert row.status == "SENT"
    assert service.api.sent[0].to.email == "right@example.com"
    assert whats(service, failed) == [
        ("tester", "enqueued"),
        ("deliver", "failed"),
        ("alice", "edited"),
        ("alice", "resent"),
        ("deliver", "sent"),
    ]
    assert row.timeline[2]["changes"] == {"to": ["wrong@example.com", "right@example.com"]}


def test_edit_alone_saves_and_sends_nothing(service, failed):
    """Saving a correction is not yet sending it."""
    service.support.edit(failed, {"subject": "Corrected", "cc": ["boss@example.com"]}, "alice")
    service.ring_until_quiet()
    assert service.status(failed) == "FAILED"
    assert service.row(failed).mail().subject == "Corrected"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"to": "nobody"}, "to"),
        ({"subject": ""}, "subject"),
        ({"text": ""}, "text"),
        ({"colour": "red"}, "colour"),
        ({"attachments": []}, "attachments"),
    ],
)
def test_a_wrong_edit_saves_nothing(service, failed, changes, field):
    """The same rules as for a new mail; the row stays as it was."""
    before = service.store.get(failed)
    with pytest.raises(InvalidMail) as error:
        service.support.edit(failed, changes, "alice", send=True)
    assert error.value.problems[0].field == field
    assert service.store.get(failed) == before


def test_an_edit_can_take_a_field_away(service, failed):
    """An emptied field leaves the row."""
    service.support.edit(failed, {"html": "<p>x</p>", "tags": ["a"]}, "alice")
    service.support.edit(failed, {"text": "", "tags": []}, "alice")
    assert service.row(failed).mail().text == ""
    assert "tags" not in service.store.get(failed)


def test_an_edit_repairs_a_row_somebody_broke(service, failed):
    """A missing or mistyped field can be set right."""
    service.store.edit(failed, cc="not a list", subject=None)
    service.ring_until_quiet()
    service.support.edit(failed, {"cc": [], "subject": "Back", "to": "right@example.com"}, "alice", send=True)
    service.ring_until_quiet()
    assert service.status(failed) == "SENT"


def test_an_edit_of_another_version_overwrites_nothing(service, failed):
    """Who looked at an older version is told."""
    seen = service.row(failed).revision
    service.support.edit(failed, {"subject": "Hers"}, "bob")
    with pytest.raises(ChangedMeanwhile):
        service.support.edit(failed, {"subject": "His"}, "alice", revision=seen)
    assert service.row(failed).mail().subject == "Hers"


def test_an_edit_does_not_overwrite_a_raw_edit_of_the_same_field(service, failed):
    """A raw edit leaves the revision alone; the fields one changes are compared all the same."""
    update = service.store.update

    def raced(*args):
        service.store.edit(failed, subject="Typed by hand")
        return update(*args)

    service.store.update = raced
    with pytest.raises(ChangedMeanwhile):
        service.support.edit(failed, {"subject": "Other"}, "alice")
    assert service.row(failed).mail().subject == "Typed by hand"


def test_a_mail_can_be_scheduled_anew(service, failed):
    """An edit may give the mail another time."""
    at = service.clock().replace(year=2027)
    service.support.edit(failed, {"to": "right@example.com"}, "alice", send_at=at)
    service.ring_until_quiet()
    assert (service.status(failed), service.row(failed).due_at) == ("WAITING", at)
    service.clock.forward(days=366)
    service.dispatch()
    assert service.status(failed) == "SENT"


@pytest.mark.parametrize("state", ["PENDING", "WAITING", "FAILED", "UNKNOWN", "HELD"])
def test_every_mail_at_rest_can_be_sent_held_or_cancelled(service, mail, failed, state):
    """What is not being sent right now obeys a person, in each state."""
    for act in ("resend", "hold", "cancel"):
        mail_id = a_mail_in(service, mail, failed if act == "resend" else None, state)
        getattr(service.support, act)(mail_id, "alice")
        assert service.status(mail_id) == {"resend": "PENDING", "hold": "HELD", "cancel": "CANCELLED"}[act]
        assert service.row(mail_id).timeline[-1]["who"] == "alice"


def a_mail_in(service, mail, failed, state):
    if state == "FAILED" and failed:
        return failed
    later = service.clock().replace(year=2030) if state == "WAITING" else None
    mail_id = service.outbox.enqueue(mail(to="wrong@example.com"), send_at=later).id
    if state == "FAILED":
        service.ring_until_quiet()
    if state == "UNKNOWN":
        answer, service.api.answer, service.look_up_minutes = service.api.answer, unknown, 0
        service.ring_until_quiet()
        service.api.answer = answer
    if state == "HELD":
        service.support.hold(mail_id, "bob", "until Monday")
    assert service.status(mail_id) == state
    return mail_id


def unknown(_mail):
    raise OutcomeUnknown("no answer.")


def test_a_held_mail_never_fires_by_itself(service, mail):
    """Neither doorbells nor time move it."""
    mail_id = service.outbox.enqueue(mail()).id
    service.support.hold(mail_id, "alice", "ask legal")
    service.deliver(service.doorbells(all_of_them=True))
    service.clock.forward(days=400)
    service.dispatch()
    assert (service.status(mail_id), service.api.sent) == ("HELD", [])
    assert service.row(mail_id).reason == "Held by alice: ask legal"


def test_a_held_mail_that_may_have_been_sent_says_so(service, mail):
    """A hold, also a second one, keeps the doubt; one person may release that one mail all the same."""
    mail_id = a_mail_in(service, mail, None, "UNKNOWN")
    for who in ("alice", "bob"):
        service.support.hold(mail_id, who, "ask legal")
        row = service.row(mail_id)
        assert (row.error, row.reason) == ("held-in-doubt", f"It may have been sent. Held by {who}: ask legal")
    service.support.release(mail_id, "alice")
    assert service.status(mail_id) == "PENDING"
    service.support.hold(mail_id, "alice")
    assert (service.row(mail_id).error, service.row(mail_id).reason) == ("held", "Held by alice.")


@pytest.mark.parametrize("error", ["restored-in-doubt", "already-sent", "overwritten"])
def test_a_doubt_outlives_a_hold(service, mail, error):
    """What may have been sent is not held as if it were any mail."""
    mail_id = a_mail_in(service, mail, None, "HELD")
    service.store.edit(mail_id, error=error)
    service.support.hold(mail_id, "alice")
    assert service.row(mail_id).error == "held-in-doubt"


def test_release_keeps_the_time_a_mail_was_scheduled_for(service, mail):
    """A held scheduled mail goes at its time if that is still to come, otherwise now."""
    at = service.clock().replace(year=2027)
    early, late = (service.outbox.enqueue(mail(subject=subject), send_at=at).id for subject in ("early", "late"))
    for mail_id in (early, late):
        service.support.hold(mail_id, "alice")
    service.support.release(early, "alice")
    assert (service.status(early), service.row(early).due_at) == ("WAITING", at)
    service.clock.forward(days=500)
    service.support.release(late, "alice")
    assert service.status(late) == "PENDING"
    service.ring_until_quiet()
    assert service.status(late) == "SENT"


def test_only_a_held_mail_is_released(service, failed):
    """Release is no other word for resend."""
    with pytest.raises(WrongState):
        service.support.release(failed, "alice")


def test_what_is_being_sent_or_has_left_cannot_be_moved(service, mail):
    """A person is told, and nothing changes."""
    seen = []

    def answer(sent):
        for act in (service.support.resend, service.support.cancel, service.support.hold):
            with pytest.raises(WrongState, match="SENDING"):
                act(mail_id, "alice")
        seen.append(service.store.get(mail_id))
        return service.api.accept(sent)

    service.api.answer = answer
    mail_id = service.outbox.enqueue(mail()).id
    service.deliver()
    assert seen
    for act in (service.support.resend, service.support.cancel, service.support.hold, service.support.release):
        with pytest.raises(WrongState, match="SENT"):
            act(mail_id, "alice")
    with pytest.raises(WrongState):
        service.support.edit(mail_id, {"subject": "x"}, "alice")


def test_a_cancelled_mail_is_in_history_and_never_sent(service, mail):
    """Its doorbell finds nothing."""
    mail_id = service.outbox.enqueue(mail()).id
    service.support.cancel(mail_id, "alice")
    service.deliver(service.doorbells(all_of_them=True))
    assert (service.status(mail_id), service.api.sent) == ("CANCELLED", [])
    assert service.row(mail_id).reason == "Cancelled by alice."


def test_a_race_with_the_service_is_won_by_one_of_them(service, mail):
    """A cancel that meets the claim is told so; one of the two happens, never both."""
    mail_id = service.outbox.enqueue(mail()).id
    bells = service.doorbells()
    finish = service.store.finish

    def first_claimed(*args, **more):
        service.store.finish = finish
        service.deliver(bells)
        return finish(*args, **more)

    service.store.finish = first_claimed
    with pytest.raises(WrongState):
        service.support.cancel(mail_id, "alice")
    assert (service.status(mail_id), len(service.api.sent)) == ("SENT", 1)


def test_sending_again_twice_sends_once(service, failed):
    """Two people press the same button."""
    service.support.edit(failed, {"to": "right@example.com"}, "alice")
    service.support.resend(failed, "alice")
    service.support.resend(failed, "bob")
    service.ring_until_quiet()
    service.deliver(service.doorbells(all_of_them=True))
    assert len(service.api.sent) == 1


@pytest.mark.parametrize("who", ["", "x" * 101, "a\nb", None, 5])
def test_nobody_acts_without_a_name(service, failed, who):
    """Every action is by somebody."""
    with pytest.raises(InvalidRequest):
        service.support.resend(failed, who)


def test_an_unknown_id_is_said(service):
    """A mail that is nowhere is told as such."""
    with pytest.raises(NotFound, match="nowhere"):
        service.support.resend("nowhere", "alice")


@pytest.fixture
def suppressed(service, mail):
    """Give the id of a mail that failed because its recipient is suppressed."""
    service.suppression = SuppressionList(MemorySuppressions(), service.clock)
    service.suppression.add("taro@example.com", "bob", "he asked for it.")
    mail_id = service.outbox.enqueue(mail()).id
    service.ring_until_quiet()
    assert service.row(mail_id).error == "suppressed"
    return mail_id


def test_a_suppressed_mail_can_be_sent_anyway(service, suppressed):
    """A person's word stands above the list, for this mail and this once; the timeline says so."""
    service.support.resend(suppressed, "alice", anyway=True)
    assert service.store.get(suppressed)["send_anyway"] == "taro@example.com"
    service.ring_until_quiet()
    assert service.status(suppressed) == "SENT"
    assert ("alice", "resent-though-suppressed") in whats(service, suppressed)


def test_without_anyway_the_list_is_obeyed_again(service, suppressed):
    """A leave that was given does not outlive the next decision or correction."""
    for act in (
        lambda: service.support.resend(suppressed, "bob"),
        lambda: service.support.edit(suppressed, {"subject": "Other"}, "bob", send=True),
        lambda: service.support.edit(suppressed, {"to": "Taro <taro@example.com>"}, "bob"),
    ):
        service.store.edit(suppressed, send_anyway=True)
        act()
        assert "send_anyway" not in service.store.get(suppressed)
    service.ring_until_quiet()
    assert service.status(suppressed) == "FAILED"


def test_only_a_suppressed_mail_is_sent_anyway(service, failed):
    """There is nothing to override on another mail."""
    with pytest.raises(WrongState, match="suppressed"):
        service.support.resend(failed, "alice", anyway=True)
    assert service.status(failed) == "FAILED"


@pytest.fixture
def with_files(service, mail):
    """Give the row of a sent mail with a copy and a file."""
    mail_id = service.outbox.enqueue(mail(cc=["cc@example.com"], attachments=[Attachment("a.txt", b"a")])).id
    service.ring_until_quiet()
    return service.row(mail_id)


def test_a_finished_mail_is_deleted_with_its_copies(service, with_files):
    """Nothing finds it any more; its files stay unless they are asked for."""
    service.support.delete(with_files.id, "alice")
    assert service.store.history == {}
    assert len(service.files.objects) == 1
    with pytest.raises(NotFound):
        service.support.delete(with_files.id, "alice")


def test_a_mail_is_deleted_with_its_files(service, with_files):
    """Only files under its own prefix go, whatever its row names."""
    service.files.objects["mails/other/1/0"] = b"b"
    foreign = {"name": "b", "mime": "text/plain", "size": 1, "sha256": "0" * 64, "key": "mails/other/1/0"}
    service.store.history[with_files.id]["attachments"].append(foreign)
    replace(service.support, files=service.files).delete(with_files.id, "alice", files=True)
    assert (service.store.history, list(service.files.objects)) == ({}, ["mails/other/1/0"])


def test_files_that_cannot_be_deleted_keep_the_mail(service, with_files):
    """The row is what names them: it goes last."""
    support = replace(service.support, files=service.files)
    service.files.undeletable = {with_files.own_files[0]: "AccessDenied"}
    with pytest.raises(WrongState, match="AccessDenied"):
        support.delete(with_files.id, "alice", files=True)
    assert with_files.id in service.store.history
    with pytest.raises(MissingSettings, match="OUTBOX_BUCKET"):
        service.support.delete(with_files.id, "alice", files=True)


def test_an_unsent_mail_is_never_deleted(service, mail, failed):
    """Neither in the outbox, nor anything in history that is no mail."""
    waiting = service.outbox.enqueue(mail()).id
    service.store.history["outbox:bounce:1"] = {"id": "outbox:bounce:1"}
    for mail_id in (failed, waiting, "outbox:bounce:1"):
        with pytest.raises(WrongState):
            service.support.delete(mail_id, "alice")
    assert (service.status(failed), service.status(waiting)) == ("FAILED", "PENDING")


def test_a_mail_with_large_texts_can_be_edited(service, mail):
    """Texts that lie in the bucket are replaced by those a person types, and cannot be cleared."""
    mail_id = service.outbox.enqueue(mail(insert_code={"a": "x" * 300_000})).id
    service.support.edit(mail_id, {"to": "right@example.com", "subject": "New"}, "alice")
    service.support.edit(mail_id, {"text": "Typed by hand."}, "alice")
    with pytest.raises(InvalidMail, match="insert_code: lies in the bucket"):
        service.support.edit(mail_id, {"insert_code": {}}, "alice")
    service.ring_until_quiet()
    sent = service.api.sent[0]
    assert (sent.to.email, sent.subject, sent.text) == ("right@example.com", "New", "Typed by hand.")
    assert len(sent.insert_code["a"]) == 300_000
