"""The program around the commands: help, version, settings, and errors in words."""

import json
import subprocess
import sys
from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError, ProfileNotFound

from outbox.cli import program
from outbox.cli.connect import Options
from outbox.cli.problems import explain
from outbox.core import errors
from outbox.core.rate import Rate
from outbox.wiring.connect import connect, who
from outbox.wiring.desk import Desk
from tests.cli.conftest import Terminal
from tests.waiting import SECONDS

AWS = (
    *("OUTBOX_TABLE", "OUTBOX_HISTORY_TABLE", "OUTBOX_CONTROL_TABLE", "OUTBOX_ACTOR"),
    *("OUTBOX_SUPPRESSION_TABLE", "OUTBOX_BUCKET"),
    *("OUTBOX_RATE_PER_MINUTE", "OUTBOX_RATE_BURST", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"),
)
COMMANDS = (
    *("send", "find", "show", "edit", "resend", "cancel", "hold", "release", "confirm"),
    *("pause", "resume", "status", "console", "up", "demo"),
    *("history", "bounces", "suppressed", "forget", "delete", "doctor"),
    *("import", "batch", "export", "restore"),
)


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every setting of the shell away, and every file AWS would read."""
    for name in AWS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_help_names_every_command(terminal: Terminal) -> None:
    """The help lists all commands, and each has one of its own."""
    out = terminal("--help").out
    for command in COMMANDS:
        assert command in out
        assert terminal(command, "--help").status == 0


def test_version(terminal: Terminal) -> None:
    """The version is that of the installed package."""
    assert terminal("--version").out.startswith("outbox ")


def test_wrong_usage(terminal: Terminal) -> None:
    """An unknown option or command is wrong usage: status 2, and JSON for a script."""
    assert terminal("find", "--nonsense").status == 2
    assert terminal("nonsense").status == 2
    assert terminal("--json", "nonsense").json["error"]["kind"] == "WrongUsage"


def test_json_before_the_command(terminal: Terminal) -> None:
    """--json may stand before the command as well."""
    terminal.write("m")

    assert terminal("--json", "show", "m").json["id"] == "m"


@pytest.mark.parametrize(
    "arguments",
    [
        ("send", "--from", "s@example.com", "--to", "t@example.com", "--subject", "s", "--text", "t"),
        ("find",),
        ("show", "m"),
        ("edit", "m", "--subject", "New"),
        ("resend", "m"),
        ("cancel", "m", "--yes"),
        ("hold", "m"),
        ("release", "held"),
        ("confirm", "m"),
        ("confirm", "m", "held", "--delivery-id", "5"),
        ("pause",),
        ("status",),
        ("resume",),
        ("show", "nobody"),
        ("edit", "m", "--to", "x"),
        ("find", "--limit", "0"),
        ("history",),
        ("history", "--to", "part"),
        ("bounces",),
        ("resend", "sent"),
        ("resend", "sent", "--to", "hanako@example.com"),
        ("resend", "m", "--to", "hanako@example.com"),
        ("suppressed", "list"),
        ("suppressed", "show", "taro@example.com"),
        ("suppressed", "lift", "taro@example.com", "--resend"),
        ("suppressed", "add", "taro@example.com"),
        ("suppressed", "add", "nobody"),
        ("forget", "taro@example.com"),
        ("forget", "taro@example.com", "--dry-run"),
        ("forget", "taro@example.com", "--yes"),
        ("delete", "sent", "--files", "--yes"),
        ("delete", "m", "--yes"),
        ("doctor", "--repair"),
    ],
)
def test_one_document(terminal: Terminal, arguments: tuple[str, ...]) -> None:
    """With --json stdout is one document and stderr is empty, whether it went well or not."""
    terminal.write_sent("sent")
    terminal.write("m")
    terminal.write("held")
    terminal("hold", "held")

    ended = terminal(*arguments, "--json")

    json.loads(ended.out)
    assert (ended.out.count("\n"), ended.err) == (1, "")


@pytest.mark.usefixtures("no_settings")
def test_missing_settings_all_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """One message names every setting that is missing."""
    assert program.run(["find", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["names"] == [
        "OUTBOX_TABLE",
        "OUTBOX_HISTORY_TABLE",
        "AWS_REGION",
    ]


@pytest.mark.usefixtures("no_settings")
@pytest.mark.parametrize("command", ["pause", "resume", "status"])
def test_missing_settings_of_the_line_all_at_once(capsys: pytest.CaptureFixture[str], command: str) -> None:
    """What stops the line needs one more table, named in the same one message."""
    assert program.run([command, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["names"] == [
        "OUTBOX_TABLE",
        "OUTBOX_HISTORY_TABLE",
        "OUTBOX_CONTROL_TABLE",
        "AWS_REGION",
    ]


@pytest.mark.usefixtures("no_settings")
def test_only_the_commands_of_the_line_need_its_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks at mails needs no control table; whoever stops the line names it, and the rate if known."""
    options = Options(table="mine", history_table="old", region="eu-west-1")
    assert connect(options).where.startswith("tables mine and old at")
    with pytest.raises(errors.MissingSettings, match="OUTBOX_CONTROL_TABLE"):
        connect(options, control=True)
    with pytest.raises(errors.MissingSettings, match="OUTBOX_CONTROL_TABLE"):
        _ = connect(options).switch

    monkeypatch.setenv("OUTBOX_CONTROL_TABLE", "shared")
    desk = connect(options, control=True)
    assert (desk.where.partition(" at ")[0], desk.line.rate) == ("tables mine, old and shared", None)

    monkeypatch.setenv("OUTBOX_RATE_PER_MINUTE", "120")
    monkeypatch.setenv("OUTBOX_RATE_BURST", "2")
    assert connect(options, control=True).line.rate == Rate(120, 2)


@pytest.mark.usefixtures("no_settings")
@pytest.mark.parametrize(
    ("command", "names"),
    [
        (("suppressed", "list"), ["OUTBOX_SUPPRESSION_TABLE"]),
        (("forget", "a@example.com", "--yes"), ["OUTBOX_SUPPRESSION_TABLE", "OUTBOX_BUCKET"]),
        (("--bucket", "files", "forget", "a@example.com", "--yes"), ["OUTBOX_SUPPRESSION_TABLE"]),
    ],
)
def test_what_only_some_commands_need_is_missed_by_them_alone(
    capsys: pytest.CaptureFixture[str], command: tuple[str, ...], names: list[str]
) -> None:
    """A list of bounced addresses and a bucket are named when a command needs them, before anything is done."""
    tables = ("--table", "mine", "--history-table", "old", "--region", "eu-west-1", "--as", "bob")
    # Nothing is asked of AWS before that.
    assert program.run([*tables, "--endpoint-url", "http://127.0.0.1:9", *command, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["names"] == names


@pytest.mark.usefixtures("no_settings")
def test_a_stack_without_a_region(capsys: pytest.CaptureFixture[str]) -> None:
    """With a stack named, its tables are not called missing before it could be asked."""
    assert program.run(["--stack", "prod", "find", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["names"] == ["AWS_REGION"]


@pytest.mark.usefixtures("no_settings")
def test_options_beat_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables and region come from the options before the environment; the address is told in errors."""
    monkeypatch.setenv("OUTBOX_TABLE", "from-env")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")

    desk = connect(Options(table="mine", history_table="old"))

    assert desk.where == "tables mine and old at https://dynamodb.eu-west-1.amazonaws.com"


@pytest.mark.usefixtures("no_settings")
def test_unknown_profile(capsys: pytest.CaptureFixture[str]) -> None:
    """A profile that does not exist is a wrong setting, in words."""
    assert program.run(["--profile", "nobody", "find"]) == 2
    assert "nobody" in capsys.readouterr().err


@pytest.mark.usefixtures("no_settings")
def test_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks is whom the option names, then the environment, then, without AWS, the user of this machine."""
    import boto3

    session, nowhere = boto3.Session(region_name="eu-west-1"), {"endpoint_url": "http://127.0.0.1:9"}
    monkeypatch.setenv("LOGNAME", "carol")
    assert who(Options(), session, nowhere) == "carol"
    monkeypatch.setenv("OUTBOX_ACTOR", "dave")
    assert who(Options(), session, nowhere) == "dave"
    assert who(Options(who="erin"), session, nowhere) == "erin"


def answered(code: str) -> ClientError:
    """Make AWS's answer of that code."""
    return ClientError({"Error": {"Code": code, "Message": "said AWS"}}, "Query")


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (answered("ResourceNotFoundException"), 2, "no such table"),
        (answered("ExpiredTokenException"), 2, "Log in"),
        (answered("AccessDeniedException"), 1, "lack the right"),
        (answered("InternalServerError"), 1, "nobody knows"),
        (NoCredentialsError(), 2, "Log in"),
        (ProfileNotFound(profile="x"), 2, "--profile"),
        (errors.TooLarge(), 1, "400 KB"),
        (errors.WrongState("m", "SENT", "edited"), 1, "cannot be edited"),
    ],
)
def test_errors_in_words(error: Exception, status: int, told: str) -> None:
    """Every expected error says what to do and has its exit status."""
    failure = explain(error, "here")

    assert failure.status == status
    assert told in f"{failure.message} {failure.hint}"


def test_a_bug_is_not_hidden(terminal: Terminal) -> None:
    """An error nobody expects leaves with its traceback, so that it can be reported."""

    def broken(_: Options, *, control: bool = False) -> Desk:
        message = "a bug"
        raise RuntimeError(message)

    with pytest.raises(RuntimeError, match="a bug"):
        program.run(["find"], connect=broken)


def isolated(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, where modules can be made missing."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS, check=False)


@pytest.mark.parametrize("command", ["up", "demo"])
def test_missing_extra(command: str) -> None:
    """Without the extra for the local stack the command says which one it needs."""
    ended = isolated(
        "import sys; sys.modules['samtranslator'] = None\n"
        f"from outbox.cli.app import main; sys.exit(main([{command!r}, '--json']))"
    )

    error: Any = json.loads(ended.stdout)["error"]
    assert (ended.returncode, error["kind"]) == (2, "MissingExtra")
    assert "pip install 'outbox[local]'" in error["message"]


def test_missing_cli_extra() -> None:
    """Where only the library is installed the script says which extra it needs."""
    ended = isolated(
        "import sys; sys.modules['typer'] = None\nfrom outbox.cli.app import main; sys.exit(main(['find']))"
    )

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "pip install 'outbox[cli]'" in ended.stderr
