"""What the SDK and DynamoDB do to bounces and the suppression list on a bad day: lost answers, conflicts, silence."""

import json
import secrets
import urllib.request

import botocore.exceptions
import pytest
from botocore.awsrequest import AWSResponse

from outbox.core.bounce import BOUNCE
from outbox.core.errors import InvalidRequest
from tests.store.bounces import EMAIL, bounce


class Fault:
    """Plays a fault on one operation of the SDK."""

    def __init__(self, client, operation, times=1):
        self.client, self.operation, self.left, self.played = client, operation, times, 0

    def answer(self, code, *, committed=False, **more):
        """Answer with an error; with `committed` only after the request was really served."""

        def play(request, **_):
            if self.left <= 0:
                return None
            self.left, self.played = self.left - 1, self.played + 1
            if committed:
                _send(request)
            body = json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": code} | more)
            response = AWSResponse(request.url, 500 if committed else 400, {}, None)
            response._content = body.encode()
            return response

        self.client.meta.events.register_first(f"before-send.dynamodb.{self.operation}", play)
        return self


def _send(request):
    headers = {
        name: value.decode() if isinstance(value, bytes) else str(value) for name, value in request.headers.items()
    }
    again = urllib.request.Request(request.url, request.body, headers, method="POST")
    with urllib.request.urlopen(again) as answered:
        assert answered.status == 200


@pytest.mark.stack
@pytest.mark.parametrize(
    ("operation", "entry"), [("PutItem", None), ("TransactWriteItems", (None, {"email": EMAIL, "errors": {}}))]
)
def test_a_write_whose_answer_was_lost_is_ours(embedded_kept, operation, entry):
    """The SDK tries again by itself; what is there then is our own bounce, not one known before."""
    fault = Fault(embedded_kept.client, operation).answer("InternalServerError", committed=True)
    assert embedded_kept.records.record([bounce()], entry) == set()
    assert fault.played == 1
    assert embedded_kept.records.record([bounce()], entry) == {f"{BOUNCE}a"}


@pytest.mark.stack
def test_a_swap_whose_answer_was_lost_is_ours(embedded_kept):
    """Asked again by the SDK it is still ours; a deletion too."""
    fault = Fault(embedded_kept.client, "PutItem").answer("InternalServerError", committed=True)
    assert embedded_kept.suppressions.swap(EMAIL, None, {"email": EMAIL})
    assert fault.played == 1
    seen = embedded_kept.suppressions.get(EMAIL)
    Fault(embedded_kept.client, "DeleteItem").answer("InternalServerError", committed=True)
    assert embedded_kept.suppressions.swap(EMAIL, seen, None)


CONFLICT = {"CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict", "Message": "x"}]}


def test_a_transaction_that_meets_another_is_tried_again(moto_kept):
    """A conflict is no answer yet."""
    fault = Fault(moto_kept.client, "TransactWriteItems", 3).answer("TransactionCanceledException", **CONFLICT)
    assert moto_kept.records.record([bounce()], (None, {"email": EMAIL})) == set()
    assert fault.played == 3


@pytest.mark.parametrize("entry", [None, (None, {"email": EMAIL})])
def test_an_error_that_is_no_condition_is_raised(moto_kept, entry):
    """Access denied is neither known nor lost."""
    for operation in ("PutItem", "TransactWriteItems"):
        Fault(moto_kept.client, operation, 9).answer("AccessDeniedException")
    with pytest.raises(botocore.exceptions.ClientError):
        moto_kept.records.record([bounce()], entry)
    with pytest.raises(botocore.exceptions.ClientError):
        moto_kept.suppressions.swap(EMAIL, None, {"email": EMAIL})


def test_a_cursor_of_another_list_is_refused(moto_kept):
    """With a sentence instead of the SDK's error."""
    with pytest.raises(InvalidRequest):
        moto_kept.suppressions.page(3, secrets.token_hex(3))
