"""A template is filled for each row in a sandbox; what is missing, forbidden or endless is an error of that row."""

import resource
from pathlib import Path

import pytest

from tests.cli.conftest import Terminal
from tests.cli.importing import TEMPLATE, Bench

HEAD = 'sender = "s@example.com"\nsubject = "S"\n'


@pytest.fixture
def bench(terminal: Terminal, tmp_path: Path) -> Bench:
    """Give a directory, and a terminal to import its files."""
    return Bench(terminal, tmp_path)


def with_text(text: str) -> str:
    return f"{HEAD}text = '''{text}'''\n"


def test_html_is_escaped_and_text_is_not(bench: Bench) -> None:
    """A cell cannot bring markup into the HTML part; the text part and the subject show it as it is."""
    template = TEMPLATE + 'html = "<p>{{ name }}</p>"'
    bench.send(
        bench.file("to,name\na@example.com,<b>&'\"\n".replace("'\"", "'")), "--template", bench.template(template)
    )

    [row] = bench.rows.values()
    assert (row["subject"], row["text"]) == ("<b>&'様", "Dear <b>&'")
    assert row["html"] == "<p>&lt;b&gt;&amp;&#39;</p>"


def test_cells_are_never_templates(bench: Bench) -> None:
    """A cell that looks like a template stays text."""
    bench.send(bench.file("to,name\na@example.com,{{ 7*7 }}\n"), "--template", bench.template())
    [row] = bench.rows.values()
    assert row["text"] == "Dear {{ 7*7 }}"


def test_every_part_of_a_template(bench: Bench) -> None:
    """Each key of the file is a field; bodies may lie in files beside it."""
    bench.file("text of {{ name }}\n", "parts/body.txt")
    bench.file("<p>{{ name }}</p>\n", "parts/body.html")
    template = """
        from = "Shop <{{ who }}@example.com>"
        to = "{{ name }} <{{ row['mail address'] }}>"
        subject = '''
{{ name }}
'''
        text_file = "parts/body.txt"
        html_file = "parts/body.html"
        reply_to = "r@example.com"
        cc = ["{{ who }}1@example.com", "c@example.com"]
        tags = ["{{ who }}", "spring"]
        unsubscribe = ["https://example.com/{{ who }}"]
        send_at = "2099-01-01T00:00+09:00"
        [code]
        NAME = "{{ name|upper }}"
    """
    file = bench.file("mail address,name,who\na@example.com,taro,t\n")

    assert bench.send(file, "--template", bench.template(template)).status == 0

    [row] = bench.rows.values()
    assert {name: row[name] for name in ("sender", "to", "subject", "text", "html", "cc", "tags", "insert_code")} == {
        "sender": "Shop <t@example.com>",
        "to": "taro <a@example.com>",
        "subject": "taro",
        "text": "text of taro\n",
        "html": "<p>taro</p>\n",
        "cc": ["t1@example.com", "c@example.com"],
        "tags": ["t", "spring"],
        "insert_code": {"NAME": "TARO"},
    }


@pytest.mark.parametrize(
    ("text", "row", "rule"),
    [
        ("{{ naem }}", "Taro", "needs the column 'naem', which is not there"),
        ("{{ name }}", "", "needs the column 'name', which is empty in this row"),
        ("{{ name|upper }}", "", "needs the column 'name', which is empty in this row"),
        ("{{ row['a b'] }}", "Taro", "needs what is not there: 'dict object' has no attribute 'a b'"),
        ("{{ name + 1 }}", "Taro", "its template cannot be filled with this row (TypeError)"),
        ("{% include 'x' %}", "Taro", "its template cannot be filled with this row (TypeError)"),
        ("{{ ''.__class__.__mro__ }}", "Taro", "does what no template may: access to attribute '__class__'"),
        ("{{ cycler.__init__.__globals__ }}", "Taro", "does what no template may: access to attribute '__init__'"),
        ("{{ name.__class__ }}", "Taro", "does what no template may: access to attribute '__class__'"),
        ("{{ '{0.__class__}'.format(name) }}", "Taro", "does what no template may: access to attribute 'format'"),
        ("{{ (name|attr('__class__')).mro() }}", "Taro", ""),
        ("{{ self._TemplateReference__context }}", "Taro", "does what no template may"),
        ("{{ row.update(x=1) }}", "Taro", "does what no template may"),
        ("{% for n in range(10**9) %}{% endfor %}", "Taro", "its template makes something too large"),
        ("{% for n in range(99999) %}long text {% endfor %}", "Taro", "its template makes something too large"),
        ("{{ 'a' * 10**9 }}", "Taro", "its template makes something too large"),
        ("{{ 10**10**10**10**10 }}", "Taro", "its template makes something too large"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "Taro", "its template takes more than"),
        (
            "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
            "Taro",
            "its template takes more than",
        ),
    ],
)
def test_what_cannot_be_filled(bench: Bench, text: str, row: str, rule: str) -> None:
    """The row and the part are named, and nothing of the cells is told."""
    ended = bench.filled(f'to,name\na@example.com,"{row}"\n', with_text(text))
    [(line, field, said)] = bench.problems(ended)
    assert (line, field) == (2, "text")
    assert said.startswith(rule)
    assert "Taro" not in said


GROW = "{% set ns = namespace(a='x' * 1000, l=[], n=9) %}{% for i in range(9999) %}@{% endfor %}"


@pytest.mark.parametrize(
    "text",
    [
        "{{ 'x'.ljust(10**9) }}",
        "{{ 'x'.rjust(10**9) }}",
        "{{ 'x'['center'](10**9) }}",
        "{{ '1'.zfill(10**9) }}",
        "{{ '{:999999999}'.format(1) }}",
        "{{ ('\t' * 9).expandtabs(10**9) }}",
        "{{ '%999999999d' % 1 }}",
        "{{ '%*d' % (999999999, 1) }}",
        "{{ (9).to_bytes(10**9) }}",
        "{{ ('x' * 99999).replace('', 'x' * 99999) }}",
        "{{ ('x' * 99999)|replace('x', 'x' * 99999) }}",
        "{{ range(99999)|map('string')|join('x' * 99999) }}",
        "{{ ('x' * 99999).join('x' * 99999) }}",
        "{{ [1]|batch(10**9, 'x')|list }}",
        "{{ [1]|slice(10**9)|list }}",
        "{{ 1.5|round(10**9, 'ceil') }}",
        "{{ [1]|tojson(10**9) }}",
        "{{ [[1]] * 10**9 }}",
        "{{ [['x' * 99999] * 9] * 9 }}",
        GROW.replace("@", "{% set ns.a = ns.a ~ ns.a %}"),
        GROW.replace("@", "{% set ns.a = ns.a + ns.a %}"),
        GROW.replace("@", "{% set ns.n = ns.n * ns.n %}"),
        GROW.replace("@", "{% set ns.a %}{{ ns.a }}{{ ns.a }}{% endset %}"),
        "{% set x %}{% for i in range(9999) %}{% for i in range(9999) %}y{% endfor %}{% endfor %}{% endset %}",
        GROW.replace("@", "{% set ns.l = [ns.l, ns.l] %}") + "{{ ns.l }}",
        GROW.replace("@", "{% set ns.l = [ns.l, ns.a[1:], ns.a[2:], ns.a[3:]] %}"),
        GROW.replace("@", "{% set ns.a = (ns.a, ns.a)|join %}"),
    ],
)
def test_what_grows(bench: Bench, text: str) -> None:
    """A text, a list or a number that grows as far as a template says is refused before it takes memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    [(line, field, said)] = bench.problems(bench.filled("to,name\na@example.com,n\n", with_text(text)))
    assert (line, field) == (2, "text")
    assert said.startswith(("its template makes something too large", "does what no template may"))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


@pytest.mark.parametrize("name", ["center(400000000)", "format(1)", "indent(10**9)", "wordwrap(1)", "urlize", "pprint"])
def test_filters_that_are_not_there(bench: Bench, name: str) -> None:
    """Filters that write as much as a number says are refused before any row."""
    template = bench.template(with_text(f"{{{{ 'x'|{name} }}}}"))
    assert "No filter named" in bench.refused(bench.file("to\na@example.com\n"), "--template", template)


def test_what_templates_do_every_day(bench: Bench) -> None:
    """The bounds are no hindrance to joining, replacing, cutting and computing."""
    text = (
        "{{ name|upper|replace('A', 'o') }} {{ name[:2] ~ '!' }} {{ [1, 2]|map('string')|join(', ') }}"
        " {{ 7 % 3 + 2 * 3 }}"
        " {{ 1.256|round(2) }} {{ name.replace('T', 't') }} {% set x %}<{{ name }}>{% endset %}{{ x }}"
        "{% macro m(a) %}({{ a }}){% endmacro %}{{ m(name) }} {{ name.split('r')|first }}"
    )
    assert (
        bench.send(bench.file("to,name\na@example.com,Taro\n"), "--template", bench.template(with_text(text))).status
        == 0
    )
    [row] = bench.rows.values()
    assert row["text"] == "ToRO Ta! 1, 2 7 1.26 taro <Taro>(Taro) Ta"


@pytest.mark.parametrize("text", ["{% if name %}{{ name }}{% endif %}hi", "{{ name|default('') }}hi"])
def test_asking_for_an_empty_cell(bench: Bench, text: str) -> None:
    """A template that asks whether a cell has something may be filled without it."""
    assert (
        bench.send(bench.file('to,name\na@example.com,""\n'), "--template", bench.template(with_text(text))).status == 0
    )
    [row] = bench.rows.values()
    assert row["text"] == "hi"


def test_columns_with_the_names_of_jinja(bench: Bench) -> None:
    """No name of a column gets in the way of the template."""
    file = bench.file("to,self,context,range\na@example.com,1,2,3\n")
    assert (
        bench.send(file, "--template", bench.template(with_text("{{ row.self }}{{ context }}{{ range }}"))).status == 0
    )
    [row] = bench.rows.values()
    assert row["text"] == "123"


@pytest.mark.parametrize(
    ("template", "told"),
    [
        (HEAD + 'text = "a"\nhtml = """\n<p>\n{% if %}\n"""\n', "mail.toml, line 6 (html): Expected an expression"),
        (HEAD + 'text = "{{ name|random }}"', "mail.toml, line 3 (text): No filter named 'random'"),
        (HEAD + "text = \n", "mail.toml: Invalid value (at line 3, column 8)"),
        (HEAD + 'txet = "a"', "mail.toml, line 3: 'txet' is no part of a mail; known: to, sender"),
        (HEAD + 'text = "a"\ntext_file = "b"', "mail.toml, line 4: 'text_file' says text a second time"),
        (HEAD + "text = 7", "mail.toml, line 3: 'text' must be text"),
        (HEAD + 'text_file = "../x"', "mail.toml, line 3: 'text_file' must name a file in the directory"),
        (HEAD + 'text_file = "none"', "none: No such file"),
        (HEAD + 'text_file = "body.txt"', "body.txt, line 2: unexpected '}'"),
    ],
)
def test_broken_templates(bench: Bench, template: str, told: str) -> None:
    """What is wrong with a template is told with its file and line, before any row."""
    bench.file("a\n{{ } }}", "body.txt")
    file = bench.file("to\na@example.com\n")
    assert told in bench.refused(file, "--template", bench.template(template))


def test_lines_in_a_subject(bench: Bench) -> None:
    """A cell cannot add a header through the subject or a name."""
    template = 'sender = "{{ name }} <s@example.com>"\nsubject = "for {{ name }}"\ntext = "T"\n'
    problems = bench.problems(bench.filled('to,name\na@example.com,"T\nBcc: x@example.com"\n', template))
    assert [(line, field) for line, field, _ in problems] == [(2, "sender")]
