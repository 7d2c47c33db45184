"""The embedded AWS reads of an index what a page shows, and answers as it does when it reads everything."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.local.asked_twice import HASH, RANGE, REPLACED, Chance, Emulator, Yielding, due, fill, own_table, work

INSTALLED = """
import sys
from ministack import app
from outbox.local import emulator
from ministack.services import dynamodb
app.main = lambda: print(dynamodb._query.__module__, dynamodb._index_members.__module__)
sys.argv = ["emulator", sys.argv[1]]
emulator.main()
"""


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """Give both tables, empty, in an emulator within this process."""
    from ministack.services import dynamodb

    for name in REPLACED:
        monkeypatch.setattr(dynamodb, name, getattr(dynamodb, name))
    dynamodb.reset()
    with asyncio.Runner() as runner:
        yield Emulator(dynamodb, runner)
    dynamodb.reset()


@pytest.mark.parametrize("seed", range(4))
def test_random(emulator: Emulator, seed: int) -> None:
    """After whatever was written in whatever way, every Query is answered as in the emulator's own way."""
    chance = Chance(emulator, seed)

    for _ in range(1000):
        chance.write()
        chance.query()

    ways = ("put", "update", "delete", "batch", "transaction", "statements", "expiry", "new_index")
    assert all(chance.seen[f"{way} 200"] >= 5 for way in ways), chance.seen
    assert all(chance.seen[f"{way} 400"] >= 5 for way in ("transaction", "statements")), chance.seen
    assert min(chance.seen["some more 200"], chance.seen["some end 200"], chance.seen["none end 200"]) > 100


@pytest.mark.parametrize(
    "request_",
    [
        due(),
        due(ScanIndexForward=False),
        due(Select="COUNT"),
        due("lane = :lane AND due_at >= :a"),
        due("(lane = :lane AND due_at < :b )"),
        due("lane = :lane AND due_at BETWEEN :a AND :b", ScanIndexForward=False),
        due("lane = :lane AND due_at = :lane"),
        due(ExclusiveStartKey={"id": {"S": "row-7"}, "lane": {"S": "a"}, "due_at": {"S": "2026-01-05"}}),
        due(FilterExpression="attribute_exists(id)"),
    ],
)
def test_work(emulator: Emulator, request_: dict[str, Any]) -> None:
    """A page of 25 costs no more tests and hardly more comparisons in a partition of 8,000 rows than in one of 500."""
    small = work(emulator, 500, request_ | {"Limit": 25})
    large = work(emulator, 8000, request_ | {"Limit": 25})

    assert large[0] <= small[0] + 100
    assert large[1] == small[1] <= 51


@pytest.mark.parametrize(
    "request_",
    [
        due("lane = :lane AND begins_with(due_at, :a )"),
        due(":lane = lane AND due_at < :b"),
        due("(lane = :lane ) AND (due_at < :b )"),
        due("lane = :lane AND due_at between :a and :b"),
        due("due_at < :b AND lane = :lane"),
        due("lane = :lane AND due_at <> :a"),
        due("lane = :lane AND NOT due_at = :a"),
        due("lane = :lane OR due_at = :a"),
        due("lane = :lane AND due_at < :number"),
        due("lane = :lane AND status = :a"),
        due("lane = :lane AND lane = :lane"),
        due("due_at = :a"),
        due("lane = :missing"),
        due("lane ="),
        due(""),
        due(Limit=0),
        due(ExclusiveStartKey={"id": {"S": "row-3"}}),
        due(ExclusiveStartKey={"id": {"S": "row-3"}, "lane": {"S": "b"}, "due_at": {"N": "5"}}),
        due(FilterExpression="mark = :lane", Limit=4),
        due(IndexName="none"),
        due(TableName="none"),
        {
            "TableName": "outbox",
            "IndexName": "due",
            "KeyConditions": {"lane": {"AttributeValueList": [{"S": "a"}], "ComparisonOperator": "EQ"}},
            "QueryFilter": {"mark": {"AttributeValueList": [{"S": "a"}], "ComparisonOperator": "EQ"}},
            "Limit": 4,
        },
    ],
)
def test_other_requests(emulator: Emulator, request_: dict[str, Any]) -> None:
    """What is not understood, or wrong, gets the emulator's own answer."""
    fill(emulator)

    for page in ({}, {"Limit": 2}, {"Limit": 2, "ScanIndexForward": False}):
        emulator.query(**page | request_)


def test_wrong_condition_that_fits_nothing(emulator: Emulator) -> None:
    """A reserved word in a condition is refused also where no row fits it."""
    request = {"TableName": "history", "IndexName": "by_day", "KeyConditionExpression": "day = :d AND finished_at < :f"}
    emulator.put("history", id="1", day="a", finished_at="2026")

    status, _ = emulator.query(**request, ExpressionAttributeValues={":d": {"S": "a"}, ":f": {"S": "1"}})

    assert status == 400


def test_megabyte(emulator: Emulator) -> None:
    """Pages without a limit end with 1 MB, those with one at what comes first."""
    request = own_table(emulator, "S", [HASH, RANGE])
    for row in range(20):
        size = 390_000 if row % 3 else 1000
        emulator.put("own", id="x", part=str(row), kind="a", sort=f"{row:02}", body="x" * size)

    for page in ({}, {"Limit": 2}, {"Limit": 4}, {"Limit": 25}, {"Select": "COUNT"}, {"ScanIndexForward": False}):
        cursor: dict[str, Any] = {}
        pages = 0
        while pages == 0 or cursor:
            _, answer = emulator.query(**request, **page, **cursor)
            cursor = {"ExclusiveStartKey": answer["LastEvaluatedKey"]} if "LastEvaluatedKey" in answer else {}
            pages += 1
        assert pages >= 5


@pytest.mark.parametrize("sort_type", ["N", "B"])
def test_keys_that_are_no_texts(emulator: Emulator, sort_type: str) -> None:
    """An index sorted by numbers or bytes is read in the emulator's own way."""
    request = own_table(emulator, sort_type, [HASH, RANGE])
    for row, value in enumerate(["10", "9", "-1", "1000"]):
        item = {"id": {"S": str(row)}, "part": {"S": "x"}, "kind": {"S": "a"}, "sort": {sort_type: value}}
        emulator.do("PutItem", TableName="own", Item=item)

    assert len(emulator.ids(**request, Limit=3)) == 3


@pytest.mark.parametrize("kind", ["HASH", "RANGE"])
def test_several_keys(emulator: Emulator, kind: str) -> None:
    """A key of an index may consist of several attributes."""
    request = own_table(emulator, "S", [HASH, RANGE, {"AttributeName": "topic", "KeyType": kind}])
    for row in range(12):
        emulator.put("own", id=str(row), part="x", kind="a", sort=str(row % 3), topic="ab"[row % 2])

    more = {":sort": {"S": "1"}} | ({":topic": {"S": "a"}} if kind == "RANGE" else {})
    narrow = " AND ".join(f"{name[1:]} = {name}" for name in more)
    values = request["ExpressionAttributeValues"] | more
    assert len(emulator.ids(**request, Limit=5)) == 5
    request["KeyConditionExpression"] += f" AND {narrow}"
    assert emulator.ids(**request | {"ExpressionAttributeValues": values, "Limit": 1}) == ["10"]


@pytest.mark.parametrize("kind", ["S", "N"])
def test_members_of_another_type(emulator: Emulator, kind: str) -> None:
    """Rows whose sort key has not the type of an index that came later are where the emulator puts them."""
    fill(emulator)
    emulator.put(id="old", lane="a", due_at="1999")
    found = emulator.do("DescribeTable", TableName="outbox")["Table"]
    index = {"IndexName": "due", "Projection": {"ProjectionType": "ALL"}}
    index["KeySchema"] = found["GlobalSecondaryIndexes"][0]["KeySchema"]
    emulator.do("UpdateTable", TableName="outbox", GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "due"}}])
    item = {"id": {"S": "number"}, "lane": {"S": "a"}, "due_at": {"N": "2026"}}
    emulator.do("PutItem", TableName="outbox", Item=item)
    types = [{"AttributeName": "lane", "AttributeType": "S"}, {"AttributeName": "due_at", "AttributeType": kind}]
    create = {"AttributeDefinitions": types, "GlobalSecondaryIndexUpdates": [{"Create": index}]}
    emulator.do("UpdateTable", TableName="outbox", **create)

    for page in ({}, {"Limit": 2}, {"Limit": 2, "ScanIndexForward": False}):
        assert emulator.ids(**due(**page))
    emulator.do("DeleteItem", TableName="outbox", Key={"id": {"S": "number"}})
    assert emulator.ids(**due(Limit=2)) == {"S": ["old", "row-1"], "N": ["row-1", "row-2"]}[kind]


def test_half_done(emulator: Emulator) -> None:
    """A row told of twice shows once, and one that is just expiring not at all."""
    fill(emulator)
    emulator.ids(**due())
    table = emulator.dynamodb._tables["outbox"]
    item = table["items"]["row-1"]["__no_sort__"]

    emulator.dynamodb._index_item(table, "row-1", "__no_sort__", item, add=True)
    table["items"]["row-2"].pop("__no_sort__")

    assert emulator.ids(**due(Limit=2)) == ["row-1", "row-3"]


def delete_and_create(emulator: Emulator) -> None:
    for table in ("outbox", "history"):
        emulator.do("DeleteTable", TableName=table)
    emulator.create_tables()


def reset(emulator: Emulator) -> None:
    emulator.dynamodb.reset()
    emulator.create_tables()


@pytest.mark.parametrize("anew", [delete_and_create, reset])
def test_table_made_anew(emulator: Emulator, anew: Callable[[Emulator], None]) -> None:
    """A table made again under its name has none of the old rows in its indexes."""
    fill(emulator)
    assert len(emulator.ids(**due())) == 9

    anew(emulator)
    emulator.put(id="new", lane="a", due_at="2026")

    assert emulator.ids(**due()) == ["new"]


def test_restored_tables(emulator: Emulator) -> None:
    """A table restored from a backup or a moment has indexes of its own."""
    fill(emulator)
    emulator.ids(**due())
    backup = emulator.do("CreateBackup", TableName="outbox", BackupName="backup")["BackupDetails"]["BackupArn"]
    emulator.do("RestoreTableFromBackup", TargetTableName="backup", BackupArn=backup)
    emulator.do("RestoreTableToPointInTime", SourceTableName="outbox", TargetTableName="moment")
    emulator.do("DeleteItem", TableName="backup", Key={"id": {"S": "row-1"}})
    emulator.put("moment", id="row-0", lane="a", due_at="2026")

    for table, first in (("outbox", "row-1"), ("backup", "row-2"), ("moment", "row-0")):
        assert emulator.ids(**due(TableName=table, Limit=1)) == [first]


def test_accounts_and_regions(emulator: Emulator) -> None:
    """Tables of one name in several accounts and regions have indexes of their own."""
    from ministack.core.responses import request_scope

    places = [("111111111111", "eu-west-1"), ("222222222222", "eu-west-1"), ("111111111111", "eu-west-2")]
    for number, place in enumerate(places):
        with request_scope(*place):
            emulator.create_tables()
            emulator.put(id=f"row-{number}", lane="a", due_at="2026")

    for number, place in enumerate(places):
        with request_scope(*place):
            assert emulator.ids(**due()) == [f"row-{number}"]


def test_threads(emulator: Emulator) -> None:
    """Rows may come and go in other threads while a Query is answered."""
    dynamodb, table = emulator.dynamodb, emulator.dynamodb._tables["outbox"]
    fill(emulator)
    emulator.ids(**due())

    def come_and_go(name: str) -> None:
        for turn in range(100):
            item = {"id": {"S": name}, "lane": {"S": "a"}, "due_at": {"S": Yielding(f"2026-01-{turn % 9:02}")}}
            dynamodb._set_item(table, name, "__no_sort__", item)
            dynamodb._remove_item(table, name, "__no_sort__")

    guests = [threading.Thread(target=come_and_go, args=(f"guest-{number}",)) for number in range(4)]
    for guest in guests:
        guest.start()
    while any(guest.is_alive() for guest in guests):
        assert emulator.call("Query", **due(Limit=3))[0] == 200

    assert emulator.ids(**due()) == [f"row-{row}" for row in range(1, 10)]


def test_installed(tmp_path: Path) -> None:
    """The embedded AWS of the local stack reads its indexes in this way."""
    settings = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TMPDIR": str(tmp_path), "STATE_DIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-c", INSTALLED, str(tmp_path / "gone")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=settings,
        start_new_session=True,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    process.communicate()

    assert line.split() == ["outbox.local.indexes"] * 2
