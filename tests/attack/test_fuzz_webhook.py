"""Thousands of calls of the webhook, right ones, mutated ones and garbage: never an exception, never half a bounce.

After each call what is stored is compared with a model of its own: which events there are, and until when whom.
"""

import json
import os
import random
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from outbox.adapters import logs
from outbox.core import bounce as bounces
from outbox.core import clock as clocks
from outbox.core.bounce import BOUNCE, UNREADABLE
from outbox.core.suppression import MOST_ERRORS, suppressed
from tests.attack.calls import PAIRS, RIGHT, SOURCE, START, Hook, a_call, parsed
from tests.attack.figures import count

CALLS = int(os.environ.get("OUTBOX_FUZZ_CALLS", "3000"))
WORLDS = 30
WHOLE = {"id", "type", "finished_at", "day", "received_at", "expires_at"}
TWO_WEEKS = timedelta(days=14)


def check(hook: Hook) -> None:
    """Compare what is stored with what must be: whole bounces, and entries that say what they mean."""
    history, entries, now = hook.world.store.history, hook.world.suppressions.entries, hook.world.clock()
    of_address: dict[str, list[Any]] = {}
    for name, item in history.items():
        assert name.startswith(BOUNCE)
        assert item.keys() >= WHOLE
        assert ("problem" in item) is (item["type"] == UNREADABLE) is ("recipient" not in item)
        of_address.setdefault(item.get("recipient", ""), []).append(item)
    assert set(entries) <= set(of_address)
    for email, items in of_address.items():
        check_entry(entries.get(email), items if email else [], now)


def check_entry(entry: Any, items: list[Any], now: datetime) -> None:
    """Hold the entry of an address to the bounces stored for it."""
    hard = {item["id"]: clocks.parse(item["finished_at"]) for item in items if item["type"] == "HARDERROR"}
    drops = [clocks.parse(item["finished_at"]) for item in items if item["type"] == "DROP"]
    matter = sorted((at, name) for name, at in hard.items() if at + 2 * TWO_WEEKS > now)[-MOST_ERRORS:]
    errors = entry.get("errors", {}) if entry else {}
    assert errors.keys() <= hard.keys()
    assert {name for _, name in matter} <= errors.keys()
    assert all(clocks.parse(errors[name]) == hard[name] for name in errors)
    until = model_until(sorted(hard.values()), drops)
    stored = entry["suppressed_until"] if entry and suppressed(entry, now) else None
    assert stored == (clocks.text(until) if until and until > now else None)


def model_until(hard: list[datetime], drops: list[datetime]) -> datetime | None:
    """Say until when an address is suppressed, straight from the rule."""
    ends = [at + TWO_WEEKS for at in drops]
    ends += [late + TWO_WEEKS for early, late in pairwise(hard) if late - early <= TWO_WEEKS]
    begun = [end - TWO_WEEKS for end in ends]
    # A hard error while the address is suppressed makes it longer.
    for at in hard:
        if any(begin <= at <= begin + TWO_WEEKS for begin in begun):
            begun.append(at)
    return max(begun) + TWO_WEEKS if begun else None


def total(answer: Any) -> int:
    return sum(json.loads(answer["body"]).values())


@pytest.mark.parametrize("seed", range(WORLDS))
def test_whatever_is_called_every_bounce_is_whole_and_written_once(seed, capsys):
    """The status is the right one; a refused call writes nothing; what failed comes again and is complete then."""
    logs.configure()
    hook = Hook(random.Random(seed))
    for _ in range(CALLS // WORLDS):
        hook.world.clock.forward(minutes=hook.chance.randrange(60))
        call = a_call(hook)
        before = len(hook.world.store.history)
        answer = hook.call(call.event, call.faults, stalled=call.stalled)
        status = answer["statusCode"]
        assert status in call.statuses, (status, call)
        count("webhook", calls=1, **{f"status_{status}": 1})
        if call.statuses <= {200, 503} and not call.stalled:
            events = parsed(call.body)["events"]
            hook.expected |= {bounces.read(event, 0, START).id for event in events}
            if status == 503:
                check(hook)
                answer = hook.call(call.event)
                count("webhook", calls=1, sent_again=1)
            assert total(answer) == len(events)
            assert set(hook.world.store.history) == hook.expected
            count("webhook", events=len(events))
        else:
            assert len(hook.world.store.history) == before
        check(hook)
    count("webhook", bounces=len(hook.world.store.history), addresses=len(hook.world.suppressions.entries))
    assert len(set(hook.said.values())) == len(hook.said)
    check_logs(capsys.readouterr().out)


def check_logs(said: str) -> None:
    """Nothing of a call is in the logs: no credentials, no address, no text."""
    assert "webhook.recorded" in said
    for secret in (
        *(password for _, password in PAIRS),
        *(right[6:] for right in RIGHT),
        "@",
        "secret",
        "query",
        SOURCE,
    ):
        assert secret not in said.lower().replace("the secret with the webhook's credentials", "")
