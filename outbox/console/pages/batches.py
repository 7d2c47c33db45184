"""What was decided about many mails: how far each batch has come, and how to stop it and go on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from outbox.console.ask import Ask, Kind, Page
from outbox.flows.batch import Report
from outbox.flows.batch_report import DONE, RUNNING, STOPPED
from outbox.wiring.desk import Desk

STARTING, STOPPING, INTERRUPTED = "starting", "stopping", "interrupted"
# What of a batch's `where` is told, in which order.
WHERE = ("error", "text", "to", "subject", "domain", "tag", "since", "until")


@dataclass(frozen=True, slots=True)
class Shown:
    """A batch as people see it: `state` tells a run without a runner from one that is being run."""

    report: Report
    state: str
    trouble: str = ""

    @property
    def left_alone(self) -> int:
        """How many rows were left alone."""
        return sum(self.report.skipped.values())

    @property
    def total(self) -> int:
        """How many rows there are, as far as anybody knows."""
        return max(self.report.expected, self.report.met, 1)

    @property
    def measured(self) -> bool:
        """Whether it is known how far it has come."""
        return self.state == DONE or not self.report.more or self.report.met < self.report.expected

    @property
    def watched(self) -> bool:
        """Whether it may change by itself."""
        return self.report.state == RUNNING or self.state == STOPPING

    @property
    def can_go_on(self) -> bool:
        """Whether somebody may carry it on."""
        return self.state in (STOPPED, INTERRUPTED)

    @property
    def where(self) -> Mapping[str, Any]:
        """What was said of the rows beside their state."""
        return {name: self.report.where[name] for name in WHERE if self.report.where.get(name)}


def batches(ask: Ask, desk: Desk) -> Response:
    """List the latest batches."""
    return ask.page("batches.html", batches=[_shown(ask, report) for report in desk.batches.latest()])


def batch(ask: Ask, desk: Desk) -> Response:
    """Show one batch. Raises `NoBatch`."""
    return ask.page("batch.html", batch=_shown(ask, desk.batches.show(ask.one("id"), once=True)))


def progress(ask: Ask, desk: Desk) -> Response:
    """Show how far one batch has come, to be put in place of what the page says of it. Raises `NoBatch`."""
    return ask.part("progress.html", batch=_shown(ask, desk.batches.show(ask.one("id"), once=True)))


def stop(ask: Ask, desk: Desk) -> Response:
    """Stop a batch, whoever runs it. Raises `NoBatch`."""
    report = desk.batches.stop(ask.one("id"), ask.person.name)
    if report.state == DONE:
        ask.tell("It was done already; nothing was left to stop.", Kind.WARNING)
    else:
        ask.tell("Stopped. What was done stays done; the rest is as it was.")
    return ask.to("/batch", id=report.id)


def go_on(ask: Ask, desk: Desk) -> Response:
    """Carry a batch on that was stopped or interrupted. Raises `NoBatch`."""
    report = desk.batches.show(ask.one("id"))
    if report.state == DONE:
        ask.tell("It is done; nothing is left to continue.", Kind.WARNING)
    elif report.alive or ask.runner.has(report.id):
        ask.tell("Somebody still runs it, or it is just ending; look again in a moment.", Kind.WARNING)
    else:
        ask.runner.run(report.id, ask.person.name)
        ask.tell("It goes on while you look at other pages.")
    return ask.to("/batch", id=report.id)


def _shown(ask: Ask, report: Report) -> Shown:
    state = report.state
    if state == RUNNING and not report.alive:
        # Nobody holds it: it waits for its turn here, or who ran it has died.
        state = STARTING if ask.runner.has(report.id) else INTERRUPTED
    elif state == STOPPED and report.alive:
        # Whoever runs it has rows in hand, and counts them when they are done.
        state = STOPPING
    elif state == STOPPED and ask.runner.has(report.id):
        state = STARTING
    return Shown(report, state, report.trouble or ask.runner.trouble(report.id))


PAGES: tuple[Page, ...] = (
    Page("/batches", batches),
    Page("/batch", batch),
    Page("/batch/progress", progress),
    Page("/batch/stop", stop, "POST"),
    Page("/batch/continue", go_on, "POST"),
)
