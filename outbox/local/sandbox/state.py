"""All that the sandbox knows, in memory and gone with it; used by one event loop only."""

import itertools
import time
from collections.abc import Callable
from dataclasses import replace

from outbox.local.sandbox.background import Background
from outbox.local.sandbox.bounce import TYPES, Bounce
from outbox.local.sandbox.counters import Counters
from outbox.local.sandbox.faults import Faults
from outbox.local.sandbox.mail import Delivery, Mail, MailLog
from outbox.local.sandbox.rate import RateLimit
from outbox.local.sandbox.settings import SandboxSettings
from outbox.local.sandbox.stop_list import StopList
from outbox.local.sandbox.webhooks import Webhooks


class State:
    """Mails, mail logs, faults, settings and counters behind one door."""

    def __init__(self, settings: SandboxSettings, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.background = Background()
        self._at_start = settings
        # Not reset: an id never means two mails to whoever still remembers the first.
        self._delivery_ids = itertools.count(1)
        self._maillog_ids = itertools.count(1)
        self.reset()

    def reset(self) -> None:
        """Forget everything, stop what goes on, and go back to the settings of the start."""
        self.background.cancel()
        self.settings = self._at_start
        self.faults = Faults()
        self.counters = Counters()
        self.rate = RateLimit()
        self.webhooks = Webhooks(self.background)
        self.stop_list = StopList()
        self._deliveries: dict[int, Delivery] = {}
        self._recipients: dict[int, tuple[int, str]] = {}
        self._bounces: dict[int, tuple[Bounce, ...]] = {}

    def accept(self, mail: Mail) -> Delivery:
        """Store a mail under a new delivery id, with one mail-log id for each recipient."""
        now = self.clock()
        delivery = Delivery(next(self._delivery_ids), now, mail)
        self._deliveries[delivery.delivery_id] = delivery
        for email in mail.recipients:
            self._recipients[next(self._maillog_ids)] = (delivery.delivery_id, email)
        self.counters.sent(now)
        return delivery

    def bounced(self, bounce: Bounce) -> None:
        """Note a bounce; one of an unknown delivery or of no known type is only heard of by the webhook."""
        if bounce.delivery_id in self._deliveries and bounce.type in TYPES:
            self._bounces[bounce.delivery_id] = (*self._bounces.get(bounce.delivery_id, ()), bounce)
            self.stop_list.count(bounce)

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
        findable = {each.delivery_id: each for each in self.findable_deliveries()}
        logs = []
        for maillog_id, (delivery_id, email) in self._recipients.items():
            delivery = findable.get(delivery_id)
            if delivery is not None and delivery.sent_at is not None:
                logs.append(MailLog(maillog_id, delivery_id, email, delivery.sent_at, delivery.bounces_of(email)))
        return logs

    # Both delays are applied when somebody looks, so that changing them acts on older mails as well.
    def _findable(self, delivery: Delivery) -> bool:
        return delivery.received_at + self.settings.visibility_delay <= self.clock()

    def _as_of_now(self, delivery: Delivery) -> Delivery:
        sent_at = delivery.received_at + self.settings.delivery_delay
        bounces = self._bounces.get(delivery.delivery_id, ())
        return replace(delivery, sent_at=sent_at if sent_at <= self.clock() else None, bounces=bounces)
