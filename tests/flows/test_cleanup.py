"""The files of expired history rows are deleted, and no others."""

import pytest

from outbox import Attachment, Outbox
from outbox.core.row import Row
from outbox.flows.cleanup import Cleanup
from outbox.testing import MemoryStore
from outbox.testing.files import MemoryFiles
from tests.conftest import make_mail


@pytest.fixture
def files():
    return MemoryFiles()


@pytest.fixture
def store():
    return MemoryStore()


def expired(store, files, mail_id):
    """Give the row of a mail with two files that is in the outbox no more."""
    mail = make_mail(attachments=[Attachment("a.txt", b"x"), Attachment("b.txt", b"y")])
    Outbox(store=store, files=files).enqueue(mail, idempotency_key=mail_id)
    return store.outbox.pop(mail_id)


def test_deletes_the_files_of_an_expired_row_and_no_others(store, files):
    """Twice is as good as once."""
    row, other = expired(store, files, "a"), expired(store, files, "b")
    cleanup = Cleanup(files, (store.get,))
    assert [cleanup([row]), cleanup([row])] == [set(), set()]
    assert files.objects.keys() == set(Row(other).files)


def test_an_unsent_mail_never_loses_its_files(store, files):
    """A row that was put back into the outbox keeps what it names, also if it has lost a part."""
    row = expired(store, files, "a")
    kept, gone = Row(row).files
    store.put({**row, "attachments": row["attachments"][:1], "status": "HELD"})
    assert Cleanup(files, (store.get,))([row]) == set()
    assert files.objects.keys() == {kept}
    assert gone not in files.objects


def test_deletes_no_file_of_another_mail(store, files):
    """A row written by hand cannot delete what is not its own."""
    other, mine = expired(store, files, "other"), expired(store, files, "a")
    by_hand = {**mine, "attachments": other["attachments"], "body": {"key": "mails/a/../other/0"}}
    assert Cleanup(files, (store.get,))([by_hand]) == set()
    assert set(Row(other).files) <= files.objects.keys()


def test_a_failing_row_stops_no_other(store, files):
    """Partial failures, an error of the bucket and one of the table are reported row by row."""
    rows = [expired(store, files, name) for name in "abcd"]
    files.undeletable[Row(rows[1]).files[0]] = "InternalError"

    def before(step, key):
        if key.startswith("mails/c/"):
            raise TimeoutError

    def get(mail_id):
        if mail_id == "d":
            raise ConnectionError
        return store.get(mail_id)

    files.before = before
    assert Cleanup(files, (get,))(rows) == {1, 2, 3}
    assert not set(Row(rows[0]).files) & files.objects.keys()


@pytest.mark.parametrize(
    "row", [{}, {"id": "a"}, {"id": 5, "attachments": 5}, {"id": "outbox:delivery:1", "mail": "a"}]
)
def test_what_names_no_file_costs_nothing(files, row):
    """No table is read for a row without files."""

    def get(_):
        pytest.fail("it was read")

    assert Cleanup(files, (get,))([row]) == set()


def test_files_of_a_mail_that_was_sent_again_after_a_restore_stay():
    """A late record of the old row must not take the files of the row that history has now."""
    files, store = MemoryFiles(), MemoryStore()
    outbox = Outbox(store=store, files=files)
    outbox.enqueue(make_mail(attachments=[Attachment("a.txt", b"a")]), idempotency_key="k")
    row = store.outbox.pop("k")
    store.history["k"] = {**row, "status": "SENT"}
    assert Cleanup(files, (store.get, store.get_finished))([row]) == set()
    assert len(files.objects) == 1
