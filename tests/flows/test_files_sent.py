"""What is sent is what was enqueued."""

import hashlib
import io
import tracemalloc
from typing import Any

import pytest

from outbox import Attachment
from outbox.core.errors import FileLost
from outbox.core.row import Row
from outbox.flows import files as flow
from outbox.flows.files import SMALL, Bounds
from outbox.testing.files import MemoryFiles
from tests.conftest import make_mail
from tests.flows.bucket import MEGABYTE, NOW, contents, fails


def opened(files: MemoryFiles, row: Row) -> Any:
    return flow.opened(files, row.mail())


def test_files_from_everywhere_arrive_byte_for_byte(outbox, files, three, tmp_path):
    """Bytes, path and S3 object are the same when they are sent as when they were enqueued."""
    row = outbox.get(outbox.enqueue(make_mail(attachments=three)).id)
    (tmp_path / "請求書.pdf").unlink()
    files.elsewhere.clear()
    pdf = b"%PDF" + bytes(range(256)) * 2000
    assert len(pdf) > SMALL
    assert contents(files, row) == [b"\x00\xff", pdf, b"a,b\r\n" * 1000]
    assert [a.name for a in row.mail().attachments] == ["note.txt", "請求書.pdf", "all.csv"]
    assert [a.mime for a in row.mail().attachments] == ["text/x-note", "application/pdf", "text/csv"]


def test_a_mail_from_a_row_can_be_enqueued_as_another(outbox, files, three):
    """Its files are copied, so that either mail may end without the other's files."""
    first = outbox.get(outbox.enqueue(make_mail(attachments=three)).id)
    second = outbox.get(outbox.enqueue(first.mail()).id)
    assert set(first.files).isdisjoint(second.files)
    expected = contents(files, first)
    files.delete(first.files)
    assert contents(files, second) == expected


@pytest.mark.parametrize("size", [10, flow.PIECE, SMALL + 10])
def test_a_changed_file_is_never_sent(outbox, files, size):
    """Another content, also of the same length, is refused with the file's name."""
    content = b"x" * size
    row = outbox.get(outbox.enqueue(make_mail(attachments=[Attachment("請求書.pdf", content)])).id)
    (key,) = row.files
    for changed in (b"y" * len(content), content + b"x", content[1:], b""):
        files.objects[key] = changed
        with pytest.raises(FileLost, match=r"'請求書\.pdf' is not the file that was enqueued"), opened(files, row):
            pytest.fail("it was handed out")


def test_a_missing_file_is_named(outbox, files):
    """As the recipient would see it, not by its key."""
    row = outbox.get(outbox.enqueue(make_mail(attachments=[Attachment("請求書.pdf", b"x")])).id)
    files.objects.clear()
    with pytest.raises(FileLost, match=r"'請求書\.pdf' is not in the bucket any more") as error, opened(files, row):
        pytest.fail("it was handed out")
    assert error.value.name == "請求書.pdf"


def test_a_bucket_out_of_reach_is_not_a_lost_file(outbox, files, three):
    """Any other error passes through as it is."""
    row = outbox.get(outbox.enqueue(make_mail(attachments=three)).id)
    files.before = fails("get", error=TimeoutError())
    with pytest.raises(TimeoutError), opened(files, row):
        pytest.fail("it was handed out")


def test_opened_files_are_closed_whatever_happens(outbox, files, three):
    """The send may fail, and one file of several may be lost."""
    row = outbox.get(outbox.enqueue(make_mail(attachments=three)).id)
    with pytest.raises(ZeroDivisionError), opened(files, row) as mail:
        raise ZeroDivisionError
    assert all(attachment.content.closed for attachment in mail.attachments)


def test_copies_for_a_resend_are_checked(outbox, files, three):
    """A copy of a changed or lost file is refused, under the file's name."""
    row = outbox.get(outbox.enqueue(make_mail(attachments=three)).id)
    copy = flow.copied(files, row.mail(), "new", NOW)
    assert copy.mail == row.mail()
    assert all(a.content.key.startswith("mails/new/") for a in copy.mail.attachments)
    files.objects[row.files[1]] = b"other"
    with pytest.raises(FileLost, match="請求書"):
        flow.copied(files, row.mail(), "new", NOW)
    del files.objects[row.files[0]]
    with pytest.raises(FileLost, match=r"note\.txt"):
        flow.copied(files, row.mail(), "new", NOW)


class Sink(MemoryFiles):
    """A bucket that keeps nothing but what it was given at the edge, and has one huge object."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def put(self, key, content):
        size, digest = 0, hashlib.sha256()
        while piece := content.read(flow.PIECE):
            size += len(piece)
            digest.update(piece)
        return size, digest.hexdigest()

    def source(self, bucket, key, version=""):
        return Zeros(self.size)

    def get(self, key):
        return Zeros(self.size)


class Zeros(io.RawIOBase):
    """So many zero bytes."""

    def __init__(self, left: int) -> None:
        self.left = left

    def read(self, count: int = -1) -> bytes:
        count = self.left if count < 0 else min(count, self.left)
        self.left -= count
        return bytes(count)


def test_fifty_megabytes_pass_without_being_held(tmp_path):
    """From disk, from S3 and to the send, a large file never stands in memory."""
    size = 50 * MEGABYTE
    path = tmp_path / "big.bin"
    with path.open("wb") as file:
        file.truncate(size)
    sink = Sink(size)
    mail = make_mail(attachments=[Attachment.from_path(path), Attachment.from_s3("b", "big.bin")])
    tracemalloc.start()
    try:
        stored = flow.store(sink, mail, "a", NOW, Bounds(3 * size)).mail
        with flow.opened(sink, stored) as ready:
            assert ready.attachments[1].content.seek(0, io.SEEK_END) == size
        assert flow.digested(sink, mail, Bounds(3 * size)) == stored
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MEGABYTE
