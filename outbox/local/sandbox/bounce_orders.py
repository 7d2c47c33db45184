"""Read which bounces somebody asks for, and find the deliveries they are for."""

from dataclasses import dataclass
from typing import Any

from outbox.local.sandbox import checks
from outbox.local.sandbox.bounce import TYPES, Bounce, bounce_now
from outbox.local.sandbox.checks import BadInput
from outbox.local.sandbox.mail import Delivery
from outbox.local.sandbox.state import State

_MOST = 1_000
_MOST_TOGETHER = 10_000
_BOUNCE_CHECKS: dict[str, checks.Check] = {
    "delivery_id": checks.integer(1, 10**18),
    "to": checks.text(),
    "email": checks.text(),
    "type": checks.text(),
    "code": checks.text(least=0),
    "message": checks.text(least=0),
    "unknown": checks.one_of(True, False),
    "raw": checks.one_of(True, False),
}
_ORDER_CHECKS: dict[str, checks.Check] = {
    "times": checks.integer(1, _MOST),
    "together": checks.one_of(True, False),
}


@dataclass(frozen=True, slots=True)
class Order:
    """What bounces, and how often the webhook hears of it: in calls of their own, or in one body."""

    bounces: tuple[Bounce, ...]
    times: int
    together: bool


def order_from(payload: object, state: State) -> Order:
    """Read an order, one bounce or several under `events`; raises BadInput naming the field."""
    if isinstance(payload, dict) and "events" in payload:
        rest = {name: value for name, value in payload.items() if name != "events"}
        values = checks.fields(rest, _ORDER_CHECKS)
        bounces = _several(payload["events"], state)
    else:
        values = checks.fields(payload, _BOUNCE_CHECKS | _ORDER_CHECKS)
        bounces = (_bounce(values, state),)
    order = Order(bounces, values.get("times", 1), values.get("together", False))
    if order.together and len(bounces) * order.times > _MOST_TOGETHER:
        raise BadInput("times", f"must leave at most {_MOST_TOGETHER} events together, not {order.times}")
    return order


def _several(items: object, state: State) -> tuple[Bounce, ...]:
    if not isinstance(items, list) or not 1 <= len(items) <= _MOST:
        raise BadInput("events", f"must be a list of 1 to {_MOST} bounces")
    return tuple(_item(at, item, state) for at, item in enumerate(items))


def _item(at: int, item: object, state: State) -> Bounce:
    try:
        return _bounce(checks.fields(item, _BOUNCE_CHECKS), state)
    except BadInput as bad:
        raise BadInput(f"events.{at}.{bad.field}", bad.problem) from None


def _bounce(values: dict[str, Any], state: State) -> Bounce:
    kind = _type(values)
    delivery_id, email = _unknown(values, state) if values.get("unknown") else _known(values, state)
    return bounce_now(kind, delivery_id, email, state.clock(), code=values.get("code"), message=values.get("message"))


def _type(values: dict[str, Any]) -> str:
    kind: str = _needed(values, "type", f"one of {', '.join(TYPES)}")
    if kind not in TYPES and not values.get("raw"):
        raise BadInput("type", f"must be one of {', '.join(TYPES)} (anything with raw), not {kind!r}")
    return kind


def _unknown(values: dict[str, Any], state: State) -> tuple[int, str]:
    if "to" in values:
        raise BadInput("to", "must be left out for unknown; give delivery_id and email")
    delivery_id: int = _needed(values, "delivery_id", "an id that was never given out")
    if state.delivery(delivery_id) is not None:
        raise BadInput("delivery_id", f"must be an id that was never given out for unknown, not {delivery_id}")
    email: str = _needed(values, "email", "an address")
    return delivery_id, email


def _known(values: dict[str, Any], state: State) -> tuple[int, str]:
    delivery = _delivery(values, state)
    email = values.get("email") or values.get("to") or delivery.mail.to
    if not delivery.is_for(email):
        raise BadInput("email", f"must be a recipient of delivery {delivery.delivery_id}, not {email!r}")
    return delivery.delivery_id, email


def _delivery(values: dict[str, Any], state: State) -> Delivery:
    if "to" in values:
        if "delivery_id" in values:
            raise BadInput("to", "must be left out with delivery_id; email says which recipient")
        return _latest(values["to"], state)
    delivery_id = _needed(values, "delivery_id", "the id of a delivery, or give `to`")
    delivery = state.delivery(delivery_id)
    if delivery is None:
        raise BadInput("delivery_id", f"there is no delivery {delivery_id}; with unknown it need not be there")
    return delivery


def _latest(email: str, state: State) -> Delivery:
    found = next((each for each in reversed(state.deliveries()) if each.is_for(email)), None)
    if found is None:
        raise BadInput("to", f"there is no delivery to {email!r}")
    return found


def _needed(values: dict[str, Any], name: str, what: str) -> Any:  # noqa: ANN401
    if name not in values:
        raise BadInput(name, f"is missing; {what}")
    return values[name]
