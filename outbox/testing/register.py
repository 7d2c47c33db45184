"""The small items that workers share, in memory."""

import secrets
import threading
from typing import Any

from outbox.core.row import Item
from outbox.testing.copied import copied


class MemoryRegister:
    """Small items in memory, changed by compare and swap under one lock."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Item | None:
        """Read an item as it is now; None if there is none."""
        with self._lock:
            return copied(self.items.get(name))

    def swap(self, name: str, seen: Item | None, new: Item) -> tuple[bool, Item | None]:
        """Write an item if it is still as seen; tell whether it was written, and the item as it is now."""
        with self._lock:
            won = self.items.get(name) == seen
            if won:
                # Two writers may want the same; what makes them differ is who wrote.
                self.items[name] = {**copied(new), "nonce": secrets.token_hex(8)}
            return won, copied(self.items.get(name))
