"""Stock sam build, without Docker and without flags, packs functions that stand on their own."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from outbox.local.deployment import architecture

ROOT = Path(__file__).parents[2]
HANDLERS = ["bounce", "cleanup", "deliver", "dispatch", "keep"]
# A registry that does not answer now does so in a moment, or it is not the registry.
TRIES, PAUSE = 3, 5.0
# The paths of a function in Lambda and nothing of this machine: no site-packages, no PYTHON* variables.
IMPORT = """
import os, sys
sys.path.insert(0, sys.argv[1])
import importlib
handler = importlib.import_module(sys.argv[2]).handler
import outbox
assert callable(handler)
assert outbox.__file__.startswith(sys.argv[1]), outbox.__file__
"""


def tool(name: str) -> str:
    """Find a program; without it the test is skipped, but never in CI."""
    found = shutil.which(name)
    if found is None and os.environ.get("CI") != "true":
        pytest.skip(f"{name} is not installed")
    assert found, f"{name} is not installed"
    return found


def fetch(command: list[str], tries: int = TRIES, pause: float = PAUSE) -> None:
    """Run what asks a package registry, several times if need be; fail with all that it said."""
    said = []
    for number in range(tries):
        time.sleep(pause * number)
        environment = os.environ | {"SAM_CLI_TELEMETRY": "0"}
        done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
        if done.returncode == 0:
            return
        said.append(f"{command[0]} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    pytest.fail("\n".join(said))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Build the template for this machine's processor."""
    directory = tmp_path_factory.mktemp("build")
    tool("python3.13")
    command = [tool("sam"), "build", "--build-dir", str(directory), "--cache-dir", str(directory / "cache")]
    fetch([*command, "--parameter-overrides", f"Architecture={architecture()}"])
    yield directory
    shutil.rmtree(directory)


def test_a_registry_that_fails_once_is_asked_again(tmp_path: Path) -> None:
    """The second try is enough."""
    once = (
        "import pathlib, sys; seen = pathlib.Path(sys.argv[1]); late = seen.exists(); seen.touch(); sys.exit(not late)"
    )
    fetch([sys.executable, "-c", once, str(tmp_path / "seen")], pause=0)
    assert (tmp_path / "seen").exists()


def test_a_registry_that_fails_for_good_is_told_with_all_it_said() -> None:
    """What stood on stdout and on stderr is in the failure, of each try."""
    code = "import sys; print('to stdout'); sys.exit('to stderr')"
    with pytest.raises(pytest.fail.Exception) as failed:
        fetch([sys.executable, "-c", code], tries=2, pause=0)
    assert (str(failed.value).count("to stdout"), str(failed.value).count("to stderr")) == (2, 2)


@pytest.mark.parametrize("handler", HANDLERS)
def test_handler_imports_on_its_own(built: Path, handler: str) -> None:
    """Each handler finds all it needs in the artifact, with no setting and no credentials at import."""
    artifact = built / handler.capitalize()
    command = [tool("python3.13"), "-I", "-S", "-c", IMPORT, str(artifact), handler]
    answer = subprocess.run(command, env={}, check=False, capture_output=True, text=True)
    assert (answer.returncode, answer.stderr) == (0, "")


def test_artifact_holds_only_what_runs(built: Path) -> None:
    """No tests, documents, command line, console or laptop tools are deployed."""
    artifact = built / "Deliver"
    ours = {path.name for path in artifact.iterdir() if (ROOT / "functions" / path.name).exists()}
    assert ours == {*(f"{handler}.py" for handler in HANDLERS), "pyproject.toml", "requirements.txt"}
    parts = {path.name for path in (artifact / "outbox").iterdir()}
    assert parts.isdisjoint({"cli", "console", "local", "testing"})
    foreign = ["tests", "README.md", "template.yaml", "ministack", "typer", "rich", "starlette", "moto"]
    assert [name for name in foreign if (artifact / name).exists()] == []


def test_artifact_fits_into_lambda(built: Path) -> None:
    """The unpacked artifact is far below Lambda's 250 MB."""
    size = sum(path.stat().st_size for path in (built / "Deliver").rglob("*") if path.is_file())
    assert size < 100 * 1024 * 1024
