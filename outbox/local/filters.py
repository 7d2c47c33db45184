"""Decides which stream records a Lambda filter pattern lets through, as AWS does.

The embedded AWS takes a missing attribute for "anything but X" and finds nothing absent below a missing
map; AWS flattens the record first: a path counts as missing wherever it breaks off. Known are equality,
prefix, suffix, anything-but and exists; another operator is an error: no pattern is believed without being
understood.
"""

from collections.abc import Mapping
from typing import Any

MISSING = object()


def matches(record: Mapping[str, Any], pattern: Mapping[str, Any]) -> bool:
    """Say whether every field the pattern names has one of the values it allows."""
    return all(_field(record.get(name, MISSING), wanted) for name, wanted in pattern.items())


def _field(value: object, wanted: object) -> bool:
    if isinstance(wanted, Mapping):
        return matches(value if isinstance(value, Mapping) else {}, wanted)
    if not isinstance(wanted, list):
        msg = f"a pattern ends in a list of allowed values, not in {wanted!r}"
        raise TypeError(msg)
    values = value if isinstance(value, list) else [value]
    return any(_allowed(each, rule) for each in values for rule in wanted)


def _allowed(value: object, rule: object) -> bool:
    if not isinstance(rule, Mapping):
        return type(value) is type(rule) and value == rule
    ((operator, operand),) = rule.items()
    leaf = value is not MISSING and not isinstance(value, Mapping)
    if operator == "exists":
        return leaf is operand
    return leaf and _compare(operator, operand, value)


def _compare(operator: str, operand: Any, value: object) -> bool:  # noqa: ANN401  What the operator says.
    match operator:
        case "prefix":
            return isinstance(value, str) and value.startswith(operand)
        case "suffix":
            return isinstance(value, str) and value.endswith(operand)
        case "anything-but":
            return value not in (operand if isinstance(operand, list) else [operand])
    msg = f"unknown operator {operator!r} in a filter pattern"
    raise ValueError(msg)
