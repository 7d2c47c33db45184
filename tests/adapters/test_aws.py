"""Clients of AWS: what every call of them carries."""

import boto3
from moto import mock_aws

from outbox.adapters import aws


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
