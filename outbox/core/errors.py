"""Every error of the outbox; the class is the decision, the message is for people.

OutboxError
├── InvalidMail            the mail cannot be sent as it is; names every field that is wrong
├── MissingSettings        a setting is absent; names all that are
├── InvalidRequest         an argument is wrong (time without a zone, key too long)
├── NotFound               no mail of that id in outbox or history
├── WrongState             the mail is where this cannot be done (being sent, already sent)
├── ChangedMeanwhile       somebody else wrote the row between look and save
├── KeyConflict            the idempotency key was used for another mail
├── RowBroken              a row holds what no mail can hold (a person's slip)
├── FileLost               a file of a mail is not in the bucket, or is not what was put there
├── Suppressed             the recipient of a mail gets no mail: FAILED
├── AlreadySent            history has the mail already
├── NotEncodable           no request can be made of a mail: FAILED
├── NeedsConfirmation      it can be done, but a person must say so knowing the warnings
├── StoreError             what the store answers
│   ├── AlreadyThere       the id is taken, in the outbox or in history
│   ├── Lost               the row is not as expected; carries the row as it is now
│   ├── TooLarge           the row would grow past what the table takes
│   └── NotWritten         a mail of many did not go in; says whether that is certain
└── MailApiError           what to do after a call of the mail API
    ├── Rejected           this mail is wrong: FAILED
    ├── TryLater           nothing was sent: WAITING, no blame
    ├── OutcomeUnknown     may have been sent: never again by itself
    ├── Stop               credentials, account or address of the API: WAITING, no blame
    ├── NotAnswered        the API's records could not be read this time: look again later
    └── NoRecords          this API has no records to look in: the mail's own policy decides
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from outbox.core.message import Message


class OutboxError(Exception):
    """The root: catch it to catch everything the outbox raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with one field, in words a person can act on."""

    field: str
    rule: str

    def __str__(self) -> str:
        """Read as «field: rule»."""
        return f"{self.field}: {self.rule}"


def as_details(problems: Iterable[Problem]) -> list[dict[str, str]]:
    """Give problems in the form in which a sentence, or a row, holds them."""
    return [{"field": problem.field, "rule": problem.rule} for problem in problems]


class InvalidMail(OutboxError):
    """The mail was refused before anything was written; `problems` names each field and its rule."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(Message("problems", problems=as_details(self.problems)))


class MissingSettings(OutboxError):
    """Settings are absent or wrong; `names` lists all of them, not only the first."""

    def __init__(self, names: Sequence[str], details: str) -> None:
        self.names = tuple(names)
        super().__init__(details)


class InvalidRequest(OutboxError):
    """An argument other than the mail is wrong."""


class NotFound(OutboxError):
    """No mail has this id, neither in the outbox nor in history."""

    def __init__(self, mail_id: str) -> None:
        self.mail_id = mail_id
        super().__init__(Message("not-found", id=repr(mail_id)))


class WrongState(OutboxError):
    """The mail is in a state in which this cannot be done; nothing was changed."""

    def __init__(self, mail_id: str, status: str, what: Message, why: str = "") -> None:
        self.mail_id, self.status = mail_id, status
        told = {"id": mail_id, "status": status or Message("status.none"), "what": what}
        super().__init__(Message("wrong-state.why", **told, why=why) if why else Message("wrong-state", **told))


class ChangedMeanwhile(OutboxError):
    """Somebody else, or the service, changed the row since it was read; nothing was overwritten."""

    def __init__(self, mail_id: str) -> None:
        self.mail_id = mail_id
        super().__init__(Message("changed-meanwhile", id=mail_id))


class KeyConflict(OutboxError):
    """The idempotency key belongs to another mail; `differences` names the fields that differ."""

    def __init__(self, key: str, differences: Sequence[str]) -> None:
        self.key, self.differences = key, tuple(differences)
        fields = ", ".join(self.differences) or Message("key-conflict.content")
        super().__init__(Message("key-conflict", key=repr(key), fields=fields))


class RowBroken(OutboxError):
    """A row holds something no mail can hold; `problems` names each field and its rule."""

    def __init__(self, field: str, rule: str, *more: Problem) -> None:
        self.problems = (Problem(field, rule), *more)
        super().__init__(Message("problems", problems=as_details(self.problems)))

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> Self:
        """Make it of everything that is wrong, at least one thing."""
        first, *more = problems
        return cls(first.field, first.rule, *more)


class FileLost(OutboxError):
    """A file of a mail is missing or was changed; the sentence names it by the name the recipient would see.

    `code`: of the catalogue, one of the `file-…`.
    """

    def __init__(self, name: str, code: str, **params: str) -> None:
        self.name = name
        super().__init__(Message(code, name=repr(name), **params))


class Suppressed(OutboxError):
    """The mail's recipient gets no mail; the message says since when and why."""


class AlreadySent(OutboxError):
    """History has the mail; `there` is its row."""

    def __init__(self, there: Mapping[str, Any]) -> None:
        self.there = there
        super().__init__(Message("history-has-it"))


class NotEncodable(OutboxError):
    """No request for the mail API can be made of the mail; `kind` names what went wrong. Nothing has left."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(Message("unexpected", kind=kind))


class NeedsConfirmation(OutboxError):
    """Nothing was done: there are `warnings`, each a sentence; ask again confirming them."""

    def __init__(self, warnings: Sequence[str]) -> None:
        self.warnings = tuple(warnings)
        super().__init__(" ".join(self.warnings))


class StoreError(OutboxError):
    """The root of what the store answers."""


class AlreadyThere(StoreError):
    """The id is taken: `row` and `finished` are what outbox and history hold under it (None: not there)."""

    def __init__(self, row: Mapping[str, Any] | None, finished: Mapping[str, Any] | None) -> None:
        self.row, self.finished = row, finished
        super().__init__(Message("id-taken"))


class Lost(StoreError):
    """The write did not happen: the row is not as expected. `row` is the row now, None if it is gone."""

    def __init__(self, row: Mapping[str, Any] | None, *, finished: bool = False) -> None:
        self.row, self.finished = row, finished
        super().__init__(Message("row-not-as-expected"))


class TooLarge(StoreError):
    """The write did not happen: the row would be larger than the table takes (400 KB)."""

    def __init__(self) -> None:
        super().__init__(Message("row-too-large"))


class NotWritten(StoreError):
    """A mail of many did not go in. `certain` is False when it may be there all the same: no clear answer came."""

    def __init__(self, why: str, *, certain: bool) -> None:
        self.certain = certain
        super().__init__(Message("not-written" if certain else "not-written.unclear", why=why))


class MailApiError(OutboxError):
    """The root of the decisions after a call; the message is one readable sentence."""


class Rejected(MailApiError):
    """The API refused this very mail; sending it again unchanged cannot help."""


class TryLater(MailApiError):
    """Certainly not accepted, and not the mail's fault. `wait`: seconds the API asked for, if it did."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        self.wait = wait
        super().__init__(message)


class OutOfReach(TryLater):
    """Our own tables do not answer, so nobody knows whether the mail may go; asking again soon does no harm."""


class OutcomeUnknown(MailApiError):
    """The request left and no clear answer came: it may have been accepted."""


class Stop(MailApiError):
    """Nothing can be sent by anybody until a person acts: credentials, rights, account, address."""


class NotAnswered(MailApiError):
    """The API's records did not answer, or not in a form anybody knows."""


class NoRecords(MailApiError):
    """This API keeps no records one could look in."""
