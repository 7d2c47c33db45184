"""A reader of the CLI gets reasons and events in their own language; a script gets codes."""

import pytest

from outbox.cli.language import of_environment
from outbox.core.catalogue import SENTENCES
from outbox.core.codes import ErrorCode, EventCode
from outbox.core.message import HOLE, Message, reason, stored
from outbox.flows.batch import NoBatch
from tests.cli.conftest import Terminal

UNSET = ("OUTBOX_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")


@pytest.fixture(autouse=True)
def _no_language(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in UNSET:
        monkeypatch.delenv(name, raising=False)


def details(error: ErrorCode) -> dict[str, str]:
    """Give each parameter of a sentence a value."""
    return {name: f"<{name}>" for name, _ in HOLE.findall(SENTENCES[f"error.{error}"][0])}


def _unfolded(out: str) -> str:
    """Take out what a table puts between the lines of a cell."""
    return "".join(char for char in out if not char.isspace() and char not in "│┃")


@pytest.mark.parametrize("error", ErrorCode)
def test_every_reason_is_told_in_japanese(terminal: Terminal, error: ErrorCode) -> None:
    """Whatever language the row itself is written in; JSON has it as it is stored."""
    terminal.write_failed("m")
    terminal.service.store.edit("m", error=str(error), details=details(error), reason="as the stack has it")
    told = reason({"error": str(error), "details": details(error)}, "ja")

    shown, listed = (_unfolded(terminal("--language", "ja", *what).out) for what in (("show", "m"), ("find",)))
    row = terminal("--language", "ja", "show", "m", "--json").json["row"]

    assert _unfolded(told) in shown
    assert _unfolded(told)[:20] in listed
    assert "asthestackhasit" not in shown + listed
    assert (row["error"], row["details"], row["reason"]) == (str(error), details(error), "as the stack has it")


def test_every_event_is_told_in_japanese(terminal: Terminal) -> None:
    """With why it happened; JSON has the codes."""
    terminal.write("m")
    events = [{"at": "2026-01-01T00:00:00.000Z", "who": "x", "what": str(what)} for what in EventCode]
    events[1] |= {"error": "file-lost", "details": stored({"why": Message("file-gone", name="'a.pdf'")})}
    terminal.service.store.edit("m", timeline=events)

    out = terminal("--language", "ja", "show", "m").out

    assert [what for what in EventCode if SENTENCES[f"event.{what}"][1] not in out] == []
    assert "送信していません: ファイル'a.pdf'が保存場所にありません。" in out
    shown = terminal("--language", "ja", "show", "m", "--json").json
    assert [event["what"] for event in shown["row"]["timeline"]] == [str(what) for what in EventCode]


def test_what_cannot_be_done_is_told_in_japanese(terminal: Terminal) -> None:
    """Errors of the service are messages as well; a script decides by their kind."""
    missing = terminal("--language", "ja", "show", "nowhere")
    terminal.write_sent("m")

    assert "ID 'nowhere' のメールは、送信箱にも履歴にもありません。" in missing.err
    held = terminal("--language", "ja", "hold", "m").out
    assert "保留できません: すでに送信箱を出ています。" in held
    assert terminal("--language", "ja", "show", "nowhere", "--json").json["error"]["kind"] == "NotFound"


def test_the_rules_of_a_mail_are_told_in_japanese(terminal: Terminal) -> None:
    """With the part of the mail they are about."""
    terminal.write_failed("m")

    wrong = terminal("--language", "ja", "edit", "m", "--subject", "x" * 300)

    assert (wrong.status, "件名: 300文字です。1〜256文字にしてください" in wrong.err) == (2, True)


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "ja_JP.UTF-8", "LC_MESSAGES": "C"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "ja_JP.UTF-8", "LC_ALL": "de_DE.UTF-8"}, "en"),
        ({"LC_ALL": "", "LANG": "ja"}, "ja"),
        ({"LANG": "ja_JP.UTF-8", "OUTBOX_LANGUAGE": "en"}, "en"),
        ({"LANG": "en_US.UTF-8", "OUTBOX_LANGUAGE": "ja"}, "ja"),
        ({"OUTBOX_LANGUAGE": "fr", "LANG": "ja_JP.UTF-8"}, "ja"),
    ],
)
def test_the_language_of_a_shell(environment: dict[str, str], language: str) -> None:
    """Ours first, then that of the locale, else English."""
    assert of_environment(environment) == language


def test_the_option_goes_before_the_environment(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """For one command alone: the next one speaks the language of the shell again."""
    terminal.write("m")
    monkeypatch.setenv("LANG", "ja_JP.UTF-8")

    japanese, english, again = (terminal(*given, "show", "m").out for given in ((), ("--language", "en"), ()))

    assert "まもなく送信されます。" in japanese
    assert "It goes within moments." in english
    assert again == japanese


def test_a_language_that_is_none_is_refused(terminal: Terminal) -> None:
    """Rather than taken for English."""
    assert terminal("--language", "fr", "find").status == 2


def test_a_batch_is_told_in_japanese(terminal: Terminal) -> None:
    """Why rows were left alone; JSON has the code and its parameters."""
    terminal.write_failed("m")
    terminal.service.store.edit("m", error="restored-in-doubt")

    out = terminal("--language", "ja", "resend", "--where", "state=failed").out
    excluded = terminal("resend", "--where", "state=failed", "--json").json["excluded"]

    assert "送信された可能性があります(理由の種類 restored-in-doubt で絞り込むか" in out
    assert {"why": {"code": "skipped.in-doubt-error", "error": "restored-in-doubt"}, "count": 1} in excluded
    assert str(NoBatch("x")).startswith("There is no batch 'x'")
