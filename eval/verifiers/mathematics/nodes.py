"""What a reader makes of an answer: nested tuples `(kind, ...)`, comparable and hashable.

Scalars: `("num", Fraction, decimals)` with decimals None for a whole number written without a point; `("var", name)`;
`("const", "pi" | "e" | "i" | "inf")`; `("add", a, b)`, `("mul", a, b)`, `("div", a, b)`, `("pow", a, b)`, `("neg", a)`;
`("fn", name, *arguments)`; `("call", name, *arguments)` for `f(x)`; `("pm", a, b)` for a plus or minus b;
`("percent", a)`, `("deg", a)`.

Structures: `("tuple", open, close, *items)`, `("set", *items)`, `("list", *items)`, `("matrix", *rows)` of
`("row", *cells)`, `("rel", first, op, second, op, ...)`, `("union", a, b)`, `("meet", a, b)`, `("minus", a, b)`,
`("builder", variable, condition)`, `("text", words)`, `("unit", node, words)`, `("label", words, node)`,
`("ratio", *items)`, `("based", digits, base)`, `("empty",)`, `("reals",)`.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

Node = tuple[Any, ...]

SCALARS = frozenset({"num", "var", "const", "add", "mul", "div", "pow", "neg", "fn", "call", "percent", "deg", "pm"})

ONE: Node = ("num", Fraction(1), None)


def number(value: int) -> Node:
    """A whole number."""
    return ("num", Fraction(value), None)


def walk(node: Node) -> Iterator[Node]:
    """A node and everything below it."""
    todo = [node]
    while todo:
        one = todo.pop()
        yield one
        todo.extend(part for part in one[1:] if isinstance(part, tuple))


def variables(node: Node) -> frozenset[str]:
    """Names of the variables in a node."""
    return frozenset(one[1] for one in walk(node) if one[0] in ("var", "call"))


def has(node: Node, *kinds: str) -> bool:
    """Whether a node or anything below it is of one of the kinds."""
    return any(one[0] in kinds for one in walk(node))


def renamed(node: Node, names: dict[str, str]) -> Node:
    """A node with other names for some variables."""
    if node[0] == "var":
        return ("var", names.get(node[1], node[1]))
    return tuple(renamed(part, names) if isinstance(part, tuple) else part for part in node)


def is_scalar(node: Node) -> bool:
    """Whether a node is one value, with nothing below it that is not."""
    return all(one[0] in SCALARS for one in walk(node))


def without_letter(node: Node) -> Node:
    """A set without the letter that is said to lie in it or to be it: `x \\in \\{1, 2\\}`."""
    named = node[0] == "rel" and len(node) == 4 and node[2] in ("in", "=") and node[1][0] == "var"
    return node[3] if named and node[3][0] == "set" else node
