"""The error stop list: addresses that the mail API does not try any more for a while."""

from itertools import pairwise

from outbox.local.sandbox.bounce import HARDERROR, Bounce

# Two hard errors within two weeks; the real one says «up to» two weeks, what shortens them is unknown.
FORTNIGHT = 14 * 24 * 3_600.0


class StopList:
    """Hard errors by address, upper and lower case alike, and whom they stop."""

    def __init__(self) -> None:
        self._errors: dict[str, list[Bounce]] = {}

    def count(self, bounce: Bounce) -> None:
        """Take note of a hard error; other bounces do not count, or a DROP would prolong itself for ever."""
        if bounce.type == HARDERROR:
            self._errors.setdefault(bounce.email.lower(), []).append(bounce)

    def errors(self) -> list[Bounce]:
        """Return all hard errors."""
        return [error for errors in self._errors.values() for error in errors]

    def stopping(self, now: float) -> list[Bounce]:
        """Return for each address on the list the error that keeps it there."""
        found = (self.stopped(email, now) for email in self._errors)
        return [error for error in found if error is not None]

    def stopped(self, email: str, now: float) -> Bounce | None:
        """Return the error that keeps this address on the list, None when it is not there."""
        errors = self._errors.get(email.lower(), [])
        stopping = [last for first, last in pairwise(errors) if last.at - first.at <= FORTNIGHT]
        return next((last for last in reversed(stopping) if now < last.at + FORTNIGHT), None)
