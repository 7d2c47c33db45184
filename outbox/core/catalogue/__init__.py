"""Every sentence the service writes, in each of its languages."""

from outbox.core.catalogue.rows import SENTENCES

__all__ = ["SENTENCES"]
