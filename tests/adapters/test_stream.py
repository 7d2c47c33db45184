"""Stream batches: doorbells out of them, and never an exception."""

import json
from decimal import Decimal

import pytest
from boto3.dynamodb.types import TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from outbox.adapters import stream
from outbox.core.doorbell import Ask
from outbox.testing import TickingClock

wire = TypeSerializer().serialize


class Context:
    def get_remaining_time_in_millis(self):
        return 60_000


def image(item):
    return {name: wire(value) for name, value in item.items()} if item is not None else None


def record(name, before=None, after=None, number="1", keys=("id",), **more):
    some = after or before
    images = {"OldImage": image(before), "NewImage": image(after)}
    change = {name: value for name, value in images.items() if value is not None}
    change |= {
        "Keys": {key: {"S": some.get(key, "x")} for key in keys},
        "SequenceNumber": number,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    return {"eventID": "e", "eventName": name, "eventSource": "aws:dynamodb", "dynamodb": change, **more}


def heard(event, again=()):
    got = []

    def answer(doorbells, deadline):
        got.extend(doorbells)
        assert deadline == TickingClock()().timestamp() + 58
        return set(again)

    return got, stream.for_each_doorbell(event, Context(), TickingClock(), answer)


ROW = {"id": "a", "status": "PENDING", "revision": 1, "urgent": True, "subject": "x"}


def test_a_new_row_rings():
    """An insert of a PENDING row is a doorbell with its key, revision and urgency and nothing of the mail."""
    bells, answer = heard({"Records": [record("INSERT", None, ROW)]})
    assert [(bell.id, bell.ask, bell.seen) for bell in bells] == [
        ("a", Ask.SEND, {"id": "a", "status": "PENDING", "revision": 1, "urgent": True})
    ]
    assert answer == {"batchItemFailures": []}


def test_reports_what_must_ring_again_by_its_sequence_number():
    """Only the records that were not answered come back."""
    rows = [record("INSERT", None, ROW | {"id": name}, number=name * 3) for name in "abc"]
    _, answer = heard({"Records": rows}, again={0, 2})
    assert answer == {"batchItemFailures": [{"itemIdentifier": "aaa"}, {"itemIdentifier": "ccc"}]}


@pytest.mark.parametrize(
    "quiet",
    [
        record("REMOVE", ROW),
        record("REMOVE", ROW, None, userIdentity={"type": "Service", "principalId": "dynamodb.amazonaws.com"}),
        record(
            "MODIFY",
            ROW,
            ROW | {"status": "SENDING", "revision": 2, "lane": "normal-1", "due_at": "2026-01-01T00:00:00.000Z"},
        ),
        record("INSERT", None, {"pk": "x", "sk": "y"}, keys=("pk", "sk")),
        record("INSERT", None, {"id": "x", "other": "y"}, keys=("id", "other")),
        {},
        {"eventName": "INSERT"},
        {"eventName": "EXPLODE", "dynamodb": {}},
        {"eventName": "INSERT", "dynamodb": None},
        {"eventName": "INSERT", "dynamodb": {"Keys": {"id": {"S": "x"}}}},
        {"eventName": "INSERT", "dynamodb": {"Keys": {"id": {"S": "x"}}, "NewImage": {"id": {"Z": 1}}}},
        {"eventName": "INSERT", "dynamodb": {"Keys": [], "NewImage": 5}},
        "garbage",
        None,
        5,
    ],
)
def test_what_is_no_change_of_a_mail_is_ignored_and_the_rest_goes_on(quiet):
    """Removals, foreign records and garbage ring nothing and harm no neighbour."""
    bells, answer = heard({"Records": [quiet, record("INSERT", None, ROW)]})
    assert [bell.id for bell in bells] == ["a"]
    assert answer == {"batchItemFailures": []}


@pytest.mark.parametrize("event", [None, 5, "x", [], {}, {"Records": None}, {"Records": {}}, {"Records": []}])
def test_an_event_without_records_is_answered(event):
    """Garbage instead of a batch is logged, not raised: raising would bring it back."""
    assert heard(event) == ([], {"batchItemFailures": []})


def test_numbers_and_sets_are_read_as_plain_values():
    """A revision is a whole number whatever DynamoDB calls it."""
    bells, _ = heard({"Records": [record("INSERT", None, ROW | {"revision": Decimal(7), "tags": {"a"}})]})
    assert bells[0].seen["revision"] == 7
    assert type(bells[0].seen["revision"]) is int


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["S", "N", "id", "status", "M", "L", "B", "x"]), inner, max_size=3)
    ),
    max_leaves=10,
)
fields = st.sampled_from(["eventName", "dynamodb", "Keys", "NewImage", "OldImage", "SequenceNumber"])


@given(
    st.lists(
        st.dictionaries(fields, json_like | st.sampled_from(["INSERT", "MODIFY", "REMOVE"])) | json_like, max_size=4
    )
)
def test_no_event_whatever_makes_it_raise(records):
    """Any JSON at all is answered."""
    _, answer = heard(json.loads(json.dumps({"Records": records})))
    assert answer == {"batchItemFailures": []}


SERVICE = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
SENT = {"id": "a", "status": "SENT", "files": 1, "attachments": [{"name": "a.txt", "key": "mails/a/1/0"}]}


def as_aws(name, before=None, after=None, number="1", **more):
    """Give a record with everything AWS writes on one."""
    made = record(name, before, after, number)
    made["dynamodb"] |= {"ApproximateCreationDateTime": 1767225600.0, "SizeBytes": 321}
    table = "arn:aws:dynamodb:ap-northeast-1:123456789012:table/outbox-history/stream/2026-01-01T00:00:00.000"
    return made | {
        "eventID": "c4ca4238a0b923820dcc509a6f75849b",
        "eventVersion": "1.1",
        "awsRegion": "ap-northeast-1",
        "eventSourceARN": table,
        **more,
    }


def taken(for_each, event, again=()):
    """Give the ids of the rows a flow was handed, and the answer."""
    ids = []

    def flow(rows):
        ids.extend(row["id"] for row in rows)
        return set(again)

    return ids, for_each(event, flow)


NOT_EXPIRED = [
    as_aws("REMOVE", SENT),
    as_aws("REMOVE", SENT, userIdentity=None),
    as_aws("REMOVE", SENT, userIdentity="Service"),
    as_aws("REMOVE", SENT, userIdentity={"type": "Service", "principalId": "replication.dynamodb.amazonaws.com"}),
    as_aws("REMOVE", SENT, userIdentity={"type": "AssumedRole", "principalId": "dynamodb.amazonaws.com"}),
    as_aws("MODIFY", SENT, SENT | {"note": "x"}, userIdentity=SERVICE),
    as_aws("INSERT", None, SENT, userIdentity=SERVICE),
    {"eventName": "REMOVE", "userIdentity": SERVICE},
    {"eventName": "REMOVE", "userIdentity": SERVICE, "dynamodb": {"Keys": {"id": {"S": "a"}}}},
    {"eventName": "REMOVE", "userIdentity": SERVICE, "dynamodb": {"OldImage": {"id": {"N": "1"}}}},
    {"eventName": "REMOVE", "userIdentity": SERVICE, "dynamodb": {"OldImage": {"id": {"Z": "1"}}}},
    {"eventName": "REMOVE", "userIdentity": SERVICE, "dynamodb": {"OldImage": 5}},
    {},
    None,
    "garbage",
]


@pytest.mark.parametrize("other", NOT_EXPIRED)
def test_only_what_ttl_removed_is_cleaned_up(other):
    """A hand delete, a write and garbage in the same batch are passed over, and the others are not."""
    batch = [as_aws("REMOVE", SENT | {"id": name}, number=name, userIdentity=SERVICE) for name in ("a", "b")]
    event = {"Records": [batch[0], other, batch[1]]}
    assert taken(stream.for_each_expired, event) == (["a", "b"], {"batchItemFailures": []})


def test_a_mixed_batch_reports_the_failed_rows_by_their_own_numbers():
    """Positions count the rows that were handed on, numbers the records."""
    event = {
        "Records": [
            as_aws("REMOVE", SENT | {"id": "hand"}, number="100"),
            as_aws("REMOVE", SENT | {"id": "a"}, number="101", userIdentity=SERVICE),
            as_aws("MODIFY", SENT, SENT | {"x": 1}, number="102"),
            as_aws("REMOVE", SENT | {"id": "b"}, number="103", userIdentity=SERVICE),
        ]
    }
    assert taken(stream.for_each_expired, event, again={1}) == (
        ["a", "b"],
        {"batchItemFailures": [{"itemIdentifier": "103"}]},
    )


@pytest.mark.parametrize(
    "other",
    [
        as_aws("INSERT", None, ROW),
        as_aws("INSERT", None, ROW | {"files": 0}),
        as_aws("MODIFY", ROW, SENT),
        as_aws("REMOVE", SENT, userIdentity=SERVICE),
        {"eventName": "INSERT", "dynamodb": {"NewImage": {"files": {"N": "1"}}}},
        {"eventName": "INSERT", "dynamodb": {"NewImage": 5}},
        {"eventName": "INSERT"},
        5,
    ],
)
def test_only_new_rows_with_files_are_kept(other):
    """Whatever else the filter lets through is passed over."""
    event = {"Records": [other, as_aws("INSERT", None, SENT, number="7")]}
    assert taken(stream.for_each_kept, event, again={0}) == (["a"], {"batchItemFailures": [{"itemIdentifier": "7"}]})


@pytest.mark.parametrize("for_each", [stream.for_each_kept, stream.for_each_expired])
@pytest.mark.parametrize("event", [None, 5, "x", [], {}, {"Records": None}, {"Records": []}])
def test_an_event_without_records_is_nothing_to_keep_or_clean_up(for_each, event):
    """Garbage instead of a batch is answered."""
    assert taken(for_each, event) == ([], {"batchItemFailures": []})


@given(
    st.lists(
        st.dictionaries(
            fields | st.just("userIdentity"), json_like | st.sampled_from(["INSERT", "REMOVE"]) | st.just(SERVICE)
        )
        | json_like,
        max_size=4,
    )
)
def test_no_event_whatever_makes_keeping_and_cleaning_up_raise(records):
    """Any JSON at all is answered."""
    for for_each in (stream.for_each_kept, stream.for_each_expired):
        _, answer = taken(for_each, json.loads(json.dumps({"Records": records})))
        assert answer == {"batchItemFailures": []}
