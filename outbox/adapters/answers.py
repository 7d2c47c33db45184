"""What DynamoDB answers when a write did not simply work: tried again, failed condition, no room, or an error."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from botocore.exceptions import ClientError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from outbox.adapters.wire import from_wire
from outbox.core.errors import TooLarge
from outbox.core.row import Item

T = TypeVar("T")

CONFLICTS = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded", "RequestLimitExceeded"}
RETRIED = {"TransactionConflictException", "TransactionInProgressException"}


def patiently(call: Callable[[], T]) -> T:
    """Try a write again that met another one, eight times in all; the last error is raised."""
    try:
        return call()
    except ClientError as error:
        if not _worth_another_try(error):
            raise
        failed = [error]

    def again() -> T:
        # The first try is the one above: nearly all calls end with it, and are spared what the others need.
        if failed:
            raise failed.pop()
        return call()

    retrying = Retrying(
        retry=retry_if_exception(_worth_another_try),
        wait=wait_random_exponential(multiplier=0.02, max=0.5),
        stop=stop_after_attempt(8),
        reraise=True,
    )
    return retrying(again)


def items_there(error: ClientError) -> list[Item | None]:
    """Give the rows that made the conditions of a write fail, one an entry. Raises what is no failed condition."""
    code = error.response["Error"]["Code"]
    if code == "ConditionalCheckFailedException":
        attributes: Any = error.response.get("Item")
        return [from_wire(attributes) if attributes else None]
    reasons = reasons_of(error)
    if any(is_size(str(reason.get("Message", ""))) for reason in [*reasons, error.response["Error"]]):
        raise TooLarge from error
    if not any(reason.get("Code") == "ConditionalCheckFailed" for reason in reasons):
        raise error
    return [from_wire(reason["Item"]) if reason.get("Item") else None for reason in reasons]


def reasons_of(error: Exception) -> list[Mapping[str, Any]]:
    """Give the reasons of a cancelled transaction in the order of its entries; empty for any other error."""
    response = getattr(error, "response", None)
    reasons = response.get("CancellationReasons") if isinstance(response, Mapping) else None
    return list(reasons or [])


def _worth_another_try(error: BaseException) -> bool:
    if not isinstance(error, ClientError):
        return False
    # A mix with ConditionalCheckFailed is tried again too: then the condition alone tells.
    return error.response["Error"]["Code"] in RETRIED or any(r.get("Code") in CONFLICTS for r in reasons_of(error))


def is_size(message: str) -> bool:
    """Tell whether a message says that an item would be larger than the table takes."""
    # DynamoDB has no code of its own for an item over 400 KB; the words are all there is.
    return "item size" in message.lower()
