"""10,000 mails by `enqueue_many` beside a bare loop of BatchWriteItem: `python -m tests.bench.bulk [--mails N]`.

Both write rows of one size into the outbox of the local stack, from as many threads, in turn, in this process. The bare
loop has its items ready, in DynamoDB's own form, before its clock starts; `enqueue_many` makes ids, fingerprints and
rows within its time. Rows are WAITING (`bulk=True`) and stream and schedule are cut off, so that no deliver and no
dispatch takes the machine from either.
"""

import argparse
import statistics
import sys
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import structlog
from botocore.config import Config

from outbox import Mail, Outbox
from outbox.adapters import aws
from outbox.adapters.wire import to_wire
from outbox.core import places, transitions
from outbox.core.clock import now
from outbox.core.transitions import Stamp
from outbox.local.stack import LocalStack
from tests.conftest import make_mail, quiet
from tests.storm import crew, figures

THREADS = 16
WARM = 500


def measure(count: int, runs: int) -> dict[str, Any]:
    """Write so many mails both ways, in turn; give seconds and rows a second (medians) and the ratio of the rates."""
    with LocalStack(sandbox_arguments=("--rate-per-minute", "60000")) as stack:
        session = boto3.Session(
            stack.info.aws_access_key_id, stack.info.aws_secret_access_key, region_name=stack.info.region
        )
        client = aws.dynamodb(session, THREADS, endpoint_url=stack.info.aws_endpoint_url)
        # What a loop of one's own would use: the SDK as it is, with a connection for each thread.
        plain = session.client(
            "dynamodb", endpoint_url=stack.info.aws_endpoint_url, config=Config(max_pool_connections=THREADS)
        )
        crew.take_over(stack)
        names = {"table": stack.info.outbox_table, "history_table": stack.info.history_table}
        outbox = Outbox(client=client, actor="bench", **names)
        bare, many = list[float](), list[float]()
        _bare(plain, names["table"], WARM)
        _many(outbox, WARM)
        for run in range(runs):
            # Whoever goes second finds a fuller table: they take turns.
            for first in (True, False) if run % 2 else (False, True):
                if first:
                    bare.append(_bare(plain, names["table"], count))
                else:
                    many.append(_many(outbox, count))
        return _told(count, bare, many)


def _told(count: int, bare: list[float], many: list[float]) -> dict[str, Any]:
    ratios = [one / other for one, other in zip(bare, many, strict=True)]
    return {
        "mails": count,
        "threads": THREADS,
        "runs": len(many),
        "enqueue_many_seconds": round(statistics.median(many), 2),
        "enqueue_many_rows_a_second": round(count / statistics.median(many)),
        "bare_seconds": round(statistics.median(bare), 2),
        "bare_rows_a_second": round(count / statistics.median(bare)),
        "ratio": round(statistics.median(ratios), 3),
        "ratio_least": round(min(ratios), 3),
        # The quickest run of each is the one others on this machine disturbed least.
        "ratio_of_the_quickest": round(min(bare) / min(many), 3),
    }


def _mail(number: int) -> Mail:
    return make_mail(subject=f"Order {number}", text=f"Thank you for order {number}. " * 40, tags=["bench"])


def _many(outbox: Outbox, count: int) -> float:
    """Enqueue mails that exist already, and give the seconds."""
    mails = [_mail(number) for number in range(count)]
    began = time.perf_counter()
    bulk = outbox.enqueue_many(mails, bulk=True, threads=THREADS).run()
    seconds = time.perf_counter() - began
    assert (bulk.written, bulk.failures) == (count, [])
    return seconds


def _bare(client: Any, table: str, count: int) -> float:
    """Put ready items with as many threads and nothing else; give the seconds."""
    moment = now()
    rows = [transitions.new(_mail(n), places.new_id(moment), Stamp(moment, "bench"), bulk=True) for n in range(count)]
    requests = [{"PutRequest": {"Item": to_wire(row)}} for row in rows]
    batches = [requests[begin : begin + 25] for begin in range(0, count, 25)]

    def put(batch: list[Any]) -> None:
        while batch:
            batch = client.batch_write_item(RequestItems={table: batch})["UnprocessedItems"].get(table, [])

    began = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        deque(pool.map(put, batches), maxlen=0)
    return time.perf_counter() - began


def main() -> None:
    """Measure and print; the status is 1 when the goals (30 s, a ratio of 0.9) are missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    structlog.configure(processors=[quiet])
    measured = measure(asked.mails, asked.runs)
    figures.note("bulk", measured)
    sys.exit(measured["enqueue_many_seconds"] >= 30 or measured["ratio"] < 0.9)


if __name__ == "__main__":
    main()
