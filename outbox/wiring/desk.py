"""What people ask: all flows on one pair of tables, and in whose name; the CLI and the console stand on it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from outbox.adapters.outcome import rights
from outbox.client import Outbox
from outbox.core.errors import InvalidRequest, MissingSettings
from outbox.core.message import Language, Message
from outbox.core.ports import Clock, Files, Register, Store, Suppressions
from outbox.core.rate import Rate
from outbox.core.retention import Retention
from outbox.flows.again import Again
from outbox.flows.batch import Batches
from outbox.flows.doctor import Doctor
from outbox.flows.find import Find
from outbox.flows.forget import Forget
from outbox.flows.history import History
from outbox.flows.support import Support
from outbox.flows.suppression import NoSuppression, SuppressionList
from outbox.flows.switch import SharedSwitch
from outbox.wiring.copied import Copied


@dataclass(frozen=True, slots=True)
class Line:
    """What all workers share: the register with its items, and the rate if it is known here."""

    register: Register
    rate: Rate | None = None


@dataclass(frozen=True, slots=True)
class Beside:
    """What lies beside the tables of mails, made on first use; None where nothing names it."""

    suppressions: Callable[[], Suppressions] | None = None
    files: Callable[[], Files] | None = None
    copied: Callable[[str], Copied] | None = None


class Desk:
    """Everything people ask: the flows on one store, and in whose name."""

    def __init__(  # noqa: PLR0913  what people may ask of
        self,
        store: Store,
        now: Clock,
        keep: Retention,
        who: Callable[[], str],
        where: str = "",
        line: Line | None = None,
        beside: Beside | None = None,
        language: Language = "en",
    ) -> None:
        self._store, self._now, self._keep, self._find_who, self.where = store, now, keep, who, where
        self._line, self._beside = line, beside or Beside()
        self.language: Language = language

    @property
    def now(self) -> Clock:
        """Give the clock."""
        return self._now

    @cached_property
    def who(self) -> str:
        """Name the person for the mails' timelines; found out once, and only when something is to be changed."""
        return self._find_who()

    @property
    def support(self) -> Support:
        """Give what acts on single mails."""
        return Support(self._store, self._now, self._keep, self._files, self.language)

    @property
    def find(self) -> Find:
        """Give what looks for mails."""
        return Find(self._store, self._now)

    @property
    def history(self) -> History:
        """Give what looks through history, and for what came back."""
        return History(self._store, self._now)

    @property
    def again(self) -> Again:
        """Give what makes a new mail of one in history."""
        return Again(self._store, self._files, self._now, self.language)

    @property
    def doctor(self) -> Doctor:
        """Give what inspects both tables."""
        return Doctor(self._store, self._now, self._keep, self._files, self.language)

    def copied(self, table: str) -> Copied:
        """Give a copy of a table, to restore from or to quarantine. Raises `InvalidRequest`."""
        if self._beside.copied is None:
            raise InvalidRequest(Message("no-copies"))
        return self._beside.copied(table)

    @property
    def suppression(self) -> SuppressionList:
        """Give the list of addresses that get no mail. Raises `MissingSettings`."""
        return SuppressionList(self._suppressions, self._now)

    @property
    def forget(self) -> Forget:
        """Give what forgets a person. Raises `MissingSettings`."""
        needed = {"OUTBOX_SUPPRESSION_TABLE": self._beside.suppressions, "OUTBOX_BUCKET": self._files}
        if self._files is None or None in needed.values():
            raise _missing(*(name for name, there in needed.items() if there is None))
        return Forget(self._store, self._suppressions, self._files, self._now, self.language)

    @property
    def batches(self) -> Batches:
        """Give what acts on many rows at once; only for a command that asked for what the workers share."""
        listed = SuppressionList(self._suppressions, self._now) if self._beside.suppressions else NoSuppression()
        return Batches(
            self._store, self.line.register, self._now, self._keep, time.sleep, listed, judge=rights,
            language=self.language,
        )  # fmt: skip

    @property
    def files(self) -> Files | None:
        """Give the bucket of the mails' files; None where nothing names it."""
        return self._files

    @property
    def outbox(self) -> Outbox:
        """Give what writes mails, in the person's name."""
        return Outbox(store=self._store, files=self._files, now=self._now, actor=self.who, history_days=self._keep.days)

    @cached_property
    def _suppressions(self) -> Suppressions:
        if self._beside.suppressions is None:
            raise _missing("OUTBOX_SUPPRESSION_TABLE")
        return self._beside.suppressions()

    @cached_property
    def _files(self) -> Files | None:
        """Give the bucket of the mails' files; None where nothing names it: most mails have no files."""
        return self._beside.files() if self._beside.files else None

    @property
    def store(self) -> Store:
        """Give the tables, to count what is in their indexes."""
        return self._store

    @property
    def line(self) -> Line:
        """Give what the workers share; there only for a command that asked for it."""
        if self._line is None:
            raise _missing("OUTBOX_CONTROL_TABLE")
        return self._line

    @property
    def switch(self) -> SharedSwitch:
        """Give the switch that stops all sending."""
        return SharedSwitch(self.line.register, self._now)


def _missing(*names: str) -> MissingSettings:
    problems = [Message("setting-missing", name=name) for name in names]
    return MissingSettings(names, Message("problems", problems=problems))
