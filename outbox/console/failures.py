"""What a person is told when something could not be done, and the status of the page that says it."""

from http import HTTPStatus

from botocore.exceptions import BotoCoreError, ClientError

from outbox.console import times
from outbox.console.ask import Ask
from outbox.console.users import NobodyKnown
from outbox.core import errors
from outbox.core.message import message_of
from outbox.flows.batch import NoBatch
from outbox.flows.batch_report import BatchBusy, BatchOver

STATUS: dict[type[Exception], HTTPStatus] = {
    errors.NotFound: HTTPStatus.NOT_FOUND,
    NoBatch: HTTPStatus.NOT_FOUND,
    errors.InvalidRequest: HTTPStatus.BAD_REQUEST,
    errors.InvalidMail: HTTPStatus.BAD_REQUEST,
    errors.RowBroken: HTTPStatus.BAD_REQUEST,
    errors.WrongState: HTTPStatus.CONFLICT,
    errors.ChangedMeanwhile: HTTPStatus.CONFLICT,
    errors.KeyConflict: HTTPStatus.CONFLICT,
    errors.NeedsConfirmation: HTTPStatus.CONFLICT,
    BatchBusy: HTTPStatus.CONFLICT,
    BatchOver: HTTPStatus.CONFLICT,
    errors.TooLarge: HTTPStatus.CONFLICT,
    errors.FileLost: HTTPStatus.NOT_FOUND,
    errors.MissingSettings: HTTPStatus.NOT_IMPLEMENTED,
    NobodyKnown: HTTPStatus.SERVICE_UNAVAILABLE,
    ClientError: HTTPStatus.BAD_GATEWAY,
    BotoCoreError: HTTPStatus.BAD_GATEWAY,
}
EXPECTED = (errors.OutboxError, BotoCoreError, ClientError)
LOOK_FIRST = "If something was to be changed, nobody knows whether it was: look at the mail before you try again."


def status(error: Exception) -> HTTPStatus:
    """Give the status of an expected error."""
    return next((code for kind, code in STATUS.items() if isinstance(error, kind)), HTTPStatus.CONFLICT)


def sentences(error: Exception, ask: Ask) -> list[str]:
    """Say what went wrong, in the viewer's language."""
    if isinstance(error, (errors.InvalidMail, errors.RowBroken)):
        return [ask.words.said(details) for details in errors.as_details(error.problems)]
    if isinstance(error, errors.NeedsConfirmation):
        return [times.local(ask.words.said(warning), ask.zone) for warning in error.warnings]
    if isinstance(error, ClientError):
        said = error.response["Error"].get("Message") or error.response["Error"].get("Code", "")
        refused = ask.words("AWS refused %(what)s: %(said)s", what=error.operation_name, said=said)
        return [refused, ask.words(LOOK_FIRST)]
    if isinstance(error, BotoCoreError):
        return [ask.words("AWS is out of reach: %(said)s", said=str(error)), ask.words(LOOK_FIRST)]
    return [times.local(ask.words.said(message_of(error)), ask.zone)]
