"""How a try ends decides what is written: every outcome, one function."""

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from outbox.core import transitions
from outbox.core.attachment import StoredFile
from outbox.core.change import CheckedRow, Patch
from outbox.core.errors import (
    AlreadySent,
    FileLost,
    MailApiError,
    NotEncodable,
    OutcomeUnknown,
    OutOfReach,
    Rejected,
    RowBroken,
    Stop,
    Suppressed,
    TryLater,
)
from outbox.core.mail_api import Accepted
from outbox.core.outcomes import Called, Forgotten, GivenBack, NotBegun, Outcome, Terms, decide
from outbox.core.retention import Retention
from outbox.core.row import Row
from outbox.core.transitions import Stamp
from tests.conftest import make_mail

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STAMP = Stamp(NOW, "deliver")
TERMS = Terms(Retention(400), timedelta(minutes=15))
ITEM = transitions.new(make_mail(), "a", Stamp(NOW, "shop"))
CLAIMED = Row(transitions.claim(ITEM, NOW, timedelta(seconds=180), "x")[1].applied(ITEM))

EXPECTED = [
    (Accepted("1"), "SENT", None),
    (Rejected("to: unknown."), "FAILED", "refused"),
    (RowBroken("to", "is missing"), "FAILED", "unreadable"),
    (NotEncodable("AssertionError"), "FAILED", "not-encodable"),
    (Suppressed("taro@example.com is suppressed."), "FAILED", "suppressed"),
    (FileLost("a.pdf", "file-gone"), "FAILED", "file-lost"),
    (TryLater("no connection."), "WAITING", "retry-later"),
    (OutOfReach("no table."), "WAITING", "dependency-unavailable"),
    (Stop("no credentials."), "WAITING", "paused"),
    (GivenBack(NOW), "WAITING", "no-time"),
    (OutcomeUnknown("no answer."), "CHECKING", "reconciling"),
    (AlreadySent({"id": "a", "delivery_id": "1", "fingerprint": "another"}), "HELD", "already-sent"),
]


@pytest.mark.parametrize(("outcome", "status", "error"), EXPECTED)
def test_each_outcome_leads_to_its_state(outcome, status, error):
    """And to the code that says why."""
    written = decide(CLAIMED, outcome, STAMP, TERMS)
    assert isinstance(written, (Patch, CheckedRow))
    item = written if isinstance(written, CheckedRow) else written.assign
    assert (item["status"], item.get("error")) == (status, error)


def test_no_outcome_is_forgotten_here():
    """The type is closed: each of its members is in the table above."""
    assert {type(outcome) for outcome, *_ in EXPECTED} == {*get_args(Outcome), OutOfReach}


def test_only_an_unknown_outcome_of_the_call_is_in_doubt():
    """Whatever ends a try before the first byte is on the wire leaves no doubt."""
    assert OutcomeUnknown not in get_args(NotBegun)
    assert {kind for kind in get_args(Called) if issubclass(kind, MailApiError)} == {
        Rejected, TryLater, Stop, OutcomeUnknown,
    }  # fmt: skip
    doubtful = [outcome for outcome, status, _ in EXPECTED if status in ("CHECKING", "UNKNOWN")]
    assert [type(outcome) for outcome in doubtful] == [OutcomeUnknown]


def test_a_mail_that_history_has_word_for_word_leaves_without_a_trace():
    """A late retry of its enqueue needs nobody's look."""
    assert decide(CLAIMED, AlreadySent(dict(ITEM)), STAMP, TERMS) == Forgotten()


@pytest.mark.parametrize("body", [{}, {"body": StoredFile("mails/a/1/0", 5, "0" * 64).to_item()}])
def test_a_row_nobody_can_read_is_never_the_same_mail(body):
    """Not to know is not to forget."""
    row = Row({**CLAIMED.item, "to": 5, **body})
    written = decide(row, AlreadySent(dict(ITEM)), STAMP, TERMS)
    assert isinstance(written, Patch)
    assert written.assign["error"] == "already-sent"


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize(("outcome", "status", "error"), EXPECTED)
def test_the_reason_is_written_in_the_language_of_the_stack(outcome, status, error, language):
    """For whoever looks at the raw row."""
    written = decide(CLAIMED, outcome, Stamp(NOW, "deliver", language), TERMS)
    item = written if isinstance(written, CheckedRow) else written.assign
    assert item["reason"].isascii() is (language == "en")
    assert (status, error) != ("", "")
