"""The switch that stops all sending: one small item that every worker looks at before it claims."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from outbox.core import clock
from outbox.core.message import Message, read_back, stored
from outbox.core.ports import Clock, Register
from outbox.core.text import shorten

log = structlog.get_logger()

NAME = "switch"
# Every worker obeys within five seconds: it believes what it read for two, and a call under way is let end.
BELIEVED = timedelta(seconds=2)
TRIES = 10
ENDS = (".", "!", "?", "。", "！", "？")


@dataclass(frozen=True, slots=True)
class State:
    """Whether sending is stopped: by whom, since when and why. `account` marks a stop that new credentials end.

    `reason` is a `Message` where the service stopped it, a person's own words where they did.
    """

    stopped: bool = False
    reason: str = ""
    by: str = ""
    at: datetime | None = None
    account: str = ""


class SharedSwitch:
    """Reads and throws the switch; threads share one, which asks the table at most every two seconds."""

    def __init__(self, register: Register, now: Clock) -> None:
        self._register, self._now = register, now
        self._lock = threading.Lock()
        self._known: tuple[State, datetime] | None = None

    def stopped(self) -> str | None:
        """Tell why nothing may be sent now, None if all is well; at most two seconds old."""
        with self._lock:
            now = self._now()
            if self._known is None or not clock.recent(self._known[1], now, BELIEVED):
                self._known = (self.state(), now)
            state = self._known[0]
        return state.reason or Message("paused-without-reason") if state.stopped else None

    def forget(self) -> None:
        """Read the switch again when next asked; for the start of an invocation."""
        with self._lock:
            self._known = None

    def state(self) -> State:
        """Read the switch as it is now. An item a person broke counts as stopped: better still than wrong."""
        item = self._register.get(NAME)
        return State() if item is None else _state(item)

    def pause(self, who: str, reason: str, account: str = "") -> State:
        """Stop all sending. The first reason is kept, but a person replaces a stop that would end itself."""
        new = {"stopped": True, "reason": shorten(reason, 500), "by": who, "at": clock.text(self._now())}
        new |= {"details": stored(reason)} if isinstance(reason, Message) else {}
        return self._throw(
            new | ({"account": account} if account else {}),
            unless=lambda state: state.stopped and bool(account or not state.account),
        )

    def trip(self, reason: str, who: str, account: str) -> None:
        """Stop all sending because the API refused everybody; `account` names the address and credentials in use."""
        self.pause(who, reason, account)
        log.error("line.stopped", by=who)

    def mend(self, account: str) -> bool:
        """End a stop that was made for another account than this one; tell whether the line goes now."""
        state = self.state()
        if state.stopped and state.account and state.account != account:
            state = self.resume("new credentials")
        return not state.stopped

    def resume(self, who: str) -> State:
        """Let mails go again."""
        new = {"stopped": False, "reason": "", "by": who, "at": clock.text(self._now())}
        return self._throw(new, unless=lambda state: not state.stopped)

    def _throw(self, new: Mapping[str, Any], unless: Callable[[State], bool]) -> State:
        seen = self._register.get(NAME)
        for _ in range(TRIES):
            if unless(_state(seen) if seen is not None else State()):
                break
            won, seen = self._register.swap(NAME, seen, new)
            if won:
                log.warning("switch.thrown", stopped=new["stopped"], by=new["by"])
                break
        state = _state(seen) if seen is not None else State()
        with self._lock:
            self._known = (state, self._now())
        return state


def sentence(reason: str, who: str) -> str:
    """Say why a person stops all sending, as a sentence: on the mails more follows. Who it was is reason enough."""
    reason = " ".join(reason.split())
    if not reason:
        return Message("paused-by", who=who)
    return reason if reason.endswith(ENDS) else f"{reason}."


def _state(item: Mapping[str, Any]) -> State:
    stopped = item.get("stopped")
    broken = not isinstance(stopped, bool)
    details = item.get("details")
    said = read_back(details) if isinstance(details, Mapping) else None
    reason = Message("pause-unreadable") if broken else said or str(item.get("reason", ""))
    words = {name: str(item.get(name, "")) for name in ("by", "account")}
    return State(stopped is not False, reason, words["by"], clock.parse(item.get("at")), words["account"])
