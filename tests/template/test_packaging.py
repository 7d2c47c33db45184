"""What sam build packs is what runs in a function, in the versions of the lock file."""

import io
import os
import shutil
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest

from outbox.local.deployment import NOT_IN_FUNCTIONS, bundle

ROOT = Path(__file__).parents[2]
EXPORT = "export --frozen --extra worker --no-dev --no-emit-project --no-hashes --no-header --no-annotate"


def uv() -> str:
    """Find uv, the one that runs the tests first; without it the test is skipped, but never in CI."""
    found = os.environ.get("UV") or shutil.which("uv")
    if found is None and os.environ.get("CI") != "true":
        pytest.skip("uv is not installed")
    assert found
    return found


def test_requirements_are_those_of_the_lock_file() -> None:
    """functions/requirements.txt is: a comment, the export of uv.lock, and the package itself."""
    exported = subprocess.run([uv(), *EXPORT.split()], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    comment, *lines = (ROOT / "functions" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert comment.startswith("#")
    assert lines == [*exported.splitlines(), "./functions"], f"write it again from: uv {EXPORT}"


def test_every_part_of_the_package_is_packed_or_left_out_on_purpose() -> None:
    """A new module is either named in functions/pyproject.toml or known not to run in a function."""
    packaging = tomllib.loads((ROOT / "functions" / "pyproject.toml").read_text(encoding="utf-8"))
    packed = packaging["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    parts = {path.name for path in (ROOT / "outbox").iterdir() if path.name != "__pycache__"}
    assert all(source == f"../{target}" for source, target in packed.items())
    assert {Path(source).name for source in packed} == parts - set(NOT_IN_FUNCTIONS)


def test_local_stack_runs_what_is_deployed() -> None:
    """The zip for the embedded AWS holds the same handlers and parts as the artifact of sam build."""
    names = zipfile.ZipFile(io.BytesIO(bundle())).namelist()
    packaging = tomllib.loads((ROOT / "functions" / "pyproject.toml").read_text(encoding="utf-8"))
    packed = packaging["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"].values()
    handlers = {path.name for path in (ROOT / "functions").glob("*.py")}
    assert {"/".join(name.split("/")[:2]) for name in names} <= {*handlers, *packed}
    assert handlers <= set(names)
