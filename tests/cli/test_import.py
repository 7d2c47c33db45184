"""`outbox import` looks at every row first, and writes a mail for each when it is told to."""

from pathlib import Path
from typing import Any

import pytest

from outbox.cli import program
from outbox.cli.commands import import_
from tests.cli.conftest import Terminal
from tests.cli.importing import CSV, TEMPLATE, Bench, json_lines, many, no_tables

FULL = "to,sender,cc,bcc,reply_to,subject,text,html,tags,send_at,key,code.NAME,unsubscribe,attach\n"
SIMPLE = "to,from,subject,text\ntaro@example.com,shop@example.com,Hello,Hi\n"


@pytest.fixture
def bench(terminal: Terminal, tmp_path: Path) -> Bench:
    """Give a directory, and a terminal to import its files."""
    return Bench(terminal, tmp_path)


def test_dry_run_by_default(bench: Bench) -> None:
    """Without --send a person sees counts, samples and the command, and nothing is written."""
    file, template = bench.file(CSV), bench.template()

    ended = bench.terminal("import", file, "--template", template)

    assert (ended.status, ended.err) == (0, "")
    assert "rows       2" in ended.out
    assert "subject: 田中様" in ended.out
    assert "example.com 1, example.org 1" in ended.out
    assert bench.rows == {}
    token = bench.dry(file, "--template", template).json["token"]
    assert ended.out.rstrip().endswith(f"outbox import {file} --template {template} --send {token}")


def test_the_command_of_the_dry_run_writes(bench: Bench) -> None:
    """The command as it is told, copied into a shell, writes all mails, without ringing the stream."""
    told = bench.filled(CSV).json["send"].split()[1:]

    ended = bench.terminal(*told)

    assert ended.status == 0
    assert "2 written, 0 there already, 0 failed" in ended.out
    rows = bench.by_recipient()
    assert {row["subject"] for row in rows.values()} == {"田中様", "佐藤様"}
    assert {row["status"] for row in rows.values()} == {"WAITING"}
    assert bench.terminal.service.doorbells() == []


def test_json_of_a_run(bench: Bench) -> None:
    """A script reads what was written, was there and failed."""
    ended = bench.send(bench.file(CSV), "--template", bench.template())

    assert {name: ended.json[name] for name in ("rows", "written", "duplicates", "failed", "skipped")} == {
        "rows": 2,
        "written": 2,
        "duplicates": 0,
        "failed": [],
        "skipped": 0,
    }
    assert ended.json["seconds"] >= 0
    assert ended.err == ""


def test_every_column(bench: Bench) -> None:
    """Every column ends up in its field of the mail."""
    bench.file(b"terms\x00", "files/terms.txt")
    file = bench.file(
        FULL + "T <t@example.com>,Shop <shop@example.com>,a@example.com; B <b@example.com>,c@example.com,r@example.com,"
        'Hello,Hi __NAME__,<p>Hi</p>,one; two,2099-01-31T09:00+09:00,k-1,"Taro;\nsan",'
        "mailto:o@example.com;https://example.com/o,files/terms.txt\n"
    )

    assert bench.send(file, "--tag", "all").status == 0

    row = bench.terminal.row("k-1")
    mail = row.mail()
    assert [str(each) for each in (mail.to, mail.sender, *mail.cc, *mail.bcc, mail.reply_to)] == [
        *("T <t@example.com>", "Shop <shop@example.com>", "a@example.com", "B <b@example.com>", "c@example.com"),
        "r@example.com",
    ]
    assert (mail.subject, mail.text, mail.html) == ("Hello", "Hi __NAME__", "<p>Hi</p>")
    assert (mail.tags, dict(mail.insert_code)) == (("one", "two", "all"), {"NAME": "Taro;\nsan"})
    assert mail.list_unsubscribe is not None
    assert (mail.list_unsubscribe.mailto, mail.list_unsubscribe.url) == (
        "mailto:o@example.com",
        "https://example.com/o",
    )
    assert row.item["send_at"] == "2099-01-31T00:00:00.000Z"
    assert list(bench.terminal.service.files.objects.values()) == [b"terms\x00"]


def test_options_fill_what_rows_leave_out(bench: Bench) -> None:
    """Sender, tags, time and lane are those of the options where no row says them."""
    file = bench.file("mail,subject,text\ntaro@example.com,Hello,Hi\n")
    options = ("--map", "mail=to", "--from", "shop@example.com", "--tag", "a", "--at", "2099-01-01T00:00Z", "--urgent")

    assert bench.send(file, *options).json["written"] == 1

    [row] = bench.rows.values()
    assert (row["sender"], row["to"], row["tags"], row["urgent"]) == (
        "shop@example.com",
        "taro@example.com",
        ["a"],
        True,
    )
    assert row["due_at"].startswith("2099-01-01")


def test_keys_come_from_the_row(bench: Bench) -> None:
    """Each row has a key of its own, made of its cells, unless it brings one."""
    file = bench.file(
        "to,subject,text,from,key\na@example.com,S,T,s@example.com,\nb@example.com,S,T,s@example.com,mine\n"
    )

    bench.send(file)

    derived, own = sorted(bench.rows, key=lambda key: key == "mine")
    assert derived.startswith("import-")
    assert derived.endswith("-1")
    assert own == "mine"


def test_a_corrected_file_adds_what_is_new(bench: Bench) -> None:
    """After --skip-bad, the file with the bad row corrected sends that row alone; so does one re-saved and sorted."""
    bad = SIMPLE + "none,shop@example.com,Hello,Hi\nz@example.com,shop@example.com,日本,Hi\n"
    assert bench.send(bench.file(bad), given=("--skip-bad",)).json["written"] == 2

    corrected = bench.send(bench.file(bad.replace("none", "b@example.com")))
    assert (corrected.json["written"], corrected.json["duplicates"]) == (1, 2)

    head, *rows = bad.replace("none", "b@example.com").splitlines()
    saved = "\r\n".join([head, *sorted(rows, reverse=True)])
    again = bench.send(bench.file(saved.encode("cp932"), "other.csv"))
    assert (again.json["written"], again.json["duplicates"]) == (0, 3)


def test_the_same_row_twice(bench: Bench) -> None:
    """The same content twice in one file is two mails, and stays two."""
    file = bench.file(SIMPLE + SIMPLE.splitlines()[1] + "\n")
    assert bench.send(file).json["written"] == 2
    assert bench.send(file).json["duplicates"] == 2
    assert len(bench.rows) == 2


def test_json_lines(bench: Bench) -> None:
    """An object a line is a row; lists are lists, and what a template wants may be any value."""
    template = TEMPLATE.replace("Dear {{ name }}", "{% for each in items %}{{ each.n }} × {{ each.what }};{% endfor %}")
    row = {"to": "taro@example.com", "name": "田中", "cc": ["a@example.com"], "items": [{"n": 2, "what": "茶"}]}
    file = bench.file(json_lines(row, {**row, "items": []} | {"to": "b@example.com"}) + "\n", "mails.jsonl")

    bench.send(file, "--template", bench.template(template + 'html = "<p>x</p>"'))

    rows = bench.by_recipient()
    assert rows["taro@example.com"]["text"] == "2 × 茶;"
    assert rows["taro@example.com"]["cc"] == ["a@example.com"]


def test_every_bad_row_is_told(bench: Bench) -> None:
    """All bad rows are in the document and the file; a person sees the first hundred; nothing can be sent."""
    text = "to,subject,text,from\n" + "none,S,T,s@example.com\n" * 150 + "a@example.com,S,T,s@example.com\n"
    file, listed = bench.file(text), bench.path / "bad.jsonl"

    ended = bench.terminal("import", file, "--bad-rows", str(listed))

    assert ended.status == 1
    assert "… and 50 more" in ended.out
    assert len(listed.read_text(encoding="utf-8").splitlines()) == 150
    document = bench.dry(file).json
    assert [row["line"] for row in document["bad_rows"]] == list(range(2, 152))
    assert document["send"] == ""


def test_bad_rows_stop_a_run_unless_left_out(bench: Bench) -> None:
    """With a bad row nothing is written; with --skip-bad all others are."""
    file = bench.file(SIMPLE + "none,shop@example.com,Hello,Hi\n")

    refused = bench.send(file)
    assert (refused.status, refused.json["error"]["kind"], bench.rows) == (1, "BadRows", {})

    ended = bench.send(file, given=("--skip-bad",))
    assert (ended.status, ended.json["written"], ended.json["skipped"]) == (0, 1, 1)


def test_names_in_a_problem_are_those_of_the_file(bench: Bench) -> None:
    """A renamed column is told by its name in the file, and by the field it is."""
    file = bench.file("メール,subject,text,from\nnone,S,T,s@example.com\n")

    problems = bench.problems(bench.dry(file, "--map", "メール=to"))

    assert [(line, field) for line, field, _ in problems] == [(2, "'メール' (to)")] * 2


def test_twice_in_one_file(bench: Bench) -> None:
    """A key with another mail is a bad row, with the same mail a warning; so is a recipient that comes again."""
    head, row = "to,subject,text,from,key\n", "a@example.com,S,T,s@example.com,k\n"

    same = bench.dry(bench.file(head + row + row))
    assert (same.status, same.json["same_keys"], same.json["same_keys_lines"]) == (0, 1, [[3, 2]])
    assert same.json["same_recipients"] == 1

    other = bench.dry(bench.file(head + row + row.replace("S,T", "S,U")))
    assert bench.problems(other) == [(3, "key", "is that of line 2, which is another mail")]


def test_a_file_that_changed_since(bench: Bench) -> None:
    """Another file, template, attachment or option than in the dry run is refused by name, and nothing is written."""
    text = "to,name,attach\ntaro@example.com,田中,a.txt\n"
    file, template = bench.file(text), bench.template(TEMPLATE + 'html_file = "body.html"')
    bench.file("<p>", "body.html")
    bench.file("a", "a.txt")
    token = bench.dry(file, "--template", template).json["token"]
    changes = {
        "the file is": (text + "b@example.com,b,\n", "mails.csv", ()),
        "the template is": ("<b>", "body.html", ()),
        "the attachments are": ("b", "a.txt", ()),
        "the options are": ("a", "a.txt", ("--urgent",)),
    }
    for told, (content, name, more) in changes.items():
        before = (bench.path / name).read_bytes()
        bench.file(content, name)
        ended = bench.terminal("import", file, "--template", template, *more, "--send", token, "--json")
        bench.file(before, name)

        assert ended.status == 1
        assert f"{told} not what the dry run saw; nothing was written" in ended.json["error"]["message"]
        assert bench.rows == {}
    assert bench.terminal("import", file, "--template", template, "--send", token).status == 0


def test_a_token_that_is_none(bench: Bench) -> None:
    """A made-up token writes nothing."""
    ended = bench.terminal("import", bench.file(SIMPLE), "--send", "yes")
    assert ended.status == 1
    assert "is no token of a dry run" in ended.err
    assert bench.rows == {}


def test_attachments_stay_beside_the_file(bench: Bench) -> None:
    """Whoever wrote the table gets no other file of this machine sent: neither by a path nor by a link."""
    outside = bench.path.parent / "secret.txt"
    outside.write_text("secret")
    (bench.path / "link.txt").symlink_to(outside)
    head = "to,subject,text,from,attach\n"
    rows = "".join(
        f"{n}@example.com,S,T,s@example.com,{path}\n"
        for n, path in enumerate(("../secret.txt", str(outside), "link.txt", "none.txt", "."), 10)
    )

    problems = bench.problems(bench.dry(bench.file(head + rows)))

    assert [(line, field) for line, field, _ in problems] == [(line, "attach") for line in range(2, 7)]
    assert ["not in the directory" in rule for _, _, rule in problems] == [True, True, True, False, False]


@pytest.mark.parametrize("path", [".env", ".git/config", "files/.secret/a.txt", "./.env", "link.txt"])
def test_hidden_attachments(bench: Bench, path: str) -> None:
    """What is hidden was not laid there to be sent."""
    for name in (".env", ".git/config", "files/.secret/a.txt"):
        bench.file("secret", name)
    (bench.path / "link.txt").symlink_to(bench.path / ".env")
    file = bench.file(f"to,subject,text,from,attach\na@example.com,S,T,s@example.com,{path}\n")

    [(line, field, rule)] = bench.problems(bench.dry(file))

    assert (line, field) == (2, "attach")
    assert rule.endswith("is hidden: a part of its path begins with a dot")


def test_attachments_are_listed(bench: Bench) -> None:
    """A dry run says which files go with how many mails: the ten most used, and how many more there are."""
    rows = ["a@example.com,S,T,s@example.com,files/0.txt\n"]
    for number in range(12):
        bench.file("x", f"files/{number}.txt")
        rows.append(f"u{number}@example.com,S,T,s@example.com,files/{number}.txt\n")
    file = bench.file("to,subject,text,from,attach\n" + "".join(rows))

    document = bench.dry(file).json
    assert (document["attachments"]["files/0.txt"], len(document["attachments"])) == (2, 10)
    assert document["different_attachments"] == 12
    out = " ".join(bench.terminal("import", file).out.split())
    assert "files/0.txt 2, files/1.txt 1" in out
    assert "… and 2 more" in out


def test_an_attachment_that_changes_meanwhile(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is another one than the run looked at is not sent."""
    bench.file("a", "a.txt")
    file = bench.file("to,subject,text,from,attach\na@example.com,S,T,s@example.com,a.txt\n")
    token = bench.dry(file).json["token"]
    refuse = import_._refuse_changed

    def meddling(*args: Any) -> None:
        refuse(*args)
        if args[1].token.attachments:
            bench.file("bb", "a.txt")

    monkeypatch.setattr(import_, "_refuse_changed", meddling)
    ended = bench.terminal("import", file, "--send", token, "--json")

    assert (ended.status, bench.rows) == (1, {})
    assert "was changed since it was looked at" in ended.json["failed"][0]["error"]


def test_the_same_list_again(bench: Bench) -> None:
    """The same file as other mails is refused row by row, until a label makes them mails of their own."""
    file, later = bench.file(CSV), TEMPLATE.replace("Dear", "Good bye")
    bench.send(file, "--template", bench.template())

    conflict = bench.send(file, "--template", bench.template(later))
    assert (conflict.status, [each["line"] for each in conflict.json["failed"]]) == (1, [2, 3])
    assert "different: text; --label TEXT sends" in conflict.json["failed"][0]["error"]

    assert bench.send(file, "--template", bench.template(later), "--label", "december").json["written"] == 2


def test_no_table_is_asked_by_a_dry_run(bench: Bench) -> None:
    """Looking at a file needs neither credentials nor tables."""
    assert program.run(["import", bench.file(SIMPLE), "--json"], connect=no_tables) == 0


def test_no_body_in_messages(bench: Bench) -> None:
    """What is wrong is told without the text of the mail."""
    ended = bench.dry(bench.file(f"to,subject,text,from\nnone,S,{'secret ' * 6000},s@example.com\n"))
    assert "secret" not in ended.out


def test_many_rows(bench: Bench) -> None:
    """The lines of a long file are those an editor shows, also behind cells of several lines."""
    text = many(50) + 'x@example.com,"a\nb\nc"\nnone,d\n'
    problems = bench.problems(bench.filled(text))
    assert [line for line, _, _ in problems] == [52, 55, 55]


def test_progress(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal a bar shows how far it is and how fast; beside a JSON document there is none."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    file = bench.file(many(300))
    command = bench.dry(file, "--template", bench.template()).json["send"].split()[1:]

    ended = bench.terminal(*command)

    assert "writing" in ended.err
    assert "300/300" in ended.err
    assert "/s" in ended.err
    assert bench.terminal(*command, "--json").err == ""
