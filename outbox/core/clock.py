"""Moments as rows hold them: UTC in ISO 8601 with milliseconds, always of one width, so that text sorts as time."""

import re
from datetime import UTC, datetime, timedelta

FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)


def text(moment: datetime) -> str:
    """Write a moment the way rows hold it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def parse(written: object) -> datetime | None:
    """Read a moment a row holds; None if it is none (a person may have typed anything)."""
    if not isinstance(written, str) or not FORM.fullmatch(written):
        return None
    try:
        return datetime.fromisoformat(written)
    except ValueError:
        return None


def recent(moment: datetime | None, now: datetime, span: timedelta) -> bool:
    """Tell whether less than a span has passed since a moment; for a clock that was set back before it, no.

    Whatever is remembered between two invocations gets old by the wall clock: the monotonic clock may stand still
    while a function is frozen.
    """
    return moment is not None and timedelta(0) <= now - moment < span


def now() -> datetime:
    """Tell the time; flows are handed this function, so that a test can hand in another."""
    return datetime.now(UTC)
