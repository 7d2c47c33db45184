"""`outbox edit` corrects a mail, against the version the person saw."""

from pathlib import Path

from tests.cli.conftest import Terminal


def test_correct_and_send(terminal: Terminal) -> None:
    """A corrected mail rings again, and the change is told and stands in the timeline with who made it."""
    terminal.write_failed("bad", to="taro@exampel.com")

    ended = terminal("edit", "bad", "--to", "taro@example.com", "--send")

    assert ended.status == 0
    assert "taro@exampel.com -> taro@example.com" in ended.out
    assert terminal.status("bad") == "PENDING"
    assert {"alice"} == {event["who"] for event in terminal.row("bad").timeline[-2:]}


def test_without_send_it_stays(terminal: Terminal) -> None:
    """A saved correction alone sends nothing, and the commands that would are told."""
    terminal.write_failed("bad")

    ended = terminal("edit", "bad", "--subject", "Better")

    assert "bad is saved and FAILED." in ended.out
    assert "outbox resend bad" in ended.out
    assert terminal.status("bad") == "FAILED"


def test_lists_are_replaced_and_cleared(terminal: Terminal, tmp_path: Path) -> None:
    """A list that is given replaces the old one; an empty value clears; what is not named stays."""
    terminal.write("m", cc=["a@example.com"], bcc=["b@example.com"], tags=["old"], reply_to="r@example.com")
    body = tmp_path / "body.txt"
    body.write_text("From a file.", encoding="utf-8")

    terminal(
        "edit", "m", "--cc", "", "--tag", "x", "--tag", "y", "--reply-to", "", "--text-file", str(body), "--urgent"
    )

    mail = terminal.row("m").mail()
    assert (mail.cc, mail.tags, mail.reply_to, mail.text) == ((), ("x", "y"), None, "From a file.")
    assert (mail.bcc[0].email, mail.urgent) == ("b@example.com", True)


def test_json(terminal: Terminal) -> None:
    """A script gets the row as it is now and what was changed."""
    terminal.write_failed("bad", subject="Old")

    document = terminal("edit", "bad", "--subject", "New", "--json").json

    assert document["changed"] == {"subject": ["Old", "New"]}
    assert document["row"]["subject"] == "New"


def test_reschedule(terminal: Terminal) -> None:
    """A held mail can be given a time."""
    terminal.write("m")
    terminal("hold", "m")

    assert terminal("edit", "m", "--at", "2026-01-05T00:00Z").status == 0
    assert (terminal.status("m"), terminal.row("m").item["due_at"]) == ("WAITING", "2026-01-05T00:00:00.000Z")


def test_correct_and_schedule(terminal: Terminal) -> None:
    """A failed mail can be corrected and sent at a time to come."""
    terminal.write_failed("bad")

    assert terminal("edit", "bad", "--to", "new@example.com", "--at", "2026-01-05T00:00Z").status == 0
    assert terminal.status("bad") == "WAITING"


def test_old_revision(terminal: Terminal) -> None:
    """A save against an older version is refused and overwrites nothing."""
    terminal.write("m", subject="First")
    terminal("edit", "m", "--subject", "Second")

    ended = terminal("edit", "m", "--subject", "Third", "--revision", "1", "--json")

    assert (ended.status, ended.json["error"]["kind"]) == (1, "ChangedMeanwhile")
    assert terminal.row("m").item["subject"] == "Second"


def test_version(terminal: Terminal) -> None:
    """A save against a mail that was changed since, also by hand, is refused; against it as it is, it is saved."""
    terminal.write("m", subject="First")
    seen = terminal("show", "m", "--json").json["version"]
    terminal.service.store.edit("m", text="Typed by hand.")

    ended = terminal("edit", "m", "--subject", "Second", "--version", seen, "--json")
    assert (ended.status, ended.json["error"]["kind"]) == (1, "ChangedMeanwhile")

    now = terminal("show", "m", "--json").json["version"]
    saved = terminal("edit", "m", "--subject", "Second", "--version", now, "--json")
    assert saved.status == 0
    assert saved.json["version"] == terminal("show", "m", "--json").json["version"] != now
    assert terminal.row("m").mail().text == "Typed by hand."


def test_version_is_for_one_mail(terminal: Terminal) -> None:
    """Many mails have no version in common."""
    terminal.write_failed("m")

    ended = terminal("edit", "--where", "state=failed", "--set", "subject=x", "--version", "abc")

    assert (ended.status, "--version" in ended.err) == (2, True)


def test_refusals(terminal: Terminal) -> None:
    """What cannot be saved is refused with the reason and the right exit status, and the row stays as it was."""
    terminal.write_sent("gone")
    terminal.write("m")
    before = terminal.row("m").item

    assert terminal("edit", "m").status == 2
    assert terminal("edit", "m", "--at", "2020-01-01T00:00Z").status == 2
    assert terminal("edit", "m", "--to", "nobody").status == 2
    assert terminal("edit", "nobody", "--subject", "x").status == 1
    assert terminal("edit", "gone", "--subject", "x").status == 1
    assert terminal.row("m").item == before
