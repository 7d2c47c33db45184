"""Forms filled in as a person does, and what they say about it."""

from typing import Any

from tests.console.conftest import Browser, Seen

SEND = ("send", "yes")


def save(browser: Browser, mail_id: str = "m", *, send: bool = False, **typed: str) -> Seen:
    """Open the form, type, and press a button."""
    page = browser.get("/mail/edit", id=mail_id)
    return browser.submit(page, "/mail/edit", button=SEND if send else None, **typed)


def event(browser: Browser, mail_id: str = "m") -> dict[str, Any]:
    """Give the latest event of a mail."""
    return browser.row(mail_id).timeline[-1]


def problems(seen: Seen) -> dict[str, str]:
    """Give what is said beside each field."""
    found = {}
    for field in seen.soup.select(".field.wrong"):
        named = field.select_one("[aria-invalid]")
        assert named is not None
        assert named["aria-describedby"] == field.select("p.hint")[0]["id"]
        found[str(named["name"])] = " ".join(part.text for part in field.select(".problem"))
    return found
