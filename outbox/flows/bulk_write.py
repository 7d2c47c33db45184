"""Write rows by the dozen and say of each what became of it: batches, retries, and threads that end by themselves.

add_all -- taken ----------------------------------------> receipt
   |------ left over, throttled -- wait, again ----------> receipt | NotWritten (certain)
   |------ one is too large -- halves, again ------------> receipts | TooLarge
   `------ no clear answer -- each row by itself, only if it is not there (a mail already sent is not written again)
"""

import random
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from outbox.core.change import CheckedRow
from outbox.core.errors import AlreadyThere, NotWritten, OutboxError, TooLarge
from outbox.core.message import Message
from outbox.core.row import Item
from outbox.flows.enqueue import Draft, Enqueue, Made, Receipt
from outbox.flows.files import needs_bucket

# What one BatchWriteItem takes.
BATCH = 25
# Tries in a row that got nowhere; with waits of up to 0.1 s, 0.2 … 5 s in full jitter, some 10 s.
TRIES, FIRST_WAIT, LONGEST_WAIT = 10, 0.1, 5.0
LATE = Message("bulk.deadline")

Result = Receipt | Exception
Judge = Callable[[Exception], Literal["busy", "refused", "unknown"]]


@dataclass(frozen=True, slots=True)
class Limit:
    """When to end: `end` by `timer`, in seconds; None for never. `pause` waits so many seconds."""

    timer: Callable[[], float]
    pause: Callable[[float], None]
    end: float | None = None

    @property
    def late(self) -> bool:
        """Tell whether the deadline has come."""
        return self.end is not None and self.timer() >= self.end

    def rest(self, tries: int) -> bool:
        """Wait after so many tries in vain; False when there shall be no other."""
        if tries >= TRIES or self.late:
            return False
        seconds = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** (tries - 1)) * random.random()  # noqa: S311  not a secret
        self.pause(seconds if self.end is None else max(0.0, min(seconds, self.end - self.timer())))
        return not self.late


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes drafts to the end, whatever that is; safe to share between threads."""

    enqueue: Enqueue
    judge: Judge
    limit: Limit
    bulk: bool = False

    def __call__(self, drafts: Sequence[Draft | Exception]) -> list[Result]:
        """Write drafts, alone or up to 25 that are `plain`, and give the result of each; what is an error stays it."""
        if self.limit.late:
            late = NotWritten(LATE, certain=True)
            return [draft if isinstance(draft, Exception) else late for draft in drafts]
        made = [self._ready(draft) for draft in drafts]
        rows = [each for each in made if isinstance(each, Made)]
        if rows and not plain(drafts[0]):
            return [self._alone(rows[0], drafts[0])]
        errors = self._together([each.item for each in rows])
        return [errors.get(each.receipt.id, each.receipt) if isinstance(each, Made) else each for each in made]

    def _ready(self, draft: Draft | Exception) -> Made | Result:
        if isinstance(draft, Exception):
            return draft
        try:
            return self.enqueue.ready(draft, bulk=self.bulk)
        except OutboxError as error:
            return error
        except Exception as error:  # noqa: BLE001  its files could not be stored: the error of this mail alone
            return _not_written(Message("bulk.files"), error, certain=True)

    def _alone(self, made: Made, draft: Draft | Exception) -> Result:
        """Write one row, with a key only if its id is unused; after an unclear answer, only if it is not there."""
        once = keyed = isinstance(draft, Draft) and draft.idempotency_key is not None
        tries, doubtful = 0, False
        while True:
            try:
                receipt = self.enqueue.write(made, once=once)
                return receipt if keyed else made.receipt
            except OutboxError as error:
                return error
            except Exception as error:  # noqa: BLE001  judged
                verdict, tries, once = self.judge(error), tries + 1, True
                doubtful = doubtful or verdict == "unknown"
                if verdict == "refused" or not self.limit.rest(tries):
                    return _not_written(Message("bulk.not-taken"), error, certain=not doubtful)

    def _together(self, rows: Sequence[CheckedRow]) -> dict[str, Exception]:
        """Write rows whose ids are new; give the error of each that did not go in, by id."""
        tries = 0
        while rows:
            left, cause = rows, None
            try:
                left = self.enqueue.store.add_all(rows)
            except TooLarge as error:
                return self._halves(rows, error)
            except Exception as error:  # noqa: BLE001  judged
                cause = error
                if self.judge(error) != "busy":
                    return self._each(rows, doubtful=self.judge(error) == "unknown")
            tries = tries + 1 if len(left) == len(rows) else 1
            rows = left
            if rows and not self.limit.rest(tries):
                return _all(rows, _not_written(Message("bulk.no-capacity"), cause, certain=True))
        return {}

    def _halves(self, rows: Sequence[CheckedRow], error: TooLarge) -> dict[str, Exception]:
        if len(rows) == 1:
            return _all(rows, error)
        middle = len(rows) // 2
        return self._together(rows[:middle]) | self._together(rows[middle:])

    def _each(self, rows: Sequence[CheckedRow], *, doubtful: bool) -> dict[str, Exception]:
        """Write rows of a call without a clear answer, each only if neither outbox nor history has it by now."""
        queue, errors, tries = deque(rows), dict[str, Exception](), 0
        while queue:
            row = queue.popleft()
            try:
                self.enqueue.store.add(row, once=True)
                tries = 0
            except AlreadyThere:
                tries = 0  # Nobody else can have its id.
            except OutboxError as error:
                errors[str(row["id"])] = error
            except Exception as error:  # noqa: BLE001  judged
                verdict, tries = self.judge(error), tries + 1
                doubtful = doubtful or verdict == "unknown"
                failed = _not_written(Message("bulk.not-taken"), error, certain=not doubtful)
                if verdict == "refused":
                    errors[str(row["id"])] = failed
                elif self.limit.rest(tries):
                    queue.append(row)
                else:
                    return errors | _all([row, *queue], failed)
        return errors


def plain(draft: Draft | Exception) -> bool:
    """Tell whether a draft may go in a batch: it needs no condition, and has nothing to store before."""
    return isinstance(draft, Exception) or (draft.idempotency_key is None and not needs_bucket(draft.mail))


def _all(rows: Sequence[Item], error: Exception) -> dict[str, Exception]:
    return {str(row["id"]): error for row in rows}


def _not_written(what: Message, cause: Exception | None, *, certain: bool) -> NotWritten:
    caused = Message("bulk.caused", what=what, kind=type(cause).__name__, said=str(cause)) if cause else what
    error = NotWritten(caused, certain=certain)
    error.__cause__ = cause
    return error


@dataclass(slots=True)
class Job:
    """Some drafts that are written together, from a position of the input on; `results` once it is `done`."""

    first: int
    drafts: list[Draft | Exception]
    size: int
    after: "Job | None" = None
    begun: bool = False
    results: list[Any] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)


class Crew:
    """Up to so many threads, each ending when there is nothing to do: who leaves in the middle leaves none behind."""

    def __init__(self, threads: int, work: Callable[[Job], None]) -> None:
        self._threads, self._work = threads, work
        self._queue: deque[Job] = deque()
        self._lock, self._alive = threading.Lock(), 0

    def submit(self, job: Job) -> None:
        """Have a job done, after those submitted before it were begun."""
        with self._lock:
            self._queue.append(job)
            if self._alive == self._threads:
                return
            self._alive += 1
        try:
            threading.Thread(target=self._run, name="outbox-bulk").start()
        except RuntimeError:
            # The machine has no thread left, or the interpreter is ending: then the caller's own does it.
            self._run()

    def ensure(self, jobs: Iterable[Job]) -> None:
        """Do, in the caller's thread, what was never begun: an interruption may have come between note and start."""
        with self._lock:
            queued = {id(job) for job in self._queue}
            left = [job for job in jobs if not job.begun and id(job) not in queued]
            self._queue.extend(left)
            idle = bool(self._queue)
            self._alive += idle
        if idle:
            self._run()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._alive -= 1
                    return
                job = self._queue.popleft()
                job.begun = True
            self._work(job)
