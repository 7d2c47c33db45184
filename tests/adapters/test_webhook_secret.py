"""Basic credentials of the webhook: two pairs at once, read again when a new one is used, never flooded."""

import base64
import json

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError
from moto import mock_aws

from outbox.adapters.webhook_secret import LONGEST_HEADER, WebhookCredentials
from outbox.core.errors import Stop
from outbox.testing import TickingClock

OLD, NEW = ("blastengine", "correct horse 123"), ("blastengine2", "pässwörd: mit Doppelpunkt")


def header(user, password, scheme="Basic"):
    return f"{scheme} {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def secret(*pairs):
    return json.dumps({"credentials": [{"user": user, "password": password} for user, password in pairs]})


class Counting:
    """A secret store that counts and fails as it is told."""

    def __init__(self, written):
        self.written, self.asked, self.fails = written, 0, False

    def get_secret_value(self, **_):
        self.asked += 1
        if self.fails:
            raise ReadTimeoutError(endpoint_url="x")
        return {"SecretString": self.written}


@pytest.fixture
def store():
    return Counting(secret(OLD, NEW))


@pytest.fixture
def clock():
    return TickingClock()


@pytest.fixture
def credentials(store, clock):
    return WebhookCredentials(store, "webhook", clock)


@pytest.mark.parametrize("given", [header(*OLD), header(*NEW), header(*OLD, scheme="bAsIc"), header(*OLD) + " "])
def test_either_pair_admits(credentials, given):
    """Both are valid while one replaces the other."""
    assert credentials.admits(given)


WRONG = {
    "missing": "",
    "other password": header(OLD[0], "x" * 16),
    "other user": header("x", OLD[1]),
    "user of one, password of the other": header(OLD[0], NEW[1]),
    "shorter": header(OLD[0], OLD[1][:-1]),
    "longer": header(OLD[0], OLD[1] + "x"),
    "moved colon": header(OLD[0] + ":" + OLD[1][:3], OLD[1][3:]),
    "no colon": "Basic " + base64.b64encode(b"blastengine").decode(),
    "empty": "Basic ",
    "scheme only": "Basic",
    "other scheme": header(*OLD, scheme="Bearer"),
    "not base64": "Basic blastengine:correct horse 123",
    "not ASCII": "Basic ブラスト",
    "not UTF-8": "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
    "oversized": header(OLD[0], "x" * LONGEST_HEADER),
    "oversized blanks": "Basic " + " " * LONGEST_HEADER + header(*OLD)[6:],
    "two at once": f"{header(*OLD)}, {header(*NEW)}",
}


@pytest.mark.parametrize("given", WRONG.values(), ids=WRONG.keys())
def test_anything_else_does_not(credentials, given):
    """Whatever is wrong with it, it is a no and no error."""
    assert credentials.admits(given) is False


def test_a_new_password_is_known_at_its_first_use(store, clock, credentials):
    """Whoever changes it need not wait for five minutes."""
    assert credentials.admits(header(*OLD))
    store.written = secret(("blastengine", "a brand new password"))
    assert credentials.admits(header("blastengine", "a brand new password"))
    assert not credentials.admits(header(*OLD))


def test_an_old_password_ends_within_five_minutes(store, clock, credentials):
    """What was read is believed for that long."""
    assert credentials.admits(header(*OLD))
    store.written = secret(NEW)
    clock.forward(minutes=5)
    assert not credentials.admits(header(*OLD))


def test_a_flood_of_wrong_passwords_reads_the_secret_every_half_minute(store, clock, credentials):
    """Strangers cannot run up the bill."""
    for _ in range(120):
        clock.forward(seconds=1)
        for _ in range(10):
            assert not credentials.admits(header("x", "y" * 16))
    assert store.asked == 5


def test_headers_that_could_never_be_right_read_nothing_more(store, credentials):
    """No new secret would make them right."""
    for given in ("", "Basic !", header(OLD[0], "x" * LONGEST_HEADER)):
        assert not credentials.admits(given)
    assert store.asked == 0


def test_a_stranger_is_refused_while_the_secret_cannot_be_read(store, clock, credentials):
    """What is known was compared: that is no trouble with the secret, and rings no alarm."""
    assert credentials.admits(header(*OLD))
    store.fails = True
    assert not credentials.admits(header("stranger", "x" * 20))


def test_a_secret_that_cannot_be_read_is_said(store, credentials):
    """Nobody can tell who calls: the mail API must send again."""
    store.fails = True
    with pytest.raises(Stop, match="ReadTimeoutError"):
        credentials.admits(header(*OLD))


def test_known_pairs_outlive_a_stall_of_the_secret_store(store, clock, credentials):
    """A right password stays right."""
    assert credentials.admits(header(*OLD))
    store.fails = True
    clock.forward(minutes=6)
    assert credentials.admits(header(*OLD))


UNUSABLE = {
    "empty": "",
    "no JSON": "x",
    "a list": "[]",
    "nothing": "{}",
    "no pairs": secret(),
    "three pairs": secret(OLD, NEW, OLD),
    "short password": secret(("u", "x" * 15)),
    "empty user": secret(("", "x" * 16)),
    "colon in the user": secret(("a:b", "x" * 16)),
    "control character": secret(("u", "x" * 16 + "\n")),
    "lone surrogate": secret(("u", "x" * 16 + "\ud800")),
    "number": json.dumps({"credentials": [{"user": 1, "password": 2}]}),
    "text": json.dumps({"credentials": "blastengine"}),
    "list of text": json.dumps({"credentials": ["blastengine"]}),
    "one good and one bad": secret(OLD, ("u", "short")),
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize("written", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_an_unusable_secret_is_refused_with_its_rule(written):
    """The sentence says the form and nothing of what the secret holds."""
    with pytest.raises(Stop, match="16 or more characters in a password") as error:
        WebhookCredentials(Counting(written), "webhook", TickingClock()).admits(header(*OLD))
    assert "short" not in str(error.value)


def test_it_reads_a_real_secret():
    """Through the SDK, as in Lambda."""
    with mock_aws():
        client = boto3.client("secretsmanager", "us-east-1", aws_access_key_id="x", aws_secret_access_key="y")
        client.create_secret(Name="webhook", SecretString=secret(OLD))
        assert WebhookCredentials(client, "webhook", TickingClock()).admits(header(*OLD))


def test_credentials_never_show_themselves(credentials):
    """They can be logged by accident."""
    credentials.admits(header(*OLD))
    assert OLD[1] not in repr(vars(credentials)) + repr(vars(credentials._secret))
