"""Rows as a hand may leave them: each state, with one to three attributes changed in any way DynamoDB lets through."""

import random
from decimal import Decimal
from typing import Any

from outbox import Attachment, ListUnsubscribe
from outbox.core.states import Status
from outbox.testing import LARGEST_ITEM, item_size
from tests.attack.effects import Fault
from tests.attack.world import World
from tests.conftest import make_mail

# Keys of an index: DynamoDB takes nothing but text there, and no empty or endless one.
INDEXED = ("lane", "due_at", "problem", "problem_at")
WORDS = [*map(str, Status), "SNED", "pending", " PENDING", "PENDING\n", "送信", "", "None", "0", "true"]
MOMENTS = [
    "2026-01-01T00:00:00.000Z",
    "2025-12-31T23:59:59.999Z",
    "2026-01-01T09:00:00.000+09:00",
    "2026-13-45T00:00:00.000Z",
    "2026-01-01",
    "2026-01-01T00:00:00Z",
    "2026-01-01t00:00:00.000Z",
    "0000-00-00T00:00:00.000Z",
    "9999-12-31T23:59:59.999Z",
    "2026-01-01T25:00:00.000Z",
    "２０２６-01-01T00:00:00.000Z",
    "2026-W01-1T00:00:00.00Z",
    "tomorrow",
    "~~~~~~~~~~~~~~~~~~~~~~~~",
    "1767225600",
]
LANES = ["normal-0", "urgent-7", "normal-8", "normal--1", "normal", "urgent", "Normal-0", "normal-00", "lane", "🦄"]
NUMBERS = [0, 1, -1, 7, 8, 9, 10**37, -(10**20), Decimal("0.5"), Decimal("1E-30"), Decimal("9.9E+125")]
TEXTS = [
    "",
    " ",
    "x",
    "\u0000",
    "a\r\nBcc: b@example.com",
    "\u2028",
    "日本語",
    "x" * 300,
    "a@b",
    "<>",
    "'",
    "{}",
    "\ufeff",
]
NESTED: list[Any] = [
    [],
    {},
    [[]],
    [None],
    {"": ""},
    {"S": "PENDING"},
    [{"a": [{"b": [1, Decimal("2.5"), None, True, b"x", {"c"}]}]}],
    {"x", "y"},
    {1, 2},
    {b"x"},
    [*range(200)],
    {str(n): n for n in range(200)},
]
ODD: list[Any] = [None, True, False, b"", b"\xff\x00", *NUMBERS, *NESTED]
HUGE = (1_000, 35_000, 71_000, 310_000, 390_000)
STATES = ("PENDING", "SENDING", "WAITING", "CHECKING", "FAILED", "UNKNOWN", "HELD")


def starts() -> tuple[dict[str, dict[str, Any]], World]:
    """Make one row in each state the way the service does, each with everything a mail can have."""
    made = {}
    for state in STATES:
        world = World(window=0 if state == "UNKNOWN" else 15)
        mail = make_mail(
            subject="base",
            html="<p>x</p>",
            cc=["c@example.com"],
            reply_to="r@example.com",
            insert_code={"name": "Taro"},
            list_unsubscribe=ListUnsubscribe("mailto:u@example.com"),
            tags=["shop"],
            attachments=[Attachment("a.txt", b"x")],
        )
        later = world.clock().replace(year=2027) if state == "WAITING" else None
        mail_id = world.calm.outbox.enqueue(mail, send_at=later).id
        outcome = {"CHECKING": "no answer, not accepted", "UNKNOWN": "no answer, not accepted", "FAILED": "refused"}
        if state in outcome:
            world.answers(outcome[state])
            world.calm.deliver(world.bells())
        if state == "HELD":
            world.calm.support.hold(mail_id, "alice", "wait")
        if state == "SENDING":
            world.run(lambda w: w.worker.deliver(w.bells()), Fault(_first_write(world) + 1, "dies before"))
        row = world.store.outbox[mail_id]
        assert row["status"] == state, (state, row["status"])
        made[state] = {name: value for name, value in row.items() if name != "id"}
    return made, world


def _first_write(world: World) -> int:
    """Find the call that claims, in a world of its own."""
    probe = World()
    probe.calm.outbox.enqueue(make_mail())
    names = [str(call) for call in probe.run(lambda w: w.worker.deliver(w.bells())).calls]
    return names.index("store.update")


def mutate(item: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """Change one to three attributes of a row as a hand may."""
    changed = dict(item)
    for _ in range(chance.choice([1, 1, 1, 2, 2, 3])):
        name = chance.choice([*sorted(item.keys() - {"id"}), *INDEXED, "status", "note", "x" * 200, "送"])
        _change(changed, name, chance)
    if chance.random() < 0.05:
        _fill(changed, chance)
    while item_size(changed) > LARGEST_ITEM:
        largest = max(changed, key=lambda name: item_size({name: changed[name]}))
        changed.pop(largest)
    return changed


def _change(item: dict[str, Any], name: str, chance: random.Random) -> None:
    if chance.random() < 0.25:
        item.pop(name, None)
    elif name in INDEXED:
        item[name] = chance.choice([*MOMENTS, *LANES, *filter(None, WORDS), "x" * 1000])
    elif name == "status":
        item[name] = chance.choice([*WORDS, *map(str, Status), *ODD])
    else:
        huge = "あ" * (chance.choice(HUGE) // 3)
        item[name] = chance.choice([*MOMENTS, *WORDS, *TEXTS, *ODD, huge])


def _fill(item: dict[str, Any], chance: random.Random) -> None:
    """Fill a row up to the last bytes the table takes."""
    name = chance.choice(["text", "html", "note", "reason", "subject"])
    item.pop(name, None)
    room = LARGEST_ITEM - item_size(item) - len(name) - chance.choice([0, 1, 5, 20, 60, 100, 200, 500, 2000])
    if room > 0:
        item[name] = "x" * room
