"""Copies of rows, so that nobody holds what is stored: what a row holds is plain, and quickly copied."""

import copy
from typing import TypeVar

T = TypeVar("T")

FIXED = frozenset({str, int, bool, float, bytes, type(None)})


def copied(value: T) -> T:
    """Copy a row or a part of one, also of a kind that only a person's slip puts there."""
    kind: type = type(value)
    if kind in FIXED:
        return value
    if kind is dict:
        return {name: copied(part) for name, part in value.items()}  # type: ignore[attr-defined, return-value]
    if kind is list:
        return [copied(part) for part in value]  # type: ignore[attr-defined, return-value]
    return copy.deepcopy(value)
