"""A sandbox with a webhook, as the tests of bounces drive it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from outbox.local.sandbox import Sandbox, SandboxSettings, token
from tests.local.receiver import Receiver
from tests.waiting import wait_for


@dataclass
class Bouncing:
    """The mail API, the sandbox's own endpoints, and the receiver of the webhook."""

    api: httpx.Client
    admin: httpx.Client
    receiver: Receiver

    def begin(self, **settings: Any) -> None:
        """Forget what was, and set the webhook."""
        self.admin.post("/reset")
        self.receiver.begin()
        self.set(webhook_url=self.receiver.url, webhook_retry_seconds=0.01, **settings)

    def set(self, **settings: Any) -> None:
        assert self.admin.post("/settings", json=settings).status_code == 200

    def post(self, **fields: Any) -> httpx.Response:
        plain = {
            "from": {"email": "shop@example.com"},
            "to": "a@example.com",
            "subject": "hello",
            "text_part": "text",
        }
        return self.api.post("/deliveries/transaction", json=plain | fields)

    def send(self, **fields: Any) -> int:
        answer = self.post(**fields)
        assert answer.status_code == 201, answer.text
        delivery_id: int = answer.json()["delivery_id"]
        return delivery_id

    def bounce(self, **order: Any) -> dict[str, Any]:
        answer = self.admin.post("/bounces", json=order)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def rule(self, **rule: Any) -> None:
        answer = self.admin.post("/faults", json={"mode": "bounce", **rule})
        assert answer.status_code == 201, answer.text

    def calls(self) -> list[dict[str, Any]]:
        """Return all webhook calls, once none of them goes on."""
        wait_for(lambda: not self.admin.get("/stats").json()["webhooks"]["pending"], pause=0.01)
        calls: list[dict[str, Any]] = self.admin.get("/bounces").json()["calls"]
        return calls

    def logs(self, **params: Any) -> list[dict[str, Any]]:
        answer = self.api.get("/logs/mails/results", params=params)
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()["data"]
        return rows


@contextmanager
def bouncing() -> Iterator[Bouncing]:
    """Run a sandbox and a receiver."""
    bearer = {"Authorization": f"Bearer {token('sandbox', 'sandbox-key')}"}
    with (
        Receiver() as receiver,
        Sandbox(SandboxSettings(rate_per_minute=100_000)) as sandbox,
        httpx.Client(base_url=sandbox.mail_api_url, headers=bearer) as api,
        httpx.Client(base_url=f"{sandbox.url}/_sandbox") as admin,
    ):
        yield Bouncing(api, admin, receiver)
