"""The template holds up to the linters before and after SAM has translated it."""

import json
import re
from pathlib import Path
from typing import Any

import cfnlint.api

ROOT = Path(__file__).parents[2]


def findings(text: str) -> list[str]:
    """Say what cfn-lint finds wrong with a template."""
    found = cfnlint.api.lint(text, regions=["ap-northeast-1", "us-east-1"])
    return [f"{match.rule.id} {match.message}" for match in found]


def test_template_as_written_has_no_findings() -> None:
    """cfn-lint has nothing to say about the SAM template."""
    assert findings((ROOT / "template.yaml").read_text(encoding="utf-8")) == []


def test_translated_template_has_no_findings(translated: dict[str, Any]) -> None:
    """cfn-lint has nothing to say about what SAM makes of it, where it knows every property."""
    assert findings(json.dumps(translated)) == []


def test_linter_sees_a_mistake(translated: dict[str, Any]) -> None:
    """A batch size beyond Lambda's limit is found, so silence of the linter means something."""
    broken = json.loads(json.dumps(translated))
    broken["Resources"]["DeliverDoorbell"]["Properties"]["BatchSize"] = 10_001
    assert findings(json.dumps(broken)) == ["E3034 10001 is greater than the maximum of 10000"]


def test_template_is_plain_yaml() -> None:
    """There are no anchors and aliases: CloudFormation does not take them."""
    text = (ROOT / "template.yaml").read_text(encoding="utf-8")
    values = [line.partition("#")[0] for line in text.splitlines()]
    assert [line for line in values if re.search(r"(^|[\s\[,{])[&*][A-Za-z_]", line)] == []
