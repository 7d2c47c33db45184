"""Parameters of the template as `NAME=VALUE` on a command line, checked as CloudFormation would check them."""

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

# The local stack makes the secret, and the address has an option of its own.
NOT_GIVEN = {
    "MailApiUrl": "is set with --mail-api-url",
    "MailApiSecret": "is made by the local stack, of --login-id and --api-key",
}


class ParametersError(ValueError):
    """What is wrong with the parameters, all of it; `names` are those that can be given."""

    def __init__(self, problems: Sequence[str], names: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems, self.names = problems, names


def parse(given: Sequence[str], template: Path) -> dict[str, str]:
    """Read `NAME=VALUE` for each parameter. Raises `ParametersError` with everything that is wrong."""
    known: dict[str, dict[str, Any]] = yaml_parse(template.read_text(encoding="utf-8")).get("Parameters", {})
    parsed: dict[str, str] = {}
    problems: list[str] = []
    for pair in given:
        name, is_pair, value = pair.partition("=")
        name = name.strip()
        if not is_pair or not name:
            problems.append(f"{pair!r} is not NAME=VALUE")
        elif name in parsed:
            problems.append(f"{name} is given twice")
        elif name in NOT_GIVEN:
            problems.append(f"{name} {NOT_GIVEN[name]}")
        elif name not in known:
            problems.append(f"{name} is no parameter of the template{_near(name, known)}")
        else:
            parsed[name] = value
            problems += [f"{name}={value} {problem}" for problem in _wrong(known[name], value)]
    if not problems:
        problems = _wrong_together(parsed, known)
    if problems:
        raise ParametersError(problems, sorted(known.keys() - NOT_GIVEN.keys()))
    return parsed


def _near(name: str, known: Mapping[str, Any]) -> str:
    written = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name.lower(), written, n=1)
    return f": did you mean {written[near[0]]}?" if near else ""


def _wrong(rule: Mapping[str, Any], value: str) -> list[str]:
    """Say which rule of the template a value breaks; nothing if it breaks none."""
    if allowed := [str(each) for each in rule.get("AllowedValues", ())]:
        return [] if value in allowed else [f"is none of {', '.join(allowed)}"]
    if rule.get("Type") == "Number":
        return _wrong_number(rule, value)
    if not re.fullmatch(str(rule.get("AllowedPattern", r"(?s:.*)")), value):
        return [f"does not have the form {rule['AllowedPattern']}"]
    return []


def _wrong_number(rule: Mapping[str, Any], value: str) -> list[str]:
    # As CloudFormation writes them, and the functions read them: 1e3 and 1_000 are numbers to Python alone.
    if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
        return ["is no number"]
    number = float(value)
    least, most = rule.get("MinValue", -math.inf), rule.get("MaxValue", math.inf)
    if not least <= number <= most:
        bounds = [f"{word} {bound}" for word, bound in (("from", least), ("to", most)) if math.isfinite(bound)]
        return [f"is not a number {' '.join(bounds)}".rstrip()]
    return []


def _wrong_together(parsed: Mapping[str, str], known: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Say what no worker would start with, though each value is right by itself."""
    names = ("RatePerMinute", "RateBurst")
    if not parsed.keys() & set(names) or not known.keys() >= set(names):
        return []
    if fractions := [name for name in names if "." in parsed.get(name, "")]:
        return [f"{name}={parsed[name]} is not a whole number" for name in fractions]
    rate, burst = (int(parsed.get(name, known[name]["Default"])) for name in names)
    return [] if 2 * burst < rate else [f"RateBurst {burst} is not less than half of RatePerMinute {rate}"]
