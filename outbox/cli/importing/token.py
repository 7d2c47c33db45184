"""The token that binds a run to its dry run: digests of the file, the template, the attachments and the options."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

FILE_DIGITS, DIGITS = 12, 8
PARTS = ("the file", "the template", "the attachments", "the options")
NOT_ONE = "is no token of a dry run; run the same command without --send first"


@dataclass(frozen=True, slots=True)
class Token:
    """What was looked at, part by part, so that it can be said which of them is another one now."""

    file: str
    template: str
    options: str
    attachments: str = ""

    def __str__(self) -> str:
        """Write it as a person copies it."""
        return f"{self.file}-{self.template}-{self.attachments}-{self.options}"

    def differs(self, given: str) -> str:
        """Say how a token of a dry run differs from this one; empty if it does not."""
        parts = given.split("-")
        if [len(part) for part in parts] != [FILE_DIGITS, DIGITS, DIGITS, DIGITS]:
            return NOT_ONE
        mine = str(self).split("-")
        # The attachments are known only when all rows have been looked at.
        changed = [name for name, old, new in zip(PARTS, parts, mine, strict=True) if new and old != new]
        verb = "is" if len(changed) == 1 and changed[0] in PARTS[:2] else "are"
        return f"{' and '.join(changed)} {verb} not what the dry run saw" if changed else ""


def digest(data: Any) -> str:  # noqa: ANN401  anything JSON takes
    """Give a short digest of data."""
    return hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode("utf-8", "replace")).hexdigest()[:DIGITS]
