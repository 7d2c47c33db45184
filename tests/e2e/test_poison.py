"""A row that kills or hangs the deployed functions that read it: its neighbours go, and a person gets it."""

import sys
import time
from collections import Counter
from operator import attrgetter
from pathlib import Path

import pytest

from outbox.core import clock
from outbox.core.row import Row
from tests import waiting
from tests.conftest import make_mail
from tests.figures import merge

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(sys.platform != "linux", reason="kills with SIGKILL"),
]

INNOCENTS = 50
# The shortest lease the settings allow with these time-outs.
SETTINGS = {
    "OUTBOX_CONNECT_SECONDS": "1",
    "OUTBOX_ANSWER_SECONDS": "1",
    "OUTBOX_LEASE_SECONDS": "22",
    "OUTBOX_LOOK_UP_MINUTES": "0.2",
}
HERE = Path(__file__).parent


class Poisoned:
    """The deployed service whose deliver and dispatch read with a reader that a poisonous row kills or hangs."""

    def __init__(self, deployed, how, reads):
        self.deployed, self.reads, self.functions = deployed, reads, deployed.stack.client("lambda")
        self.reads.touch()
        self.before = {}
        for name in ("deliver", "dispatch"):
            function = deployed.info.functions[name]
            before = self.functions.get_function_configuration(FunctionName=function)
            variables = before["Environment"]["Variables"]
            self.before[function] = {"Handler": before["Handler"], "Environment": {"Variables": variables}}
            poison = {"PYTHONPATH": str(HERE / "poison"), "POISON": how, "POISON_READS": str(reads)}
            self.functions.update_function_configuration(
                FunctionName=function,
                Handler=f"poisoned.{name}",
                Environment={"Variables": variables | SETTINGS | poison},
            )

    def restore(self):
        for function, parts in self.before.items():
            self.functions.update_function_configuration(FunctionName=function, **parts)

    def moments(self):
        """Give the moments at which the poison was read."""
        return [float(line) for line in self.reads.read_text().split()]

    def start_dispatch(self):
        """Have dispatch started, as the schedule does, and wait for nothing."""
        name = self.deployed.info.functions["dispatch"]
        self.functions.invoke(FunctionName=name, InvocationType="Event", Payload=b"{}")


@pytest.fixture(params=["kill", "hang"])
def poisoned(request, deployed, tmp_path):
    service = Poisoned(deployed, request.param, tmp_path / "reads")
    try:
        yield service
    finally:
        service.restore()


@pytest.mark.parametrize("by", ["deliver", "dispatch"])
def test_poison_stops_no_other_mail_and_is_with_a_person_after_the_second_time(request, capsys, poisoned, by):
    """The first time in deliver or in dispatch, the second time in the look of the reconciliation."""
    deployed, how = poisoned.deployed, request.node.callspec.params["poisoned"]
    mails = [make_mail(subject=f"innocent {number}", on_unknown="resend") for number in range(INNOCENTS)]
    mails.insert(INNOCENTS // 2, make_mail(subject="poison"))
    # What is written in bulk waits for dispatch; what is written one by one goes at once.
    if by == "dispatch":
        ids = [written.receipt.id for written in sorted(deployed.outbox.enqueue_many(mails), key=attrgetter("number"))]
    else:
        ids = [deployed.outbox.enqueue(mail).id for mail in mails]
    poison = ids.pop(INNOCENTS // 2)

    first, started, gone = None, 0.0, {}

    def over():
        nonlocal first, started
        now = time.time()
        if first is None and poisoned.moments():
            first = poisoned.moments()[0]
        if now > started + 2:
            started = now
            poisoned.start_dispatch()
        for mail_id in ids:
            if mail_id not in gone and deployed.outbox.get(mail_id).status == "SENT":
                gone[mail_id] = now
        return len(gone) == len(ids) and deployed.outbox.get(poison).status == "UNKNOWN"

    waiting.wait_for(over, 300, pause=0.5, told=deployed.stack.log_tail)
    row: Row = deployed.outbox.get(poison)
    assert (row.error, row.item["details"]["deaths"]) == ("poison", 2)
    assert len(poisoned.moments()) == 2
    # Nothing reads it a third time, nothing sends it.
    poisoned.start_dispatch()
    deployed.settle(3)
    assert len(poisoned.moments()) == 2
    arrived = Counter(mail["subject"] for mail in deployed.arrived())
    assert "poison" not in arrived
    assert sorted(arrived) == sorted(mail.subject for mail in mails if mail.subject != "poison")
    assert set(arrived.values()) == {1}
    doubted = {
        mail_id for mail_id in ids if any(e["what"] == "in-doubt" for e in deployed.outbox.get(mail_id).timeline)
    }
    others = [max(0.0, gone[mail_id] - first) for mail_id in ids if mail_id not in doubted]
    figures = {
        "innocents": INNOCENTS,
        "in_its_hands": len(doubted),
        "others_within_seconds": round(max(others), 1),
        "all_within_seconds": round(max(0.0, max(gone.values()) - first), 1),
        "with_a_person_seconds": round(clock.now().timestamp() - first, 1),
    }
    merge("poison", {f"{how} in {by}": figures})
    with capsys.disabled():
        print(f"\npoison, {how} in {by}: {figures}")  # noqa: T201  the numbers are the point
    assert max(others) <= 60
