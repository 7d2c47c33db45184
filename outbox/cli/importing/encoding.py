"""In which encoding a file is written, found out strictly over all its bytes; and their digest."""

import codecs
import hashlib
import re
from dataclasses import dataclass
from typing import BinaryIO

from outbox.core.errors import InvalidRequest

PIECE = 1024 * 1024
UTF8, CP932, EUC, ASCII = "utf-8", "cp932", "euc_jp", "ascii"
OTHER_MARKS = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}
# Python reads these bytes of cp932 as characters nobody writes: no Japanese text has them.
NOT_CP932 = re.compile("[\x80\xa0\uf8f0-\uf8f3]")
SAVE = "save it as UTF-8, or say --encoding"


@dataclass(frozen=True, slots=True)
class Taken:
    """The encoding a file is read in, how it was found out, and the SHA-256 of its bytes in hex.

    `guessed`: its bytes allow it, but nothing proves it; UTF-8 would hardly be valid by chance.
    """

    name: str
    why: str
    digest: str
    guessed: bool = False

    @property
    def codec(self) -> str:
        """Give the name under which Python reads it, without a mark at the beginning."""
        return "utf-8-sig" if self.name == UTF8 else self.name


def find_out(file: BinaryIO, name: str, wanted: str | None) -> Taken:
    """Read a file once. Raises `InvalidRequest` naming line and byte where it is in no encoding we take."""
    first = file.read(PIECE)
    if not first:
        raise InvalidRequest(f"{name} is empty")
    marked = first.startswith(codecs.BOM_UTF8)
    if other := next((what for mark, what in OTHER_MARKS.items() if first.startswith(mark)), None):
        raise InvalidRequest(f"{name} is {other}, line 1, byte 1; save it as UTF-8")
    if marked and wanted == CP932:
        raise InvalidRequest(f"{name} begins with the mark of UTF-8, so it is not cp932; leave out --encoding")
    readers = {each: _Strict(each) for each in (UTF8, CP932, EUC, ASCII)}
    digest = hashlib.sha256()
    piece = first
    while True:
        digest.update(piece)
        for reader in readers.values():
            reader.read(piece)
        if not piece:
            break
        piece = file.read(PIECE)
    wrong = {each: reader.wrong for each, reader in readers.items()}
    decided = _told(wrong, name, wanted or UTF8, marked=marked) if wanted or marked else _found(wrong, name)
    guessed = decided[0] == CP932 and wanted is None
    return Taken(*decided, digest.hexdigest(), guessed)


def _told(wrong: dict[str, str], name: str, wanted: str, *, marked: bool) -> tuple[str, str]:
    """Take the encoding somebody named, or the mark at the beginning names, if the file bears it out."""
    if wrong[wanted]:
        raise InvalidRequest(f"{name} is not {wanted}: {wrong[wanted]}; {SAVE}")
    if wanted == CP932 and wrong[ASCII] and not wrong[UTF8]:
        # Nearly every text in UTF-8 is some text in cp932, and never the one that was meant.
        raise InvalidRequest(f"{name} is {UTF8} throughout, first seen in {wrong[ASCII]}; leave out --encoding")
    return wanted, "with a BOM" if marked else "as asked"


def _found(wrong: dict[str, str], name: str) -> tuple[str, str]:
    if not wrong[UTF8]:
        return UTF8, "all of it is valid"
    if wrong[CP932]:
        raise InvalidRequest(f"{name} is neither {UTF8} ({wrong[UTF8]}) nor {CP932} ({wrong[CP932]}); save it as UTF-8")
    if not wrong[EUC]:
        # Half-width katakana in the one is ordinary text in the other.
        raise InvalidRequest(f"{name} may be {CP932} or EUC-JP; save it as UTF-8, or say --encoding {CP932}")
    return CP932, f"it is not {UTF8}: {wrong[UTF8]}"


class _Strict:
    """Decodes piece by piece until the first wrong byte, and knows where that is."""

    def __init__(self, codec: str) -> None:
        self._codec, self._decoder, self.wrong = codec, codecs.getincrementaldecoder(codec)("strict"), ""
        self._lines, self._column = 1, 0

    def read(self, piece: bytes) -> None:
        """Decode a piece; an empty one is the end."""
        if self.wrong:
            return
        held = self._held()
        try:
            text = self._decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            self._pass(error.object[: error.start])
            self.wrong = f"line {self._lines}, byte {self._column + 1} (0x{error.object[error.start]:02x})"
            return
        if self._codec == CP932 and (bad := NOT_CP932.search(text)):
            self._pass((held + piece)[: len(text[: bad.start()].encode(CP932))])
            self.wrong = f"line {self._lines}, byte {self._column + 1}, a byte that no text has"
            return
        done = held + piece
        kept = self._held()
        self._pass(done[: len(done) - len(kept)])

    def _held(self) -> bytes:
        return self._decoder.getstate()[0]

    def _pass(self, done: bytes) -> None:
        self._lines += done.count(b"\n")
        last = done.rfind(b"\n")
        self._column = len(done) - last - 1 if last >= 0 else self._column + len(done)
