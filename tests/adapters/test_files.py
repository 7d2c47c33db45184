"""The bucket against the embedded AWS: what is stored, kept, read and deleted."""

import hashlib
import io
import itertools
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from outbox import Attachment, Outbox
from outbox.adapters import aws
from outbox.adapters.files import BATCH, PART, S3Files
from outbox.core.errors import FileLost
from outbox.flows import files as flow
from outbox.flows.cleanup import Cleanup
from outbox.flows.files import Bounds
from outbox.flows.keep import Keep
from outbox.testing import MemoryStore, TickingClock
from outbox.testing.files import in_memory
from tests.conftest import make_mail

pytestmark = pytest.mark.stack
MEGABYTE = 1024 * 1024
NUMBERS = itertools.count()


@pytest.fixture
def s3(local_stack) -> Any:
    return aws.s3(**local_stack.boto3_arguments)


def new_bucket(s3) -> str:
    name = f"files-{next(NUMBERS)}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name})
    return name


@pytest.fixture
def files(s3) -> S3Files:
    return S3Files(s3, new_bucket(s3))


def tags(files: S3Files, key: str) -> dict[str, str]:
    answer = files.client.get_object_tagging(Bucket=files.bucket, Key=key)
    return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}


def keys(files: S3Files) -> set[str]:
    return {found["Key"] for found in files.client.list_objects_v2(Bucket=files.bucket).get("Contents", [])}


@pytest.mark.parametrize("key", ["mails/a/1/0", "mails/order%2F1%20%E3%81%82/1/0", "mails/%2E%2E/1/0", "mails/a+b/1/0"])
@pytest.mark.parametrize("content", [b"", b"\x00\xff" * 1000])
def test_what_is_put_is_got_and_tagged_to_expire(files, key, content):
    """Size and SHA-256 are those of what arrived, under exactly the key."""
    assert files.put(key, io.BytesIO(content)) == (len(content), hashlib.sha256(content).hexdigest())
    assert keys(files) == {key}
    assert tags(files, key) == {"outbox": "new"}
    assert files.get(key).read() == content
    head = files.client.head_object(Bucket=files.bucket, Key=key)
    assert head["ContentType"] == "application/octet-stream"


def test_a_kept_file_has_no_tag(files):
    """So no lifecycle rule finds it; keeping twice, or one that is gone, does nothing."""
    files.put("mails/a/1/0", io.BytesIO(b"x"))
    for key in ("mails/a/1/0", "mails/a/1/0", "mails/a/1/gone"):
        files.keep(key)
    assert tags(files, "mails/a/1/0") == {}


def test_a_missing_file_is_lost_and_a_missing_bucket_an_error(files):
    """Only the file itself can be lost; the rest passes through."""
    with pytest.raises(FileLost, match="mails/a/1/0"):
        files.get("mails/a/1/0")
    elsewhere = S3Files(files.client, "no-such-bucket")
    for step in (elsewhere.get, elsewhere.keep):
        with pytest.raises(ClientError, match="NoSuchBucket"):
            step("mails/a/1/0")


class Trickle(io.RawIOBase):
    """A stream that gives less than it is asked for, in odd pieces."""

    def __init__(self, content: bytes) -> None:
        self.content = io.BytesIO(content)

    def read(self, count: int = -1) -> bytes:
        return self.content.read(min(count, 70_001) if count >= 0 else count)


@pytest.mark.parametrize("size", [PART - 1, PART, PART + 1, 2 * PART + 17])
def test_files_of_several_parts_arrive_byte_for_byte(files, size):
    """Around the size at which S3 wants a file in parts, from a stream that trickles."""
    content = hashlib.shake_128(b"x").digest(size)
    assert files.put("mails/a/1/0", Trickle(content)) == (size, hashlib.sha256(content).hexdigest())
    assert files.get("mails/a/1/0").read() == content


def test_an_upload_that_fails_in_the_middle_leaves_nothing(files):
    """The parts of a torn upload are given up, and the error is the stream's own."""

    def pieces() -> Iterator[bytes]:
        yield from [b"x" * MEGABYTE] * 12
        raise ZeroDivisionError

    class Torn:
        def __init__(self):
            self.pieces = pieces()

        def read(self, count=-1):
            return next(self.pieces)

    with pytest.raises(ZeroDivisionError):
        files.put("mails/a/1/0", Torn())
    assert keys(files) == set()
    assert "Uploads" not in files.client.list_multipart_uploads(Bucket=files.bucket)


def test_an_object_of_others_is_read_in_the_version_asked_for(files, s3):
    """The newest unless a version is given."""
    bucket = new_bucket(s3)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    versions = [s3.put_object(Bucket=bucket, Key="a b/あ.csv", Body=body)["VersionId"] for body in (b"one", b"two")]
    assert files.source(bucket, "a b/あ.csv").read() == b"two"
    assert files.source(bucket, "a b/あ.csv", versions[0]).read() == b"one"


@pytest.mark.parametrize(
    ("bucket", "key", "version"),
    [("mine", "none", ""), ("no-such-bucket", "x", ""), ("mine", "there", "no-such-version")],
)
def test_a_source_that_is_not_there_is_told_with_its_address(files, bucket, key, version):
    """The caller's slip, in one sentence."""
    files.put("there", io.BytesIO(b"x"))
    bucket = files.bucket if bucket == "mine" else bucket
    with pytest.raises(FileLost, match=f"s3://{bucket}/{key}"):
        files.source(bucket, key, version)


def test_a_forbidden_source_is_told_and_a_forbidden_file_of_ours_is_an_error(files):
    """Nobody's file is lost because a right is missing."""

    def forbidden(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}, "GetObject")

    class Client:
        get_object = staticmethod(forbidden)

    without_right = S3Files(Client(), files.bucket)  # type: ignore[arg-type]
    with pytest.raises(FileLost, match="AccessDenied"):
        without_right.source("b", "k")
    with pytest.raises(ClientError, match="AccessDenied"):
        without_right.get("k")


def test_deletes_more_than_one_call_takes_and_what_is_gone_already(files):
    """Every file, and none is missed for being absent."""
    for number in (0, BATCH):
        files.put(f"mails/a/1/{number}", io.BytesIO(b"x"))
    files.put("mails/b/1/0", io.BytesIO(b"x"))
    assert files.delete([f"mails/a/1/{number}" for number in range(BATCH + 2)]) == {}
    assert keys(files) == {"mails/b/1/0"}
    assert files.delete([]) == {}


def test_tells_which_files_could_not_be_deleted():
    """The code of each, as S3 gives it; one that is gone is no failure."""

    class Client:
        calls = 0

        def delete_objects(self, **request: Any) -> dict[str, Any]:
            self.calls += 1
            named = [part["Key"] for part in request["Delete"]["Objects"]]
            codes = {"mails/a/1/1": "InternalError", "mails/a/1/2": "NoSuchKey", "mails/a/1/1001": "AccessDenied"}
            return {"Errors": [{"Key": key, "Code": codes[key]} for key in named if key in codes]}

    client = Client()
    failed = S3Files(client, "b").delete([f"mails/a/1/{number}" for number in range(1002)])  # type: ignore[arg-type]
    assert failed == {"mails/a/1/1": "InternalError", "mails/a/1/1001": "AccessDenied"}
    assert client.calls == 2


def test_a_mail_with_files_from_everywhere_goes_all_the_way(files, s3, tmp_path):
    """Stored, kept, opened byte for byte, and deleted with its history row."""
    bucket = new_bucket(s3)
    s3.put_object(Bucket=bucket, Key="all.csv", Body=b"a,b\r\n" * 1000)
    (tmp_path / "請求書.pdf").write_bytes(b"%PDF" * 100_000)
    attachments = [
        Attachment("note.txt", b"\x00\xff"),
        Attachment.from_path(tmp_path / "請求書.pdf"),
        Attachment.from_s3(bucket, "all.csv"),
    ]
    store = MemoryStore()
    outbox = Outbox(store=store, files=files, now=TickingClock())
    mail = make_mail(attachments=attachments, insert_code={"a": "あ" * 100_000})
    row = outbox.get(outbox.enqueue(mail, idempotency_key="order/1").id)
    assert outbox.enqueue(mail, idempotency_key="order/1").duplicate
    assert keys(files) == set(row.files)
    assert [tags(files, key) for key in row.files] == [{"outbox": "new"}] * 4

    assert Keep(files)([row.item]) == set()
    assert [tags(files, key) for key in row.files] == [{}] * 4

    read = flow.complete(files, row).mail()
    assert dict(read.insert_code) == {"a": "あ" * 100_000}
    with flow.opened(files, read) as ready:
        sent = in_memory(ready)
    assert [a.content for a in sent.attachments] == [b"\x00\xff", b"%PDF" * 100_000, b"a,b\r\n" * 1000]

    assert Cleanup(files, (store.get,))([store.outbox.pop("order/1")]) == set()
    assert keys(files) == set()
    with pytest.raises(FileLost, match=r"note\.txt"), flow.opened(files, read):
        pytest.fail("it was handed out")


def test_fifty_megabytes_pass_without_being_held(files, s3, tmp_path):
    """From disk and from S3 to the bucket and to the send, a few parts at most are in memory."""
    size, bucket = 50 * MEGABYTE, new_bucket(s3)
    path = tmp_path / "big.bin"
    with path.open("wb") as file:
        file.truncate(size)
    s3.upload_file(str(path), bucket, "big.bin")
    mail = make_mail(attachments=[Attachment.from_path(path), Attachment.from_s3(bucket, "big.bin")])
    tracemalloc.start()
    try:
        stored = flow.store(files, mail, "a", TickingClock()(), Bounds(3 * size)).mail
        with flow.opened(files, stored):
            peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20 * MEGABYTE
