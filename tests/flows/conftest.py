"""A bucket and a store in memory, an outbox on both, and files from everywhere."""

import pytest

from outbox import Attachment, Outbox
from outbox.testing import MemoryStore
from outbox.testing.files import MemoryFiles
from tests.flows.bucket import CLOCK


@pytest.fixture
def files() -> MemoryFiles:
    return MemoryFiles()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def outbox(store, files) -> Outbox:
    return Outbox(store=store, files=files, now=CLOCK)


@pytest.fixture
def three(tmp_path, files) -> list[Attachment]:
    """Give a file from memory, one from disk and one from S3."""
    (tmp_path / "請求書.pdf").write_bytes(b"%PDF" + bytes(range(256)) * 2000)
    files.elsewhere["reports", "2026/all.csv", "v7"] = b"a,b\r\n" * 1000
    return [
        Attachment("note.txt", b"\x00\xff", "text/x-note"),
        Attachment.from_path(tmp_path / "請求書.pdf"),
        Attachment.from_s3("reports", "2026/all.csv", version="v7"),
    ]
