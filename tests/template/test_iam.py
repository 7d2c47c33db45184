"""The functions may do what they do, and nothing beyond it."""

from collections.abc import Iterator
from typing import Any

import pytest

ROLES = {"Deliver": "DeliverRole", "Dispatch": "DispatchRole"}


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
    ("dynamodb:GetItem", "History.Arn"),
    ("dynamodb:PutItem", "History.Arn"),
    ("dynamodb:UpdateItem", "History.Arn"),
    ("dynamodb:Query", "${History.Arn}/index/by_delivery"),
    ("dynamodb:GetItem", "Control.Arn"),
    ("dynamodb:PutItem", "Control.Arn"),
    ("lambda:InvokeFunction", START),
    ("secretsmanager:GetSecretValue", "MailApiSecret"),
}


def test_deliver_may_hear_send_and_log(resources: dict[str, Any]) -> None:
    """Deliver reads its one stream, works on rows by key, and never writes a new one."""
    assert allowed(resources, "DeliverRole") == SENDING | {
        ("dynamodb:DescribeStream", "Outbox.StreamArn"),
        ("dynamodb:GetRecords", "Outbox.StreamArn"),
        ("dynamodb:GetShardIterator", "Outbox.StreamArn"),
        ("dynamodb:ListStreams", "${Outbox.Arn}/stream/*"),
        ("sqs:SendMessage", "Unheard.Arn"),
        ("logs:CreateLogStream", "DeliverLog.Arn"),
        ("logs:PutLogEvents", "DeliverLog.Arn"),
    }


def test_dispatch_may_find_send_and_log(resources: dict[str, Any]) -> None:
    """Dispatch also asks the index of due rows; no other index and no scan."""
    assert allowed(resources, "DispatchRole") == SENDING | {
        ("dynamodb:Query", "${Outbox.Arn}/index/due"),
        ("logs:CreateLogStream", "DispatchLog.Arn"),
        ("logs:PutLogEvents", "DispatchLog.Arn"),
    }


def test_no_role_has_a_wildcard(resources: dict[str, Any]) -> None:
    """No action and no resource is a bare star; stars stand only behind a name of this stack."""
    roles = [name for name, resource in resources.items() if resource["Type"] == "AWS::IAM::Role"]
    for role in roles:
        for action, resource in allowed(resources, role):
            assert "*" not in action
            assert resource == "${Outbox.Arn}/stream/*" or "*" not in resource


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
