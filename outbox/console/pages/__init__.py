"""Every page there is; each module has the pages of one thing people look at or do."""

from outbox.console.ask import Page
from outbox.console.pages import (
    activity,
    again,
    batches,
    bounces,
    edit,
    history,
    home,
    line,
    mail,
    many,
    mine,
    single,
    suppressed,
)

PAGES: tuple[Page, ...] = tuple(
    page
    for module in (
        home, mail, edit, single, many, batches, history, again, bounces, suppressed, activity, line, mine,
    )
    for page in module.PAGES
)  # fmt: skip
