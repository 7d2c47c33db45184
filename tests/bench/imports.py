"""How long the import of each handler takes beside `import boto3` alone, and a cold start: import and first build.

Each in a fresh process of a Python that holds only what is deployed, its bytecode compiled before; in turn, ratios of
each turn. The cold start builds what the handler builds at its first event, so that nothing is won by importing late.
"""

import json
from typing import Any

from tests.bench.deployed import Deployed, deployed
from tests.bench.effort import Effort, median, ratio

# What is imported, and what its first event builds: for an application, the client and the entry of a first mail.
BUILDS = {
    "deliver": "from outbox.wiring import delivering; delivering.flow()",
    "dispatch": "from outbox.wiring import dispatching; dispatching.flow()",
    "bounce": "from outbox.wiring import bouncing; bouncing.hear()",
    "cleanup": "from outbox.wiring import filing; filing._cleanup()",
    "keep": "from outbox.wiring import filing; filing._keep()",
    "outbox": "Outbox().entries(Mail(sender='a@example.com', to='b@example.com', subject='Hello', text='Hello.'))",
    "boto3": "import boto3; boto3.client('dynamodb')",
    "boto3 and settings": "import boto3; boto3.client('dynamodb')",
}
# The package imports nothing before one of its names is asked for, so what an application asks for is imported.
IMPORTS = {"outbox": "from outbox import Mail, Outbox", "boto3 and settings": "import boto3, outbox.settings"}
CODE = """
import sys, time
began = time.perf_counter()
exec(sys.argv[1])
imported = time.perf_counter()
exec(sys.argv[2])
built = time.perf_counter()
import json
sys.stdout = sys.__stdout__
print(json.dumps([imported - began, built - began, len(sys.modules)]))
"""
NAMES = ("table", "history_table", "control_table", "suppression_table", "bucket", "secret_id", "webhook_secret_id")
ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "ap-northeast-1",
    "AWS_ACCESS_KEY_ID": "123456789012",
    "AWS_SECRET_ACCESS_KEY": "none",
    "OUTBOX_MAIL_API_URL": "https://mail.example/api",
    **{f"OUTBOX_{name.upper()}": name.replace("_", "-") for name in NAMES},
}


def measure(effort: Effort) -> dict[str, Any]:
    """Import everything in turn, several times."""
    effort.say("imports: making an environment of what is deployed")
    with deployed(alone=not effort.quick) as place:
        if not effort.quick:
            _all(place)
        effort.say("imports: in turn")
        turns = [_all(place) for _ in range(effort.pick(4 * effort.runs, 1))]
    modules = {name: round(turns[0][name][2]) for name in BUILDS}
    imports = {name: [turn[name][0] for turn in turns] for name in BUILDS}
    starts = {name: [turn[name][1] for turn in turns] for name in BUILDS}
    return {
        "python": place.what,
        "runs": len(turns),
        "import_ms": {name: _ms(seconds) for name, seconds in imports.items()},
        "ratio": {name: ratio(seconds, imports["boto3"], 2) for name, seconds in imports.items()},
        "cold_start_ms": {name: _ms(seconds) for name, seconds in starts.items()},
        "cold_start_ratio": {name: ratio(seconds, starts["boto3"], 2) for name, seconds in starts.items()},
        "modules": modules,
    }


def _all(place: Deployed) -> dict[str, list[float]]:
    """Import and build each in a process of its own; give the seconds of both, and how many modules there are then."""
    return {
        name: json.loads(place.run(CODE, IMPORTS.get(name, f"import {name}"), build, **ENVIRONMENT))
        for name, build in BUILDS.items()
    }


def _ms(seconds: list[float]) -> float:
    return round(median(seconds, 6) * 1000, 1)
