"""The tables of the real template, made where a test wants them, without their streams."""

from functools import cache
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

TEMPLATE = Path(__file__).parents[2] / "template.yaml"
KEPT = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")


def create(client: Any, outbox: str = "outbox", history: str = "history") -> None:
    """Create both tables as the template defines them."""
    for name, logical in ((outbox, "Outbox"), (history, "History")):
        properties = _resources()[logical]["Properties"]
        client.create_table(TableName=name, **{key: properties[key] for key in KEPT})


@cache
def _resources() -> Any:
    return yaml_parse(TEMPLATE.read_text(encoding="utf-8"))["Resources"]
