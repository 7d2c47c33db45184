"""All that the sandbox knows, in memory and gone with it; used by one event loop only."""

import itertools
import time
from collections.abc import Callable
from dataclasses import replace

from outbox.local.sandbox.counters import Counters
from outbox.local.sandbox.faults import Faults
from outbox.local.sandbox.mail import Delivery, Mail, MailLog
from outbox.local.sandbox.rate import RateLimit
from outbox.local.sandbox.settings import SandboxSettings


class State:
    """Mails, mail logs, faults, settings and counters behind one door."""

    def __init__(self, settings: SandboxSettings, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._at_start = settings
        # Not reset: an id never means two mails to whoever still remembers the first.
        self._delivery_ids = itertools.count(1)
        self._maillog_ids = itertools.count(1)
        self.reset()

    def reset(self) -> None:
        """Forget everything and go back to the settings of the start."""
        self.settings = self._at_start
        self.faults = Faults()
        self.counters = Counters()
        self.rate = RateLimit()
        self._deliveries: dict[int, Delivery] = {}
        self._recipients: dict[int, tuple[int, str]] = {}

    def accept(self, mail: Mail) -> Delivery:
        """Store a mail under a new delivery id, with one mail-log id for each recipient."""
        now = self.clock()
        delivery = Delivery(next(self._delivery_ids), now, mail)
        self._deliveries[delivery.delivery_id] = delivery
        for email in mail.recipients:
            self._recipients[next(self._maillog_ids)] = (delivery.delivery_id, email)
        self.counters.sent(now)
        return delivery

    def deliveries(self) -> list[Delivery]:
        """Return everything accepted, in that order, as it stands now."""
        return [self._as_of_now(delivery) for delivery in self._deliveries.values()]

    def delivery(self, delivery_id: int) -> Delivery | None:
        """Return one accepted mail."""
        found = self._deliveries.get(delivery_id)
        return None if found is None else self._as_of_now(found)

    def findable_deliveries(self) -> list[Delivery]:
        """Return what the mail API would show already."""
        return [delivery for delivery in self.deliveries() if self._findable(delivery)]

    def findable_logs(self) -> list[MailLog]:
        """Return the mail logs that the mail API would show already, oldest first."""
        sent = {each.delivery_id: each.sent_at for each in self.findable_deliveries()}
        logs = []
        for maillog_id, (delivery_id, email) in self._recipients.items():
            sent_at = sent.get(delivery_id)
            if sent_at is not None:
                logs.append(MailLog(maillog_id, delivery_id, email, sent_at))
        return logs

    # Both delays are applied when somebody looks, so that changing them acts on older mails as well.
    def _findable(self, delivery: Delivery) -> bool:
        return delivery.received_at + self.settings.visibility_delay <= self.clock()

    def _as_of_now(self, delivery: Delivery) -> Delivery:
        sent_at = delivery.received_at + self.settings.delivery_delay
        return replace(delivery, sent_at=sent_at) if sent_at <= self.clock() else delivery
