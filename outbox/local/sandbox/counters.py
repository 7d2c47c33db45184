"""Count what was let through, refused and stored, second by second."""

from collections import Counter, deque
from typing import Any

# Stands for a status where a fault keeps the client without any.
NO_ANSWER = 0


class Counters:
    """Numbers for tests and for the inbox page, since the start or the last reset."""

    def __init__(self) -> None:
        self.allowed = 0
        self.refused = 0
        self.redirects_followed = 0
        self.answers: Counter[int] = Counter()
        self._sends: list[float] = []

    def sent(self, now: float) -> None:
        """Count one accepted mail, also when its answer was lost on purpose."""
        self._sends.append(now)

    def as_json(self) -> dict[str, Any]:
        """Return all numbers; the histogram's keys are seconds since 1970."""
        per_second = Counter(int(moment) for moment in self._sends)
        return {
            "requests": {"allowed": self.allowed, "refused": self.refused},
            "answers": {str(status or "none"): count for status, count in sorted(self.answers.items())},
            "sends": {
                "accepted": len(self._sends),
                "per_second": {str(second): count for second, count in sorted(per_second.items())},
                "busiest_second": _busiest(self._sends, 1),
                "busiest_minute": _busiest(self._sends, 60),
                "first": min(self._sends, default=None),
                "last": max(self._sends, default=None),
            },
            "redirects_followed": self.redirects_followed,
        }


def _busiest(moments: list[float], seconds: int) -> int:
    """Return the most that fell into any stretch of so many seconds, wherever it begins."""
    most = 0
    stretch: deque[float] = deque()
    for moment in sorted(moments):
        stretch.append(moment)
        while stretch[0] <= moment - seconds:
            stretch.popleft()
        most = max(most, len(stretch))
    return most
