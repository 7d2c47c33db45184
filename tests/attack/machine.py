"""A machine that does to the service whatever the world may do, and a plain model of what must hold all the time."""

# ruff: noqa: D401  what happens is told, not commanded

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from outbox import Attachment, KeyConflict
from outbox.core import clock as clocks
from outbox.core import places, transitions
from outbox.core.bounce import TYPES
from outbox.core.errors import NoRecords, NotAnswered, OutboxError, Stop, TryLater
from outbox.core.mail import Mail
from outbox.core.rate import Rate
from outbox.core.row import Row
from outbox.core.states import PROBLEMS, Status
from outbox.core.suppression import Rule
from outbox.flows.bounce import RecordBounces
from outbox.flows.cleanup import Cleanup
from outbox.flows.keep import Keep
from outbox.flows.limiter import SharedLimiter
from outbox.flows.suppression import SuppressionList
from outbox.testing import MemoryBounces
from tests.attack.effects import ON_WRITES, Fault
from tests.attack.world import OUTCOMES, World, everything
from tests.conftest import make_mail

SECONDS = [1, 5, 30, 61, 181, 301, 601, 1800, 3601, 7200, 86_400, 200_000]
BACKWARD = [1, 5, 20, 59]
RECORDS: dict[str, Exception | None] = {
    "healthy": None,
    "no answer": NotAnswered("no."),
    "429": TryLater("the rate is used up.", 30.0),
    "none": NoRecords("no records."),
    "locked": Stop("locked."),
    "a bug": KeyError("x"),
}
SLIPS: dict[str, list[Any]] = {
    "text": ["Better.", 5, None, "x" * 40_000],
    "to": ["jiro@example.com", "nobody", None, ["x"]],
    "status": [*map(str, Status), "SNED", None, 5],
    "due_at": ["2026-01-01T00:00:00.000Z", "tomorrow", None],
    "lane": ["normal-0", "urgent-3", "normal", None],
    "revision": [0, 1, -1, 10**6, "x", None],
    "attempts": [7, 8, "x", None],
    "claim": ["x", None],
    "on_unknown": ["resend", "perhaps", None],
    "urgent": [True, "yes"],
    "problem": ["FAILED", "x", None],
    "problem_at": ["2026-01-01T00:00:00.000Z", "x", None],
    "check_until": ["x", None],
    "note": ["called the customer"],
    "timeline": ["x", None, []],
}
slips = st.sampled_from([(name, value) for name, values in SLIPS.items() for value in values])
# Beyond this no process of ours makes calls in one go; a fault past its end strikes nothing.
numbers = st.integers(0, 40)
kinds = st.sampled_from(ON_WRITES)
faults = st.none() | st.builds(Fault, st.integers(0, 2), kinds)


@dataclass
class Model:
    """What must be known of a mail to tell what may have become of it."""

    id: str
    mail: Mail
    key: bool
    # A person typed on the row itself, or saved a whole version over it: the promise of one mail is off.
    by_hand: bool = False
    deleted: bool = False
    # A person was told that it may have been sent, and sent it again.
    decided: int = 0
    versions: list[dict[str, Any]] = field(default_factory=list)


class Machine(RuleBasedStateMachine):
    """The service under people, time, and faults."""

    mails = Bundle("mails")
    steps: ClassVar[Counter[str]] = Counter()

    def make_store(self) -> Any:
        """Give the store of one run; the memory store unless a test says otherwise."""
        return None

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.make_store())
        self.world.restart()
        self.known: dict[str, Model] = {}
        self.number = 0
        self.outcome = "sent"
        # The bounces that were told of, and whether the webhook surely wrote them down.
        self.heard_of: dict[tuple[str, ...], bool] = {}

    # What applications do.

    @initialize(target=mails, policies=st.lists(st.sampled_from(["hold", "hold", "resend"]), min_size=2, max_size=5))
    def begin(self, policies: list[str]) -> Any:
        """Some mails are there before anything else happens."""
        return multiple(*[self._enqueue(policy, None)[0] for policy in policies])

    @rule(
        target=mails,
        keyed=st.booleans(),
        policy=st.sampled_from(["hold", "hold", "resend"]),
        urgent=st.booleans(),
        later=st.sampled_from([None, None, 60, 4000]),
        files=st.sampled_from([0, 0, 2]),
        fault=st.none() | st.builds(Fault, st.integers(0, 3), kinds),
    )
    def enqueue(
        self,
        keyed: bool,  # noqa: FBT001
        policy: str,
        urgent: bool,  # noqa: FBT001
        later: int | None,
        files: int,
        fault: Fault | None,
    ) -> Any:
        """An application writes a mail, and may never hear of it."""
        send_at = self.world.clock() + timedelta(seconds=later) if later else None
        return multiple(*self._enqueue(policy, fault, keyed=keyed, urgent=urgent, send_at=send_at, files=files))

    def _enqueue(
        self,
        policy: str,
        fault: Fault | None,
        *,
        keyed: bool = True,
        urgent: bool = False,
        send_at: datetime | None = None,
        files: int = 0,
    ) -> list[str]:
        self.number += 1
        to, attachments = f"to-{self.number}@example.com", [Attachment(f"{n}.txt", b"x") for n in range(files)]
        parts = {"subject": f"mail {self.number}", "to": to, "cc": ["copy@example.com"], "attachments": attachments}
        mail = make_mail(**parts, on_unknown=policy, urgent=urgent)
        key = f"key-{self.number}" if keyed else None
        before = set(everything(self.world.store, "outbox"))

        def act(world: World) -> None:
            world.worker.outbox.enqueue(mail, idempotency_key=key, send_at=send_at)

        self._run(act, fault)
        new = set(everything(self.world.store, "outbox")) - before
        for mail_id in new:
            self.known[mail_id] = Model(mail_id, mail, keyed)
        return sorted(new)

    @rule(mail_id=mails)
    def enqueue_again(self, mail_id: str) -> None:
        """An application calls again with its key: nothing is written twice."""
        model = self.known[mail_id]
        if not model.key or model.deleted:
            return
        # In the very same millisecond it would be taken for the first call whose answer was lost.
        self.world.clock.forward(seconds=0.001)
        receipt = None
        with suppress(KeyConflict):
            receipt = self.world.calm.outbox.enqueue(model.mail, idempotency_key=mail_id)
        assert receipt is None or receipt.duplicate
        assert receipt or model.by_hand
        with suppress(OutboxError):
            self.world.calm.outbox.enqueue(model.mail.but(subject="another"), idempotency_key=mail_id)
            raise AssertionError("a key was used for two mails")

    # What the service does.

    @rule(fault=st.none() | st.builds(Fault, numbers, kinds))
    def ring(self, fault: Fault | None) -> None:
        """The stream rings what is new."""
        bells = self.world.bells()
        self._run(lambda world: world.worker.deliver(bells), fault)

    @rule(data=st.data(), fault=st.none() | st.builds(Fault, numbers, kinds))
    def ring_again(self, data: st.DataObject, fault: Fault | None) -> None:
        """The stream rings some of what it ever rang, in an order of its own."""
        heard, bells = self.world.heard, self.world.bells(ever=True)
        self.world.heard = heard
        if bells:
            chosen = data.draw(st.lists(st.sampled_from(bells), max_size=8))
            self._run(lambda world: world.worker.deliver(chosen), fault)

    @rule(fault=st.none() | st.builds(Fault, numbers, kinds))
    def dispatch(self, fault: Fault | None) -> None:
        """The minute has come."""
        self._run(lambda world: world.worker.dispatch(), fault)

    @rule(mail_id=mails, seconds=st.sampled_from([0, 100, 200, 700]))
    def slow_call(self, mail_id: str, seconds: int) -> None:
        """A worker hangs in its call while others go on; its answer comes late or never."""
        bells = [bell for bell in self.world.bells() if bell.ask]
        world, outcome = self.world, self.outcome

        def answer(mail: Mail) -> Any:
            world.answers(outcome)
            world.clock.forward(seconds=seconds)
            self._run(lambda other: other.calm.dispatch(), None)
            return OUTCOMES[outcome](world, mail)

        world.api.answer = answer
        self._run(lambda other: other.worker.deliver(bells), None)
        world.answers(outcome)

    # What the world does.

    @rule(seconds=st.sampled_from(SECONDS))
    def later(self, seconds: int) -> None:
        """Time goes by."""
        self.world.clock.forward(seconds=seconds)

    @rule(seconds=st.sampled_from(BACKWARD))
    def earlier(self, seconds: int) -> None:
        """A clock is set back a little."""
        self.world.clock.forward(seconds=-seconds)

    @rule(outcome=st.sampled_from(sorted(OUTCOMES)))
    def api_answers(self, outcome: str) -> None:
        """The API has another day."""
        self.outcome = outcome
        self.world.answers(outcome)

    @rule(how=st.sampled_from(sorted(RECORDS)))
    def records_answer(self, how: str) -> None:
        """The API's records have another day."""
        self.world.records.error = RECORDS[how]

    @rule(window=st.sampled_from([15, 15, 0]))
    def look_up_window(self, window: float) -> None:
        """The look-up is switched on or off."""
        self.world.window = window
        self.world.restart()

    @rule(rate=st.sampled_from([None, 60, 600]))
    def rate(self, rate: int | None) -> None:
        """The rate is set anew."""
        world = self.world
        world.limiter_of = lambda _world, register: (
            SharedLimiter(register, world.clock, Rate(rate, 0), world.wait) if rate else None
        )
        world.restart()

    @rule(mail_id=mails, kind=st.sampled_from(TYPES), copy=st.booleans(), times=st.integers(1, 3), fault=faults)
    def bounce(self, mail_id: str, kind: str, copy: bool, times: int, fault: Fault | None) -> None:  # noqa: FBT001
        """The mail API tells of a bounce, as often as it likes; before the mail is known to be sent, too."""
        world = self.world
        row = everything(world.store, "history").get(mail_id, {})
        delivery_id = str(row.get("delivery_id") or len(world.api.sent) + 1)
        email = "copy@example.com" if copy else self.known[mail_id].mail.to.email
        moment = clocks.text(world.clock())
        detail = {"mailaddress": email, "error_code": "550", "delivery_id": delivery_id}
        event = {"event": {"type": kind, "datetime": moment, "detail": detail}}
        told = (delivery_id, email, kind, moment)
        for attempt in range(times):

            def hear(world: World) -> None:
                records = MemoryBounces(world.store, world.suppressions)
                watched = world.effects.watch("bounces", records)
                with suppress(ExceptionGroup):
                    RecordBounces(watched, world.suppressions, world.clock, Rule(1), 400, threads=1)([event])

            ran = world.run(hear, fault if attempt == 0 else None)
            self.heard_of[told] = self.heard_of.get(told, False) or not ran.struck
        self.steps["bounces"] += times

    @rule(mail_id=mails, copy=st.booleans())
    def lift(self, mail_id: str, copy: bool) -> None:  # noqa: FBT001
        """A person lets an address get mail again."""
        email = "copy@example.com" if copy else self.known[mail_id].mail.to.email
        SuppressionList(self.world.suppressions, self.world.clock).lift(email, "alice")

    @rule()
    def orphans_expire(self) -> None:
        """Keep has heard of every new row; some days later the bucket lets go of what no row came to name."""
        rows = [change.after for change in self.world.store.changes if change.name == "INSERT"]
        Keep(self.world.files)(rows)
        self.world.files.expire()

    @rule(mail_id=consumes(mails), fails=st.booleans())
    def history_expires(self, mail_id: str, fails: bool) -> None:  # noqa: FBT001
        """A mail's time in history is over: its row goes, then its files, and nobody else's."""
        world = self.world
        row = everything(world.store, "history").get(mail_id)
        if row is None:
            return
        world.store.erase(mail_id)
        self.known[mail_id].by_hand = self.known[mail_id].deleted = True
        own = [each["key"] for each in row.get("attachments", [])]
        cleanup = Cleanup(world.files, (world.store.get,))
        if fails and own and world.store.get(mail_id) is None:
            world.files.undeletable = {own[0]: "InternalError"}
            assert cleanup([row]) == {0}
            world.files.undeletable = {}
        assert cleanup([row]) == set()
        back = world.store.get(mail_id) or {}
        assert back.get("attachments") or not any(key in world.files.objects for key in own)

    # What people do through the service.

    @rule(mail_id=mails, act=st.sampled_from(["resend", "hold", "release", "cancel", "confirm"]))
    def person(self, mail_id: str, act: str) -> None:
        """A person acts on a mail."""
        self._decide(mail_id, lambda: getattr(self.world.calm.support, act)(mail_id, "alice"))

    @rule(mail_id=mails, fault=faults)
    def reopen(self, mail_id: str, fault: Fault | None) -> None:
        """A person takes a cancel back, one made at once or long ago, and may never hear of it; a doubt stays."""
        world, model = self.world, self.known[mail_id]
        with suppress(OutboxError):
            world.calm.support.cancel(mail_id, "alice")
        cancelled = everything(world.store, "history").get(mail_id, {}).get("status") == Status.CANCELLED

        def take_back(world: World) -> None:
            with suppress(OutboxError):
                world.worker.support.reopen(mail_id, "bob")

        self._run(take_back, fault)
        row = everything(world.store, "outbox").get(mail_id)
        if not cancelled or row is None or model.by_hand:
            return
        self.steps["reopened"] += 1
        assert row["status"] == Status.HELD
        if world.out(model.mail.subject) and model.mail.on_unknown == "hold" and not model.decided:
            assert transitions.may_have_been_sent(Row(row)), f"{mail_id} went out, and comes back as if it had not"

    @rule(mail_id=mails, send=st.booleans(), later=st.sampled_from([None, 3000]))
    def edit(self, mail_id: str, send: bool, later: int | None) -> None:  # noqa: FBT001
        """A person corrects a mail, and may send it."""
        at = self.world.clock() + timedelta(seconds=later) if later and send else None
        support = self.world.calm.support
        self._decide(mail_id, lambda: support.edit(mail_id, {"text": "Corrected."}, "bob", send=send, send_at=at))

    @rule(on=st.booleans())
    def switch(self, on: bool) -> None:  # noqa: FBT001
        """A person stops the line, or lets it go."""
        if on:
            self.world.calm.switch.resume("alice")
        else:
            self.world.calm.switch.pause("alice", "stock-taking")

    # What people do by hand.

    @rule(mail_id=mails, slip=slips)
    def raw_edit(self, mail_id: str, slip: tuple[str, Any]) -> None:
        """A person types on a row."""
        if mail_id in everything(self.world.store, "outbox"):
            self.known[mail_id].by_hand = True
            self.world.store.edit(mail_id, **{slip[0]: slip[1]})

    @rule(mail_id=mails, data=st.data())
    def save_over(self, mail_id: str, data: st.DataObject) -> None:
        """A person saves an older version of a row from an old tab, wherever the mail is by now."""
        images = [change.before for change in self.world.store.changes if change.before]
        versions = [image for image in images if image["id"] == mail_id]
        if versions:
            self.known[mail_id].by_hand = True
            self.world.store.put(data.draw(st.sampled_from(versions)))

    @rule(mail_id=consumes(mails))
    def delete(self, mail_id: str) -> None:
        """A person deletes a row."""
        if mail_id in everything(self.world.store, "outbox"):
            self.known[mail_id].by_hand = self.known[mail_id].deleted = True
            self.world.store.remove(mail_id)

    # What must hold.

    @invariant()
    def holds(self) -> None:
        """No mail is lost, none is forgotten, none goes twice."""
        self.steps["steps"] += 1
        self._look()

    def _look(self) -> None:
        self._look_at_bounces()
        world = self.world
        outbox, history = everything(world.store, "outbox"), everything(world.store, "history")
        for mail_id, model in self.known.items():
            row, finished = outbox.get(mail_id), history.get(mail_id)
            assert row or finished or model.deleted, f"{mail_id} vanished"
            if model.by_hand:
                continue
            out = world.out(model.mail.subject)
            assert not (row and finished), f"{mail_id} is in two places"
            if model.mail.on_unknown == "hold":
                assert out <= 1 + model.decided, f"{mail_id} went out {out} times"
            for each in ((row or finished) or {}).get("attachments", []):
                assert each["key"] in world.files.objects, f"a file of {mail_id} is gone"
            if row:
                self._watched(row)
            if finished and finished["status"] == "SENT":
                assert out or finished.get("confirmed_by") == "alice", f"{mail_id} never went out"

    def teardown(self) -> None:
        """When all is well again every mail comes to rest: in history, or before a person with a reason."""
        self.world.window, self.world.limiter_of = 15, lambda _world, _register: None
        self.world.restart()
        self.world.recover(rounds=200)
        self._look()
        outbox, history = everything(self.world.store, "outbox"), everything(self.world.store, "history")
        for mail_id, model in self.known.items():
            row, finished = outbox.get(mail_id), history.get(mail_id)
            if row:
                assert row["status"] in PROBLEMS, f"{mail_id} is {row['status']}"
                assert str(row.get("reason", "")).strip(), f"{mail_id} is {row['status']} without a reason"
                there = self.world.store.by_problem(row["status"], 1000).items
                assert mail_id in [item["id"] for item in there], f"{mail_id} is in no index"
            self.steps["deleted" if not row and not finished else "at rest" if row else "finished"] += 1
            self.steps["by hand"] += model.by_hand
        self.steps["mails"] += len(self.known)
        self.steps["out"] += len(self.world.api.sent)
        self.steps["runs"] += 1

    def _look_at_bounces(self) -> None:
        """Each bounce that was heard is written down once; one whose hearing broke, once or not at all."""
        if not self.heard_of:
            return
        there = Counter(
            (item["delivery_id"], item["recipient"], item["type"], item["finished_at"])
            for item_id, item in everything(self.world.store, "history").items()
            if item_id.startswith(places.BOUNCE)
        )
        assert set(there) <= set(self.heard_of)
        assert all(there[told] == 1 for told, sure in self.heard_of.items() if sure)
        assert not there or max(there.values()) == 1

    # How it is done.

    def _watched(self, row: dict[str, Any]) -> None:
        if row["status"] in PROBLEMS:
            assert row["problem"] == row["status"]
            assert row["problem_at"]
            assert row["reason"]
            return
        assert clocks.parse(row["due_at"]), f"nobody looks at {row}"
        assert places.is_lane(row["lane"]), f"nobody looks at {row}"

    def _run(self, act: Callable[[World], Any], fault: Fault | None) -> None:
        ran = self.world.run(act, fault)
        if fault and ran.struck:
            self.steps["faults"] += 1
            note(f"{fault.kind} at {ran.calls[fault.number]}")

    def _decide(self, mail_id: str, act: Callable[[], Any]) -> None:
        row = everything(self.world.store, "outbox").get(mail_id)
        word = row.get("status") if row else ""
        try:
            act()
        except OutboxError:
            return
        # Held mails may have been in doubt before: who releases one has read its timeline.
        self.known[mail_id].decided += word in ("UNKNOWN", "HELD")
