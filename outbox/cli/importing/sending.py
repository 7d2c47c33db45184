"""Writes the mails of a file into the outbox, and says how far it has come; to be run again after any interruption."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from outbox.cli.importing.ledger import Ledger
from outbox.cli.problems import explain
from outbox.client import Outbox
from outbox.core.errors import FileLost, InvalidMail, InvalidRequest, KeyConflict, OutboxError, TooLarge
from outbox.flows.bulk import Bulk, Written
from outbox.flows.enqueue import Draft
from outbox.flows.importing import Import, Line, Made, Pass

# So many in a row that are no fault of their rows: the tables are out of reach, and the rest would fare the same.
GIVE_UP = 25
OWN_FAULT = (InvalidMail, InvalidRequest, KeyConflict, FileLost, TooLarge)
CTRL_C = "It was stopped by hand."
AGAIN = "--label TEXT sends its row again, as another mail"
AGAIN_BY_KEY = "another key sends its row again, as another mail"
OUT_OF_REACH = f"{GIVE_UP} mails in a row could not be written; the rest was not tried."

Show = Callable[[int], None]


@dataclass
class Sent:
    """What became of the rows of one run; `stopped` says why it ended early, `failed` names lines."""

    rows: int = 0
    written: int = 0
    duplicates: int = 0
    failed: list[tuple[int, str]] = field(default_factory=list)
    stopped: str = ""
    interrupted: bool = False
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Give the same for a script."""
        failed = [{"line": line, "error": error} for line, error in self.failed]
        counts = {"rows": self.rows, "written": self.written, "duplicates": self.duplicates, "failed": failed}
        return counts | {"seconds": round(self.seconds, 2)} | ({"stopped": self.stopped} if self.stopped else {})


class Sending:
    """One run over the rows: bad ones are passed over, what is there already is counted as such."""

    def __init__(self, make: Import, ledger: Ledger, show: Show) -> None:
        self._make, self._ledger, self._show = Pass(make), ledger, show
        # The mails under way, in the order in which they will be told.
        self._under_way: deque[Made] = deque()
        self._in_a_row = self._count = 0
        self.sent = Sent()

    def __call__(self, outbox: Outbox, lines: Iterable[Line], *, bulk: bool) -> Sent:
        """Write all mails. Whatever ends it, what was taken by then is finished and counted."""
        began = time.monotonic()
        many = outbox.enqueue_many(self._drafts(lines), bulk=bulk)
        try:
            with many:
                self._follow(many)
        except KeyboardInterrupt:
            self.sent.stopped, self.sent.interrupted = CTRL_C, True
        except InvalidRequest as error:
            self.sent.stopped = f"{error}."
        self.sent.seconds = time.monotonic() - began
        # What was under way when it was stopped is done by now, though nobody was told of it one by one.
        self.sent.written, self.sent.duplicates = many.written, many.duplicates
        for each in many.failures:
            if each.error is not None and each.number >= self._count:
                self._failed(self._under_way[each.number - self._count], each.error)
        return self.sent

    def _follow(self, many: Bulk) -> None:
        for written in many:
            self._told(written)
            if self._in_a_row >= GIVE_UP:
                self.sent.stopped = OUT_OF_REACH
                return

    def _told(self, written: Written) -> None:
        made = self._under_way.popleft()
        self._count += 1
        self._show(1)
        if written.error is None:
            self._in_a_row = 0
            return
        self._in_a_row = 0 if isinstance(written.error, OWN_FAULT) else self._in_a_row + 1
        self._failed(made, written.error)

    def _failed(self, made: Made, error: Exception) -> None:
        hint = (AGAIN_BY_KEY if made.own_key else AGAIN) if isinstance(error, KeyConflict) else ""
        said = in_words(error)
        self.sent.failed.append((made.number, f"{said.rstrip('.')}; {hint}" if hint else said))

    def _drafts(self, lines: Iterable[Line]) -> Iterator[Draft]:
        for line in lines:
            if self._ledger.is_bad(line.number):
                continue
            self.sent.rows += 1
            try:
                made = self._make(line)
            except InvalidMail as error:
                # It was a mail a moment ago: a file beside the table has gone.
                self.sent.failed.append((line.number, str(error)))
                continue
            self._under_way.append(made)
            yield Draft(made.mail, made.key, made.send_at)


def in_words(error: Exception) -> str:
    """Say why a mail could not be written; an error of a kind nobody expects is told by its name alone."""
    if isinstance(error, InvalidMail):
        return str(error)
    if isinstance(error, (OutboxError, BotoCoreError, ClientError)):
        return explain(error).message
    return f"{type(error).__name__}: nobody knows whether it was written"
