"""Runs the local stack until somebody stops it: the work behind ``outbox up``."""

import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import FrameType

from outbox.local import deployment
from outbox.local.parameters import parse
from outbox.local.stack import LocalStack, LocalStackError, StackInfo


def run_up(  # noqa: PLR0913  by keyword only, all with defaults
    *,
    as_json: bool = False,
    mail_api_url: str | None = None,
    login_id: str = "local",
    api_key: str = "local",
    template: Path | None = None,
    parameters: Sequence[str] = (),
    console: Callable[[LocalStack], AbstractContextManager[str]] | None = None,
) -> int:
    """Start the stack, print where it is, and take it down on Ctrl-C or SIGTERM; return the exit status.

    With ``as_json`` standard output gets exactly one line. ``login_id`` and ``api_key`` matter only together
    with ``mail_api_url``; the sandbox brings its own. ``parameters`` of the template are NAME=VALUE; the sandbox
    allows the rate they name. ``console`` runs one on the stack and gives its address. Raises ParametersError before
    anything is started.
    """
    given = parse(parameters, template or deployment.template_path()) if parameters else {}
    rate = ("--rate-per-minute", given["RatePerMinute"]) if "RatePerMinute" in given and not mail_api_url else ()
    # A shell that starts commands in the background has them ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _stop)
    stack = LocalStack(
        mail_api_url=mail_api_url,
        login_id=login_id,
        api_key=api_key,
        template=template,
        parameters=given,
        sandbox_arguments=rate,
        say=_tell,
    )
    try:
        with stack, console(stack) if console else nullcontext() as url:
            document = json.dumps(stack.info.as_dict() | {"console_url": url})
            print(document if as_json else summary(stack.info, url), flush=True)  # noqa: T201
            while stack.alive():
                time.sleep(0.2)
        _tell("the embedded AWS or the sandbox has ended by itself")
    except LocalStackError as error:
        if as_json:
            print(json.dumps({"error": str(error)}), flush=True)  # noqa: T201
        _tell(str(error))
    except (KeyboardInterrupt, SystemExit):
        return 0
    return 1


def summary(info: StackInfo, console_url: str | None = None) -> str:
    """Describe the running stack for a person, with the lines a shell needs to use it."""
    key = info.aws_secret_access_key
    tables = {
        "TABLE": info.outbox_table,
        "HISTORY_TABLE": info.history_table,
        "CONTROL_TABLE": info.control_table,
        "SUPPRESSION_TABLE": info.suppression_table,
    }
    settings = tables | {"BUCKET": info.files_bucket}
    lines = [
        "outbox is up. Ctrl-C ends it and removes everything.",
        "",
        f"  tables     {', '.join(tables.values())}",
        f"  files      {info.files_bucket}",
        f"  functions  {', '.join(info.functions.values())}",
        f"  mail API   {info.mail_api_url}",
        *([f"  webhook    {info.bounce_url}"] if info.bounce_url else []),
        *([f"  inbox      {info.inbox_url}"] if info.inbox_url else []),
        *([f"  console    {console_url}"] if console_url else []),
        "",
        f"  export AWS_ENDPOINT_URL={info.aws_endpoint_url} AWS_DEFAULT_REGION={info.region}",
        f"  export AWS_ACCESS_KEY_ID={info.aws_access_key_id} AWS_SECRET_ACCESS_KEY={key}",
        f"  export {' '.join(f'OUTBOX_{name}={value}' for name, value in settings.items())}",
    ]
    return "\n".join(lines)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _tell(line: str) -> None:
    print(f"outbox: {line}", file=sys.stderr, flush=True)  # noqa: T201
