"""Whoever acts on a stack from outside writes rows as its own functions do."""

from typing import Any

import boto3
import pytest

from outbox.core.message import Language
from outbox.wiring.connect import Options, connect

OUTPUTS = {"OutboxTable": "o", "HistoryTable": "h", "ControlTable": "c"}


class Formation:
    """A stack as CloudFormation describes it."""

    def __init__(self, parameters: dict[str, str]) -> None:
        self.parameters = parameters

    def describe_stacks(self, **_: Any) -> dict[str, Any]:
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in OUTPUTS.items()]
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in self.parameters.items()]
        return {"Stacks": [{"Outputs": outputs, "Parameters": given}]}


class Account(boto3.Session):
    """An account with one stack."""

    def __init__(self, **parameters: str) -> None:
        super().__init__(region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
        self.stack = Formation(parameters)

    def client(self, service_name: str, *args: Any, **kwargs: Any) -> Any:
        return self.stack if service_name == "cloudformation" else super().client(service_name, *args, **kwargs)


@pytest.mark.parametrize(
    ("parameters", "environment", "language"),
    [
        ({"Language": "ja"}, None, "ja"),
        ({"Language": "en"}, "ja", "en"),
        ({}, "ja", "ja"),
        ({}, None, "en"),
    ],
)
def test_rows_are_written_in_the_language_of_the_stack(
    monkeypatch: pytest.MonkeyPatch, parameters: dict[str, str], environment: str | None, language: Language
) -> None:
    """Its parameter goes before the environment, which a stack of an older template leaves to decide."""
    monkeypatch.delenv("OUTBOX_LANGUAGE", raising=False)
    if environment:
        monkeypatch.setenv("OUTBOX_LANGUAGE", environment)

    desk = connect(Options(stack="s"), session=Account(**parameters))

    assert desk.language == desk.support.language == desk.again.language == language
