"""What can be done about a mail: each choice that is offered can be made, and says what is of use first."""

from dataclasses import replace

import pytest

from outbox.core.errors import OutcomeUnknown, Rejected
from outbox.core.retention import Retention
from outbox.core.row import Row
from outbox.core.states import IN_FLIGHT, Status
from outbox.flows.again import Again
from outbox.flows.choices import USUAL, Choice, choices
from outbox.flows.suppression import SuppressionList
from outbox.testing import MemorySuppressions


def refuse(_mail):
    raise Rejected("to: unknown. (400)")


def no_answer(_mail):
    raise OutcomeUnknown("no answer.")


def a_mail_in(service, mail, state):
    """Bring a mail into a state; give its row."""
    service.look_up_minutes = 15 if state == "CHECKING" else 0
    service.api.answer = {"FAILED": refuse, "UNKNOWN": no_answer, "CHECKING": no_answer}.get(state)
    if state == "SUPPRESSED":
        service.suppression = SuppressionList(MemorySuppressions(), service.clock)
        service.suppression.add("taro@example.com", "bob", "he asked for it.")
    later = service.clock().replace(year=2030) if state == "WAITING" else None
    mail_id = service.outbox.enqueue(mail(), send_at=later).id
    if state in ("FAILED", "UNKNOWN", "CHECKING", "SENT", "SUPPRESSED"):
        service.ring_until_quiet()
    if state in ("HELD", "CANCELLED"):
        getattr(service.support, {"HELD": "hold", "CANCELLED": "cancel"}[state])(mail_id, "bob")
    if state == "ODD":
        service.store.edit(mail_id, status="SNED")
    service.api.answer = None
    return service.row(mail_id)


EXPECTED = {
    "PENDING": "edit hold cancel",
    "WAITING": "resend edit hold cancel",
    "CHECKING": "",
    "FAILED": "edit resend hold cancel",
    "SUPPRESSED": "edit resend hold cancel anyway",
    "UNKNOWN": "confirm resend cancel hold",
    "HELD": "release edit cancel",
    "SENT": "anew",
    "CANCELLED": "reopen anew",
    "ODD": "edit resend cancel",
}


@pytest.mark.parametrize("state", EXPECTED)
def test_what_is_offered_in_each_state(service, mail, state):
    """The most useful first."""
    assert " ".join(choices(a_mail_in(service, mail, state))) == EXPECTED[state]


@pytest.mark.parametrize(("state", "choice"), [(state, each) for state in EXPECTED for each in EXPECTED[state].split()])
def test_what_is_offered_can_be_done(service, mail, state, choice):
    """None of them is refused."""
    mail_id, support = a_mail_in(service, mail, state).id, service.support
    service.clock.forward(days=1)
    again = Again(service.store, service.files, service.clock)
    acts = {
        Choice.EDIT: lambda: support.edit(mail_id, {"subject": "Corrected"}, "alice"),
        Choice.ANYWAY: lambda: support.resend(mail_id, "alice", anyway=True),
        Choice.ANEW: lambda: again(mail_id, "alice"),
    }
    act = acts.get(Choice(choice)) or (lambda: getattr(support, choice)(mail_id, "alice"))
    assert act().timeline[-1]["who"] == "alice"


def test_nothing_is_offered_while_it_is_being_sent():
    """Whatever else stands on the row."""
    for status in IN_FLIGHT:
        assert choices(Row({"status": str(status), "error": "suppressed", "text": "x"})) == ()


def test_every_state_has_its_choices():
    """Also a word that is none, and each choice is offered somewhere."""
    assert USUAL.keys() == {*Status, None}
    assert {choice for some in USUAL.values() for choice in some} == set(Choice)


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ({"forgotten_at": "2026-01-01T00:00:00.000Z"}, ""),
        ({"resent_as": [{"id": "b"}]}, "anew"),
        ({"timeline": [{"what": "sent-twice", "delivery_id": "7"}]}, "anew"),
    ],
)
def test_what_is_impossible_is_not_offered(service, mail, change, left):
    """A cancelled mail that cannot be reopened, or of which no new one can be made."""
    row = a_mail_in(service, mail, "CANCELLED")
    assert " ".join(choices(Row({**row.item, **change}))) == left


def test_nothing_is_offered_for_what_history_did_not_keep(service, mail):
    """Without its texts a mail is only a record."""
    mail_id = a_mail_in(service, mail, "HELD").id
    replace(service.support, keep=Retention(400, bodies=False)).cancel(mail_id, "bob")
    assert choices(service.row(mail_id)) == ()
