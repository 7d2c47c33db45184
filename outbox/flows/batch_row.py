"""What a batch does to one row: at most one write, which names the batch and the person in the row's timeline."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from outbox.core import clock, transitions
from outbox.core.change import Patch, seen
from outbox.core.codes import ErrorCode, EventCode
from outbox.core.errors import InvalidMail, InvalidRequest, Lost, TooLarge, as_details
from outbox.core.message import Language, Message
from outbox.core.ports import Clock, Store
from outbox.core.retention import Retention
from outbox.core.row import Item, Row
from outbox.core.states import DUE, IN_FLIGHT, Status
from outbox.core.text import shorten
from outbox.core.transitions import Stamp
from outbox.flows.correct import Changes, changes, corrected, corrections
from outbox.flows.where import Where
from outbox.flows.write import finish, write

Kind = Literal["resend", "edit", "hold", "release", "cancel"]

DONE, EARLIER = "done", "done before"
# Of one row; a batch keeps the reasons of many.
MOST_PROBLEMS = 3
# Why a row is left alone.
GONE, FINISHED = Message("skipped.gone"), Message("skipped.left-outbox")
IN_HAND, WAITS = Message("skipped.being-sent"), Message("skipped.to-be-sent")
MEANWHILE, OTHER = Message("skipped.changed"), Message("skipped.other")
SENT, SAME, ROOM = Message("skipped.already-sent"), Message("skipped.same"), Message("skipped.no-room")


@dataclass(frozen=True, slots=True)
class Action:
    """What to do with each row: `set` (edit alone) as typed, `send` it then; `note` (hold alone) stands on the row."""

    kind: Kind = "resend"
    set: tuple[str, ...] = ()
    send: bool = False
    note: str = ""

    def check(self, where: Where) -> None:
        """Refuse what fits no row, or not these. Raises `InvalidRequest`, `InvalidMail`."""
        if self.kind not in get_args(Kind):
            raise InvalidRequest(Message("batch.action", written=repr(self.kind), known=", ".join(get_args(Kind))))
        if (self.kind == "edit") != bool(self.set):
            raise InvalidRequest(Message("batch.set"))
        if self.set:
            corrections(self.set)
        if (self.kind == "release") != (where.state is Status.HELD) and self.kind in ("release", "hold"):
            raise InvalidRequest(Message("batch.release-state", status=where.state))

    @property
    def sends(self) -> bool:
        """Whether rows go again by it."""
        return self.kind in ("resend", "release") or self.send

    def leaves(self, row: Row, where: Where, *, by_ids: bool) -> str:
        """Give why a row that is meant is left alone because of its error; empty if it is not."""
        if not self.sends:
            return ""
        return SENT if row.error == ErrorCode.ALREADY_SENT else doubtful(row, where, by_ids=by_ids)

    def as_json(self) -> dict[str, Any]:
        """Give the same in plain values."""
        return {name: value for name, value in asdict(self).items() if value} | {"set": list(self.set)}

    @classmethod
    def of_json(cls, said: Mapping[str, Any]) -> "Action":
        """Read back what `as_json` gave."""
        return cls(said["kind"], tuple(said.get("set", ())), bool(said.get("send")), str(said.get("note", "")))


def doubtful(row: Row, where: Where, *, by_ids: bool) -> str:
    """Give why a row is not sent as one of many: it may have been, and nobody named its error or its id."""
    if by_ids or not transitions.may_have_been_sent(row) or (where.error and where.error == row.error):
        return ""
    return Message("skipped.in-doubt-error", error=row.error) if row.error else Message("skipped.in-doubt")


@dataclass(frozen=True, slots=True)
class Deed:
    """One batch, ready to meet its rows."""

    store: Store
    clock: Clock
    keep: Retention
    batch: str
    who: str
    started: datetime
    where: Where
    action: Action
    by_ids: bool = False
    language: Language = "en"

    def __call__(self, mail_id: str, *, again: bool) -> str:
        """Do it; give DONE, EARLIER or why not. `again`: this row may have been met without having been counted."""
        item = self.store.get(mail_id)
        if item is None:
            there = self.store.get_finished(mail_id)
            return self._ours(there, again=again) or (FINISHED if there else GONE)
        row = Row(item)
        if why := self._ours(item, again=again) or self._not_meant(row):
            return why
        try:
            return self._act(row)
        except Lost:
            # Another run of this batch may have been faster.
            now = self.store.get(mail_id) or self.store.get_finished(mail_id)
            return self._ours(now, again=True) or MEANWHILE

    def _ours(self, item: Item | None, *, again: bool) -> str:
        return (DONE if again else EARLIER) if item is not None and named(Row(item), self.batch) else ""

    def _not_meant(self, row: Row) -> str:
        if row.status in IN_FLIGHT:
            return IN_HAND
        if row.status in DUE:
            return WAITS
        at = clock.parse(row.item.get("problem_at"))
        # Later than the start: it failed again, and whoever sent it again is asked first.
        if not self.where.matches(row.item) or (at is not None and at > self.started):
            return OTHER
        return self.action.leaves(row, self.where, by_ids=self.by_ids)

    def _act(self, row: Row) -> str:
        if self.action.kind == "edit":
            return self._edit(row)
        expect = seen(row.item, "revision", "status")
        if self.action.kind == "cancel":
            finish(self.store, row.id, expect, transitions.cancelled(row, self._stamp(), self.keep, self.batch))
        else:
            write(self.store, row, expect, self._patch(row))
        return DONE

    def _patch(self, row: Row) -> Patch:
        stamp = self._stamp()
        if self.action.kind == "hold":
            return self._with_mark(transitions.held(row, stamp, self.action.note))
        if self.action.kind == "release" and row.send_at and row.send_at > stamp.now:
            return transitions.scheduled(row, row.send_at, stamp, EventCode.RELEASED, batch=self.batch)
        what = EventCode.RELEASED if self.action.kind == "release" else EventCode.RESENT
        return transitions.queued(row, stamp, self.batch, what)

    def _edit(self, row: Row) -> str:
        changed = changes(corrections(self.action.set), row.item)
        if not changed:
            return SAME
        try:
            patch = self._correction(row, changed)
        except InvalidMail as wrong:
            return Message("skipped.invalid", problems=as_details(wrong.problems[:MOST_PROBLEMS]))
        if self.action.send:
            then = transitions.queued(Row(patch.applied(row.item)), self._stamp(), self.batch, EventCode.RESENT)
            drop = (patch.drop - then.assign.keys()) | then.drop
            patch = Patch({**patch.assign, **then.assign}, drop, then.change)
        try:
            self.store.update(row.id, seen(row.item, "revision", "status", *changed), patch)
        except TooLarge:
            return ROOM
        return DONE

    def _correction(self, row: Row, changed: Changes) -> Patch:
        mail = corrected(row, changed)
        content = mail.to_item()
        differing = {name: [_brief(row.item.get(name)), _brief(content.get(name))] for name in sorted(changed)}
        return self._with_mark(transitions.edited(row, mail, differing, self._stamp()))

    def _with_mark(self, patch: Patch) -> Patch:
        *before, event = patch.assign["timeline"]
        return patch.also({"timeline": [*before, {**event, "batch": self.batch}]})

    def _stamp(self) -> Stamp:
        return Stamp(self.clock(), self.who, self.language)


def named(row: Row, batch: str) -> bool:
    """Tell whether a batch has written this row: its timeline says so, or its details where it has no room for one."""
    details = row.item.get("details")
    named_there = isinstance(details, Mapping) and details.get("batch") == batch
    return named_there or any(event.get("batch") == batch for event in row.timeline)


def _brief(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, (list, tuple, set)) else str(value or "")
    return shorten(text, 200)
