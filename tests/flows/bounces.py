"""What came back, as the webhook writes it down."""

from datetime import timedelta
from typing import Any

from outbox.core.bounce import Bounce
from outbox.core.places import BOUNCE


def bounce(service: Any, delivery_id: str, email: str, kind: str = "HARDERROR", **parts: Any) -> str:
    """Write a bounce into history, of this moment unless said; give its id."""
    number = sum(item_id.startswith(BOUNCE) for item_id in service.store.history)
    happened = service.clock() - parts.pop("ago", timedelta(0))
    defaults: dict[str, Any] = {"code": "550", "message": "user unknown", "email": email, "delivery_id": delivery_id}
    event = Bounce(f"{BOUNCE}{number:032x}", kind, happened, service.clock(), **(defaults | parts))
    service.store.keep(event.item(400))
    return event.id
