"""What people do with mails: find, look, correct, send again, hold, release, cancel; always with who asked.

The console, the CLI and the client all call this, so they cannot drift apart. Nothing here sends: a row that becomes
PENDING rings the stream.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from outbox.core import places, transitions
from outbox.core.change import Expect, Patch, seen
from outbox.core.codes import EventCode
from outbox.core.errors import (
    ChangedMeanwhile,
    InvalidRequest,
    Lost,
    MissingSettings,
    WrongState,
)
from outbox.core.message import Language, Message
from outbox.core.ports import Clock, Files, Store
from outbox.core.retention import Retention
from outbox.core.row import Event, Row
from outbox.core.states import FINISHED, IN_FLIGHT, Status
from outbox.core.text import bad_character
from outbox.core.transitions import Stamp
from outbox.core.version import VERSIONED
from outbox.flows.edited import changed, check_editable, differences
from outbox.flows.find import SUPPRESSED, anywhere
from outbox.flows.reopen import reopen
from outbox.flows.write import finish, write

TRIES = 5
LONGEST_WHO = 100
ANYWAY = "send_anyway"


@dataclass(frozen=True, slots=True)
class Support:
    """Acts on single mails for a person, or for the application that wrote them; `files` only to delete them."""

    store: Store
    clock: Clock
    keep: Retention
    files: Files | None = None
    language: Language = "en"

    def show(self, mail_id: str) -> Row:
        """Give a mail wherever it is. Raises `NotFound`."""
        return anywhere(self.store, mail_id)

    def resend(self, mail_id: str, who: str, *, anyway: bool = False, version: str = "") -> Row:
        """Send a mail again, or now instead of later. Raises `NotFound`, `WrongState`.

        `anyway`: although its recipient is suppressed; only for a mail that failed for that, and for this one time.
        `version`: of the row the person decided about; if it is another by now, `ChangedMeanwhile`.
        """

        def patch(row: Row) -> Patch:
            _check_version(row, version)
            if not anyway:
                return _obeying(transitions.pending(row, self._stamp(who), EventCode.RESENT))
            if row.status is not Status.FAILED or row.error != SUPPRESSED:
                why = Message("why.only-suppressed")
                raise WrongState(row.id, _word(row), Message("cannot.sent-anyway"), why)
            rings = transitions.pending(row, self._stamp(who), EventCode.RESENT_THOUGH_SUPPRESSED)
            return rings.also({ANYWAY: places.recipient(row.item.get("to", ""))})

        return self._act(mail_id, who, Message("cannot.resent"), patch)

    def hold(self, mail_id: str, who: str, note: str = "") -> Row:
        """Put a mail aside until a person releases it. Raises `NotFound`, `WrongState`."""
        what = Message("cannot.held")
        return self._act(mail_id, who, what, lambda row: transitions.held(row, self._stamp(who), note))

    def release(self, mail_id: str, who: str, *, version: str = "") -> Row:
        """Let a held mail go: at its time if that is still to come, otherwise now. Raises as `resend`."""

        def patch(row: Row) -> Patch:
            _check_version(row, version)
            if row.status is not Status.HELD:
                raise WrongState(row.id, _word(row), Message("cannot.released"), Message("why.only-held"))
            stamp = self._stamp(who)
            if row.send_at and row.send_at > stamp.now:
                return transitions.scheduled(row, row.send_at, stamp, EventCode.RELEASED)
            return transitions.pending(row, stamp, EventCode.RELEASED)

        return self._act(mail_id, who, Message("cannot.released"), patch)

    def cancel(self, mail_id: str, who: str) -> Row:
        """Move a mail that was not sent to history as CANCELLED. Raises `NotFound`, `WrongState`."""
        check_who(who)
        for _ in range(TRIES):
            row = self._movable(mail_id, Message("cannot.cancelled"))
            finished = transitions.cancelled(row, self._stamp(who), self.keep)
            expect = seen(row.item, "revision", "status")
            try:
                finish(self.store, mail_id, expect, finished)
            except Lost as lost:
                if not lost.finished or self.store.get(mail_id) is None:
                    continue
                return self._drop(row, expect, who)
            return Row(finished)
        raise ChangedMeanwhile(mail_id)

    def reopen(self, mail_id: str, who: str) -> Row:
        """Take a cancel back: HELD in the outbox again. Raises `NotFound`, `WrongState`, as `outbox.flows.reopen`."""
        check_who(who)
        return reopen(self.store, lambda: self._stamp(who), mail_id)

    def confirm(self, mail_id: str, who: str, delivery_id: str = "", *, version: str = "") -> Row:
        """Move an UNKNOWN mail to history because a person says it was sent. Raises as `resend`."""
        check_who(who)
        for _ in range(TRIES):
            row = self._movable(mail_id, what := Message("cannot.confirmed"))
            _check_version(row, version)
            if row.status is not Status.UNKNOWN:
                raise WrongState(mail_id, _word(row), what, Message("why.only-unknown"))
            finished = transitions.confirmed(row, delivery_id, self._stamp(who), self.keep)
            try:
                finish(self.store, mail_id, seen(row.item, "revision", "status"), finished)
            except Lost:
                continue
            return Row(finished)
        raise ChangedMeanwhile(mail_id)

    def delete(self, mail_id: str, who: str, *, files: bool = False) -> Row:
        """Delete a finished mail from history, and with `files` what it has in the bucket; give it as it was.

        Its idempotency key may be used again then. One that was interrupted is completed by a second call, or there
        is nothing left of it. Raises `NotFound`; `WrongState` for an unsent mail, or a file that cannot be deleted;
        `MissingSettings` where the bucket is not known.
        """
        check_who(who)
        row = self.show(mail_id)
        if row.status not in FINISHED or not places.is_mail(row.id):
            raise WrongState(mail_id, _word(row), Message("cannot.deleted"), Message("why.only-history"))
        if files and row.own_files:
            self._delete_files(row)
        for copy in places.copies(row.item):
            self.store.erase(copy["id"])
        # Last, because it names all the others.
        self.store.erase(mail_id)
        return row

    def edit(  # noqa: PLR0913  who, what, when, and against what they saw
        self,
        mail_id: str,
        changes: Mapping[str, Any],
        who: str,
        *,
        revision: int | None = None,
        version: str = "",
        send_at: datetime | None = None,
        send: bool = False,
    ) -> Row:
        """Correct fields of a mail and, with `send`, send it again at once (or at `send_at`).

        `changes` are in the form the row has: text, lists of text. What the person looked at: `revision`, which a raw
        edit leaves alone, or `Row.version`, which it does not; with that, no field may change until this is saved.
        Raises `InvalidMail` (nothing is saved), `ChangedMeanwhile`, `NotFound`, `WrongState`, `TooLarge`.
        """
        check_who(who)
        check_editable(changes)
        row = self._movable(mail_id, Message("cannot.edited"))
        if revision not in (None, row.revision) or version not in ("", row.version):
            raise ChangedMeanwhile(mail_id)
        fence = VERSIONED if version else ("revision", "status", *changes)
        patch = self._edit(row, changes, who, send=send, send_at=aware(send_at) if send_at else None)
        try:
            return Row(self.store.update(mail_id, seen(row.item, *fence), patch))
        except Lost as lost:
            raise ChangedMeanwhile(mail_id) from lost

    def _edit(self, row: Row, changes: Mapping[str, Any], who: str, *, send: bool, send_at: datetime | None) -> Patch:
        stamp = self._stamp(who)
        mail = changed(row, changes)
        differing = differences(row, mail, changes)
        patch = _obeying(transitions.edited(row, mail, differing, stamp))
        saved = Row(patch.applied(row.item)) if differing else row
        if send_at and send_at > stamp.now:
            then = transitions.scheduled(saved, send_at, stamp, EventCode.SCHEDULED)
        elif send or send_at:
            then = _obeying(transitions.pending(saved, stamp, EventCode.RESENT))
        else:
            return patch
        return _then(patch, then) if differing else then

    def _stamp(self, who: str) -> Stamp:
        return Stamp(self.clock(), who, self.language)

    def _act(self, mail_id: str, who: str, what: Message, patch_of: Callable[[Row], Patch]) -> Row:
        check_who(who)
        first = row = self._movable(mail_id, what)
        ours: list[Event] = []
        for _ in range(TRIES):
            patch = patch_of(row)
            ours += patch.assign["timeline"][-1:]
            try:
                return Row(write(self.store, row, seen(row.item, "revision", "status"), patch))
            except Lost:
                now = self.show(mail_id)
            if any(event in ours for event in now.timeline):
                return now  # It was our own write, whose answer was lost; what came after it stands.
            row = self._movable(mail_id, what)
            if row.status is not first.status:
                break  # What the person asked for was meant for the state they saw.
        raise ChangedMeanwhile(mail_id)

    def _delete_files(self, row: Row) -> None:
        if self.files is None:
            raise MissingSettings(["OUTBOX_BUCKET"], Message("bucket-missing"))
        if failed := self.files.delete(row.own_files):
            answers = ", ".join(sorted(set(failed.values())))
            why = Message("why.files-kept", number=len(failed), answers=answers)
            raise WrongState(row.id, _word(row), Message("cannot.deleted"), why)

    def _drop(self, row: Row, expect: Expect, who: str) -> Row:
        """Take a second row of a mail that history has out of the outbox; history tells who did it."""
        there = self.store.get_finished(row.id)
        if there is None:
            raise ChangedMeanwhile(row.id)
        timeline = Row(there).with_event(self.clock(), who, EventCode.DUPLICATE_CANCELLED, was=row.item.get("status"))
        try:
            self.store.drop(row.id, expect)
            self.store.annotate(row.id, Patch({"timeline": timeline}))
        except Lost as lost:
            raise ChangedMeanwhile(row.id) from lost
        return Row({**there, "timeline": timeline})

    def _movable(self, mail_id: str, what: Message) -> Row:
        row = self.show(mail_id)
        if row.status in IN_FLIGHT:
            raise WrongState(mail_id, _word(row), what, Message("why.being-sent"))
        if row.status in FINISHED:
            raise WrongState(mail_id, _word(row), what, Message("why.left-outbox"))
        return row


def aware(moment: datetime) -> datetime:
    """Take a moment with a time zone. Raises `InvalidRequest` for one without: nobody could tell which is meant."""
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise InvalidRequest(Message("request.send-at-zone"))
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise InvalidRequest(Message("request.send-at-range")) from None


def check_who(who: str) -> None:
    """Refuse to act for nobody, or under a name that would break a timeline. Raises `InvalidRequest`."""
    if not isinstance(who, str) or not 0 < len(who) <= LONGEST_WHO or bad_character(who):
        raise InvalidRequest(Message("request.who", field=Message("asked.who"), least=1, most=LONGEST_WHO))


def _check_version(row: Row, version: str) -> None:
    if version not in ("", row.version):
        raise ChangedMeanwhile(row.id)


def _obeying(patch: Patch) -> Patch:
    """Take back a leave to send to a suppressed address: it was given for the mail and the moment it was seen in."""
    return patch.also({}, frozenset({ANYWAY}))


def _then(first: Patch, second: Patch) -> Patch:
    """Join two patches into one write."""
    assign = {**first.assign, **second.assign}
    return Patch(assign, (first.drop - second.assign.keys()) | second.drop, second.change)


def _word(row: Row) -> str:
    return str(row.item.get("status", ""))
