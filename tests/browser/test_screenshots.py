"""What the README shows of the console, drawn anew when OUTBOX_SCREENSHOTS=1."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import serving
from tests.browser.scene import fill
from tests.browser.window import Windows
from tests.console.conftest import Browser as Memory

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(os.environ.get("OUTBOX_SCREENSHOTS") != "1", reason="only drawn with OUTBOX_SCREENSHOTS=1"),
]
HERE = Path(__file__).parent / "screenshots"
PHONE = {"viewport": {"width": 375, "height": 720}, "device_scale_factor": 1}
DRAWN: list[tuple[str, str, dict[str, Any]]] = [
    ("outbox", "outbox", {}),
    ("mail", "mail failed", {}),
    ("edit", "edit", {}),
    ("history", "history", {}),
    ("japanese", "outbox", {"language": "ja"}),
    ("dark", "mail failed", {"color_scheme": "dark"}),
    ("phone", "outbox", PHONE),
]


@pytest.mark.parametrize(("name", "page", "how"), DRAWN, ids=[name for name, *_ in DRAWN])
def test_drawn(windows: Windows, memory: Memory, name: str, page: str, how: dict[str, Any]) -> None:
    """The page as somebody sees it first, small enough for a repository."""
    scene = fill(memory, how.get("language", "en"))
    HERE.mkdir(exist_ok=True)
    with serving(memory.desk) as url:
        window = windows(url, **how).open(scene.pages[page])
        window.page.evaluate("document.fonts.ready")
        path = HERE / f"{name}.png"
        window.page.screenshot(path=path)
        windows.close()
    assert path.stat().st_size < 150_000
