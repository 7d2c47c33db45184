"""The tables outlive mistakes, the stream mapping ends, and what goes wrong raises an alarm."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from outbox.adapters.stream import MARGIN_SECONDS
from outbox.core import places
from outbox.core.mail_api import LONGEST_UPLOAD
from outbox.core.rate import URGENT_LOOK_AHEAD
from outbox.flows.dispatch import TAKEN_OVER_WITHIN
from outbox.flows.send import SETTLING
from outbox.settings import PREFIX, BucketSettings, CleanupSettings, WebhookSettings, WorkerSettings
from tests.simulation.service import DEFAULTS, DISPATCH_SECONDS, longest_call

ROOT = Path(__file__).parents[2]
TABLES = ["Outbox", "History", "Suppressions"]
FUNCTIONS = {name: name.lower() for name in ("Deliver", "Dispatch", "Keep", "Cleanup", "Bounce")}


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


@pytest.mark.parametrize("name", ["Outbox", "History"])
def test_stream_has_both_images(resources: dict[str, Any], name: str) -> None:
    """Another view type would be a new stream, with its readers left on the old one."""
    assert resources[name]["Properties"]["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}


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


def test_suppressions_are_found_by_address(resources: dict[str, Any]) -> None:
    """The key is the address, and nothing else is asked for."""
    properties = resources["Suppressions"]["Properties"]
    assert properties["KeySchema"] == [{"AttributeName": "email", "KeyType": "HASH"}]
    assert properties["AttributeDefinitions"] == [{"AttributeName": "email", "AttributeType": "S"}]
    assert "GlobalSecondaryIndexes" not in properties


def test_only_what_is_over_expires(resources: dict[str, Any]) -> None:
    """Finished mails and suppressed addresses go by themselves; the outbox never does."""
    for name in ("History", "Suppressions"):
        expiry = resources[name]["Properties"]["TimeToLiveSpecification"]
        assert expiry == {"AttributeName": "expires_at", "Enabled": True}
    assert "TimeToLiveSpecification" not in resources["Outbox"]["Properties"]


def test_bucket_is_kept_safe(resources: dict[str, Any]) -> None:
    """The files are closed to the public, encrypted, of one owner, and stay when the stack goes."""
    bucket = resources["Files"]
    properties = bucket["Properties"]
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(properties["PublicAccessBlockConfiguration"]) == 4
    assert properties["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    (encryption,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    assert "BucketName" not in properties


def test_only_the_tag_of_new_files_lets_one_expire(resources: dict[str, Any]) -> None:
    """The file of a mail that waits, however long, matches no rule that deletes."""
    rules = resources["Files"]["Properties"]["LifecycleConfiguration"]["Rules"]
    deleting, aborting = rules
    assert deleting == {
        "Id": "new-and-never-committed",
        "Status": "Enabled",
        "TagFilters": [{"Key": "outbox", "Value": "new"}],
        "ExpirationInDays": {"Ref": "OrphanDays"},
    }
    assert aborting == {
        "Id": "broken-uploads",
        "Status": "Enabled",
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }


def test_new_files_live_longer_than_keep_tries(template: dict[str, Any], resources: dict[str, Any]) -> None:
    """By default there are days to help keep before a file of a committed mail is gone."""
    seconds = resources["KeepCommitted"]["Properties"]["MaximumRecordAgeInSeconds"]
    assert template["Parameters"]["OrphanDays"]["Default"] * 86_400 >= 5 * seconds
    assert template["Parameters"]["OrphanDays"]["MinValue"] * 86_400 >= seconds


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


@pytest.mark.parametrize(("name", "table"), [("KeepCommitted", "Outbox"), ("CleanupExpired", "History")])
def test_mapping_of_files_tries_for_a_day(resources: dict[str, Any], name: str, table: str) -> None:
    """There are many tries, within the day a record lives, and an end, with the queue told and the rest through."""
    mapping = resources[name]["Properties"]
    assert mapping["EventSourceArn"] == {"Fn::GetAtt": [table, "StreamArn"]}
    assert mapping["BatchSize"] == 100
    # The most Lambda takes: the age of a record is the bound.
    assert mapping["MaximumRetryAttempts"] == 10_000
    assert mapping["MaximumRecordAgeInSeconds"] == 86_400
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["DestinationConfig"]["OnFailure"]["Destination"] == {"Fn::GetAtt": ["UnheardFiles", "Arn"]}
    assert mapping["StartingPosition"] == "TRIM_HORIZON"


@pytest.mark.parametrize("table", ["Outbox", "History"])
def test_a_stream_has_two_readers_at_most(resources: dict[str, Any], table: str) -> None:
    """A third one would slow down the others."""
    mappings = [each for each in resources.values() if each["Type"] == "AWS::Lambda::EventSourceMapping"]
    readers = [each for each in mappings if each["Properties"]["EventSourceArn"]["Fn::GetAtt"][0] == table]
    assert 1 <= len(readers) <= 2


def test_a_lone_mail_does_not_wait_for_company(resources: dict[str, Any]) -> None:
    """No batching window stands between a mail and its sending."""
    assert resources["DeliverDoorbell"]["Properties"]["MaximumBatchingWindowInSeconds"] == 0


def test_dispatch_runs_every_minute(resources: dict[str, Any]) -> None:
    """The schedule is what finds rows whose doorbell was lost."""
    schedule = resources["DispatchEveryMinute"]["Properties"]
    assert schedule["ScheduleExpression"] == "rate(1 minute)"
    assert "Name" not in schedule
    assert resources["DispatchEventInvokeConfig"]["Properties"]["MaximumRetryAttempts"] == 0


SENDER = {
    "OUTBOX_TABLE": "Outbox",
    "OUTBOX_HISTORY_TABLE": "History",
    "OUTBOX_CONTROL_TABLE": "Control",
    "OUTBOX_SUPPRESSION_TABLE": "Suppressions",
    "OUTBOX_BUCKET": "Files",
    "OUTBOX_HISTORY_DAYS": "HistoryDays",
    "OUTBOX_HISTORY_BODIES": "HistoryBodies",
    "OUTBOX_LANGUAGE": "Language",
    "OUTBOX_SUPPRESSION": "Suppression",
    "OUTBOX_RATE_PER_MINUTE": "RatePerMinute",
    "OUTBOX_RATE_BURST": "RateBurst",
    "OUTBOX_LOOK_UP_MINUTES": "LookUpMinutes",
    "OUTBOX_DISPATCHERS": "Dispatchers",
    "OUTBOX_DISPATCH_FUNCTION": "${AWS::StackName}-dispatch",
    "OUTBOX_MAIL_API_URL": "MailApiUrl",
    "OUTBOX_SECRET_ID": "MailApiSecret",
    "OUTBOX_LEASE_SECONDS": ["Function", "Seconds", "Lease"],
}
VARIABLES: dict[str, dict[str, object]] = {
    "Deliver": SENDER,
    "Dispatch": SENDER,
    "Keep": {"OUTBOX_BUCKET": "Files"},
    "Cleanup": {"OUTBOX_BUCKET": "Files", "OUTBOX_TABLE": "Outbox", "OUTBOX_HISTORY_TABLE": "History"},
    "Bounce": {
        "OUTBOX_HISTORY_TABLE": "History",
        "OUTBOX_SUPPRESSION_TABLE": "Suppressions",
        "OUTBOX_HISTORY_DAYS": "HistoryDays",
        "OUTBOX_WEBHOOK_SECRET_ID": "WebhookSecret",
        "OUTBOX_WEBHOOK_SOURCES": "WebhookSources",
        "OUTBOX_SUPPRESS_AFTER": "SuppressAfter",
        "OUTBOX_SUPPRESS_WITHIN_DAYS": "SuppressWithinDays",
        "OUTBOX_SUPPRESS_FOR_DAYS": "SuppressForDays",
        "OUTBOX_LANGUAGE": "Language",
    },
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_gets_what_it_reads_and_nothing_else(resources: dict[str, Any], name: str) -> None:
    """No function knows the name of a table, a bucket or a secret that it has nothing to do with."""
    variables = resources[name]["Properties"]["Environment"]["Variables"]
    found = {variable: next(iter(value.values())) for variable, value in variables.items()}
    assert found == VARIABLES[name] | {"OUTBOX_LOG_LEVEL": "LogLevel"}


SETTINGS = {
    "Deliver": WorkerSettings,
    "Dispatch": WorkerSettings,
    "Keep": BucketSettings,
    "Cleanup": CleanupSettings,
    "Bounce": WebhookSettings,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_gets_every_setting_by_its_name(resources: dict[str, Any], name: str) -> None:
    """What the template sets is what the code reads, and nothing the code needs is missing."""
    variables = resources[name]["Properties"]["Environment"]["Variables"]
    fields = SETTINGS[name].model_fields
    assert {variable.removeprefix(PREFIX).lower() for variable in variables} <= set(fields)
    needed = {PREFIX + field.upper() for field, info in fields.items() if info.is_required()}
    assert needed <= set(variables)


def test_without_a_webhook_there_is_nothing_to_call(template: dict[str, Any], resources: dict[str, Any]) -> None:
    """Unless a secret is given, no part of bounce exists, and the rest does."""
    assert template["Parameters"]["WebhookSecret"]["Default"] == ""
    assert template["Conditions"]["HasWebhook"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "WebhookSecret"}, ""]}]}
    conditional = {name for name, each in resources.items() if each.get("Condition") == "HasWebhook"}
    assert conditional == {name for name in resources if name.startswith("Bounce")}
    outputs = {name for name, each in template["Outputs"].items() if each.get("Condition") == "HasWebhook"}
    assert outputs == {"BounceFunction", "BounceUrl"}


def test_strangers_cannot_run_up_the_bill_if_a_bound_is_given(resources: dict[str, Any]) -> None:
    """A function URL throttles nobody; the copies that run at once can be limited, and each call is short."""
    bounce = resources["Bounce"]["Properties"]
    assert bounce["ReservedConcurrentExecutions"]["Fn::If"][:2] == [
        "HasBounceConcurrency",
        {"Ref": "BounceConcurrency"},
    ]
    assert (bounce["Timeout"], bounce["MemorySize"]) == (30, 512)
    assert resources["BounceUrl"]["Properties"] == {"TargetFunctionArn": {"Ref": "Bounce"}, "AuthType": "NONE"}


def test_lease_outlasts_a_call_however_long_the_function_lives(template: dict[str, Any]) -> None:
    """A call begins only if it and its writing down end within the lease; it must be long enough for any call."""
    seconds = template["Mappings"]["Function"]["Seconds"]
    call = longest_call(DEFAULTS.connect_seconds, DEFAULTS.answer_seconds)
    assert int(seconds["Lease"]) >= call + LONGEST_UPLOAD + SETTLING + 10


def test_dispatch_works_for_most_of_the_longest_time_lambda_allows(
    template: dict[str, Any], resources: dict[str, Any]
) -> None:
    """Only its end is for calls under way, and the schedule's next one takes over before that."""
    assert resources["Dispatch"]["Properties"]["Timeout"] == {
        "Fn::FindInMap": ["Function", "Seconds", "DispatchTimeout"]
    }
    timeout = int(template["Mappings"]["Function"]["Seconds"]["DispatchTimeout"])
    call = longest_call(DEFAULTS.connect_seconds, DEFAULTS.answer_seconds)
    works = timeout - MARGIN_SECONDS - URGENT_LOOK_AHEAD.total_seconds() - call - SETTLING
    assert timeout == DISPATCH_SECONDS == 900
    assert works - TAKEN_OVER_WITHIN.total_seconds() >= 0.75 * timeout
    assert resources["DispatchEveryMinute"]["Properties"]["ScheduleExpression"] == "rate(1 minute)"
    assert TAKEN_OVER_WITHIN.total_seconds() > 60


@pytest.mark.parametrize("name", ["Deliver", "Dispatch"])
def test_a_chain_of_functions_is_ended_by_aws(resources: dict[str, Any], name: str) -> None:
    """No function starts itself; should a mistake make one do it, the loop detection is on, and said to be."""
    assert resources[name]["Properties"]["RecursiveLoop"] == "Terminate"


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
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "['UnheardFiles', 'QueueName']"),
        ("AWS/Lambda", "IteratorAge", "Deliver"),
        ("AWS/Lambda", "IteratorAge", "Keep"),
        ("AWS/Lambda", "Errors", "Keep"),
        ("AWS/Lambda", "Errors", "Cleanup"),
        ("AWS/Lambda", "Url5xxCount", "Bounce"),
        ("AWS/Lambda", "Url4xxCount", "Bounce"),
        ("AWS/Lambda", "IteratorAge", "Cleanup"),
        ("AWS/Lambda", "Errors", "Deliver"),
        ("AWS/Lambda", "Errors", "Dispatch"),
        ("AWS/Lambda", "Invocations", "Dispatch"),
    }


def test_defaults_fit_their_own_pattern(template: dict[str, Any]) -> None:
    """A default that the parameter's pattern refuses would stop every deployment."""
    checked = [each for each in template["Parameters"].values() if {"Default", "AllowedPattern"} <= set(each)]
    assert len(checked) >= 8
    assert all(re.fullmatch(each["AllowedPattern"], each["Default"]) for each in checked)


@pytest.mark.parametrize("bound", ["MinValue", "MaxValue"])
def test_numbers_stay_within_what_the_code_takes(template: dict[str, Any], bound: str) -> None:
    """A number that the template lets pass and the code refuses would stop bounce after the deployment."""
    numbers = {
        "history_days": "HistoryDays",
        "suppress_after": "SuppressAfter",
        "suppress_within_days": "SuppressWithinDays",
        "suppress_for_days": "SuppressForDays",
    }
    given = {name: template["Parameters"][parameter][bound] for name, parameter in numbers.items()}
    settings = WebhookSettings(history_table="h", suppression_table="s", webhook_secret_id="w", **given)
    assert settings.model_dump(include=set(given)) == given


@pytest.mark.parametrize("sources", ["3.114.82.121,35.79.248.35", "10.0.0.0/8, 2001:db8::/32"])
def test_webhook_sources_are_addresses_and_networks(template: dict[str, Any], sources: str) -> None:
    """The vendor's two addresses and networks of both kinds can be given."""
    assert re.fullmatch(template["Parameters"]["WebhookSources"]["AllowedPattern"], sources)


def test_the_problems_index_shows_what_lists_show(resources: dict[str, Any]) -> None:
    """The memory store shows the same, so a list that needs more fails in a test and not in production."""
    indexes = resources["Outbox"]["Properties"]["GlobalSecondaryIndexes"]
    (shown,) = [index["Projection"]["NonKeyAttributes"] for index in indexes if index["IndexName"] == "problems"]
    assert tuple(shown) == places.LISTED
