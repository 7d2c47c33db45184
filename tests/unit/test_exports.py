"""What `import outbox` offers, and when it is loaded."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import outbox


def test_every_name_can_be_imported():
    """Each is what its own module has, and dir() lists it."""
    assert sorted(outbox.__all__) == outbox.__all__
    assert all(getattr(outbox, name).__module__.startswith("outbox.") for name in outbox.__all__)
    assert set(outbox.__all__) <= set(dir(outbox))


def test_what_a_type_checker_sees_is_what_is_there():
    """The imports for type checkers name the same things, from the same modules."""
    tree = ast.parse(Path(outbox.__file__).read_text(encoding="utf-8"))
    seen = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("outbox.")
        for alias in node.names
    }
    assert sorted(seen) == outbox.__all__
    assert all(getattr(outbox, name) is getattr(sys.modules[module], name) for name, module in seen.items())


def test_a_name_that_is_none_is_an_attribute_error():
    """So that a typing slip reads as one, and `hasattr` works."""
    with pytest.raises(AttributeError, match="has no attribute 'Mial'"):
        outbox.Mial  # noqa: B018


def test_the_package_alone_loads_nothing_of_it():
    """The service's functions lie in the same package, and pay for what they use."""
    code = "import sys, outbox; print([name for name in sys.modules if name.startswith('outbox.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
