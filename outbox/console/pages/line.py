"""Stop all sending, with a reason, and let it go again."""

from starlette.responses import Response

from outbox.console.ask import Ask, Kind, Page
from outbox.core.shown import safe
from outbox.core.text import shorten
from outbox.flows.switch import State, sentence
from outbox.wiring.desk import Desk

# A note has room for some hundred characters.
LONGEST_SHOWN = 120


def pause(ask: Ask, desk: Desk) -> Response:
    """Stop all sending; whoever stopped it before stays the one to ask, unless that was the mail API's refusal."""
    before = desk.switch.state()
    why = sentence(ask.one("reason"), ask.person.name)
    state = desk.switch.pause(ask.person.name, why)
    if before.stopped and not before.account:
        _tell_stopped_before(ask, state)
    else:
        ask.tell("Nothing is being sent any more: every worker obeys within five seconds; mails wait without blame.")
        ask.offer("Resume sending", "/line/resume")
    return ask.to("/")


def resume(ask: Ask, desk: Desk) -> Response:
    """Let mails go again, whoever stopped them."""
    before = desk.switch.state()
    desk.switch.resume(ask.person.name)
    if not before.stopped:
        ask.tell("Sending was not stopped; nothing was changed.", Kind.WARNING)
        return ask.to("/")
    ask.tell("Mails go again; what waits goes from the next minute on, each in its turn.")
    ask.offer("Pause again", "/line/pause", reason=shorten(before.reason, LONGEST_SHOWN))
    if before.account:
        ask.tell("The mail API had refused the account. If it still does, sending stops by itself again.", Kind.WARNING)
    return ask.to("/")


def _tell_stopped_before(ask: Ask, state: State) -> None:
    ask.tell(
        "It was stopped already, by %(who)s: %(why)s That stop and its reason stay.",
        Kind.WARNING,
        who=safe(state.by) or ask.words("nobody knows whom"),
        why=safe(shorten(ask.words.said(state.reason) or ask.words("no reason was given"), LONGEST_SHOWN)),
    )


PAGES: tuple[Page, ...] = (
    Page("/line/pause", pause, "POST"),
    Page("/line/resume", resume, "POST"),
)
