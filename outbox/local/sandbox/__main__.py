"""Run the sandbox as a process: one line of JSON on stdout when it is ready."""

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence

from outbox.local.sandbox.server import Sandbox
from outbox.local.sandbox.settings import RATE_HEADERS, SandboxSettings, changed


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT, SIGTERM or, if asked for, the end of stdin; 1 when it cannot listen."""
    options = _options(arguments)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    if options.until_stdin_closes:
        threading.Thread(target=_wait_for_end_of_stdin, args=(stop,), daemon=True).start()
    sandbox = Sandbox(options.settings, port=options.port)
    try:
        sandbox.start()
    except OSError as error:
        sys.stderr.write(f"cannot listen on port {options.port}: {error.strerror}\n")
        return 1
    _announce(sandbox)
    stop.wait()
    sandbox.stop()
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    default = SandboxSettings()
    parser = argparse.ArgumentParser(prog="python -m outbox.local.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 (default) takes a free one")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end with the process that started it")
    parser.add_argument("--login-id", default=default.login_id)
    parser.add_argument("--api-key", default=default.api_key)
    parser.add_argument("--rate-per-minute", type=int, default=default.rate_per_minute)
    parser.add_argument("--rate-header", choices=RATE_HEADERS, default=default.rate_header)
    parser.add_argument("--visibility-delay", type=float, default=default.visibility_delay, metavar="SECONDS")
    options = parser.parse_args(arguments)
    names = ("login_id", "api_key", "rate_per_minute", "rate_header", "visibility_delay")
    try:
        options.settings = changed(default, {name: getattr(options, name) for name in names})
    except ValueError as error:
        parser.error(str(error))
    return options


def _announce(sandbox: Sandbox) -> None:
    settings = sandbox.settings
    ready = {
        "url": sandbox.url,
        "mail_api_url": sandbox.mail_api_url,
        "login_id": settings.login_id,
        "api_key": settings.api_key,
    }
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()


def _wait_for_end_of_stdin(stop: threading.Event) -> None:
    # Not sys.stdin: its lock, held by this thread, would trip the interpreter at its end.
    while os.read(0, 4096):
        pass
    stop.set()


if __name__ == "__main__":
    sys.exit(main())
