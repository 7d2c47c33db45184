"""A worker killed with SIGKILL between claim and settle loses nothing and sends nothing twice."""

import os
import signal
import sys
from pathlib import Path

import pytest

from outbox.core import clock
from tests.conftest import make_mail

pytestmark = [pytest.mark.stack, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]


def children(pid: int) -> list[int]:
    """List the processes a process has started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            found.append(int(stat.parent.name))
    return found


@pytest.mark.parametrize(("fault", "arrives"), [("accept_then_hang", 1), ("hang", 0)])
def test_a_killed_worker_leaves_an_unknown_mail_and_no_second_one(deployed, fault, arrives):
    """Killed while the API has, or has not, taken the mail: UNKNOWN after the lease, and nothing goes by itself."""
    deployed.fault(fault, times=1)
    mail_id = deployed.outbox.enqueue(make_mail()).id
    row = deployed.until(mail_id, "SENDING")
    deployed.wait_for(lambda: any(rule["fired"] for rule in deployed.sandbox.get("/_sandbox/faults").json()["faults"]))
    workers = children(deployed.info.pids["aws"])
    assert workers, "no worker to kill"
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    deployed.settle()
    deployed.dispatch()
    assert deployed.outbox.get(mail_id).status == "SENDING", "its lease is not over"
    # The lease of three minutes is made to end now; no other attribute changes.
    deployed.table.update_item(
        Key={"id": mail_id},
        UpdateExpression="SET due_at = :now",
        ConditionExpression="revision = :revision",
        ExpressionAttributeValues={":now": clock.text(clock.now()), ":revision": row.revision},
    )
    row = deployed.until(mail_id, "UNKNOWN", nudge=deployed.dispatch)
    assert "did not come back" in row.reason
    deployed.dispatch()
    deployed.settle()
    assert deployed.outbox.get(mail_id).status == "UNKNOWN"
    assert len(deployed.arrived()) == arrives
    deployed.outbox.resend(mail_id, by="alice")
    deployed.until(mail_id, "SENT")
    assert len(deployed.arrived()) == arrives + 1
