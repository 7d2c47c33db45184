"""Rows in DynamoDB's typed form: ours is the SDK's, only faster."""

import base64
from decimal import Decimal

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from outbox.adapters.wire import from_wire, key_of, to_wire
from outbox.adapters.wire import plain as plainly
from outbox.core.states import Status

plain = st.none() | st.booleans() | st.text() | st.integers(-(10**37), 10**37) | st.binary()
values = st.recursive(plain, lambda part: st.lists(part) | st.dictionaries(st.text(), part), max_leaves=20)


@given(values)
def test_every_value_is_written_as_the_sdk_writes_it(value):
    """At any depth, and it reads back as it was."""
    assert to_wire({"a": value}) == {"a": TypeSerializer().serialize(value)}
    assert from_wire(to_wire({"a": value})) == {"a": value}


@pytest.mark.parametrize("value", [Status.SENT, {"a", "b"}, Decimal("1.5"), (1, "x"), 10**37, [{"x": {"y"}}]])
def test_rare_types_are_left_to_the_sdk(value):
    """Words that are more than text, sets, fractions, tuples."""
    assert to_wire({"a": value}) == {"a": TypeSerializer().serialize(value)}


@pytest.mark.parametrize("value", [1.5, 10**38 + 1, object()])
def test_what_the_sdk_refuses_is_refused(value):
    """No row is written with a value that would come back as another."""
    with pytest.raises(Exception):  # noqa: B017, PT011  whatever the SDK raises
        TypeSerializer().serialize(value)
    with pytest.raises(Exception):  # noqa: B017, PT011
        to_wire({"a": [value]})


@pytest.mark.parametrize("cursor", ["x", "[]", "[" * 100_000, "7"])
def test_a_cursor_that_is_none_is_a_wrong_value(cursor):
    """Whatever stands in an address bar, however deep, ends as an error its reader expects."""
    with pytest.raises((ValueError, TypeError)):
        key_of(base64.urlsafe_b64encode(cursor.encode()).decode())


@pytest.mark.parametrize(
    "typed",
    [
        *(
            {"N": written}
            for written in ("0", "-0", "7", "-7", "1.0", "0.50", "-1.5", "1E+3", "1e-3", "9" * 38, "-" + "9" * 38)
        ),
        {"NULL": True},
        {"BOOL": False},
        {"B": b"x"},
        {"SS": ["a", "b"]},
        {"NS": ["1", "1.5"]},
        {"BS": [b"x", b"y"]},
        {"L": [{"N": "1"}, {"M": {"a": {"S": ""}}}]},
    ],
)
def test_every_type_is_read_as_the_sdk_reads_it(typed):
    """As plain Python: whole numbers as int, binary as bytes, and of the same type."""
    expected = plainly(TypeDeserializer().deserialize(typed))
    read = from_wire({"a": typed})["a"]
    assert (read, type(read)) == (expected, type(expected))


@pytest.mark.parametrize("typed", [{}, {"Z": "x"}, {"S": "x", "N": "1"}, {"N": "x"}, {"N": ""}, {"N": "１-"}, 5, None])
def test_what_is_no_value_is_an_error(typed):
    """A record that DynamoDB did not write is not taken for a row."""
    with pytest.raises(Exception):  # noqa: B017, PT011  whichever
        from_wire({"a": typed})
