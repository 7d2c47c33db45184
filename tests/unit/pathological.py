"""Texts made to be slow to read, by generation; and a stopwatch that tells linear time from any other.

A text is a fragment repeated up to a size, between a head and a tail: a reader that tries again from each repetition,
or in each of two ways, shows here. Fragments are put together by chance out of what means something to some reader.
"""

import gc
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.attack.figures import at_most, count

# What of a row of 400 KB one text may be.
LARGEST_ROW = 380_000
SMALLER = (512, 64, 8)
MOST_SECONDS, MOST_GROWTH = 0.1, 2.5
# Below this a growth says more about the machine than about the code.
FLOOR = 0.01
TRIES = 30
FAMILIES = int(os.environ.get("OUTBOX_LINEAR_FAMILIES", "6"))
# How many times as many are looked at while they are short, how short that is, and what can be told from noise there.
MORE, SHORT, SEEN = 5, 30, 0.0005
# What may turn a reader around that has come to the end.
TAILS = ("", "a@example.com>", "\x01")

PIECES = (
    " ", "\t", "\n", "\r\n", "\0", "\u3000", "\u2028", "\ud800", "(", ")", "[", "]", "{", "}", "<", ">", "</", "<a ",
    "<p>", "<div>", "<title>", "<script>", "</script", "<!--", "-->", "<![", "<!", "<?", 'href="', "=", "='", '="', '"',
    "'", "\\", '\\"', "&", "&#", "&#x", "&amp", "&a", ",", ";", ":", "/", "//", "@", ".", "..", "-", "+", "_", "__",
    "__a__", "%", "%3c", "0", "9", "²", "1E9", "a", "Z", "a@b.cd", "xn--", "é", "e\u0301\u0316", "\u0316\u0301", "ß",
    "İ", "ﷺ", "。", "日本", "\U0001f600", "http://", "mailto:", "bearer ", "T00:00:00", "2026-01-01", "[0]", "{a}",
    "null", '{"a":',
)  # fmt: skip


@dataclass(frozen=True)
class Family:
    """A text of any size: head, fragment as often as it fits, tail."""

    fragment: str
    head: str = ""
    tail: str = ""

    def text(self, size: int) -> str:
        """Give the text with about so many bytes of UTF-8."""
        once = len(self.fragment.encode("utf-8", "surrogatepass"))
        return f"{self.head}{self.fragment * max(1, size // once)}{self.tail}"

    def pieces(self, size: int) -> list[str]:
        """Give a list of so many bytes, whose parts are as short as they can be; a table counts one byte for each."""
        once = len(self.fragment.encode("utf-8", "surrogatepass"))
        return [self.head or self.fragment, *[self.fragment] * max(1, size // (once + 1)), self.tail or self.fragment]


def families(seed: str, count: int = FAMILIES) -> Iterator[Family]:
    """Give so many families that chance puts together, the same ones for the same seed."""
    chance = random.Random(seed)
    for _ in range(count):
        fragment = "".join(chance.choice(PIECES) for _ in range(chance.choice((1, 1, 2, 2, 3))))
        yield Family(fragment, chance.choice(("", *PIECES)), chance.choice(("", *TAILS, *PIECES)))


def suspicious(read: Callable[[Any], object], seed: str, most: int = LARGEST_ROW) -> Iterator[Family]:
    """Give those families that take long already when they are short: each piece alone, and many made by chance.

    A reading of a small text that is disturbed only makes a family be measured with care for nothing.
    """
    alone = [Family(piece, tail=tail) for piece in PIECES for tail in TAILS]
    for family in [*alone, *families(f"{seed} short", MORE * FAMILIES)]:
        size = most // SHORT
        took = seconds(read, family.text(size))
        if took > MOST_SECONDS / SHORT or (took > SEEN and took > 8 * seconds(read, family.text(size // 4))):
            yield family


class Sizes:
    """Values of growing sizes, each made once for all that read it."""

    def __init__(self, make: Callable[[int], Any], most: int = LARGEST_ROW) -> None:
        self.most = most
        self.small = [(most // part, make(most // part)) for part in SMALLER]
        self.half, self.whole = make(most // 2), make(most)


def check(read: Callable[[Any], object], sizes: Sizes, what: object) -> None:
    """Fail unless reading takes time linear in the size, up to the largest, and is soon done with that.

    What is far from linear fails at a small size and does not hang.
    """
    for size, value in sizes.small:
        if (took := seconds(read, value)) > MOST_SECONDS and (took := seconds(read, value)) > MOST_SECONDS:
            raise AssertionError(f"{what}: {took:.3f} s for {size} bytes")
    took, before = seconds(read, sizes.whole), 0.0
    for _ in range(TRIES):
        if took <= FLOOR:
            return _note(took)
        before = min(before or took, seconds(read, sizes.half))
        if took <= MOST_SECONDS and took <= MOST_GROWTH * max(before, FLOOR / MOST_GROWTH):
            return _note(took)
        took = min(took, seconds(read, sizes.whole))
    raise AssertionError(f"{what}: {took:.3f} s for {sizes.most} bytes, {before:.3f} s for half of them")


def _note(took: float) -> None:
    count("linear", readings=1)
    at_most("linear", slowest_ms=round(took * 1000))


def seconds(read: Callable[[Any], object], value: object) -> float:
    """Give the processor time that one reading takes in this thread."""
    gc.disable()
    began = time.thread_time()
    read(value)
    took = time.thread_time() - began
    gc.enable()
    return took
