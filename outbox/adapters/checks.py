"""What a mail is checked against right before it goes, from two tables in one call."""

import time
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from outbox.adapters.batch_read import read_batch
from outbox.adapters.wire import to_wire
from outbox.core.row import Item

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

# Seconds: a worker has its mail to give back before its own time is up.
LONGEST = 10.0


class DynamoChecks:
    """Reads history and the suppression list, if there is one; one client serves all threads."""

    def __init__(
        self,
        client: "DynamoDBClient",
        history_table: str,
        suppression_table: str | None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client, self._history, self._suppressions, self._pause = client, history_table, suppression_table, pause

    def look(self, mail_id: str, emails: Collection[str]) -> tuple[Item | None, Mapping[str, Item]]:
        """Read the row history has of a mail, and the entries of some addresses; without a list there are none.

        Raises `TablesBusy` when a table does not answer for all of them, and whatever else AWS says.
        """
        keys = [(self._history, to_wire({"id": mail_id}))]
        if self._suppressions is not None:
            keys += [(self._suppressions, to_wire({"email": email})) for email in sorted(set(emails))]
        found = read_batch(self._client, keys, self._pause, longest=LONGEST)
        there = next(iter(found[self._history]), None)
        return there, {entry["email"]: entry for entry in found.get(self._suppressions or "", [])}
