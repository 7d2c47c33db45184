"""The functions may do what they do, and nothing beyond it."""

from collections.abc import Iterator
from typing import Any

import pytest

from outbox.core import places
from outbox.core.errors import InvalidRequest

ROLES = {name: f"{name}Role" for name in ("Deliver", "Dispatch", "Keep", "Cleanup", "Bounce")}
# Stars that stand behind a name of this stack.
NARROW = {"${Outbox.Arn}/stream/*", "${History.Arn}/stream/*", "${Files.Arn}/mails/*"}


def as_list(value: Any) -> list[Any]:
    """Read a field of a policy that may hold one value or several."""
    return value if isinstance(value, list) else [value]


def statements(resources: dict[str, Any], role: str) -> Iterator[dict[str, Any]]:
    """List the statements a role carries itself and through this template's managed policies."""
    properties = resources[role]["Properties"]
    for policy in properties.get("Policies", []):
        yield from as_list(policy["PolicyDocument"]["Statement"])
    for reference in properties.get("ManagedPolicyArns", []):
        yield from as_list(resources[reference["Ref"]]["Properties"]["PolicyDocument"]["Statement"])


def allowed(resources: dict[str, Any], role: str) -> set[tuple[str, str]]:
    """List what a role may do as pairs of action and resource, the resource written as its reference."""
    return {
        (action, target(resource))
        for statement in statements(resources, role)
        for action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    }


def target(resource: Any) -> str:
    """Write a reference the way the template does."""
    if isinstance(resource, str):
        return resource
    ((function, argument),) = resource.items()
    return ".".join(argument) if function == "Fn::GetAtt" else str(argument)


START = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${AWS::StackName}-dispatch"
SENDING = {
    ("dynamodb:GetItem", "Outbox.Arn"),
    ("dynamodb:UpdateItem", "Outbox.Arn"),
    ("dynamodb:DeleteItem", "Outbox.Arn"),
    ("dynamodb:BatchGetItem", "History.Arn"),
    ("dynamodb:GetItem", "History.Arn"),
    ("dynamodb:PutItem", "History.Arn"),
    ("dynamodb:UpdateItem", "History.Arn"),
    ("dynamodb:Query", "${History.Arn}/index/by_delivery"),
    ("dynamodb:BatchGetItem", "Control.Arn"),
    ("dynamodb:GetItem", "Control.Arn"),
    ("dynamodb:PutItem", "Control.Arn"),
    ("lambda:InvokeFunction", START),
    ("secretsmanager:GetSecretValue", "MailApiSecret"),
    ("dynamodb:BatchGetItem", "Suppressions.Arn"),
    ("s3:GetObject", "${Files.Arn}/mails/*"),
    ("s3:ListBucket", "Files.Arn"),
}


def hears(table: str) -> set[tuple[str, str]]:
    """List what it takes to read a table's stream."""
    return {
        ("dynamodb:DescribeStream", f"{table}.StreamArn"),
        ("dynamodb:GetRecords", f"{table}.StreamArn"),
        ("dynamodb:GetShardIterator", f"{table}.StreamArn"),
        ("dynamodb:ListStreams", f"${{{table}.Arn}}/stream/*"),
    }


def logs(function: str) -> set[tuple[str, str]]:
    """List what it takes to write to a function's own log."""
    return {("logs:CreateLogStream", f"{function}Log.Arn"), ("logs:PutLogEvents", f"{function}Log.Arn")}


def test_deliver_may_hear_send_and_log(resources: dict[str, Any]) -> None:
    """Deliver reads its one stream, works on rows by key, and never writes a new one."""
    assert allowed(resources, "DeliverRole") == SENDING | hears("Outbox") | logs("Deliver") | {
        ("sqs:SendMessage", "Unheard.Arn"),
    }


def test_dispatch_may_find_send_and_log(resources: dict[str, Any]) -> None:
    """Dispatch also asks the index of due rows; no other index and no scan."""
    assert allowed(resources, "DispatchRole") == SENDING | logs("Dispatch") | {
        ("dynamodb:Query", "${Outbox.Arn}/index/due"),
    }


def test_keep_may_take_the_tag_off_files_and_log(resources: dict[str, Any]) -> None:
    """Keep can neither read, write nor delete a file, and reads no table."""
    assert allowed(resources, "KeepRole") == hears("Outbox") | logs("Keep") | {
        ("s3:DeleteObjectTagging", "${Files.Arn}/mails/*"),
        ("s3:ListBucket", "Files.Arn"),
        ("sqs:SendMessage", "UnheardFiles.Arn"),
    }


def test_cleanup_may_delete_files_look_for_the_mail_and_log(resources: dict[str, Any]) -> None:
    """Cleanup can delete files and no row, and reads nothing but the two tables, by key."""
    assert allowed(resources, "CleanupRole") == hears("History") | logs("Cleanup") | {
        ("s3:DeleteObject", "${Files.Arn}/mails/*"),
        ("dynamodb:GetItem", "Outbox.Arn"),
        ("dynamodb:GetItem", "History.Arn"),
        ("sqs:SendMessage", "UnheardFiles.Arn"),
    }


def test_bounce_may_write_down_bounces_and_log(resources: dict[str, Any]) -> None:
    """The one function strangers can reach: no outbox, no file, not the mail API's account."""
    assert allowed(resources, "BounceRole") == logs("Bounce") | {
        ("dynamodb:PutItem", "History.Arn"),
        ("dynamodb:GetItem", "Suppressions.Arn"),
        ("dynamodb:PutItem", "Suppressions.Arn"),
        ("secretsmanager:GetSecretValue", "WebhookSecret"),
    }


def test_bounce_reaches_only_facts_about_bounces(resources: dict[str, Any]) -> None:
    """Of history it sees and writes the items of bounces, whose ids no mail can have."""
    conditions = {
        target(each["Resource"]): each["Condition"]
        for each in statements(resources, "BounceRole")
        if "Condition" in each
    }
    assert conditions == {"History.Arn": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"{places.BOUNCE}*"]}}}
    with pytest.raises(InvalidRequest):
        places.check_key(f"{places.BOUNCE}1")


def test_no_role_has_a_wildcard(resources: dict[str, Any]) -> None:
    """No action and no resource is a bare star; stars stand only behind a name of this stack."""
    roles = [name for name, resource in resources.items() if resource["Type"] == "AWS::IAM::Role"]
    for role in roles:
        for action, resource in allowed(resources, role):
            assert "*" not in action
            assert resource in NARROW or "*" not in resource


@pytest.mark.parametrize("function", ROLES)
def test_function_has_its_own_role(resources: dict[str, Any], function: str) -> None:
    """Each function runs under its own role, which only Lambda can take."""
    role = ROLES[function]
    assert resources[function]["Properties"]["Role"] == {"Fn::GetAtt": [role, "Arn"]}
    (trust,) = resources[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}
    users = [name for name in ROLES if resources[name]["Properties"]["Role"] == {"Fn::GetAtt": [role, "Arn"]}]
    assert users == [function]


def test_sam_added_no_policy_of_its_own(resources: dict[str, Any]) -> None:
    """The only role SAM makes is the scheduler's, and it may start dispatch and nothing else."""
    roles = {name for name, resource in resources.items() if resource["Type"] == "AWS::IAM::Role"}
    assert roles - set(ROLES.values()) == {"DispatchEveryMinuteRole"}
    assert allowed(resources, "DispatchEveryMinuteRole") == {("lambda:InvokeFunction", "Dispatch.Arn")}


def test_strangers_reach_bounce_through_its_url_only(resources: dict[str, Any]) -> None:
    """A new function URL answers nobody unless both are allowed, the second to calls through the URL alone."""
    permissions = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::Lambda::Permission"]
    assert sorted(permissions, key=lambda each: str(each["Action"])) == [
        {
            "Action": "lambda:InvokeFunction",
            "FunctionName": {"Ref": "Bounce"},
            "Principal": "*",
            "InvokedViaFunctionUrl": True,
        },
        {
            "Action": "lambda:InvokeFunctionUrl",
            "FunctionName": {"Ref": "Bounce"},
            "Principal": "*",
            "FunctionUrlAuthType": "NONE",
        },
    ]


def test_only_tls_reaches_the_files(resources: dict[str, Any]) -> None:
    """Whoever it is, a request without TLS is refused."""
    (statement,) = resources["FilesPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert [target(each) for each in statement["Resource"]] == ["Files.Arn", "${Files.Arn}/*"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
