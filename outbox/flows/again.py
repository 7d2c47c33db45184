"""Send a mail of history again: as a new mail, linked to the old one both ways.

Two people who press at once: the note on the old mail lets one through, the other is asked. The same note keeps an
answer that was lost from becoming a second mail that nobody was warned of.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from outbox.core import places, transitions
from outbox.core.bounce import DROP, HARD
from outbox.core.change import CheckedRow, Patch, seen
from outbox.core.codes import EventCode
from outbox.core.errors import (
    ChangedMeanwhile,
    InvalidMail,
    Lost,
    MissingSettings,
    NeedsConfirmation,
    NotFound,
    RowBroken,
    WrongState,
)
from outbox.core.mail import Mail
from outbox.core.message import Language, Message
from outbox.core.ports import Clock, Files, Store
from outbox.core.row import Item, Row
from outbox.core.states import FINISHED, Status
from outbox.core.text import shorten
from outbox.core.transitions import Stamp
from outbox.flows.files import Stored, complete, copied, needs_bucket
from outbox.flows.find import anywhere
from outbox.flows.history import bounces_of
from outbox.flows.support import ANYWAY, check_who

TRIES = 5
# A recipient who says that nothing came has mostly not waited this long.
JUST_SENT = timedelta(minutes=10)
MOST_LINKS = 100
LONGEST_MESSAGE = 200


@dataclass(frozen=True, slots=True)
class Again:
    """Makes a new mail of one in history; `files` only for mails that have any."""

    store: Store
    files: Files | None
    clock: Clock
    language: Language = "en"

    def __call__(  # noqa: PLR0913  each is one thing a person says
        self,
        mail_id: str,
        who: str,
        to: str | None = None,
        *,
        confirmed: bool = False,
        anyway: bool = False,
        asked: str = "",
    ) -> Row:
        """Write the mail anew, under an id of its own, and give its row; it goes as any new mail.

        With `to` it goes to that address alone, without the copies: those people have it already. `anyway`: although
        its recipient is suppressed. What is asked twice under one word `asked`, as by a form that is sent twice, makes
        one mail. Raises `NeedsConfirmation` where a person should think twice, unless `confirmed`; `NotFound`,
        `WrongState`, `InvalidMail`, `FileLost`; `MissingSettings` when its files lie in an unknown bucket.
        """
        check_who(who)
        new: CheckedRow | None = None
        for _ in range(TRIES):
            origin = self._origin(mail_id, new, asked)
            if isinstance(origin, Mapping):
                return Row(origin)
            warnings = [] if confirmed else self.warnings(origin, to)
            if warnings:
                raise NeedsConfirmation(warnings)
            new = new or self._new(origin, who, to, anyway=anyway)
            note = _noted(origin, new, self.clock(), who, asked)
            try:
                self.store.add_linked(new, mail_id, seen(origin.item, "revision"), note)
            except Lost:
                # What was confirmed was meant for the mail as it was then.
                confirmed = False
                continue
            return Row(new)
        raise ChangedMeanwhile(mail_id)

    def warnings(self, old: Row, to: str | None = None) -> list[Message]:
        """Say what a person should know before a mail of history is sent again, to the same people or to an address."""
        return list(self._warnings(old, to))

    def _origin(self, mail_id: str, new: Item | None, asked: str) -> Row | Item:
        """Give the mail in history; or the new one, when an earlier try has written it and its answer was lost."""
        item = self.store.get_finished(mail_id) if places.is_mail(mail_id) else None
        if item is None:
            self._refuse_unsent(mail_id)
            raise NotFound(mail_id)
        if new is not None and any(link["id"] == new["id"] for link in links(Row(item))):
            return new
        made = [str(link.get("id")) for link in _links(Row(item)) if asked and link.get("asked") == asked]
        if made:
            return anywhere(self.store, made[-1]).item
        if "forgotten_at" in item:
            raise WrongState(mail_id, str(item.get("status")), Message("cannot.resent"), Message("why.erased"))
        if not Row(item).has_texts:
            raise WrongState(mail_id, str(item.get("status")), Message("cannot.resent"), Message("why.no-texts"))
        return Row(item)

    def _refuse_unsent(self, mail_id: str) -> None:
        row = self.store.get(mail_id)
        if row is not None:
            why = Message("why.in-outbox-edit")
            raise WrongState(mail_id, str(row.get("status", "")), Message("cannot.copied"), why)

    def _new(self, old: Row, who: str, to: str | None, *, anyway: bool) -> CheckedRow:
        """Make the row of the new mail, its files copied: they expire by themselves if it is never written."""
        now = self.clock()
        mail, mail_id = self._mail(old, to), places.new_id(now)
        stored = copied(self._bucket(), mail, mail_id, now) if needs_bucket(mail) else Stored(mail)
        item = transitions.new(stored.mail, mail_id, Stamp(now, who, self.language), None, stored.body)
        timeline = Row({}).with_event(now, who, EventCode.COPIED_FROM, of=old.id)
        leave = {ANYWAY: places.recipient(item["to"])} if anyway else {}
        return item.also({"resend_of": old.id, "timeline": timeline, **leave})

    def _mail(self, old: Row, to: str | None) -> Mail:
        try:
            mail = (complete(self._bucket(), old) if "body" in old.item else old).mail()
        except RowBroken as broken:
            raise InvalidMail(broken.problems) from None
        return mail if to is None else mail.but(to=to, cc=(), bcc=())

    def _bucket(self) -> Files:
        if self.files is None:
            raise MissingSettings(["OUTBOX_BUCKET"], Message("bucket-missing"))
        return self.files

    def _warnings(self, old: Row, to: str | None) -> Iterator[Message]:
        goes_to = places.recipients(old.item) if to is None else {places.recipient(to)}
        for bounce in bounces_of(self.store, old):
            if bounce.get("type") in (HARD, DROP) and bounce.get("recipient") in goes_to:
                yield _came_back(bounce)
        ago = self.clock() - old.finished_at if old.finished_at else JUST_SENT
        if old.status is Status.SENT and ago < JUST_SENT:
            minutes = max(0, int(ago.total_seconds())) // 60
            yield Message("warning.just-sent", minutes=minutes) if minutes else Message("warning.just-now")
        for link in links(old):
            yield Message("warning.resent", at=link["at"], who=link["who"], id=link["id"])


def links(row: Row) -> list[dict[str, str]]:
    """List the mails that were made of this one: `id`, `at`, `who`; what a person broke is left out."""
    return [{name: str(part.get(name, "")) for name in ("id", "at", "who")} for part in _links(row)]


def can_be_resent(row: Row) -> bool:
    """Tell whether a new mail can be made of this one."""
    return row.status in FINISHED and row.has_texts and "forgotten_at" not in row.item


def _links(row: Row) -> list[Mapping[str, Any]]:
    listed = row.item.get("resent_as")
    return [part for part in listed if isinstance(part, Mapping)] if isinstance(listed, list) else []


def _noted(old: Row, new: Item, now: datetime, who: str, asked: str) -> Patch:
    """Note the new mail on the old one; not to whom it goes: that other person may ask to be forgotten."""
    link = {"id": new["id"], "at": new["created_at"], "who": who} | ({"asked": asked} if asked else {})
    assign: dict[str, Any] = {"revision": old.revision + 1, "resent_as": [*_links(old), link][-MOST_LINKS:]}
    return Patch(assign | {"timeline": old.with_event(now, who, EventCode.COPIED_TO, resent_as=new["id"])})


def _came_back(bounce: Item) -> Message:
    said = " ".join(str(bounce[name]) for name in ("type", "code", "message") if name in bounce)
    told = {"recipient": bounce["recipient"], "at": bounce.get("finished_at"), "said": shorten(said, LONGEST_MESSAGE)}
    return Message("warning.bounced", **told)
