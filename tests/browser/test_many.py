"""Many mails are sent again from the list, stopped in the middle, and continued to the end."""

import time
from collections import Counter
from typing import Any

import pytest

from outbox.wiring.desk import Desk
from tests.browser.window import Windows
from tests.conftest import make_mail
from tests.e2e.conftest import Deployed

pytestmark = [pytest.mark.browser, pytest.mark.stack]
MANY = 120
# Long enough for somebody to press a button while they go.
SECONDS_EACH = 0.4


@pytest.fixture
def failed(deployed: Deployed) -> list[str]:
    """Give the ids of as many mails that failed: one as the service wrote it, the others like it."""
    deployed.fault("refuse_address", match={"to": "first@exampel.com"}, times=1)
    first = deployed.outbox.enqueue(make_mail(to="first@exampel.com", tags=["campaign"])).id
    row = dict(deployed.until(first, "FAILED").item)
    ids = [first, *(f"copy-{number}" for number in range(1, MANY))]
    with deployed.table.batch_writer() as batch:
        for mail_id in ids[1:]:
            batch.put_item({**row, "id": mail_id, "to": f"{mail_id}@example.com", "subject": mail_id})
    return ids


def states(deployed: Deployed, ids: list[str]) -> Counter[str]:
    """Count the mails by their states, those that left as SENT."""
    there = {str(row["id"]): str(row["status"]) for row in deployed.store.rows("outbox", ids)}
    return Counter(there.get(mail_id, "SENT") for mail_id in ids)


def test_stopped_and_continued(
    windows: Windows, console: str, deployed: Deployed, desk: Desk, failed: list[str], monkeypatch: Any
) -> None:
    """What was done stays done, what was not waits, and in the end each went exactly once, in the person's name."""
    update = type(desk.store).update

    def slowly(self: Any, *args: Any) -> Any:
        time.sleep(SECONDS_EACH)
        return update(self, *args)

    monkeypatch.setattr(type(desk.store), "update", slowly)
    window = windows(console).open(console).open("/?state=failed&tag=campaign")
    window.click(
        window.page.locator("form.toolbar", has_text="all that match").get_by_role("button", name="Send again…")
    )
    window.sees(f"{MANY} mails")
    window.click(window.button("Send them again"))

    deployed.wait_for(lambda: states(deployed, failed)["FAILED"] < MANY)
    window.click("#stop")
    window.page.locator("#continue").wait_for()
    window.sees("It was stopped.")
    stopped = states(deployed, failed)
    assert 0 < stopped["FAILED"] < MANY

    window.click("#continue")
    monkeypatch.setattr(type(desk.store), "update", update)
    window.sees("It has come to its end.")
    while states(deployed, failed) != {"SENT": MANY}:
        # It is started every minute.
        deployed.dispatch()
    arrived = Counter(mail["to"] for mail in deployed.arrived())
    assert len(arrived) == MANY
    assert set(arrived.values()) == {1}
    last = deployed.outbox.get(failed[-1])
    assert any(event["who"] == "alice" and "batch" in event for event in last.timeline)
