"""Starts the dispatch function without waiting for it."""

from typing import TYPE_CHECKING

from outbox.adapters import aws

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient


class Starter:
    """Invokes a Lambda function asynchronously; with no name, the schedule alone starts it."""

    def __init__(self, function: str, client: "LambdaClient | None" = None, payload: bytes = b"{}") -> None:
        self._function, self._client, self._payload = function, client, payload

    def __call__(self) -> None:
        """Start it; an error of AWS is raised."""
        if not self._function:
            return
        self._client = self._client or aws.functions()
        self._client.invoke(FunctionName=self._function, InvocationType="Event", Payload=self._payload)
