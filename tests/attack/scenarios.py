"""What the matrix breaks: each scenario is a state of the world and the process that is broken in it."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from outbox import Attachment
from outbox.core import places
from outbox.core.errors import NoRecords, NotAnswered, OutboxError, Stop, TryLater
from outbox.core.ports import Unlimited
from outbox.core.rate import Rate
from outbox.flows.limiter import SharedLimiter
from outbox.flows.suppression import SuppressionList
from tests.attack.effects import Fault
from tests.attack.world import OUTCOMES, World, everything
from tests.conftest import make_mail

ALL = tuple(OUTCOMES)
HEALTHY = ("sent",)


@dataclass(frozen=True)
class Scenario:
    """A state, the process that is broken in it, and what may come of it."""

    prepare: Callable[[World, str], None]
    act: Callable[[World], None]
    outcomes: tuple[str, ...] = ALL
    window: float = 15
    rate: bool = False
    most: int = 1
    # What ends may come of it beside those the outcome brings.
    ends: frozenset[str] = frozenset()
    # What the caller does after a fault: calls again, as the documentation says.
    again: Callable[[World], None] | None = None
    policies: tuple[str, ...] = ("hold", "resend")
    # A person saves an older version while the mail is being sent.
    saved_over: bool = False


def enqueue(world: World, policy: str, *, subject: str = "mail", **more: object) -> str:
    return world.calm.outbox.enqueue(make_mail(subject=subject, on_unknown=policy), **more).id


def one_new(world, policy):
    enqueue(world, policy)


def three_new(world, policy):
    for subject in ("one", "two", "three"):
        enqueue(world, policy, subject=subject)
    # A stale doorbell of a mail in the batch costs nothing.
    world.store.edit(next(iter(everything(world.store, "outbox"))), note="x")


def scheduled(world, policy):
    enqueue(world, policy, send_at=world.clock() + timedelta(hours=1))
    world.bells()
    world.clock.forward(hours=1)


def unheard(world, policy):
    enqueue(world, policy)
    world.bells()
    world.clock.forward(minutes=6)


def left_behind(where):
    """Let a worker die at its call of the API, before or after the API took the mail."""

    def prepare(world, policy):
        enqueue(world, policy)
        clean = len(_calls_before_the_api(world))
        world.run(deliver, Fault(clean, where))
        world.clock.forward(minutes=3, seconds=1)

    return prepare


def _calls_before_the_api(world):
    """Count the calls of a deliver before that of the API, in a world of its own."""
    probe = World()
    enqueue(probe, "hold")
    names = [str(call) for call in probe.run(deliver).calls]
    return names[: names.index("api.send")]


def in_doubt(outcome, *, last=False, error=None):
    """Leave a mail in CHECKING; its next look (or the last one) is due."""

    def prepare(world, policy):
        enqueue(world, policy)
        world.answers(outcome)
        world.calm.deliver(world.bells())
        world.clock.forward(minutes=6)
        if last:
            for _ in range(3):
                world.calm.dispatch()
                world.clock.forward(minutes=6)
        world.records.error = error

    return prepare


def refused(world, policy):
    enqueue(world, policy)
    world.answers("refused")
    world.calm.deliver(world.bells())
    world.bells()


def unknown(outcome):
    def prepare(world, policy):
        window, world.window = world.window, 0
        world.restart()
        enqueue(world, policy)
        world.answers(outcome)
        world.calm.deliver(world.bells())
        world.bells()
        world.window = window
        world.restart()

    return prepare


def held(world, policy):
    world.calm.support.hold(enqueue(world, policy), "alice", "wait")
    world.bells()


def cancelled(world, policy):
    world.calm.support.cancel(enqueue(world, policy), "bob")
    world.bells()


def cancelled_in_doubt(world, policy):
    """Call back a mail that went out and of which nobody knows."""
    unknown("no answer, accepted")(world, policy)
    world.calm.support.cancel(next(iter(everything(world.store, "outbox"))), "bob")


def stopped(world, policy):
    enqueue(world, policy)
    world.calm.switch.pause("alice", "stock-taking")


def stopped_by_itself(world, policy):
    enqueue(world, policy)
    world.bells()
    world.clock.forward(minutes=6)
    world.calm.switch.trip("the account is locked (423).", "deliver", "another account")


def rate_used_up(world, policy):
    enqueue(world, policy)
    SharedLimiter(world.register, world.clock, Rate(60, 0), world.calm.pause).hold_back(30)


def odd_status(world, policy):
    mail_id = enqueue(world, policy)
    world.bells()
    world.store.edit(mail_id, status="SNED")


def lost_lane(world, policy):
    mail_id = enqueue(world, policy, send_at=world.clock() + timedelta(hours=1))
    world.bells()
    world.store.edit(mail_id, lane=None)


def broken_row(world, policy):
    world.store.edit(enqueue(world, policy), to="nobody")


def by_hand(world, policy):
    """Leave a row at rest whose state a person typed and that is still in the index of what is due."""
    world.store.edit(enqueue(world, policy), status="HELD")
    world.bells()
    world.clock.forward(minutes=6)


def saved_over_while_sent(world, policy):
    """Let a person save an older version while the API is being called."""
    mail_id = enqueue(world, policy)
    old = {**everything(world.store, "outbox")[mail_id], "status": "WAITING"}
    bell = world.bells()

    def answer(mail):
        world.store.put({**old, "text": "Saved over."})
        return world.api.accept(mail)

    world.api.answer = answer
    world.pocket = bell


def late_answer(world, policy):
    """Let the API answer a new mail after the lease, when another worker is looking it up already."""
    enqueue(world, policy)
    answer_late(world)


def scheduled_late_answer(world, policy):
    scheduled(world, policy)
    answer_late(world)


def answer_late(world):
    def answer(mail):
        world.clock.forward(seconds=200)
        world.calm.dispatch()
        return world.api.accept(mail)

    world.api.answer = answer


def with_files(world, policy):
    """Write a mail with two files and a copy, whose files have been kept since."""
    attachments = [Attachment("a.txt", b"first"), Attachment("請求書.txt", b"second")]
    mail = make_mail(subject="mail", on_unknown=policy, attachments=attachments, cc=["ken@example.com"])
    world.calm.outbox.enqueue(mail)
    world.files.new.clear()


def scheduled_with_files(world, policy):
    with_files(world, policy)
    world.bells()
    world.clock.forward(minutes=6)


def lost_file(world, policy):
    with_files(world, policy)
    world.files.objects.popitem()


def suppressed(email):
    """Write a mail to somebody, and a copy to somebody else, one of whom is suppressed."""

    def prepare(world, policy):
        mail = make_mail(subject="mail", on_unknown=policy, cc=["ken@example.com"])
        world.calm.outbox.enqueue(mail)
        SuppressionList(world.suppressions, world.clock).add(email, "alice", "asked for it")

    return prepare


def nothing(_world, _policy):
    """Begin with nothing."""


def deliver(world):
    world.worker.deliver(world.bells())


def deliver_pocket(world):
    world.worker.deliver(world.pocket)


def dispatch(world):
    world.worker.dispatch()


def person(*acts):
    """Let a person act, who looks at an error and goes on; then deliver rings."""

    def act(world):
        mail_id = next(iter(everything(world.store, "outbox")))
        for one in acts:
            with suppress(OutboxError, ConnectionError):
                one(world.worker.support, mail_id)
        deliver(world)

    return act


def take_back(*acts):
    """Let a person take a cancel back, and go on; then deliver rings."""

    def act(world):
        mail_id = next(filter(places.is_mail, everything(world.store, "history")))
        for name in ("reopen", *acts):
            with suppress(OutboxError, ConnectionError):
                getattr(world.worker.support, name)(mail_id, "alice")
        deliver(world)

    return act


def resend(support, mail_id):
    support.resend(mail_id, "alice")


def correct(support, mail_id):
    support.edit(mail_id, {"text": "Corrected."}, "alice", send=True)


def enqueue_once(world):
    """Write a mail with a key, as an application that calls again when it has no answer."""
    with suppress(ConnectionError):
        world.worker.outbox.enqueue(make_mail(subject="mail"), idempotency_key="order-1")
    deliver(world)


def enqueue_again(world):
    world.calm.outbox.enqueue(make_mail(subject="mail"), idempotency_key="order-1")


def enqueue_file_once(world):
    """Write a mail with a file and a key, as an application that calls again when it has no answer."""
    with suppress(ConnectionError):
        world.worker.outbox.enqueue(_mail_with_a_file(), idempotency_key="order-1")
    deliver(world)


def enqueue_file_again(world):
    world.calm.outbox.enqueue(_mail_with_a_file(), idempotency_key="order-1")


def _mail_with_a_file():
    return make_mail(subject="mail", attachments=[Attachment("a.txt", b"first")])


def act_alone(name):
    return person(lambda support, mail_id: getattr(support, name)(mail_id, "alice"))


LOOKED = ("sent",)
UNKNOWN, FAILED, HELD, CANCELLED = (frozenset({word}) for word in ("UNKNOWN", "FAILED", "HELD", "CANCELLED"))
TWICE = 2

SCENARIOS: dict[str, Scenario] = {
    "deliver a new mail": Scenario(one_new, deliver),
    "deliver a new mail, no look-up": Scenario(one_new, deliver, window=0, ends=UNKNOWN, policies=("hold",)),
    "deliver a new mail within a rate": Scenario(one_new, deliver, rate=True),
    "deliver three mails": Scenario(three_new, deliver),
    "deliver over the rate": Scenario(rate_used_up, deliver, HEALTHY, rate=True),
    "deliver on a stopped line": Scenario(stopped, deliver, HEALTHY),
    "deliver an odd status": Scenario(odd_status, deliver, HEALTHY, ends=FAILED),
    "deliver a lost lane": Scenario(lost_lane, deliver, HEALTHY, ends=FAILED),
    "deliver a broken row": Scenario(broken_row, deliver, HEALTHY, ends=FAILED),
    "deliver while an older version is saved": Scenario(
        saved_over_while_sent, deliver_pocket, HEALTHY, ends=HELD | UNKNOWN, policies=("hold",), saved_over=True
    ),
    "deliver with a late answer": Scenario(late_answer, deliver, HEALTHY),
    "deliver with a late answer, no look-up": Scenario(
        late_answer, deliver, HEALTHY, window=0, ends=UNKNOWN, policies=("hold",)
    ),
    # Who asks for a resend without a look-up accepts a second mail after a crash.
    "deliver with a late answer, no look-up, to be sent again": Scenario(
        late_answer, deliver, HEALTHY, window=0, ends=UNKNOWN, policies=("resend",), most=2
    ),
    "dispatch a scheduled mail": Scenario(scheduled, dispatch),
    "dispatch a scheduled mail within a rate": Scenario(scheduled, dispatch, rate=True),
    "dispatch a mail whose doorbell was lost": Scenario(unheard, dispatch),
    "dispatch with a late answer": Scenario(scheduled_late_answer, dispatch, HEALTHY),
    "dispatch what died before the call": Scenario(left_behind("dies before"), dispatch, HEALTHY),
    "dispatch what died after the call": Scenario(left_behind("dies after"), dispatch, HEALTHY),
    "dispatch what died before the call, no look-up": Scenario(
        left_behind("dies before"), dispatch, HEALTHY, window=0, policies=("hold",)
    ),
    "dispatch what died after the call, no look-up": Scenario(
        left_behind("dies after"), dispatch, HEALTHY, window=0, ends=UNKNOWN, policies=("hold",)
    ),
    "dispatch a state typed by hand": Scenario(by_hand, dispatch, HEALTHY, ends=HELD),
    "dispatch after new credentials": Scenario(stopped_by_itself, dispatch),
    "look up what was accepted": Scenario(in_doubt("no answer, accepted"), dispatch, LOOKED),
    "look up what was not accepted": Scenario(in_doubt("no answer, not accepted"), dispatch, LOOKED),
    "look up what was accepted within a rate": Scenario(in_doubt("no answer, accepted"), dispatch, LOOKED, rate=True),
    "look up for the last time": Scenario(in_doubt("no answer, not accepted", last=True), dispatch, LOOKED),
    "look up, no answer": Scenario(in_doubt("no answer, accepted", error=NotAnswered("no.")), dispatch, LOOKED),
    "look up, 429": Scenario(in_doubt("no answer, accepted", error=TryLater("rate.", 20.0)), dispatch, LOOKED),
    "look up, locked": Scenario(in_doubt("no answer, accepted", error=Stop("locked.")), dispatch, LOOKED),
    "look up, no records": Scenario(
        in_doubt("no answer, not accepted", error=NoRecords("no records.")), dispatch, LOOKED
    ),
    "look up with look-up switched off": Scenario(
        lambda world, policy: (in_doubt("no answer, not accepted")(world, policy), setattr(world, "window", 0)),
        dispatch,
        LOOKED,
    ),
    "resend a refused mail": Scenario(refused, person(resend), ends=FAILED),
    "resend a refused mail twice": Scenario(refused, person(resend, resend), ends=FAILED),
    "correct and resend a refused mail": Scenario(refused, person(correct), ends=FAILED),
    "resend an unknown mail that was not accepted": Scenario(
        unknown("no answer, not accepted"), person(resend), policies=("hold",), ends=UNKNOWN
    ),
    "resend an unknown mail that was accepted": Scenario(
        unknown("no answer, accepted"), person(resend), policies=("hold",), ends=UNKNOWN, most=TWICE
    ),
    "say that an unknown mail was sent": Scenario(
        unknown("no answer, accepted"), act_alone("confirm"), HEALTHY, policies=("hold",), ends=UNKNOWN
    ),
    "release a held mail": Scenario(held, act_alone("release"), ends=HELD),
    "hold a new mail": Scenario(one_new, act_alone("hold"), HEALTHY, ends=HELD),
    "cancel a new mail": Scenario(one_new, act_alone("cancel"), HEALTHY, ends=CANCELLED),
    "reopen a cancelled mail": Scenario(cancelled, take_back(), HEALTHY, ends=HELD | CANCELLED),
    "reopen a cancelled mail and release it": Scenario(cancelled, take_back("release"), ends=HELD | CANCELLED),
    "reopen a cancelled mail and cancel it again": Scenario(
        cancelled, take_back("cancel"), HEALTHY, ends=HELD | CANCELLED
    ),
    "reopen a cancelled mail that may have been sent": Scenario(
        cancelled_in_doubt, take_back(), HEALTHY, policies=("hold",), ends=HELD | CANCELLED
    ),
    "deliver a mail with files": Scenario(with_files, deliver),
    "deliver a mail with files within a rate": Scenario(with_files, deliver, HEALTHY, rate=True),
    "dispatch a mail with files": Scenario(scheduled_with_files, dispatch),
    "deliver a mail whose file is lost": Scenario(lost_file, deliver, HEALTHY, ends=FAILED),
    "deliver to a suppressed address": Scenario(suppressed("taro@example.com"), deliver, HEALTHY, ends=FAILED),
    "deliver with a suppressed copy": Scenario(suppressed("ken@example.com"), deliver),
    "enqueue a file with a key, again": Scenario(
        nothing, enqueue_file_once, again=enqueue_file_again, policies=("hold",)
    ),
    "enqueue with a key, again": Scenario(nothing, enqueue_once, again=enqueue_again, policies=("hold",)),
}


def limiter_of(scenario: Scenario) -> Callable[[World, object], object]:
    """Give the limiter of a scenario's workers."""
    if not scenario.rate:
        return lambda _world, _register: Unlimited()
    return lambda world, register: SharedLimiter(register, world.clock, Rate(60, 0), world.wait)
