"""The demo as a person starts it: every mail comes out as it should, and the commands work on its stack."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from bs4 import BeautifulSoup, Tag

from outbox.cli.app import main
from tests.waiting import SECONDS, wait_for

pytestmark = pytest.mark.stack

COMMAND = [sys.executable, "-m", "outbox.cli.app"]
SCENES = (
    *("plain mail", "HTML with cc", "Japanese text", "with an order, in one transaction", "scheduled"),
    *("refused address", "refused, for you to correct", "during a 429", "during a 500", "with three files"),
    *("an address that bounces", "once more to that address"),
)
# What a shell may have set: nothing of it may lead the demo, or its console, to another account.
HOSTILE = {
    "AWS_PROFILE": "leaked",
    "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:9",
    "AWS_SESSION_TOKEN": "leaked",
    "OUTBOX_TABLE": "leaked",
    "HTTP_PROXY": "http://127.0.0.1:9",
}
UNSENT = ("refused, for you to correct", "during a 500", "once more to that address")


def environment(**more: str) -> dict[str, str]:
    """Give the environment without the settings of this shell."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "OUTBOX_"))}
    return clean | more


def test_ends_by_itself() -> None:
    """`demo --exit` ends with status 0 and a table of every mail, where it is and why."""
    ended = subprocess.run(
        [*COMMAND, "demo", "--exit"],
        env=environment(COLUMNS="250"),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    for scene in SCENES:
        assert scene in ended.stdout
    assert f"All {len(SCENES)} mails came out as they should" in ended.stdout
    assert "UNKNOWN" in ended.stdout


@pytest.fixture(scope="module")
def demo() -> Iterator[dict[str, Any]]:
    """Start a demo that stays up and give its report."""
    env = environment(**HOSTILE)
    process = subprocess.Popen([*COMMAND, "demo", "--json"], env=env, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        report = json.loads(process.stdout.readline())
        yield report
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
        process.stdout.close()
    assert not listens(report["console_url"])


def listens(url: str) -> bool:
    with closing(socket.socket()) as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", httpx.URL(url).port or 0)) == 0


def outbox(demo: dict[str, Any], *arguments: str, **more: str) -> tuple[int, Any]:
    """Run a command on the demo's stack, with its environment lines; give its exit status and its document.

    In this process: what takes longest in one of its own is to import everything.
    """
    stack, out, err = demo["stack"], io.StringIO(), io.StringIO()
    env = environment(
        AWS_ENDPOINT_URL=stack["aws_endpoint_url"],
        AWS_DEFAULT_REGION=stack["region"],
        AWS_ACCESS_KEY_ID=stack["aws_access_key_id"],
        AWS_SECRET_ACCESS_KEY=stack["aws_secret_access_key"],
        **more,
    )
    with patch.dict(os.environ, env, clear=True), redirect_stdout(out), redirect_stderr(err):
        status = main(["--stack", stack["stack_name"], *arguments, "--json"])
    assert err.getvalue() == ""
    return status, json.loads(out.getvalue())


def unsettled(demo: dict[str, Any]) -> str:
    """Give the id of the mail that waits for a person."""
    return next(mail["id"] for mail in demo["mails"] if mail["name"] == "during a 500")


def test_report(demo: dict[str, Any]) -> None:
    """The report for scripts says of every mail where it is, and that all is well."""
    assert demo["ok"] is True
    assert demo["wrong"] == []
    assert [mail["name"] for mail in demo["mails"]] == list(SCENES)
    assert [mail["name"] for mail in demo["mails"] if mail["where"] == "outbox"] == list(UNSENT)
    assert [mail["bounces"] for mail in demo["mails"] if mail["name"] == "an address that bounces"] == [["HARDERROR"]]


def test_tables_from_the_stack(demo: dict[str, Any]) -> None:
    """A stack's name is enough to find its tables, in the outbox and in history."""
    status, document = outbox(demo, "find", "--status", "sent")

    assert status == 0
    assert len(document["mails"]) >= len(SCENES) - len(UNSENT)


def test_unknown_mail_is_found(demo: dict[str, Any]) -> None:
    """The mail that waits for a person is found by its state."""
    _, document = outbox(demo, "find", "--status", "unknown")

    assert [mail["id"] for mail in document["mails"]] == [unsettled(demo)]
    assert document["mails"][0]["row"]["status"] == "UNKNOWN"


def test_a_person_decides(demo: dict[str, Any]) -> None:
    """Hold, correct and release act on the real tables, in the name of the AWS identity."""
    mail_id = unsettled(demo)

    assert outbox(demo, "hold", mail_id, "--note", "look first")[0] == 0
    status, document = outbox(demo, "edit", mail_id, "--subject", "Once more", "--at", "2030-01-01T00:00+09:00")

    assert (status, document["row"]["status"]) == (0, "WAITING")
    assert document["row"]["timeline"][-1]["who"] == "root"
    assert outbox(demo, "cancel", mail_id, "--yes", OUTBOX_ACTOR="alice")[0] == 0
    assert outbox(demo, "hold", mail_id)[0] == 1


def form_of(page: httpx.Response, action: str) -> dict[str, str]:
    """Give what a browser would send of a form, without its buttons."""
    form = BeautifulSoup(page.text, "html.parser").select_one(f'form[action="{action}"]')
    assert isinstance(form, Tag), page.text
    fields = {str(part["name"]): str(part.get("value", "")) for part in form.select("input[name]:not([type=checkbox])")}
    return fields | {str(part["name"]): part.text.removeprefix("\n") for part in form.select("textarea[name]")}


def test_a_failed_mail_is_corrected_in_the_console(demo: dict[str, Any]) -> None:
    """From the printed address: the mail and its reason, the corrected address, saved and sent; it arrives."""
    waiting = named(demo, "refused, for you to correct")["id"]
    with httpx.Client(trust_env=False, follow_redirects=True, timeout=SECONDS) as browser:
        first = browser.get(demo["console_url"])
        base = f"http://{first.url.netloc.decode()}"
        page = BeautifulSoup(first.text, "html.parser")
        link = next(link for link in page.select("a[data-key=open]") if link.text.strip() == "Your seat is reserved")
        mail = browser.get(f"{base}{link['href']}")
        assert "invalid format" in mail.text
        edit = BeautifulSoup(mail.text, "html.parser").select_one("a[data-key=e]")
        assert edit is not None
        form = form_of(browser.get(f"{base}{edit['href']}"), "/mail/edit")
        sent = browser.post(f"{base}/mail/edit", data=form | {"to": "jiro@example.com", "send": "yes"})

        assert sent.status_code == 200
    row = until(demo, waiting, "SENT")["row"]
    assert row["to"] == "jiro@example.com"
    assert "root" in [event["who"] for event in row["timeline"]]


def test_its_console_is_for_who_started_it(demo: dict[str, Any]) -> None:
    """Without the token of the printed address nobody gets in."""
    base = demo["console_url"].partition("/sign-in")[0]

    assert httpx.get(f"{base}/", trust_env=False, follow_redirects=True).url.path == "/sign-in"


def named(demo: dict[str, Any], name: str) -> dict[str, Any]:
    """Give what the demo says of one mail."""
    return next(mail for mail in demo["mails"] if mail["name"] == name)


def until(demo: dict[str, Any], mail_id: str, status: str) -> dict[str, Any]:
    """Wait until a mail is in a state and give its document."""
    document: dict[str, Any] = {}

    def there() -> bool:
        document.update(outbox(demo, "show", mail_id)[1])
        return bool(document["row"]["status"] == status)

    wait_for(there, pause=0.2, told=lambda: f"{document['row']['status']}: {document['row'].get('reason')}")
    return document


def test_what_came_back_is_seen_and_an_address_is_lifted(demo: dict[str, Any]) -> None:
    """Bounces, the suppression list, lifting with what waited for it: on the real tables, by the stack's name alone."""
    bounced, waiting = named(demo, "an address that bounces"), named(demo, "once more to that address")
    _, bounces = outbox(demo, "bounces", "--to", "gone@example.com")
    _, listed = outbox(demo, "suppressed", "list")
    _, history = outbox(demo, "history", "--to", "gone@example.com")

    assert [each["mail_id"] for each in bounces["bounces"]] == [bounced["id"]]
    assert [each["email"] for each in listed["addresses"]] == ["gone@example.com"]
    assert [each["id"] for each in history["mails"]] == [bounced["id"]]
    assert outbox(demo, "suppressed", "lift", "gone@example.com", "--resend")[0] == 0
    until(demo, waiting["id"], "SENT")


def test_a_mail_with_files_is_sent_again_and_deleted(demo: dict[str, Any]) -> None:
    """From history, to another address, after its warning was confirmed; then its row and files go by hand."""
    files = named(demo, "with three files")["id"]

    assert outbox(demo, "resend", files)[0] == 1
    status, document = outbox(demo, "resend", files, "--to", "other@example.com", "--yes")
    assert status == 0
    again = until(demo, document["results"][0]["resent_as"], "SENT")
    assert again["row"]["resend_of"] == files
    assert [each["name"] for each in again["row"]["attachments"]] == ["invoice.pdf", "請求書.txt", "terms.html"]
    assert outbox(demo, "delete", again["row"]["id"], "--files", "--yes")[0] == 0
    assert outbox(demo, "show", again["row"]["id"])[0] == 1


def test_a_person_is_forgotten_and_all_is_in_order(demo: dict[str, Any]) -> None:
    """History no longer knows the address, and the tables have nothing wrong in them."""
    assert outbox(demo, "forget", "html@example.com", "--yes")[0] == 0
    assert outbox(demo, "history", "--to", "html@example.com")[1]["mails"] == []
    status, document = outbox(demo, "doctor", "--repair")
    assert (status, document["findings"]) == (0, [])


def test_the_line(demo: dict[str, Any]) -> None:
    """The line of the deployed stack is stopped, looked at and resumed by its name alone."""
    status, paused = outbox(demo, "pause", "--reason", "wrong price", OUTBOX_ACTOR="alice")
    _, seen = outbox(demo, "status")

    assert (status, paused["changed"], paused["by"]) == (0, True, "alice")
    assert (seen["line"]["stopped"], seen["line"]["reason"]) == (True, "wrong price.")
    assert seen["rate"]["per_minute"] == 500
    assert outbox(demo, "resume")[1]["stopped"] is False


def test_unknown_stack(demo: dict[str, Any]) -> None:
    """A stack that does not exist is a wrong setting."""
    other = demo | {"stack": demo["stack"] | {"stack_name": "nowhere"}}

    assert outbox(other, "find")[0] == 2
