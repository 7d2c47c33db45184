"""Handlers that say what they got and do the AWS calls they are told to; what Linux knows of processes."""

import contextlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

HANDLER = """
import json, os
import boto3
from botocore.exceptions import ClientError

def handler(event, context):
    print(json.dumps({"records": event.get("Records", []), "source": event.get("source")}))
    if "call" not in event:
        return {"batchItemFailures": [], "environment": dict(os.environ)}
    service, operation, arguments = event["call"]
    try:
        getattr(boto3.client(service), operation)(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "done"
"""


def code() -> bytes:
    """Zip the probing handlers under the names of the real ones."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in ("deliver", "dispatch", "keep", "cleanup", "bounce"):
            archive.writestr(f"{name}.py", HANDLER)
    return content.getvalue()


def descendants(pid: int) -> set[int]:
    """List the running processes that the process started, directly or not."""
    children: dict[int, list[int]] = {}
    for child, (parent, _) in _processes():
        children.setdefault(parent, []).append(child)
    found: set[int] = set()
    rest = list(children.get(pid, []))
    while rest:
        found.add(rest[-1])
        rest.extend(children.get(rest.pop(), []))
    return found


def running(pids: set[int]) -> set[int]:
    """Keep those that run; a zombie nobody has waited for yet does not."""
    return {pid for pid, (_, state) in _processes() if pid in pids and state != "Z"}


def _processes() -> Iterator[tuple[int, tuple[int, str]]]:
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit():
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                yield int(entry.name), (int(parent), state)


def listening(pids: set[int]) -> set[str]:
    """List the addresses, as Linux writes them, on which one of the processes accepts connections."""
    sockets = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            sockets |= {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
    return {address for address, inode in _listeners() if f"socket:[{inode}]" in sockets}


def _listeners() -> Iterator[tuple[str, str]]:
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                yield fields[1], fields[9]
