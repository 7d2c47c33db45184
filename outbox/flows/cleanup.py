"""History's expired rows -> bucket: their files go too, unless a row in either table still names them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from outbox.core.ports import Files
from outbox.core.row import Item, Row

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Cleanup:
    """Deletes the files of mails that history has forgotten; doing it again changes nothing.

    `current`: reads what the tables have under an id, as it is now: of the outbox, of history.
    """

    files: Files
    current: Sequence[Callable[[str], Item | None]]

    def __call__(self, rows: Sequence[Item]) -> set[int]:
        """Delete the files of each row; give the positions of the rows to bring again."""
        return {position for position, item in enumerate(rows) if not self._deleted(Row(item))}

    def _deleted(self, row: Row) -> bool:
        own = row.own_files
        if len(own) < len(row.files):
            log.warning("cleanup.foreign_files", id=row.id, files=len(row.files) - len(own))
        if not own:
            return True
        try:
            # A mail that was put back, and may have been sent again since, still needs its files.
            needed = {key for read in self.current for key in Row(read(row.id) or {}).files}
            failed = self.files.delete([key for key in own if key not in needed])
        except Exception:
            log.exception("cleanup.failed", id=row.id)
            return False
        if failed:
            log.error("cleanup.not_deleted", id=row.id, files=len(failed), codes=sorted(set(failed.values())))
            return False
        log.info("files.deleted", id=row.id, files=len(own))
        return True
