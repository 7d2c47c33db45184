"""The template as written, and as CloudFormation gets it."""

from pathlib import Path
from typing import Any

import pytest
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    """Read the SAM template."""
    parsed: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
    return parsed


@pytest.fixture(scope="session")
def translated() -> dict[str, Any]:
    """Make the CloudFormation template that SAM makes of it."""
    source = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
    source["Globals"]["Function"]["CodeUri"] = "s3://bucket/key"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", "ap-northeast-1")
        result: dict[str, Any] = Translator({}, Parser()).translate(source, {})
    return result


@pytest.fixture(scope="session")
def resources(translated: dict[str, Any]) -> dict[str, Any]:
    """Give the resources CloudFormation creates, by logical name."""
    found: dict[str, Any] = translated["Resources"]
    return found


def filters(resources: dict[str, Any], mapping: str) -> list[str]:
    """Give the filter patterns of a stream mapping, as the text AWS gets."""
    return [each["Pattern"] for each in resources[mapping]["Properties"]["FilterCriteria"]["Filters"]]


@pytest.fixture(scope="session")
def patterns(resources: dict[str, Any]) -> list[str]:
    """Give the filter patterns by which deliver hears the outbox stream."""
    return filters(resources, "DeliverDoorbell")


@pytest.fixture(scope="session")
def committed(resources: dict[str, Any]) -> list[str]:
    """Give the filter patterns by which keep hears the outbox stream."""
    return filters(resources, "KeepCommitted")


@pytest.fixture(scope="session")
def expired(resources: dict[str, Any]) -> list[str]:
    """Give the filter patterns by which cleanup hears the history stream."""
    return filters(resources, "CleanupExpired")
