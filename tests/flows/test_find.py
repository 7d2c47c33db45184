"""A person finds a mail by what they know of it."""

import pytest

from outbox import InvalidRequest
from outbox.core.errors import Rejected
from outbox.core.states import Status
from outbox.flows.find import Find, Wanted


@pytest.fixture
def found(service, mail):
    """Give a search over a failed, a waiting, a cancelled and two sent mails."""

    def answer(sent):
        if sent.to.email == "wrong@example.com":
            raise Rejected("to: unknown. (400)")
        return service.api.accept(sent)

    service.api.answer, service.threads = answer, 1
    enqueue = service.outbox.enqueue
    names = {
        enqueue(mail(to="wrong@example.com", subject="Refused", tags=["billing"])).id: "failed",
        enqueue(mail(to="Taro <Taro@example.com>", subject="First")).id: "sent",
        enqueue(mail(to="hanako@example.com", subject="Second", tags=["billing"])).id: "other",
        enqueue(mail(to="taro@example.com", subject="Later"), send_at=service.clock().replace(year=2027)).id: "waiting",
    }
    service.ring_until_quiet()
    gone = enqueue(mail(to="taro@example.com", subject="Never mind")).id
    service.support.cancel(gone, "alice")
    names[gone] = "cancelled"

    def find(limit=50, **wanted):
        return [names[row.id] for row in Find(service.store, service.clock)(Wanted(**wanted), limit)]

    return find


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({}, {"failed", "waiting"}),
        ({"status": Status.FAILED}, {"failed"}),
        ({"status": Status.WAITING}, {"waiting"}),
        ({"status": Status.SENT}, {"sent", "other"}),
        ({"status": Status.CANCELLED}, {"cancelled"}),
        ({"status": Status.HELD}, set()),
        ({"to": "taro@example.com"}, {"waiting", "sent", "cancelled"}),
        ({"to": "TARO@EXAMPLE.COM", "status": Status.SENT}, {"sent"}),
        ({"delivery_id": "1"}, {"sent"}),
        ({"day": "2026-01-01"}, {"sent", "other", "cancelled"}),
        ({"day": "2026-01-01", "tag": "billing"}, {"other"}),
        ({"day": "2025-12-31"}, set()),
        ({"tag": "billing"}, {"failed"}),
        ({"text": "unknown."}, {"failed"}),
        ({"text": "later"}, {"waiting"}),
    ],
)
def test_finds_by_state_recipient_delivery_day_tag_and_text(found, wanted, names):
    """Each question is answered from the index that fits it."""
    assert set(found(**wanted)) == names


def test_lists_at_most_so_many(found):
    """The limit holds over all indexes together."""
    assert len(found(limit=1)) == 1


@pytest.mark.parametrize("bad", [{"limit": 0}, {"limit": 10_001}, {"day": "yesterday"}, {"day": "2026-02-30"}])
def test_refuses_questions_that_make_no_sense(found, bad):
    """A wrong day or limit is said, not answered with nothing."""
    with pytest.raises(InvalidRequest):
        found(**bad)


def test_leaves_out_what_has_expired(service, mail, found):
    """History the table has not deleted yet is over all the same."""
    service.clock.forward(days=401)
    assert found(to="taro@example.com", status=Status.SENT) == []
