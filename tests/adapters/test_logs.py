"""No log line holds a token, a body or a full address, whoever writes it."""

import json
import logging

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outbox.adapters import logs
from outbox.adapters.api_client import token
from outbox.adapters.secrets import Credentials
from outbox.core.errors import Rejected

TOKEN = token(Credentials("me", "key"))
ADDRESS = "taro.tanaka@example.co.jp"
BODY = "Your new password is hunter2"


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_writes_json_lines_with_level_and_time(capsys):
    """A line is one JSON object."""
    logs.configure()
    structlog.get_logger().info("mail.tried", id="01H", outcome="SENT")
    (line,) = lines(capsys)
    assert line | {"timestamp": ""} == {
        "event": "mail.tried",
        "id": "01H",
        "outcome": "SENT",
        "level": "info",
        "timestamp": "",
    }


def test_leaves_out_what_is_below_its_level(capsys):
    """The level is a setting."""
    logs.configure("WARNING")
    structlog.get_logger().info("x")
    assert lines(capsys) == []


def test_takes_in_the_lines_of_libraries(capsys):
    """A library's warning comes out as JSON too, masked."""
    logs.configure()
    logging.getLogger("botocore").warning("could not send to %s with Bearer %s", ADDRESS, TOKEN)
    logging.getLogger("httpx").info("POST")
    (line,) = lines(capsys)
    assert ADDRESS not in json.dumps(line)
    assert TOKEN not in json.dumps(line)


@pytest.mark.parametrize(
    "values",
    [
        {"to": ADDRESS},
        {"reason": f"refused: {ADDRESS}: invalid format."},
        {"reason": f'"Taro"<{ADDRESS}>,x'},
        {"deep": {"deeper": [{"cc": (ADDRESS,)}]}},
        {ADDRESS: 1},
        {"nested": {ADDRESS: 1}},
        {"token": "abc"},
        {"headers": {"Authorization": f"Bearer {TOKEN}"}},
        {"note": f"Bearer {TOKEN}"},
        {"note": TOKEN},
        {"text": BODY},
        {"row": {"html": BODY, "subject": BODY}},
        {"mail": {"insert_code": {"a": BODY}}},
        {"attachment": BODY.encode()},
    ],
)
def test_masks_whatever_is_logged(capsys, values):
    """Addresses, tokens and bodies never reach the output, however deep they are."""
    logs.configure()
    structlog.get_logger().warning("x", **values)
    out = capsys.readouterr().out
    for secret in (ADDRESS, "tanaka", TOKEN, "hunter2"):
        assert secret not in out


def test_an_exception_is_logged_without_its_message(capsys):
    """Its class and places are enough; its message may quote a mail."""
    logs.configure()
    try:
        raise Rejected(BODY + ADDRESS)
    except Rejected:
        structlog.get_logger().exception("send.bug", id="1")
        logging.getLogger("x").exception("boom")
    out = capsys.readouterr().out
    assert "hunter2" not in out
    assert ADDRESS not in out
    assert "Rejected" in out
    assert "test_logs.py" in out


locals_ = st.text("abcXYZ019._+-", min_size=2, max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(locals_, st.text(max_size=20), st.text(max_size=20))
def test_no_address_survives_any_surroundings(local, before, after):
    """Whatever stands around an address, its name does not come out."""
    address = f"{local}@example.com"
    cleaned = logs.redact(None, "", {"event": f"{before} {address} {after}"})
    assert address not in str(cleaned)
