"""History is asked by what a person knows, and tells what came back of each mail."""

from datetime import timedelta

import pytest

from outbox import InvalidRequest, NotFound
from outbox.core.states import Status
from outbox.flows.history import History, Sought
from tests.flows.bounces import bounce


@pytest.fixture
def history(service):
    """Give history, with one thread, so that deliveries are numbered in order."""
    service.threads = 1
    return History(service.store, service.clock)


@pytest.fixture
def sent(service, history, mail):
    """Give what sends mails under chosen ids."""

    def send(mail_id, **parts):
        service.outbox.enqueue(mail(**parts), idempotency_key=mail_id)
        service.ring_until_quiet()
        return service.row(mail_id)

    return send


def ids(kept):
    return [each.row.id for each in kept]


@pytest.fixture
def three_days(service, sent):
    """Send a mail a day for three days; the middle one has a copy, a tag and came back."""
    sent("old", subject="Welcome")
    service.clock.forward(days=1)
    row = sent("mid", subject="Your ORDER", to="Hanako <hanako@example.com>", cc=["Boss@Example.com"], tags=["shop"])
    service.clock.forward(days=1)
    bounce(service, row.delivery_id, "hanako@example.com")
    sent("new", subject="Your order again")
    gone = service.outbox.enqueue(service.row("new").mail(), idempotency_key="gone").id
    service.support.cancel(gone, "alice")


@pytest.mark.usefixtures("three_days")
@pytest.mark.parametrize(
    ("sought", "found"),
    [
        ({}, {"new", "gone", "mid"}),
        ({"mail_id": "old"}, {"old"}),
        ({"mail_id": "nobody"}, set()),
        ({"mail_id": "outbox:copy:0:mid"}, set()),
        ({"to": "taro@example.com"}, {"old", "new", "gone"}),
        ({"to": "BOSS@example.com"}, {"mid"}),
        ({"to": "taro@example.com", "status": Status.SENT}, {"old", "new"}),
        ({"to": "taro@example.com", "until": "2026-01-02"}, {"old"}),
        ({"to": "nobody@example.com"}, set()),
        ({"delivery_id": "2"}, {"mid"}),
        ({"delivery_id": "99"}, set()),
        ({"since": "2026-01-01", "until": "2026-01-01"}, {"old"}),
        ({"since": "2026-01-01"}, {"old", "mid", "new", "gone"}),
        ({"until": "2026-01-02"}, {"old", "mid"}),
        ({"tag": "shop"}, {"mid"}),
        ({"text": "order"}, {"mid", "new", "gone"}),
        ({"text": "order", "status": Status.CANCELLED}, {"gone"}),
        ({"bounced": True}, {"mid"}),
        ({"bounced": True, "until": "2026-01-01"}, set()),
        ({"bounced": True, "to": "hanako@example.com"}, {"mid"}),
        ({"bounced": True, "to": "taro@example.com"}, set()),
        ({"mail_id": "old", "to": "hanako@example.com"}, set()),
    ],
)
def test_filters_combine(history, sought, found):
    """Each question is answered through the index that fits it, and all that is given must hold."""
    assert set(ids(history.look(Sought(**sought)))) == found


@pytest.mark.usefixtures("three_days")
def test_the_latest_comes_first(history):
    """Days run backwards, and so do the mails of a day, whichever shard they are in."""
    assert ids(history.look(Sought(since="2026-01-01")))[2:] == ["mid", "old"]


def test_pages_are_read_to_the_end(service, history, sent):
    """Many mails on one day and to one address are all found, once each, in the order of their time."""
    for number in range(250):
        sent(f"m-{number:03d}", cc=["boss@example.com"])
        service.clock.forward(seconds=1)
    newest = [f"m-{number:03d}" for number in reversed(range(250))]
    assert ids(history.look(Sought(), 1000)) == newest
    assert ids(history.look(Sought(to="boss@example.com"), 1000)) == newest
    assert ids(history.look(Sought(to="taro@example.com"), 7)) == newest[:7]


@pytest.mark.parametrize(
    "bad",
    [
        {"status": Status.FAILED},
        {"to": "taro"},
        {"since": "yesterday"},
        {"until": "2026-02-30"},
        {"since": "2026-01-02", "until": "2026-01-01"},
        {"since": "2024-01-01", "until": "2026-01-01"},
    ],
)
def test_refuses_questions_that_make_no_sense(history, bad):
    """What nothing can answer is said, not answered with nothing."""
    with pytest.raises(InvalidRequest):
        history.look(Sought(**bad))


@pytest.mark.parametrize("limit", [0, 10_001])
def test_refuses_lists_nobody_reads(history, limit):
    """The limit has limits."""
    with pytest.raises(InvalidRequest):
        history.look(Sought(), limit)
    with pytest.raises(InvalidRequest):
        history.bounces(limit=limit)


def test_leaves_out_what_has_expired(service, history, sent):
    """What the table has not deleted yet is over all the same, bounces too."""
    row = sent("m")
    bounce(service, row.delivery_id, "taro@example.com")
    service.clock.forward(days=401)
    assert history.look(Sought(to="taro@example.com")) == []
    assert history.bounces(to="taro@example.com") == []


def test_a_bounce_belongs_to_delivery_and_recipient(service, history, sent):
    """Events for other addresses of the same delivery id are not shown on the mail; copies' are, in any case."""
    row = sent("m", to="Taro <TARO@Example.com>", cc=["cc@example.com"], bcc=["bcc@example.com"])
    for email in ("taro@example.com", "cc@example.com", "bcc@example.com", "stranger@example.com"):
        bounce(service, row.delivery_id, email)
    shown = [event["recipient"] for event in history.show("m").bounces]
    assert sorted(shown) == ["bcc@example.com", "cc@example.com", "taro@example.com"]


def test_a_bounce_of_a_copy_alone_is_found_by_the_mail(service, history, sent):
    """A mail whose copy came back is one that bounced."""
    row = sent("m", cc=["cc@example.com"])
    bounce(service, row.delivery_id, "cc@example.com", "SOFTERROR")
    assert ids(history.look(Sought(bounced=True))) == ["m"]
    assert [each.mail_id for each in history.bounces(to="cc@example.com")] == ["m"]


def test_a_bounce_that_came_early_is_shown(service, history, sent):
    """A bounce from before its mail was in history is joined when somebody looks."""
    bounce(service, "1", "taro@example.com", ago=timedelta(seconds=2))
    assert [each.mail_id for each in history.bounces()] == [""]
    sent("m")
    assert len(history.show("m").bounces) == 1
    assert [each.mail_id for each in history.bounces()] == ["m"]
    assert history.bounces(unmatched=True) == []


def test_a_bounce_told_by_another_clock(service, history, sent):
    """It may seem to have come on the day before the mail was sent."""
    bounce(service, "1", "taro@example.com", ago=timedelta(seconds=2))
    sent("m")
    assert ids(history.look(Sought(bounced=True, since="2026-01-01"))) == ["m"]


def test_unmatched_bounces_are_told_apart(service, history, sent):
    """An unknown delivery, another address, an event nobody can read: none of them is hidden."""
    row = sent("m")
    bounce(service, row.delivery_id, "taro@example.com")
    strange = {
        bounce(service, "777", "taro@example.com"),
        bounce(service, row.delivery_id, "other@example.com"),
        bounce(service, "", "taro@example.com"),
        bounce(service, row.delivery_id, "", "UNREADABLE", problem="no address", said="{}"),
    }
    assert {each.bounce["id"] for each in history.bounces(unmatched=True)} == strange
    assert len(history.bounces()) == 5


def test_bounces_by_what_a_person_knows(service, history, sent):
    """Bounces are found by address, delivery and day, the latest first; filters combine."""
    row = sent("m", cc=["cc@example.com"])
    first = bounce(service, row.delivery_id, "taro@example.com")
    service.clock.forward(days=3)
    second = bounce(service, row.delivery_id, "cc@example.com")

    def found(**asked):
        return [each.bounce["id"] for each in history.bounces(**asked)]

    assert found() == [second]
    assert found(since="2026-01-01") == [second, first]
    assert found(delivery_id=row.delivery_id) == [second, first]
    assert found(delivery_id=row.delivery_id, to="TARO@example.com") == [first]
    assert found(to="taro@example.com", since="2026-01-02") == []
    assert found(since="2026-01-01", limit=1) == [second]


def test_many_bounces_are_read_to_the_end(service, history):
    """A day of many bounces is listed page by page."""
    for number in range(250):
        bounce(service, str(number), "taro@example.com")
    assert len(history.bounces(limit=1000)) == 250
    assert len(history.bounces(to="taro@example.com", limit=1000)) == 250


def test_a_mail_is_shown_wherever_it_is(service, history, sent, mail):
    """An unsent mail has no bounces; an id nobody has is said."""
    unsent = service.outbox.enqueue(mail()).id
    assert (history.show(unsent).bounces, history.show(sent("m").id).row.status) == ((), "SENT")
    with pytest.raises(NotFound):
        history.show("nobody")


def test_a_cancelled_mail_has_no_bounces_of_others(service, history, mail):
    """Without a delivery id there is nothing to match."""
    gone = service.outbox.enqueue(mail()).id
    service.support.cancel(gone, "alice")
    bounce(service, "", "taro@example.com")
    assert history.show(gone).bounces == ()
