"""A mail address with an optional display name, from «Name <a@b>» or from parts."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from outbox.core.errors import InvalidMail, Problem
from outbox.core.message import Message
from outbox.core.text import bad_character

# The API's own limits for an address (reference of POST /deliveries/transaction: 6..254).
SHORTEST, LONGEST = 6, 254
# What a key of a table or an index takes, in bytes (DynamoDB developer guide, constraints).
LONGEST_PLAIN = 2048

# Of an address with its name as it is written, blanks and backslashes included: far more than both together may have.
LONGEST_WRITTEN = 2000
# The longest name of a domain (RFC 1035), and what `encode("idna")` would take quadratic time for.
LONGEST_DOMAIN = 253

_BLANKS = " \t"
_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_SIMPLE = re.compile(r"\"([^\"\\@\s]+)\"")
# What ends an address: a comma or semicolon would be two recipients to whoever splits there.
_ENDS = re.compile(r"[\s<>,;]")
_NEEDS_QUOTES = re.compile(r"[\",;<>@()\[\]:\\]")


@dataclass(frozen=True, slots=True)
class Address:
    """An address as the API takes it; only the form is checked, whether it exists is the API's business.

    Carrier addresses such as `a..b.@docomo.ne.jp` are not RFC 5322 and valid all the same, so dots are free.
    Raises `InvalidMail` naming `field` when it is no address at all.
    """

    email: str
    name: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.email, str) or not isinstance(self.name, str):
            raise InvalidMail([Problem("address", Message("rule.address-and-name"))])
        problems = list(self.problems("address"))
        if problems:
            raise InvalidMail(problems)

    @classmethod
    def parse(cls, text: "str | Address", field: str = "address") -> "Address":
        """Read «Name <a@b>», «"Name, Inc." <a@b>» or «a@b»."""
        if isinstance(text, Address):
            return text
        if not isinstance(text, str):
            raise InvalidMail([Problem(field, Message("rule.address-type", found=type(text).__name__))])
        if len(text) > LONGEST_WRITTEN:
            raise InvalidMail([Problem(field, Message("rule.too-long", number=len(text), most=LONGEST_WRITTEN))])
        try:
            return cls(*_parts(text.strip(_BLANKS)))
        except InvalidMail as error:
            raise InvalidMail([Problem(field, problem.rule) for problem in error.problems]) from None

    def problems(self, field: str) -> Iterator[Problem]:
        """Yield what is wrong with the form of the address."""
        for part, code in ((self.email, "rule.address-control"), (self.name, "rule.name-control")):
            if bad := bad_character(part):
                yield Problem(field, Message(code, character=bad))
        if not SHORTEST <= len(self.email) <= LONGEST:
            rule = Message("rule.address-length", number=len(self.email), least=SHORTEST, most=LONGEST)
            yield Problem(field, rule)
        elif not self.email.isascii() and len(key(self.email).encode("utf-8", "replace")) > LONGEST_PLAIN:
            # As it stands in lists and indexes: one character may stand for eighteen.
            yield Problem(field, Message("rule.address-bytes", most=LONGEST_PLAIN))
        local, _, domain = self.email.rpartition("@")
        several = "@" in local and not (local[0] == local[-1] == '"')
        if not local or not domain or several or _ENDS.search(self.email):
            yield Problem(field, Message("rule.no-address"))

    def __str__(self) -> str:
        """Write it so that `parse` reads the same again."""
        if not self.name:
            return self.email
        quoted = _NEEDS_QUOTES.search(self.name) or self.name != self.name.strip()
        escaped = self.name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" <{self.email}>' if quoted else f"{self.name} <{self.email}>"


def _parts(written: str) -> tuple[str, str]:
    """Divide «Name <a@b>» into address and name; whatever has not that form is all address."""
    name, opening, rest = written.rpartition("<")
    name = name.rstrip(_BLANKS)
    email, closing, after = rest.partition(">")
    without_brackets = "<" not in name and ">" not in name
    if opening and closing and not after and (without_brackets or _QUOTED.fullmatch(name)):
        return email.strip(_BLANKS), _unquoted(name)
    return written, ""


def _unquoted(name: str) -> str:
    if len(name) > 1 and name[0] == name[-1] == '"':
        return re.sub(r"\\(.)", r"\1", name[1:-1])
    return name


def key(email: str) -> str:
    """Give the form in which an address is the same however it is spelled, for lists and indexes; never sent to.

    Case, width, invisible characters, quotes that quote nothing, a dot at the end, and a domain in its own script are
    one with the plain spelling. Tags (a+b@) are other addresses.
    """
    plain = (email if email.isascii() else _plain(email)).strip().lower()
    local, at, domain = plain.rpartition("@")
    if not at:
        return plain
    unquoted = _SIMPLE.fullmatch(local)
    return f"{unquoted[1] if unquoted else local}@{_ascii(domain.rstrip('.。'))}"


def _plain(text: str) -> str:
    """Give the plain form of wide characters, without invisible ones; ASCII has neither."""
    wide = unicodedata.normalize("NFKC", text)
    return "".join(char for char in wide if unicodedata.category(char) != "Cf")


def _ascii(domain: str) -> str:
    if domain.isascii() or len(domain) > LONGEST_DOMAIN:
        return domain
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError:
        return domain
