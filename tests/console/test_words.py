"""Whatever the console says is said in every language it speaks, and the service's own sentences are known."""

import ast
import re
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from outbox.console import render
from outbox.console.words import HERE, HOLE, LANGUAGES, Sentence, accepted, chosen, words
from outbox.core.errors import (
    ChangedMeanwhile,
    FileLost,
    InvalidMail,
    InvalidRequest,
    KeyConflict,
    NotFound,
    OutboxError,
    RowBroken,
    TooLarge,
    WrongState,
)
from outbox.core.mail import Mail
from outbox.core.row import mail_of
from outbox.core.states import Status
from tests.conftest import Service, make_mail
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


def table(code: str, name: str) -> Iterator[tuple[str, str, str]]:
    """Yield each entry of a table with the file it is in."""
    for path in sorted((HERE / code).glob("*.toml")):
        for english, said in tomllib.loads(path.read_text(encoding="utf-8")).get(name, {}).items():
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
    known = {english for _, english, _ in table(code, "words")}

    expect_none([f"{where}: {text}" for where, text in all_texts() if text is not None and text not in known])


@pytest.mark.parametrize("code", OTHERS)
def test_no_translation_is_left_over(code: str) -> None:
    """What nobody says any more has no translation either."""
    used = {text for _, text in all_texts()}

    expect_none([f"{name}: {english}" for name, english, _ in table(code, "words") if english not in used])


@pytest.mark.parametrize("code", OTHERS)
@pytest.mark.parametrize("name", ["words", "sentences"])
def test_a_text_has_one_translation(code: str, name: str) -> None:
    """Two files do not translate the same text in two ways."""
    seen: dict[str, tuple[str, str]] = {}
    for file, english, said in table(code, name):
        seen.setdefault(english, (file, said))

    entries = [(file, english, *seen[english], said) for file, english, said in table(code, name)]
    expect_none(
        [
            f"{file}: {english}\n    {said}\n    {first}: {other}"
            for file, english, first, other, said in entries
            if said != other
        ]
    )


@pytest.mark.parametrize("code", OTHERS)
@pytest.mark.parametrize(("name", "value"), [("words", VALUE), ("sentences", HOLE)])
def test_values_are_kept(code: str, name: str, value: re.Pattern[str]) -> None:
    """A translation has the same values as the text, and none that nobody fills in."""
    wrong = [
        f"{file}: {english}"
        for file, english, said in table(code, name)
        if sorted(set(value.findall(english))) != sorted(set(value.findall(said))) or not said.strip()
    ]

    expect_none(wrong)


@pytest.mark.parametrize("code", OTHERS)
def test_texts_can_be_filled_in(code: str) -> None:
    """No stray percent sign ends a page with an error."""
    for _, english, said in table(code, "words"):
        values = dict.fromkeys(VALUE.findall(english), 7)
        if values:
            assert "7" in english % values
            assert "7" in said % values


def test_every_state_has_a_word() -> None:
    """The words on rows are told in every language as well."""
    for code in OTHERS:
        assert all(words(code)(status) != status for status in Status)


def raised(act: Callable[[], Any]) -> Exception:
    try:
        act()
    except OutboxError as error:
        return error
    raise AssertionError("nothing was raised")


def real_errors(service: Service) -> Iterator[Exception]:
    """Yield what the service raises when people err, raised by the service itself."""
    support, outbox = service.support, service.outbox
    for mail_id in ("waiting", "sent"):
        outbox.enqueue(make_mail(), idempotency_key=mail_id)
    service.deliver(service.doorbells()[1:])
    yield raised(lambda: support.show("nowhere"))
    yield raised(lambda: support.hold("sent", "alice"))
    yield raised(lambda: support.resend("sent", "alice"))
    yield raised(lambda: support.cancel("sent", "alice"))
    yield raised(lambda: support.edit("sent", {"subject": "x"}, "alice"))
    yield raised(lambda: support.release("waiting", "alice"))
    yield raised(lambda: support.confirm("waiting", "alice"))
    yield raised(lambda: support.delete("waiting", "alice"))
    yield raised(lambda: support.resend("waiting", "alice", anyway=True))
    yield raised(lambda: support.edit("waiting", {"subject": "x"}, "alice", revision=77))
    yield raised(lambda: support.hold("waiting", ""))
    yield raised(lambda: outbox.enqueue(make_mail(subject="Other"), idempotency_key="waiting"))
    yield TooLarge()
    yield FileLost("a.pdf", "is not in the bucket")
    for broken in ({"to": 7}, {"cc": "a@example.com"}, {"urgent": "yes"}, {"attachments": ["x"]}):
        yield raised(
            lambda broken=broken: mail_of(
                {"sender": "s@example.com", "to": "t@example.com", "subject": "s", "text": "t", **broken}
            )
        )
    yield raised(lambda: mail_of({"subject": "s"}))


def wrong_mails() -> Iterator[str]:
    """Yield every rule that a mail can break."""
    long, many = "x" * 300_000, [f"a{n}@example.com" for n in range(11)]
    for parts in (
        {"to": "nobody", "cc": ["a@b@example.com", "a@" + long], "bcc": ["a\u0007b@example.com"]},
        {"to": f"{'n' * 300} <taro@example.com>", "subject": ""},
        {"subject": "a\nb", "text": "a\u0000b", "html": long, "cc": many, "bcc": many},
        {"text": "", "html": ""},
        {"insert_code": {"a b": "x", "k": "a\u0000b", **{f"n{n}": "x" for n in range(60)}}},
        {"subject": "__k__", "insert_code": {"k": "a\nb"}},
        {"tags": ["", *map(str, range(30))], "encoding": "latin-1", "on_unknown": "perhaps", "urgent": "yes"},
        {"tags": ["", *map(str, range(30))]},
        {"tags": "one", "cc": 7},
        {"subject": 7, "text": b"x"},
        {"insert_code": {"k": 7}},
        {"insert_code": 7},
        {"insert_code": {"k": "x" * 6_000_000}},
    ):
        error = raised(
            lambda parts=parts: Mail(
                **{"sender": "s@example.com", "to": "t@example.com", "subject": "s", "text": "t", **parts}
            )
        )
        assert isinstance(error, InvalidMail)
        yield from (problem.rule for problem in error.problems)


def test_the_services_own_sentences_are_known(service: Service) -> None:
    """What the flows raise when people err reads as Japanese, with its values."""
    said = words("ja").said
    sentences = [str(error) for error in real_errors(service)] + list(wrong_mails())

    expect_none([sentence for sentence in sentences if not re.search(r"[ぁ-ん]", said(sentence))])


def test_a_sentence_keeps_its_values() -> None:
    """The id, the state and the reason stand in the translation."""
    told = words("ja").said(str(WrongState("m 1", "SENT", "held", "it has left the outbox")))

    assert "m 1" in told
    assert "SENT" in told
    assert "送信箱" in told
    assert "left" not in told


def test_the_closest_sentence_wins() -> None:
    """A sentence that fits all does not hide one that fits this."""
    assert "送信箱" in words("ja").said(str(NotFound("a: b")))


def test_a_long_or_strange_text_is_left_alone() -> None:
    """What is no sentence of the service stays as it is, and costs no time."""
    for strange in ("", ": " * 100_000, "{who}", "%s %(x)s", "\u202etxt.exe"):
        assert words("ja").said(strange) == strange


@pytest.mark.parametrize(
    ("sentence", "said", "values"),
    [
        ("Held by {who}: {note}", "Held by bob: a: b", {"who": "bob", "note": "a: b"}),
        ("Held by {who}: {note}", "Held by : ", {"who": "", "note": ""}),
        ("Held by {who}: {note}", "Held by bob", None),
        ("{a}; {b}.", "x; y; z.", {"a": "x", "b": "y; z"}),
        ("{a}; {b}.", "x; y", None),
        ("{a}.", ".", {"a": ""}),
        ("a{b}a", "a", None),
        ("{b}", "any\nthing", {"b": "any\nthing"}),
        ("plain", "plain", {}),
        ("plain", "plainer", None),
        ("", "", {}),
    ],
)
def test_what_stands_in_the_holes(sentence: str, said: str, values: dict[str, str] | None) -> None:
    """Each takes as little as it can, and all of the sentence must fit."""
    assert Sentence.of(sentence).values(said) == values


def test_no_text_takes_long() -> None:
    """Texts made of the pieces of our own sentences are read as quickly as any other."""
    spoken = words("ja")
    began = time.perf_counter()
    for known, _ in spoken.sentences:
        spoken.said((known.literals[0] + "".join(known.literals) * 1500)[:1400])

    assert time.perf_counter() - began < 5


def test_a_value_that_reads_like_a_label_stays() -> None:
    """A person called Outbox is not translated."""
    assert "Outbox" in words("ja").said(str(ChangedMeanwhile("Outbox")))


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
    assert isinstance(RowBroken("a", "b"), OutboxError)
    assert issubclass(InvalidRequest, OutboxError)
    assert issubclass(KeyConflict, OutboxError)
