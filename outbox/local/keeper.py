"""Keeps the embedded AWS and the sandbox alive exactly as long as the process that asked for them.

``python -m outbox.local.keeper [--no-sandbox] [--no-auth] [SANDBOX ARGUMENT...]``; without auth the
functions' role policies are not enforced. Prints one JSON line when all is up, or ``{"error": ...}``, and
waits. As soon as its standard input closes, its parent is gone, one of its children dies or SIGTERM
arrives, it takes every process it started down and removes its directory. In a session of its own, so
Ctrl-C in a terminal reaches the parent only.
"""

import json
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NoReturn

START_SECONDS = 30
# What of the shell's environment the embedded AWS, and with it every function, gets to see: no AWS_*, no
# OUTBOX_*, no proxies, nothing that could lead a function to a real account or past the loopback.
PASSED_ON = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "PYTHONPATH", "LD_LIBRARY_PATH")
PASSED_ON_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
REGION = "ap-northeast-1"


def main() -> None:
    """Start what the arguments ask for, say so, and stay until nobody needs it any more."""
    signal.signal(signal.SIGTERM, _stop)
    threading.Thread(target=_watch_parent, args=(os.getppid(),), daemon=True).start()
    directory = Path(tempfile.gettempdir()).resolve() / f"outbox-{os.getpid()}-{secrets.token_hex(4)}"
    children: list[subprocess.Popen[bytes]] = []
    try:
        directory.mkdir(mode=0o700)
        _say(_start(directory, sys.argv[1:], children))
        while all(child.poll() is None for child in children):
            time.sleep(0.2)
    except Exception as error:  # noqa: BLE001  Whatever it was, the parent is to show it.
        _say({"error": f"{error}{_log_tail(directory)}"})
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _clean_up(directory, children)


def _start(directory: Path, arguments: list[str], children: list[subprocess.Popen[bytes]]) -> dict[str, Any]:
    options = {"--no-sandbox", "--no-auth"}.intersection(arguments)
    sandbox_arguments = [each for each in arguments if each not in options]
    sandbox = None
    if "--no-sandbox" not in options:
        sandbox = _spawn(
            directory,
            "sandbox",
            ["--port", "0", "--until-stdin-closes", *sandbox_arguments],
            _base(directory),
        )
        children.append(sandbox)
    port = _free_port()
    settings = _emulator_settings(directory, port, auth="--no-auth" not in options)
    emulator = _spawn(directory, "emulator", [str(directory)], settings)
    children.append(emulator)
    url = f"http://127.0.0.1:{port}"
    _wait_for(f"{url}/_ministack/health", emulator)
    return {
        "aws_endpoint_url": url,
        "region": REGION,
        "directory": str(directory),
        "pids": {"keeper": os.getpid(), "aws": emulator.pid, "sandbox": sandbox.pid if sandbox else None},
        "sandbox": _first_line(sandbox) if sandbox else None,
    }


def _spawn(directory: Path, module: str, arguments: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with (directory / f"{module}.log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603  Our own modules.
            [sys.executable, "-m", f"outbox.local.{module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if module == "sandbox" else log,
            stderr=log,
            cwd=directory,
            env=environment,
            start_new_session=True,
        )


def _base(directory: Path) -> dict[str, str]:
    scratch = directory / "tmp"
    scratch.mkdir(exist_ok=True)
    passed_on = {name: os.environ[name] for name in PASSED_ON + PASSED_ON_CERTIFICATES if name in os.environ}
    return passed_on | {"HOME": str(directory), "TMPDIR": str(scratch)}


def _emulator_settings(directory: Path, port: int, *, auth: bool) -> dict[str, str]:
    return _base(directory) | {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "AUTH": str(auth).lower(),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        "DOCKER_HOST": "unix:///nonexistent",
        "STATE_DIR": str(directory / "state"),
        "S3_DATA_DIR": str(directory / "s3"),
        # A profile in the home directory may name an endpoint as well.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            msg = f"the embedded AWS ended with status {process.returncode}"
            raise RuntimeError(msg)
        try:
            with direct.open(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    msg = f"the embedded AWS did not answer within {START_SECONDS} s"
    raise RuntimeError(msg)


def _first_line(sandbox: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert sandbox.stdout is not None  # noqa: S101  Asked for in _spawn.
    ready, _, _ = select.select([sandbox.stdout], [], [], START_SECONDS)
    line = sandbox.stdout.readline() if ready else b""
    if not line:
        msg = "the sandbox of the mail API did not start"
        raise RuntimeError(msg)
    return dict(json.loads(line))


def _watch_parent(parent: int) -> None:
    # A fork of the parent may hold the pipe open, so the parent's id is watched as well.
    while os.getppid() == parent:
        if select.select([0], [], [], 1)[0] and not os.read(0, 1024):
            break
    os.kill(os.getpid(), signal.SIGTERM)


def _stop(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(0)


def _say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)  # noqa: T201  The one line the parent reads.


def _log_tail(directory: Path) -> str:
    tails = [path.read_text(errors="replace")[-2000:].strip() for path in sorted(directory.glob("*.log"))]
    return "".join(f"\n{tail}" for tail in tails if tail)


def _clean_up(directory: Path, children: list[subprocess.Popen[bytes]]) -> None:
    # Their state is thrown away, so nothing has to end gracefully. The group includes the functions' workers.
    for child in children:
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    for child in children:
        child.wait()
    for _ in range(20):
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            return
        time.sleep(0.1)


if __name__ == "__main__":
    main()
