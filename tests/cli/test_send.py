"""`outbox send` writes one mail, or says why not and writes nothing."""

from pathlib import Path

import pytest

from outbox import Attachment
from tests.cli.conftest import Terminal

MAIL = ("--from", "Shop <shop@example.com>", "--to", "taro@example.com", "--subject", "Hello", "--text", "Hi.")


def test_receipt(terminal: Terminal) -> None:
    """A mail is in the outbox under the id the receipt names, written in the name of who asked."""
    ended = terminal("send", *MAIL, "--key", "k-1")

    assert (ended.status, ended.err) == (0, "")
    assert "k-1 is in the outbox, PENDING." in ended.out
    assert terminal.row("k-1").timeline[0]["who"] == "alice"


def test_json_receipt(terminal: Terminal) -> None:
    """A script reads id, state and whether it was there already."""
    assert terminal("send", *MAIL, "--key", "k-1", "--json").json == {
        "id": "k-1",
        "status": "PENDING",
        "duplicate": False,
    }


def test_every_part(terminal: Terminal, tmp_path: Path) -> None:
    """Every option ends up in its field of the mail."""
    page, file = tmp_path / "page.html", tmp_path / "terms.txt"
    page.write_text("<p>Grüße, 太郎</p>", encoding="utf-8")
    file.write_bytes(b"terms\x00")

    terminal(
        *("send", *MAIL, "--html-file", str(page), "--cc", "a@example.com", "--cc", "B <b@example.com>"),
        *("--bcc", "c@example.com", "--reply-to", "r@example.com", "--attach", str(file), "--tag", "one"),
        *("--tag", "two", "--code", "NAME=Taro=san", "--urgent", "--on-unknown", "resend", "--key", "k-1"),
        *("--unsubscribe", "mailto:out@example.com", "--unsubscribe", "https://example.com/out"),
        *("--encoding", "ISO-2022-JP"),
    )

    mail = terminal.row("k-1").mail()
    assert (mail.text, mail.html) == ("Hi.", "<p>Grüße, 太郎</p>")
    assert [str(each) for each in mail.cc] == ["a@example.com", "B <b@example.com>"]
    assert [each.email for each in mail.bcc] == ["c@example.com"]
    assert (str(mail.reply_to), mail.tags) == ("r@example.com", ("one", "two"))
    assert mail.attachments == (Attachment("terms.txt", b"terms\x00"),)
    assert list(terminal.service.files.objects.values()) == [b"terms\x00"]
    assert dict(mail.insert_code) == {"NAME": "Taro=san"}
    assert (mail.urgent, mail.on_unknown, mail.encoding) == (True, "resend", "ISO-2022-JP")
    assert mail.list_unsubscribe is not None
    assert (mail.list_unsubscribe.mailto, mail.list_unsubscribe.url) == (
        "mailto:out@example.com",
        "https://example.com/out",
    )


def test_a_file_from_s3(terminal: Terminal) -> None:
    """An object is named by its address, and goes under the last part of its key."""
    terminal.service.files.elsewhere["reports", "2026/あ b.csv", ""] = b"a,b"

    terminal("send", *MAIL, "--attach", "s3://reports/2026/あ b.csv", "--key", "k-1")

    assert terminal.row("k-1").mail().attachments == (Attachment("あ b.csv", b"a,b"),)


def test_a_file_from_s3_that_is_not_there(terminal: Terminal) -> None:
    """The address is told, and nothing is written."""
    ended = terminal("send", *MAIL, "--attach", "s3://reports/none.csv")

    assert ended.status == 1
    assert "s3://reports/none.csv" in ended.err
    assert terminal.service.store.outbox == {}


def test_later(terminal: Terminal) -> None:
    """A time in any zone makes the mail wait for that moment."""
    terminal("send", *MAIL, "--key", "k-1", "--at", "2026-02-01T09:00+09:00")

    assert terminal.row("k-1").item["due_at"] == "2026-02-01T00:00:00.000Z"


def test_duplicate_is_told(terminal: Terminal) -> None:
    """The same mail under the same key is a success that says that nothing was written."""
    terminal("send", *MAIL, "--key", "k-1")

    ended = terminal("send", *MAIL, "--key", "k-1")

    assert ended.status == 0
    assert "was there already" in ended.out
    assert terminal("send", *MAIL, "--key", "k-1", "--json").json["duplicate"] is True


def test_key_of_another_mail(terminal: Terminal) -> None:
    """Another mail under a used key is refused, and the fields that differ are named."""
    terminal("send", *MAIL, "--key", "k-1")

    ended = terminal("send", *MAIL[:-1], "Something else.", "--key", "k-1", "--json")

    assert ended.status == 1
    assert ended.json["error"]["kind"] == "KeyConflict"
    assert ended.json["error"]["differences"] == ["text"]


def test_every_problem_is_named(terminal: Terminal) -> None:
    """A mail with several wrong parts is refused with all of them, and nothing is written."""
    ended = terminal("send", "--from", "x", "--to", "a@b.example\nBcc: c@d.example", "--subject", "s", "--text", "t")

    assert ended.status == 2
    assert "sender:" in ended.err
    assert "U+000A" in ended.err
    assert terminal.service.store.outbox == {}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--at", "2026-02-01T09:00"), "time zone"),
        (("--at", "tomorrow"), "time zone"),
        (("--code", "NAME"), "NAME=VALUE"),
        (("--attach", "/nowhere/at/all.txt"), "/nowhere/at/all.txt: No such file"),
        (("--text-file", "/nowhere.txt"), "--text and --text-file"),
        (("--html-file", "/nowhere.txt"), "/nowhere.txt: No such file"),
        (("--attach", __file__, "--key", "x" * 257), "idempotency_key"),
    ],
)
def test_wrong_usage(terminal: Terminal, arguments: tuple[str, ...], told: str) -> None:
    """A value that cannot be understood is refused with what is wrong about it, and nothing is written."""
    ended = terminal("send", *MAIL, *arguments)

    assert ended.status == 2
    assert told in ended.err
    assert terminal.service.store.outbox == {}


def test_file_that_is_not_text(terminal: Terminal, tmp_path: Path) -> None:
    """A body in another encoding is refused instead of guessed."""
    file = tmp_path / "sjis.txt"
    file.write_bytes("太郎".encode("shift_jis"))

    ended = terminal("send", *MAIL[:-2], "--text-file", str(file))

    assert (ended.status, "is not UTF-8" in ended.err) == (2, True)
