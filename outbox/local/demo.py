"""Sends real input through a running local stack and checks what came of every mail.

    with LocalStack() as stack:
        report = demo.run(stack, print)
    assert report.ok

The template's schedule starts dispatch once a minute; the demo starts it every second besides, so that nobody waits.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from outbox.adapters.bounces import DynamoSuppressions
from outbox.adapters.dynamodb import DynamoStore
from outbox.adapters.files import S3Files
from outbox.client import Outbox
from outbox.core import clock
from outbox.core.message import Language, event, event_reason
from outbox.core.retention import Retention
from outbox.core.row import Event, Row
from outbox.core.states import FINISHED, Status
from outbox.flows.support import Support
from outbox.flows.suppression import SuppressionList
from outbox.local.demo_mails import CORRECTED, LATE, REFUSED, Scene, Seen, scenes
from outbox.local.stack import LocalStack

WHO = "demo"
ORDERS, ORDER = "orders", "1042"
# The look-up of a mail in doubt takes minutes by its nature; without it, the mail's policy decides at once.
PARAMETERS = {"LookUpMinutes": "0"}
# All is over after about ten seconds; a laptop under load may need more.
LONGEST, PAUSE = 45.0, 1.0
KEEP = Retention(400)

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One mail at the end: where it is, and what is wrong with that (nothing, if all is well)."""

    name: str
    expected: str
    row: Row
    wrong: tuple[str, ...]
    bounces: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """The table it is in."""
        return "history" if self.row.status in FINISHED else "outbox"

    def story(self, language: Language) -> str:
        """Tell what happened to it, with the reasons on the way."""
        *before, last = self.row.timeline or [{}]
        came_back = [f"bounced ({kind})" for kind in self.bounces]
        told = [_told(happened, language) for happened in before]
        return ", then ".join([*told, event(last.get("what", ""), language), *came_back])

    def as_json(self) -> dict[str, Any]:
        """Give the same for a script."""
        return {
            "name": self.name,
            "expected": self.expected,
            "ok": not self.wrong,
            "wrong": list(self.wrong),
            "id": self.row.id,
            "where": self.where,
            "status": self.row.item.get("status"),
            "reason": self.row.reason,
            "bounces": list(self.bounces),
            "row": dict(self.row.item),
        }


@dataclass(frozen=True, slots=True)
class Report:
    """What became of every mail."""

    outcomes: tuple[Outcome, ...]
    seconds: float
    trouble: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Tell whether all came out as it should."""
        return not self.wrong

    @property
    def wrong(self) -> list[str]:
        """Everything that is not as it should be, each in a sentence; `trouble` is what dispatch itself said."""
        mails = [
            f"{outcome.name}: {each} (expected: {outcome.expected})"
            for outcome in self.outcomes
            for each in outcome.wrong
        ]
        return [*mails, *(f"dispatch failed: {each}" for each in self.trouble)]


def _told(happened: Event, language: Language) -> str:
    what, why = event(happened.get("what", ""), language), event_reason(happened, language)
    # What a person did carries the reason it had before, which has been told by then.
    return f"{what} ({why})" if why and "was" not in happened else what


def run(stack: LocalStack, say: Say) -> Report:
    """Write the mails, correct the refused one, wait until all are settled, and check them."""
    return _Demo(stack, say).run()


class _Demo:
    def __init__(self, stack: LocalStack, say: Say) -> None:
        info = stack.info
        self._stack, self._say = stack, say
        self._client = stack.client("dynamodb")
        files = S3Files(stack.client("s3"), info.files_bucket)
        self._outbox = Outbox(
            table=info.outbox_table, history_table=info.history_table, actor=WHO, client=self._client, files=files
        )
        self._store = DynamoStore(self._client, info.outbox_table, info.history_table)
        self._support = Support(self._store, clock.now, KEEP)
        self._suppressed = SuppressionList(DynamoSuppressions(self._client, info.suppression_table), clock.now)
        # No proxy of the shell stands between the demo and this machine.
        self._sandbox = httpx.Client(base_url=f"{info.sandbox_url}/_sandbox", trust_env=False, timeout=10)
        self._scenes = scenes()
        self._ids: dict[str, str] = {}
        self._send_at: datetime | None = None
        self._notes: dict[str, list[str]] = {scene.name: [] for scene in self._scenes}
        self._corrected = False
        self._trouble: set[str] = set()

    def run(self) -> Report:
        began = time.monotonic()
        with self._sandbox:
            self._prepare()
            for scene in self._scenes:
                if not scene.bounced:
                    self._write(scene)
            self._wait()
            outcomes = tuple(self._outcome(scene) for scene in self._scenes)
        return Report(outcomes, round(time.monotonic() - began, 1), tuple(sorted(self._trouble)))

    def _prepare(self) -> None:
        self._say("switching the mail API's bad moments on")
        for scene in self._scenes:
            if scene.fault:
                fault = {**scene.fault, "match": {"to": scene.to}}
                self._sandbox.post("/faults", json=fault).raise_for_status()
        self._client.create_table(
            TableName=ORDERS,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        self._client.get_waiter("table_exists").wait(TableName=ORDERS, WaiterConfig={"Delay": 1})

    def _write(self, scene: Scene) -> None:
        self._say(f"writing: {scene.name}")
        if scene.key:
            self._ids[scene.name] = self._order(scene)
            return
        if scene.late:
            self._send_at = clock.now() + LATE
        self._ids[scene.name] = self._outbox.enqueue(scene.mail, send_at=self._send_at if scene.late else None).id

    def _order(self, scene: Scene) -> str:
        """Write an order and its mail in one transaction, as a shop does, then the mail once more."""
        entries = self._outbox.entries(scene.mail, idempotency_key=scene.key)
        order = {"Put": {"TableName": ORDERS, "Item": {"id": {"S": ORDER}, "total": {"N": "4200"}}}}
        self._client.transact_write_items(TransactItems=[order, *entries])
        if not self._outbox.enqueue(scene.mail, idempotency_key=scene.key).duplicate:
            self._notes[scene.name].append("its key could be used twice")
        if "Item" not in self._client.get_item(TableName=ORDERS, Key={"id": {"S": ORDER}}):
            self._notes[scene.name].append("the order is not there")
        return entries.id

    def _wait(self) -> None:
        deadline = time.monotonic() + LONGEST
        while time.monotonic() < deadline:
            self._dispatch()
            self._correct()
            self._write_to_the_bounced()
            waiting = [scene.name for scene in self._scenes if not self._has_ended(scene)]
            if not waiting:
                # Once more: what is settled must stay as it is.
                self._dispatch()
                return
            self._say(f"waiting for: {', '.join(waiting)}")
            time.sleep(PAUSE)

    def _dispatch(self) -> None:
        answer = self._stack.client("lambda").invoke(FunctionName=self._stack.info.functions["dispatch"])
        if "FunctionError" in answer:
            self._trouble.add(answer["Payload"].read().decode(errors="replace"))

    def _correct(self) -> None:
        """Do what a person does with a refused mail: read the reason, correct the address, send it again."""
        scene = next(scene for scene in self._scenes if scene.to == REFUSED)
        row = self._row(scene)
        if self._corrected or row.status is not Status.FAILED:
            return
        self._say(f"correcting the address of: {scene.name}")
        self._support.edit(row.id, {"to": CORRECTED}, WHO, revision=row.revision, send=True)
        self._corrected = True

    def _write_to_the_bounced(self) -> None:
        """Write what is written to an address once it has bounced."""
        for scene in self._scenes:
            if scene.bounced and scene.name not in self._ids and self._suppressed.reasons([scene.to]):
                self._write(scene)

    def _has_ended(self, scene: Scene) -> bool:
        return scene.name in self._ids and self._row(scene).status is scene.ends

    def _row(self, scene: Scene) -> Row:
        return self._outbox.get(self._ids[scene.name])

    def _outcome(self, scene: Scene) -> Outcome:
        row = self._row(scene) if scene.name in self._ids else Row({"reason": "it was never written"})
        addresses = {scene.to, CORRECTED} if scene.to == REFUSED else {scene.to}
        subject = scene.mail.subject
        arrived = [mail for mail in self._arrived() if mail["to"] in addresses and mail["subject"] == subject]
        bounces = self._store.bounces(row.delivery_id) if row.delivery_id else []
        seen = Seen(scene, row, arrived, bounces, self._send_at)
        return Outcome(
            scene.name,
            scene.expected,
            row,
            (*self._notes[scene.name], *seen.wrong()),
            tuple(str(bounce["type"]) for bounce in bounces),
        )

    def _arrived(self) -> list[Mapping[str, Any]]:
        answer: dict[str, list[Mapping[str, Any]]] = self._sandbox.get("/mails").raise_for_status().json()
        return answer["mails"]
