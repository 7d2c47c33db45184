"""Every schedule of some actors: the real flows, switched at their calls of store and mail API, and crashed there.

An actor is a function in a greenlet. At each of its calls it stops, and what it does next depends on the answers it
got and on nothing else: so an actor runs once for each list of answers, however many schedules give it that list, and
a call is made once for each state of the world. From one state of everything (world, actors, who runs, what may still
happen) only one way is followed; the schedules that lead on from there are counted, not run again.

An actor that has died makes no call any more. It may die before any call; after its last one there is nothing to lose.
"""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from operator import attrgetter
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet

from outbox.testing import TickingClock


@dataclass(frozen=True, slots=True)
class Call:
    """A call of an actor to the outside, at which another actor may run first."""

    port: str
    method: str
    arguments: tuple[Any, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()
    # Not a call at which another actor may run first, or this one die.
    alone: bool = False

    def __str__(self) -> str:
        """Read as «store.update»."""
        return f"{self.port}.{self.method}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call gave, or raised, and when; `key` is equal for answers that are equal."""

    value: Any
    error: Exception | None
    now: datetime
    key: int


@dataclass(frozen=True, slots=True, eq=False)
class Actor:
    """Workers or people that do the same; `act` goes through `make` for all it does outside."""

    name: str
    act: Callable[[], None]


class Run(greenlet):
    """An actor that has run up to one of its calls."""

    def __init__(self, actor: Actor, clock: TickingClock) -> None:
        super().__init__(lambda _nothing: actor.act())
        self._clock, self.gone = clock, False

    def go_on(self, answer: Answer | None) -> Call | None:
        """Let it go on with an answer to its next call; None when it is at its end."""
        if answer is not None:
            self._clock.now = answer.now
        return self.switch(answer)


def make(call: Call) -> Any:
    """Make a call as the actor that runs now."""
    run = getcurrent()
    if run.gone:
        raise GreenletExit
    try:
        answer = run.parent.switch(call)
    except GreenletExit:
        # Nobody needs this run any more: what it does on its way out reaches nothing.
        run.gone = True
        raise
    if answer.error is not None:
        raise answer.error.with_traceback(None)
    return answer.value


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Look for no garbage: everything is kept to the end, and looking takes a sixth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class _FoundOut(Exception):
    """A fault was found, and one is enough."""


@dataclass(slots=True, eq=False)
class Point:
    """Where an actor is after a list of answers: at a call, or (`call` is None) at its end."""

    actor: Actor
    call: Call | None
    run: Run | None
    answers: tuple[Answer, ...] = ()
    after: dict[int, "Point"] = field(default_factory=dict)
    steps: dict[int, list[tuple["Point", Any]]] = field(default_factory=dict)
    number: int = field(default_factory=count().__next__)


# Where each actor is that has neither ended nor died.
Points = tuple[Point, ...]


@dataclass
class Explorer:
    """Goes through every schedule. `world`s are immutable and have a `number` that is equal for equal worlds.

    `make(world, actor, call)` gives all that may come of a call: the world then, and its answer. `check` looks at a
    world in which every actor has ended or died, and gives what is wrong with it.
    """

    make: Callable[[Any, Actor, Call], Sequence[tuple[Any, Answer]]]
    check: Callable[[Any], str | None]
    clock: TickingClock
    # Whether one fault is enough.
    stops: bool = False
    # What is wrong, each with the calls of the first schedule that showed it.
    faults: dict[str, list[str]] = field(default_factory=dict)
    calls: int = 0
    ends: int = 0
    _begins: dict[Actor, Point] = field(default_factory=dict)
    _chosen: dict[Any, int] = field(default_factory=dict)
    _ran: dict[Any, int] = field(default_factory=dict)
    _checked: set[int] = field(default_factory=set)
    _path: list[tuple[str, Call, bool]] = field(default_factory=list)

    def explore(self, world: Any, actors: Sequence[Actor], switches: int, crashes: int) -> int:
        """Go through every schedule with at most so many switches and crashes; give how many, 0 if it stopped."""
        self.clock.now = world.now
        with _no_garbage(), suppress(_FoundOut):
            points = tuple(self._begins.setdefault(actor, self._first(actor)) for actor in actors)
            return self._choose(world, points, switches, crashes)
        return 0

    def _first(self, actor: Actor) -> Point:
        run = Run(actor, self.clock)
        return Point(actor, run.go_on(None), run)

    def _choose(self, world: Any, points: Points, switches: int, crashes: int) -> int:
        """Let any actor run next, since the last one has ended or died; look at the world when none is left."""
        points = tuple(sorted(points, key=attrgetter("number")))
        key = (world.number, points, switches, crashes)
        known = self._chosen.get(key)
        if known is None:
            if not points:
                self._look(world)
            ways = [self._begin(world, points, number, switches, crashes) for number in range(len(points))]
            known = self._chosen[key] = sum(ways) if points else 1
        return known

    def _begin(self, world: Any, points: Points, number: int, switches: int, crashes: int) -> int:
        """Let an actor run that was just chosen."""
        # Which of two that do the same is where makes no difference.
        points, number = (points[number], *sorted(_with(points, number), key=attrgetter("number"))), 0
        key = (world.number, points, number, switches, crashes)
        known = self._ran.get(key)
        if known is None:
            known = self._ran[key] = self._run(world, points, number, switches, crashes, chosen=True)
        return known

    def _run(self, world: Any, points: Points, number: int, switches: int, crashes: int, *, chosen: bool) -> int:
        """Let an actor run to its end; before each of its calls it may die, or another may run first."""
        depth, total = len(self._path), 0
        while True:
            point = points[number]
            call = point.call
            assert call is not None
            if not call.alone:
                if crashes:
                    self._path.append((point.actor.name, call, True))
                    total += self._choose(world, _with(points, number), switches, crashes - 1)
                    self._path.pop()
                # Who was just chosen makes a call first: else another would have been chosen in its place.
                if switches and not chosen:
                    for other in range(len(points)):
                        if other != number:
                            total += self._begin(world, points, other, switches - 1, crashes)
                chosen = False
            self._path.append((point.actor.name, call, False))
            first, *others = point.steps.get(world.number) or self._make(world, point)
            for then, after in others:
                total += self._go_on(then, after, points, number, switches, crashes, chosen=chosen)
            then, world = first
            if then.call is None:
                total += self._choose(world, _with(points, number), switches, crashes)
                break
            points = _with(points, number, then)
        del self._path[depth:]
        return total

    def _go_on(
        self, then: Point, world: Any, points: Points, number: int, switches: int, crashes: int, *, chosen: bool
    ) -> int:
        if then.call is None:
            return self._choose(world, _with(points, number), switches, crashes)
        return self._run(world, _with(points, number, then), number, switches, crashes, chosen=chosen)

    def _make(self, world: Any, point: Point) -> list[tuple[Point, Any]]:
        """Make the call an actor is at; give where it is then, and the world, for all that may come of it."""
        self.calls += 1
        made = self.make(world, point.actor, point.call)
        steps = point.steps[world.number] = [(self._gone_on(point, answer), after) for after, answer in made]
        return steps

    def _gone_on(self, point: Point, answer: Answer) -> Point:
        then = point.after.get(answer.key)
        if then is None:
            run, point.run = point.run, None
            if run is None:
                run = Run(point.actor, self.clock)
                run.go_on(None)
                for each in point.answers:
                    run.go_on(each)
            call = run.go_on(answer)
            then = point.after[answer.key] = Point(point.actor, call, run if call else None, (*point.answers, answer))
        return then

    def _look(self, world: Any) -> None:
        if world.number not in self._checked:
            self._checked.add(world.number)
            self.ends += 1
            if fault := self.check(world):
                told = [f"{name} dies before {call}" if died else f"{name}: {call}" for name, call, died in self._path]
                self.faults.setdefault(fault, told)
                if self.stops:
                    raise _FoundOut


def _with(points: Points, number: int, *point: Point) -> Points:
    """Give the points with another one, or none, in the place of one of them."""
    return (*points[:number], *point, *points[number + 1 :])
