"""What the page needs and no other benchmark counts: `python -m tests.bench.paper_counted`, some seconds.

Log lines as the functions write them, the bytes of a call of the mail API, of an entry in each index, and the calls of
the bucket for a file; the time of a batch of one; and what the template says. Lambda writes three lines of its own for
each invocation; their form is the one its guide shows.
"""

import argparse
import contextlib
import io
import json
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import structlog
from samtranslator.yaml_helper import yaml_parse

from outbox import Mail, Outbox
from outbox.adapters import logs
from outbox.adapters.api_client import ApiClient
from outbox.adapters.blastengine import BlastengineApi
from outbox.adapters.secrets import Credentials
from outbox.core import clock, transitions
from outbox.core.attachment import Attachment
from outbox.core.retention import Retention
from outbox.core.row import Row
from outbox.core.transitions import Stamp
from outbox.flows.cleanup import Cleanup
from outbox.flows.keep import Keep
from outbox.testing import FakeMailApi, MemoryFiles, MemoryStore, item_size
from tests.bench import backlog_limits, paper_figures, rig, sending, units
from tests.bench.effort import median
from tests.conftest import quiet
from tests.simulation.meter import HISTORY, OUTBOX

TEMPLATE = Path(__file__).parents[2] / "template.yaml"
REQUEST = "8f507cfc-xmpl-4697-b07a-ac58fc914c95"
PLATFORM = [
    f"START RequestId: {REQUEST} Version: $LATEST\n",
    f"END RequestId: {REQUEST}\n",
    f"REPORT RequestId: {REQUEST}\tDuration: 1234.56 ms\tBilled Duration: 1235 ms\t",
    "Memory Size: 1769 MB\tMax Memory Used: 120 MB\t\n",
]
BATCHES, RUNS = (1, 10, 100), 5


def measure() -> dict[str, Any]:
    """Count everything."""
    return {
        "template": _template(),
        "log_bytes": {str(batch): _logged(lambda batch=batch: _deliver(batch)) / batch for batch in BATCHES},
        "log_bytes_idle_dispatch": _logged(lambda: backlog_limits.idle(1)),
        "log_bytes_platform": len("".join(PLATFORM).encode()),
        "request_bytes": {name: _request_bytes(mail) for name, mail in units.mails().items()},
        "index_bytes": _index_bytes(),
        "file_calls": _file_calls(),
        "one": {"api_ms": 100, "seconds": _one(0.1)},
    }


def _template() -> dict[str, Any]:
    document = yaml_parse(TEMPLATE.read_text(encoding="utf-8"))
    resources, parameters = document["Resources"], document["Parameters"]
    mapping = resources["Deliver"]["Properties"]["Events"]["Doorbell"]["Properties"]
    return {
        "alarms": sum(each["Type"] == "AWS::CloudWatch::Alarm" for each in resources.values()),
        "memory_mb": document["Globals"]["Function"]["MemorySize"],
        "batch_size": mapping["BatchSize"],
        "parallelization": mapping["ParallelizationFactor"],
        "dispatchers_most": parameters["Dispatchers"]["MaxValue"],
        "history_days": parameters["HistoryDays"]["Default"],
        "log_days": parameters["LogDays"]["Default"],
    }


def _logged(work: Callable[[], object]) -> int:
    """Count the bytes that work logs as in Lambda."""
    written, handlers, level = io.StringIO(), logging.root.handlers[:], logging.root.level
    with contextlib.redirect_stdout(written):
        logs.configure()
        try:
            work()
        finally:
            structlog.configure(processors=[quiet])
            logging.root.handlers, logging.root.level = handlers, level
    return len(written.getvalue().encode())


def _deliver(batch: int) -> None:
    rows = rig.rows_of(rig.mails_of(batch))
    store = rig.in_memory(rows)
    rig.hear(rig.deliver(rig.Tables.memory(store), FakeMailApi()), rig.event_of(rows))
    assert len(store.history) == batch


def _request_bytes(mail: Mail) -> int:
    """Count the bytes of a call: line, head and body."""
    sizes = list[int]()

    def answer(request: httpx.Request) -> httpx.Response:
        head = sum(len(name) + len(value) + 4 for name, value in request.headers.raw)
        line = f"{request.method} {request.url.raw_path.decode()} HTTP/1.1\r\n\r\n"
        sizes.append(len(line) + head + len(request.read()))
        return httpx.Response(201, json={"delivery_id": 1})

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        known = Credentials("login", "key")
        api = BlastengineApi(ApiClient(client, "https://app.engn.jp/api/v1", lambda **_: known))
        api.send(api.encode(mail))
    return sizes[0]


def _index_bytes() -> dict[str, int]:
    """Count the bytes of the entry of one mail in each index that shows keys alone."""
    row, now = rig.rows_of(rig.mails_of(1))[0], clock.now()
    claimed = transitions.claim(row, now, timedelta(seconds=180), "0" * 12)[1].applied(row)
    finished = transitions.sent(Row(claimed), "1234567890", Stamp(now, "deliver"), Retention(400))
    indexes = {"due": (OUTBOX["due"], row), **{name: (keys, finished) for name, keys in HISTORY.items()}}
    return {name: item_size({key: item[key] for key in ("id", *keys)}) for name, (keys, item) in indexes.items()}


def _file_calls() -> dict[str, int]:
    """Count the calls of the bucket for a mail with one small file, from its enqueue until its row has expired."""
    calls, store = Counter[str](), MemoryStore()
    files = MemoryFiles(lambda step, _key: calls.update([step]))
    mail = rig.mails_of(1)[0].but(attachments=[Attachment("a.csv", b"1,2", "text/csv")])
    mail_id = Outbox(store=store, files=files).enqueue(mail).id
    row = store.get(mail_id)
    assert row is not None
    assert Keep(files)([row]) == set()
    flow = rig.deliver(rig.Tables.memory(store), FakeMailApi())
    rig.hear(replace(flow, sender=replace(flow.sender, files=files)), rig.event_of([row]))
    finished = store.history.pop(mail_id)
    assert Cleanup(files, (store.get, store.get_finished))([finished]) == set()
    return dict(calls)


def _one(latency: float) -> float:
    """Give the seconds of a batch of one mail, warm."""
    with rig.sandbox(latency) as ready, rig.http_api(ready) as api:
        sending.ours(rig.mails_of(1), api)
        return median([sending.ours(rig.mails_of(1), api) for _ in range(RUNS)])


def main() -> None:
    """Count, print, and write down what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--look", action="store_true", help="print, and write nothing")
    asked = parser.parse_args()
    structlog.configure(processors=[quiet])
    figures = measure()
    print(json.dumps(figures, indent=2))  # noqa: T201  the numbers are the point
    if not asked.look:
        paper_figures.keep("counted", figures)


if __name__ == "__main__":
    main()
