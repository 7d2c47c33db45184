"""Count requests against the limit per minute, as a window or as a bucket."""

import math
from dataclasses import dataclass
from typing import Protocol

from outbox.local.sandbox.settings import RateAlgorithm, RateHeader, SandboxSettings

RETRY_AFTER = "X-Rate-Limit-Retry-After-Seconds"
_REMAINING: dict[RateHeader, tuple[str, ...]] = {
    "hyphenated": ("X-Rate-Limit-Remaining",),
    "joined": ("X-RateLimit-Remaining",),
    "both": ("X-Rate-Limit-Remaining", "X-RateLimit-Remaining"),
    "none": (),
}
# What rounding may add or take: not enough to make a client wait another second.
_TINY = 1e-6


@dataclass(frozen=True, slots=True)
class Ticket:
    """Whether a request may pass, how many more may, and the seconds until the next one may."""

    allowed: bool
    remaining: int
    retry_after: int = 0

    def headers(self, spelling: RateHeader) -> dict[str, str]:
        """Return the headers in the chosen spelling; `none` leaves out both kinds."""
        headers = dict.fromkeys(_REMAINING[spelling], str(self.remaining))
        if not self.allowed and spelling != "none":
            headers[RETRY_AFTER] = str(self.retry_after)
        return headers


def _refused(seconds: float) -> Ticket:
    return Ticket(allowed=False, remaining=0, retry_after=max(1, math.ceil(seconds - _TINY)))


class Limiter(Protocol):
    """Lets requests pass or not; limits may change between two calls."""

    def take(self, now: float, limit: int, minute: float) -> Ticket:
        """Count one request at this time."""
        ...


class Window:
    """So many in a minute that begins with its first request; refused ones are not counted."""

    def __init__(self) -> None:
        self._began = -math.inf
        self._used = 0

    def take(self, now: float, limit: int, minute: float) -> Ticket:
        """Count one request; the next minute begins when this one is over."""
        if now >= self._began + minute:
            self._began, self._used = now, 0
        if self._used >= limit:
            return _refused(self._began + minute - now)
        self._used += 1
        return Ticket(allowed=True, remaining=limit - self._used)


class Bucket:
    """A minute's worth of tokens, refilled evenly."""

    def __init__(self) -> None:
        self._tokens = math.inf
        self._at = 0.0

    def take(self, now: float, limit: int, minute: float) -> Ticket:
        """Count one request; a refused one takes no token."""
        self._tokens = min(limit, self._tokens + (now - self._at) * limit / minute)
        self._at = now
        if self._tokens < 1 - _TINY:
            return _refused((1 - self._tokens) * minute / limit)
        self._tokens -= 1
        return Ticket(allowed=True, remaining=int(self._tokens))


_ALGORITHMS: dict[RateAlgorithm, type[Window | Bucket]] = {"window": Window, "bucket": Bucket}


class RateLimit:
    """The limit of the whole account, whatever endpoint is called."""

    def __init__(self) -> None:
        self._limiters: dict[RateAlgorithm, Limiter] = {name: kind() for name, kind in _ALGORITHMS.items()}

    def take(self, now: float, settings: SandboxSettings) -> Ticket:
        """Count one request by the chosen algorithm."""
        limiter = self._limiters[settings.rate_algorithm]
        return limiter.take(now, settings.rate_per_minute, settings.minute_seconds)
