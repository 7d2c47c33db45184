"""Looks at every row before anything is written: counts, samples, what is wrong, what is there twice."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from outbox.cli.importing.ledger import Ledger
from outbox.cli.importing.token import DIGITS
from outbox.core import places
from outbox.core.errors import InvalidMail, Problem
from outbox.flows.importing import Import, Line, Made, Pass

SAMPLES = 3
NAMED = 20
DOMAIN, ATTACHMENT = "domain", "attachment"


@dataclass
class Survey:
    """What a file holds; `twice` are the first lines with a recipient, or a key and mail, that was there before.

    `other` is the first cell that is not ASCII, by line and column; the encoding shows in it.
    """

    ledger: Ledger
    rows: int = 0
    mails: int = 0
    scheduled: int = 0
    samples: list[Made] = field(default_factory=list)
    same_recipients: int = 0
    same_keys: int = 0
    recipients_twice: list[tuple[int, int]] = field(default_factory=list)
    keys_twice: list[tuple[int, int]] = field(default_factory=list)

    other: tuple[int, str, str] | None = None

    def __post_init__(self) -> None:
        self._attached = hashlib.sha256()

    @property
    def bad(self) -> int:
        """Count the rows of which no mail can be made."""
        return self.ledger.bad_rows

    @property
    def attached(self) -> str:
        """Give a digest of the paths and contents of all attachments, in the order of their rows."""
        return self._attached.hexdigest()[:DIGITS]

    def look(self, lines: Iterable[Line], make: Import) -> None:
        """Look at all rows. Raises `InvalidRequest` when the file cannot be read to its end."""
        numbered = Pass(make)
        for line in lines:
            self.rows += 1
            self.other = self.other or _other(line)
            try:
                made = numbered(line)
                self._key(made)
            except InvalidMail as error:
                self.ledger.note_bad(line.number, error.problems)
            else:
                self._take(made)

    def _take(self, made: Made) -> None:
        self.mails += 1
        self.scheduled += made.send_at is not None
        if len(self.samples) < SAMPLES:
            self.samples.append(made)
        for path in dict.fromkeys(each.path for each in made.attached):
            self.ledger.count(ATTACHMENT, path)
        for each in made.attached:
            self._attached.update(f"{made.number}\0{each.path}\0{each.digest}\0".encode("utf-8", "surrogatepass"))
        to = places.recipient(made.mail.to)
        self.ledger.count(DOMAIN, to.rpartition("@")[2])
        if before := self.ledger.first("to", to, made.number):
            self.same_recipients += 1
            if len(self.recipients_twice) < NAMED:
                self.recipients_twice.append((made.number, before[0]))

    def _key(self, made: Made) -> None:
        """Look whether an earlier row has this key. Raises `InvalidMail` when that is another mail."""
        if not made.own_key:
            return
        files = [(each.attachment.name, each.digest) for each in made.attached]
        digest = made.mail.but(attachments=()).fingerprint + repr(files)
        before = self.ledger.first("key", made.key, made.number, digest)
        if before and before[1] != digest:
            raise InvalidMail([Problem("key", f"is that of line {before[0]}, which is another mail")])
        if before:
            self.same_keys += 1
            if len(self.keys_twice) < NAMED:
                self.keys_twice.append((made.number, before[0]))


def _other(line: Line) -> tuple[int, str, str] | None:
    return next(
        (
            (line.number, column, value)
            for column, value in line.cells.items()
            if isinstance(value, str) and not value.isascii()
        ),
        None,
    )
