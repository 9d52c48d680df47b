"""Reads a cleaned answer into nodes; None for what it does not understand, never a guess at part of it."""

import re
from functools import lru_cache

from eval.verifiers.mathematics.cleaning import LONGEST, ROW_MARK, clean
from eval.verifiers.mathematics.nodes import Node, number
from eval.verifiers.mathematics.primaries import GREEK, PRIMARIES, Primaries, Unread
from eval.verifiers.mathematics.tokens import END, FUNCTIONS, Token, tokens
from eval.verifiers.mathematics.units import ratio

MAGNITUDES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
SAYINGS: dict[str, Node] = {
    "infinitely many": ("const", "inf"),
    "infinite": ("const", "inf"),
    "infinity": ("const", "inf"),
    "no solution": ("empty",),
    "no solutions": ("empty",),
    "empty set": ("empty",),
    "all real numbers": ("reals",),
    "all reals": ("reals",),
    "dne": ("text", "does not exist"),
}
"""Words that say a value, a set, or the same as other words."""

_ONES = re.findall(
    r"\w+",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen",
)
_TENS = re.findall(r"\w+", "twenty thirty forty fifty sixty seventy eighty ninety")
_ORDINALS = re.findall(r"\w+", "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth")
SAYINGS |= {word: number(value) for value, word in enumerate(_ONES)}
SAYINGS |= {word: number(10 * value) for value, word in enumerate(_TENS, 2)}
SAYINGS |= {
    f"{tens}{link}{one}": number(10 * value + unit)
    for value, tens in enumerate(_TENS, 2)
    for unit, one in enumerate(_ONES[1:10], 1)
    for link in "- "
}
SAYINGS |= {"one hundred": number(100), "one thousand": number(1000), "one million": number(10**6)}
SAYINGS |= {word: number(value) for value, word in enumerate(_ORDINALS, 1)}

FILLERS = frozenset(
    {"approximately", "about", "exactly", "roughly", "approx", "is", "the", "are", "answer", "final", "total"}
)
_STOPS = frozenset(
    {",", ";", "and", "or", ")", "]", "\\}", "}", "\\rangle", "&", ROW_MARK, "\\rfloor", "\\rceil", "\\end"}
)


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
        return Reader(found).answer()
    except (Unread, RecursionError):
        return None


class Reader(Primaries):
    """Recursive descent over tokens, from a list of items down to a part with its exponent."""

    def answer(self) -> Node:
        """The whole answer.

        Raises:
            Unread: something is left over.
        """
        node = self.items()
        if self.peek() is not END:
            raise Unread
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
        return ("list", *grouped(found, joins))

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
            raise Unread
        if self.peek().kind == "rel" and self.peek().text in ("~", "="):
            self.next()
        node = self.relation()
        return self.with_unit(node)

    def words(self) -> list[str]:
        """The words that come next."""
        found = []
        while self.peek().kind == "word":
            found.append(self.next().text)
        return found

    def ends(self) -> bool:
        """Whether the item ends here."""
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
        remark = self.peek().text == "(" and self.peek(1).kind == "word"
        if self.peek().kind != "word" and not remark:
            return node
        unit: list[str] = []
        depth = 0
        while self.peek() is not END and (depth or not self.ends()):
            if unit and self.peek().kind == "num" and "^" not in unit:
                return self.and_smaller(node, " ".join(unit).lower())
            token = self.next()
            depth += {"(": 1, ")": -1, "{": 1, "}": -1}.get(token.text, 0)
            if token.kind == "rel" or (token.kind == "num" and "^" not in unit):
                raise Unread
            unit.append(token.text)
        return ("unit", node, " ".join(unit).lower())

    def and_smaller(self, node: Node, unit: str) -> Node:
        """A value in one unit and more of it in another: `2 hours 30 minutes`."""
        more = self.with_unit(self.product())
        factor = ratio(unit, more[2]) if more[0] == "unit" else None
        if factor is None or factor == 1:
            raise Unread
        return ("unit", ("add", node, ("mul", more[1], ("num", factor, None))), unit)

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
        """Parts with colons or the word `to` between them: `1:2:3`."""
        parts = [self.union()]
        while (not self.in_set and self.take(":")) or self.take_word("to"):
            parts.append(self.union())
        if len(parts) == 1:
            return parts[0]
        return ("div", *parts) if len(parts) == 2 else ("ratio", *parts)

    def union(self) -> Node:
        """Sets with signs of union, meet and difference between them."""
        node = self.sum()
        kinds = {"\\cup": "union", "\\cap": "meet", "\\setminus": "minus", "\\backslash": "minus"}
        while self.peek().kind == "cmd" and self.peek().text in kinds:
            kind = kinds[self.next().text]
            node = (kind, node, self.sum())
        return node

    def sum(self) -> Node:
        """Terms with signs between them."""
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
        """Factors, with or without a sign between them; up to the next function if asked."""
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
            return token.text in PRIMARIES or token.text[1:] in FUNCTIONS or token.text[1:] in GREEK
        if token.text == "(" and self.peek(1).kind == "word":
            return False  # a remark, as in `17 (units)`
        return token.kind == "sign" and (token.text in ("(", "[", "{") or (token.text == "|" and not self.bars))

    def signed(self) -> Node:
        """A part with the signs before it."""
        if self.take("-"):
            return ("neg", self.signed())
        if self.take("+"):
            return self.signed()
        if self.take("\\pm", "\\mp"):
            return ("pm", number(0), self.signed())
        return self.power()

    def power(self) -> Node:
        """A part with its exponent."""
        self.deeper()
        node = self.postfix(self.primary())
        if self.take("^"):
            # Read `x^10` as people mean it, not as LaTeX sets it.
            node = self.postfix(("pow", node, self.signed()))
        self.depth -= 1
        return node

    def postfix(self, node: Node) -> Node:
        """A part with factorial, percent and degree signs behind it."""
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


def grouped(found: list[Node], joins: list[str]) -> list[Node]:
    """Named values that "or" parts into groups of the same names, as tuples: `p=2, q=3 or p=3, q=2`."""
    if "or" not in joins or set(joins) <= {"or"}:
        return found
    groups: list[dict[str, Node]] = [{}]
    for join, one in zip(["", *joins], found, strict=True):
        if one[0] != "rel" or one[2] != "=" or len(one) != 4 or one[1][0] != "var":
            return found
        if join == "or":
            groups.append({})
        groups[-1][one[1][1]] = one[3]
    if sum(map(len, groups)) < len(found) or any(set(group) != set(groups[0]) for group in groups):
        return found
    return [("tuple", "(", ")", *(group[name] for name in sorted(group))) for group in groups]
