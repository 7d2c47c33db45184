"""One dispatcher at a time (or one a part): a lease that its holder renews and that a crash frees by itself."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from outbox.core import clock
from outbox.core.ports import Clock, Register

# Longer than any step between two renewals, short enough that a dead dispatcher is soon replaced.
SECONDS = 30.0


@dataclass(slots=True)
class Lease:
    """The right to dispatch one part of the lanes."""

    register: Register
    clock: Clock
    name: str
    holder: str = field(default_factory=lambda: secrets.token_hex(6))

    def take(self, yields_at: datetime | None = None) -> bool:
        """Take the lease, or renew it; False when another one holds it and is alive.

        From `yields_at` on whoever comes may take it over, so that a dispatcher whose time ends is replaced before.
        """
        seen = self.register.get(self.name)
        if seen is not None and seen.get("holder") != self.holder and not self._over(seen):
            return False
        new = {"holder": self.holder, "until": clock.text(self.clock() + timedelta(seconds=SECONDS))}
        if yields_at is not None:
            new["yields_at"] = clock.text(yields_at)
        return self.register.swap(self.name, seen, new)[0]

    def free(self) -> None:
        """Give the lease back, if it is still ours."""
        seen = self.register.get(self.name)
        if seen is not None and seen.get("holder") == self.holder:
            self.register.swap(self.name, seen, {"holder": "", "until": clock.text(self.clock())})

    def _over(self, seen: Mapping[str, Any]) -> bool:
        until, yields_at = clock.parse(seen.get("until")), clock.parse(seen.get("yields_at"))
        if yields_at is not None and yields_at <= self.clock():
            return True
        # No moment, or one farther off than any lease lasts (a clock that jumped, a hand): nobody holds it.
        return until is None or not self.clock() < until <= self.clock() + timedelta(seconds=2 * SECONDS)
