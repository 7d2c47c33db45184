"""Moments as rows hold them: UTC in ISO 8601 with milliseconds, always of one width, so that text sorts as time."""

from datetime import UTC, datetime

WIDTH = len("2026-01-01T00:00:00.000Z")


def text(moment: datetime) -> str:
    """Write a moment the way rows hold it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def parse(written: object) -> datetime | None:
    """Read a moment a row holds; None if it is none (a person may have typed anything)."""
    if not isinstance(written, str) or len(written) != WIDTH or written[-1] != "Z":
        return None
    try:
        return datetime.fromisoformat(written)
    except ValueError:
        return None


def now() -> datetime:
    """Tell the time; flows are handed this function, so that a test can hand in another."""
    return datetime.now(UTC)
