"""Where a mail lies in the indexes: its id, lane, shard and day. Changing these strands rows already written."""

import zlib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, Literal

from outbox.core import clock
from outbox.core.address import LONGEST_PLAIN, key
from outbox.core.errors import InvalidRequest
from outbox.core.message import Message
from outbox.core.text import bad_character, size

# Enough that no partition of an index is hot below 8,000 writes a second (1,000 each), few enough to read all.
SHARDS = 8
LONGEST_KEY = 256
OURS = "outbox:"
# A transaction takes 100 items; a person may have typed more copies than any mail API would take.
MOST_COPIES = 50
# Items of the history table that are no mails: they stand there to be found by the same indexes.
COPY, BOUNCE = f"{OURS}copy:", f"{OURS}bounce:"
# What the `problems` index shows of a row beside its keys, so that a list needs no look at the rows themselves.
LISTED = (
    "status", "to", "subject", "reason", "error", "details", "tags", "attempts", "created_at", "revision", "sender",
)  # fmt: skip

Index = Literal["problems", "due", "by_day", "by_recipient"]
# Of each index its table, its key, and the time it is ordered by.
INDEXES: Mapping[Index, tuple[str, str, str]] = {
    "problems": ("outbox", "problem", "problem_at"),
    "due": ("outbox", "lane", "due_at"),
    "by_day": ("history", "day", "finished_at"),
    "by_recipient": ("history", "recipient", "finished_at"),
}


def new_id(now: datetime) -> str:
    """Make an id that sorts by time and nobody guesses (a ULID)."""
    from ulid import ULID  # noqa: PLC0415  what sends makes no ids, and it is dear to import

    return str(ULID.from_datetime(now))


def check_key(key: str) -> str:
    """Take an idempotency key as an id. Raises `InvalidRequest`: 1 to 256 bytes, no control characters."""
    if not isinstance(key, str) or not 1 <= size(key) <= LONGEST_KEY or bad_character(key):
        raise InvalidRequest(Message("request.key", most=LONGEST_KEY))
    if key.startswith(OURS):
        raise InvalidRequest(Message("request.key-reserved", prefix=repr(OURS)))
    return key


def delivery_mark(delivery_id: str) -> str:
    """Give the id under which history notes that a delivery found in the API's records is taken by one mail."""
    return f"{OURS}delivery:{delivery_id}"


def is_mail(item_id: str) -> bool:
    """Tell a mail in history from the service's own items there."""
    return not item_id.startswith(OURS)


def copies(finished: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Make the small items by which history finds a mail by its cc and bcc recipients; they expire with it."""
    listed = [address for name in ("cc", "bcc") for address in _listed(finished.get(name))]
    addresses = dict.fromkeys(recipient(address) for address in listed)
    shared = {name: finished[name] for name in ("finished_at", "expires_at") if name in finished}
    others = [address for address in addresses if address != finished.get("recipient")][:MOST_COPIES]
    return [
        {"id": f"{COPY}{number}:{finished['id']}", "recipient": address, **shared}
        for number, address in enumerate(others)
    ]


def recipients(item: Mapping[str, Any]) -> frozenset[str]:
    """Give all addresses of a mail as indexes know them: to, cc and bcc."""
    listed = [address for name in ("cc", "bcc") for address in _listed(item.get(name))]
    return frozenset(map(recipient, [item.get("to", ""), *listed]))


def owner(item_id: str) -> str:
    """Give the id of the mail a copy's item stands for; a mail's own id is its own."""
    return item_id.split(":", 3)[3] if item_id.startswith(COPY) else item_id


def recipient(written: object) -> str:
    """Give the address as lists and indexes know it, from whatever a person left of it; no index key can be empty."""
    to = str(written)
    # A row that a person filled with anything must be able to leave, too, and soon.
    plain = key((to.rpartition("<")[2].rstrip("> ") or to).strip()[:LONGEST_PLAIN]) or "unknown"
    if size(plain) <= LONGEST_PLAIN:
        return plain
    return plain.encode("utf-8", "replace")[:LONGEST_PLAIN].decode("utf-8", "ignore")


def bounce_day(date: str) -> str:
    """Name the partition of `by_day` that holds the bounces of a UTC date; they are few, so one is enough."""
    return f"bounces-{date}"


def shard(mail_id: str) -> int:
    """Give the shard of a mail: the same for ever, whichever process asks."""
    return zlib.crc32(mail_id.encode("utf-8", "surrogatepass")) % SHARDS


def lane(mail_id: str, *, urgent: bool) -> str:
    """Give the partition of the `due` index that a mail waits in."""
    return f"{'urgent' if urgent else 'normal'}-{shard(mail_id)}"


@cache
def lanes(*, urgent: bool) -> tuple[str, ...]:
    """Name all partitions of the `due` index, of one kind."""
    return tuple(f"{'urgent' if urgent else 'normal'}-{number}" for number in range(SHARDS))


def is_lane(value: object) -> bool:
    """Tell whether dispatch would ever look there."""
    return value in lanes(urgent=True) or value in lanes(urgent=False)


def day(mail_id: str, moment: datetime) -> str:
    """Give the partition of history's `by_day` index."""
    return f"{clock.text(moment)[:10]}-{shard(mail_id)}"


def days(date: str) -> tuple[str, ...]:
    """Name all partitions of `by_day` of one UTC date (YYYY-MM-DD)."""
    return tuple(f"{date}-{number}" for number in range(SHARDS))


def _listed(value: object) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple, set, frozenset)) else [value] if value else []
