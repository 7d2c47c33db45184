"""The most memory a process of deliver ever holds for a batch of 1,000 mails of 20 KB.

The handler as deployed, in a fresh process, on the embedded AWS and the sandbox: the event is handed to it as the JSON
text that Lambda has, and what is counted is the whole process, Python and the SDK included. Lambda itself would bring
fewer at once: an event may have 6 MB, so some 280 mails of that size.
"""

import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from outbox.adapters import aws
from outbox.adapters.dynamodb import DynamoStore
from outbox.local.stack import LocalStack
from tests.bench import rig
from tests.bench.deployed import Deployed, deployed
from tests.bench.effort import Effort
from tests.storm import crew

BATCH, TEXT = 1000, 20 * 1024
WRITERS = 8
# The whole process at its highest, after the import alone and after the batch, in KB. `ru_maxrss` would begin with the
# size of the process that started this one, where Linux tells better.
CODE = """
import json, os, resource, sys
def peak():
    if os.path.exists("/proc/self/status"):
        return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
import deliver
imported = peak()
class Context:
    def get_remaining_time_in_millis(self):
        return 600_000
text = open(sys.argv[1]).read() if len(sys.argv) > 1 else '{"Records": []}'
event = json.loads(text)
del text
loaded, out, sys.stdout = peak(), sys.stdout, open("/dev/null", "w")
answer = deliver.handler(event, Context())
print(json.dumps([answer, imported, loaded, peak()]), file=out)
"""


def measure(effort: Effort) -> dict[str, Any]:
    """Deliver one large batch in a process of its own."""
    batch, text = effort.pick(BATCH, 20), effort.pick(TEXT, 2000)
    with deployed(alone=not effort.quick) as place, LocalStack(sandbox_arguments=rig.NO_RATE) as stack:
        crew.take_over(stack)
        effort.say("memory: writing a batch of large mails")
        event = rig.event_of(_written(stack, batch, text))
        effort.say("memory: delivering it")
        return {"python": place.what, "batch": batch, "text_bytes": text, **_peak(place, stack, event)}


def _peak(place: Deployed, stack: LocalStack, event: dict[str, Any]) -> dict[str, Any]:
    environment = crew.environment(stack, rate_per_minute=10_000_000, rate_burst=100_000)
    environment = {name: value for name, value in environment.items() if name != "PYTHONPATH"}
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "event.json"
        path.write_text(json.dumps(event))
        answer, imported, loaded, most = json.loads(place.run(CODE, str(path), **environment))
        size = path.stat().st_size
    assert answer == {"batchItemFailures": []}, answer
    figures = {"peak_mb": most, "imported_mb": imported, "event_read_mb": loaded}
    return {"event_mb": round(size / 2**20, 1), **{name: round(kb / 1024, 1) for name, kb in figures.items()}}


def _written(stack: LocalStack, batch: int, text: int) -> list[Any]:
    client = aws.dynamodb(stack.session(), WRITERS, endpoint_url=stack.info.aws_endpoint_url)
    store = DynamoStore(client, stack.info.outbox_table, stack.info.history_table)
    rows = rig.rows_of(rig.mails_of(batch, text))
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(lambda row: store.add(row, once=False), rows))
    return rows
