"""All that is wrong with a mail is told at once, and nothing that is right."""

from typing import Any

import pytest

from outbox.core.errors import InvalidMail
from outbox.core.row import Row
from outbox.flows.edited import changed

ITEM: dict[str, Any] = {"id": "m", "sender": "shop@example.com", "to": "t@example.com", "subject": "s", "text": "t"}
BODY = {"key": "mails/m/1/0", "size": 9, "sha256": "0" * 64}


def faults(changes: dict[str, Any], **item: Any) -> dict[str, list[str]]:
    """Give what is wrong by field; nothing if a mail can be made of it."""
    row = Row({name: value for name, value in {**ITEM, **item}.items() if value is not None})
    found: dict[str, list[str]] = {}
    try:
        changed(row, changes)
    except InvalidMail as wrong:
        for problem in wrong.problems:
            found.setdefault(problem.field, []).append(problem.rule)
    return found


def test_a_mail_that_is_right_has_none() -> None:
    """The changes make the mail, and the row stays as it is."""
    assert faults({"to": "j@example.com", "cc": ["c@example.com"], "html": "", "tags": []}) == {}


def test_everything_that_is_wrong_is_told_at_once() -> None:
    """Addresses, texts, lists, codes and what another hand left on the row: each problem of each field, once."""
    changes = {
        "to": "nobody", "cc": ["a@example.com", "nope", *["c@example.com"] * 9], "reply_to": "x",
        "subject": "s\u0000" * 200, "html": "h" * 80_000, "insert_code": {"a b": "x", "k": "a\u0000"},
        "tags": ["t" * 101, "", *"abcdefghijklmnopqrst"],
    }  # fmt: skip

    found = faults(changes, attachments=["x"], list_unsubscribe={"mailto": "x"}, encoding="latin-1", urgent="yes")

    assert found.keys() == {
        "to", "cc[1]", "cc", "reply_to", "subject", "html", "insert_code", "tags", "attachments[0]",
        "list_unsubscribe.mailto", "encoding", "urgent",
    }  # fmt: skip
    assert (len(found["subject"]), len(found["insert_code"]), len(found["tags"])) == (2, 2, 3)
    assert all(len(set(rules)) == len(rules) for rules in found.values())


@pytest.mark.parametrize(
    ("changes", "item", "expected"),
    [
        ({"subject": "", "to": ""}, {}, {"subject", "to"}),
        ({"text": ""}, {}, {"text"}),
        ({"text": "", "html": "h" * 80_000}, {}, {"html"}),
        ({"text": "", "html": 7}, {}, {"html"}),
        ({"text": 7, "html": ""}, {}, {"text"}),
        ({}, {"sender": None, "to": None, "subject": None}, {"sender", "to", "subject"}),
        ({"insert_code": {"k": "x" * 6_000_000}, "to": "x"}, {}, {"mail", "to"}),
        ({"cc": "a@example.com"}, {}, {"cc"}),
        ({"cc": [7, "nope"]}, {}, {"cc[0]"}),
        ({"subject": "__k__", "insert_code": {"k": "a\nb"}}, {}, {"insert_code"}),
    ],
)
def test_no_problem_brings_forth_another(changes: dict[str, Any], item: dict[str, Any], expected: set[str]) -> None:
    """What is wrong is named, not what is only wrong because something else is."""
    assert faults(changes, **item).keys() == expected


def test_texts_in_the_bucket_are_replaced_but_not_taken_away() -> None:
    """Each that would be is named, beside everything else."""
    assert faults({"to": "j@example.com"}, text=None, body=BODY) == {}
    assert faults({"html": "new"}, text=None, body=BODY) == {}
    found = faults({"text": "", "insert_code": {}, "to": "x"}, text=None, body=BODY)
    assert found.keys() == {"text", "insert_code", "to"}
    assert "lies in the bucket" in found["text"][0]


def test_the_same_through_support(service: Any, mail: Any) -> None:
    """Whoever corrects a mail hears all of it, and nothing is saved."""
    mail_id = service.outbox.enqueue(mail()).id
    before = service.store.get(mail_id)

    with pytest.raises(InvalidMail) as wrong:
        service.support.edit(mail_id, {"to": "x", "subject": "", "cc": ["y"]}, "alice")

    assert {problem.field for problem in wrong.value.problems} == {"to", "subject", "cc[0]"}
    assert service.store.get(mail_id) == before
