"""INVENTED texts and bodies: nobody has published what the real mail API says in these cases.

Treat the status as the contract; code that depends on a text of this module is wrong.
"""

from typing import Any

UNAUTHORIZED = "authentication failed."
FORBIDDEN = "no permission to use the api."
LOCKED = "the account is locked."
RATE_LIMITED = "the rate limit is exceeded."
REQUIRED = "must not be empty."
NOT_A_TEXT = "must be a string."
NOT_AN_OBJECT = "must be an object."
NOT_A_LIST = "must be an array."
UNKNOWN_FIELD = "unknown field."
NOT_AN_ENCODING = "must be UTF-8 or ISO-2022-JP."
URL_PATTERN = "must be an absolute http or https url."
NOT_A_NUMBER = "must be a number."
NOT_A_TIME = "must be an iso 8601 date and time with an offset."
NO_FILE_NAME = "a file needs a file name."
UNREADABLE_JSON = "JSON parse error"
UNREADABLE_MULTIPART = "Failed to parse multipart servlet request"
NO_DATA_PART = "Required part 'data' is not present."
MAIL_LOG_SENT = "250 2.0.0 Ok"
# The real wording is Japanese and its own; codes of soft and hard errors are examples of known ones.
BOUNCES = {
    "DROP": "配信停止リストに登録されているため配信しませんでした。",
    "SOFTERROR": "一時的なエラーのため配信できませんでした。",
    "HARDERROR": "宛先のメールアドレスが存在しません。",
}
# A quick 201 whose body stops in the middle.
BROKEN_BODY = '{"delivery_id": '


def length_out_of_range(low: int, high: int) -> str:
    """Say it in the words captured for insert-code keys; for other fields a guess."""
    return f"the character length is not in the range {low} through {high}."


def out_of_range(low: int, high: int) -> str:
    """Give the bounds of a number."""
    return f"must be in the range {low} through {high}."


def too_many(most: int) -> str:
    """Give the highest number of items."""
    return f"the number of items exceeds {most}."


def not_one_of(choices: tuple[str, ...]) -> str:
    """List what would have been right."""
    return f"must be one of {', '.join(choices)}."


def forbidden_extension(name: str) -> str:
    """Name the file that may not be attached."""
    return f"{name}: this file type cannot be attached."


def attachments_too_large(most: int) -> str:
    """Give the highest total size of attachments."""
    return f"the total size of attachments exceeds {most} bytes."


def gateway_page(status: int, phrase: str) -> str:
    """Look like the page of a gateway in front of the real one: HTML where a client waits for JSON."""
    title = f"{status} {phrase}"
    return f"<html>\n<head><title>{title}</title></head>\n<body><h1>{title}</h1></body>\n</html>\n"


def delivery_attempt(time: str, status: str, code: str, message: str) -> dict[str, Any]:
    """Describe one attempt in a mail log's history; the real field names are unknown."""
    return {"attempt_time": time, "status": status, "response_code": code, "response_message": message}
