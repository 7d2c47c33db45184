"""Memory fakes for tests, ours and those of applications: a store that behaves as DynamoDB does, an API that obeys.

    store = MemoryStore()
    outbox = Outbox(store=store)
    outbox.enqueue(mail)
    assert store.outbox[...]["subject"] == "Hello"

The store is held to DynamoDB's behaviour by the same contract tests that run against DynamoDB itself.
"""

from outbox.testing.api import FakeMailApi, FakeRecords
from outbox.testing.bounces import MemoryBounces, MemoryChecks, MemorySuppressions
from outbox.testing.change import Change
from outbox.testing.clock import TickingClock
from outbox.testing.files import MemoryFiles
from outbox.testing.register import MemoryRegister
from outbox.testing.size import LARGEST_ITEM, item_size
from outbox.testing.store import MemoryStore

__all__ = [
    "LARGEST_ITEM",
    "Change",
    "FakeMailApi",
    "FakeRecords",
    "MemoryBounces",
    "MemoryChecks",
    "MemoryFiles",
    "MemoryRegister",
    "MemoryStore",
    "MemorySuppressions",
    "TickingClock",
    "item_size",
]
