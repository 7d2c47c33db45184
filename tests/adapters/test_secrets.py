"""Credentials are cached, and read again when they are old or refused."""

import json

import boto3
import pytest
from moto import mock_aws

from outbox.adapters.secrets import SecretsManagerCredentials
from outbox.core.errors import Stop
from outbox.testing import TickingClock


@pytest.fixture
def client(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield boto3.client("secretsmanager", region_name="us-east-1")


def put(client, key):
    secret = json.dumps({"login_id": "me", "api_key": key})
    if client.list_secrets()["SecretList"]:
        client.put_secret_value(SecretId="mail", SecretString=secret)
    else:
        client.create_secret(Name="mail", SecretString=secret)


def test_reads_once_and_again_after_five_minutes(client):
    """The secret is read when first needed and when what is known is old."""
    clock = TickingClock()
    put(client, "one")
    source = SecretsManagerCredentials(client, "mail", clock)
    assert source().api_key == "one"
    put(client, "two")
    clock.forward(minutes=4)
    assert source().api_key == "one"
    clock.forward(minutes=1)
    assert source().api_key == "two"


def test_reads_again_when_the_clock_was_set_back(client):
    """How old what is known is, nobody can tell then."""
    clock = TickingClock()
    put(client, "one")
    source = SecretsManagerCredentials(client, "mail", clock)
    assert source().api_key == "one"
    put(client, "two")
    clock.forward(seconds=-1)
    assert source().api_key == "two"


def test_reads_at_once_when_the_known_ones_are_refused(client):
    """A 401 does not wait for five minutes; a refusal of older ones reads nothing."""
    put(client, "one")
    source = SecretsManagerCredentials(client, "mail", TickingClock())
    old = source()
    put(client, "two")
    assert source(refused=old).api_key == "two"
    put(client, "three")
    assert source(refused=old).api_key == "two"


@pytest.mark.parametrize(
    "written",
    ["", "x", "[]", "{}", '{"login_id": "a"}', '{"login_id": 1, "api_key": 2}', '{"login_id": "", "api_key": "x"}'],
)
def test_a_secret_of_another_form_stops_the_line(client, written):
    """A secret nobody can use is said, without what it holds."""
    client.create_secret(Name="mail", SecretString=written or " ")
    with pytest.raises(Stop, match="login_id"):
        SecretsManagerCredentials(client, "mail", TickingClock())()


def test_a_secret_that_is_not_there_stops_the_line(client):
    """A missing secret is said by its error code."""
    with pytest.raises(Stop, match="ResourceNotFoundException"):
        SecretsManagerCredentials(client, "mail", TickingClock())()


def test_credentials_never_show_themselves(client):
    """They can be logged by accident."""
    put(client, "very-secret")
    source = SecretsManagerCredentials(client, "mail", TickingClock())
    assert "very-secret" not in repr(source()) + repr(source)


class Counting:
    """A secret store that counts and fails as it is told."""

    def __init__(self):
        self.asked, self.fails, self.key = 0, False, "one"

    def get_secret_value(self, **_):
        from botocore.exceptions import ReadTimeoutError

        self.asked += 1
        if self.fails:
            raise ReadTimeoutError(endpoint_url="x")
        return {"SecretString": json.dumps({"login_id": "me", "api_key": self.key})}


def test_a_secret_store_that_stalls_is_asked_once_not_once_a_mail():
    """What failed is remembered for a while, so that threads do not queue up behind time-outs."""
    clock, store = TickingClock(), Counting()
    store.fails = True
    source = SecretsManagerCredentials(store, "mail", clock)
    for _ in range(20):
        with pytest.raises(Stop):
            source()
    assert store.asked == 1
    store.fails = False
    clock.forward(seconds=31)
    assert source().api_key == "one"


def test_known_credentials_outlive_a_stall_of_the_secret_store():
    """Good credentials are not thrown away because they could not be read again."""
    clock, store = TickingClock(), Counting()
    source = SecretsManagerCredentials(store, "mail", clock)
    source()
    store.fails = True
    clock.forward(minutes=6)
    assert source().api_key == "one"
    with pytest.raises(Stop):
        source(refused=source())


def test_refused_credentials_are_read_again_once_not_once_a_mail():
    """A batch of refusals is one look at the secret."""
    clock, store = TickingClock(), Counting()
    source = SecretsManagerCredentials(store, "mail", clock)
    known = source()
    for _ in range(20):
        source(refused=known)
    assert store.asked == 2
    store.key = "two"
    clock.forward(seconds=31)
    assert source(refused=known).api_key == "two"
