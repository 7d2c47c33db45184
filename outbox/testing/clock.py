"""A clock that stands still until it is moved."""

from datetime import UTC, datetime, timedelta


class TickingClock:
    """A clock that stands still until it is moved."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self.now = start

    def __call__(self) -> datetime:
        """Tell the moment it is now."""
        return self.now

    def forward(self, **span: float) -> None:
        """Move on by a span: `seconds=…`, `minutes=…`, `hours=…`."""
        self.now += timedelta(**span)
