"""Write a patch on a row, in ever fewer words while the row has no room for them."""

from outbox.core import moves
from outbox.core.change import Expect, Patch
from outbox.core.errors import TooLarge
from outbox.core.ports import Store
from outbox.core.row import Item, Row


def write(store: Store, row: Row, expect: Expect, patch: Patch) -> Item:
    """Change a row and give it as it is then. Raises `Lost` when it is not as expected."""
    *forms, last = moves.smaller(patch)
    for form in forms:
        try:
            return store.update(row.id, expect, form)
        except TooLarge:
            continue
    return store.update(row.id, expect, last)
