"""Parameters of the template on a command line: what CloudFormation would refuse is refused before anything starts."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from outbox.local import deployment, up
from outbox.local.parameters import NOT_GIVEN, ParametersError, parse

TEMPLATE = deployment.template_path()
PARAMETERS = yaml_parse(TEMPLATE.read_text(encoding="utf-8"))["Parameters"]


def refused(*given: str, template: Path = TEMPLATE) -> ParametersError:
    with pytest.raises(ParametersError) as error:
        parse(given, template)
    return error.value


@pytest.mark.parametrize("name", sorted(PARAMETERS.keys() - NOT_GIVEN.keys()))
def test_every_parameter_can_be_given_its_default(name: str) -> None:
    """None is forgotten, whatever the template gets next."""
    value = str(PARAMETERS[name]["Default"])
    assert parse([f"{name}={value}"], TEMPLATE) == {name: value}


def test_values_are_taken_as_they_are() -> None:
    """Also what has an equals sign in it."""
    given = ["LookUpMinutes=2", "HistoryBodies=false", "RatePerMinute=60", "WebhookSources=192.0.2.0/24, 2001:db8::1"]
    assert parse(given, TEMPLATE) == dict(pair.split("=", 1) for pair in given)


@pytest.mark.parametrize("pair", ["LookUpMinutes", "=2", "", "  =2", "LookUpMinutes: 2"])
def test_what_is_no_pair_is_named(pair: str) -> None:
    """The whole argument is shown, quoted, because a shell may have cut it."""
    error = refused(pair)
    assert error.problems == [f"{pair!r} is not NAME=VALUE"]
    assert "LookUpMinutes" in error.names


def test_an_unknown_name_is_told_with_those_there_are() -> None:
    """A slip is recognised, also in capitals; the names are all that can be given."""
    error = refused("lookupminute=2", "Colour=red")
    assert error.problems == [
        "lookupminute is no parameter of the template: did you mean LookUpMinutes?",
        "Colour is no parameter of the template",
    ]
    assert set(error.names) == PARAMETERS.keys() - NOT_GIVEN.keys()


def test_what_has_an_option_of_its_own_says_so() -> None:
    """The address and the account of the mail API are not set past their options."""
    (problem,) = refused("MailApiUrl=https://mail.example").problems
    assert "--mail-api-url" in problem
    (problem,) = refused("MailApiSecret=arn").problems
    assert "--login-id" in problem


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        ("LookUpMinutes=soon", "is no number"),
        ("LookUpMinutes=-1", "is not a number from 0 to 1440"),
        ("LookUpMinutes=nan", "is no number"),
        ("LookUpMinutes=1e3", "is no number"),
        ("HistoryDays=1_000", "is no number"),
        ("RatePerMinute=60.5", "is not a whole number"),
        ("DeliverConcurrency=-1", "is not a number from 0"),
        ("RatePerMinute=inf", "is no number"),
        ("LogLevel=LOUD", "is none of DEBUG, INFO, WARNING, ERROR"),
        ("LogDays=2", "is none of 1, 3, 5"),
        ("HistoryBodies=no", "is none of true, false"),
        ("OutboxTableName=a b", "does not have the form [A-Za-z0-9_.-]{3,255}"),
        ("OutboxTableName=", "does not have the form"),
        ("WebhookSources=everywhere", "does not have the form"),
        ("OutboxTableName=outbox\n", "does not have the form"),
    ],
)
def test_a_value_against_the_rules_of_the_template_is_told_with_the_rule(pair: str, says: str) -> None:
    """Numbers and their bounds, allowed values, patterns."""
    (problem,) = refused(pair).problems
    assert problem.startswith(pair.split("=", maxsplit=1)[0])
    assert says in problem


def test_the_command_tells_what_is_wrong_and_starts_nothing() -> None:
    """For a script in JSON, with the names there are; the status is that of wrong usage."""
    wrong = ["up", "--parameter", "LookUpMinute=2", "--parameter", "RateBurst=x"]
    command = [sys.executable, "-m", "outbox.cli", "--json", *wrong]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    error: Any = json.loads(ended.stdout)["error"]
    assert (ended.returncode, error["kind"]) == (2, "WrongParameters")
    assert len(error["problems"]) == 2
    assert "LookUpMinutes" in error["names"]


def outside(rule: dict[str, Any]) -> str | None:
    """Give a value that a rule forbids."""
    if "AllowedValues" in rule:
        return "none of them"
    if rule["Type"] == "Number":
        return str(rule["MinValue"] - 1)
    return "\x00" if "AllowedPattern" in rule else None


@pytest.mark.parametrize("name", sorted(PARAMETERS.keys() - NOT_GIVEN.keys()))
def test_every_rule_of_the_template_is_checked(name: str) -> None:
    """Each parameter refuses a value that its rule forbids."""
    value = outside(PARAMETERS[name])
    assert value is not None
    assert len(refused(f"{name}={value}").problems) == 1


def test_everything_wrong_is_told_at_once() -> None:
    """One round is enough to put it right."""
    assert len(refused("LookUpMinutes=-1", "x", "Colour=red", "LogLevel=LOUD", "LogLevel=INFO").problems) == 5


@pytest.mark.parametrize("given", [("RatePerMinute=10",), ("RateBurst=250",), ("RatePerMinute=60", "RateBurst=30")])
def test_a_rate_no_worker_would_start_with_is_refused(given: tuple[str, ...]) -> None:
    """Else every function would end at once, and nothing be sent."""
    (problem,) = refused(*given).problems
    assert "not less than half of RatePerMinute" in problem


def test_the_stack_gets_the_parameters_and_the_sandbox_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rate to be tried is one that the mail API allows."""
    made: list[dict[str, Any]] = []

    class Stopped(Exception):
        """Enough was seen."""

    def stack(**arguments: Any) -> None:
        made.append(arguments)
        raise Stopped

    monkeypatch.setattr(up, "LocalStack", stack)
    monkeypatch.setattr(up.signal, "signal", lambda *_: None)
    for parameters in (["RatePerMinute=900", "LookUpMinutes=0"], ["LookUpMinutes=0"], []):
        with pytest.raises(Stopped):
            up.run_up(parameters=parameters)
    assert [each["parameters"] for each in made] == [
        {"RatePerMinute": "900", "LookUpMinutes": "0"},
        {"LookUpMinutes": "0"},
        {},
    ]
    assert [each["sandbox_arguments"] for each in made] == [("--rate-per-minute", "900"), (), ()]
