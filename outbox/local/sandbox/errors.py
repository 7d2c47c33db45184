"""Collect field errors in the nested shape of the mail API."""

from collections.abc import Iterable
from typing import Any


class Invalid(Exception):
    """A request with wrong values; `messages` is the tree for `error_messages`."""

    def __init__(self, messages: dict[str, Any]) -> None:
        super().__init__(str(messages))
        self.messages = messages


class FieldErrors:
    """A tree of field names and list positions (as strings) whose leaves are arrays of texts."""

    def __init__(self) -> None:
        self._tree: dict[str, Any] = {}

    def add(self, path: Iterable[str | int], text: str) -> None:
        """Put one text at a path; a leaf already there stays a leaf and its inner errors are left out."""
        *parents, leaf = map(str, path)
        node: Any = self._tree
        for parent in parents:
            node = node.setdefault(parent, {})
            if isinstance(node, list):
                return
        node.setdefault(leaf, []).append(text)

    def raise_if_any(self) -> None:
        """Raise Invalid when something was added."""
        if self._tree:
            raise Invalid(self._tree)
