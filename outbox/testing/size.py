"""How large an item is, by DynamoDB's rules."""

from collections.abc import Mapping
from typing import Any

from outbox.core.errors import TooLarge
from outbox.core.row import Item

LARGEST_ITEM = 400 * 1024


def item_size(item: Item) -> int:
    """Count an item's bytes by DynamoDB's rules: names and text in UTF-8, three a container and one a member."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: Any) -> int:  # noqa: ANN401  whatever a row holds
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, (bytes, bytearray)):
        return len(value)
    if isinstance(value, bool) or value is None:
        return 1
    if isinstance(value, Mapping):
        return 3 + sum(1 + len(name.encode()) + _value_size(part) for name, part in value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return 3 + sum(1 + _value_size(part) for part in value)
    return len(str(value)) // 2 + 2


def check_size(item: Item) -> None:
    """Refuse an item that no table would take. Raises `TooLarge`."""
    if item_size(item) > LARGEST_ITEM:
        raise TooLarge
