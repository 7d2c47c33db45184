"""Moments in the viewer's zone, with its offset; how long ago, in words."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from outbox.core import clock
from outbox.core.errors import InvalidRequest
from outbox.core.message import Message

# What a browser's field for a moment gives: no zone, and seconds only if somebody typed them.
FORMS = ("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")
# How the service writes a moment: always UTC.
WRITTEN = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII)
# Names that say nothing of where one is.
NO_ZONES = {"Factory", "localtime", "posixrules"}


@cache
def names() -> tuple[str, ...]:
    """Name the zones one can choose."""
    return tuple(sorted(available_timezones() - NO_ZONES))


def zone(name: str) -> tzinfo:
    """Give a zone by its name; for an unknown name that of this machine, where a viewer on loopback is."""
    if name in names():
        return ZoneInfo(name)
    return datetime.now().astimezone().tzinfo or UTC


def moment(written: object) -> datetime | None:
    """Read a moment a row holds, or take one."""
    return written if isinstance(written, datetime) else clock.parse(written)


def shown(written: object, where: tzinfo) -> str:
    """Write a moment for a person: 2026-01-31 09:00:00 +09:00; what is no moment as it is."""
    found = moment(written)
    if found is None:
        return str(written)
    # A moment that a person typed, at the very end of the calendar, stays in its own zone.
    with suppress(OverflowError):
        found = found.astimezone(where)
    return re.sub(r"([+-]\d\d:\d\d)\Z", r" \1", found.isoformat(" ", "seconds"))


def local(sentence: str, where: tzinfo) -> str:
    """Put the moments that the service wrote into a sentence into the viewer's zone."""
    return WRITTEN.sub(lambda found: shown(found[0], where), sentence)


def typed(written: str, name: str, where: tzinfo, *, last: bool = False) -> datetime | None:
    """Read a moment or a day from a form, in the viewer's zone; `last`: the last moment of a day.

    Raises `InvalidRequest` naming the field.
    """
    if not written.strip():
        return None
    for form in ("%Y-%m-%d", *FORMS):
        try:
            found = datetime.strptime(written.strip(), form).replace(tzinfo=where)
        except ValueError:
            continue
        if last and form == "%Y-%m-%d":
            found += timedelta(days=1) - timedelta(milliseconds=1)
        try:
            return found.astimezone(UTC)
        except OverflowError:
            break
    raise InvalidRequest(Message("request.local-moment", field=name, written=repr(written[:40])))


def ago(then: datetime, now: datetime) -> tuple[int, str]:
    """Say how long ago something was: a number and its unit (seconds, minutes, hours, days)."""
    seconds = max(0, int((now - then).total_seconds()))
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return seconds // size, unit
    return seconds, "seconds"
