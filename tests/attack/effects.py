"""Numbers every call that leaves the code, and breaks the one a test names: the source of all cells of the matrix."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

# Calls that change nothing anywhere; every other call, also one that is added tomorrow, is attacked in full.
READS = ("get", "due", "never_due", "by_", "has_", "look", "fresh_account", "ready", "encode", "read_together")
ON_READS = ("failed",)  # dying before a read is dying after the effect before it
ON_WRITES = ("dies before", "dies after", "answer lost", "failed")


class Died(BaseException):
    """The process is gone: no handler of the code may catch this."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of something outside."""

    port: str
    method: str

    @property
    def reads(self) -> bool:
        """Tell whether it changes nothing."""
        return self.method.startswith(READS)

    def __str__(self) -> str:
        """Read as «store.update»."""
        return f"{self.port}.{self.method}"


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong at the call of this number."""

    number: int
    kind: str


@dataclass
class Effects:
    """The calls of a process to the outside, in their order; `dead` once it died: nothing leaves it any more."""

    fault: Fault | None = None
    calls: list[Call] = field(default_factory=list)
    counting: bool = False
    dead: bool = False
    struck: bool = False

    def watch(self, port: str, thing: Any) -> Any:
        """Give the same thing with its calls numbered."""
        return Watched(self, port, thing)

    def call(self, port: str, method: str, call: Callable[[], Any]) -> Any:
        """Make a call, or break it."""
        if self.dead:
            raise Died
        if not self.counting:
            return call()
        number = len(self.calls)
        self.calls.append(Call(port, method))
        if self.fault is None or self.fault.number != number:
            return call()
        self.struck = True
        return self._break(call, self.fault.kind)

    def _break(self, call: Callable[[], Any], kind: str) -> Any:
        if kind in ("dies after", "answer lost"):
            # Whatever the answer was, nobody hears it.
            with suppress(Exception):
                call()
        self.dead = self.dead or kind.startswith("dies")
        if self.dead:
            raise Died
        raise ConnectionError(kind)


class Watched:
    """A port whose calls are numbered; what is no call is given as it is."""

    def __init__(self, effects: Effects, port: str, thing: Any) -> None:
        self._effects, self._port, self._thing = effects, port, thing

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._thing, name)
        if not callable(value):
            return value

        def call(*args: Any, **more: Any) -> Any:
            return self._effects.call(self._port, name, lambda: value(*args, **more))

        return call


def faults(calls: Sequence[Call]) -> list[Fault]:
    """Make the faults of a run: each kind at each call; of a row of like reads the first and the last."""
    found = []
    before = [None, *calls]
    after = [*calls[1:], None]
    for number, (call, (earlier, _), later) in enumerate(zip(calls, pairwise(before), after, strict=True)):
        if call.reads and earlier == call == later:
            continue
        found += [Fault(number, kind) for kind in (ON_READS if call.reads else ON_WRITES)]
    return found


class Inline(Executor):
    """Runs what it is given at once, so that calls have one order."""

    def __init__(self, *_: object, **__: object) -> None:
        """Take the arguments of a pool of threads."""

    def submit(self, call: Any, /, *args: Any, **more: Any) -> Future[Any]:
        """Run it and give what came of it."""
        future: Future[Any] = Future()
        try:
            future.set_result(call(*args, **more))
        except BaseException as error:  # noqa: BLE001  as a pool of threads does
            future.set_exception(error)
        return future
