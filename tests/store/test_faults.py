"""What the SDK and DynamoDB do on a bad day: lost answers, conflicts, throttling."""

from datetime import UTC, datetime, timedelta

import botocore.exceptions
import pytest
from botocore.awsrequest import AWSResponse

from outbox.core import transitions
from outbox.core.change import CheckedRow, Expect, Patch
from outbox.core.errors import AlreadyThere, Lost
from outbox.core.retention import Retention
from outbox.core.row import Row
from outbox.core.states import Cause, StateChange, Status
from outbox.core.transitions import Stamp
from outbox.testing import FakeMailApi, TickingClock
from tests.conftest import Service, make_mail

pytestmark = pytest.mark.stack
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Fault:
    """Plays a fault on the next calls of one operation."""

    def __init__(self, store, operation, times=1):
        self.events, self.operation, self.left, self.played = store.client.meta.events, operation, times, 0

    def _play(self):
        self.left -= 1
        if self.left < 0:
            return False
        self.played += 1
        return True

    def lost_answer(self):
        """Commit, and never tell the caller (nor let the SDK try again)."""

        def play(**_):
            if self._play():
                raise ConnectionResetError

        self.events.register(f"after-call.dynamodb.{self.operation}", play)
        return self

    def torn(self):
        """Break the connection before anything is sent; the SDK tries again by itself."""

        def play(**_):
            if self._play():
                raise botocore.exceptions.EndpointConnectionError(endpoint_url="x")

        self.events.register(f"before-send.dynamodb.{self.operation}", play)
        return self

    def answer(self, code, status=400, **more):
        """Let the service answer with an error."""
        import json

        body = json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": code} | more).encode()

        def play(request, **_):
            if not self._play():
                return None
            response = AWSResponse(request.url, status, {}, None)
            response._content = body
            return response

        self.events.register(f"before-send.dynamodb.{self.operation}", play)
        return self


def claimed():
    """Make a row that a worker has in its hands."""
    item = transitions.new(make_mail(), "a", Stamp(NOW, "tester"))
    return CheckedRow(item | {"status": "SENDING"}, StateChange(Cause.CLAIM, None, Status.SENDING))


CONFLICT = {"CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict", "Message": "x"}]}
MIXED = {"CancellationReasons": [{"Code": "ConditionalCheckFailed", "Message": "x"}, {"Code": "TransactionConflict"}]}


@pytest.mark.parametrize("reasons", [CONFLICT, MIXED])
def test_transactions_that_collide_are_tried_again(embedded, reasons):
    """A conflict, also beside a failed condition, is no answer yet."""
    item = claimed()
    embedded.add(item, once=False)
    fault = Fault(embedded, "TransactWriteItems", 3).answer("TransactionCanceledException", **reasons)
    embedded.finish(
        "a",
        Expect({"revision": 1, "status": "SENDING"}),
        transitions.sent(Row(item), "1", Stamp(NOW, "tester"), Retention(400)),
    )
    assert fault.played == 3
    assert embedded.get("a") is None


@pytest.mark.parametrize(
    "code", ["TransactionConflictException", "ThrottlingException", "ProvisionedThroughputExceededException"]
)
def test_single_writes_ride_out_conflicts_and_throttling(embedded, code):
    """A write that met another one, or too many, is tried again."""
    embedded.add(transitions.new(make_mail(), "a", Stamp(NOW, "tester")), once=False)
    fault = Fault(embedded, "UpdateItem", 2).answer(code)
    assert embedded.update("a", Expect(), Patch({"x": 1}))["x"] == 1
    assert fault.played == 2


def test_a_conflict_without_end_is_an_error_not_a_lost_row(embedded):
    """After so many tries the caller hears of it; nothing was written."""
    item = claimed()
    embedded.add(item, once=False)
    Fault(embedded, "TransactWriteItems", 99).answer("TransactionCanceledException", **CONFLICT)
    with pytest.raises(botocore.exceptions.ClientError):
        embedded.finish(
            "a",
            Expect({"status": "SENDING"}),
            transitions.sent(Row(item), "1", Stamp(NOW, "tester"), Retention(400)),
        )
    assert embedded.get("a") == item


def test_an_error_that_is_no_condition_is_not_taken_for_one(embedded):
    """Access denied is not a lost claim."""
    embedded.add(transitions.new(make_mail(), "a", Stamp(NOW, "tester")), once=False)
    Fault(embedded, "UpdateItem").answer("AccessDeniedException")
    with pytest.raises(botocore.exceptions.ClientError):
        embedded.update("a", Expect(), Patch({"x": 1}))


@pytest.mark.parametrize("once", [True, False])
def test_an_enqueue_whose_answer_was_lost_is_one_row(embedded, once):
    """The same row again is a success, not a duplicate."""
    item = transitions.new(make_mail(), "a", Stamp(NOW, "tester"))
    Fault(embedded, "TransactWriteItems" if once else "PutItem").lost_answer()
    with pytest.raises(ConnectionResetError):
        embedded.add(item, once=once)
    embedded.add(item, once=once)
    assert embedded.get("a") == item
    with pytest.raises(AlreadyThere):
        embedded.add(item | {"fingerprint": "other"}, once=once)


def test_a_claim_whose_answer_was_lost_is_ours_and_nobody_elses(embedded):
    """Asked again it is ours; another worker's is not."""
    item = transitions.new(make_mail(), "a", Stamp(NOW, "tester"))
    embedded.add(item, once=False)
    expect, patch = transitions.claim(item, NOW, timedelta(seconds=9), "mine")
    Fault(embedded, "UpdateItem").lost_answer()
    with pytest.raises(ConnectionResetError):
        embedded.update("a", expect, patch)
    assert embedded.update("a", expect, patch)["claim"] == "mine"
    with pytest.raises(Lost):
        embedded.update("a", *transitions.claim(item, NOW, timedelta(seconds=9), "theirs"))


BOUNDARIES = [("UpdateItem", 1), ("UpdateItem", 2), ("TransactWriteItems", 1)]


@pytest.mark.parametrize(("operation", "times"), BOUNDARIES)
@pytest.mark.parametrize("how", ["lost_answer", "torn"])
@pytest.mark.parametrize("outcome", ["sent", "refused", "unknown"])
def test_deliver_survives_a_fault_at_each_of_its_writes(embedded, operation, times, how, outcome):
    """Whatever write loses its answer or its connection: one place, at most one mail, found again by its time."""
    from outbox.core.errors import OutcomeUnknown, Rejected
    from outbox.core.row import Row as RowOf

    clock = TickingClock(datetime.now(UTC))
    api = FakeMailApi()
    service = Service(embedded, api, clock, threads=1)

    def answer(sent):
        if outcome == "refused":
            raise Rejected("no.")
        accepted = api.accept(sent)
        if outcome == "unknown":
            raise OutcomeUnknown("no answer.")
        return accepted

    api.answer = answer
    mail_id = service.outbox.enqueue(make_mail()).id
    bell = {"id": mail_id, "status": "PENDING", "revision": 1}
    getattr(Fault(embedded, operation, times), how)()
    from outbox.core.doorbell import Ask, Doorbell

    for _ in range(3):
        service.deliver([Doorbell(mail_id, Ask.SEND, bell, {})])
    for _ in range(3):
        clock.forward(minutes=10)
        service.dispatch()
    row = RowOf(embedded.get(mail_id) or embedded.get_finished(mail_id))
    assert (embedded.get(mail_id) is None) != (embedded.get_finished(mail_id) is None)
    assert len(api.sent) <= 1
    assert (
        row.status in {"sent": {"SENT", "UNKNOWN"}, "refused": {"FAILED", "UNKNOWN"}, "unknown": {"UNKNOWN"}}[outcome]
    )
    if row.status == "SENT":
        assert len(api.sent) == 1
