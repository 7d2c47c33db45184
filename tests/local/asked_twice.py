"""The emulator's DynamoDB in the test's own process, asked each Query in both ways."""

import asyncio
import contextvars
import json
import random
import time
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from outbox.local import indexes
from tests.store import tables

REPLACED = ("_index_members", "_query")
# The keys of the template's indexes; all tables have the key `id`.
INDEXES = {
    "outbox": {"due": ["lane", "due_at"], "problems": ["problem", "problem_at"]},
    "history": {
        "by_day": ["day", "finished_at"],
        "by_recipient": ["recipient", "finished_at"],
        "by_delivery": ["delivery_id"],
    },
}
HASH = {"AttributeName": "kind", "KeyType": "HASH"}
RANGE = {"AttributeName": "sort", "KeyType": "RANGE"}
# Neighbours as close as texts can be: what equals an operand, what begins with it, what comes next.
MOMENTS = ["2026", "2026\0", "2026\0\0", "20260", *(f"2026-01-{day:02}" for day in range(1, 9))]
COMPARISONS = ["", "", "= :a", "< :a", "<= :a", "> :a", ">= :a", "BETWEEN :a AND :b", "BETWEEN :a AND :b"]
ROWS = 50


class Emulator:
    """The emulator's DynamoDB with both tables; its replaced functions must be put back afterwards."""

    def __init__(self, dynamodb: Any, runner: asyncio.Runner) -> None:
        self.dynamodb = dynamodb
        self._runner = runner
        self._own = {name: getattr(dynamodb, name) for name in REPLACED}
        indexes.install(dynamodb)
        self.create_tables()

    def create_tables(self) -> None:
        tables.create(SimpleNamespace(create_table=lambda **request: self.do("CreateTable", **request)))

    def call(self, action: str, **request: Any) -> tuple[int, Any]:
        """Do what an HTTP request to the emulator does; give status and answer."""
        headers = {"x-amz-target": f"DynamoDB_20120810.{action}"}
        body = json.dumps(request).encode()
        doing = self.dynamodb.handle_request("POST", "/", headers, body, {})
        # Account and region are in the context.
        status, _, answer = self._runner.run(doing, context=contextvars.copy_context())
        return status, json.loads(answer)

    def do(self, action: str, **request: Any) -> Any:
        """Do what must succeed."""
        status, answer = self.call(action, **request)
        assert status == 200, answer
        return answer

    def put(self, table: str = "outbox", **row: str) -> None:
        self.do("PutItem", TableName=table, Item={name: {"S": value} for name, value in row.items()})

    def query(self, **request: Any) -> tuple[int, Any]:
        """Answer a Query, after having seen that the emulator's own way gives the same answer."""
        answer = self.call("Query", **request)
        assert answer == self._own_answer(request), request
        return answer

    def ids(self, **request: Any) -> list[str]:
        return [item["id"]["S"] for item in self.query(**request)[1]["Items"]]

    def _own_answer(self, request: dict[str, Any]) -> tuple[int, Any]:
        table = self.dynamodb._tables.get(request["TableName"], {})
        # The test is about how these keep up with the table: they are put back as they were.
        kept = {name: table.pop(name) for name in ("_index_members",) if name in table}
        with pytest.MonkeyPatch.context() as patch:
            for name, function in self._own.items():
                patch.setattr(self.dynamodb, name, function)
            answer = self.call("Query", **request)
        table.pop("_index_members", None)
        table.update(kept)
        return answer


def due(condition: str = "lane = :lane", **request: Any) -> dict[str, Any]:
    """Ask for due mails."""
    values = {":lane": {"S": "a"}, ":a": {"S": "2026-01-03"}, ":b": {"S": "2026-01-06"}, ":number": {"N": "5"}}
    used = {name: value for name, value in values.items() if name in condition.split(" ")}
    defaults = {"KeyConditionExpression": condition, "ExpressionAttributeValues": used}
    return {"TableName": "outbox", "IndexName": "due"} | defaults | request


def fill(emulator: Emulator) -> None:
    for row in range(1, 10):
        emulator.put(id=f"row-{row}", lane="a", due_at=f"2026-01-{row:02}", mark="ab"[row % 2])


def own_table(emulator: Emulator, sort_type: str, keys: list[dict[str, str]]) -> dict[str, Any]:
    """Make a table `own` with an index of all attributes; give what its Query needs."""
    emulator.do(
        "CreateTable",
        TableName="own",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "part", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": sort_type if name == "sort" else "S"}
            for name in ["id", "part", *(key["AttributeName"] for key in keys)]
        ],
        GlobalSecondaryIndexes=[{"IndexName": "own", "KeySchema": keys, "Projection": {"ProjectionType": "ALL"}}],
    )
    values = {f":{key['AttributeName']}": {"S": "a"} for key in keys if key["KeyType"] == "HASH"}
    condition = " AND ".join(f"{name[1:]} = {name}" for name in values)
    return {
        "TableName": "own",
        "IndexName": "own",
        "KeyConditionExpression": condition,
        "ExpressionAttributeValues": values,
    }


class Counted(str):
    """A text that counts how often it is compared."""

    __slots__ = ()
    comparisons = 0

    def __lt__(self, other: str) -> bool:
        self._note()
        return super().__lt__(other)

    def __gt__(self, other: str) -> bool:
        self._note()
        return super().__gt__(other)

    def __eq__(self, other: object) -> bool:
        self._note()
        return super().__eq__(other)

    __hash__ = str.__hash__

    def _note(self) -> None:
        Counted.comparisons += 1


class Yielding(Counted):
    """A text that lets other threads run while it is compared."""

    __slots__ = ()

    def _note(self) -> None:
        time.sleep(0)


def work(emulator: Emulator, rows: int, request: dict[str, Any]) -> tuple[int, int]:
    """Count the comparisons and the conditions tested for a Query when a partition has so many rows."""
    tested: list[object] = []
    test = emulator.dynamodb._evaluate_condition
    for row in range(rows):
        item = {"id": {"S": f"row-{row}"}, "lane": {"S": "a"}, "due_at": {"S": Counted(f"2026-01-{row % 9:02}")}}
        assert emulator.dynamodb._put_item({"TableName": "outbox", "Item": item})[0] == 200
    emulator.call("Query", **request)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(emulator.dynamodb, "_evaluate_condition", lambda *a, **k: tested.append(a) or test(*a, **k))
        Counted.comparisons = 0
        emulator.call("Query", **request)
    return Counted.comparisons, len(tested)


class Chance:
    """Writes and Queries as the dice fall; ``seen`` counts what came of them."""

    def __init__(self, emulator: Emulator, seed: int) -> None:
        self.seen: Counter[str] = Counter()
        self._emulator = emulator
        self._dice = random.Random(seed)
        self._cursors: dict[str, Any] = {}

    def write(self) -> None:
        ways = {self._put: 6, self._update: 6, self._delete: 2, self._batch: 2, self._transaction: 3}
        ways |= {self._statements: 1, self._expiry: 1, self._new_index: 0.2}
        way = self._dice.choices(list(ways), list(ways.values()))[0]
        status, _ = way(self._dice.choice(list(INDEXES)))
        self.seen[f"{way.__name__[1:]} {status}"] += 1

    def query(self) -> None:
        table = self._dice.choice(list(INDEXES))
        index, keys = self._dice.choice(list(INDEXES[table].items()))
        request = {"TableName": table, "IndexName": index} | self._condition(keys) | self._page(table, index, keys)
        status, answer = self._emulator.query(**request)
        self._cursors[index] = answer.get("LastEvaluatedKey")
        end = "more" if self._cursors[index] else "end"
        self.seen[f"{'some' if answer.get('Count') else 'none'} {end} {status}"] += 1

    def _condition(self, keys: list[str]) -> dict[str, Any]:
        comparison = self._dice.choice(COMPARISONS) if len(keys) > 1 else ""
        low, high = sorted([self._moment(), self._moment()])
        values = {":p": self._dice.choice("aaabbc"), ":a": low, ":b": high}
        text = f"#p = :p AND #s {comparison}" if comparison else "#p = :p"
        return {
            "KeyConditionExpression": self._dice.choice([text, f"({text})"]),
            "ExpressionAttributeNames": {"#p": keys[0]} | ({"#s": keys[1]} if comparison else {}),
            "ExpressionAttributeValues": {name: {"S": value} for name, value in values.items() if name in text},
        }

    def _page(self, table: str, index: str, keys: list[str]) -> dict[str, Any]:
        page: dict[str, Any] = {"ScanIndexForward": self._dice.random() < 0.5}
        if self._dice.random() < 0.7:
            page["Limit"] = self._dice.randrange(1, 9)
        if self._dice.random() < 0.2:
            page |= {"Select": "COUNT", "ReturnConsumedCapacity": "INDEXES"}
        cursor = self._dice.choice([None, self._cursors.get(index), self._row(table)])
        if cursor:
            page["ExclusiveStartKey"] = {name: cursor[name] for name in ("id", *keys) if name in cursor}
        return page

    def _row(self, table: str, number: int | None = None) -> dict[str, Any]:
        names = {name for keys in INDEXES[table].values() for name in keys}
        row = {name: self._moment() if name.endswith("_at") else self._dice.choice("aab") for name in sorted(names)}
        # Indexes are sparse: now and then a row lacks an attribute.
        row.pop(self._dice.choice(["", "", *sorted(names)]), None)
        row |= self._name(number) | {"status": "x" * self._dice.randrange(9)}
        return {name: {"S": value} for name, value in row.items()}

    def _moment(self) -> str:
        return self._dice.choice(MOMENTS)

    def _name(self, number: int | None = None) -> dict[str, str]:
        return {"id": f"row-{self._dice.randrange(ROWS) if number is None else number}"}

    def _key(self, table: str, number: int | None = None) -> dict[str, Any]:
        return {"TableName": table, "Key": {"id": {"S": self._name(number)["id"]}}}

    def _change(self, table: str, number: int | None = None) -> dict[str, Any]:
        attribute, value = self._dice.choice([each for each in self._row(table).items() if each[0] != "id"])
        change: dict[str, Any] = {"UpdateExpression": "REMOVE #a", "ExpressionAttributeNames": {"#a": attribute}}
        if self._dice.random() < 0.8:
            change |= {"UpdateExpression": "SET #a = :a", "ExpressionAttributeValues": {":a": value}}
        return self._key(table, number) | change

    def _put(self, table: str) -> tuple[int, Any]:
        return self._emulator.call("PutItem", TableName=table, Item=self._row(table))

    def _update(self, table: str) -> tuple[int, Any]:
        return self._emulator.call("UpdateItem", **self._change(table))

    def _delete(self, table: str) -> tuple[int, Any]:
        return self._emulator.call("DeleteItem", **self._key(table))

    def _batch(self, table: str) -> tuple[int, Any]:
        gone, *numbers = self._dice.sample(range(ROWS), 4)
        puts = [{"PutRequest": {"Item": self._row(table, number)}} for number in numbers]
        delete = {"DeleteRequest": {"Key": self._key(table, gone)["Key"]}}
        return self._emulator.call("BatchWriteItem", RequestItems={table: [*puts, delete]})

    def _transaction(self, table: str) -> tuple[int, Any]:
        first, second, third = self._dice.sample(range(ROWS), 3)
        put = {"TableName": table, "Item": self._row(table, first)}
        change = self._change(table, second) | {"ConditionExpression": "attribute_exists(#a)"}
        items = [{"Put": put}, {"Update": change}, {"Delete": self._key(table, third)}]
        return self._emulator.call("TransactWriteItems", TransactItems=items)

    def _statements(self, table: str) -> tuple[int, Any]:
        sort = next(iter(INDEXES[table].values()))[1]
        # Where the second row is missing, the emulator puts all items of the table back as they were.
        statements = [
            {
                "Statement": f'UPDATE "{table}" SET {sort}=? WHERE id=?',
                "Parameters": [{"S": self._moment()}, {"S": f"row-{number}"}],
            }
            for number in self._dice.sample(range(ROWS), 2)
        ]
        return self._emulator.call("ExecuteTransaction", TransactStatements=statements)

    def _expiry(self, table: str) -> tuple[int, Any]:
        dynamodb = self._emulator.dynamodb
        return 200, dynamodb._remove_item(dynamodb._tables[table], self._name()["id"], "__no_sort__")

    def _new_index(self, table: str) -> tuple[int, Any]:
        found = self._emulator.do("DescribeTable", TableName=table)["Table"]
        old = found["GlobalSecondaryIndexes"][0]
        new = {name: old[name] for name in ("IndexName", "KeySchema", "Projection")}
        request = {"TableName": table, "AttributeDefinitions": found["AttributeDefinitions"]}
        deletion = {"Delete": {"IndexName": new["IndexName"]}}
        self._emulator.do("UpdateTable", **request, GlobalSecondaryIndexUpdates=[deletion])
        return self._emulator.call("UpdateTable", **request, GlobalSecondaryIndexUpdates=[{"Create": new}])
