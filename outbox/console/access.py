"""Who may come in, and what they may do."""

import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Protocol


class Role(StrEnum):
    """What a person may do: look, or act as well."""

    VIEW = "view"
    ACT = "act"


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks: the name is written into the timeline of every mail they act on.

    `stamp` changes when what they signed in with does; a session of another stamp is over.
    """

    name: str
    role: Role
    stamp: str = ""

    @property
    def acts(self) -> bool:
        """Whether they may change anything."""
        return self.role is Role.ACT


class Access(Protocol):
    """Knows who may come in."""

    # What a person types: fields of the sign-in form.
    fields: tuple[str, ...]

    def sign_in(self, given: Mapping[str, str], address: str = "") -> Person | None:
        """Give the person with these credentials; None if there is none. Takes as long either way.

        `address`: where it is tried from. Raises `TooManyAttempts` where credentials can be guessed.
        """

    def find(self, name: str) -> Person | None:
        """Give a person who has signed in, as they are now; None if they may no longer come in."""


@dataclass(frozen=True, slots=True)
class Everybody:
    """Lets everybody in as one person: for tests, and behind something that has signed them in already."""

    person: Callable[[], Person]
    fields: tuple[str, ...] = ()

    def sign_in(self, given: Mapping[str, str], address: str = "") -> Person | None:  # noqa: ARG002  the form of `Access`
        """Give the one person."""
        return self.person()

    def find(self, name: str) -> Person | None:  # noqa: ARG002  the form of `Access`
        """Give the one person."""
        return self.person()


class Token:
    """Lets in who knows a random token: the loopback is open to every user and program of this machine.

    `who` names the one person, and is asked once. No number of tries finds the token, so they are not counted: else
    whoever shares the machine could keep that person out.
    """

    fields: tuple[str, ...] = ("token",)

    def __init__(self, who: Callable[[], str], role: Role = Role.ACT) -> None:
        self._who, self._role = who, role
        self.token = secrets.token_urlsafe(32)

    @cached_property
    def person(self) -> Person:
        """Give the one person."""
        return Person(self._who(), self._role)

    def sign_in(self, given: Mapping[str, str], address: str = "") -> Person | None:  # noqa: ARG002  the form of `Access`
        """Give the person, for the token."""
        known = hmac.compare_digest(_bytes(given.get("token", "")), _bytes(self.token))
        return self.person if known else None

    def find(self, name: str) -> Person | None:
        """Give the person by their name."""
        return self.person if name == self.person.name else None


def _bytes(text: str) -> bytes:
    return text.encode(errors="replace")
