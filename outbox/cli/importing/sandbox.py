"""Jinja2 for a template nobody has read: no way to the program, and a bound on what one mail may compute.

Each text, list and number made by an operator, a filter, a method or a block is weighed (characters, 16 for an item):
one may weigh `HEAVIEST`, and all of one mail `BUDGET`. What could multiply its arguments inside one step is refused
before it begins, or is not there. The bound on memory is no exact one: a character may take 4 bytes, and escaping makes
up to 6 of it, so a template that is meant to may still take some hundred megabytes for a moment.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import wraps
from typing import Any

from jinja2 import StrictUndefined, Undefined, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.runtime import Context, markup_join, str_join
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

HEAVIEST = 1_000_000
BUDGET = 20_000_000
ITEM = 16
DEEPEST = 20
LARGEST_BITS = 4_096
# The same row must give the same mail whenever it is filled, or its key would be that of another.
CHANCE = ("random",)
# They write more than they are given, by as much as their arguments say.
GROWING = ("center", "format", "indent", "pprint", "urlize", "wordwrap")
GROWING_METHODS = frozenset(
    [
        "center",
        "encode",
        "expandtabs",
        "format",
        "format_map",
        "ljust",
        "rjust",
        "to_bytes",
        "translate",
        "unescape",
        "zfill",
    ]
)
MULTIPLYING = ("replace", "join")
COUNTING, HIGHEST_COUNT = ("batch", "slice", "round", "tojson"), 100


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja2 in which a variable that is missing, and what grows without end, is an error."""

    intercepted_binops = frozenset(["+", "*", "**", "%"])

    def __init__(self, *, html: bool) -> None:
        self._left = BUDGET
        super().__init__(undefined=StrictUndefined, autoescape=html, keep_trailing_newline=True, finalize=self._written)
        self.filters = {
            name: self._bounded(name, function)
            for name, function in self.filters.items()
            if name not in CHANCE + GROWING
        }
        del self.globals["lipsum"]

    def begin(self) -> None:
        """Give the whole budget again: for the next mail."""
        self._left = BUDGET

    def spend(self, value: Any) -> Any:  # noqa: ANN401  any value of a template
        """Count a value that was made, and give it back. Raises OverflowError beyond the budget."""
        self._left -= weight(value)
        if self._left < 0:
            raise OverflowError
        return value

    def pay(self, items: int) -> None:
        """Count the pieces that a block, or a macro, gathers until it ends. Raises OverflowError beyond the budget."""
        self._left -= ITEM * items
        if self._left < 0:
            raise OverflowError

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401  any operands
        """Compute only what stays small. Raises OverflowError, or `SecurityError` for formatting with %."""
        if operator == "%" and isinstance(left, (str, bytes)):
            raise SecurityError("formatting with %; ~ joins texts")
        if operator == "**" and _bits(left) * abs(right) > LARGEST_BITS:
            raise OverflowError
        if operator == "*" and _product(left, right):
            raise OverflowError
        if operator == "+" and weight(left) + weight(right) > HEAVIEST:
            raise OverflowError
        return self.spend(super().call_binop(context, operator, left, right))

    def call(self, context: Context, called: Any, /, *args: Any, **options: Any) -> Any:  # noqa: ANN401
        """Call what a template may call, and count what it gives."""
        owner = getattr(called, "__self__", None)
        held = [self._listed(each) for each in args]
        if isinstance(owner, (str, bytes)):
            _no_multiple(getattr(called, "__name__", ""), owner, [*held, *options.values()])
        return self.spend(self._held(super().call(context, called, *held, **options)))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:  # noqa: ANN401  any value of a template
        """Refuse also the methods by which a text grows as much as a number says."""
        if isinstance(obj, (str, bytes, int)) and attr in GROWING_METHODS:
            return False
        return super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:  # noqa: ARG002, ANN401  Jinja2 asks so
        """Give no safe form of `format`: a width in it has no bound. The attribute is refused like others."""
        return None

    def joined(self, context: Context, parts: Iterable[Any]) -> str:
        """Join what stands around ~."""
        parts = tuple(map(self.spend, parts))
        return markup_join(parts) if context.eval_ctx.autoescape else str_join(parts)

    def concat(self, parts: Iterable[str]) -> str:
        """Join what a block, or a macro, has written."""
        listed = list(parts)
        self._left -= sum(map(len, listed))
        if self._left < 0:
            raise OverflowError
        return "".join(listed)

    def _written(self, value: Any) -> Any:  # noqa: ANN401  whatever a template writes
        if value is None:
            raise UndefinedError("a value that is null")
        return self.spend(value)

    def _bounded(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        first = int(hasattr(function, "jinja_pass_arg"))

        @wraps(function)
        def bounded(*args: Any, **options: Any) -> Any:  # noqa: ANN401  any filter
            held = [self._listed(each) for each in args]
            more = [*held[first + 1 :], *options.values()]
            if any(weight(each) > HEAVIEST for each in held[first:]):
                raise OverflowError
            if name in COUNTING and any(isinstance(each, int) and abs(each) > HIGHEST_COUNT for each in more):
                raise OverflowError
            if len(held) > first:
                _no_multiple(name, held[first], more)
            return self.spend(self._held(function(*held, **options)))

        return bounded

    def _held(self, value: Any) -> Any:  # noqa: ANN401  any value of a template
        """Make a list of what is made one by one, so that it can be weighed."""
        return [self.spend((each,))[0] for each in value] if isinstance(value, Iterator) else value

    def _listed(self, value: Any) -> Any:  # noqa: ANN401  any value of a template
        return list(value) if isinstance(value, range) else self._held(value)


class _Code(CodeGenerator):
    """Lets the sandbox see ~, slices and what a block gathers, which Jinja2 does without asking it."""

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802  Jinja2 calls it so
        self.write("environment.joined(context, (")
        for each in node.nodes:
            self.visit(each, frame)
            self.write(", ")
        self.write("))")

    def visit_Output(self, node: nodes.Output, frame: Frame) -> None:  # noqa: N802  Jinja2 calls it so
        if frame.buffer is not None:
            self.writeline(f"environment.pay({len(node.nodes)})", node)
        super().visit_Output(node, frame)

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:  # noqa: N802  Jinja2 calls it so
        if isinstance(node.arg, nodes.Slice):
            self.write("environment.spend(")
            super().visit_Getitem(node, frame)
            self.write(")")
        else:
            super().visit_Getitem(node, frame)


Sandbox.code_generator_class = _Code


def weight(value: Any, depth: int = 0) -> int:  # noqa: ANN401  any value of a template
    """Weigh a value as it would be written. Raises OverflowError beyond `HEAVIEST`, or `DEEPEST` levels."""
    if isinstance(value, (str, bytes)):
        return len(value)
    if isinstance(value, int):
        return value.bit_length() // 3
    if isinstance(value, range):
        return ITEM
    if isinstance(value, Namespace):
        value = value._Namespace__attrs  # noqa: SLF001  all that a namespace shows of itself
    if isinstance(value, Undefined) or not isinstance(value, Collection):
        return 0
    if depth > DEEPEST:
        raise OverflowError
    total = 0
    for each in value.items() if isinstance(value, Mapping) else value:
        total += ITEM + weight(each, depth + 1)
        if total > HEAVIEST:
            raise OverflowError
    return total


def _bits(value: Any) -> int:  # noqa: ANN401  any operand
    return value.bit_length() if isinstance(value, int) else 1


def _product(left: Any, right: Any) -> bool:  # noqa: ANN401  any operands
    """Tell whether two operands have too large a product."""
    if isinstance(left, int) and isinstance(right, int):
        return _bits(left) + _bits(right) > LARGEST_BITS
    pairs = ((left, right), (right, left))
    return any(hasattr(one, "__len__") and (weight(one) + 1) * other > HEAVIEST for one, other in pairs)


def _no_multiple(name: str, value: Any, more: Iterable[Any]) -> None:  # noqa: ANN401  any arguments
    if name in MULTIPLYING:
        weights = sorted([weight(value), *map(weight, more)], reverse=True)
        if len(weights) > 1 and (weights[0] + 1) * (weights[1] + 1) > BUDGET:
            raise OverflowError
