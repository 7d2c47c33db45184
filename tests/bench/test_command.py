"""The one command, and what the README says of its figures."""

import json

import pytest

from tests.bench import __main__ as command
from tests.bench import goals, readme


def test_one_measure_in_small_prints_its_document(capsys):
    """JSON for a machine, progress beside it, and nothing is written down."""
    before = readme.FIGURES.read_bytes()
    assert command.main(["--quick", "--only", "overhead", "--runs", "1", "--json"]) in (0, 1)
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert list(document["measures"]) == ["overhead"]
    assert document["machine"]["processors"] >= 1
    assert "overhead" in printed.err
    assert readme.FIGURES.read_bytes() == before


def test_the_table_says_what_was_asked_and_what_was_met(capsys, monkeypatch):
    """A missed goal is a status of 1, with the reason below the table."""
    figures = {"machine": {}, "measures": {"units": {name: {"writes": 11} for name in readme.CASES}}}
    figures["measures"]["units"]["text_1kb"] = {"writes": 17}
    monkeypatch.setattr(command, "measure", lambda names, effort: figures)
    assert command.main(["--only", "units"]) == 1
    printed = capsys.readouterr().out
    assert "row of 1 KB" in printed
    assert "Not met, «write units of a mail, text of 1 KB»: with its other attributes" in printed


@pytest.mark.parametrize("arguments", [["--only", "everything"], ["--runs", "0"]])
def test_wrong_arguments_are_refused(arguments, capsys):
    """A measure that is none, or no runs at all."""
    with pytest.raises(SystemExit):
        command.main(arguments)
    assert "usage" in capsys.readouterr().err


def test_every_measure_has_a_goal_and_every_goal_a_figure():
    """No measure is taken for nothing, and the file holds what each line of the table tells."""
    measures = readme.load()["measures"]
    assert {goal.measure for goal in goals.GOALS} == set(command.MEASURES) == set(measures)
    assert len(list(goals.lines(measures))) == len(goals.GOALS)


def test_the_readme_tells_what_was_measured():
    """Tables are made of the file that a full run wrote, not typed."""
    text = readme.README.read_text(encoding="utf-8")
    assert readme.renewed(text, readme.load()) == text


def test_every_unit_is_explained():
    """No table or index is paid without a reason in the README."""
    units = readme.load()["measures"]["units"]
    paid = {(step, place) for case in readme.CASES for step, by in units[case]["write_units"].items() for place in by}
    assert paid <= set(readme.UNITS)


@pytest.mark.parametrize("name", readme.PLOTTED)
def test_plots_are_drawn_from_the_same_figures(name):
    """Each picture carries the digest of what it shows."""
    picture = (readme.PLOTS / f"{name}.svg").read_text(encoding="utf-8")
    assert f"figures {readme.digest(readme.load()['measures'][name])}" in picture
