"""Rows made to be slow or impossible to read, beside innocent mails, on the deployed service."""

import time
from dataclasses import fields

import pytest
from botocore.exceptions import ClientError

from outbox import Mail
from outbox.core.row import PARTS, Row
from tests import waiting
from tests.conftest import make_mail
from tests.figures import merge
from tests.unit.pathological import PIECES, Family

pytestmark = pytest.mark.stack

MAILS = 20
WHOLE = {"sender": "a@example.com", "to": "b@example.com", "subject": "x", "text": "y"}
# What was found once to stop a worker or to put a mail in doubt that never left.
FOUND = {
    "blanks": {"to": " " * 5_000 + "a@example.com"},
    "tags": {"html": "<a " * 23_000},
    "marked": {"html": "<p>Price <![ 5</p>"},
}
SIZE = 370_000


def rows():
    """Make a row for each part of a mail, with one text after the other in it, as large as the table takes."""
    yield from FOUND.items()
    pieces = [piece for piece in PIECES if piece.isprintable() or piece.isspace()]
    names = sorted({*PARTS, *(field.name for field in fields(Mail))} - {"body", "files", "attachments"})
    for number, name in enumerate(names):
        for step in (0, 1):
            piece = pieces[(3 * number + step * len(pieces) // 2) % len(pieces)]
            yield f"{name} {number}.{step}", {name: Family(piece, tail="a@example.com>").text(SIZE)}


def test_each_mail_beside_them_goes_within_a_minute_and_each_of_them_is_told_apart(deployed, capsys):
    """The mails go; each row is FAILED with its reason, or SENT; what never left is not in doubt."""
    poison = []
    for name, parts in rows():
        try:
            deployed.table.put_item(Item={"id": f"row {name}", **WHOLE, **parts})
        except ClientError:
            continue
        poison.append(f"row {name}")
    assert len(poison) > 30
    began = time.monotonic()
    ids = [deployed.outbox.enqueue(make_mail(subject=f"innocent {number}")).id for number in range(MAILS)]
    for mail_id in ids:
        deployed.until(mail_id, "SENT")
    mails_took = time.monotonic() - began

    def ended(mail_id):
        return deployed.outbox.get(mail_id).item.get("status") in {"SENT", "FAILED"}

    waiting.wait_for(lambda: all(map(ended, poison)), 300, pause=1, told=deployed.stack.log_tail)
    took = time.monotonic() - began
    found: list[Row] = [deployed.outbox.get(mail_id) for mail_id in poison]
    for row in found:
        assert row.item["status"] == "SENT" or (row.error, bool(row.reason)) in {
            ("unreadable", True),
            ("refused", True),
        }
        assert not {event["what"] for event in row.timeline} & {"in-doubt", "unknown"}
    sent = sum(row.item["status"] == "SENT" for row in found)
    assert len(deployed.arrived()) == MAILS + sent
    figures = {"rows": len(poison), "of_them_sent": sent, "rows_seconds": round(took, 1), "mails": MAILS}
    figures["mails_seconds"] = round(mails_took, 1)
    merge("pathological", figures)
    with capsys.disabled():
        print(f"\npathological: {figures}")  # noqa: T201  the numbers are the point
    assert mails_took <= 60
