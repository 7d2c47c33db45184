"""The mail API's own records of what it accepted: mail logs by recipient, deliveries by id.

From the reference, sections on reading deliveries and mail logs: logs are listed newest first and paged by `anchor`;
each recipient, copies included, has a row of its own; a delivery shows subject and bodies as they were posted, and no
recipients. How soon a row appears is not stated anywhere, so a hit is proof and a miss only «not seen yet».
"""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from outbox.adapters.api_client import ApiClient
from outbox.adapters.blastengine import stop_if_everybody_must
from outbox.core.errors import NoRecords, NotAnswered, OutcomeUnknown
from outbox.core.mail import Mail
from outbox.core.mail_api import Seen
from outbox.core.message import Message, message_of

COUNT, PAGES = 100, 10
LONGEST_ANSWER = 4 * 1024 * 1024
# Times there have whole seconds, and two clocks never agree.
CLOCKS_APART = timedelta(seconds=60)
# An id has as many digits at most, and Python refuses to read a number of more than 4,300.
LONGEST_ID = 50
MISSING = {403, 404, 405, 501}


class BlastengineRecords:
    """Looks for a mail among the deliveries the API remembers."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    def find(
        self,
        mail: Mail,
        since: datetime,
        until: datetime,
        is_other: Callable[[str], bool],
        spend: Callable[[], None],
    ) -> list[Seen]:
        """List deliveries to the mail's recipient in that time with its very content, the oldest first.

        `is_other` tells of a delivery id whether it is known to be another mail; `spend` books each call and raises
        what it likes when none may be made now. Raises `NotAnswered`, `TryLater`, `Stop`, and `NoRecords` when this
        API has no such records.
        """
        candidates = self._candidates(mail.to.email, since - CLOCKS_APART, until + CLOCKS_APART, spend)
        others_left_out = (delivery_id for delivery_id in candidates if not is_other(delivery_id))
        found = [seen for delivery_id in others_left_out if (seen := self._compare(mail, delivery_id, spend))]
        return sorted(found, key=lambda seen: (seen.created_at, seen.delivery_id))

    def _candidates(self, email: str, since: datetime, until: datetime, spend: Callable[[], None]) -> Iterator[str]:
        known: set[str] = set()
        for row in self._logs(email, since, spend):
            created_at, delivery_id = _moment(row.get("created_time")), _id(row.get("delivery_id"))
            in_time = created_at is None or since <= created_at <= until
            if delivery_id and in_time and delivery_id not in known:
                known.add(delivery_id)
                yield delivery_id

    def _logs(self, email: str, since: datetime, spend: Callable[[], None]) -> Iterator[Mapping[str, Any]]:
        anchor: str | None = None
        for _ in range(PAGES):
            query = {"email": email, "count": str(COUNT)} | ({"anchor": anchor} if anchor else {})
            rows = [row for row in self._list("/logs/mails/results", query, spend) if isinstance(row, Mapping)]
            yield from rows
            ids = [found for row in rows if (found := _id(row.get("maillog_id")))]
            created = [moment for row in rows if (moment := _moment(row.get("created_time")))]
            if len(rows) < COUNT or not ids or (created and min(created) < since):
                return
            anchor = min(ids, key=int)

    def _compare(self, mail: Mail, delivery_id: str, spend: Callable[[], None]) -> Seen | None:
        delivery = self._get(f"/deliveries/{delivery_id}", {}, spend)
        if not isinstance(delivery, Mapping) or delivery.get("delivery_type", "TRANSACTION") != "TRANSACTION":
            return None
        created_at, sender = _moment(delivery.get("created_time")), delivery.get("from")
        same = all(_text(delivery.get(name)) == _text(posted) for name, posted in _texts(mail).items())
        same_sender = isinstance(sender, Mapping) and _text(sender.get("email")) == _text(mail.sender.email)
        return Seen(delivery_id, created_at) if same and same_sender and created_at else None

    def _list(self, path: str, query: Mapping[str, str], spend: Callable[[], None]) -> list[Any]:
        answer = self._get(path, query, spend)
        data = answer.get("data") if isinstance(answer, Mapping) else None
        if not isinstance(data, list):
            raise NotAnswered(Message("records.malformed"))
        return data

    def _get(self, path: str, query: Mapping[str, str], spend: Callable[[], None]) -> Any:  # noqa: ANN401  any JSON
        spend()
        try:
            answer = self._client.call("GET", path, params=dict(query), longest=LONGEST_ANSWER)
        except OutcomeUnknown as error:
            raise NotAnswered(message_of(error)) from None
        if answer.status in MISSING and path.startswith("/logs"):
            raise NoRecords(Message("records.none", status=answer.status))
        if answer.status in MISSING:
            return None
        stop_if_everybody_must(answer)
        try:
            return json.loads(answer.body) if answer.status == 200 else _not_answered(answer.status)
        except (ValueError, RecursionError):
            return _not_answered(answer.status)


def _not_answered(status: int) -> Any:  # noqa: ANN401  never returns
    raise NotAnswered(Message("records.unreadable", status=status))


def _texts(mail: Mail) -> dict[str, str]:
    """Give the texts by which a delivery is recognised, as they were posted.

    A text part that was made of the HTML says nothing: another version of the service may have made it otherwise.
    """
    texts = {"subject": mail.subject, "html_part": mail.html}
    return texts | ({"text_part": mail.text} if mail.text else {})


def _id(value: object) -> str:
    text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    return text if text.isascii() and text.isdigit() and len(text) <= LONGEST_ID else ""


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


def _text(value: object) -> str:
    """Give a text as it is compared: how lines end and what stands at the very end says nothing."""
    return "\n".join(str(value or "").splitlines()).strip()
