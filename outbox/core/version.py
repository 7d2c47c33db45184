"""One short word for a mail as it stands on its row: another word, another mail, also after a raw edit.

`revision` counts the service's writes alone; a person who types on the row in the DynamoDB console leaves it as it was.
"""

import hashlib
import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from decimal import Context, Decimal
from typing import Any

from outbox.core.mail import FIELDS

# What a person may have had before their eyes when they decided what to change.
VERSIONED = ("revision", "status", *FIELDS, "body", "send_at")
LENGTH = 16
# DynamoDB keeps 38 digits; no number of ours is rounded here.
EXACT = Context(prec=400)


def version(item: Mapping[str, Any]) -> str:
    """Give 16 hexadecimal digits that change with any of `VERSIONED`, whatever a person typed there."""
    seen = {name: _plain(item[name]) for name in VERSIONED if name in item}
    canonical = json.dumps(seen, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:LENGTH]


def digest(value: Any, length: int) -> str:  # noqa: ANN401  whatever a row holds
    """Give so many hexadecimal digits that change with a value."""
    return hashlib.sha256(json.dumps(_plain(value), sort_keys=True).encode()).hexdigest()[:length]


def _plain(value: Any) -> Any:  # noqa: ANN401  whatever a row holds
    """Turn a value into JSON in which what DynamoDB tells apart is told apart, and nothing else."""
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return ["list", *map(_plain, value)]
    if isinstance(value, AbstractSet):
        return ["set", *sorted(map(repr, map(_plain, value)))]
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return ["number", str(Decimal(value).normalize(EXACT))]
    return value if value is None or isinstance(value, (str, bool)) else ["other", repr(value)]
