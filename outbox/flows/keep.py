"""Outbox stream -> bucket: the files of a committed row stay; those that no row came to name expire by themselves."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from outbox.core.ports import Files
from outbox.core.row import Item, Row

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Keep:
    """Lets the files of new rows stay; doing it again changes nothing."""

    files: Files

    def __call__(self, rows: Sequence[Item]) -> set[int]:
        """Keep the files of each row; give the positions of the rows to bring again."""
        return {position for position, item in enumerate(rows) if not self._kept(Row(item))}

    def _kept(self, row: Row) -> bool:
        own = row.own_files
        if len(own) < len(row.files):
            log.warning("keep.foreign_files", id=row.id, files=len(row.files) - len(own))
        try:
            for key in own:
                self.files.keep(key)
        except Exception:
            log.exception("keep.failed", id=row.id)
            return False
        log.info("files.kept", id=row.id, files=len(own))
        return True
