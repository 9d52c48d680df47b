"""Reads a cleaned answer into nodes; None for what it does not understand, never a guess at part of it."""

import re
from collections.abc import Callable
from functools import lru_cache

from eval.verifiers.mathematics.cleaning import LONGEST, ROW_MARK, clean
from eval.verifiers.mathematics.nodes import Node, number
from eval.verifiers.mathematics.tokens import END, FUNCTIONS, Token, tokens

DEEPEST = 60
"""Levels of brackets, fractions and exponents that are read."""

MAGNITUDES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
FILLERS = frozenset({"approximately", "about", "exactly", "roughly", "approx", "is", "the", "are"})
_GREEK = frozenset(
    re.findall(
        r"\w+",
        "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon varphi chi "
        "psi omega Gamma Delta Theta Lambda Sigma Phi Psi Omega ell",
    )
)
_STOPS = frozenset(
    {",", ";", "and", "or", ")", "]", "\\}", "}", "\\rangle", "&", ROW_MARK, "\\rfloor", "\\rceil", "\\end"}
)


class _Unread(Exception):
    """The answer is not understood."""


@lru_cache(20_000)
def read(text: str, thousands: bool = True) -> Node | None:
    """What an answer says, as nodes; None if any part of it is not understood or it is too long.

    >>> read("2, x")
    ('list', ('num', Fraction(2, 1), None), ('var', 'x'))
    """
    if len(text) > LONGEST:
        return None
    found = tokens(clean(text, thousands))
    if not found:
        return None
    try:
        return _Reader(found).answer()
    except (_Unread, RecursionError):
        return None


class _Reader:
    """Recursive descent over tokens. One token of look-ahead, except where said."""

    def __init__(self, found: list[Token]) -> None:
        self.tokens = found
        self.at = 0
        self.depth = 0
        self.bars = 0

    def peek(self, ahead: int = 0) -> Token:
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else END

    def next(self) -> Token:
        token = self.peek()
        self.at += 1
        return token

    def take(self, *texts: str) -> bool:
        if self.peek().kind in ("sign", "cmd") and self.peek().text in texts:
            self.at += 1
            return True
        return False

    def need(self, *texts: str) -> None:
        if not self.take(*texts):
            raise _Unread

    def answer(self) -> Node:
        node = self.items()
        if self.peek() is not END:
            raise _Unread
        return node

    def items(self) -> Node:
        """A list of items parted by commas, semicolons, "and" and "or"; the item itself where there is one."""
        self.deeper()
        found = [self.item()]
        joins = []
        while self.peek().text in (",", ";", "and", "or") and self.peek().kind == "sign":
            join = self.next().text
            while self.take("and", "or"):
                join = self.tokens[self.at - 1].text
            if self.peek() is END:
                break
            joins.append(join)
            found.append(self.item())
        self.depth -= 1
        if len(found) == 1:
            return found[0]
        if set(joins) == {"and"} and all(one[0] == "rel" and set(one[2::2]) & {"<", ">", "<=", ">="} for one in found):
            return ("meet", *found)
        return ("list", *found)

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise _Unread

    def item(self) -> Node:
        """Words, then a relation, then words: `x = 5 \\text{ cm}`, `Paolo: 18`, `approximately 5`."""
        words = self.words()
        if words and self.ends():
            return ("text", " ".join(words).lower())
        if words and (self.take(":") or (self.peek().kind == "rel" and self.peek().text in ("=", "~"))):
            if self.peek().kind == "rel":
                self.next()
            return ("label", " ".join(words).lower(), self.item())
        if words and not {word.lower() for word in words} <= FILLERS:
            raise _Unread
        if self.peek().kind == "rel" and self.peek().text in ("~", "="):
            self.next()
        node = self.relation()
        return self.with_unit(node)

    def words(self) -> list[str]:
        found = []
        while self.peek().kind == "word":
            found.append(self.next().text)
        return found

    def ends(self) -> bool:
        return (
            self.peek() is END
            or (self.peek().kind == "sign" and self.peek().text in _STOPS)
            or (self.peek().kind == "cmd" and self.peek().text in _STOPS)
        )

    def with_unit(self, node: Node) -> Node:
        """The words after a value: a magnitude multiplies it, anything else is its unit."""
        while self.peek().kind == "word" and self.peek().text.lower().rstrip("s") in MAGNITUDES:
            node = ("mul", node, number(10 ** MAGNITUDES[self.next().text.lower().rstrip("s")]))
        if self.peek().text == "\\$":
            self.next()
            return ("unit", node, "$")
        if self.peek().kind != "word":
            return node
        unit = []
        depth = 0
        while self.peek() is not END and (depth or not self.ends()):
            token = self.next()
            depth += {"(": 1, ")": -1, "{": 1, "}": -1}.get(token.text, 0)
            if token.kind == "rel" or (token.kind == "num" and "^" not in unit):
                raise _Unread
            unit.append(token.text)
        return ("unit", node, " ".join(unit).lower())

    def relation(self) -> Node:
        """Sides parted by relation signs; a single side is itself."""
        parts: list[Node | str] = [self.ratio()]
        while self.peek().kind == "rel":
            parts.append(self.next().text)
            words = self.words()
            parts.append(("text", " ".join(words).lower()) if words else self.with_unit(self.ratio()))
        if len(parts) == 1:
            return parts[0]  # type: ignore[return-value]
        return ("rel", *parts)

    def ratio(self) -> Node:
        parts = [self.union()]
        while self.take(":"):
            parts.append(self.union())
        if len(parts) == 1:
            return parts[0]
        return ("div", *parts) if len(parts) == 2 else ("ratio", *parts)

    def union(self) -> Node:
        node = self.sum()
        kinds = {"\\cup": "union", "\\cap": "meet", "\\setminus": "minus", "\\backslash": "minus"}
        while self.peek().kind == "cmd" and self.peek().text in kinds:
            kind = kinds[self.next().text]
            node = (kind, node, self.sum())
        return node

    def sum(self) -> Node:
        node = self.product()
        while self.peek().kind in ("sign", "cmd") and self.peek().text in ("+", "-", "\\pm", "\\mp"):
            sign = self.next().text
            right = self.product()
            if sign == "-" and right[0] == "set":
                node = ("minus", node, right)
            elif sign in ("\\pm", "\\mp"):
                node = ("pm", node, right)
            else:
                node = ("add", node, right if sign == "+" else ("neg", right))
        return node

    def product(self, until_function: bool = False) -> Node:
        node = self.signed()
        while True:
            token = self.peek()
            if token.kind == "sign" and token.text in ("*", "/") and not until_function:
                self.next()
                node = ("mul" if token.text == "*" else "div", node, self.signed())
            elif self.begins(token) and not (until_function and token.text[1:] in FUNCTIONS):
                node = ("mul", node, self.power())
            else:
                return node

    def begins(self, token: Token) -> bool:
        """Whether a token begins a factor that multiplies without a sign."""
        if token.kind in ("num", "name"):
            return True
        if token.kind == "cmd":
            return token.text in _PRIMARIES or token.text[1:] in FUNCTIONS or token.text[1:] in _GREEK
        return token.kind == "sign" and (token.text in ("(", "[", "{") or (token.text == "|" and not self.bars))

    def signed(self) -> Node:
        if self.take("-"):
            return ("neg", self.signed())
        if self.take("+"):
            return self.signed()
        if self.take("\\pm", "\\mp"):
            return ("pm", number(0), self.signed())
        return self.power()

    def power(self) -> Node:
        self.deeper()
        node = self.postfix(self.primary())
        if self.take("^"):
            # Read `x^10` as people mean it, not as LaTeX sets it.
            node = self.postfix(("pow", node, self.signed()))
        self.depth -= 1
        return node

    def first_digit(self) -> Node:
        """One digit of a number, as in `\\frac12`; the rest stays."""
        token = self.peek()
        if token.kind != "num" or not token.text[0].isdigit():
            raise _Unread
        if len(token.text) == 1:
            self.next()
        else:
            rest = tokens(token.text[1:])
            self.tokens[self.at : self.at + 1] = rest or []
        return number(int(token.text[0]))

    def postfix(self, node: Node) -> Node:
        while True:
            if self.take("!"):
                node = ("fn", "factorial2" if self.take("!") else "factorial", node)
            elif self.take("%"):
                node = ("percent", node)
            elif self.take("deg"):
                node = self.minutes(node)
            else:
                return node

    def minutes(self, node: Node) -> Node:
        """Degrees, and minutes after them: `60^\\circ 42'`."""
        if self.peek().kind == "num" and self.peek(1).text == "'":
            minutes = self.next().value
            self.next()
            node = ("add", node, ("div", ("num", minutes, None), number(60)))
        return ("deg", node)

    def primary(self) -> Node:
        token = self.next()
        if token.kind == "num":
            return self.number(token)
        if token.kind == "name":
            return self.name(token.text)
        if token.kind == "cmd" and token.text[1:] in FUNCTIONS:
            return self.function(token.text[1:])
        if token.kind == "cmd" and token.text[1:] in _GREEK:
            return self.name(token.text[1:])
        make = _PRIMARIES.get(token.text)
        if make is None:
            raise _Unread
        return make(self)

    def number(self, token: Token) -> Node:
        node = ("num", token.value, token.decimals)
        if self.take("_"):
            base = self.argument()
            if base[0] != "num" or token.decimals is not None:
                raise _Unread
            return ("based", token.text.lstrip("0") or "0", int(base[1]))
        if self.peek().text == "\\frac" and token.decimals is None:
            here = self.at
            mixed = self.power()
            if mixed[0] == "div" and mixed[1][0] == mixed[2][0] == "num" and 0 < mixed[1][1] < mixed[2][1]:
                return ("add", node, mixed)
            self.at = here
        if (
            token.decimals is None
            and self.peek().kind == "num"
            and self.peek().gap
            and self.peek(1).text == "/"
            and self.peek(2).kind == "num"
            and self.peek().value < self.peek(2).value  # type: ignore[operator]
        ):
            top, _, bottom = self.next(), self.next(), self.next()
            return ("add", node, ("div", ("num", top.value, None), ("num", bottom.value, None)))
        if self.peek().kind == "num":
            raise _Unread
        return node

    def name(self, text: str) -> Node:
        if text == "i" and self.peek().text != "_":
            return ("const", "i")
        if text == "e" and self.peek().text != "_":
            return ("const", "e")
        if self.take("_"):
            text += "_" + self.subscript()
        while self.take("'"):
            text += "'"
        if self.peek().text == "(" and not self.peek().gap and self.peek(1).kind == "name":
            here = self.at
            self.next()
            arguments = [self.next()]
            while self.take(","):
                arguments.append(self.next())
            if all(one.kind == "name" for one in arguments) and self.take(")"):
                return ("call", text, *(("var", one.text) for one in arguments))
            self.at = here
        return ("var", text)

    def subscript(self) -> str:
        if not self.take("{"):
            return self.next().text
        found, depth = [], 1
        while depth:
            token = self.next()
            if token is END:
                raise _Unread
            depth += {"{": 1, "}": -1}.get(token.text, 0)
            found.append(token.text)
        return "".join(found[:-1])

    def argument(self) -> Node:
        """What a command takes: a group in braces, or one digit, letter or command."""
        if self.take("{"):
            node = self.items()
            self.need("}")
            return node
        if self.peek().kind == "num":
            return self.first_digit()
        if self.peek().kind == "sign" and self.peek().text not in ("(", "[", "|"):
            raise _Unread
        return self.primary()

    def function(self, name: str) -> Node:
        """`\\sin^2 x`, `\\log_{10} 2`, `\\ln(x)`, `\\arctan \\frac{1}{2}`, `\\min(a, b)`."""
        self.deeper()
        base = self.argument() if self.take("_") else None
        exponent = self.argument() if self.take("^") else None
        if name in ("min", "max", "gcd", "lcm"):
            closing = "\\}" if self.take("\\{") else ")"
            if closing == ")":
                self.need("(")
            inside = self.items()
            self.need(closing)
            arguments = inside[1:] if inside[0] == "list" else (inside,)
        elif self.peek().text in ("(", "[", "{"):
            arguments = (self.primary(),)
        else:
            arguments = (self.product(until_function=True),)
        self.depth -= 1
        if base is not None:
            if name != "log":
                raise _Unread
            arguments = (*arguments, base)
        if exponent is not None and exponent == ("neg", number(1)):
            return ("fn", "arc" + name, *arguments)
        node: Node = ("fn", name, *arguments)
        return node if exponent is None else ("pow", node, exponent)

    def bracket(self, opening: str, closings: tuple[str, ...]) -> Node:
        bars, self.bars = self.bars, 0
        inside = self.items()
        self.bars = bars
        closing = self.peek().text
        self.need(*closings)
        if inside[0] == "list":
            return ("tuple", opening, closing, *inside[1:])
        if opening == "(" and closing == ")":
            return inside[1] if inside[0] == "unit" else inside
        if opening == "[" and closing == "]":
            return inside
        raise _Unread

    def group(self) -> Node:
        inside = self.items()
        self.need("}")
        return inside

    def set(self) -> Node:
        """`\\{1, 2\\}` or `\\{x | x > 0\\}`, the bar also as a colon."""
        if self.take("\\}"):
            return ("empty",)
        bars, self.bars = self.bars, 1
        first = self.items() if self.peek(1).text != ":" else self.primary()
        self.bars = bars
        if self.take("|", ":"):
            condition = self.items()
            self.need("\\}")
            return ("builder", first, condition)
        self.need("\\}")
        return ("set", *(first[1:] if first[0] == "list" else (first,)))

    def absolute(self) -> Node:
        self.bars += 1
        inside = self.sum()
        self.need("|")
        self.bars -= 1
        return ("fn", "abs", inside)

    def fraction(self) -> Node:
        top = self.argument()
        return ("div", top, self.argument())

    def root(self) -> Node:
        index = None
        if self.take("["):
            index = self.sum()
            self.need("]")
        radicand = self.root_argument()
        return ("fn", "sqrt", radicand) if index is None else ("fn", "root", radicand, index)

    def root_argument(self) -> Node:
        # `\sqrt12` in LaTeX is the root of 1 beside a 2; `√12`, which was `\sqrt 12` after cleaning, is the root of 12.
        if self.peek().kind == "num" and self.peek().gap:
            return self.number(self.next())
        return self.argument()

    def binomial(self) -> Node:
        top = self.argument()
        return ("fn", "binom", top, self.argument())

    def rounded(self, name: str, closing: str) -> Node:
        inside = self.sum()
        self.need(closing)
        return ("fn", name, inside)

    def field(self) -> Node:
        inside = self.argument()
        if inside == ("var", "R"):
            return ("reals",)
        return ("var", f"mathbb {inside[1]}")

    def dollar(self) -> Node:
        return ("unit", self.with_unit(self.product()), "$")

    def matrix(self) -> Node:
        """`\\begin{pmatrix} a & b \\\\ c & d \\end{pmatrix}` as rows."""
        name = self.subscript_group()
        if name not in ("pmatrix", "bmatrix", "matrix", "vmatrix", "Bmatrix"):
            raise _Unread
        rows: list[Node] = []
        cells: list[Node] = []
        while True:
            cells.append(self.item())
            if self.take("&"):
                continue
            rows.append(("row", *cells))
            cells = []
            if self.take(ROW_MARK) and self.peek().text != "\\end":
                continue
            self.need("\\end")
            if self.subscript_group() != name:
                raise _Unread
            return ("fn", "det", ("matrix", *rows)) if name == "vmatrix" else ("matrix", *rows)

    def subscript_group(self) -> str:
        if self.peek().text != "{":
            raise _Unread
        return self.subscript()


def _constant(name: str) -> Callable[[_Reader], Node]:
    return lambda reader: ("const", name)


_PRIMARIES: dict[str, Callable[[_Reader], Node]] = {
    "(": lambda reader: reader.bracket("(", (")", "]")),
    "[": lambda reader: reader.bracket("[", (")", "]")),
    "\\langle": lambda reader: reader.bracket("(", ("\\rangle",)),
    "{": lambda reader: reader.group(),
    "\\{": lambda reader: reader.set(),
    "|": lambda reader: reader.absolute(),
    "\\frac": lambda reader: reader.fraction(),
    "\\sqrt": lambda reader: reader.root(),
    "\\binom": lambda reader: reader.binomial(),
    "\\lfloor": lambda reader: reader.rounded("floor", "\\rfloor"),
    "\\lceil": lambda reader: reader.rounded("ceil", "\\rceil"),
    "\\pi": _constant("pi"),
    "\\infty": _constant("inf"),
    "\\emptyset": lambda reader: ("empty",),
    "\\mathbb": lambda reader: reader.field(),
    "\\$": lambda reader: reader.dollar(),
    "\\begin": lambda reader: reader.matrix(),
}
