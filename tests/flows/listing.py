"""Rows as they lie in the indexes, their list page by page, a store that counts and one whose index is behind."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from outbox.core import clock, places
from outbox.flows.listing import Listing

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds):
    return clock.text(NOW + timedelta(seconds=seconds))


def problem(mail_id, status="FAILED", seconds=0, **more):
    """Make a row that needs a person."""
    item = {"id": mail_id, "status": status, "problem": status, "problem_at": at(seconds), "revision": 3}
    item |= {"to": f"{mail_id}@example.com", "subject": f"Order {mail_id}", "reason": "Refused: no such user."}
    return item | {"error": "refused", "tags": ["orders"], "text": "Good morning.", "created_at": at(0)} | more


def waiting(mail_id, status="WAITING", seconds=0, *, urgent=False, **more):
    """Make a row that waits for its time."""
    item = {"id": mail_id, "status": status, "lane": places.lane(mail_id, urgent=urgent), "due_at": at(seconds)}
    item |= {"to": f"{mail_id}@example.com", "subject": f"Order {mail_id}", "reason": "Scheduled.", "tags": []}
    return item | {"error": "scheduled", "text": "Good morning.", "urgent": urgent, "revision": 1} | more


def ids(shown):
    """Give the ids of a page."""
    return [row.id for row in shown.rows]


def every_page(store, wanted, size, between=lambda: None):
    """Go through a list to its end."""
    pages = [Listing(store)(wanted, size)]
    while pages[-1].after:
        between()
        pages.append(Listing(store)(wanted, size, pages[-1].after))
        assert len(pages) < 1000
    return pages


class Counted:
    """Counts what is asked of a store and what it gives; a list has no business with anything else of it."""

    def __init__(self, store):
        self.store, self.counts, self.asked = store, Counter(), []

    def entries(self, index, key, limit, **more):
        found = self.store.entries(index, key, limit, **more)
        self.asked.append(limit)
        self.counts.update(queries=1, entries=len(found))
        return found

    def rows(self, table, ids):
        found = self.store.rows(table, ids)
        self.counts.update(reads=1, rows=len(ids))
        return found


class Behind(Counted):
    """An index that still shows what it showed when this was made, while the rows are as they are now."""

    def __init__(self, store):
        super().__init__(store)
        self.frozen = type(store)()
        for item in store.outbox.values():
            self.frozen.put(item)

    def entries(self, index, key, limit, **more):
        return self.frozen.entries(index, key, limit, **more)
