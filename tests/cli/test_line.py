"""`outbox pause`, `resume`, `status`: a person stops the line, lets it go, sees how it stands."""

from datetime import timedelta
from typing import Any

import pytest
import structlog

from outbox.core import clock, places
from outbox.core.errors import OutcomeUnknown
from outbox.core.rate import Rate
from outbox.flows import overview
from outbox.flows.limiter import SharedLimiter
from tests.cli.conftest import Terminal


def test_pause_and_resume(terminal: Terminal) -> None:
    """Nothing goes while the line is paused, mails say why, and all go after resume."""
    ended = terminal("--as", "bob", "pause", "--reason", "the wrong price")
    terminal.write("m")
    terminal.service.deliver()

    assert (ended.status, "stopped by bob: the wrong price." in ended.out) == (0, True)
    assert terminal.status("m") == "WAITING"
    assert "the wrong price. It goes when sending is resumed." in terminal.row("m").reason
    assert terminal.service.api.sent == []

    ended = terminal("resume")
    terminal.service.clock.forward(seconds=2)
    terminal.service.dispatch()

    assert (ended.status, "resumed by alice" in ended.out) == (0, True)
    assert "stopped by bob: the wrong price." in ended.out
    assert terminal.status("m") == "SENT"


def test_pause_without_a_reason(terminal: Terminal) -> None:
    """Who did it is reason enough, in a sentence that mails can carry."""
    assert terminal("pause", "--json").json == {
        "stopped": True,
        "reason": "paused by alice.",
        "by": "alice",
        "since": "2026-01-01T00:00:00.000Z",
        "refused": False,
        "changed": True,
    }


def test_no_log_line_in_the_answer(terminal: Terminal) -> None:
    """What the flows log for the functions stands neither in the document nor beside it."""
    structlog.reset_defaults()

    ended = terminal("pause", "--json")

    assert (ended.json["stopped"], ended.out.count("\n"), ended.err) == (True, 1, "")


def test_a_second_pause(terminal: Terminal) -> None:
    """Whoever stopped it first stays the one to ask, and the second is told so."""
    terminal("--as", "bob", "pause", "--reason", "wait!")

    ended, document = terminal("pause", "--reason", "lunch"), terminal("pause", "--json").json

    assert "stopped by bob: wait!" in ended.out
    assert "stopped already" in ended.out
    assert (document["by"], document["changed"]) == ("bob", False)


def test_resume_of_a_line_that_goes(terminal: Terminal) -> None:
    """Nothing is changed, which is said."""
    ended = terminal("resume")

    assert (ended.status, "nothing was changed" in ended.out) == (0, True)
    assert terminal("resume", "--json").json["changed"] is False
    assert terminal.service.register.items == {}


def test_a_stop_of_the_mail_api_says_what_ends_it(terminal: Terminal) -> None:
    """Refused credentials are told apart from a person's pause."""
    terminal.service.switch.trip("the mail API refuses the credentials (401).", "deliver", "abc")

    assert "new credentials let it go" in terminal("status").out
    assert terminal("status", "--json").json["line"]["refused"] is True
    assert "abc" not in terminal("status", "--json").out


def test_a_broken_switch(terminal: Terminal) -> None:
    """An item broken by hand is shown as the stop it is, and resume mends it."""
    terminal.service.register.items["switch"] = {"stopped": "no"}

    assert "by hand" in terminal("status").out
    assert terminal("resume").status == 0
    assert terminal("status", "--json").json["line"]["stopped"] is False


def test_status(terminal: Terminal) -> None:
    """It counts what waits for a person, what is due and since when, and tells the rate."""
    for mail_id in ("a", "b"):
        terminal.write_failed(mail_id)
    terminal.write("h")
    terminal("hold", "h")
    terminal.write("old")
    terminal.service.clock.forward(minutes=7)
    terminal.write("new")
    now = terminal.service.clock()
    terminal.rate = Rate(120, 2)
    SharedLimiter(terminal.service.register, terminal.service.clock, terminal.rate, lambda _: None).hold_back(30)

    document, shown = terminal("status", "--json").json, terminal("--stack", "prod", "status").out

    counts = {state: each["count"] for state, each in document["problems"].items()}
    assert counts == {"FAILED": 2, "HELD": 1, "UNKNOWN": 0}
    assert document["due"] == {
        "now": {"count": 1, "more": False},
        "later": {"count": 1, "more": False},
        "oldest": "2026-01-01T00:04:00.000Z",
    }
    assert document["rate"] == {
        "per_minute": 120,
        "burst": 2,
        "next_slot": (now + timedelta(seconds=30)).isoformat(),
    }
    for told in ("Mails go.", "outbox --stack prod find --status failed", "120 a minute, burst 2", "in 30.0 s"):
        assert told in shown


def test_status_of_a_new_service(terminal: Terminal) -> None:
    """With nothing in any table it still answers; a rate nobody told is not guessed."""
    ended, document = terminal("status"), terminal("status", "--json").json

    assert (ended.status, document["rate"], document["due"]["oldest"]) == (0, {"next_slot": None}, None)
    assert "not known here" in ended.out


@pytest.mark.parametrize("item", [{}, {"next_slot": 5}, {"next_slot": "soon"}, {"next_slot": "2026-01-01"}])
def test_status_with_a_broken_rate_item(terminal: Terminal, item: dict[str, Any]) -> None:
    """A limiter item broken by hand does not keep a person from looking."""
    terminal.service.register.items["rate"] = item

    assert terminal("status", "--json").json["rate"] == {"next_slot": None}


def test_status_tells_what_should_have_gone_and_what_went(terminal: Terminal) -> None:
    """Since when the oldest mail waits that should be gone, and how many went in the last minute, is one line each."""
    terminal.write_sent("gone")
    terminal.service.clock.forward(seconds=50)
    terminal.write_failed("bad")
    terminal.write_sent("there")

    document, shown_ = terminal("status", "--json").json, terminal("status").out

    assert document["oldest_unsent"] == "2026-01-01T00:00:50.000Z"
    assert document["sent_last_minute"] == {"count": 2, "more": False}
    for told in (f"oldest unsent  since {shown(document['oldest_unsent'])}", "last minute    2   sent or cancelled"):
        assert told in shown_


def test_counts_are_capped(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A count that would go on is cut short and says so, in every index; of one lane no more than its share."""
    monkeypatch.setattr(overview, "CAP", 4)
    for number in range(5):
        terminal.write_failed(f"failed-{number}")
    lane = places.lane("x", urgent=False)
    for number in range(11):
        due_at = clock.text(terminal.service.clock() + timedelta(hours=number // 6))
        terminal.service.store.put({"id": f"row-{number}", "status": "WAITING", "lane": lane, "due_at": due_at})

    document = terminal("status", "--json").json

    assert document["problems"]["FAILED"] == {"count": 4, "more": True}
    assert document["due"]["now"] == {"count": 2, "more": True}
    assert document["due"]["later"] == {"count": 0, "more": True}
    assert "4+" in terminal("status").out


def _unknown(terminal: Terminal, mail_id: str) -> str:
    terminal.service.look_up_minutes = 0
    terminal.service.api.answer = lambda _: (_ for _ in ()).throw(OutcomeUnknown("a 500."))
    terminal.write(mail_id)
    terminal.service.deliver()
    terminal.service.api.answer = None
    assert terminal.status(mail_id) == "UNKNOWN"
    return mail_id


def test_confirm(terminal: Terminal) -> None:
    """An UNKNOWN mail that a person found is SENT, in history, with who said so and under which delivery."""
    _unknown(terminal, "u")

    ended = terminal("--as", "bob", "confirm", "u", "--delivery-id", "4711")

    assert (ended.status, "confirmed as sent" in ended.out) == (0, True)
    row = terminal.row("u")
    assert (row.status, row.delivery_id, row.timeline[-1]["who"]) == ("SENT", "4711", "bob")
    assert terminal("find", "--delivery-id", "4711", "--json").json["mails"][0]["id"] == "u"
    assert terminal.service.api.sent == []


def test_confirm_of_what_is_not_in_doubt(terminal: Terminal) -> None:
    """Only an UNKNOWN mail can be confirmed; the others of the same command are."""
    terminal.write_failed("bad")
    _unknown(terminal, "u")

    ended = terminal("confirm", "bad", "nobody", "u", "--json")

    assert ended.status == 1
    assert [each["ok"] for each in ended.json["results"]] == [False, False, True]
    assert [each["error"]["kind"] for each in ended.json["results"][:2]] == ["WrongState", "NotFound"]


def test_one_delivery_for_several_mails(terminal: Terminal) -> None:
    """A delivery is one mail's: with several ids it is wrong usage and nothing is confirmed."""
    _unknown(terminal, "u")
    _unknown(terminal, "v")

    assert terminal("confirm", "u", "v", "--delivery-id", "5").status == 2
    assert (terminal.status("u"), terminal.status("v")) == ("UNKNOWN", "UNKNOWN")


def test_show_says_what_to_do_about_an_unknown_mail(terminal: Terminal) -> None:
    """Whoever looks at an UNKNOWN mail is told to look, then to confirm or to resend it."""
    _unknown(terminal, "u")

    out = terminal("show", "u").out

    for told in ("then confirm that it was sent", "outbox confirm u", "outbox resend u"):
        assert told in out


@pytest.mark.parametrize(
    ("policy", "then"), [("hold", "it is UNKNOWN and waits for a person"), ("resend", "it is sent again")]
)
def test_show_says_until_when_a_mail_is_looked_up(terminal: Terminal, policy: str, then: str) -> None:
    """A CHECKING mail tells the end of its look-up, the next look and what follows."""
    terminal.service.api.answer = lambda _: (_ for _ in ()).throw(OutcomeUnknown("a 500."))
    terminal.write("c", on_unknown=policy)
    terminal.service.deliver()
    row = terminal.row("c").item

    said = terminal("show", "c", "--json").json["next"]

    assert row["status"] == "CHECKING"
    assert f"looked up in the mail API's records until {shown(row['check_until'])}" in said
    assert f"next at {shown(row['due_at'])}" in said
    assert then in said


def shown(written: str) -> str:
    from outbox.cli.safe import local

    return local(written)
