"""What a person changes on a mail, checked as a whole: the same rules as for a new one."""

from collections.abc import Mapping
from typing import Any

from outbox.core.errors import InvalidMail, Problem, RowBroken
from outbox.core.mail import BODY, FIELDS, Mail
from outbox.core.message import Message
from outbox.core.row import Row, mail_of
from outbox.core.text import shorten

NOTHING: tuple[Any, ...] = (None, "", [], {})
EDITABLE = tuple(name for name in FIELDS if name != "attachments")


def check_editable(changes: Mapping[str, Any]) -> None:
    """Refuse to change what is no field, or lies in the bucket. Raises `InvalidMail` naming each."""
    wrong = [name for name in changes if name not in EDITABLE]
    if wrong:
        rule = Message("rule.not-editable", fields=", ".join(EDITABLE))
        raise InvalidMail([Problem(name, rule) for name in wrong])


def changed(row: Row, changes: Mapping[str, Any]) -> Mail:
    """Give the mail as a person changes it. Raises `InvalidMail` naming all that is wrong, on the whole mail."""
    cleared = [name for name in BODY if "body" in row.item and name in changes and changes[name] in NOTHING]
    problems = [Problem(name, Message("rule.body-cleared")) for name in cleared]
    whole = {name: value for name, value in {**row.item, **changes}.items() if value not in NOTHING}
    if whole.pop("body", None) is not None:
        # The texts are not at hand and not touched; those on the row win over them when the mail is sent.
        whole = {"text": "-", **whole}
    try:
        mail = mail_of(whole)
    except RowBroken as broken:
        problems += broken.problems
    else:
        if not problems:
            return mail
    raise InvalidMail(problems)


def differences(row: Row, mail: Mail, changes: Mapping[str, Any]) -> dict[str, list[str]]:
    """Give the fields that become different, each with enough of what it was and will be."""
    content = mail.to_item()
    return {
        name: [_brief(row.item.get(name)), _brief(content.get(name))]
        for name in EDITABLE
        if name in changes and row.item.get(name) != content.get(name)
    }


def _brief(value: object) -> str:
    """Give enough of a value to see in a timeline what was changed."""
    if isinstance(value, Mapping):
        value = [f"{name}: {part}" for name, part in value.items()]
    text = ", ".join(map(str, value)) if isinstance(value, (list, tuple, set)) else str(value)
    return shorten(text, 200) if value is not None else ""
