"""Every call to the outside × every way it can break × every answer of the API: one place, at most one mail out.

The cells are generated: a clean run of a scenario is recorded, and each call it makes is broken in each way. A call
that is added to the code tomorrow is attacked tomorrow.
"""

import os
import random

import pytest

from outbox.core.states import PROBLEMS
from tests.attack.effects import Fault, faults
from tests.attack.figures import count
from tests.attack.http_api import ANSWERS, HttpWorld
from tests.attack.scenarios import SCENARIOS, Scenario, limiter_of, lost_file
from tests.attack.world import World, everything

CASES = [
    pytest.param(name, outcome, policy, id=f"{name}-{outcome}-{policy}")
    for name, scenario in SCENARIOS.items()
    for outcome in scenario.outcomes
    for policy in scenario.policies
]


def begin(scenario: Scenario, outcome: str, policy: str, store=None, make=World) -> World:
    """Make the world in which a scenario begins."""
    world = make(store, window=scenario.window)
    world.limiter_of = limiter_of(scenario)
    world.restart()
    world.answers("sent")
    scenario.prepare(world, policy)
    if outcome != "sent":
        world.answers(outcome)
    world.restart()
    return world


def play(scenario: Scenario, outcome: str, policy: str, fault: Fault | None = None, *, store=None, make=World) -> list:
    """Run a scenario with a fault, let the world get well, look at what is left; give the calls it made."""
    world = begin(scenario, outcome, policy, store, make)
    ran = world.run(scenario.act, fault)
    if scenario.again:
        scenario.again(world)
    world.recover()
    try:
        check(world, scenario, outcome, encoded=fault is None or ran.calls[fault.number].method != "encode")
    except AssertionError as error:
        where = f"{fault.kind} at call {fault.number} ({ran.calls[fault.number]})" if fault else "no fault"
        error.add_note(f"{where}; calls: {', '.join(map(str, ran.calls))}")
        raise
    return ran.calls


def check(world: World, scenario: Scenario, outcome: str, *, encoded: bool = True) -> None:
    """Hold what is left against the promises. `encoded`: no request failed to be made, so none is FAILED for that."""
    outbox, history = everything(world.store, "outbox"), everything(world.store, "history")
    finished = {mail_id: row for mail_id, row in history.items() if not mail_id.startswith("outbox:")}
    assert outbox or finished, "the mail is nowhere"
    for mail_id in outbox.keys() | finished.keys():
        row = outbox.get(mail_id) or finished[mail_id]
        subject, status = row["subject"], row["status"]
        both = mail_id in outbox and mail_id in finished
        # Only what a person saved over a mail that was being sent may stand beside it, put aside and explained.
        assert not both or (scenario.saved_over and row["error"] in {"already-sent", "overwritten"})
        unmade = set() if encoded else {"FAILED"}
        assert status in ends(scenario, outcome, world.out(subject)) | unmade, f"{status}: {row.get('reason')}"
        assert str(row.get("reason", "")).strip()
        assert world.out(subject) <= scenario.most
        lost = [each["name"] for each in row.get("attachments", []) if each["key"] not in world.files.objects]
        assert not lost or scenario.prepare is lost_file, f"its files are gone: {lost}"
        assert not row.get("attachments") or row["files"] == len(row["attachments"])
        if status in PROBLEMS:
            assert [there["id"] for there in world.store.by_problem(status, 10).items].count(mail_id) == 1
        if mail_id in finished and finished[mail_id]["status"] == "SENT" and scenario.most == 1:
            assert world.out(subject) == 1


def ends(scenario: Scenario, outcome: str, out: int) -> set[str]:
    """Say in which states a mail may come to rest; one that went out and can be looked up is always found."""
    allowed = {"SENT", *scenario.ends}
    if outcome == "refused":
        allowed.add("FAILED")
    if out == 0 or scenario.most > 1:
        allowed.add("UNKNOWN")
    return allowed


@pytest.mark.parametrize(("name", "outcome", "policy"), CASES)
def test_a_fault_at_each_call_leaves_one_mail_in_one_place(name, outcome, policy):
    """Whatever breaks wherever: the mail is in one place, explained, out at most once, and nothing rings for ever."""
    scenario = SCENARIOS[name]
    calls = play(scenario, outcome, policy)
    cells = faults(calls)
    for fault in cells:
        play(scenario, outcome, policy, fault)
    count("matrix", runs=1, calls=len(calls), cells=len(cells))


OVER_HTTP = ("deliver a new mail", "dispatch a scheduled mail", "resend a refused mail")


@pytest.mark.parametrize("name", OVER_HTTP)
@pytest.mark.parametrize("outcome", ANSWERS)
def test_the_same_holds_over_http(name, outcome):
    """With the real adapters of the API and its records, for each answer as it comes over the wire."""
    scenario = SCENARIOS[name]
    calls = play(scenario, outcome, "hold", make=HttpWorld)
    cells = faults(calls)
    for fault in cells:
        play(scenario, outcome, "hold", fault, make=HttpWorld)
    count("matrix over http", runs=1, calls=len(calls), cells=len(cells))


# One cell takes a second on a slow day; chance picks other cells each time, and says which.
SAMPLED = int(os.environ.get("OUTBOX_MATRIX_TABLE_CELLS", "20"))


@pytest.mark.stack
@pytest.mark.timeout(0)
def test_the_same_holds_on_dynamodb(embedded_stores):
    """On the embedded AWS, for some of the cells: real conditions, real transactions."""
    chance = random.Random(os.environ.get("OUTBOX_MATRIX_SEED"))
    cases = [case.values for case in CASES if not case.marks]
    for _ in range(SAMPLED):
        name, outcome, policy = chance.choice(cases)
        fault = chance.choice(faults(play(SCENARIOS[name], outcome, policy)))
        try:
            play(SCENARIOS[name], outcome, policy, fault, store=embedded_stores())
        except AssertionError as error:
            error.add_note(f"{name}, {outcome}, {policy}, {fault}")
            raise
        count("matrix on dynamodb", cells=1)
