"""The tables outlive mistakes, the stream mapping ends, and what goes wrong raises an alarm."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from outbox.core import places
from outbox.settings import PREFIX, WorkerSettings

ROOT = Path(__file__).parents[2]
TABLES = ["Outbox", "History"]
FUNCTIONS = {"Deliver": "deliver", "Dispatch": "dispatch"}


@pytest.mark.parametrize("name", TABLES)
def test_table_is_kept_safe(resources: dict[str, Any], name: str) -> None:
    """Each table is on demand, encrypted, restorable, and stays when the stack goes."""
    table = resources[name]
    properties = table["Properties"]
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["SSESpecification"] == {"SSEEnabled": True}
    assert properties["DeletionProtectionEnabled"] == {"Ref": "DeletionProtection"}
    assert properties["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}


def test_tables_are_protected_by_default(template: dict[str, Any]) -> None:
    """Whoever wants tables that can be deleted has to say so."""
    assert template["Parameters"]["DeletionProtection"]["Default"] == "true"


def indexes(table: dict[str, Any]) -> dict[str, tuple[list[str], str]]:
    """Read the keys and the projection of each index."""
    return {
        each["IndexName"]: (
            [key["AttributeName"] for key in each["KeySchema"]],
            each["Projection"]["ProjectionType"],
        )
        for each in table["Properties"]["GlobalSecondaryIndexes"]
    }


def test_indexes_are_the_ones_the_code_asks(resources: dict[str, Any]) -> None:
    """Names, keys and projections are fixed for ever by the first deployment."""
    assert indexes(resources["Outbox"]) == {
        "due": (["lane", "due_at"], "KEYS_ONLY"),
        "problems": (["problem", "problem_at"], "INCLUDE"),
    }
    assert indexes(resources["History"]) == {
        "by_delivery": (["delivery_id"], "KEYS_ONLY"),
        "by_recipient": (["recipient", "finished_at"], "KEYS_ONLY"),
        "by_day": (["day", "finished_at"], "KEYS_ONLY"),
    }


def test_history_expires_and_the_outbox_does_not(resources: dict[str, Any]) -> None:
    """Only finished mails go by themselves."""
    expiry = resources["History"]["Properties"]["TimeToLiveSpecification"]
    assert expiry == {"AttributeName": "expires_at", "Enabled": True}
    assert "TimeToLiveSpecification" not in resources["Outbox"]["Properties"]


def test_stream_mapping_cannot_run_up_the_bill(resources: dict[str, Any]) -> None:
    """Retries end, a bad record is singled out, the rest of its batch goes on, and the queue hears of it."""
    mapping = resources["DeliverDoorbell"]["Properties"]
    assert mapping["BatchSize"] == 100
    assert 0 < mapping["MaximumRetryAttempts"] <= 10
    assert 60 <= mapping["MaximumRecordAgeInSeconds"] <= 86_400
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["DestinationConfig"]["OnFailure"]["Destination"] == {"Fn::GetAtt": ["Unheard", "Arn"]}
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert mapping["FilterCriteria"]["Filters"]


def test_a_lone_mail_does_not_wait_for_company(resources: dict[str, Any]) -> None:
    """No batching window stands between a mail and its sending."""
    assert resources["DeliverDoorbell"]["Properties"]["MaximumBatchingWindowInSeconds"] == 0


def test_dispatch_runs_every_minute(resources: dict[str, Any]) -> None:
    """The schedule is what finds rows whose doorbell was lost."""
    schedule = resources["DispatchEveryMinute"]["Properties"]
    assert schedule["ScheduleExpression"] == "rate(1 minute)"
    assert "Name" not in schedule
    assert resources["DispatchEventInvokeConfig"]["Properties"]["MaximumRetryAttempts"] == 0


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_gets_every_setting_by_its_name(resources: dict[str, Any], name: str) -> None:
    """What the template sets is what the code reads, and nothing the code needs is missing."""
    variables = resources[name]["Properties"]["Environment"]["Variables"]
    fields = WorkerSettings.model_fields
    assert {variable.removeprefix(PREFIX).lower() for variable in variables} <= set(fields)
    needed = {PREFIX + field.upper() for field, info in fields.items() if info.is_required()}
    assert needed <= set(variables)


def test_lease_outlives_the_function(template: dict[str, Any]) -> None:
    """A row whose lease has run out has certainly nobody working on it."""
    seconds = template["Mappings"]["Function"]["Seconds"]
    assert int(seconds["Lease"]) >= int(seconds["Timeout"]) + 30


@pytest.mark.parametrize("name", FUNCTIONS)
def test_handler_exists(resources: dict[str, Any], name: str) -> None:
    """The file and the function that the template names are there."""
    module, function = resources[name]["Properties"]["Handler"].split(".")
    assert module == FUNCTIONS[name]
    tree = ast.parse((ROOT / "functions" / f"{module}.py").read_text(encoding="utf-8"))
    assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_logs_are_kept_for_a_while_only(resources: dict[str, Any], name: str) -> None:
    """Each function writes to a log group of this stack, whose lines expire."""
    (group,) = resources[name]["Properties"]["LoggingConfig"]["LogGroup"].values()
    assert resources[group]["Properties"]["RetentionInDays"] == {"Ref": "LogDays"}


def test_failures_raise_alarms(resources: dict[str, Any]) -> None:
    """Errors, lag, unheard records and a silent schedule are each watched, and the topic hears of them."""
    alarms = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::CloudWatch::Alarm"]
    watched = {
        (
            str(each["Namespace"]),
            each["MetricName"],
            *(str(*part["Value"].values()) for part in each.get("Dimensions", [])),
        )
        for each in alarms
        if each["AlarmActions"]["Fn::If"][0] == "HasAlarmTopic"
    }
    assert watched == {
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "['Unheard', 'QueueName']"),
        ("{'Ref': 'AWS::StackName'}", "LineStopped"),
        ("AWS/Lambda", "IteratorAge", "Deliver"),
        ("AWS/Lambda", "Errors", "Deliver"),
        ("AWS/Lambda", "Errors", "Dispatch"),
        ("AWS/Lambda", "Invocations", "Dispatch"),
    }


@pytest.mark.parametrize("parameter", ["MailApiUrl", "MailApiSecret", "OutboxTableName", "AlarmTopic"])
def test_defaults_fit_their_own_pattern(template: dict[str, Any], parameter: str) -> None:
    """A default that the parameter's pattern refuses would stop every deployment."""
    described = template["Parameters"][parameter]
    if "Default" in described:
        assert re.fullmatch(described["AllowedPattern"], described["Default"])


def test_the_problems_index_shows_what_lists_show(resources: dict[str, Any]) -> None:
    """The memory store shows the same, so a list that needs more fails in a test and not in production."""
    indexes = resources["Outbox"]["Properties"]["GlobalSecondaryIndexes"]
    (shown,) = [index["Projection"]["NonKeyAttributes"] for index in indexes if index["IndexName"] == "problems"]
    assert tuple(shown) == places.LISTED
