"""What an attachment takes, where its files lie, and what a row may say of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox import Attachment, InvalidMail, InvalidRequest
from outbox.core.attachment import LONGEST_KEY, S3Object, StoredFile, is_own, prefix
from outbox.core.errors import RowBroken
from outbox.core.row import Row, mail_of, same_mail
from tests.conftest import make_mail

SHA = "a" * 64
ROW = {"id": "a", "sender": "a@b.example", "to": "a@b.example", "subject": "x", "text": "y"}


def stored_at(key, **more):
    return {"name": "a.txt", "mime": "text/plain", "size": 1, "sha256": SHA, "key": key} | more


@pytest.mark.parametrize(
    "name",
    ["virus.exe", "a.tar.gz", "A.ZIP", "x.PS1", "a.exe.", "a.exe ", "a.exe . .", "a.exe\u3000", "a.exe\xa0", ".exe"],
)
def test_refuses_files_the_api_refuses(name):
    """A forbidden extension is refused whatever its case, and also where dots and spaces behind it would fall off."""
    with pytest.raises(InvalidMail, match="refused by the mail API"):
        Attachment(name, b"x")


@pytest.mark.parametrize("name", ["exe", "a.exe.pdf", "zip file.txt", "請求書.pdf", "a..b", "...", "x.exef"])
def test_takes_names_that_only_look_like_it(name):
    """Only the last extension counts."""
    assert Attachment(name, b"x").name == name


@pytest.mark.parametrize("name", ["", "a/b.txt", "a\\b.txt", "x" * 256, "a\nb.txt", 5, None])
def test_refuses_names_that_are_none(name):
    """A name is text without a path and without control characters."""
    with pytest.raises(InvalidMail):
        Attachment(name, b"x")


@pytest.mark.parametrize("content", ["text", None, 5, ["x"]])
def test_refuses_content_that_cannot_be_read(content):
    """Content is bytes, a place or an open stream."""
    with pytest.raises(InvalidMail):
        Attachment("a.txt", content)


def test_a_path_is_checked_when_it_is_named(tmp_path):
    """A file that is not there, or is no file, is an error at once and not at night."""
    for path in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(OSError, match=str(path)):
            Attachment.from_path(path)


def test_a_path_survives_a_change_of_directory(tmp_path, monkeypatch):
    """What was named by a short path is found from anywhere."""
    (tmp_path / "a.txt").write_text("x")
    monkeypatch.chdir(tmp_path)
    attachment = Attachment.from_path("a.txt")
    monkeypatch.chdir("/")
    assert attachment.content.read_text() == "x"


def test_an_object_in_s3_has_the_name_of_its_key_unless_given():
    """The last part of the key, as people see it."""
    assert Attachment.from_s3("b", "2026/請求書.pdf").name == "請求書.pdf"
    other = Attachment.from_s3("b", "2026/x", name="a.csv", version="v1")
    assert (other.name, other.mime, other.content) == ("a.csv", "text/csv", S3Object("b", "2026/x", "v1"))
    with pytest.raises(InvalidMail):
        Attachment.from_s3("b", "folder/")


def test_is_equal_to_the_same_content_wherever_it_lies():
    """A mail from a row is the mail that was enqueued."""
    here = Attachment("a.txt", b"x")
    there = Attachment("a.txt", StoredFile("mails/a/1/0", 1, here.digest))
    assert here == there
    assert hash(here) == hash(there)
    assert make_mail(attachments=[here]).fingerprint == make_mail(attachments=[there]).fingerprint
    assert here != Attachment("a.txt", b"y")
    assert here != Attachment("b.txt", b"x")


def test_does_not_guess_what_it_has_not_read(tmp_path):
    """A fingerprint of a file that nobody has read would be a lie."""
    (tmp_path / "a.txt").write_text("x")
    mail = make_mail(attachments=[Attachment.from_path(tmp_path / "a.txt")])
    for ask in (lambda: mail.fingerprint, mail.to_item):
        with pytest.raises(InvalidRequest, match=r"a\.txt"):
            ask()


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=60))
def test_every_id_has_a_prefix_of_its_own_that_is_a_place(mail_id):
    """No id reaches into another's files, and none climbs."""
    place = prefix(mail_id)
    assert place.startswith("mails/")
    assert place.count("/") == 2
    assert is_own(mail_id, place + "01JZ/0")
    assert not is_own(mail_id + "x", place + "01JZ/0")
    assert not is_own(mail_id, prefix(mail_id + "x") + "01JZ/0")


@pytest.mark.parametrize("mail_id", [".", "..", "...", "a/../b", "x" * 256, "あ" * 85, "%2E%2E", "\U0001f600" * 64])
def test_keys_fit_into_s3_and_are_no_paths(mail_id):
    """The longest and oddest ids give keys S3 takes, in which no part is dots alone."""
    key = f"{prefix(mail_id)}{'0' * 26}/99"
    assert len(key.encode()) <= LONGEST_KEY
    assert all(part.strip(".") for part in key.split("/"))
    assert prefix("..") != prefix("%2E%2E")


@pytest.mark.parametrize(
    "key",
    [
        "mails/b/1/0",
        "mails/a/../b/1/0",
        "mails/a/./../b/0",
        "mails/ab/1/0",
        "mails/a",
        "",
        "/mails/a/1/0",
        "mails/a/" + "x" * 1024,
        "mails/a/\n",
    ],
)
def test_a_row_cannot_name_a_file_of_another_mail(key):
    """A person's slip, or a malicious one, sends nobody else's file."""
    with pytest.raises(RowBroken) as error:
        mail_of(ROW | {"attachments": [stored_at(key)]})
    assert error.value.problems[0].field == "attachments[0].key"
    row = Row(ROW | {"attachments": [stored_at(key)], "body": {"key": key}})
    assert (row.files, row.own_files) == ([key, key], [])


@pytest.mark.parametrize(
    ("part", "field"),
    [
        (stored_at("mails/a/1/0", size="1"), "attachments[0].size"),
        (stored_at("mails/a/1/0", sha256="A" * 64), "attachments[0].sha256"),
        (stored_at("mails/a/1/0", sha256=None), "attachments[0].sha256"),
        (stored_at(5), "attachments[0].key"),
        ({"name": "a.txt", "mime": "text/plain"}, "attachments[0].content"),
        ({"name": "a.txt", "mime": 5, "content": b"x"}, "attachments[0].mime"),
        ({"name": "a.exe", "mime": "x/y", "content": b"x"}, "attachments"),
        ("x", "attachments[0]"),
    ],
)
def test_a_row_with_half_an_attachment_is_explained(part, field):
    """The sentence names the attribute."""
    with pytest.raises(RowBroken) as error:
        mail_of(ROW | {"attachments": [part]})
    assert error.value.problems[0].field == field


def test_reads_attachments_that_a_program_put_on_the_row_itself():
    """Small files may stand on a row written without the client."""
    mail = mail_of(ROW | {"attachments": [{"name": "a.txt", "mime": "text/plain", "content": b"x"}]})
    assert mail.attachments == (Attachment("a.txt", b"x"),)


@pytest.mark.parametrize("junk", [5, "x", [5, "x", {"key": 5}, None], {"key": "mails/a/1/0"}, None])
def test_names_no_files_where_there_are_none(junk):
    """Whatever a person typed, asking for the files raises nothing."""
    assert Row({"id": "a", "attachments": junk, "body": [junk]}).files == []


def body(sha256):
    return {"size": 1, "sha256": sha256, "key": "mails/a/1/0"}


def test_texts_in_the_bucket_are_not_taken_for_no_texts():
    """Without them a row gives no mail, instead of a mail that lacks some."""
    for row in (ROW | {"body": body(SHA)}, {**ROW, "text": "", "body": body(SHA)}):
        with pytest.raises(RowBroken, match="body"):
            mail_of(row)
    assert mail_of(ROW | {"body": body(SHA), "html": "z", "insert_code": {}}).html == "z"


def test_two_rows_with_texts_in_the_bucket_are_compared_by_them():
    """Same texts and same rest is the same mail, wherever the texts lie."""
    one = {**ROW, "body": body(SHA)}
    del one["text"]
    assert same_mail(one, one | {"body": body(SHA) | {"key": "mails/a/2/0"}})
    assert not same_mail(one, one | {"body": body("b" * 64)})
    assert not same_mail(one, one | {"subject": "other"})
    assert not same_mail(one, ROW)
    assert same_mail(ROW, ROW | {"id": "b", "status": "SENT"})
