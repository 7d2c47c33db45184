"""Every schedule of some actors: the real flows, switched at their calls of store and mail API, and crashed there.

An actor is a function in a greenlet. At each of its calls it stops, and what it does next depends on the answers it
got and on nothing else: so an actor runs once for each list of answers, however many schedules give it that list, and
a call is made once for each state of the world. From one state of everything (world, actors, who runs, what may still
happen) only one way is followed; the schedules that lead on from there are counted, not run again.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from unittest import mock

from greenlet import getcurrent, greenlet

from outbox.testing import TickingClock


@dataclass(frozen=True, slots=True)
class Call:
    """A call of an actor to the outside, at which another actor may run first."""

    port: str
    method: str
    arguments: tuple[Any, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()
    # It touches nothing that others change, so nobody runs first.
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


class Actor:
    """One worker or person; `act` gets the function that makes a call."""

    def __init__(self, name: str, act: Callable[[Callable[[Call], Any]], None], after: "Actor | None" = None) -> None:
        """Name it; `after`: an actor that does the same and is to begin first, for either may be called the first."""
        self.name, self.act, self.after = name, act, after


class Run(greenlet):
    """An actor that has run up to one of its calls."""

    def __init__(self, actor: Actor, clock: TickingClock) -> None:
        super().__init__(lambda _nothing: actor.act(self._call))
        self._name, self._clock, self._tokens = actor.name, clock, 0

    def go_on(self, answer: Answer | None) -> Call | None:
        """Let it go on with an answer to its next call; None when it is at its end."""
        if answer is not None:
            self._clock.now = answer.now
        random.seed(0)
        return self.switch(answer)

    def token(self) -> str:
        """Give what is random in life: another one each time, the same for the same answers."""
        self._tokens += 1
        return f"{self._name} {self._tokens}"

    def _call(self, call: Call) -> Any:
        answer = self.parent.switch(call)
        if answer.error is not None:
            raise answer.error.with_traceback(None)
        return answer.value


def _token(_bytes: int = 0) -> str:
    run = getcurrent()
    return run.token() if isinstance(run, Run) else "nobody"


@dataclass(slots=True, eq=False)
class Point:
    """Where an actor is after a list of answers: at a call, or (`call` is None) at its end."""

    actor: Actor
    call: Call | None
    run: Run | None
    answers: tuple[Answer, ...] = ()
    after: dict[int, "Point"] = field(default_factory=dict)
    steps: dict[int, list[tuple["Point", Any]]] = field(default_factory=dict)


# Where each actor is; None for one that has ended or died.
Points = tuple[Point | None, ...]


@dataclass
class Explorer:
    """Goes through every schedule. `world`s are immutable and have a `number` that is equal for equal worlds.

    `make(world, actor, call)` gives all that may come of a call: the world then, and its answer. `check` looks at a
    world in which every actor has ended or died, and gives what is wrong with it.
    """

    make: Callable[[Any, Actor, Call], Sequence[tuple[Any, Answer]]]
    check: Callable[[Any], str | None]
    clock: TickingClock
    # What is wrong, each with the calls of the first schedule that showed it.
    faults: dict[str, list[str]] = field(default_factory=dict)
    calls: int = 0
    ends: int = 0
    _chosen: dict[Any, int] = field(default_factory=dict)
    _ran: dict[Any, int] = field(default_factory=dict)
    _checked: set[int] = field(default_factory=set)
    _path: list[str] = field(default_factory=list)

    def explore(self, world: Any, actors: Sequence[Actor], switches: int, crashes: int) -> int:
        """Go through every schedule with at most so many switches and crashes; give how many those are."""
        self.clock.now = world.now
        with mock.patch("secrets.token_hex", _token):
            runs = [(actor, Run(actor, self.clock)) for actor in actors]
            points = tuple(Point(actor, run.go_on(None), run) for actor, run in runs)
            return self._choose(world, points, switches, crashes)

    def _choose(self, world: Any, points: Points, switches: int, crashes: int) -> int:
        """Let any actor run next, since the last one has ended or died; look at the world when none is left."""
        key = (world.number, points, switches, crashes)
        known = self._chosen.get(key)
        if known is None:
            may = [number for number in range(len(points)) if _may_run(points, number)]
            if not may:
                self._look(world)
            known = sum(self._begin(world, points, number, switches, crashes) for number in may) if may else 1
            self._chosen[key] = known
        return known

    def _begin(self, world: Any, points: Points, number: int, switches: int, crashes: int) -> int:
        """Let an actor run that was just chosen."""
        key = (world.number, points, number, switches, crashes)
        known = self._ran.get(key)
        if known is None:
            known = self._ran[key] = self._run(world, points, number, switches, crashes, chosen=True)
        return known

    def _run(  # noqa: PLR0913  all that a schedule may still hold
        self, world: Any, points: Points, number: int, switches: int, crashes: int, *, chosen: bool
    ) -> int:
        """Let an actor run to its end; before each of its calls it may die, or another may run first."""
        point = points[number]
        assert point is not None
        assert point.call is not None
        depth, total = len(self._path), 0
        if not point.call.alone:
            if crashes:
                self._path.append(f"{point.actor.name} dies before {point.call}")
                total += self._choose(world, _with(points, number, None), switches, crashes - 1)
                del self._path[depth:]
            # Who was just chosen makes a call first: else another would have been chosen in its place.
            if switches and not chosen:
                for other in range(len(points)):
                    if other != number and _may_run(points, other):
                        total += self._begin(world, points, other, switches - 1, crashes)
        for then, after in self._steps(world, point):
            self._path.append(f"{point.actor.name}: {point.call}")
            if then.call is None:
                total += self._choose(after, _with(points, number, None), switches, crashes)
            else:
                left = _with(points, number, then)
                total += self._run(after, left, number, switches, crashes, chosen=chosen and point.call.alone)
            del self._path[depth:]
        return total

    def _steps(self, world: Any, point: Point) -> list[tuple[Point, Any]]:
        """Make the call an actor is at; give where it is then, and the world, for all that may come of it."""
        steps = point.steps.get(world.number)
        if steps is None:
            assert point.call is not None
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
                self.faults.setdefault(fault, list(self._path))


def _may_run(points: Points, number: int) -> bool:
    point = points[number]
    if point is None:
        return False
    first = point.actor.after
    return first is None or bool(point.answers) or not any(p and p.actor is first and not p.answers for p in points)


def _with(points: Points, number: int, point: Point | None) -> Points:
    return (*points[:number], point, *points[number + 1 :])
