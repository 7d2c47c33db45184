"""What a claim writes: it takes the row, and moves it in the index of what is due only if it must."""

from datetime import timedelta

import pytest

from outbox.core import clock, transitions
from outbox.core.transitions import Stamp
from tests.conftest import make_mail

NOW = clock.parse("2026-01-01T00:00:00.000Z")
LEASE = timedelta(minutes=3)


def row(**more):
    return {**transitions.new(make_mail(), "m", Stamp(NOW, "shop")), **more}


def test_a_row_claimed_at_once_stays_where_it_is():
    """Nothing of the index is written, and the claim holds only while the row is there."""
    expect, patch = transitions.claim(row(), NOW + timedelta(seconds=1), LEASE, "token")

    assert not patch.assign.keys() & {"lane", "due_at"}
    assert expect.holds(row())
    assert not expect.holds(row(due_at=clock.text(NOW)))
    assert not expect.holds(row(lane="normal-x"))


@pytest.mark.parametrize(
    ("seconds", "typed"),
    [
        (61, {}),  # less than a lease is left
        (1, {"due_at": "2099-01-01T00:00:00.000Z"}),  # nobody would look at it again
        (1, {"due_at": "soon"}),
        (1, {"due_at": clock.text(NOW)}),
        (1, {"lane": "nowhere"}),
        (1, {"urgent": True}),  # its lane is another one now
    ],
)
def test_any_other_row_is_due_when_the_lease_ends(seconds, typed):
    """Whatever stood there, somebody looks at the row again when the lease is over."""
    now = NOW + timedelta(seconds=seconds)
    there = row(**typed)

    patch = transitions.claim(there, now, LEASE, "token")[1]

    assert patch.assign["due_at"] == clock.text(now + LEASE)
    assert patch.applied(there)["lane"] == transitions.due(transitions.Row(there), now)["lane"]


def test_a_row_moved_by_hand_before_its_claim_is_sent_all_the_same(service, mail):
    """The claim of the first doorbell fails, and the edit has rung again."""
    mail_id = service.outbox.enqueue(mail()).id
    bells = service.doorbells()
    service.store.edit(mail_id, due_at="2099-01-01T00:00:00.000Z")

    service.deliver(bells)
    assert service.status(mail_id) == "PENDING"
    service.ring_until_quiet()

    assert service.status(mail_id) == "SENT"
    assert len(service.api.sent) == 1
