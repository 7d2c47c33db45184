"""The files of committed rows stay; all others expire."""

import pytest

from outbox import Attachment, Outbox
from outbox.core.row import Row
from outbox.flows.keep import Keep
from outbox.testing import MemoryStore
from outbox.testing.files import MemoryFiles
from tests.conftest import make_mail


@pytest.fixture
def files():
    return MemoryFiles()


@pytest.fixture
def store():
    return MemoryStore()


def enqueue(store, files, mail_id, **parts):
    mail = make_mail(attachments=[Attachment("a.txt", b"x"), Attachment("b.txt", b"y")], **parts)
    Outbox(store=store, files=files).enqueue(mail, idempotency_key=mail_id)
    return store.outbox[mail_id]


def test_keeps_every_file_of_a_row(store, files):
    """Attachments and texts outlive the day on which what nobody kept expires."""
    row = enqueue(store, files, "a", insert_code={"a": "x" * 300_000})
    assert Keep(files)([row]) == set()
    files.expire()
    assert files.objects.keys() == set(Row(row).files)
    assert len(files.objects) == 3


def test_keeping_twice_or_a_file_that_is_gone_changes_nothing(store, files):
    """A record that is brought again is answered as before."""
    row = enqueue(store, files, "a")
    del files.objects[Row(row).files[0]]
    files.new.discard(Row(row).files[0])
    assert [Keep(files)([row]), Keep(files)([row])] == [set(), set()]


def test_reports_the_rows_that_failed_and_goes_on(store, files):
    """One row's trouble is not the next one's."""
    rows = [enqueue(store, files, name) for name in ("a", "b", "c")]

    def before(step, key):
        if step == "keep" and key.startswith("mails/b/"):
            raise TimeoutError

    files.before = before
    assert Keep(files)(rows) == {1}
    assert all(key.startswith("mails/b/") for key in files.new)


def test_keeps_no_file_of_another_mail(store, files):
    """A row written by hand cannot make other mails' leftovers stay."""
    other = enqueue(store, files, "other")
    by_hand = {**enqueue(store, files, "a"), "attachments": other["attachments"], "body": {"key": "mails/a/../other/1"}}
    assert Keep(files)([by_hand]) == set()
    assert files.new == files.objects.keys()


@pytest.mark.parametrize("row", [{}, {"id": 5, "attachments": 5}, {"id": "a", "attachments": [None, {"key": 5}]}])
def test_what_names_no_file_is_done(files, row):
    """Whatever a row looks like, it raises nothing."""
    assert Keep(files)([row]) == set()
