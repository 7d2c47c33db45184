"""What an error of the SDK says about a write, read from its form alone: the SDK itself is not loaded for it.

| outcome   | the error                                              | so                                            |
|-----------|--------------------------------------------------------|-----------------------------------------------|
| "busy"    | throttling, a transaction that met another             | nothing was written; again after a while      |
| "refused" | any other answer of 4xx: rights, no table, a wrong row | nothing was written; again is the same        |
| "unknown" | 5xx, a time-out, a torn connection, anything else      | nobody knows; again only under a condition    |
"""

from collections.abc import Mapping
from typing import Literal

Outcome = Literal["busy", "refused", "unknown"]

BUSY = {
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "TransactionCanceledException",
    "TransactionConflictException",
    "TransactionInProgressException",
}


def outcome(error: Exception) -> Outcome:
    """Tell what an error of a write means for the next step."""
    response = getattr(error, "response", None)
    if not isinstance(response, Mapping):
        return "unknown"
    if response.get("Error", {}).get("Code") in BUSY:
        return "busy"
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return "refused" if 400 <= status < 500 else "unknown"


def rights(error: Exception) -> Outcome:
    """Tell as `outcome` does, but call only that "refused" which would refuse every other row as well.

    A row that is wrong by itself must not end what is done to many.
    """
    told = outcome(error)
    code = str(getattr(error, "response", {}).get("Error", {}).get("Code", "")) if told == "refused" else ""
    return "unknown" if told == "refused" and code == "ValidationException" else told
