"""Read the page's forms: texts from a browser become the JSON that the admin endpoints take."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import FormData

_NUMBERS = frozenset({
    "times", "every", "probability", "seconds", "status",
    "copies", "delay", "rate_per_minute", "visibility_delay", "delivery_delay", "webhook_retry_seconds",
})  # fmt: skip


def _value(name: str, text: str) -> Any:  # noqa: ANN401
    if name not in _NUMBERS:
        return text
    try:
        return json.loads(text)
    except ValueError:
        # Not a number: the check that follows says so and names the field.
        return text


def _texts(form: FormData) -> dict[str, str]:
    return {name: value.strip() for name, value in form.items() if isinstance(value, str) and value.strip()}


def settings_payload(form: FormData) -> dict[str, Any]:
    """Return what was filled in; an emptied webhook is switched off, what else is empty stays as it was."""
    emptied = {"webhook_url": ""} if "webhook_url" in form else {}
    return emptied | {name: _value(name, text) for name, text in _texts(form).items()}


def bounce_payload(form: FormData, delivery_id: int) -> dict[str, Any]:
    """Return what was filled in, for this delivery."""
    return {name: _value(name, text) for name, text in _texts(form).items()} | {"delivery_id": delivery_id}


def fault_payload(form: FormData) -> dict[str, Any]:
    """Return what was filled in, with `match_to` and `match_subject` put where they belong."""
    texts = _texts(form)
    payload = {name: _value(name, text) for name, text in texts.items() if not name.startswith("match_")}
    match = _match(texts)
    if match:
        payload["match"] = match
    # A checkbox that is not ticked sends nothing at all: the form asks for the opposite.
    if payload.pop("without_headers", None):
        payload["headers"] = False
    if payload.pop("early", None):
        payload["early"] = True
    return payload


def _match(texts: Mapping[str, str]) -> dict[str, str]:
    prefix = "match_"
    return {name.removeprefix(prefix): text for name, text in texts.items() if name.startswith(prefix)}
