"""Thousands of steps of everything that may happen, in any order, against a plain model."""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.attack.figures import count
from tests.attack.machine import Machine

STEPS = int(os.environ.get("OUTBOX_MACHINE_STEPS", "5000"))
TABLE_STEPS = int(os.environ.get("OUTBOX_MACHINE_TABLE_STEPS", "200"))
A_RUN = 50


def drive(machine: type[Machine], steps: int, a_run: int, attack: str, *, shrink: bool = True) -> None:
    """Let the machine run until it has made so many steps."""
    machine.steps.clear()
    hurried = settings(
        max_examples=max(1, steps // a_run // 2),
        stateful_step_count=a_run,
        deadline=None,
        database=None,
        print_blob=True,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    while machine.steps["steps"] < steps:
        run_state_machine_as_test(machine, settings=hurried)
    count(attack, **{name.replace(" ", "_"): number for name, number in machine.steps.items()})


@pytest.mark.timeout(0)
def test_whatever_happens_in_whatever_order_no_mail_is_lost_or_doubled():
    """On the memory store, 5,000 steps or as many as OUTBOX_MACHINE_STEPS says."""

    class OnMemory(Machine):
        steps = type(Machine.steps)()

    drive(OnMemory, STEPS, A_RUN, "machine")
    assert OnMemory.steps["steps"] >= STEPS


@pytest.mark.stack
@pytest.mark.timeout(0)
def test_the_same_holds_on_dynamodb(embedded_stores):
    """On the embedded AWS, fewer steps of the same."""

    class OnDynamo(Machine):
        steps = type(Machine.steps)()

        def make_store(self):
            return embedded_stores()

    drive(OnDynamo, TABLE_STEPS, 25, "machine on dynamodb", shrink=False)
    assert OnDynamo.steps["steps"] >= TABLE_STEPS
