"""Bounces as plain values: one that happened, and what a rule plans for the mails it hits."""

from dataclasses import dataclass
from typing import Any

from outbox.local.sandbox import checks, invented

DROP, SOFTERROR, HARDERROR = "DROP", "SOFTERROR", "HARDERROR"
TYPES = (DROP, SOFTERROR, HARDERROR)
# Only the first was seen, decoration included.
_CODES = {DROP: "554(errors)", SOFTERROR: "450", HARDERROR: "550"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounce:
    """What the mail API says of one recipient of a delivery; `at` is seconds since 1970."""

    delivery_id: int
    email: str
    type: str
    code: str
    message: str
    at: float

    def about(self, email: str) -> bool:
        """Tell whether it is about this address, however it is spelled."""
        return self.email.lower() == email.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a mail is to bounce; code and message follow from the type unless given."""

    type: str = HARDERROR
    code: str | None = None
    message: str | None = None
    copies: int = 1
    delay: float = 0.0
    early: bool = False

    def bounce(self, delivery_id: int, email: str, now: float) -> Bounce:
        """Return the bounce as it happens now."""
        return bounce_now(self.type, delivery_id, email, now, code=self.code, message=self.message)


PLAN_CHECKS: dict[str, checks.Check] = {
    "type": checks.one_of(*TYPES),
    "code": checks.optional(checks.text(least=0)),
    "message": checks.optional(checks.text(least=0)),
    "copies": checks.integer(1, 1_000),
    "delay": checks.number(0, 86_400),
    "early": checks.one_of(True, False),
}
# The mail API does not even try to reach an address on its error stop list.
STOPPED = Plan(type=DROP)


def plan_from(values: dict[str, Any]) -> Plan:
    """Make a plan of checked values; raises BadInput naming the field that does not go with another."""
    plan = Plan(**values)
    if plan.early and plan.delay:
        raise checks.BadInput("delay", "must be left out for early, whose bounce comes before the answer")
    return plan


def bounce_now(  # noqa: PLR0913 - a bounce has as many parts
    kind: str, delivery_id: int, email: str, now: float, *, code: str | None = None, message: str | None = None
) -> Bounce:
    """Return a bounce with the usual code and message of its type where none is given."""
    return Bounce(
        delivery_id=delivery_id,
        email=email,
        type=kind,
        code=_CODES.get(kind, "") if code is None else code,
        message=invented.BOUNCES.get(kind, "") if message is None else message,
        at=now,
    )
