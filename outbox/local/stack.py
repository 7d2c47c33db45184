"""Starts the whole service on this machine: embedded AWS with the real template, sandbox of the mail API.

    with LocalStack() as stack:
        table = boto3.resource("dynamodb", **stack.boto3_arguments).Table(stack.info.outbox_table)

Everything listens on the loopback only, sees nothing of the shell's AWS settings and is gone afterwards,
processes and files, also when this process is killed. What differs from AWS: a batch whose handler raises
is retried for ever and without bisecting, ``batchItemFailures`` count as success, TTL and the bucket's
lifecycle delete nothing, indexes are read consistently, nothing is ever throttled, one thread serves all
streams, policies do not see which keys of a table a call is about, the bucket takes plain http, and the
functions run on this Python with this environment's packages.
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import boto3

from outbox.local import deployment, emulator

ACCOUNT_ID = "000000000000"
SECRET_KEY = "test"  # noqa: S105  The embedded AWS takes any.
STACK_NAME = "outbox"
STOP_SECONDS = 10
FUNCTIONS = {name: f"{name.capitalize()}Function" for name in ("deliver", "dispatch", "keep", "cleanup", "bounce")}


class LocalStackError(RuntimeError):
    """The local stack could not be started; the message says why and ends with what was logged."""


@dataclass(frozen=True)
class StackInfo:
    """What a script needs to use the running stack."""

    aws_endpoint_url: str
    region: str
    aws_access_key_id: str
    aws_secret_access_key: str
    account_id: str
    stack_name: str
    outbox_table: str
    history_table: str
    control_table: str
    suppression_table: str
    files_bucket: str
    bounce_url: str | None
    functions: dict[str, str]
    secret_id: str
    mail_api_url: str
    sandbox_url: str | None
    inbox_url: str | None
    pids: dict[str, int | None]

    def as_dict(self) -> dict[str, Any]:
        """Give the same as plain values for JSON."""
        return asdict(self)


class LocalStack:
    """Context manager around a running stack; ``info`` is set inside.

    ``webhook_credentials`` are the ``user`` and ``password`` with which the mail API calls ``info.bounce_url``.
    """

    info: StackInfo

    def __init__(  # noqa: PLR0913  By keyword only, all with defaults.
        self,
        *,
        mail_api_url: str | None = None,
        login_id: str = "local",
        api_key: str = "local",
        template: Path | None = None,
        code: bytes | None = None,
        auth: bool = True,
        sandbox_arguments: tuple[str, ...] = (),
        parameters: Mapping[str, str] | None = None,
        say: Callable[[str], object] = lambda _: None,
    ) -> None:
        """Take the address of another mail API and its account, and what a test replaces.

        With ``mail_api_url`` there is no sandbox. ``auth`` enforces the template's role policies on the
        calls of the functions. ``parameters`` of the template win over what this sets. ``say`` hears of each step.
        """
        self._mail_api_url = mail_api_url
        self._account = {"login_id": login_id, "api_key": api_key}
        self.webhook_credentials = {"user": "mail-api", "password": secrets.token_urlsafe(24)}
        self._template = template
        self._code = code
        self._say = say
        self._parameters = dict(parameters or {})
        self._arguments = [
            *(["--no-sandbox"] if mail_api_url else []),
            *([] if auth else ["--no-auth"]),
            *sandbox_arguments,
        ]
        self._keeper: subprocess.Popen[bytes] | None = None
        self._started: dict[str, Any] = {}

    def __enter__(self) -> Self:
        """Start everything; raise LocalStackError, leaving nothing behind, when that fails."""
        try:
            emulator.check_version()
            self._start()
            self.info = self._deploy()
            self.connect_webhook()
        except BaseException as error:
            self.stop()
            if isinstance(error, LocalStackError) or not isinstance(error, Exception):
                raise
            raise LocalStackError(str(error)) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take everything down."""
        self.stop()

    @property
    def boto3_arguments(self) -> dict[str, str]:
        """Keyword arguments for ``boto3.client`` and ``boto3.resource``."""
        return {
            "endpoint_url": self._started["aws_endpoint_url"],
            "region_name": self._started["region"],
            "aws_access_key_id": ACCOUNT_ID,
            "aws_secret_access_key": SECRET_KEY,
        }

    def client(self, service: str) -> Any:  # noqa: ANN401  Another type for each service.
        """Make a boto3 client for this stack."""
        return deployment.client(service, **self.boto3_arguments)

    def session(self) -> boto3.Session:
        """Make a boto3 session for this stack that knows nothing of the shell; the endpoint is not part of one."""
        return deployment.session(
            **{name: part for name, part in self.boto3_arguments.items() if name != "endpoint_url"}
        )

    def invoke(self, function: str, event: object) -> Any:  # noqa: ANN401  Whatever the handler returns.
        """Run a function of ``info.functions``, such as ``deliver``, now and return its answer."""
        name = self.info.functions[function]
        answer = self.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event).encode())
        return json.loads(answer["Payload"].read())

    def connect_webhook(self) -> None:
        """Tell the sandbox where to tell of bounces; needed again after its reset. Raises LocalStackError."""
        if self.info.sandbox_url is None or self.info.bounce_url is None:
            return
        settings = {"webhook_url": self.info.bounce_url} | {
            f"webhook_{name}": value for name, value in self.webhook_credentials.items()
        }
        request = urllib.request.Request(  # noqa: S310  The sandbox on the loopback.
            f"{self.info.sandbox_url.rstrip('/')}/_sandbox/settings",
            data=json.dumps(settings).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10):
                return
        except urllib.error.HTTPError as error:
            reason = error.read().decode(errors="replace")
        except OSError as error:
            reason = str(error)
        msg = f"the sandbox did not take its webhook: {reason}"
        raise LocalStackError(msg)

    def alive(self) -> bool:
        """Say whether all of it still runs."""
        return self._keeper is not None and self._keeper.poll() is None

    def log_tail(self, size: int = 4000) -> str:
        """Read the last characters of what the embedded AWS and the sandbox logged."""
        logs = Path(self._started.get("directory", os.devnull)).glob("*.log")
        return "\n".join(path.read_text(errors="replace")[-size:] for path in sorted(logs))

    def stop(self) -> None:
        """Take everything down and wait until it is gone; may be called twice."""
        if self._keeper is None:
            return
        # The end of its standard input is what tells the keeper to end.
        for pipe in (self._keeper.stdin, self._keeper.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._keeper.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            self._keeper.wait()
        self._keeper = None
        self._sweep()

    def _sweep(self) -> None:
        # Only after the keeper itself was killed is there anything left to do here.
        directory = self._started.get("directory")
        if directory is None or not Path(directory).exists():
            return
        for pid in (self._started["pids"]["aws"], self._started["pids"]["sandbox"]):
            with contextlib.suppress(ProcessLookupError):
                if pid is not None:
                    os.killpg(pid, signal.SIGKILL)
        shutil.rmtree(directory, ignore_errors=True)

    def _start(self) -> None:
        self._say("starting the embedded AWS")
        self._keeper = subprocess.Popen(  # noqa: S603  Our own module.
            [sys.executable, "-m", "outbox.local.keeper", *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        line = self._keeper.stdout.readline() if self._keeper.stdout else b""
        self._started = json.loads(line) if line else {"error": "the keeper of the local stack ended at once"}
        if "error" in self._started:
            raise LocalStackError(self._started["error"])

    def _deploy(self) -> StackInfo:
        self._say("deploying the template")
        sandbox = self._started["sandbox"] or {}
        account = {name: sandbox.get(name, value) for name, value in self._account.items()}
        parameters = {
            "MailApiUrl": (self._mail_api_url or sandbox["mail_api_url"]).rstrip("/"),
            "MailApiSecret": self._secret("mail-api", account),
            "WebhookSecret": self._secret("webhook", {"credentials": [self.webhook_credentials]}),
            # One hard bounce shows what suppression does.
            "SuppressAfter": "1",
            "Architecture": deployment.architecture(),
            "DeletionProtection": "false",
        } | self._parameters
        template = self._template or deployment.template_path()
        try:
            code = self._code or deployment.bundle()
            outputs = deployment.deploy(self.client, STACK_NAME, template, parameters, code)
        except Exception as error:
            msg = f"{error}\n{self.log_tail()}".strip()
            raise LocalStackError(msg) from error
        return self._describe(parameters, outputs, sandbox.get("url"))

    def _secret(self, name: str, content: Mapping[str, Any]) -> str:
        made = self.client("secretsmanager").create_secret(
            Name=f"{STACK_NAME}/{name}", SecretString=json.dumps(content)
        )
        return str(made["ARN"])

    def _reachable(self, function_url: str | None) -> str | None:
        # The name of a function URL resolves on AWS only; the embedded AWS has it under a path as well.
        if not function_url:
            return None
        name = str(urlsplit(function_url).hostname).partition(".")[0]
        return f"{self._started['aws_endpoint_url']}/_aws/lambda-url/{name}/"

    def _describe(self, parameters: dict[str, str], outputs: dict[str, str], sandbox_url: str | None) -> StackInfo:
        return StackInfo(
            aws_endpoint_url=self._started["aws_endpoint_url"],
            region=self._started["region"],
            aws_access_key_id=ACCOUNT_ID,
            aws_secret_access_key=SECRET_KEY,
            account_id=ACCOUNT_ID,
            stack_name=STACK_NAME,
            outbox_table=outputs["OutboxTable"],
            history_table=outputs["HistoryTable"],
            control_table=outputs["ControlTable"],
            suppression_table=outputs["SuppressionTable"],
            files_bucket=outputs["FilesBucket"],
            bounce_url=self._reachable(outputs.get("BounceUrl")),
            functions={name: outputs[output] for name, output in FUNCTIONS.items() if output in outputs},
            secret_id=parameters["MailApiSecret"],
            mail_api_url=parameters["MailApiUrl"],
            sandbox_url=sandbox_url,
            inbox_url=sandbox_url,
            pids=self._started["pids"],
        )
