"""Several dispatchers: each works on a part of the shards, and none leaves a part alone that nobody works on."""

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from outbox.flows.dispatch import Dispatch
from outbox.flows.lease import Lease
from outbox.flows.reconcile import Reconcile
from tests.conftest import make_mail

PARTS = 2


@pytest.fixture
def dispatch(service):
    """Give a run of one of two dispatchers."""

    def run(*, start=service.start_dispatch, parts=PARTS, **more):
        sender = service.sender("dispatch")
        reconcile = Reconcile(
            service.store, service.records, sender.limiter, service.clock, service.pause, "dispatch", 180.0,
            service.keep, service.files,
        )  # fmt: skip
        whole = Dispatch(sender, reconcile, service.register, start, service.threads, parts)
        return whole(service.deadline, **more)

    return run


@pytest.fixture
def waiting(service):
    """Give the ids of mails that are due, some in each part."""
    ids = [service.outbox.enqueue(make_mail(subject=str(number))).id for number in range(40)]
    parts = {part_of(service, mail_id) for mail_id in ids}
    assert parts == set(range(PARTS))
    service.clock.forward(minutes=10)
    return ids


def part_of(service, mail_id):
    return int(service.store.get(mail_id)["lane"].rpartition("-")[2]) % PARTS


def lease(service, part):
    return Lease(service.register, service.clock, f"dispatch-{part}")


def test_one_dispatcher_empties_all_parts(service, dispatch, waiting):
    """The others may not have been started, or have died."""
    assert dispatch() == {"sent": len(waiting)}
    assert {service.status(mail_id) for mail_id in waiting} == {"SENT"}


@pytest.mark.parametrize("held", range(PARTS))
def test_a_part_in_work_is_left_to_who_works_on_it(service, dispatch, waiting, held):
    """Whichever it is; and it is worked on as soon as that one is gone."""
    mine = [mail_id for mail_id in waiting if part_of(service, mail_id) == held]
    other = lease(service, held)
    assert other.take()
    assert dispatch() == {"sent": len(waiting) - len(mine)}
    assert {service.status(mail_id) for mail_id in mine} == {"PENDING"}
    other.free()
    assert dispatch() == {"sent": len(mine)}
    assert len(service.api.sent) == len(waiting)


def test_who_finds_all_parts_in_work_ends_at_once(service, dispatch, waiting):
    """Nothing is read, nothing sent."""
    assert all(lease(service, part).take() for part in range(PARTS))
    assert dispatch() == {"busy": 1}
    assert service.api.sent == []


def test_a_part_that_never_gets_empty_does_not_keep_the_others_waiting(service, dispatch):
    """Another part comes first each second."""
    firsts = set()
    for _ in range(PARTS):
        ids = {str(n): service.outbox.enqueue(make_mail(subject=str(n))).id for n in range(20)}
        parts = {subject: part_of(service, mail_id) for subject, mail_id in ids.items()}
        assert set(parts.values()) == set(range(PARTS))
        # Both runs at one moment of the minute would begin with one part.
        service.clock.forward(minutes=10, seconds=1)
        before = len(service.api.sent)
        dispatch()
        firsts.add(parts[service.api.sent[before].subject])
    assert firsts == set(range(PARTS))


def test_a_long_backlog_calls_all_the_others_once(service, dispatch):
    """Each of four dispatchers has a part, and one that was called by another calls none: chains stay short."""
    for number in range(400):
        service.outbox.enqueue(make_mail(subject=str(number)))
    service.clock.forward(minutes=10)
    dispatch(parts=4)
    assert service.started == 3 * 4
    for number in range(400):
        service.outbox.enqueue(make_mail(subject=f"again {number}"))
    service.clock.forward(minutes=10)
    dispatch(parts=4, helper=True)
    assert service.started == 3 * 4
    assert len(service.api.sent) == 800


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "RecursiveInvocationException", "Message": "stopped"}}, "Invoke"),
        ClientError({"Error": {"Code": "TooManyRequestsException", "Message": "slow down"}}, "Invoke"),
        ConnectTimeoutError(endpoint_url="https://lambda.example"),
        RuntimeError("a bug"),
    ],
)
@pytest.mark.parametrize("parts", [1, 2, 4])
def test_a_start_that_fails_ends_no_run(service, dispatch, parts, error):
    """Whatever AWS says to the start of another dispatcher, this one goes on to the last mail."""

    def refuse():
        raise error

    for number in range(400):
        service.outbox.enqueue(make_mail(subject=str(number)))
    service.clock.forward(minutes=10)
    assert dispatch(start=refuse, parts=parts) == {"sent": 400}
    assert len(service.api.sent) == 400
