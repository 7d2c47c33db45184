"""An edit against the mail as a person saw it: whatever changed since, by whomever and however, is not overwritten."""

from decimal import Decimal

import pytest

from outbox import Attachment, ChangedMeanwhile, InvalidMail
from outbox.core.errors import Rejected
from outbox.core.version import VERSIONED


@pytest.fixture
def failed(service, mail):
    """Give the id of a FAILED row with something in most of its fields."""
    service.api.answer = lambda _mail: (_ for _ in ()).throw(Rejected("to: unknown. (400)"))
    parts = {"cc": ["cc@example.com"], "tags": ["a"], "attachments": [Attachment("a.txt", b"a")]}
    mail_id = service.outbox.enqueue(mail(**parts)).id
    service.ring_until_quiet()
    service.api.answer = None
    return mail_id


def edit(service, mail_id, version, **more):
    return service.support.edit(mail_id, {"subject": "Hers"}, "alice", version=version, **more)


def test_an_edit_of_what_one_saw_is_saved(service, failed):
    """Nothing has changed, so it is saved, and the mail has another version then."""
    seen = service.row(failed).version
    row = edit(service, failed, seen, send=True)
    assert (row.item["subject"], row.status) == ("Hers", "PENDING")
    assert row.version == service.row(failed).version != seen


def test_without_a_version_only_what_is_changed_must_be_as_it_was(service, failed):
    """A raw edit of another field stands beside it, as ever."""
    service.store.edit(failed, text="Typed by hand.")
    edit(service, failed, "")
    assert (service.row(failed).mail().subject, service.row(failed).mail().text) == ("Hers", "Typed by hand.")


HANDS = {
    "subject": "His",
    "text": "Typed by hand.",
    "html": "<p>new</p>",
    "cc": None,
    "bcc": {"set@example.com"},
    "tags": [b"bytes", {"a": Decimal("1.5")}],
    "attachments": None,
    "send_at": "2027-01-01T00:00:00.000Z",
    "status": "HELD",
    "revision": 1,
    "body": {"key": "mails/x"},
    "urgent": True,
    "insert_code": {"a": 5},
}


@pytest.mark.parametrize("name", HANDS)
def test_a_raw_edit_since_the_look_is_told(service, failed, name):
    """Of any field, also one that is not to be changed: the person looks again, and nothing is overwritten."""
    seen = service.row(failed).version
    service.store.edit(failed, **{name: HANDS[name]})
    before = service.store.get(failed)
    with pytest.raises(ChangedMeanwhile):
        edit(service, failed, seen)
    assert service.store.get(failed) == before


@pytest.mark.parametrize("name", HANDS)
def test_a_raw_edit_between_the_read_and_the_write_is_told(service, failed, name):
    """The write itself has the condition, on fields the row has and on those it lacks."""
    seen, update = service.row(failed).version, service.store.update

    def raced(*args):
        service.store.edit(failed, **{name: HANDS[name]})
        return update(*args)

    service.store.update = raced
    with pytest.raises(ChangedMeanwhile):
        edit(service, failed, seen)
    assert service.store.get(failed)["subject"] == ("His" if name == "subject" else "Hello")


def test_the_write_names_every_field_of_the_version(service, failed):
    """Not one can slip in between."""
    expected, update = [], service.store.update

    def noted(mail_id, expect, patch):
        expected.append(set(expect.equals))
        return update(mail_id, expect, patch)

    service.store.update = noted
    edit(service, failed, service.row(failed).version)
    assert expected == [set(VERSIONED)]


def test_a_note_beside_the_mail_is_not_in_the_way(service, failed):
    """What is no part of the mail may change."""
    seen = service.row(failed).version
    service.store.edit(failed, note="called the customer")
    assert edit(service, failed, seen).item["note"] == "called the customer"


def test_somebody_elses_save_is_told(service, failed):
    """The console of another person."""
    seen = service.row(failed).version
    service.support.edit(failed, {"subject": "His"}, "bob")
    with pytest.raises(ChangedMeanwhile):
        edit(service, failed, seen)


def test_revision_and_version_may_be_given_together(service, failed):
    """Each must hold."""
    row = service.row(failed)
    with pytest.raises(ChangedMeanwhile):
        edit(service, failed, row.version, revision=row.revision + 1)
    assert edit(service, failed, row.version, revision=row.revision).item["subject"] == "Hers"


def test_a_row_somebody_broke_can_be_seen_and_repaired(service, failed):
    """Whatever was typed has a version, and the repair is bound to it."""
    service.store.edit(failed, cc=b"\x00", tags={1, 2}, text={"a": [None, Decimal("1E+120")]})
    repaired = {"cc": [], "tags": [], "text": "Good."}
    row = service.support.edit(failed, repaired, "alice", version=service.row(failed).version)
    assert row.mail().text == "Good."


def test_a_wrong_edit_saves_nothing_whatever_the_version(service, failed):
    """The rules of a mail come with the version, not after it."""
    with pytest.raises(InvalidMail):
        service.support.edit(failed, {"to": "nobody"}, "alice", version=service.row(failed).version)


ACTS = {
    "resend": ({"status": "FAILED"}, "PENDING"),
    "release": ({"status": "HELD"}, "PENDING"),
    "confirm": ({"status": "UNKNOWN"}, "SENT"),
}


@pytest.mark.parametrize("act", ACTS)
def test_a_decision_is_about_the_mail_one_saw(service, failed, act):
    """Of an older version nothing is done; of the present one, or of none, it is."""
    change, after = ACTS[act]
    service.store.edit(failed, **change)
    old = service.row(failed).version
    service.store.edit(failed, revision=service.row(failed).revision + 1)
    decide = getattr(service.support, act)
    with pytest.raises(ChangedMeanwhile):
        decide(failed, "alice", version=old)
    assert service.row(failed).status == change["status"]
    assert decide(failed, "alice", version=service.row(failed).version).status == after
