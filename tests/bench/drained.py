"""A bulk backlog on the deployed template at the default rate: `python -m tests.bench.drained [--mails N]`.

The stack's own functions send it, started by the template's schedule alone; the sandbox enforces the rate. Prints the
seconds from the first call to the last, the share of the rate, and the 429s; six minutes for 2,500 mails. The status is
1 when less than 0.95 of the rate was used, a 429 came, or a mail is missing.
"""

import argparse
import sys
import time
from typing import Any

import httpx

from outbox import Outbox
from outbox.local.stack import LocalStack
from tests.conftest import make_mail
from tests.storm import figures

PER_MINUTE, LEAST_SHARE = 500, 0.95
# The schedule starts dispatch within a minute; nobody waits for longer than the backlog would take at half the rate.
FIRST_CALL_SECONDS, LOOK = 90.0, 0.5


def measure(mails: int) -> dict[str, Any]:
    """Write a backlog and wait until it is sent."""
    limit = ("--rate-per-minute", str(PER_MINUTE))
    with (
        LocalStack(sandbox_arguments=limit) as stack,
        httpx.Client(base_url=stack.info.sandbox_url or "", timeout=30, trust_env=False) as sandbox,
    ):
        names = {"table": stack.info.outbox_table, "history_table": stack.info.history_table}
        outbox = Outbox(client=stack.client("dynamodb"), actor="bench", **names)
        bulk = outbox.enqueue_many((make_mail(subject=f"bench {number}") for number in range(mails)), bulk=True).run()
        assert bulk.failures == [], bulk.failures[:3]
        stats = _watch(sandbox, mails)
    sends = stats["sends"]
    lasted = sends["last"] - sends["first"]
    return {
        "mails": mails,
        "limit": PER_MINUTE,
        "sent": sends["accepted"],
        "seconds": round(lasted, 1),
        "answers_429": stats["requests"]["refused"],
        "busiest_minute": sends["busiest_minute"],
        "share_of_the_rate": round(sends["accepted"] / (lasted * PER_MINUTE / 60), 4),
    }


def _watch(sandbox: httpx.Client, mails: int) -> dict[str, Any]:
    """Wait for the last call; give what the sandbox counted."""
    end = time.monotonic() + FIRST_CALL_SECONDS + 2 * mails / PER_MINUTE * 60
    while True:
        stats = dict(sandbox.get("/_sandbox/stats").raise_for_status().json())
        if stats["sends"]["accepted"] >= mails or time.monotonic() > end:
            return stats
        time.sleep(LOOK)


def main() -> int:
    """Measure, print, and tell whether it was good enough."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mails", type=int, default=2500)
    measured = measure(parser.parse_args().mails)
    figures.note("drained", measured)
    good = measured["sent"] == measured["mails"] and not measured["answers_429"]
    return 0 if good and measured["share_of_the_rate"] >= LEAST_SHARE else 1


if __name__ == "__main__":
    sys.exit(main())
