"""The condition on a whole mail, in every store: each field as it was, of whatever type, or still lacking."""

import pytest

from outbox.core.change import Patch, seen
from outbox.core.errors import Lost
from outbox.core.row import Row
from outbox.core.version import VERSIONED
from tests.store.test_contract import ODD, new


def a_row(store):
    """Write a row whose fields hold one of everything and as much text as there is room for."""
    odd = {"cc": ODD["words"], "bcc": ODD["list"], "tags": ODD["numbers"], "insert_code": ODD["map"]}
    odd |= {"reply_to": ODD["bytes"], "list_unsubscribe": ODD["nothing"], "encoding": ODD["huge"], "urgent": 5}
    store.add(new() | odd | {"attachments": [{"content": b"\xff" * 1000}], "html": "田" * 100_000}, once=False)
    return store.get("a")


def test_a_write_under_all_fields_at_once(store):
    """As it was seen, it is written; its version is the same however it was read."""
    item = a_row(store)
    assert Row(item).version == Row(store.get("a")).version
    assert store.update("a", seen(item, *VERSIONED), Patch({"subject": "Hers"}))["subject"] == "Hers"


@pytest.mark.parametrize("name", [name for name in VERSIONED if name != "status"])
def test_one_field_that_changed_is_enough(store, name):
    """Changed, or there where it was lacking, nothing is written."""
    item = a_row(store)
    store.update("a", seen(item), Patch({name: "typed by hand"}))
    with pytest.raises(Lost):
        store.update("a", seen(item, *VERSIONED), Patch({"note": "x"}))
    assert "note" not in store.get("a")
