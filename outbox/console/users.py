"""The people who may sign in: a TOML file of names, roles and hashed passwords, read again when it has changed.

Each is a table `[users.NAME]` with a `role`, view or act, and a `password` as `outbox console --hash` prints one.
"""

import base64
import binascii
import hashlib
import hmac
import logging
import secrets
import threading
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outbox.console.access import Person, Role
from outbox.console.attempts import Attempts
from outbox.core.errors import InvalidRequest, OutboxError
from outbox.core.message import Message
from outbox.flows.support import check_who

SHORTEST, LONGEST = 12, 1000
# 32 MB and about a third of a second for each try.
COST, BLOCK, LANES = 2**15, 8, 3
COSTS, BLOCKS, MOST_LANES = tuple(2**power for power in range(14, 19)), range(8, 17), range(1, 9)
SALT_BYTES, HASH_BYTES = 16, 32
LARGEST_FILE = 1_000_000
log = logging.getLogger(__name__)


class NobodyKnown(OutboxError):
    """The file of users has become unreadable or wrong, so nobody is let in."""


@dataclass(frozen=True, slots=True)
class Password:
    """A password as the file has it: what it was hashed with, never the password."""

    cost: int
    block: int
    lanes: int
    salt: bytes
    hashed: bytes

    @classmethod
    def of(cls, password: str) -> "Password":
        """Hash a password with a salt of its own. Raises `InvalidRequest` for one too short or too long."""
        if not SHORTEST <= len(password) <= LONGEST:
            message = f"the password has {len(password)} characters; {SHORTEST} to {LONGEST:,} are allowed"
            raise InvalidRequest(message)
        salt = secrets.token_bytes(SALT_BYTES)
        return cls(COST, BLOCK, LANES, salt, _hash(password, salt, COST, BLOCK, LANES))

    @classmethod
    def parse(cls, written: object) -> "Password":
        """Read it from a file. Raises ValueError when it is not as `str` writes it, or would take the machine down."""
        name, *numbers, salt, hashed = str(written).split("$")
        cost, block, lanes = map(int, numbers)
        bounded = cost in COSTS and block in BLOCKS and lanes in MOST_LANES
        made = cls(cost, block, lanes, _decoded(salt), _decoded(hashed))
        if name != "scrypt" or not bounded or len(made.salt) < SALT_BYTES or len(made.hashed) != HASH_BYTES:
            raise ValueError(name)
        return made

    def matches(self, password: str) -> bool:
        """Tell whether it is this one; takes as long either way."""
        made = _hash(password[:LONGEST], self.salt, self.cost, self.block, self.lanes)
        return hmac.compare_digest(made, self.hashed) and len(password) <= LONGEST

    def __str__(self) -> str:
        numbers = "$".join(map(str, (self.cost, self.block, self.lanes)))
        return f"scrypt${numbers}${base64.b64encode(self.salt).decode()}${base64.b64encode(self.hashed).decode()}"


@dataclass(frozen=True, slots=True)
class User:
    """One entry of the file."""

    person: Person
    password: Password


class Users:
    """The people of a file. Raises `InvalidRequest` naming user and rule when it is wrong at the start.

    Later a wrong file lets nobody in (`NobodyKnown`), and the log says why; a person taken out is out at once.
    """

    fields: tuple[str, ...] = ("name", "password")

    def __init__(self, path: Path, attempts: Attempts | None = None) -> None:
        self._path, self._attempts = path, attempts or Attempts()
        self._reading, self._hashing = threading.Lock(), threading.Lock()
        self._seen = _version(path)
        self._users: Mapping[str, User] | None = read(path)

    def sign_in(self, given: Mapping[str, str], address: str = "") -> Person | None:
        """Give the person of this name and password. Raises `TooManyAttempts`, `NobodyKnown`."""
        name, password = given.get("name", "").strip()[: 2 * LONGEST], given.get("password", "")
        users = self._now()
        self._attempts.begin(name, address)
        # A stranger's name costs what one of the real ones does, the same one each time.
        names = sorted(users)
        known = users.get(name) or users[names[hash(name) % len(names)]]
        # One at a time: each takes its 32 MB.
        with self._hashing:
            right = known.password.matches(password)
        if not right or known.person.name != name:
            return None
        self._attempts.succeeded(name, address)
        return known.person

    def find(self, name: str) -> Person | None:
        """Give a person as the file has them now. Raises `NobodyKnown`."""
        user = self._now().get(name)
        return user.person if user else None

    def _now(self) -> Mapping[str, User]:
        with self._reading:
            version = _version(self._path)
            if version != self._seen:
                self._seen, self._users = version, self._again()
            if self._users is None:
                raise NobodyKnown(Message("sign-in-broken"))
            return self._users

    def _again(self) -> Mapping[str, User] | None:
        try:
            return read(self._path)
        except InvalidRequest as error:
            log.error("Nobody is let in until this is put right. %s", error)  # noqa: TRY400  no bug, no traceback
            return None


def read(path: Path) -> Mapping[str, User]:
    """Read the file. Raises `InvalidRequest` naming file, user and rule."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise _wrong(path, f"is larger than {LARGEST_FILE:,} bytes")
        # An editor may have put a mark before the first line.
        said = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise _wrong(path, f"cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _wrong(path, f"is no TOML: {error}") from None
    users = said.pop("users", None)
    if said:
        raise _wrong(path, f"{next(iter(said))!r} is not known; there is only [users.NAME]")
    if not isinstance(users, dict) or not users:
        raise _wrong(path, "names nobody; it needs [users.NAME] with role and password")
    return {name: _user(path, name, entry) for name, entry in users.items()}


def _user(path: Path, name: str, entry: Any) -> User:  # noqa: ANN401  whatever TOML holds
    where = f"users.{name}"
    if not isinstance(entry, dict):
        raise _wrong(path, f"{where}: must be a table: [users.{name}]")
    if unknown := entry.keys() - {"role", "password"}:
        raise _wrong(path, f"{where}: {min(unknown)!r} is not known; role and password are")
    if name != name.strip():
        raise _wrong(path, f"{where}: the name must not begin or end with a blank")
    try:
        check_who(name)
    except InvalidRequest as error:
        raise _wrong(path, f"{where}: {error}") from None
    if entry.get("role") not in tuple(Role):
        raise _wrong(path, f"{where}: role must be view or act, not {entry.get('role')!r}")
    try:
        password = Password.parse(entry.get("password"))
    except (ValueError, binascii.Error):
        raise _wrong(path, f"{where}: password must be what `outbox console --hash` prints") from None
    stamp = hashlib.sha256(str(password).encode()).hexdigest()[:16]
    return User(Person(name, Role(entry["role"]), stamp), password)


def _hash(password: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    # Keyboards and systems write the same letter in different ways.
    plain = unicodedata.normalize("NFKC", password).encode(errors="replace")
    memory = 128 * block * (cost + lanes + 2)
    return hashlib.scrypt(plain, salt=salt, n=cost, r=block, p=lanes, maxmem=memory, dklen=HASH_BYTES)


def _decoded(written: str) -> bytes:
    return base64.b64decode(written, validate=True)


def _version(path: Path) -> tuple[int, ...]:
    try:
        stat = path.stat()
    except OSError:
        return ()
    return stat.st_mtime_ns, stat.st_size, stat.st_ino, stat.st_ctime_ns


def _wrong(path: Path, rule: str) -> InvalidRequest:
    return InvalidRequest(f"{path}: {rule}.")
