"""What tests of files share."""

from collections.abc import Callable

from outbox.core.row import Row
from outbox.flows import files as flow
from outbox.flows.files import Bounds
from outbox.testing import TickingClock
from outbox.testing.files import MemoryFiles, in_memory

CLOCK = TickingClock()
NOW = CLOCK()
BOUNDS = Bounds()
MEGABYTE = 1024 * 1024


def contents(files: MemoryFiles, row: Row) -> list[bytes]:
    with flow.opened(files, row.mail()) as mail:
        return [attachment.content for attachment in in_memory(mail).attachments]


def fails(*steps: str, error: Exception | None = None) -> Callable[[str, str], None]:
    def before(step: str, key: str) -> None:
        if step in steps:
            raise error or OSError(step)

    return before
