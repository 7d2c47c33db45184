"""Puts the real template and the installed code onto the embedded AWS, through CloudFormation."""

import io
import json
import os
import platform
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import boto3
import botocore.session
from botocore.config import Config
from samtranslator.yaml_helper import yaml_parse

import outbox

PACKAGE = Path(outbox.__file__).parent
BUCKET, KEY = "outbox-code", "functions.zip"
TLS_ONLY = "FilesPolicy"
DEPLOY_SECONDS = 60
# Not part of a function: sam build leaves them out as well.
NOT_IN_FUNCTIONS = ("cli", "console", "local", "testing")


class DeploymentError(RuntimeError):
    """The embedded AWS did not accept the template."""


# Neither a profile nor a configuration file: both may name endpoints, and an unknown profile is an error.
NO_SHELL: dict[str, Any] = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


def client(service: str, **account: str) -> Any:  # noqa: ANN401  Another type for each service.
    """Connect to the embedded AWS and nowhere else, whatever profile, endpoint or proxy the shell has set."""
    session: Any = boto3.session.Session(botocore_session=botocore.session.Session(NO_SHELL))
    retries: Any = {"total_max_attempts": 3, "mode": "standard"}
    return session.client(
        service, **account, config=Config(proxies={}, connect_timeout=5, read_timeout=60, retries=retries)
    )


def session(**account: str) -> boto3.Session:
    """Make a session of the embedded AWS, whatever profile or proxy the shell has set."""
    inner: Any = botocore.session.Session(NO_SHELL)
    inner.set_default_client_config(Config(proxies={}))
    arguments: Any = {"botocore_session": inner, **account}
    return boto3.Session(**arguments)


def template_path() -> Path:
    """Find template.yaml: at the top of a checkout, or inside an installed wheel."""
    return _shipped("template.yaml")


def _shipped(name: str) -> Path:
    places = [PACKAGE.parent / name, PACKAGE / "local" / "aws" / name]
    for place in places:
        if place.exists():
            return place
    msg = f"{name} is neither at {places[0]} nor at {places[1]}: the installation of outbox is not complete"
    raise DeploymentError(msg)


def bundle() -> bytes:
    """Zip the handlers and the package as sam build would; the emulator already has what they depend on."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, name in _files():
            archive.write(path, name)
    return content.getvalue()


def _files() -> Iterator[tuple[Path, str]]:
    for path in sorted(_shipped("functions").glob("*.py")):
        yield path, path.name
    for path in sorted(PACKAGE.rglob("*")):
        parts = path.relative_to(PACKAGE).parts
        if path.is_file() and parts[0] not in NOT_IN_FUNCTIONS and "__pycache__" not in parts:
            yield path, "/".join(("outbox", *parts))


class Connect(Protocol):
    """Makes a boto3 client for the name of a service."""

    def __call__(self, service: str, /) -> Any:  # noqa: ANN401
        """Connect to that service of the account the stack goes to."""


def deploy(
    connect: Connect, stack_name: str, template: Path, parameters: dict[str, str], code: bytes
) -> dict[str, str]:
    """Create the stack, wait until it is complete and return its outputs.

    Raises DeploymentError with the reasons of the resources that failed.
    """
    body = yaml_parse(template.read_text(encoding="utf-8"))
    body.setdefault("Globals", {}).setdefault("Function", {})["CodeUri"] = f"s3://{BUCKET}/{KEY}"
    # The embedded AWS speaks plain http, on the loopback: a bucket that wants TLS would let no function in.
    body["Resources"].pop(TLS_ONLY, None)
    s3 = connect("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name})
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=code)
    cloudformation = connect("cloudformation")
    known = body.get("Parameters", {})
    cloudformation.create_stack(
        StackName=stack_name,
        TemplateBody=json.dumps(body),
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[
            {"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items() if name in known
        ],
    )
    return _outputs(cloudformation, stack_name)


def _outputs(cloudformation: Any, stack_name: str) -> dict[str, str]:  # noqa: ANN401
    deadline = time.monotonic() + DEPLOY_SECONDS
    status = "missing"
    while time.monotonic() < deadline:
        stack = cloudformation.describe_stacks(StackName=stack_name)["Stacks"][0]
        status = stack["StackStatus"]
        if status == "CREATE_COMPLETE":
            return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}
        if status != "CREATE_IN_PROGRESS":
            break
        time.sleep(0.05)
    msg = f"the stack {stack_name} is {status}\n{_reasons(cloudformation, stack_name)}"
    raise DeploymentError(msg)


def _reasons(cloudformation: Any, stack_name: str) -> str:  # noqa: ANN401
    events = cloudformation.describe_stack_events(StackName=stack_name)["StackEvents"]
    lines = [f"{each['LogicalResourceId']}: {each.get('ResourceStatusReason')}" for each in reversed(events)]
    return "\n".join(line for line in lines if not line.endswith(": None"))


def architecture() -> str:
    """Name this machine's processor as the template does."""
    return "arm64" if platform.machine().lower() in ("arm64", "aarch64") else "x86_64"
