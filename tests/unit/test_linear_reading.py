"""Whatever a person or a stranger can write is read in linear time, and refused, if it is, with an error of ours.

Fields are walked and texts are generated: what is added to `Mail`, and each new regular expression, is tried as well.
Set OUTBOX_LINEAR_FAMILIES to try more texts; 6 whole ones and 30 short ones for each reader are what CI tries.
"""

import ast
import importlib
import json
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

import outbox
from outbox import Attachment, ListUnsubscribe, Mail
from outbox.adapters import logs, webhook, wire
from outbox.adapters.api_client import Answer, ApiClient
from outbox.adapters.blastengine import _decide, payload_of, stop_if_everybody_must
from outbox.adapters.plain_text import plain_text
from outbox.adapters.records import BlastengineRecords
from outbox.adapters.secrets import Credentials
from outbox.adapters.sentences import sentence_of
from outbox.cli import parts as typed_parts
from outbox.cli.importing import tables
from outbox.cli.sheet import guarded
from outbox.console import body, content, mail_frame, times, words, written
from outbox.core import bounce, clock, places, suppression
from outbox.core.address import Address, key
from outbox.core.bounce import Counts
from outbox.core.doorbell import listen
from outbox.core.errors import OutboxError
from outbox.core.row import PARTS, faults, mail_of
from outbox.core.shown import dumps, safe
from outbox.core.shown import words as in_words
from outbox.core.version import version
from outbox.flows import importing, where
from outbox.flows.columns import Columns
from outbox.flows.find import utc_date
from outbox.flows.history_pages import Mark
from outbox.flows.listing import _unwrapped
from outbox.flows.suppression import keys
from tests.unit.pathological import LARGEST_ROW, Family, Sizes, check, families, suspicious

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROW: Mapping[str, Any] = {"id": "1", "sender": "s@example.com", "to": "t@example.com", "subject": "x", "text": "x"}
MAIL: Mapping[str, Any] = {name: ROW[name] for name in ("sender", "to", "subject", "text")}


def refusing(read: Callable[[Any], object]) -> Callable[[Any], None]:
    """Take a refusal that says why for an answer."""

    def reading(value: object) -> None:
        with suppress(OutboxError):
            read(value)

    return reading


def shapes(family: Family) -> dict[str, Callable[[int], Any]]:
    """Give the forms a value can have on a row: text, a list of texts, a set, maps, a list of maps, of any type."""
    text, pieces = family.text, family.pieces

    def numbered(size: int) -> list[str]:
        return [f"{piece}{number}" for number, piece in enumerate(pieces(size // 4))]

    return {
        "text": text,
        "list": pieces,
        "set": lambda size: set(numbered(size)),
        "map": lambda size: dict.fromkeys(numbered(size), family.fragment),
        "map of one": lambda size: {"mailto": text(size // 2), "url": text(size // 2)},
        "long name": lambda size: {text(size): 5},
        "files": lambda size: [{"name": piece, "mime": piece, "content": b""} for piece in pieces(size // 8)],
        "file": lambda size: [{"name": text(size // 2), "mime": text(size // 2), "content": b""}],
        "stored file": lambda size: [
            {"name": "a", "mime": "", "key": f"mails/1/{text(size // 2)}", "size": 1, "sha256": text(size // 2)}
        ],
    }


ROW_PARTS = sorted({*PARTS, *(field.name for field in fields(Mail)), "body", "files", "id", "send_at", "note"})
MAIL_PARTS = [field.name for field in fields(Mail)]
WRAPPED: Mapping[str, Callable[[str], Any]] = {
    "an attachment": lambda text: [Attachment(text, b"")],
    "its type": lambda text: [Attachment("a", b"", text)],
    "a place to unsubscribe": lambda text: ListUnsubscribe(text, text),
}


@pytest.mark.parametrize("family", list(families("row")), ids=repr)
def test_each_part_of_a_row_and_of_a_mail_is_read_in_linear_time(family: Family) -> None:
    """A hand may write anything into any attribute, and an application may hand on what was typed into a form."""
    for shape, make in shapes(family).items():
        sizes = Sizes(make)
        for name in ROW_PARTS:
            check(refusing(lambda value, name=name: mail_of({**ROW, name: value})), sizes, (name, shape))
            check(lambda value, name=name: faults({**ROW, name: value}), sizes, (name, shape, "faults"))
        for name in MAIL_PARTS:
            check(refusing(lambda value, name=name: Mail(**{**MAIL, name: value})), sizes, (name, shape, "Mail"))
    sizes = Sizes(family.text)
    for name in MAIL_PARTS:
        for what, wrap in WRAPPED.items():
            read = refusing(lambda text, name=name, wrap=wrap: Mail(**{**MAIL, name: wrap(text)}))
            check(read, sizes, (name, what))


def answered(status: int, text: str, **headers: str) -> Answer:
    return Answer(status, httpx.Headers(headers), text)


def event(text: str, name: str) -> dict[str, Any]:
    """Give an event of the webhook with a text in one place."""
    detail: dict[str, Any] = {"mailaddress": "a@example.com", "delivery_id": 1} | {name: text}
    inner = {"type": "HARDERROR", "datetime": "2026-01-01T00:00:00+09:00"} | {name: text}
    return {"event": {**inner, "detail": detail}}


class Anybody:
    """Takes every password."""

    def admits(self, header: str) -> bool:
        return True


CALL = {"requestContext": {"http": {"method": "POST"}}, "headers": {}}


def called(body: str) -> object:
    """Call the webhook."""
    config = webhook.Config(Anybody())

    def record(events: Any) -> Counts:
        for number, raw in enumerate(events):
            bounce.read(raw, number, NOW)
        return Counts()

    answer = webhook.answer({**CALL, "body": body}, config, record)
    assert answer["statusCode"] != 503, answer
    return answer


def records_say(text: str) -> object:
    """Look for a mail in records that say a text wherever they say something."""
    log = [{"maillog_id": text, "delivery_id": text, "created_time": text}] * 2 + [{"delivery_id": 7}]
    delivery = {"subject": text, "text_part": text, "from": {"email": text}, "created_time": text}

    def answer(request: httpx.Request) -> httpx.Response:
        raw = {"data": log} if "/logs" in request.url.path else delivery
        return httpx.Response(200, content=json.dumps(raw))

    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        client = ApiClient(http, "https://mail.example", lambda refused=None: Credentials("x", "y"))
        return BlastengineRecords(client).find(Mail(**MAIL), NOW, NOW, lambda _id: False, lambda: None)


def imported(line: str, form: tables.Format) -> list[Any]:
    """Read a file of a header or one row, and make mails of it."""
    made = []
    make = importing.Import(Columns(), importing.Defaults(sender="s@example.com"), lambda _name: None)  # type: ignore[arg-type,return-value]
    for row in tables.rows(line.splitlines(keepends=True), "file", form, Columns(open_=True)):
        with suppress(OutboxError):
            made.append(make(row))
    return made


def in_html(text: str) -> str:
    return payload_of(Mail(**{**MAIL, "text": "", "html": text}))["text_part"]


READERS: Mapping[str, Callable[[str], object]] = {
    "address": Address.parse,
    "address in parts": lambda text: Address("a@example.com", text),
    "key": lambda text: key(text[: places.LONGEST_PLAIN]),
    "keys": lambda text: keys([text]),
    "recipient": places.recipient,
    "copies": lambda text: places.copies({"id": "1", "cc": text, "bcc": [text]}),
    "id": places.check_key,
    "shard": places.shard,
    "moment": clock.parse,
    "suppression": lambda text: suppression.suppressed({"suppressed_since": text, "reason": text}, NOW),
    "version": lambda text: version({**ROW, "text": text}),
    "trigger": lambda text: listen({**ROW, "status": text}, {**ROW, "status": text, "due_at": text, "lane": text}),
    "safe": safe,
    "words": lambda text: in_words({text: [text, {text: text}]}),
    "json": lambda text: dumps({"a": text}),
    "html": plain_text,
    "html of a mail": in_html,
    "number": lambda text: wire.from_wire({"a": {"N": "9" * len(text)}}),
    "refusal": lambda text: sentence_of(400, text),
    "refusal in JSON": lambda text: sentence_of(400, json.dumps({"error_messages": {text: {"a": [text] * 9}}})),
    "refusal of many fields": lambda text: sentence_of(
        400,
        json.dumps({"error_messages": {text[: len(text) // 2]: dict.fromkeys(map(str, range(len(text) // 20)), "b")}}),
    ),
    "answer": lambda text: _decide(answered(200, text)),
    "answer with an id": lambda text: _decide(answered(200, json.dumps({"delivery_id": text}))),
    "answer with a number": lambda text: _decide(answered(200, f'{{"delivery_id": {"9" * len(text)}}}')),
    "answer nested": lambda text: _decide(answered(200, "[" * len(text))),
    "wait": lambda text: stop_if_everybody_must(answered(429, "", **{"Retry-After": "9" * len(text)})),
    "records": records_say,
    "webhook": called,
    "webhook in JSON": lambda text: called(json.dumps({"events": [text, {"event": text}]})),
    "webhook nested": lambda text: called("[" * len(text)),
    **{
        f"webhook {name}": (lambda text, name=name: bounce.read(event(text, name), 0, NOW))  # type: ignore[misc]
        for name in ("mailaddress", "type", "datetime", "error_code", "error_message", "subject", "delivery_id")
    },
    "webhook codes": lambda text: bounce.read(
        {
            "event": {
                "type": "DROP",
                "detail": {"mailaddress": "a@b.cd", "insert_codes": [{"key": text, "value": text}]},
            }
        },
        0,
        NOW,
    ),
    "log": lambda text: logs.redact(None, "", {"id": text, text: [text]}),
    **{f"filter {name}": (lambda text, name=name: where.of([f"{name}={text}"])) for name in where.KEYS},  # type: ignore[misc]
    "filter": lambda text: where.of([text]),
    "filtered": lambda text: where.Where(text=text[:100], domain="b.cd").suits(
        {"reason": text, "to": text, "tags": [text]}
    ),
    "day": lambda text: utc_date("day", text),
    "page of history": lambda text: Mark.of(text, "q"),
    "page of a list": _unwrapped,
    "file of rows": lambda text: imported(text, "csv"),
    "row of a file": lambda text: imported(f"to,subject,text\n{text}", "csv"),
    "columns of a file": lambda text: imported(",".join(text[:9] + str(n) for n in range(len(text) // 9)), "csv"),
    "row in JSON": lambda text: imported(text, "jsonl"),
    "cells in JSON": lambda text: imported(json.dumps(dict.fromkeys(["to", "cc", "tags", "send_at"], text)), "jsonl"),
    "columns in JSON": lambda text: imported(json.dumps(dict.fromkeys(map(str, range(len(text) // 9)), "")), "jsonl"),
    "moment typed": typed_parts.moment,
    "cell": guarded,
    "languages": words.accepted,
    "sentence": lambda text: words.words("ja").said(text),
    "moment on a page": lambda text: times.local(times.shown(text, ZoneInfo("Asia/Tokyo")), ZoneInfo("Asia/Tokyo")),
    "moment in a form": lambda text: times.typed(text, "until", ZoneInfo("Asia/Tokyo")),
    "frame": mail_frame.html,
    "filled in": lambda text: content.filled(text, {"a": "b", text[:9]: "c"}),
    "form": lambda text: body._parsed(text.replace("&", "+", max(0, text.count("&") - 4999)).encode(errors="replace")),
    **{f"write {name}": write for name, write in written.WRITE.items()},
    **{f"write list of {name}": (lambda text, write=write: write([text])) for name, write in written.WRITE.items()},  # type: ignore[misc]
    **{f"read {name}": read for name, read in written.READ.items()},
    "codes in a form": lambda text: written.read_codes("a=\n " + text.replace("\n", "") + "\n b" * (len(text) // 4)),
}
# Bytes of what is not as large as a row: answers of the mail API, forms, and tables in which each row has its errors.
LESS = {
    name: most
    for begin, most in {
        "answer": 64_000, "refusal": 64_000, "records": 100_000, "form": 100_000, "read ": 100_000, "codes in": 100_000,
        "file": 5000, "row": 5000, "columns": 5000,
    }.items()
    for name in READERS
    if name.startswith(begin)
}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
def test_each_reader_takes_linear_time_and_refuses_in_words(name: str) -> None:
    """Whatever text it is given, it answers, or raises an error of the package."""
    read, most = refusing(READERS[name]), LESS.get(name, LARGEST_ROW)
    for family in [*families(name), *suspicious(read, name, most)]:
        check(read, Sizes(family.text, most), (name, family))


@pytest.mark.parametrize("name", MAIL_PARTS)
def test_each_field_of_a_mail_is_read_in_linear_time(name: str) -> None:
    """Each piece of text that means something to some reader, in each field, alone and in company."""
    reads = {"text": lambda text: Mail(**{**MAIL, name: text}), "list": lambda text: Mail(**{**MAIL, name: [text]})}
    for what, read in reads.items():
        for family in suspicious(refusing(read), name):
            check(refusing(read), Sizes(family.text), (name, what, family))


SOURCES = {path: path.read_text(encoding="utf-8") for path in Path(outbox.__file__).parent.rglob("*.py")}
METHODS = ("fullmatch", "match", "search", "sub", "split", "finditer", "findall")


def used(name: str, source: str) -> list[str]:
    """Give the ways in which a module uses a regular expression of this name; all of them where none is seen."""
    calls = re.compile(rf"\b{name}(?:\[\w+\])?\.({'|'.join(METHODS)})\(")
    return sorted({call[1] for call in calls.finditer(source)}) or list(METHODS)


def patterns() -> Iterator[tuple[str, re.Pattern[str], str]]:
    """Find all regular expressions for text and each way they are used: of modules, and in place."""
    for module in pkgutil.walk_packages(outbox.__path__, "outbox."):
        if module.name.endswith("__main__"):
            continue
        loaded = importlib.import_module(module.name)
        source = SOURCES[Path(str(loaded.__file__))]
        for name, value in vars(loaded).items():
            for pattern in value.values() if isinstance(value, dict) else [value]:
                if isinstance(pattern, re.Pattern) and isinstance(pattern.pattern, str):
                    yield from ((name, pattern, use) for use in used(name, source))
    for path, source in SOURCES.items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {f"re.{use}" for use in METHODS}:
                with suppress(ValueError):
                    yield (
                        f"{path.name}, line {node.lineno}",
                        re.compile(ast.literal_eval(node.args[0])),
                        ast.unparse(node.func)[3:],
                    )


PATTERNS = sorted(set(patterns()), key=str)


@pytest.mark.parametrize(("where", "pattern", "use"), PATTERNS, ids=[f"{where} {use}" for where, _, use in PATTERNS])
def test_each_regular_expression_takes_linear_time(where: str, pattern: re.Pattern[str], use: str) -> None:
    """No quantifiers overlap."""
    method = getattr(pattern, use)
    read = {"sub": lambda text: method("", text), "finditer": lambda text: list(method(text))}.get(use, method)
    for family in suspicious(read, where):
        check(read, Sizes(family.text), (pattern.pattern, family))
