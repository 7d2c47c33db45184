"""What several forms ask for alike: addresses and ids, and days of history, which are those of UTC."""

from collections.abc import Mapping
from datetime import UTC

from outbox.console.ask import Ask
from outbox.core.errors import InvalidRequest
from outbox.core.message import message_of
from outbox.core.text import size
from outbox.flows.find import utc_date

DAYS = ("since", "until")
# No key of a table is longer.
LONGEST_KEY = 2048


def days_problems(ask: Ask, typed: Mapping[str, str]) -> dict[str, str]:
    """Say of which field for a day nothing can be made."""
    found = {}
    for name in DAYS:
        try:
            if typed[name]:
                utc_date(name, typed[name])
        except InvalidRequest:
            found[name] = ask.words("A day is needed, such as 2026-01-31.")
    return found


def key_problems(ask: Ask, typed: Mapping[str, str], *names: str) -> dict[str, str]:
    """Say what no table can be asked for; `to` is a whole address."""
    found = {name: ask.words("That is too long.") for name in names if size(typed[name]) > LONGEST_KEY}
    if typed["to"] and "@" not in typed["to"]:
        found["to"] = ask.words("A whole address is needed, with its @.")
    return found


def problem_of_days(ask: Ask, error: InvalidRequest) -> str:
    """Say why two days, each of which is one, make no span."""
    return ask.words.said(message_of(error))


def midnight(ask: Ask) -> str:
    """Give the time of the viewer's day at which a day of UTC begins."""
    return f"{ask.now.astimezone(UTC).replace(hour=0, minute=0).astimezone(ask.zone):%H:%M}"
