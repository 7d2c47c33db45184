"""Clients of AWS: what every call of them carries."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import boto3
import pytest
from moto import mock_aws

from outbox.adapters import aws
from outbox.adapters.control import DynamoRegister
from tests.adapters.peer import FORGETS, Peer


@mock_aws
def test_a_call_says_who_calls():
    """In few words, made once: who reads a trail of calls finds ours among those of others."""
    client = aws.dynamodb(boto3.Session("x", "y", region_name="us-east-1"))
    said = []
    client.meta.events.register_first(
        "before-send.dynamodb.*", lambda request, **_: said.append(request.headers["User-Agent"])
    )
    for _ in range(2):
        client.list_tables()
    assert len(set(said)) == 1
    assert said[0].decode().startswith(f"outbox Boto3/{boto3.__version__}")


@pytest.mark.parametrize("how", FORGETS)
def test_connections_that_died_while_they_were_idle_cost_a_try_and_no_call(how):
    """Twenty calls at once on twenty dead connections: the SDK makes each again on a new one."""

    def answer(_head):
        time.sleep(0.05)
        return b"{}"

    with closing(Peer(answer)) as peer, ThreadPoolExecutor(20) as pool:
        client = aws.dynamodb(boto3.Session("none", "none", region_name="us-east-1"), 22, endpoint_url=peer.url)
        register = DynamoRegister(client, "control")

        def write(number):
            return register.swap(str(number), None, {"a": 1})[0]

        assert all(pool.map(write, range(20)))
        peer.forget(how)
        assert all(pool.map(write, range(20)))
        assert peer.seen["answered"] == 40
        client.close()
