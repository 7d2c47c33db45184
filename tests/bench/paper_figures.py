"""The file of figures that the page is made of; several benchmarks write into it, each under keys of its own."""

import json
from pathlib import Path
from typing import Any

FIGURES = Path(__file__).parent / "figures.json"


def load() -> dict[str, Any]:
    """Read what was measured so far."""
    found: dict[str, Any] = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    return found


def keep(key: str, figures: dict[str, Any]) -> None:
    """Write figures under a key, and leave all others as they are."""
    FIGURES.write_text(text({**load(), key: figures}) + "\n", encoding="utf-8")


def text(figures: dict[str, Any]) -> str:
    """Write figures as they stand in the file."""
    return json.dumps(figures, indent=2, ensure_ascii=False)
