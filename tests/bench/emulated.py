"""The batch of `sending` with its tables on the embedded AWS: shown, for there the emulator is what is measured.

One process of Python answers the calls of all threads, so the figure says nothing about DynamoDB; it says that the
whole way works at that size, and what a laptop may expect.
"""

import json
from typing import Any

from outbox.adapters import aws
from outbox.adapters.checks import DynamoChecks
from outbox.adapters.control import DynamoRegister
from outbox.adapters.dynamodb import DynamoStore
from outbox.local.stack import LocalStack
from tests.bench import rig
from tests.bench.effort import Effort, clocked, median
from tests.storm import crew

BATCH, LATENCY = 100, 0.1


def measure(effort: Effort) -> dict[str, Any]:
    """Deliver a batch, several times."""
    batch, seconds = effort.pick(BATCH, 10), list[float]()
    with LocalStack(sandbox_arguments=rig.NO_RATE) as stack:
        crew.take_over(stack)
        info = stack.info
        client: Any = aws.dynamodb(stack.session(), rig.THREADS + 2, endpoint_url=info.aws_endpoint_url)
        store = DynamoStore(client, info.outbox_table, info.history_table)
        checks = DynamoChecks(client, info.history_table, info.suppression_table)
        tables = rig.Tables(store, DynamoRegister(client, info.control_table), checks)
        secret = stack.client("secretsmanager").get_secret_value(SecretId=info.secret_id)["SecretString"]
        rig.slow(str(info.sandbox_url), LATENCY)
        effort.say("deliver on the embedded AWS")
        with rig.http_api({"mail_api_url": info.mail_api_url, **json.loads(secret)}) as api:
            for _ in effort.times(3):
                rows = rig.rows_of(rig.mails_of(batch))
                for row in rows:
                    store.add(row, once=False)
                with clocked(seconds):
                    rig.hear(rig.deliver(tables, api), rig.event_of(rows))
                assert all(store.get_finished(str(row["id"])) for row in rows)
    return {"batch": batch, "latency_ms": round(LATENCY * 1000), "seconds": median(seconds)}
