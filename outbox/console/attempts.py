"""Bounds how often somebody may try to sign in: who guesses passwords needs many tries."""

import ipaddress
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

WITHIN = 60.0
# In all, since each takes a third of a second to look at, one after another, and a little memory until it is forgotten.
MOST_OF_A_NAME, MOST_OF_AN_ADDRESS, MOST = 5, 20, 120


class TooManyAttempts(Exception):
    """No more may be tried for so many seconds (`wait`)."""

    def __init__(self, wait: int) -> None:
        self.wait = wait
        super().__init__(f"too many failed attempts; wait {wait} s")


class _Try(NamedTuple):
    at: float
    name: str
    address: str


class Attempts:
    """Counts the failed tries of the last minute: 5 of a name from one address, 20 from that address, 120 in all.

    So who guesses keeps out nobody but those at the same address. Behind a proxy all come from the address of the
    proxy, which had better bound them itself: there, who guesses at a name keeps its owner out as well, and twenty
    failures everybody. It never holds more than those 120.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._failed: deque[_Try] = deque()

    def begin(self, name: str, address: str = "") -> None:
        """Count a try as failed until `succeeded` says otherwise, so that tries at once are bounded as well.

        Raises `TooManyAttempts`.
        """
        place = _network(address)
        with self._lock:
            now = self._now()
            while self._failed and self._failed[0].at <= now - WITHIN:
                self._failed.popleft()
            near = [tried for tried in self._failed if tried.address == place]
            same = [tried for tried in near if tried.name == name]
            for tries, most in ((self._failed, MOST), (near, MOST_OF_AN_ADDRESS), (same, MOST_OF_A_NAME)):
                if len(tries) >= most:
                    raise TooManyAttempts(max(1, math.ceil(tries[0].at + WITHIN - now)))
            self._failed.append(_Try(now, name, place))

    def succeeded(self, name: str, address: str = "") -> None:
        """Take the latest try of a name from there back."""
        place = _network(address)
        with self._lock:
            for number in range(len(self._failed) - 1, -1, -1):
                if self._failed[number][1:] == (name, place):
                    del self._failed[number]
                    return


def _network(address: str) -> str:
    """Give what one machine has: of IPv6 it has 2⁶⁴ addresses."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address) or found.ipv4_mapped:
        return address
    return str(ipaddress.ip_network((int(found), 64), strict=False))
