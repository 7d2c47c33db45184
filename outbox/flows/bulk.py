"""Many mails into the outbox: taken from any iterable, written by threads, told in order; memory stays flat.

    mails -> next -> batches of 25, or one by one (key, files) -> threads -> Written, in the order of the input
               ^---- no further than 800 mails or 64 MB ahead of what was told ----'

Nothing taken is ever forgotten: whoever stops in the middle, what was taken by then is written or told as not written.
"""

import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from outbox.core import limits
from outbox.core.errors import InvalidRequest, NotWritten
from outbox.core.mail import Mail
from outbox.core.message import Message
from outbox.flows.bulk_write import BATCH, Crew, Job, Result, Writer, plain
from outbox.flows.enqueue import Draft, Receipt

# What may be under way: enough for each of 16 threads and as much again, little enough for any machine.
AHEAD_MAILS, AHEAD_BYTES = 800, 64_000_000
BATCH_BYTES = 1_000_000
# A batch that is not full and as old as this, in seconds, goes when the next mail comes; until then it waits for it.
BATCH_SECONDS = 0.2
FAILURES = 1000


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the mail at a position of the input, the first being 0: a receipt, or the error why not."""

    number: int
    receipt: Receipt | None
    error: Exception | None


class Tally:
    """The counts so far, true at any moment and in any thread.

    `taken`: from the input. Of those: `written`, `duplicates` (the same key and mail was there before), `failed`; the
    rest is under way. `stopped`: the deadline came, or somebody left, before the end of the input was seen. `ended`:
    nothing more will be taken.
    """

    def __init__(self) -> None:
        self.taken = self.written = self.duplicates = self.failed = 0
        self.stopped = self.ended = False
        self._failures: list[Written] = []
        self._counting = threading.Lock()

    @property
    def failures(self) -> list[Written]:
        """Give what failed, by position; of more than 1,000 those that failed first."""
        with self._counting:
            return sorted(self._failures, key=lambda each: each.number)

    def count(self, settled: Iterable[Written]) -> None:
        """Count what became of some mails."""
        with self._counting:
            for each in settled:
                if each.receipt is None:
                    self.failed += 1
                    if len(self._failures) < FAILURES:
                        self._failures.append(each)
                elif each.receipt.duplicate:
                    self.duplicates += 1
                else:
                    self.written += 1


class Line(Tally):
    """Mails under way: put in at one end, told at the other in the same order."""

    def __init__(self, writer: Writer, threads: int) -> None:
        super().__init__()
        self._writer, self._crew = writer, Crew(threads, self._work)
        self._jobs: deque[Job] = deque()
        self._keys: dict[str, Job] = {}
        self._bytes = self._mails = 0
        self._batch, self._batch_bytes, self._since = list[Draft | Exception](), 0, 0.0

    @property
    def over(self) -> bool:
        """Tell whether nothing more may be taken, and note it."""
        self.stopped = self.stopped or self._writer.limit.late
        return self.stopped

    def take(self, given: object) -> None:
        """Take one more of the input; what is no mail is an error of its position."""
        draft, size = _draft(given)
        if not plain(draft):
            self.flush()
            self.taken += 1
            self._submit([draft], size)
            return
        if not self._batch:
            self._since = self._writer.limit.timer()
        self._batch.append(draft)
        self.taken += 1
        self._batch_bytes += size
        full = len(self._batch) == BATCH or self._batch_bytes >= BATCH_BYTES
        if full or self._writer.limit.timer() - self._since > BATCH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Begin with what has been taken, also if a batch is not full."""
        if self._batch:
            batch, size = self._batch, self._batch_bytes
            self._batch, self._batch_bytes = [], 0
            self._submit(batch, size)

    @property
    def told(self) -> bool:
        """Tell whether there is something to tell: the first is settled, or there is no room for more.

        Never with a batch half full, so that whoever leaves then leaves nothing that nobody works on.
        """
        full = self._mails >= AHEAD_MAILS or self._bytes >= AHEAD_BYTES
        return bool(self._jobs) and not self._batch and (full or self._jobs[0].done.is_set())

    @property
    def empty(self) -> bool:
        """Tell whether everything was told."""
        return not self._jobs and not self._batch

    def tell(self) -> list[Written]:
        """Wait for the first job and give what became of its mails."""
        job = self._jobs[0]
        job.done.wait()
        self._jobs.popleft()
        self._bytes, self._mails = self._bytes - job.size, self._mails - len(job.drafts)
        key = _key(job.drafts[0])
        if key is not None and self._keys[key] is job:
            del self._keys[key]
        return job.results

    def finish(self) -> None:
        """Wait until all that was taken is settled."""
        self.flush()
        # Somebody may have pressed Ctrl-C between a job's note here and its start.
        self._crew.ensure(self._jobs)
        for job in list(self._jobs):
            job.done.wait()

    def groups(self, mails: Iterator[object]) -> Generator[list[Written]]:
        """Take mails and tell of them, some at a time; however it ends, what was taken is settled then."""
        failure = None
        try:
            while not self.over:
                try:
                    self.take(next(mails))
                except StopIteration:
                    break
                except Exception as error:  # noqa: BLE001  the input's own: it is raised when all else was told
                    failure = error
                    break
                while self.told:
                    yield self.tell()
            self.flush()
            while not self.empty:
                yield self.tell()
        except BaseException:
            self.stopped = True
            raise
        finally:
            self.ended = True
            self.finish()
        if failure is not None:
            raise failure

    def _submit(self, drafts: list[Draft | Exception], size: int) -> None:
        job = Job(self.taken - len(drafts), drafts, size)
        if (key := _key(drafts[0])) is not None:
            # Of one key in the input twice, the first position wins, not the faster thread.
            job.after = self._keys.get(key)
            self._keys[key] = job
        self._jobs.append(job)
        self._bytes, self._mails = self._bytes + size, self._mails + len(drafts)
        self._crew.submit(job)

    def _work(self, job: Job) -> None:
        try:
            if job.after is not None:
                job.after.done.wait()
                job.after = None
            results: list[Result] = self._writer(job.drafts)
        except BaseException as error:  # noqa: BLE001  whatever it is, somebody waits for the job
            results = [NotWritten(Message("bulk.broken-off", error=repr(error)), certain=False) for _ in job.drafts]
        for number, result in enumerate(results, job.first):
            receipt, why = (result, None) if isinstance(result, Receipt) else (None, result)
            job.results.append(Written(number, receipt, why))
        self.count(job.results)
        job.done.set()


class Bulk(Line):
    """Many mails on their way: iterate to write them and hear of each, in order. Nothing is written before.

    Whoever leaves the loop leaves no thread behind: what was taken by then is finished by itself, and `close` (or
    `with`) waits for it. An error of the input passes through after all that was taken has been told.
    """

    def __init__(self, mails: Iterable[Mail | Draft], writer: Writer, threads: int) -> None:
        super().__init__(writer, threads)
        self._groups = self.groups(iter(mails))
        self._ready: deque[Written] = deque()

    def __iter__(self) -> Iterator[Written]:
        return self

    def __next__(self) -> Written:
        while not self._ready:
            self._ready.extend(next(self._groups))
        return self._ready.popleft()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def run(self) -> Self:
        """Write all of them, for the counts and `failures` alone."""
        for _ in self._groups:
            self._ready.clear()
        return self

    def close(self) -> None:
        """Take nothing more and wait for what is under way; does nothing after the end."""
        self.stopped = self.stopped or not self.ended
        self._groups.close()
        self.finish()


def _draft(given: object) -> tuple[Draft | Exception, int]:
    """Give a draft and how many bytes it holds, or the error that it is none."""
    draft = Draft(given) if isinstance(given, Mail) else given
    if not isinstance(draft, Draft) or not isinstance(draft.mail, Mail):
        wrong = type(draft.mail if isinstance(draft, Draft) else given).__name__
        return InvalidRequest(Message("bulk.no-mail", found=wrong)), 0
    return draft, limits.mail_bytes(draft.mail)


def _key(draft: Draft | Exception) -> str | None:
    key = draft.idempotency_key if isinstance(draft, Draft) else None
    return key if isinstance(key, str) else None
