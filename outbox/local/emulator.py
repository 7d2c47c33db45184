"""Runs the embedded AWS until its standard input closes, then takes itself and its functions down.

``python -m outbox.local.emulator DIRECTORY``; the directory goes with it. The keeper starts it and sets port
and everything else in the environment. If the keeper is killed, the pipe closes and nothing survives.
"""

import importlib.metadata
import os
import shutil
import signal
import sys
import threading

VERSION = "1.5.33"  # What is replaced below and the README's list of differences was measured on.


def main() -> None:
    """Serve until told to stop by SIGTERM or by the end of standard input."""
    directory = sys.argv[1]
    check_version()
    threading.Thread(target=_end_with_stdin, args=(directory,), daemon=True).start()

    from ministack import app  # noqa: PLC0415  Reads its settings and starts threads when imported.
    from ministack.services import dynamodb, lambda_svc, scheduler  # noqa: PLC0415

    from outbox.local import filters, indexes  # noqa: PLC0415

    lambda_svc._match_esm_filter = filters.matches  # noqa: SLF001  Its own differs from AWS on missing attributes.
    indexes.install(dynamodb)  # Its own way makes each page of a Query as dear as the whole partition.
    scheduler._SCHEDULE_TICK_INTERVAL = 1  # noqa: SLF001  Ten seconds late is not every minute.
    sys.argv = ["ministack"]
    app.main()


def check_version() -> None:
    """Raise RuntimeError unless the installed emulator is the one this package was tested with."""
    try:
        found = importlib.metadata.version("ministack")
    except importlib.metadata.PackageNotFoundError:
        found = "none"
    if found != VERSION:
        msg = f"the embedded AWS needs ministack=={VERSION} (found: {found}); install outbox[local] again"
        raise RuntimeError(msg)


def _end_with_stdin(directory: str) -> None:
    while os.read(0, 1024):
        pass
    shutil.rmtree(directory, ignore_errors=True)
    # The group holds the workers that run the functions; this process dies with them.
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    main()
