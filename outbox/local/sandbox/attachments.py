"""Refuse attachments that the mail API does not take: too many, too large, forbidden by extension."""

from collections.abc import Sequence

from outbox.local.sandbox import invented
from outbox.local.sandbox.errors import FieldErrors
from outbox.local.sandbox.mail import Attachment
from outbox.local.sandbox.settings import SandboxSettings

FORBIDDEN_EXTENSIONS = frozenset({
    "ade", "adp", "apk", "appx", "appxbundle", "bat", "bz2", "cab", "chm", "cmd", "com", "cpl", "dll",
    "dmg", "ex", "ex_", "exe", "gz", "hta", "ins", "iso", "isp", "jar", "js", "jse", "lib", "lnk", "mde",
    "msc", "msi", "msix", "msixbundle", "msp", "mst", "nsh", "pif", "ps1", "scr", "sct", "shb", "sys",
    "tgz", "vb", "vbe", "vbs", "vxd", "wsc", "wsf", "wsh", "zip",
})  # fmt: skip
# Where the real one puts these errors in its tree is unknown: the part's name is the guess.
_FIELD = "file"


def check(files: Sequence[Attachment], errors: FieldErrors, settings: SandboxSettings) -> None:
    """Note what is wrong with the files as a whole, else with each of them."""
    if len(files) > settings.attachment_count:
        errors.add([_FIELD], invented.too_many(settings.attachment_count))
        return
    if sum(len(file.content) for file in files) > settings.attachment_bytes:
        errors.add([_FIELD], invented.attachments_too_large(settings.attachment_bytes))
        return
    for at, file in enumerate(files):
        if not file.name:
            errors.add([_FIELD, at], invented.NO_FILE_NAME)
        elif _extension(file.name) in FORBIDDEN_EXTENSIONS:
            errors.add([_FIELD, at], invented.forbidden_extension(file.name))


def _extension(name: str) -> str:
    return name.rpartition(".")[2].lower() if "." in name else ""
