"""From the row that is written to the call of the mail API, on an idle local stack: the whole doorbell.

The stack is the deployed template on the embedded AWS: stream, filter, function, rate. Rows are written one by one, the
next when the last has come. Measured from `enqueue`'s return to the sandbox's own note of the call; both read the same
clock. The first row, which starts the function, is told apart.
"""

import time
from typing import Any

import httpx

from outbox import Outbox
from outbox.local.stack import LocalStack
from tests.bench import rig
from tests.bench.effort import Effort, median

ROWS = 30
# So often, in seconds, the sandbox is asked: a look must not be what the function waits for.
LOOK = 0.05
LONGEST = 120
# The limiter's line must not be what is measured.
RATE = {"RatePerMinute": "60000", "RateBurst": "1000"}


def measure(effort: Effort) -> dict[str, Any]:
    """Write rows one by one, and wait for each."""
    rows = effort.pick(ROWS, 3)
    with LocalStack(parameters=RATE, sandbox_arguments=rig.NO_RATE) as stack:
        names = {"table": stack.info.outbox_table, "history_table": stack.info.history_table}
        outbox = Outbox(client=stack.client("dynamodb"), actor="bench", **names)
        with httpx.Client(base_url=stack.info.sandbox_url or "", timeout=10, trust_env=False) as sandbox:
            effort.say("latency: one row after the other")
            first, *others = [_seconds(outbox, sandbox, number) for number in range(rows + 1)]
    return {
        "rows": rows,
        "median_seconds": median(others),
        "longest_seconds": round(max(others), 3),
        "first_seconds": round(first, 3),
    }


def _seconds(outbox: Outbox, sandbox: httpx.Client, number: int) -> float:
    """Write one row; give the seconds until the mail API was called for it."""
    subject = f"bench {number}"
    outbox.enqueue(rig.mails_of(1)[0].but(subject=subject))
    written = time.time()
    while not (mails := sandbox.get("/_sandbox/mails", params={"subject": subject}).json()["mails"]):
        assert time.time() < written + LONGEST, "no call came"
        time.sleep(LOOK)
    assert len(mails) == 1
    return float(mails[0]["received_at"] - written)
