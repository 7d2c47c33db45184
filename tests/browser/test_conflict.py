"""A mail changes while somebody types: both versions are told, and nothing is overwritten."""

from typing import Any

import pytest

from outbox.wiring.desk import Desk
from tests.browser.window import Windows
from tests.conftest import make_mail
from tests.e2e.conftest import Deployed

pytestmark = [pytest.mark.browser, pytest.mark.stack]


@pytest.fixture
def failed(deployed: Deployed) -> str:
    """Give the id of a mail the API refused for its address."""
    deployed.fault("refuse_address", match={"to": "hanako@exampel.com"})
    mail_id = deployed.outbox.enqueue(make_mail(to="hanako@exampel.com", subject="Your ticket")).id
    deployed.until(mail_id, "FAILED")
    return mail_id


def by_a_person(deployed: Deployed, desk: Desk, mail_id: str) -> None:
    """Save it from another desk."""
    row = deployed.outbox.get(mail_id)
    desk.support.edit(mail_id, {"subject": "Bob's subject"}, "bob", version=row.version, send=False)


def by_hand(deployed: Deployed, desk: Desk, mail_id: str) -> None:
    """Change the row in the table itself, as in the DynamoDB console: the service goes on with it at once."""
    deployed.fault("refuse_address", match={"to": "*"})
    deployed.table.update_item(
        Key={"id": mail_id}, UpdateExpression="SET subject = :s", ExpressionAttributeValues={":s": "Bob's subject"}
    )
    deployed.wait_for(lambda: len(deployed.outbox.get(mail_id).timeline) > 2)
    deployed.until(mail_id, "FAILED")


@pytest.mark.parametrize("changed", [by_a_person, by_hand])
def test_both_versions_are_told(
    windows: Windows, console: str, deployed: Deployed, desk: Desk, failed: str, changed: Any
) -> None:
    """What was typed stays, what stands there is shown, and a second save that knows of it goes through."""
    window = windows(console).open(console).open(f"/mail/edit?id={failed}")
    changed(deployed, desk, failed)
    window.edit("Subject", "Alice's subject")
    window.click(window.button("Save"))

    window.sees("This mail was changed while you were typing.")
    assert "Bob's subject" in window.page.locator("table.versions").inner_text()
    assert "Alice's subject" in window.page.locator("table.versions").inner_text()
    assert window.page.get_by_label("Subject", exact=True).input_value() == "Alice's subject"
    assert deployed.outbox.get(failed).item["subject"] == "Bob's subject"

    window.click(window.button("Save"))
    window.page.wait_for_url("**/mail?id=*")
    assert deployed.outbox.get(failed).item["subject"] == "Alice's subject"


def test_what_is_not_in_dispute_is_kept(
    windows: Windows, console: str, deployed: Deployed, desk: Desk, failed: str
) -> None:
    """Another person's subject stays where only the address was corrected."""
    window = windows(console).open(console).open(f"/mail/edit?id={failed}")
    by_a_person(deployed, desk, failed)
    window.edit("To", "hanako@example.com")
    window.click(window.button("Save"))
    window.sees("This mail was changed while you were typing.")
    window.click(window.button("Save"))
    window.page.wait_for_url("**/mail?id=*")

    row = deployed.outbox.get(failed)
    assert (row.item["subject"], row.item["to"]) == ("Bob's subject", "hanako@example.com")
