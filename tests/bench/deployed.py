"""A Python that holds what a function holds in Lambda, and nothing else: locked packages, the handlers, the package."""

import io
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from outbox.local.deployment import bundle

ROOT = Path(__file__).parents[2]
PYTHON = "3.13"
SYNC = "sync --frozen --quiet --no-dev --extra worker --no-install-project --python"


@dataclass(frozen=True, slots=True)
class Deployed:
    """An interpreter, the directory with the code, and what both are."""

    python: Path
    code: Path
    what: str

    def run(self, code: str, *arguments: str, **environment: str) -> str:
        """Run code in a fresh process that sees nothing of the shell; give what it prints."""
        command = [str(self.python), "-c", code, *arguments]
        env = {"PYTHONPATH": str(self.code), "PATH": os.defpath, **environment}
        done = subprocess.run(command, cwd=self.code, env=env, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def deployed(*, alone: bool = True) -> Iterator[Deployed]:
    """Make it in a directory of its own; not `alone`: with the packages of this interpreter, to see that it works."""
    with TemporaryDirectory() as directory:
        code = Path(directory) / "code"
        zipfile.ZipFile(io.BytesIO(bundle())).extractall(code)
        uv = _uv()
        if not alone or uv is None:
            version = ".".join(map(str, sys.version_info[:3]))
            yield Deployed(Path(sys.executable), code, f"Python {version} with the packages of the tests")
            return
        packages = Path(directory) / "packages"
        subprocess.run(
            [uv, *SYNC.split(), _version(uv)],
            cwd=ROOT,
            env={**os.environ, "UV_PROJECT_ENVIRONMENT": str(packages)},
            check=True,
        )
        python = packages / "bin" / "python"
        version = subprocess.run([python, "--version"], check=True, capture_output=True, text=True).stdout.strip()
        yield Deployed(python, code, f"{version} with the packages of the functions")


def _uv() -> str | None:
    return shutil.which("uv") or shutil.which("uv", path=str(ROOT / ".uv" / "bin"))


def _version(uv: str) -> str:
    """Find Lambda's Python; figures of another one would be of another machine."""
    found = subprocess.run([uv, "python", "find", "--no-python-downloads", PYTHON], check=False, capture_output=True)
    if found.returncode != 0:
        message = (
            f"Python {PYTHON}, that of Lambda, is not there: put it on PATH, or get it by `uv python install {PYTHON}`"
        )
        raise SystemExit(message)
    return PYTHON
