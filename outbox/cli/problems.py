"""What a person is told when something could not be done: what, where, what to do; and the exit status.

exit status 1   the thing asked could not be done: not found, wrong state, changed meanwhile, AWS out of reach
exit status 2   wrong usage or settings: a mail no API would take, no table, no credentials
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore import exceptions as aws

from outbox.core import errors
from outbox.core.message import Message, message_of

WRONG_USAGE = (errors.InvalidMail, errors.InvalidRequest, errors.MissingSettings)
CREDENTIALS = (
    aws.NoCredentialsError,
    aws.PartialCredentialsError,
    aws.CredentialRetrievalError,
    aws.TokenRetrievalError,
    aws.UnauthorizedSSOTokenError,
    aws.SSOTokenLoadError,
    aws.ProfileNotFound,
)
BAD_CREDENTIALS = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "UnrecognizedClientException",
}
DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
LOG_IN = "Log in to AWS again, or choose other credentials: --profile, AWS_PROFILE, AWS_ACCESS_KEY_ID."
LOOK_FIRST = "If a change was asked for, nobody knows whether it was made: look with `outbox show ID` first."
NO_PATH = "Is it running, and is the network up? Check --endpoint-url and --region."
HINTS: dict[type[errors.OutboxError], str] = {
    errors.MissingSettings: "Give --stack NAME, or name each by its option, or set them in the environment.",
    errors.NotFound: "`outbox find --to ADDRESS` or `outbox find --day YYYY-MM-DD` lists mails with their ids.",
    errors.ChangedMeanwhile: "`outbox show ID` shows it as it is now.",
    errors.KeyConflict: "Choose another --key for another mail.",
    errors.NeedsConfirmation: "Nothing was done. If it is meant all the same, give --yes.",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that could not be done, in words for a person; `more` lists its parts."""

    kind: str
    message: str
    status: int = 1
    hint: str = ""
    more: Sequence[str] = ()
    details: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Give the same for a script; `kind` is the name to decide by."""
        return {"kind": self.kind, "message": self.message, "hint": self.hint, **self.details}


def explain(error: Exception, where: str = "") -> Failure:
    """Put an expected error into words. Raises the error again when it is none: then it is a bug."""
    if isinstance(error, errors.OutboxError):
        return _ours(error)
    if isinstance(error, aws.ClientError):
        return _answer(error, where)
    if isinstance(error, aws.BotoCoreError):
        return _no_answer(error, where)
    raise error


def _ours(error: errors.OutboxError) -> Failure:
    kind, status = type(error).__name__, 2 if isinstance(error, WRONG_USAGE) else 1
    hint = next((text for known, text in HINTS.items() if isinstance(error, known)), "")
    if isinstance(error, errors.InvalidMail):
        problems = errors.as_details(error.problems)
        message = "The mail cannot be sent as it is; nothing was written."
        parts = [Message("problems", problems=[each]) for each in problems]
        return Failure(kind, message, status, hint, parts, {"problems": problems})
    if isinstance(error, errors.MissingSettings):
        return Failure(kind, message_of(error), status, hint, details={"names": list(error.names)})
    if isinstance(error, errors.KeyConflict):
        return Failure(kind, message_of(error), status, hint, details={"differences": list(error.differences)})
    if isinstance(error, errors.NeedsConfirmation):
        warnings = list(error.warnings)
        return Failure(kind, "Think twice first:", status, hint, warnings, {"warnings": warnings})
    return Failure(kind, message_of(error), status, hint)


def _answer(error: aws.ClientError, where: str) -> Failure:
    code, said = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    message = f"AWS refused {error.operation_name}{_at(where)}: {said or code}"
    if code == "ResourceNotFoundException":
        hint = "There is no such table there: check --stack, or the options that name tables, --region and --profile."
        return Failure(code, message, 2, hint)
    if code == "ValidationError":
        return Failure(code, message, 2, "Check --stack, --region and --profile.")
    if code in BAD_CREDENTIALS:
        return Failure(code, message, 2, LOG_IN)
    if code in DENIED:
        return Failure(
            code, message, 1, "These credentials lack the right; choose others with --profile, or ask for it."
        )
    return Failure(code or "AwsError", message, 1, LOOK_FIRST)


def _no_answer(error: aws.BotoCoreError, where: str) -> Failure:
    kind = type(error).__name__
    if isinstance(error, CREDENTIALS):
        return Failure(kind, f"No AWS credentials to ask with{_at(where)}: {error}", 2, LOG_IN)
    if isinstance(error, (aws.HTTPClientError, aws.ConnectionError)):
        return Failure(kind, f"AWS is out of reach{_at(where)}: {error}", 1, f"{NO_PATH} {LOOK_FIRST}")
    return Failure(
        kind, f"AWS could not be asked{_at(where)}: {error}", 2, "Check --endpoint-url, --region, --profile."
    )


def _at(where: str) -> str:
    return f" ({where})" if where else ""
