"""What the README says is so."""

import json
import re
import tomllib

from outbox.core.states import Status
from tests import figures

README = figures.README.read_text(encoding="utf-8")


def test_its_figures_are_those_that_were_measured():
    """The table of promises is made of the file that the attacks wrote, not typed."""
    measured = json.loads(figures.FIGURES.read_text(encoding="utf-8"))
    assert figures.renewed(README, measured) == README


def test_it_explains_every_state():
    """Each word that can stand on a row is in the table of states."""
    assert all(re.search(rf"^\| .*\b{status}\b", README, re.MULTILINE) for status in Status)


def test_it_names_every_parameter_of_the_template():
    """Whoever deploys finds each parameter explained."""
    from samtranslator.yaml_helper import yaml_parse

    template = yaml_parse((figures.README.parent / "template.yaml").read_text(encoding="utf-8"))
    assert [name for name in template["Parameters"] if f"`{name}`" not in README] == []


def test_it_names_every_command():
    """Whoever supports finds each command."""
    from typer.main import get_command

    from outbox.cli.program import app

    commands = getattr(get_command(app), "commands", {})
    assert commands
    assert [name for name in commands if f"outbox {name}" not in README and f"| {name}" not in README] == []


def test_it_names_every_setting_of_an_attacks_size():
    """Whoever wants the long form of an attack finds its setting."""
    asked = re.compile(r"environ\.get\(\"(OUTBOX_(?:\w+_)?(?:MAILS|ROWS|CALLS|STEPS|CELLS|SWITCHES))\"")
    sources = [path.read_text(encoding="utf-8") for path in figures.HERE.rglob("*.py")]
    settings = {name for source in sources for name in asked.findall(source)}
    assert len(settings) > 10
    assert [name for name in sorted(settings) if f"`{name}" not in README] == []


def test_its_two_lines_come_first():
    """One line runs the demo, one the tests, in the first forty lines."""
    top = "\n".join(README.splitlines()[:40])
    assert re.search(r"^python3 -m venv .* outbox demo$", top, re.MULTILINE)
    assert re.search(r"^python3 -m venv .* pytest -n auto$", top, re.MULTILINE)


def test_its_changelog_has_the_version():
    """The version of the package has its entry."""
    project = tomllib.loads((figures.README.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"### {project['version']}" in README
