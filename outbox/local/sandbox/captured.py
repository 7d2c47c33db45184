"""Error texts that somebody saw the real mail API send, letter by letter."""

INSERT_CODE_KEY_LENGTH = "the character length is not in the range 5 through 20."
NO_DATA_FOUND = "no data found."
# A message key that the real one fails to resolve and hands out as it is.
UNRESOLVED_PATTERN = "{validation.pattern.error}"


def invalid_format(value: str) -> str:
    """Name the offending value, then what is wrong with it."""
    return f"{value}: invalid format."
