"""Rows as DynamoDB's typed attributes and back, and conditions and updates as its expressions."""

import base64
import json
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from decimal import Context, Decimal
from typing import Any

from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer

from outbox.core.change import ABSENT, Expect, Patch

DIGITS = 38
LARGEST = 10**DIGITS


class _Deserializer(TypeDeserializer):
    def _deserialize_n(self, value: str) -> Decimal:
        # The SDK's own refuses a number written out with more digits than its context holds, zeros included.
        context = Context(prec=DIGITS)
        return context.create_decimal(value).normalize(context)


_SERIALIZER, _DESERIALIZER = TypeSerializer(), _Deserializer()

Wire = dict[str, Any]


def to_wire(item: Mapping[str, Any]) -> Wire:
    """Write a row as typed attributes."""
    return {name: _typed(value) for name, value in item.items()}


def _typed(value: Any) -> Wire:  # noqa: ANN401  whatever a row holds
    """Write one value; the SDK's own serializer asks ten questions of each, and is kept for the rare types."""
    kind = type(value)
    if kind is str:
        return {"S": value}
    if kind is bool:
        return {"BOOL": value}
    if kind is list:
        return {"L": [_typed(part) for part in value]}
    if kind is dict:
        return {"M": {name: _typed(part) for name, part in value.items()}}
    if kind is int and -LARGEST < value < LARGEST:
        return {"N": str(value)}
    return dict(_SERIALIZER.serialize(value))


def from_wire(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Read typed attributes as plain Python: whole numbers as int, others as Decimal, binary as it comes.

    That is bytes from the SDK, and base64 in the JSON of a stream record.
    """
    return {name: _read(value) for name, value in attributes.items()}


def _read(typed: Mapping[str, Any]) -> Any:  # noqa: ANN401  whatever a row holds
    """Read one value; the SDK's own deserializer looks its way up by name for each."""
    [(kind, value)] = typed.items()
    return _READERS[kind](value)


def _number(written: str) -> int | Decimal:
    if len(written) < DIGITS and written.removeprefix("-").isdecimal():
        return int(written)
    number: int | Decimal = plain(_DESERIALIZER.deserialize({"N": written}))
    return number


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "S": lambda value: value,
    "BOOL": lambda value: value,
    "B": lambda value: value,
    "N": _number,
    "NULL": lambda _: None,
    "M": from_wire,
    "L": lambda value: [_read(part) for part in value],
    "SS": set,
    "BS": set,
    "NS": lambda value: {_number(part) for part in value},
}


def plain(value: Any) -> Any:  # noqa: ANN401  whatever a row holds
    """Turn the SDK's own types into Python's, at any depth."""
    if isinstance(value, Decimal):
        # Beyond the 38 digits DynamoDB keeps, only a Decimal can be written back as it was.
        return int(value) if value.adjusted() < DIGITS and value == value.to_integral_value() else value
    if isinstance(value, Binary):
        return value.__bytes__()
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    if isinstance(value, AbstractSet):
        return {plain(part) for part in value}
    return value


class Expression:
    """Collects names and values; every attribute goes by a placeholder, since most of ours are reserved words."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.values: Wire = {}

    def name(self, attribute: str) -> str:
        """Give the placeholder of an attribute."""
        placeholder = f"#a{len(self.names)}"
        for known, there in self.names.items():
            if there == attribute:
                return known
        self.names[placeholder] = attribute
        return placeholder

    def value(self, value: object) -> str:
        """Give the placeholder of a value."""
        placeholder = f":v{len(self.values)}"
        self.values[placeholder] = _SERIALIZER.serialize(value)
        return placeholder

    def condition(self, expect: Expect) -> str:
        """Write what is expected of a row that must exist."""
        parts = [f"attribute_exists({self.name('id')})"]
        for attribute, wanted in expect.equals.items():
            if wanted is ABSENT:
                parts.append(f"attribute_not_exists({self.name(attribute)})")
            else:
                parts.append(f"{self.name(attribute)} = {self.value(wanted)}")
        if expect.statuses:
            listed = ", ".join(self.value(status) for status in sorted(expect.statuses))
            parts.append(f"{self.name('status')} IN ({listed})")
        return " AND ".join(parts)

    def update(self, patch: Patch) -> str:
        """Write what changes."""
        sets = [f"{self.name(attribute)} = {self.value(value)}" for attribute, value in patch.assign.items()]
        gone = [self.name(attribute) for attribute in sorted(patch.drop - patch.assign.keys())]
        return f"SET {', '.join(sets)}" + (f" REMOVE {', '.join(gone)}" if gone else "")

    def arguments(self) -> dict[str, Any]:
        """Give the arguments every call with expressions takes."""
        return {"ExpressionAttributeNames": self.names} | (
            {"ExpressionAttributeValues": self.values} if self.values else {}
        )


def cursor_of(key: Mapping[str, Any] | None) -> str | None:
    """Wrap the key at which a query stopped, so that it fits into an address bar."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode() if key else None


def key_of(cursor: str) -> dict[str, Any]:
    """Unwrap a cursor. Raises ValueError if it is none of ours."""
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor))
    except RecursionError as error:
        raise ValueError(cursor) from error
    if not isinstance(key, dict):
        raise TypeError(cursor)
    return key


def plainly(entry: Mapping[str, Any]) -> Wire:
    """Turn a transaction entry's typed attributes into the plain values a resource's client takes."""
    typed = ("Item", "Key", "ExpressionAttributeValues")
    return {
        action: {
            name: {key: _DESERIALIZER.deserialize(part) for key, part in value.items()} if name in typed else value
            for name, value in request.items()
        }
        for action, request in entry.items()
    }
