"""Rules that make the sandbox misbehave, and which request each of them hits."""

import itertools
import random
import re
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from outbox.local.sandbox import checks
from outbox.local.sandbox.bounce import PLAN_CHECKS, Plan, plan_from

Mode = Literal[
    "rate_limited", "server_error", "accept_then_error", "accept_then_hang", "accept_then_reset", "reset",
    "hang", "slow", "refuse_address", "unauthorized", "forbidden", "locked", "unreadable", "redirect",
    "bounce",
]  # fmt: skip
Kind = Literal["sends", "reads"]

# One sentence each, for the page and for the error message of an unknown mode.
MODES: dict[Mode, str] = {
    "rate_limited": "429, nothing stored; `retry_after` and `headers` say what the headers claim",
    "server_error": "500, or `status`, with a gateway's HTML page; nothing stored",
    "accept_then_error": "stored, then 502 (or `status`) with a gateway's HTML page",
    "accept_then_hang": "stored, then no answer until the client gives up",
    "accept_then_reset": "stored, then the connection is reset without an answer",
    "reset": "connection reset, nothing stored",
    "hang": "no answer until the client gives up, nothing stored",
    "slow": "stored at once, answered normally after `seconds`",
    "refuse_address": "400 with a field error on `to`",
    "unauthorized": "401",
    "forbidden": "403",
    "locked": "423",
    "unreadable": "stored, 201 with a body that breaks off (or with `body`)",
    "redirect": "307, or `status`, to `location`; nothing stored",
    "bounce": "accepted, bounces afterwards: `type`, `code`, `message`, `copies`, `delay`, `early` before the answer",
}
STORING = frozenset[Mode]({"accept_then_error", "accept_then_hang", "accept_then_reset", "unreadable"})
SENDS_ONLY = frozenset[Mode]({"accept_then_error", "accept_then_hang", "accept_then_reset", "refuse_address", "bounce"})


@dataclass(frozen=True, slots=True)
class Call:
    """What a rule looks at: a send that would be accepted or not, or a read."""

    kind: Kind
    to: str = ""
    subject: str = ""
    acceptable: bool = True


@dataclass(frozen=True, slots=True)
class Match:
    """Narrows a rule: a whole address (`*` stands for anything, case ignored), a part of the subject."""

    to: str | None = None
    subject: str | None = None

    def fits(self, call: Call) -> bool:
        """Tell whether the call is one of those meant; no read ever matches an address or a subject."""
        if self.to is not None and not _like(self.to).fullmatch(call.to):
            return False
        return self.subject is None or self.subject in call.subject


def _like(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.IGNORECASE | re.DOTALL)


@dataclass(slots=True, kw_only=True)
class Rule:
    """One fault switched on; the counters show how often it was looked at and hit."""

    mode: Mode
    id: int = 0
    on: Literal["sends", "reads", "all"] = "sends"
    times: int | None = None
    every: int | None = None
    probability: float | None = None
    match: Match = field(default_factory=Match)
    seconds: float = 1.0
    retry_after: str | None = None
    headers: bool = True
    status: int | None = None
    body: str | None = None
    location: str = "/_sandbox/redirected"
    bounce: Plan | None = None
    matched: int = 0
    fired: int = 0

    @property
    def spent(self) -> bool:
        """Tell whether it has hit as often as it was meant to."""
        return self.times is not None and self.fired >= self.times

    def hits(self, call: Call, chance: random.Random) -> bool:
        """Count the call and tell whether the fault strikes it."""
        if self.spent or self.on not in {"all", call.kind} or not self.match.fits(call):
            return False
        # What would be refused anyway cannot be stored: leave the fault for a mail that can.
        if self.mode in STORING and not call.acceptable:
            return False
        self.matched += 1
        if self.every is not None and self.matched % self.every:
            return False
        if self.probability is not None and chance.random() >= self.probability:
            return False
        self.fired += 1
        return True

    def as_json(self) -> dict[str, Any]:
        """Return it as a test or a person reads it."""
        shown = asdict(self) | {"spent": self.spent}
        plan = shown.pop("bounce")
        return shown | (plan or {})


class Faults:
    """The rules in the order they were switched on; the first that hits plays.

    Bounces have a line of their own: a mail whose answer is lost can bounce as well.
    """

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._chance = random.Random()  # noqa: S311 - chance, not a secret
        self.rules: list[Rule] = []

    def add(self, rule: Rule) -> Rule:
        """Switch a fault on."""
        rule.id = next(self._ids)
        self.rules.append(rule)
        return rule

    def remove(self, rule_id: int) -> bool:
        """Switch one off; False when there is none of that id."""
        kept = [rule for rule in self.rules if rule.id != rule_id]
        found = len(kept) < len(self.rules)
        self.rules = kept
        return found

    def clear(self) -> None:
        """Switch all of them off."""
        self.rules = []

    def strike(self, call: Call) -> Rule | None:
        """Return the rule that this call runs into."""
        return next((rule for rule in self.rules if rule.bounce is None and rule.hits(call, self._chance)), None)

    def plan(self, call: Call) -> Plan | None:
        """Return how this accepted mail bounces, for the recipient that is the call's `to`."""
        hit = (rule.bounce for rule in self.rules if rule.bounce is not None and rule.hits(call, self._chance))
        return next(hit, None)


_MATCH_CHECKS: dict[str, checks.Check] = {
    "to": checks.optional(checks.text()),
    "subject": checks.optional(checks.text()),
}
_CHECKS: dict[str, checks.Check] = {
    "mode": checks.one_of(*MODES),
    "on": checks.one_of("sends", "reads", "all"),
    "times": checks.optional(checks.integer(1, 1_000_000)),
    "every": checks.optional(checks.integer(1, 1_000_000)),
    "probability": checks.optional(checks.number(0, 1)),
    "match": checks.optional(checks.inner(_MATCH_CHECKS)),
    "seconds": checks.number(0, 3_600),
    "retry_after": checks.optional(checks.header),
    "headers": checks.one_of(True, False),
    "status": checks.optional(checks.integer(300, 599)),
    "body": checks.optional(checks.text(least=0)),
    "location": checks.header,
}
_STATUSES: dict[Mode, range] = {
    "server_error": range(500, 600),
    "accept_then_error": range(500, 600),
    "redirect": range(300, 400),
}


def rule_from(payload: object) -> Rule:
    """Read a rule from JSON; raises BadInput naming the field."""
    values = checks.fields(payload, _CHECKS | PLAN_CHECKS)
    if "mode" not in values:
        raise checks.BadInput("mode", f"is missing; one of {', '.join(MODES)}")
    values["match"] = Match(**(values.get("match") or {}))
    plan = {name: values.pop(name) for name in PLAN_CHECKS if name in values}
    if plan and values["mode"] != "bounce":
        raise checks.BadInput(next(iter(plan)), f"must be left out for {values['mode']}, it is for bounce")
    rule = Rule(**values, bounce=plan_from(plan) if values["mode"] == "bounce" else None)
    _check_combination(rule)
    return rule


def _check_combination(rule: Rule) -> None:
    if rule.mode in SENDS_ONLY and rule.on != "sends":
        raise checks.BadInput("on", f"must be sends for {rule.mode}, not {rule.on!r}")
    if rule.status is None:
        return
    statuses = _STATUSES.get(rule.mode, range(0))
    if rule.status not in statuses:
        allowed = f"from {statuses.start} to {statuses.stop - 1}" if statuses else "left out"
        raise checks.BadInput("status", f"must be {allowed} for {rule.mode}, not {rule.status}")
