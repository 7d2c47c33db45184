"""Write a patch on a row, or move it to history, also when there is no room left for all the words."""

from outbox.core import transitions
from outbox.core.change import CheckedRow, Expect, Patch
from outbox.core.errors import TooLarge
from outbox.core.mail import FIELDS
from outbox.core.ports import Store
from outbox.core.row import Item, Row
from outbox.core.text import size

# What a history row cannot do without; anything else on the row is a person's note and yields when there is no room.
NEEDED = {*FIELDS, "id", "status", "revision", "delivery_id", "finished_at", "day", "recipient", "expires_at"} | {
    "created_at",
    "fingerprint",
    "attempts",
    "reason",
    "details",
    "confirmed_by",
    # Without these nobody would ever delete the files.
    "body",
    "files",
    "left_out",
    "resend_of",
}
# What the largest text of a row gives up, in characters, when a reason has no room otherwise. No mail of ours is near
# that: such a text is over every limit of the API.
CUT = 1000


def write(store: Store, row: Row, expect: Expect, patch: Patch) -> Item:
    """Change a row and give it as it is then. Raises `Lost` when it is not as expected."""
    *forms, last = [*transitions.smaller(patch), _cut(row, transitions.smaller(patch)[2])]
    for form in forms:
        try:
            return store.update(row.id, expect, form)
        except TooLarge:
            continue
    return store.update(row.id, expect, last)


def finish(store: Store, mail_id: str, expect: Expect, finished: CheckedRow, *, sole: bool = False) -> None:
    """Move a row to history, without a person's notes if there is no room for them. Raises `Lost`."""
    *forms, last = smaller_history(finished)
    for form in forms:
        try:
            return store.finish(mail_id, expect, form, sole=sole)
        except TooLarge:
            continue
    return store.finish(mail_id, expect, last, sole=sole)


def smaller_history(finished: CheckedRow) -> list[CheckedRow]:
    """Give ever smaller forms of a history row; the last has only what it cannot do without."""
    return [finished, finished.only(NEEDED), finished.only(NEEDED - {"details"})]


def forms(item: Item, patch: Patch) -> list[CheckedRow]:
    """Give ever smaller forms of a row that is written where there was none; each keeps the code it is found by."""
    if patch.change is None:
        message = "a row that is written whole needs a state change"
        raise ValueError(message)
    kept = {"error": patch.assign["error"]}
    return [CheckedRow(form.also(kept).applied(item), patch.change) for form in transitions.smaller(patch)]


def _cut(row: Row, patch: Patch) -> Patch:
    """Take the room from the largest text on the row: better a torn text than a row nobody finds."""
    texts = {name: value for name, value in row.item.items() if isinstance(value, str) and name not in patch.assign}
    if not texts:
        return patch
    largest = max(texts, key=lambda name: size(texts[name]))
    return patch.also({largest: texts[largest][:-CUT]})
