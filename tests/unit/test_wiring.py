"""Each invocation of deliver and dispatch begins afresh, however long the function was frozen before it."""

import boto3
import pytest

from outbox.adapters import aws
from outbox.adapters.control import DynamoRegister
from outbox.wiring import delivering, dispatching
from outbox.wiring.sending import sending
from tests.adapters.peer import Peer

NAMES = ("TABLE", "HISTORY_TABLE", "CONTROL_TABLE", "SUPPRESSION_TABLE", "SECRET_ID", "BUCKET")


class Context:
    def get_remaining_time_in_millis(self):
        return 100_000


class Secret:
    def get_secret_value(self, **_):
        return {"SecretString": '{"login_id": "me", "api_key": "key"}'}


@pytest.fixture
def peer():
    peer = Peer(lambda _head: b"{}")
    yield peer
    peer.close()


@pytest.fixture
def shared(monkeypatch):
    """Give the items that the workers share."""
    items = {}
    monkeypatch.setattr(DynamoRegister, "get", lambda _self, name: items.get(name))
    return items


@pytest.fixture
def parts(monkeypatch, peer, shared):
    """Build what sends as a function does, around a mail API of our own."""
    for name in NAMES:
        monkeypatch.setenv(f"OUTBOX_{name}", name)
    monkeypatch.setenv("OUTBOX_MAIL_API_URL", peer.url)
    monkeypatch.setattr(aws, "secrets_manager", lambda _session: Secret())
    monkeypatch.setattr(boto3, "Session", lambda: boto3.session.Session("none", "none", region_name="us-east-1"))
    for module in (delivering, dispatching):
        monkeypatch.setattr(module, "one_processor", lambda: None)
    sending.cache_clear()
    yield sending()
    sending().connections.close()
    sending.cache_clear()


@pytest.mark.parametrize("function", ["deliver", "dispatch"])
def test_an_invocation_believes_nothing_of_the_one_before(monkeypatch, parts, peer, shared, function):
    """The switch is read again and the connection is a new one, though no clock has moved."""
    looks, together = [], []

    monkeypatch.setattr(DynamoRegister, "read_together", lambda _self, *names: together.append(names))

    def look(*_, **_more):
        parts.http.call("POST", "/", longest=10)
        looks.append(parts.switch.stopped())
        return set() if function == "deliver" else {}

    monkeypatch.setattr(delivering, "flow", lambda: look)
    monkeypatch.setattr(dispatching, "flow", lambda: look)
    invoke = {
        "deliver": lambda: delivering.deliver({"Records": []}, Context()),
        "dispatch": lambda: dispatching.dispatch({}, Context()),
    }[function]
    invoke()
    peer.forget("reset")
    shared["switch"] = {"stopped": True, "reason": "wrong template"}
    invoke()
    assert looks == [None, "wrong template"]
    assert together == [("switch", "rate") if function == "deliver" else ()] * 2
