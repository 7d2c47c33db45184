"""Make mails bounce: in the records, on the error stop list, and to the webhook."""

import asyncio
from collections.abc import Iterable
from typing import Any

from outbox.local.sandbox import rows
from outbox.local.sandbox.background import Task
from outbox.local.sandbox.bounce import STOPPED, Bounce, Plan
from outbox.local.sandbox.bounce_orders import Order
from outbox.local.sandbox.faults import Call
from outbox.local.sandbox.mail import Delivery
from outbox.local.sandbox.state import State


class Bouncer:
    """Bounces what rules and the stop list say, and what somebody asks for."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def accepted(self, delivery: Delivery) -> None:
        """Let a new mail bounce as it should; waits only for a webhook that is to be called early."""
        early: list[Task] = []
        for email in dict.fromkeys(delivery.mail.recipients):
            plan = self._plan(delivery, email)
            if plan is None:
                continue
            if plan.delay:
                self._state.background.start(self._play_later(plan, delivery, email))
                continue
            calls = self._play(plan, delivery, email)
            early += calls if plan.early else []
        if early:
            # Not gathered: a reset that cancels the calls must not cancel this request.
            await asyncio.wait(early)

    def carry_out(self, order: Order) -> dict[str, Any]:
        """Bounce what is asked for; returns the body that the webhook gets, and how often."""
        self._record(order.bounces)
        body = self._body(order.bounces)
        if order.together:
            body = {"events": body["events"] * order.times}
        calls = self._tell(body, 1 if order.together else order.times)
        return {"webhook": "on" if self._state.settings.webhook_url else "off", "calls": len(calls), "body": body}

    def listed_errors(self) -> list[Bounce]:
        """Return what the mail API's own list of errors has to show."""
        if self._state.settings.errors_show == "all":
            return self._state.stop_list.errors()
        return self._state.stop_list.stopping(self._state.clock()) if self._stops else []

    @property
    def _stops(self) -> bool:
        return self._state.settings.stop_list == "on"

    def _plan(self, delivery: Delivery, email: str) -> Plan | None:
        if self._stops and self._state.stop_list.stopped(email, self._state.clock()):
            return STOPPED
        return self._state.faults.plan(Call("sends", email, delivery.mail.subject))

    async def _play_later(self, plan: Plan, delivery: Delivery, email: str) -> None:
        await asyncio.sleep(plan.delay)
        self._play(plan, delivery, email)

    def _play(self, plan: Plan, delivery: Delivery, email: str) -> list[Task]:
        bounces = [plan.bounce(delivery.delivery_id, email, self._state.clock())]
        self._record(bounces)
        return self._tell(self._body(bounces), plan.copies)

    def _record(self, bounces: Iterable[Bounce]) -> None:
        for bounce in bounces:
            self._state.bounced(bounce)

    def _body(self, bounces: Iterable[Bounce]) -> dict[str, Any]:
        with_codes = self._state.settings.webhook_insert_codes == "all"
        events = []
        for bounce in bounces:
            delivery = self._state.delivery(bounce.delivery_id)
            mail = None if delivery is None else delivery.mail
            events.append(rows.webhook_event(bounce, mail, with_insert_codes=with_codes))
        return {"events": events}

    def _tell(self, body: dict[str, Any], times: int) -> list[Task]:
        settings = self._state.settings
        if not settings.webhook_url:
            return []
        return [self._state.webhooks.send(body, settings) for _ in range(times)]
