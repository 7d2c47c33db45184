"""A committed row always has its files."""

import io

import pytest

from outbox import Attachment, InvalidMail, KeyConflict, MissingSettings, Outbox
from outbox.core.errors import FileLost
from outbox.core.row import Row
from outbox.testing import MemoryStore
from outbox.testing.files import MemoryFiles
from tests.conftest import make_mail
from tests.flows.bucket import contents, fails


def test_a_row_names_its_files_and_how_many(outbox, store, files, three):
    """The stream's filter looks for the number; no name of a file is part of a key."""
    mail_id = outbox.enqueue(make_mail(attachments=three), idempotency_key="order/1 あ").id
    row = store.outbox[mail_id]
    assert row["files"] == 3
    keys = [part["key"] for part in row["attachments"]]
    assert keys == sorted(files.objects)
    assert [set(part) for part in row["attachments"]] == [{"name", "mime", "size", "sha256", "key"}] * 3
    assert all(key.startswith("mails/order%2F1%20%E3%81%82/") for key in keys)
    assert "files" not in store.outbox[outbox.enqueue(make_mail()).id]


def test_files_are_stored_before_the_row(files, three):
    """A crash between upload and row leaves files that expire, and never a row without files."""

    class Dies(MemoryStore):
        def add(self, item, *, once):
            raise ConnectionError

    store = Dies()
    with pytest.raises(ConnectionError):
        Outbox(store=store, files=files).enqueue(make_mail(attachments=three))
    assert store.outbox == {}
    assert len(files.new) == 3
    files.expire()
    assert files.objects == {}


@pytest.mark.parametrize("step", ["put", "source"])
def test_no_row_is_written_when_a_file_cannot_be_stored(outbox, store, files, three, step):
    """The error of the bucket is the caller's; nothing is in the table."""
    files.before = fails(step)
    with pytest.raises(OSError, match=step):
        outbox.enqueue(make_mail(attachments=three))
    assert store.outbox == {}


def test_a_file_deleted_before_the_enqueue_is_named(outbox, store, files, tmp_path):
    """The disk may change between making a mail and enqueueing it."""
    path = tmp_path / "a.txt"
    path.write_text("x")
    mail = make_mail(attachments=[Attachment.from_path(path)])
    path.unlink()
    with pytest.raises(InvalidMail, match=r"'a\.txt' cannot be read: No such file"):
        outbox.enqueue(mail)
    assert (store.outbox, files.objects) == ({}, {})


def test_a_source_that_is_not_there_is_named(outbox, store):
    """The sentence says where it was looked for."""
    with pytest.raises(FileLost, match=r"s3://b/c/a\.txt"):
        outbox.enqueue(make_mail(attachments=[Attachment.from_s3("b", "c/a.txt")]))
    assert store.outbox == {}


def test_known_sizes_are_refused_before_anything_is_stored(outbox, files, tmp_path):
    """Bytes and files on disk in all, with the file that crosses the limit and the limit."""
    (tmp_path / "b.txt").write_bytes(b"x" * 600_000)
    mail = make_mail(attachments=[Attachment("a.txt", b"x" * 400_001), Attachment.from_path(tmp_path / "b.txt")])
    with pytest.raises(InvalidMail, match=r"'b\.txt'.* 1000000 bytes"):
        outbox.enqueue(mail)
    assert files.objects == {}


class Endless(io.RawIOBase):
    """A stream without an end that counts what was read."""

    taken = 0

    def read(self, count: int = -1) -> bytes:
        assert count >= 0
        self.taken += count
        return b"x" * count


def test_a_stream_that_grows_past_the_limit_is_stopped_at_once(store):
    """An object of unknown size is not read further than the limit, and nothing is written to the table."""
    endless = Endless()

    class Growing(MemoryFiles):
        def source(self, bucket, key, version=""):
            return endless

    growing = Growing()
    mail = make_mail(attachments=[Attachment("a.txt", b"x" * 900_000), Attachment.from_s3("b", "big.log")])
    with pytest.raises(InvalidMail, match=r"'big\.log'.* 1000000 bytes"):
        Outbox(store=store, files=growing).enqueue(mail)
    assert endless.taken < 250_000
    assert endless.closed
    assert store.outbox == {}
    assert growing.objects.keys() == growing.new
    assert len(growing.objects) == 1


@pytest.mark.parametrize(("size", "fits"), [(10, True), (11, False)])
def test_the_limit_is_the_contracts(store, files, size, fits):
    """Exactly as many bytes as allowed go, one more does not."""
    outbox = Outbox(store=store, files=files, attachment_bytes=10)
    mail = make_mail(attachments=[Attachment("a.txt", b"x" * size)])
    if fits:
        assert outbox.enqueue(mail)
    else:
        with pytest.raises(InvalidMail, match="10 bytes"):
            outbox.enqueue(mail)


def test_the_count_is_the_contracts(store, files):
    """One file more than the contract allows is refused before anything is stored."""
    outbox = Outbox(store=store, files=files, attachment_count=2)
    with pytest.raises(InvalidMail, match="3 files; at most 2"):
        outbox.enqueue(make_mail(attachments=[Attachment("a.txt", b"x")] * 3))
    assert files.objects == {}


@pytest.mark.parametrize("name", ["OUTBOX_ATTACHMENT_BYTES", "OUTBOX_ATTACHMENT_COUNT"])
def test_the_contract_can_stand_in_the_environment(store, files, monkeypatch, name):
    """As every other setting."""
    monkeypatch.setenv(name, "0")
    with pytest.raises(InvalidMail):
        Outbox(store=store, files=files).enqueue(make_mail(attachments=[Attachment("a.txt", b"x")]))


def test_a_mail_with_files_needs_a_bucket_and_no_other_does(store):
    """The setting that is missing is named, when it is needed."""
    outbox = Outbox(store=store)
    outbox.enqueue(make_mail())
    for mail in (make_mail(attachments=[Attachment("a.txt", b"x")]), make_mail(insert_code={"a": "x" * 300_000})):
        with pytest.raises(MissingSettings) as error:
            outbox.enqueue(mail)
        assert error.value.names == ("OUTBOX_BUCKET",)


def test_the_same_key_again_stores_nothing_and_keeps_the_first_files(outbox, store, files, three):
    """The same content is the same mail, whatever it is read from, and the committed files stay as they were."""
    first = outbox.enqueue(make_mail(attachments=three), idempotency_key="k")
    before, row = dict(files.objects), dict(store.outbox["k"])
    read = [Attachment(a.name, content, a.mime) for a, content in zip(three, before.values(), strict=True)]
    for attachments in (three, read):
        again = outbox.enqueue(make_mail(attachments=attachments), idempotency_key="k")
        assert (again.duplicate, again.id) == (True, first.id)
    assert (files.objects, store.outbox["k"]) == (before, row)


def test_a_repeated_enqueue_reads_no_more_than_the_contract_allows(outbox, files):
    """Files that no mail may have are not read to their end only to compare them."""
    outbox.enqueue(make_mail(), idempotency_key="k")
    files.elsewhere |= {("b", name, ""): b"x" * 600_000 for name in ("1.log", "2.log")}
    mail = make_mail(attachments=[Attachment.from_s3("b", "1.log"), Attachment.from_s3("b", "2.log")])
    with pytest.raises(InvalidMail, match=r"2\.log"):
        outbox.enqueue(mail, idempotency_key="k")


def test_two_tries_at_once_never_share_a_file(files, three):
    """A second try that could not see the first leaves its own files to expire, and the row has the first ones."""

    class Blind(MemoryStore):
        def get(self, mail_id):
            raise PermissionError

    store = Blind()
    outbox = Outbox(store=store, files=files)
    outbox.enqueue(make_mail(attachments=three), idempotency_key="k")
    assert outbox.enqueue(make_mail(attachments=three), idempotency_key="k").duplicate
    row = Row(store.outbox["k"])
    assert len(files.objects) == 6
    for key in row.files:
        files.keep(key)
    files.expire()
    assert len(contents(files, row)) == 3


def test_the_same_key_for_another_file_is_an_error(outbox, files, three):
    """The attachments are named as what differs, and nothing is stored for it."""
    outbox.enqueue(make_mail(attachments=three), idempotency_key="k")
    with pytest.raises(KeyConflict) as error:
        outbox.enqueue(make_mail(attachments=[Attachment("note.txt", b"other")]), idempotency_key="k")
    assert error.value.differences == ("attachments",)
    assert len(files.objects) == 3


def test_entries_for_a_transaction_have_their_files(outbox, files, three):
    """An application's own transaction writes a row whose files are there."""
    entries = outbox.entries(make_mail(attachments=three), idempotency_key="k", resource=True)
    item = entries.items[0]["Put"]["Item"]
    assert item["files"] == 3
    assert {part["key"] for part in item["attachments"]} == files.objects.keys()
    assert entries.mail.fingerprint == item["fingerprint"]
