"""Which addresses get no mail because mail to them came back, after the rule of the mail API's own error stop list.

                 `after` hard errors within `within`, or one DROP
    [no entry] ---------------------------------------------------> suppressed until the last of them + `for_`
        ^                                                             |     ^
        |  a person lifts it, or its time is over                     |     |  a hard error meanwhile: longer
        +-------------------------------------------------------------+-----+

The order in which events arrive does not matter. A person may write an entry by hand: the address alone, or one without
a readable `suppressed_until`, is suppressed without end, and no bounce changes that.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from outbox.core import change, clock
from outbox.core.bounce import DROP, HARD, Bounce
from outbox.core.change import Expect
from outbox.core.message import Language, Message, read_back, render, stored
from outbox.core.ports import LONG_AGO
from outbox.core.row import Item
from outbox.core.text import shorten

SUPPRESSING = (HARD, DROP)
MOST_ERRORS = 20
LONGEST_REASON = 500
# Who lifted or wrote an entry stays to be seen; longer than any event from before takes to come.
KEPT = timedelta(days=366)
FOREVER = datetime.max.replace(tzinfo=UTC)
# A person who types such a year means for ever; no span can be added to it.
FAR = FOREVER.replace(year=9000)
MARKS = ("suppressed_since", "suppressed_until", "reason")
CAUSE = ("type", "code", "delivery_id", "suppressed_by", "details")
# By whether it is known since when, and until when.
CODES: Mapping[tuple[bool, bool], str] = {
    (True, True): "suppressed-since-until",
    (True, False): "suppressed-since-ever",
    (False, True): "suppressed-until",
    (False, False): "suppressed-ever",
}
# A hand in the DynamoDB console leaves `nonce` as it is: what else it may change is compared as well.
COMPARED = ("nonce", "errors", "lifted_at", *MARKS)

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Rule:
    """When an address is suppressed and for how long; the defaults are the mail API's own."""

    after: int = 2
    within: timedelta = timedelta(days=14)
    for_: timedelta = timedelta(days=14)

    def __post_init__(self) -> None:
        """Refuse a rule that could never hold. Raises ValueError."""
        spans = timedelta(0) <= self.within <= KEPT and timedelta(0) < self.for_ <= KEPT
        if not 1 <= self.after <= MOST_ERRORS or not spans:
            message = f"a rule takes 1 to {MOST_ERRORS} errors, and spans of up to {KEPT.days} days"
            raise ValueError(message)

    @property
    def memory(self) -> timedelta:
        """How long an error, or a suppression that is over, can still matter to events that come weeks late."""
        return self.within + 2 * self.for_


def after_bounce(
    entry: Item | None, bounce: Bounce, rule: Rule, now: datetime, language: Language = "en"
) -> dict[str, Any] | None:
    """Give the entry of an address as a bounce makes it, the reason in a language; None when nothing changes."""
    before, errors = _span(entry), _errors(entry, now)
    at = min(bounce.happened_at, now)
    if bounce.type not in SUPPRESSING or bounce.id in errors or _is_settled(entry, before, at):
        return None
    if bounce.type == HARD:
        errors = errors | {bounce.id: at}
    span = _spanned(before, errors.values(), at if bounce.type == DROP else None, rule)
    errors = {name: moment for name, moment in errors.items() if moment + rule.memory > now}
    if bounce.id not in errors and (span is None or span == before or span[1] + rule.memory <= now):
        return None
    latest = sorted(errors.items(), key=lambda error: (error[1], error[0]))[-MOST_ERRORS:]
    new = {**(entry or {}), "email": bounce.email, "errors": {name: clock.text(moment) for name, moment in latest}}
    if span is not None and span != before:
        reason = _reason(bounce, at, errors.values(), rule)
        new = _marked(new, span, _cause(bounce, reason, language) if before is None or span[1] != before[1] else {})
    ends = [moment for _, moment in latest] + ([span[1]] if span else [])
    return new | {"expires_at": _epoch(max(ends) + rule.memory)}


def suppressed(entry: Item | None, now: datetime) -> Message | None:
    """Say «since … until …: …» of an address that is suppressed; None when it is not."""
    span = _span(entry)
    if entry is None or span is None or span[1] <= now:
        return None
    since = {"since": clock.text(span[0])} if span[0] > LONG_AGO else {}
    until = {"until": clock.text(span[1])} if span[1] != FOREVER else {}
    return Message(CODES[bool(since), bool(until)], **since, **until, why=why(entry))


def why(entry: Item) -> str:
    """Say why an address is suppressed: a `Message` where the service did it, a person's words where they did."""
    details = entry.get("details")
    if isinstance(details, Mapping) and (said := read_back(details)):
        return said
    return shorten(str(entry.get("reason") or ""), LONGEST_REASON) or Message("suppressed-without-reason")


def lifted(entry: Item, who: str, now: datetime) -> dict[str, Any]:
    """Give the entry of an address that may get mail again; what happened before never counts again."""
    rest = {name: value for name, value in entry.items() if name not in (*MARKS, *CAUSE, "errors")}
    return rest | {"lifted_at": clock.text(now), "lifted_by": who, "expires_at": _epoch(now + KEPT)}


def by_hand(email: str, who: str, reason: str, now: datetime, until: datetime | None = None) -> dict[str, Any]:
    """Give the entry of an address that a person suppresses, without end unless said."""
    entry: dict[str, Any] = {"email": email, "suppressed_since": clock.text(now), "suppressed_by": who}
    if reason:
        entry["reason"] = shorten(reason, LONGEST_REASON)
    if isinstance(reason, Message):
        entry["details"] = stored(reason)
    if until is not None:
        entry |= {"suppressed_until": clock.text(until), "expires_at": _epoch(until)}
    return entry


def unchanged(entry: Item) -> Expect:
    """Expect an entry to be as it was read, whoever may write it."""
    return change.seen(entry, *COMPARED)


def _is_settled(entry: Item | None, span: Span | None, at: datetime) -> bool:
    """Tell whether a person's word stands above what happened then: no end, or lifted since."""
    lifted_at = _moment((entry or {}).get("lifted_at"))
    return (span is not None and span[1] == FOREVER) or (lifted_at is not None and at < lifted_at)


def _span(entry: Item | None) -> Span | None:
    """Read since when and until when, past times included; None for never, or lifted."""
    if entry is None:
        return None
    since, lifted_at = _moment(entry.get("suppressed_since")), _moment(entry.get("lifted_at"))
    if not any(name in entry for name in MARKS) and ("errors" in entry or "lifted_at" in entry):
        return None
    if lifted_at and since is not None and since < lifted_at:
        return None
    until = _moment(entry.get("suppressed_until"))
    return since or LONG_AGO, until if until and until < FAR else FOREVER


def _spanned(span: Span | None, hard: Iterable[datetime], drop: datetime | None, rule: Rule) -> Span | None:
    """Give the time of suppression that all these make together, the latest if there are several."""
    times = sorted(hard)
    for at in sorted({*times, *([drop] if drop else [])}):
        enough = sum(at - rule.within <= error <= at for error in times) >= rule.after
        meanwhile = span is not None and span[0] <= at <= span[1]
        if enough or meanwhile or at == drop:
            span = _joined(span, (at, at + rule.for_))
    return span


def _joined(span: Span | None, other: Span) -> Span:
    if span is None or other[0] > span[1]:
        return other
    return span if other[1] < span[0] else (min(span[0], other[0]), max(span[1], other[1]))


def _marked(entry: Mapping[str, Any], span: Span, cause: dict[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in entry.items() if not cause or name not in CAUSE}
    since = {"suppressed_since": clock.text(span[0])} if span[0] > LONG_AGO else {}
    return rest | cause | since | {"suppressed_until": clock.text(span[1])}


def _cause(bounce: Bounce, reason: Message, language: Language) -> dict[str, Any]:
    said = {
        "type": bounce.type,
        "code": bounce.code,
        "delivery_id": bounce.delivery_id,
        "reason": render(reason, language),
    }
    return {name: value for name, value in said.items() if value} | {"details": stored(reason)}


def _reason(bounce: Bounce, at: datetime, errors: Iterable[datetime], rule: Rule) -> Message:
    count = sum(at - rule.within <= error <= at for error in errors)
    if bounce.type == DROP:
        code = "suppression.listed"
    elif count >= rule.after:
        code = "suppression.errors" if count > 1 else "suppression.error"
    else:
        code = "suppression.meanwhile"
    delivery = Message("suppression.delivery", id=bounce.delivery_id) if bounce.delivery_id else ""
    days = f"{rule.within / timedelta(days=1):g}"
    kind = f"{bounce.type} {bounce.code}".strip()
    return Message(code, kind=kind, at=clock.text(at), delivery=delivery, count=count, days=days)


def _errors(entry: Item | None, now: datetime) -> dict[str, datetime]:
    listed = (entry or {}).get("errors")
    found = {name: _moment(value) for name, value in listed.items()} if isinstance(listed, Mapping) else {}
    # Another worker's clock may be ahead, and a person may have typed any year.
    return {name: min(moment, now) for name, moment in found.items() if moment}


def _moment(written: object) -> datetime | None:
    """Read a moment as a person may type it, in UTC unless said; None if it is none."""
    try:
        moment = datetime.fromisoformat(written.strip()) if isinstance(written, str) else None
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC) if moment else None
    except (ValueError, OverflowError):
        return None
    return moment if moment is None or moment > LONG_AGO else LONG_AGO


def _epoch(moment: datetime) -> int:
    return math.ceil(moment.timestamp())
