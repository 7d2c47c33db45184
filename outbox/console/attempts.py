"""Bounds how often somebody may try to sign in: who guesses passwords needs many tries."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable

WITHIN = 60.0
MOST_OF_A_NAME, MOST = 5, 20


class TooManyAttempts(Exception):
    """No more may be tried for so many seconds (`wait`)."""

    def __init__(self, wait: int) -> None:
        self.wait = wait
        super().__init__(f"too many failed attempts; wait {wait} s")


class Attempts:
    """Counts the failed tries of the last minute: 5 of a name, 20 in all. It never holds more than those 20."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._failed: deque[tuple[float, str]] = deque()

    def begin(self, name: str) -> None:
        """Count a try as failed until `succeeded` says otherwise, so that tries at once are bounded as well.

        Raises `TooManyAttempts`.
        """
        with self._lock:
            now = self._now()
            while self._failed and self._failed[0][0] <= now - WITHIN:
                self._failed.popleft()
            same = [at for at, tried in self._failed if tried == name]
            if len(self._failed) >= MOST:
                raise TooManyAttempts(_wait(self._failed[0][0], now))
            if len(same) >= MOST_OF_A_NAME:
                raise TooManyAttempts(_wait(same[0], now))
            self._failed.append((now, name))

    def succeeded(self, name: str) -> None:
        """Take the latest try of a name back."""
        with self._lock:
            for number in range(len(self._failed) - 1, -1, -1):
                if self._failed[number][1] == name:
                    del self._failed[number]
                    return


def _wait(first: float, now: float) -> int:
    return max(1, math.ceil(first + WITHIN - now))
