"""Whatever stands on pages is there in every language the console speaks; the service's own sentences have codes."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from outbox.console import render
from outbox.console.words import HERE, LANGUAGES, accepted, chosen, words
from outbox.core.states import Status
from tests.console.conftest import Browser

CONSOLE = Path(render.__file__).parent
OTHERS = [code for code in LANGUAGES if code != "en"]
VALUE = re.compile(r"%\((\w+)\)[sd]")
# Whose first argument is a text of ours; `ask.words("…")` itself is one of them.
SAYING = {"words", "tell", "offer"}
# Modules of which no table and no call says anything of ours.
NO_TEXTS = {"ask.py", "guard.py", "session.py", "words/__init__.py"}
# In templates: words of states, and what comes out of a module's table of texts.
VARIABLE = re.compile(r"_\(([a-z_.]+)\)")
FROM_TABLES = {"state", "typed.status", "label", "meaning", "called"}


def of_templates() -> Iterator[tuple[str, str | None]]:
    """Yield every text of a template with where it stands; None for one that is no literal."""
    environment = render.environment()
    for path in sorted(render.TEMPLATES.glob("*.html")):
        source = path.read_text(encoding="utf-8")
        lines = source.splitlines()
        for line, _, said in environment.extract_translations(source, gettext_functions=("_",)):
            text = said[0] if isinstance(said, tuple) else said
            if text is not None or not set(VARIABLE.findall(lines[line - 1])) & FROM_TABLES:
                yield f"{path.name}:{line}", text


def of_modules() -> Iterator[tuple[str, str | None]]:
    """Yield every text that is said in Python with where it stands; None for one that is no literal.

    What a module keeps in a table of texts is said somewhere, if only by a template.
    """
    for path in sorted(CONSOLE.rglob("*.py")):
        where = str(path.relative_to(CONSOLE))
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = dict(_constants(tree))
        tables = {} if where in NO_TEXTS else {name: node for name, node in constants.items() if _is_table(node)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SAYING:
                said = node.args[0] if node.args and where not in NO_TEXTS else None
                # `english` is what a function of ours was handed to say.
                if said is not None and not (isinstance(said, ast.Name) and said.id == "english"):
                    yield from ((f"{where}:{node.lineno}", text) for text in _texts(said, constants))
        for name, table_of_texts in tables.items():
            yield from ((f"{where}: {name}", text) for text in _texts(table_of_texts, constants))


def _is_table(node: ast.expr) -> bool:
    """Tell whether it is a table of texts: a dictionary of strings, not all of which are mere names."""
    values = (
        [value.value for value in node.values if isinstance(value, ast.Constant)] if isinstance(node, ast.Dict) else []
    )
    texts = [value for value in values if isinstance(value, str)]
    return isinstance(node, ast.Dict) and len(texts) == len(node.values) and any(" " in text for text in texts)


def _constants(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that a module gives to texts, or to tables of texts."""
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        for target in targets:
            if isinstance(target, ast.Name) and node.value is not None:
                yield target.id, node.value


def _texts(node: ast.expr, constants: dict[str, ast.expr]) -> Iterator[str | None]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body, constants)
        yield from _texts(node.orelse, constants)
    elif isinstance(node, ast.Name) and node.id in constants:
        yield from _texts(constants[node.id], {})
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        # A constant of another module, which is looked at where it stands.
        yield from _texts(_elsewhere(node), {})
    elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in constants:
        yield from _texts(constants[node.value.id], {})
    elif isinstance(node, ast.Dict):
        for value in node.values:
            yield from _texts(value, constants)
    else:
        yield None


def _elsewhere(node: ast.Attribute) -> ast.expr:
    assert isinstance(node.value, ast.Name)
    path = CONSOLE / f"{node.value.id}.py"
    constants = dict(_constants(ast.parse(path.read_text(encoding="utf-8")))) if path.exists() else {}
    return constants.get(node.attr, node.value)


def all_texts() -> Iterator[tuple[str, str | None]]:
    yield from of_templates()
    yield from of_modules()


def table(code: str) -> Iterator[tuple[str, str, str]]:
    """Yield each translation with the file it is in."""
    for path in sorted((HERE / code).glob("*.toml")):
        for english, said in tomllib.loads(path.read_text(encoding="utf-8"))["words"].items():
            yield path.name, english, said


def expect_none(found: list[str]) -> None:
    """Fail with each of them on a line of its own."""
    if found:
        pytest.fail("\n".join([f"{len(found)}:", *found]), pytrace=False)


def test_every_text_is_a_literal() -> None:
    """Only what stands there word for word can be found, and translated."""
    expect_none([where for where, text in all_texts() if text is None])


@pytest.mark.parametrize("code", OTHERS)
def test_every_text_is_translated(code: str) -> None:
    """Nobody meets a word of another language in the middle of a page."""
    known = {english for _, english, _ in table(code)}

    expect_none([f"{where}: {text}" for where, text in all_texts() if text is not None and text not in known])


@pytest.mark.parametrize("code", OTHERS)
def test_no_translation_is_left_over(code: str) -> None:
    """What nobody says any more has no translation either."""
    used = {text for _, text in all_texts()}

    expect_none([f"{name}: {english}" for name, english, _ in table(code) if english not in used])


@pytest.mark.parametrize("code", OTHERS)
def test_a_text_has_one_translation(code: str) -> None:
    """Two files do not translate the same text in two ways."""
    seen: dict[str, tuple[str, str]] = {}
    for file, english, said in table(code):
        seen.setdefault(english, (file, said))

    entries = [(file, english, *seen[english], said) for file, english, said in table(code)]
    expect_none(
        [
            f"{file}: {english}\n    {said}\n    {first}: {other}"
            for file, english, first, other, said in entries
            if said != other
        ]
    )


@pytest.mark.parametrize("code", OTHERS)
def test_values_are_kept(code: str) -> None:
    """A translation has the same values as the text, and none that nobody fills in."""
    wrong = [
        f"{file}: {english}"
        for file, english, said in table(code)
        if sorted(set(VALUE.findall(english))) != sorted(set(VALUE.findall(said))) or not said.strip()
    ]

    expect_none(wrong)


@pytest.mark.parametrize("code", OTHERS)
def test_texts_can_be_filled_in(code: str) -> None:
    """No stray percent sign ends a page with an error."""
    for _, english, said in table(code):
        values = dict.fromkeys(VALUE.findall(english), 7)
        if values:
            assert "7" in english % values
            assert "7" in said % values


def test_every_state_has_a_word() -> None:
    """The words on rows are told in every language as well."""
    for code in OTHERS:
        assert all(words(code)(status) != status for status in Status)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("ja", "ja"),
        ("ja-JP,ja;q=0.9,en;q=0.8", "ja"),
        ("en-GB, ja;q=0.9", "en"),
        ("fr, ja; q=0.5, en; q=0.4", "ja"),
        ("ja;q=0, en", "en"),
        ("fr", "en"),
        ("", "en"),
        ("ja;q=nan, en;q=x", "en"),
        ("*", "en"),
        ("ja;" * 10_000, "en"),
    ],
)
def test_language_of_the_browser(header: str, code: str) -> None:
    """The dearest of the languages we speak; English where there is none."""
    assert chosen(accepted(header)) == code


@pytest.mark.parametrize(
    ("hours", "english", "japanese"),
    [
        (-3, "3 hours ago", "3時間前"),
        (3, "in 3 hours", "3時間後"),
        (-72, "3 days ago", "3日前"),
        (0.1, "in 6 minutes", "6分後"),
    ],
)
def test_how_long_ago(browser: Browser, hours: float, english: str, japanese: str) -> None:
    """Ago and in: in both languages."""
    from datetime import timedelta
    from types import SimpleNamespace

    now = browser.service.clock()
    for code, told in (("en", english), ("ja", japanese)):
        context: Any = {"ask": SimpleNamespace(now=now, words=words(code))}
        assert render.ago(context, now + timedelta(hours=hours)) == told


def test_a_text_with_values_escapes_them(browser: Browser) -> None:
    """A value in a text of ours is never taken for markup."""
    from types import SimpleNamespace

    ask: Any = SimpleNamespace(words=words("en"))
    assert render._spoken(ask, "%(x)s & more", x="<b>") == "&lt;b&gt; & more"
