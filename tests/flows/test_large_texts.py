"""Texts too large for a row lie in the bucket, and nobody notices."""

import hashlib
import json
from typing import Any

import pytest

from outbox import Attachment, InvalidMail
from outbox.core import limits
from outbox.core.attachment import prefix
from outbox.core.errors import FileLost, RowBroken
from outbox.flows import files as flow
from tests.conftest import make_mail
from tests.flows.bucket import BOUNDS, NOW, fails


def large_mail(**parts: Any) -> Any:
    return make_mail(html="<p>太郎\t\"'</p>", insert_code={"a": "あ\n" * 100_000}, **parts)


def test_a_row_with_the_key_of_another_mail_is_refused(outbox, store, files):
    """A mail can not be made to send another mail's file, nor another mail's texts."""
    other = outbox.enqueue(make_mail(attachments=[Attachment("secret.txt", b"x")]), idempotency_key="other").id
    mine = outbox.enqueue(make_mail(), idempotency_key="mine").id
    (part,) = store.outbox[other]["attachments"]
    store.edit(mine, attachments=[part], body={name: part[name] for name in ("key", "size", "sha256")})
    with pytest.raises(RowBroken, match=r"body\.key"):
        flow.complete(files, outbox.get(mine))
    store.edit(mine, body=None)
    with pytest.raises(RowBroken, match=r"attachments\[0\]\.key"):
        outbox.get(mine).mail()


def test_texts_too_large_for_a_row_come_back_as_they_were(outbox, store, files):
    """They lie in the bucket, and the mail is the very same."""
    mail = large_mail(attachments=[Attachment("a.txt", b"x")])
    row = outbox.get(outbox.enqueue(mail).id)
    assert not row.item.keys() & {"text", "html", "insert_code"}
    assert row.item["files"] == 2
    assert len(files.objects) == len(row.files) == 2
    assert flow.complete(files, row).mail() == mail
    assert flow.complete(files, row).mail().fingerprint == mail.fingerprint == row.item["fingerprint"]


def test_a_persons_edit_wins_over_the_texts_in_the_bucket(outbox, store, files):
    """What was corrected on the row is sent, with the rest as it was."""
    mail = large_mail()
    mail_id = outbox.enqueue(mail).id
    store.edit(mail_id, text="New.", html="Corrected.")
    read = flow.complete(files, outbox.get(mail_id)).mail()
    assert (read.text, read.html, read.insert_code) == ("New.", "Corrected.", mail.insert_code)


def test_texts_that_all_stand_on_the_row_need_no_bucket(outbox, store, files):
    """A person may have written all of them anew, perhaps because the file was lost."""
    mail_id = outbox.enqueue(large_mail()).id
    store.edit(mail_id, text="a", html="b", insert_code={})
    files.objects.clear()
    assert flow.complete(files, outbox.get(mail_id)).mail().text == "a"


def test_a_row_without_texts_in_the_bucket_is_left_as_it_is(outbox, files):
    """Nothing is read for it."""
    row = outbox.get(outbox.enqueue(make_mail()).id)
    files.before = fails("get")
    assert flow.complete(files, row) is row


@pytest.mark.parametrize(("change", "what"), [(dict.clear, "not in the bucket"), (None, "SHA-256 differs")])
def test_lost_texts_are_told(outbox, files, change, what):
    """Missing or changed, the mail is not sent without them."""
    row = outbox.get(outbox.enqueue(large_mail()).id)
    if change:
        change(files.objects)
    else:
        files.objects[row.files[0]] = b"{}"
    with pytest.raises(FileLost, match=what):
        flow.complete(files, row)


@pytest.mark.parametrize("content", [b"[]", b"{", b'{"to": "x"}', b"[" * 100_000, b"\xff"])
def test_a_file_by_hand_that_holds_no_texts_is_told(outbox, store, files, content):
    """Whoever writes rows and files without the client gets a sentence, not a crash."""
    mail_id = outbox.enqueue(make_mail()).id
    key = prefix(mail_id) + "set-by-hand"
    files.objects[key] = content
    body = {"key": key, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    store.edit(mail_id, text=None, body=body)
    with pytest.raises(RowBroken, match="holds no texts"):
        flow.complete(files, outbox.get(mail_id))
    store.edit(mail_id, body=body | {"size": 10**12})
    with pytest.raises(RowBroken, match=r"body\.size"):
        flow.complete(files, outbox.get(mail_id))


def test_the_largest_texts_fit_and_one_byte_more_does_not(outbox, store, files):
    """Five megabytes in all, also when JSON writes each character as two."""
    rest = limits.texts_bytes(make_mail(insert_code={"a": ""}))
    mail = make_mail(insert_code={"a": '"' * (limits.TEXTS_BYTES - rest)})
    row = outbox.get(outbox.enqueue(mail).id)
    assert flow.complete(files, row).mail() == mail
    with pytest.raises(InvalidMail, match="5000000"):
        make_mail(insert_code={"a": '"' * (limits.TEXTS_BYTES - rest + 1)})


def test_a_hundred_files_with_the_longest_names_fit_on_a_row(outbox, store):
    """What a row holds of them is small enough beside its texts; MemoryStore takes no more than the table."""
    attachments = [Attachment("あ" * 251 + ".txt", b"x", "x/" + "y" * 200)] * 100
    mail = make_mail(attachments=attachments, text="x" * 30_000, html="x" * 70_000, insert_code={"a": "x" * 50_000})
    mail_id = outbox.enqueue(mail, idempotency_key="あ" * 85).id
    assert store.outbox[mail_id]["files"] == 101


def test_copies_of_large_texts_too(outbox, files):
    """A resend has its own file of texts."""
    row = outbox.get(outbox.enqueue(large_mail()).id)
    copy = flow.copied(files, flow.complete(files, row).mail(), "new", NOW)
    assert copy.body is not None
    assert copy.body.sha256 == row.item["body"]["sha256"]
    assert copy.body.key.startswith("mails/new/")


def test_the_json_of_large_texts_is_the_same_for_the_same_texts(files):
    """So that two rows can be compared without reading it."""
    one = flow.store(files, large_mail(), "a", NOW, BOUNDS).body
    other = flow.store(files, large_mail(subject="x"), "b", NOW, BOUNDS).body
    codes = [("a", "x" * 200_000), ("b", "y" * 100_000)]
    orders = [make_mail(insert_code=dict(order)) for order in (codes, codes[::-1])]
    assert len({flow.store(files, mail, "a", NOW, BOUNDS).body.sha256 for mail in orders}) == 1
    assert one is not None
    assert other is not None
    assert (one.sha256, one.size) == (other.sha256, other.size)
    assert json.loads(files.objects[one.key]).keys() == {"html", "insert_code"}
