"""AWS clients with time-outs and retries of our own choice: the SDK's defaults differ between its versions."""

from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_lambda import LambdaClient
    from types_boto3_s3 import S3Client
    from types_boto3_secretsmanager import SecretsManagerClient

# A kept connection that died while its function was frozen costs one of the tries; each write bears being made again.
# A DynamoDB call answers within milliseconds or not at all; three tries of these take about 10 s at the worst.
CONNECT_SECONDS, READ_SECONDS, TRIES = 1, 3, 3
# S3 may take some seconds over a file of megabytes.
FILE_CONNECT_SECONDS, FILE_READ_SECONDS = 2, 10


def config(connections: int = 10, tries: int = TRIES) -> Config:
    """Give explicit time-outs, standard retries and room for so many calls at once."""
    return Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": tries},
        max_pool_connections=connections,
        # The SDK would put its own together anew for each call, a fifth of what the call costs the processor.
        user_agent=f"outbox Boto3/{boto3.__version__}",
    )


def dynamodb(session: boto3.Session | None = None, connections: int = 10, **options: Any) -> "DynamoDBClient":  # noqa: ANN401
    """Make a DynamoDB client that threads may share; region, endpoint and credentials as boto3 finds them."""
    # Our own code makes the requests, and the SDK's look at each attribute is a third of what a bulk write costs.
    unchecked = config(connections).merge(Config(parameter_validation=False))
    return (session or boto3.Session()).client("dynamodb", config=unchecked, **options)


def functions(session: boto3.Session | None = None, **options: Any) -> "LambdaClient":  # noqa: ANN401
    """Make a Lambda client that tries once: the schedule starts what it could not start."""
    return (session or boto3.Session()).client("lambda", config=config(tries=1), **options)


def secrets_manager(session: boto3.Session | None = None, **options: Any) -> "SecretsManagerClient":  # noqa: ANN401
    """Make a Secrets Manager client."""
    return (session or boto3.Session()).client("secretsmanager", config=config(), **options)


def s3(session: boto3.Session | None = None, connections: int = 10, **options: Any) -> "S3Client":  # noqa: ANN401
    """Make an S3 client that threads may share; three tries of a call take about 40 s at the worst."""
    patient = Config(connect_timeout=FILE_CONNECT_SECONDS, read_timeout=FILE_READ_SECONDS)
    return (session or boto3.Session()).client("s3", config=config(connections).merge(patient), **options)
