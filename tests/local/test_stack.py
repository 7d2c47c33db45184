"""The local stack is the real template, closed towards the shell and the network."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from outbox.local import deployment, emulator
from outbox.local.stack import LocalStack, LocalStackError
from tests.local import stack_probe as probe
from tests.waiting import SECONDS, wait_for

pytestmark = pytest.mark.stack

HOSTILE = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:9",
    "AWS_ACCESS_KEY_ID": "leaked",
    "AWS_SECRET_ACCESS_KEY": "leaked",
    "AWS_SESSION_TOKEN": "leaked",
    "AWS_PROFILE": "leaked",
    "AWS_DEFAULT_REGION": "eu-leaked-1",
    "AWS_CONFIG_FILE": "/leaked",
    "OUTBOX_TABLE": "leaked",
    "OUTBOX_SECRET": "leaked",
    "LAMBDA_EXECUTOR": "leaked",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
    "ALL_PROXY": "http://127.0.0.1:9",
}


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    """Start a stack with probing handlers from a shell full of settings that must not matter."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in HOSTILE.items():
            patch.setenv(name, value)
        with LocalStack(code=probe.code()) as running:
            yield running


def put(stack: LocalStack, **item: object) -> None:
    """Write a row as an application or a person does."""
    stack.client("dynamodb").put_item(TableName=stack.info.outbox_table, Item=item)


def heard(stack: LocalStack, function: str = "deliver") -> set[str]:
    """Read from the log which rows a function was handed."""
    logs = stack.client("logs")
    events = logs.filter_log_events(logGroupName=f"/aws/lambda/outbox-{function}")["events"]
    lines = [json.loads(each["message"]) for each in events if each["message"].startswith("{")]
    return {record["dynamodb"]["Keys"]["id"]["S"] for line in lines for record in line["records"]}


def test_info_is_plain_and_complete(stack: LocalStack) -> None:
    """What a script needs is there and survives JSON."""
    info = json.loads(json.dumps(stack.info.as_dict()))
    assert info["outbox_table"] == "outbox"
    assert info["history_table"] == "outbox-history"
    assert info["suppression_table"] == "outbox-suppressions"
    assert info["files_bucket"].startswith("outbox-files-")
    assert info["bounce_url"].startswith(f"{info['aws_endpoint_url']}/_aws/lambda-url/")
    assert set(info["functions"]) == {"deliver", "dispatch", "keep", "cleanup", "bounce"}
    assert stack.webhook_credentials["password"] not in json.dumps(info)
    assert info["aws_endpoint_url"].startswith("http://127.0.0.1:")
    assert info["secret_id"].startswith("arn:aws:secretsmanager:")
    assert [name for name, value in info.items() if not value] == []


def test_tables_are_those_of_the_template(stack: LocalStack) -> None:
    """The tables came from template.yaml, indexes and streams included."""
    outbox = stack.client("dynamodb").describe_table(TableName=stack.info.outbox_table)["Table"]
    assert {each["IndexName"] for each in outbox["GlobalSecondaryIndexes"]} == {"due", "problems"}
    assert outbox["StreamSpecification"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"


def test_sandbox_answers_with_the_account_of_the_secret(stack: LocalStack) -> None:
    """The functions find the mail API's account in the secret, and the inbox is a page."""
    secret = stack.client("secretsmanager").get_secret_value(SecretId=stack.info.secret_id)
    assert set(json.loads(secret["SecretString"])) == {"login_id", "api_key"}
    assert stack.info.inbox_url is not None
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(stack.info.inbox_url, timeout=SECONDS) as page:
        assert page.headers.get_content_type() == "text/html"


def test_stream_reaches_deliver_through_the_filters(stack: LocalStack) -> None:
    """A new mail and a row without a status are heard within seconds, a scheduled one is not."""
    index = {"lane": {"S": "normal-1"}, "due_at": {"S": "2999-01-01T00:00:00.000Z"}}
    put(stack, id={"S": "scheduled"}, status={"S": "WAITING"}, **index)
    put(stack, id={"S": "broken"})
    put(stack, id={"S": "new"}, status={"S": "PENDING"})
    wait_for(lambda: {"new", "broken"} <= heard(stack))
    assert "scheduled" not in heard(stack)


def test_keep_hears_of_files_and_cleanup_of_nothing_deleted_by_hand(stack: LocalStack) -> None:
    """A new mail with files is heard by keep, one without is not; a finished one that a person deletes is no expiry."""
    put(stack, id={"S": "no files"}, status={"S": "PENDING"})
    put(stack, id={"S": "with files"}, status={"S": "PENDING"}, files={"N": "1"})
    dynamodb, history = stack.client("dynamodb"), stack.info.history_table
    dynamodb.put_item(TableName=history, Item={"id": {"S": "finished"}, "files": {"N": "1"}})
    dynamodb.delete_item(TableName=history, Key={"id": {"S": "finished"}})
    wait_for(lambda: "with files" in heard(stack, "keep"))
    assert "no files" not in heard(stack, "keep")
    assert heard(stack, "cleanup") == set()


def test_bucket_takes_and_gives_files(stack: LocalStack) -> None:
    """An application writes a file with its tag as it would on AWS; nothing in it is public."""
    s3, bucket = stack.client("s3"), stack.info.files_bucket
    s3.put_object(Bucket=bucket, Key="mails/1/a/0", Body=b"file", Tagging="outbox=new")
    tags = s3.get_object_tagging(Bucket=bucket, Key="mails/1/a/0")["TagSet"]
    assert tags == [{"Key": "outbox", "Value": "new"}]
    assert set(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values()) == {True}


def test_webhook_answers_to_strangers(stack: LocalStack) -> None:
    """Whoever posts to its address reaches bounce, as the mail API does: the check of who it is is the code's."""
    assert stack.info.bounce_url is not None
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(stack.info.bounce_url, data=b"{}", timeout=SECONDS) as answer:
        environment = json.loads(answer.read())["environment"]
    assert environment["OUTBOX_SUPPRESSION_TABLE"] == stack.info.suppression_table
    assert environment["OUTBOX_SUPPRESS_AFTER"] == "1"
    secret = stack.client("secretsmanager").get_secret_value(SecretId=environment["OUTBOX_WEBHOOK_SECRET_ID"])
    assert json.loads(secret["SecretString"]) == {"credentials": [stack.webhook_credentials]}


def test_sandbox_knows_its_webhook(stack: LocalStack) -> None:
    """A bounce that the sandbox plays reaches this stack without further ado."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"{stack.info.sandbox_url}/_sandbox/settings", timeout=SECONDS) as answer:
        assert json.loads(answer.read())["webhook_url"] == stack.info.bounce_url


def test_refused_webhook_is_reported(stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the sandbox does not take what it is told, the error says why."""
    monkeypatch.setitem(stack.webhook_credentials, "user", "a:b")
    with pytest.raises(LocalStackError, match="webhook_user"):
        stack.connect_webhook()


@pytest.mark.parametrize("function", ["deliver", "dispatch"])
def test_nothing_of_the_shell_reaches_a_function(stack: LocalStack, function: str) -> None:
    """Neither the shell's AWS settings nor other settings of this service nor its proxies leak in."""
    environment = stack.invoke(function, {})["environment"]
    assert [name for name, value in environment.items() if "leaked" in value or value.endswith(":9")] == []
    assert environment["AWS_ENDPOINT_URL"] == stack.info.aws_endpoint_url
    assert environment["AWS_CONFIG_FILE"] == "/dev/null"
    assert environment["OUTBOX_TABLE"] == stack.info.outbox_table
    assert environment["OUTBOX_MAIL_API_URL"] == stack.info.mail_api_url
    assert environment["OUTBOX_LEASE_SECONDS"] == "180"


KEY = {"Key": {"id": {"S": "nobody"}}}
ITEM = {"Item": {"id": {"S": "nobody"}}}
POSTED = {"Item": {"id": {"S": "outbox:bounce:1"}}}
ADDRESS = {"email": {"S": "taro@example.com"}}
# The bounce and the entry of its address are written in one step.
BOUNCED = {
    "TransactItems": [
        {"Put": {"TableName": "outbox-history", **POSTED}},
        {"Put": {"TableName": "outbox-suppressions", "Item": ADDRESS}},
    ]
}
ASK = {"KeyConditionExpression": "lane = :x", "ExpressionAttributeValues": {":x": {"S": "x"}}}


@pytest.mark.parametrize(
    ("function", "operation", "arguments", "answer"),
    [
        ("deliver", "get_item", {"TableName": "outbox", **KEY}, "done"),
        ("deliver", "delete_item", {"TableName": "outbox", **KEY}, "done"),
        ("deliver", "put_item", {"TableName": "outbox", **ITEM}, "AccessDeniedException"),
        ("deliver", "put_item", {"TableName": "outbox-history", **ITEM}, "done"),
        ("deliver", "delete_item", {"TableName": "outbox-history", **KEY}, "AccessDeniedException"),
        ("deliver", "scan", {"TableName": "outbox"}, "AccessDeniedException"),
        ("deliver", "query", {"TableName": "outbox", "IndexName": "due", **ASK}, "AccessDeniedException"),
        ("dispatch", "query", {"TableName": "outbox", "IndexName": "due", **ASK}, "done"),
        (
            "dispatch",
            "query",
            {"TableName": "outbox", "IndexName": "problems", **ASK},
            "AccessDeniedException",
        ),
        ("dispatch", "scan", {"TableName": "outbox-history"}, "AccessDeniedException"),
        ("dispatch", "delete_table", {"TableName": "outbox"}, "AccessDeniedException"),
        ("deliver", "batch_get_item", {"RequestItems": {"outbox-suppressions": {"Keys": [ADDRESS]}}}, "done"),
        ("deliver", "batch_get_item", {"RequestItems": {"outbox-history": {"Keys": [KEY["Key"]]}}}, "done"),
        ("deliver", "batch_get_item", {"RequestItems": {"outbox": {"Keys": [KEY["Key"]]}}}, "AccessDeniedException"),
        ("deliver", "put_item", {"TableName": "outbox-suppressions", "Item": ADDRESS}, "AccessDeniedException"),
        ("keep", "get_item", {"TableName": "outbox", **KEY}, "AccessDeniedException"),
        ("cleanup", "get_item", {"TableName": "outbox", **KEY}, "done"),
        ("cleanup", "get_item", {"TableName": "outbox-history", **KEY}, "done"),
        ("bounce", "transact_write_items", BOUNCED, "done"),
        ("bounce", "get_item", {"TableName": "outbox", **KEY}, "AccessDeniedException"),
        ("bounce", "update_item", {"TableName": "outbox-history", **KEY}, "AccessDeniedException"),
        ("bounce", "delete_item", {"TableName": "outbox-suppressions", "Key": ADDRESS}, "AccessDeniedException"),
    ],
)
def test_role_policies_are_enforced(
    stack: LocalStack, function: str, operation: str, arguments: dict[str, Any], answer: str
) -> None:
    """A function can do here what its role in the template lets it do, and no more."""
    assert stack.invoke(function, {"call": ["dynamodb", operation, arguments]}) == answer


FORBIDDEN = "AccessDenied"


@pytest.mark.parametrize(
    ("function", "read", "missing", "untag", "delete"),
    [
        ("deliver", "done", "NoSuchKey", FORBIDDEN, FORBIDDEN),
        ("keep", FORBIDDEN, FORBIDDEN, "done", FORBIDDEN),
        ("cleanup", FORBIDDEN, FORBIDDEN, FORBIDDEN, "done"),
        ("bounce", FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN),
    ],
)
def test_files_are_for_who_needs_them(
    stack: LocalStack, function: str, read: str, missing: str, untag: str, delete: str
) -> None:
    """Senders read files and see that one is missing, keep takes the tag off, cleanup deletes; none does more."""
    bucket = {"Bucket": stack.info.files_bucket}
    there, gone = {**bucket, "Key": "mails/role/a/0"}, {**bucket, "Key": "mails/nobody"}
    stack.client("s3").put_object(**there, Body=b"file", Tagging="outbox=new")

    def answers(operation: str, key: dict[str, str], **more: str) -> Any:
        return stack.invoke(function, {"call": ["s3", operation, {**key, **more}]})

    assert answers("get_object", there) == read
    assert answers("get_object", gone) == missing
    assert answers("delete_object_tagging", there) == untag
    assert answers("put_object", there, Body="other") == FORBIDDEN
    assert answers("get_object", {**bucket, "Key": "elsewhere"}) in {FORBIDDEN, missing}
    assert answers("delete_object", there) == delete


def test_secrets_are_for_who_needs_them(stack: LocalStack) -> None:
    """The account of the mail API is for the senders alone, the webhook's credentials for bounce alone."""
    secrets = {"senders": stack.info.secret_id, "bounce": "outbox/webhook"}
    calls = {who: {"call": ["secretsmanager", "get_secret_value", {"SecretId": name}]} for who, name in secrets.items()}
    told = {name: [who for who in calls if stack.invoke(name, calls[who]) == "done"] for name in stack.info.functions}
    assert told == {"deliver": ["senders"], "dispatch": ["senders"], "keep": [], "cleanup": [], "bounce": ["bounce"]}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nothing_listens_outside_the_loopback(stack: LocalStack) -> None:
    """Whatever the stack's processes listen on is 127.0.0.1."""
    stack.invoke("deliver", {})
    keeper = stack.info.pids["keeper"]
    assert keeper is not None
    addresses = probe.listening({keeper} | probe.descendants(keeper))
    assert len(addresses) == 2
    assert {address.partition(":")[0] for address in addresses} == {"0100007F"}


@pytest.fixture
def stack_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the directory for temporary files of the stacks that this test starts."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_end_leaves_nothing(stack_files: Path) -> None:
    """After the with block the processes and the files are gone."""
    with LocalStack(mail_api_url="http://127.0.0.1:9/api/v1", code=probe.code()) as stack:
        stack.invoke("deliver", {})
        keeper = stack.info.pids["keeper"]
        assert keeper is not None
        pids = {keeper} | probe.descendants(keeper)
        assert stack.info.sandbox_url is None
        assert list(stack_files.iterdir())
    assert not stack.alive()
    assert probe.running(pids) == set()
    assert list(stack_files.iterdir()) == []


def test_bad_template_is_reported(stack_files: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """When the template cannot be deployed the error says why, and nothing is left."""
    template = tmp_path_factory.mktemp("template") / "template.yaml"
    template.write_text("Resources: {Broken: {Type: 'AWS::DynamoDB::Nonsense'}}")
    stack = LocalStack(mail_api_url="http://127.0.0.1:9/api/v1", template=template)
    with pytest.raises(LocalStackError, match="Nonsense"), stack:
        pass
    assert list(stack_files.iterdir()) == []


def test_sandbox_that_does_not_start_is_reported(stack_files: Path) -> None:
    """The error shows what the process wrote before it ended."""
    stack = LocalStack(sandbox_arguments=("--no-such-option",))
    with pytest.raises(LocalStackError, match="no-such-option"), stack:
        pass
    assert list(stack_files.iterdir()) == []


def test_other_version_of_the_emulator_is_refused(monkeypatch: pytest.MonkeyPatch, stack_files: Path) -> None:
    """A version nobody tested stops the start at once, with the command's cure in the message."""
    monkeypatch.setattr(emulator, "VERSION", "0.0.0")
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("something was started"))
    with pytest.raises(LocalStackError, match=r"ministack==0\.0\.0.*install outbox\[local\]"), LocalStack():
        pass
    assert list(stack_files.iterdir()) == []


def test_schedule_runs_dispatch(tmp_path: Path) -> None:
    """The schedule of the template starts dispatch by itself; here in two seconds, to spare the minute."""
    soon = datetime.now(UTC) + timedelta(seconds=2)
    template = tmp_path / "template.yaml"
    text = deployment.template_path().read_text(encoding="utf-8")
    template.write_text(text.replace("rate(1 minute)", f"at({soon:%Y-%m-%dT%H:%M:%S})"))
    with LocalStack(mail_api_url="http://127.0.0.1:9/api/v1", template=template, code=probe.code()) as stack:
        logs = stack.client("logs")

        def started() -> bool:
            events = logs.filter_log_events(logGroupName="/aws/lambda/outbox-dispatch")["events"]
            return any("aws.scheduler" in each["message"] for each in events)

        wait_for(started)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_up_brings_its_console(stack_files: Path, number: signal.Signals) -> None:
    """`outbox up` runs the console on its own tables, whatever the shell says, and it ends with the command."""
    process = subprocess.Popen(
        [sys.executable, "-m", "outbox.cli.app", "up", "--json"],
        env=os.environ | HOSTILE | {"TMPDIR": str(stack_files)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        info = json.loads(process.stdout.readline())
        parts = urlsplit(info["console_url"])
        browser = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(CookieJar())
        )
        with browser.open(info["console_url"], timeout=SECONDS) as page:
            assert "root" in page.read().decode()
            assert urlsplit(page.url).path == "/"
        process.send_signal(number)
        assert process.wait(SECONDS) == (0 if number is signal.SIGTERM else -number)
        with socket.socket() as connection:
            assert connection.connect_ex((str(parts.hostname), int(parts.port or 0))) != 0
        wait_for(lambda: not list(stack_files.iterdir()))
    finally:
        process.kill()
        process.communicate()
