"""The smallest parts of an answer that stand alone: numbers, names, functions, brackets, sets, matrices."""

import re
from collections.abc import Callable

from eval.verifiers.mathematics.cleaning import ROW_MARK
from eval.verifiers.mathematics.nodes import Node, number
from eval.verifiers.mathematics.tokens import END, FUNCTIONS, Token, tokens

DEEPEST = 60
"""Levels of brackets, fractions and exponents that are read."""

GREEK = frozenset(
    re.findall(
        r"\w+",
        "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon varphi chi "
        "psi omega Gamma Delta Theta Lambda Sigma Phi Psi Omega ell",
    )
)


class Unread(Exception):
    """The answer is not understood."""


class Primaries:
    """Recursive descent over tokens, from below; `reading.Reader` adds what stands above a single part."""

    def __init__(self, found: list[Token]) -> None:
        self.tokens = found
        self.at = 0
        self.depth = 0
        self.bars = 0
        self.in_set = False

    def peek(self, ahead: int = 0) -> Token:
        """The token so many places ahead; `END` after the last one."""
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else END

    def next(self) -> Token:
        """The next token, taken."""
        token = self.peek()
        self.at += 1
        return token

    def take(self, *texts: str) -> bool:
        """Take the next token if it is one of these signs or commands."""
        if self.peek().kind in ("sign", "cmd") and self.peek().text in texts:
            self.at += 1
            return True
        return False

    def take_word(self, text: str) -> bool:
        """Take the next token if it is this word."""
        if self.peek().kind == "word" and self.peek().text.lower() == text:
            self.at += 1
            return True
        return False

    def need(self, *texts: str) -> None:
        """Take one of these signs or commands.

        Raises:
            Unread: the next token is another one.
        """
        if not self.take(*texts):
            raise Unread

    def deeper(self) -> None:
        """Count one level of nesting.

        Raises:
            Unread: there are too many.
        """
        self.depth += 1
        if self.depth > DEEPEST:
            raise Unread

    def items(self) -> Node:
        """A list of items, or one."""
        raise NotImplementedError

    def item(self) -> Node:
        """One item of a list."""
        raise NotImplementedError

    def sum(self) -> Node:
        """Terms with signs between them."""
        raise NotImplementedError

    def product(self, until_function: bool = False) -> Node:
        """Factors, up to the next function if asked."""
        raise NotImplementedError

    def power(self) -> Node:
        """A part with its exponent."""
        raise NotImplementedError

    def with_unit(self, node: Node) -> Node:
        """A value with the words after it."""
        raise NotImplementedError

    def first_digit(self) -> Node:
        """One digit of a number, as in `\\frac12`; the rest stays."""
        token = self.peek()
        if token.kind != "num" or not token.text[0].isdigit():
            raise Unread
        if len(token.text) == 1:
            self.next()
        else:
            rest = tokens(token.text[1:])
            self.tokens[self.at : self.at + 1] = rest or []
        return number(int(token.text[0]))

    def primary(self) -> Node:
        """One part that stands alone."""
        token = self.next()
        if token.kind == "num":
            return self.number(token)
        if token.kind == "name":
            return self.name(token.text)
        if token.kind == "cmd" and token.text[1:] in FUNCTIONS:
            return self.function(token.text[1:])
        if token.kind == "cmd" and token.text[1:] in GREEK:
            return self.name(token.text[1:])
        make = PRIMARIES.get(token.text)
        if make is None:
            raise Unread
        return make(self)

    def number(self, token: Token) -> Node:
        """A number, with its base (`12_{7}`) or as a mixed number (`1\\frac{1}{2}`)."""
        node = ("num", token.value, token.decimals)
        if self.take("_"):
            base = self.argument()
            if base[0] != "num" or token.decimals is not None:
                raise Unread
            return ("based", token.text.lstrip("0") or "0", int(base[1]))
        if self.peek().text == "\\frac" and token.decimals is None:
            here = self.at
            mixed = self.primary()
            if (
                self.peek().text != "^"
                and mixed[0] == "div"
                and mixed[1][0] == mixed[2][0] == "num"
                and 0 < mixed[1][1] < mixed[2][1]
            ):
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
            raise Unread
        return node

    def name(self, text: str) -> Node:
        """A variable with its subscript and primes, a constant, or a function of variables: `f(x)`."""
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
        after = [self.peek(ahead) for ahead in range(4)]
        if [one.text for one in after[::2]] == ["(", ")"] and after[1].kind == "num" and after[3].text == "=":
            self.at += 3
            return ("call", text, ("var", after[1].text))  # `f(2) = 5` names its value, whatever f is
        return ("var", text)

    def subscript(self) -> str:
        """The text of what follows an underscore or stands in braces."""
        if not self.take("{"):
            return self.next().text
        found, depth = [], 1
        while depth:
            token = self.next()
            if token is END:
                raise Unread
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
            raise Unread
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
                raise Unread
            arguments = (*arguments, base)
        if exponent is not None and exponent == ("neg", number(1)):
            return ("fn", "arc" + name, *arguments)
        node: Node = ("fn", name, *arguments)
        return node if exponent is None else ("pow", node, exponent)

    def bracket(self, opening: str, closings: tuple[str, ...]) -> Node:
        """What stands in brackets: a tuple or interval of several items, or one item."""
        bars, self.bars = self.bars, 0
        inside = self.items()
        self.bars = bars
        closing = {"\\rangle": ")"}.get(self.peek().text, self.peek().text)
        self.need(*closings)
        if inside[0] == "list":
            return ("tuple", opening, closing, *inside[1:])
        if opening == "(" and closing == ")":
            return inside[1] if inside[0] == "unit" else inside
        if opening == "[" and closing == "]":
            return inside
        raise Unread

    def group(self) -> Node:
        """What stands in braces."""
        inside = self.items()
        self.need("}")
        return inside

    def set(self) -> Node:
        """`\\{1, 2\\}` or `\\{x | x > 0\\}`, the bar also as a colon."""
        if self.take("\\}"):
            return ("empty",)
        bars, self.bars = self.bars, 1
        in_set, self.in_set = self.in_set, True
        first = self.items() if self.peek(1).text != ":" else self.primary()
        self.bars, self.in_set = bars, in_set
        if self.take("|", ":"):
            condition = self.items()
            self.need("\\}")
            return ("builder", first, condition)
        self.need("\\}")
        return ("set", *(first[1:] if first[0] == "list" else (first,)))

    def absolute(self) -> Node:
        """What stands between two bars."""
        self.bars += 1
        inside = self.sum()
        self.need("|")
        self.bars -= 1
        return ("fn", "abs", inside)

    def fraction(self) -> Node:
        """The two arguments of `\\frac`."""
        top = self.argument()
        return ("div", top, self.argument())

    def root(self) -> Node:
        """A square root, or one of another degree in brackets."""
        index = None
        if self.take("["):
            index = self.sum()
            self.need("]")
        radicand = self.root_argument()
        return ("fn", "sqrt", radicand) if index is None else ("fn", "root", radicand, index)

    def root_argument(self) -> Node:
        """What a root is taken of."""
        # `\sqrt12` in LaTeX is the root of 1 beside a 2; `√12`, which was `\sqrt 12` after cleaning, is the root of 12.
        if self.peek().kind == "num" and self.peek().gap:
            return self.number(self.next())
        return self.argument()

    def binomial(self) -> Node:
        """The two arguments of `\\binom`."""
        top = self.argument()
        return ("fn", "binom", top, self.argument())

    def rounded(self, name: str, closing: str) -> Node:
        """What stands between floor or ceiling signs."""
        inside = self.sum()
        self.need(closing)
        return ("fn", name, inside)

    def field(self) -> Node:
        """The real numbers, or another set named by `\\mathbb`."""
        inside = self.argument()
        if inside == ("var", "R"):
            return ("reals",)
        return ("var", f"mathbb {inside[1]}")

    def dollar(self) -> Node:
        """An amount after a currency sign."""
        return ("unit", self.with_unit(self.product()), "$")

    def matrix(self) -> Node:
        """`\\begin{pmatrix} a & b \\\\ c & d \\end{pmatrix}` as rows."""
        name = self.subscript_group()
        if name not in ("pmatrix", "bmatrix", "matrix", "vmatrix", "Bmatrix", "smallmatrix", "array"):
            raise Unread
        if name == "array":
            self.subscript_group()  # how its columns are set
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
                raise Unread
            return ("fn", "det", ("matrix", *rows)) if name == "vmatrix" else ("matrix", *rows)

    def subscript_group(self) -> str:
        """The text in braces."""
        if self.peek().text != "{":
            raise Unread
        return self.subscript()


def _constant(name: str) -> Callable[[Primaries], Node]:
    return lambda reader: ("const", name)


PRIMARIES: dict[str, Callable[[Primaries], Node]] = {
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
