"""Stores for many mails: slow, moody, or keeping nothing; and the question whether a thread was left behind."""

import random
import threading
import time

from botocore.exceptions import ClientError

from outbox.core.errors import AlreadyThere, TooLarge
from outbox.testing import MemoryStore
from tests.waiting import SECONDS


def answer(code, status=400):
    """Make the error the SDK raises for an answer of DynamoDB."""
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "BatchWriteItem")


def threads():
    """Give the threads of bulk writes that are alive, after a moment in which they may end."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and (alive := [t for t in threading.enumerate() if t.name == "outbox-bulk"]):
        time.sleep(0.01)
    return alive


class Moody(MemoryStore):
    """Throttles, leaves rows over, loses answers before and after the write, all by chance, and takes its time.

    Never so often in a row, for one thread, that its writer gives up: chance would do that once in many runs.
    """

    PATIENCE = 5

    def __init__(self, seed, share=0.3, seconds=0.002):
        super().__init__()
        self._chance, self.share, self.seconds = random.Random(seed), share, seconds
        self.calls = self.most = 0
        self._bad = threading.local()

    def add(self, item, *, once):
        self._mood()
        try:
            super().add(item, once=once)
        except AlreadyThere:
            self._bad.calls = 0
            raise
        self._forget()
        self._bad.calls = 0

    def add_all(self, items):
        self.most = max(self.most, len(items))
        self._mood()
        left = [item for item in items if self._strikes(self.share)]
        super().add_all([item for item in items if item not in left])
        self._forget()
        if len(left) < len(items):
            self._bad.calls = 0
        return left

    def _mood(self):
        self.calls += 1
        self._bad.calls = getattr(self._bad, "calls", 0) + 1
        time.sleep(self._chance.random() * self.seconds)
        if self._strikes(self.share / 2):
            raise answer("ProvisionedThroughputExceededException")
        if self._strikes(self.share / 4):
            raise TimeoutError

    def _forget(self):
        if self._strikes(self.share / 4):
            raise ConnectionResetError

    def _strikes(self, share):
        return self._bad.calls <= self.PATIENCE and self._chance.random() < share


class Failing(MemoryStore):
    """Raises what `error` gives, each time it is to write, while it gives anything."""

    def __init__(self, error):
        super().__init__()
        self.error, self.calls = error, 0

    def add(self, item, *, once):
        self._fail()
        super().add(item, once=once)

    def add_all(self, items):
        self._fail()
        return super().add_all(items)

    def _fail(self):
        self.calls += 1
        if error := self.error():
            raise error


class Narrow(MemoryStore):
    """Takes no row with a word in its subject: as a table does with a row over 400 KB."""

    def add_all(self, items):
        if any("large" in item["subject"] for item in items):
            raise TooLarge
        return super().add_all(items)


class Dropping:
    """Takes rows and keeps none; knows the most rows a call had, and how many there were."""

    def __init__(self):
        self.count, self._lock = 0, threading.Lock()

    def add_all(self, items):
        with self._lock:
            self.count += len(items)
        return []
