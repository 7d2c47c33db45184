"""Each sentence has a code and stands in both languages, each code is used rightly, and no code reads a sentence."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import outbox
from outbox.core import catalogue
from outbox.core.catalogue import SENTENCES, advice, requests, rows, rules
from outbox.core.codes import ErrorCode, EventCode
from outbox.core.message import HOLE

PRODUCT = Path(outbox.__file__).parent
# Whose sentences are other sentences, or the words of somebody else, put together.
NO_WORDS = {"problems", "answer-said", "bulk.caused", "note.said", "reconcile.file-lost", "reconcile.no-records"}
# Codes are put together of these and the name of an error, an event or a part of a mail.
BUILT = ("error.", "event.", "field.")
JAPANESE = re.compile("[ぁ-んァ-ヶ一-龠]")
READS_A_REASON = {
    "outbox/flows/find.py": "a person searches for words in the reason of a row",
}


@cache
def modules() -> list[tuple[str, ast.Module]]:
    """List each module of the product but the catalogue, with its path."""
    paths = {path.relative_to(PRODUCT.parent).as_posix(): path for path in sorted(PRODUCT.rglob("*.py"))}
    read = {where: path.read_text(encoding="utf-8") for where, path in paths.items() if "/catalogue/" not in where}
    return [(where, ast.parse(text)) for where, text in read.items()]


def expect_none(found: list[str]) -> None:
    """Fail with each of them on a line of its own."""
    if found:
        pytest.fail("\n".join([f"{len(found)}:", *found]), pytrace=False)


def test_no_code_stands_in_two_modules() -> None:
    """The later one would win unseen."""
    assert len(SENTENCES) == sum(len(module.SENTENCES) for module in (rows, rules, requests, advice))


@pytest.mark.parametrize("module", [rows, rules, requests, advice])
def test_no_code_stands_twice_in_a_module(module) -> None:
    """Nor would anybody see it in one table."""
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    codes = [key.value for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys if key is not None]

    assert len(codes) == len(set(codes))


def same_holes(english: str, japanese: str) -> bool:
    """Tell whether two texts have the same parameters in the same form, each once."""
    one, other = HOLE.findall(english), HOLE.findall(japanese)
    return sorted(one) == sorted(other) and len(one) == len({name for name, _ in one})


def test_both_languages_tell_the_same() -> None:
    """No parameter is told in one language alone, and none twice: that would double at each nesting."""
    expect_none([code for code, pair in SENTENCES.items() if not same_holes(*pair)])


@pytest.mark.parametrize("pair", [("{a}", "{b}"), ("{a}", ""), ("{a} {a}", "{a} {a}"), ("{a:,}", "{a}")])
def test_a_hole_that_differs_is_found(pair: tuple[str, str]) -> None:
    """The test above can fail."""
    assert not same_holes(*pair)


def test_each_language_is_itself() -> None:
    """English has no Japanese in it, and Japanese has some, but where a sentence only puts others together."""
    said = {code: [HOLE.sub("", text) for text in pair] for code, pair in SENTENCES.items() if code not in NO_WORDS}

    expect_none([code for code, (english, _) in said.items() if not english.isascii()])
    own_names = {"field.cc", "field.bcc"}
    expect_none(
        [code for code, (_, japanese) in said.items() if not JAPANESE.search(japanese) and code not in own_names]
    )


@pytest.mark.parametrize("code", [*(f"error.{code}" for code in ErrorCode), *(f"event.{code}" for code in EventCode)])
def test_each_error_and_event_has_a_sentence(code: str) -> None:
    """A new member of an enum cannot be forgotten."""
    assert code in SENTENCES


def test_each_sentence_of_errors_and_events_has_a_member() -> None:
    """A sentence that no row can have any more is gone as well."""
    known = {f"error.{code}" for code in ErrorCode} | {f"event.{code}" for code in EventCode}

    expect_none([code for code in SENTENCES if code.startswith(("error.", "event.")) and code not in known])


def literals(node: ast.expr) -> Iterator[str | None]:
    """Yield what a code may be: a literal, or each of two; None for what is worked out."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from literals(node.body)
        yield from literals(node.orelse)
    else:
        yield None


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Yield each `Message("code", …)` of the product with where it stands."""
    for where, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Message":
                for code in literals(node.args[0]):
                    if code is not None:
                        yield f"{where}:{node.lineno}", code, node


def test_each_message_has_a_code_and_its_parameters() -> None:
    """What is missing would be told as «…», and what is too much by nobody."""
    wrong = []
    for where, code, call in calls():
        if code not in SENTENCES:
            wrong.append(f"{where}: no code {code}")
            continue
        wanted = {name for name, _ in HOLE.findall(SENTENCES[code][0])}
        given = {word.arg for word in call.keywords if word.arg is not None}
        open_ended = any(word.arg is None for word in call.keywords)
        if given - wanted or (wanted - given and not open_ended):
            wrong.append(f"{where}: {code} takes {sorted(wanted)}, not {sorted(given)}")

    expect_none(wrong)
    assert sum(1 for _ in calls()) > 150


def test_each_code_is_used() -> None:
    """A sentence that nobody says any more is gone."""
    said = {
        node.value
        for _, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }

    expect_none([code for code in SENTENCES if code not in said and not code.startswith(BUILT)])


def reads(node: ast.expr) -> bool:
    """Tell whether an expression is a sentence: a reason or a rule, from wherever it comes, or words of one."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len":
        return False  # How long a text is says nothing of what is in it.
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and part.attr in {"reason", "rule", "sentence"}:
            return True
        if isinstance(part, ast.Subscript) and isinstance(part.slice, ast.Constant) and part.slice.value == "reason":
            return True
        if (
            isinstance(part, ast.Call)
            and isinstance(part.func, ast.Attribute)
            and part.func.attr == "get"
            and part.args
            and isinstance(part.args[0], ast.Constant)
            and part.args[0].value == "reason"
        ):
            return True
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value in TEXTS:
            return True
    return False


# Whole texts; a single word may be a state of a batch or the name of a field as well.
TEXTS = {text for pair in SENTENCES.values() for text in pair if " " in text or not text.isascii()}


def comparisons(tree: ast.Module) -> Iterator[tuple[int, list[ast.expr]]]:
    """Yield what is compared or looked into."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            yield node.lineno, [node.left, *node.comparators]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in {"startswith", "endswith", "find", "index", "partition", "fullmatch", "search"}:
                yield node.lineno, [node.func.value, *node.args]
        elif isinstance(node, ast.MatchValue):
            yield node.lineno, [node.value]


def sentences_read(where: str, tree: ast.Module) -> list[str]:
    """Name each place where code reads a sentence."""
    return [f"{where}:{line}" for line, parts in comparisons(tree) if any(map(reads, parts))]


def test_no_code_reads_a_sentence() -> None:
    """Codes decide; a sentence may be worded anew at any time, and stands on a row in any language."""
    found = [place for where, tree in modules() if where not in READS_A_REASON for place in sentences_read(where, tree)]

    expect_none(found)


@pytest.mark.parametrize("where", READS_A_REASON)
def test_each_exception_is_needed(where: str) -> None:
    """The list of those that may read a reason is no longer than it must be."""
    assert sentences_read(where, dict(modules())[where])


@pytest.mark.parametrize(
    "line",
    [
        'row.reason.startswith("It may have been sent")',
        "batch in row.reason",
        '"refused" not in seen.row.reason',
        'item["reason"] == "x"',
        'str(item.get("reason", "")).endswith(".")',
        'problem.rule == "is missing"',
        'said == "The state was set by hand."',
        '"状態が手動で変更されました。" in said',
        're.search("sent", row.reason)',
    ],
)
def test_a_sentence_that_is_read_is_found(line: str) -> None:
    """The test above can fail."""
    assert sentences_read("x.py", ast.parse(line))


def test_templates_read_no_sentence() -> None:
    """Nor do the pages of the console."""
    reads_one = re.compile(r"\.(?:reason|rule|sentence) *(?:==|!=|in\b)|\bin +\w+\.(?:reason|rule)\b")
    pages = sorted((PRODUCT / "console" / "templates").glob("*.html"))

    assert pages
    expect_none([page.name for page in pages if reads_one.search(page.read_text(encoding="utf-8"))])


def test_the_catalogue_is_light() -> None:
    """Functions import it at a cold start: it imports nothing itself."""
    for path in Path(catalogue.__file__).parent.glob("*.py"):
        imported = {
            node.module or ""
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom)
        }
        assert imported <= {"collections.abc", "outbox.core.catalogue"}
