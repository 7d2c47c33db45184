"""A function looks for no garbage while it imports, and does again from then on."""

import gc

import pytest

from outbox.wiring.start import importing


@pytest.fixture(autouse=True)
def _thaw():
    yield
    gc.unfreeze()
    gc.enable()


def test_no_garbage_is_looked_for_during_imports_and_what_stays_is_set_aside():
    """Afterwards it is looked for as before, among what came later."""
    with importing():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 1000


def test_an_import_that_fails_leaves_nothing_switched_off():
    """The error is what counts."""
    with pytest.raises(ModuleNotFoundError), importing():
        import nothing_of_this_name  # noqa: F401
    assert gc.isenabled()


def test_what_was_switched_off_before_stays_so():
    """It was somebody else's decision."""
    gc.disable()
    with importing():
        pass
    assert not gc.isenabled()
