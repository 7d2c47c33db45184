"""The bucket with the files of mails in S3: a new object carries a tag by which the bucket lets it expire."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from outbox.core.errors import FileLost

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

NEW = "outbox=new"
# A stream goes in parts of this size, the smallest S3 takes: that is what is held in memory. No threads: the caller
# may be one of many.
PART = 5 * 1024 * 1024
TRANSFER = TransferConfig(use_threads=False, multipart_threshold=PART, multipart_chunksize=PART)
# The most keys S3 deletes in one call.
BATCH = 1000
MISSING = {"NoSuchKey", "NoSuchVersion", "404"}
# Who may not list a bucket is told that an object that is missing is forbidden.
NOT_THERE = MISSING | {
    "NoSuchBucket",
    "AccessDenied",
    "403",
    "AllAccessDisabled",
    "InvalidObjectState",
    "MethodNotAllowed",
}


class S3Files:
    """Keeps files in one bucket; one client serves all threads."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self.client, self.bucket = client, bucket

    def put(self, key: str, content: BinaryIO) -> tuple[int, str]:
        """Store what a stream gives under a new key, to expire unless kept; give its size and SHA-256 in hex."""
        passing = _Passing(content)
        extra = {"Tagging": NEW, "ContentType": "application/octet-stream"}
        self.client.upload_fileobj(cast("BinaryIO", passing), self.bucket, key, ExtraArgs=extra, Config=TRANSFER)
        return passing.size, passing.digest.hexdigest()

    def source(self, bucket: str, key: str, version: str = "") -> BinaryIO:
        """Open any object the caller may read, as a stream. Raises `FileLost`."""
        which: Any = {"VersionId": version} if version else {}
        try:
            return cast("BinaryIO", self.client.get_object(Bucket=bucket, Key=key, **which)["Body"])
        except ClientError as error:
            code = error.response["Error"]["Code"]
            # S3 says «invalid argument» of a version that has not the form of one.
            if code in NOT_THERE or (version and code == "InvalidArgument"):
                raise FileLost(f"s3://{bucket}/{key}", "file-unreadable", answer=code) from error
            raise

    def get(self, key: str) -> BinaryIO:
        """Open a stored file as a stream. Raises `FileLost`."""
        try:
            return cast("BinaryIO", self.client.get_object(Bucket=self.bucket, Key=key)["Body"])
        except ClientError as error:
            if error.response["Error"]["Code"] in MISSING:
                raise FileLost(key, "file-not-there") from error
            raise

    def keep(self, key: str) -> None:
        """Let a file stay, because its mail was committed. Does nothing for one that is gone."""
        try:
            self.client.delete_object_tagging(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] not in MISSING:
                raise

    def delete(self, keys: Sequence[str]) -> Mapping[str, str]:
        """Delete files, also those that are gone already; give the error code of each that could not be."""
        failed: dict[str, str] = {}
        for begin in range(0, len(keys), BATCH):
            named: Any = [{"Key": key} for key in keys[begin : begin + BATCH]]
            answer = self.client.delete_objects(Bucket=self.bucket, Delete={"Objects": named, "Quiet": True})
            failed |= {error["Key"]: error.get("Code", "unknown") for error in answer.get("Errors", [])}
        return {key: code for key, code in failed.items() if code not in MISSING}


class _Passing:
    """A stream that counts and hashes what passes; read once, so that what was hashed is what was stored."""

    def __init__(self, source: BinaryIO) -> None:
        self._source, self.size, self.digest = source, 0, hashlib.sha256()

    def seekable(self) -> bool:
        return False

    def read(self, count: int = -1) -> bytes:
        """Read as much as is asked for: the transfer takes less for the end."""
        piece = self._source.read(count)
        while piece and 0 <= len(piece) < count and (more := self._source.read(count - len(piece))):
            piece += more
        self.size += len(piece)
        self.digest.update(piece)
        return piece
