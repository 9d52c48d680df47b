"""A cleaned answer as tokens: numbers, names, words, commands and signs."""

import re
from fractions import Fraction
from typing import NamedTuple

from eval.verifiers.mathematics.cleaning import ROW_MARK, WORD_MARK

FUNCTIONS = frozenset(
    re.findall(
        r"\w+",
        "sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh log ln lg exp "
        "min max gcd lcm",
    )
)
SEPARATORS = frozenset({"and", "or", "und"})
RELATIONS = {
    "=": "=",
    "<": "<",
    ">": ">",
    "\\le": "<=",
    "\\leq": "<=",
    "\\leqslant": "<=",
    "\\ge": ">=",
    "\\geq": ">=",
    "\\geqslant": ">=",
    "\\lt": "<",
    "\\gt": ">",
    "\\ne": "!=",
    "\\neq": "!=",
    "\\in": "in",
    "\\approx": "~",
    "\\simeq": "~",
    "\\equiv": "==",
    "<=": "<=",
    ">=": ">=",
    "\\to": "->",
    "\\rightarrow": "->",
    "\\mapsto": "->",
}
_SAME = {
    "\\times": "*",
    "\\cdot": "*",
    "\\ast": "*",
    "\\div": "/",
    "\\lbrace": "\\{",
    "\\rbrace": "\\}",
    "\\lbrack": "[",
    "\\rbrack": "]",
    "\\lparen": "(",
    "\\rparen": ")",
    "\\lvert": "|",
    "\\rvert": "|",
    "\\vert": "|",
    "\\mid": "|",
    "\\dots": "\\ldots",
    "\\cdots": "\\ldots",
    "\\land": "and",
    "\\lor": "or",
    "\\wedge": "and",
    "\\vee": "or",
    "\\degree": "deg",
    "\\textdegree": "deg",
    "\\textcirc": "deg",
    "\\iff": ",",
    "\\binom": "\\binom",
    "\\tbinom": "\\binom",
    "\\dbinom": "\\binom",
    "\\varnothing": "\\emptyset",
    "\\textpi": "\\pi",
    "**": "^",
    "\\%": "%",
    "\\infin": "\\infty",
    "\\epsilon": "\\varepsilon",
    "\\phi": "\\varphi",
    "\\cupdot": "\\cup",
    "\\bigcup": "\\cup",
}
_TOKEN = re.compile(
    r"(?P<repeat>\d*\.\d*\\(?:overline|bar|dot)\s*\{?\d+\}?)"
    r"|(?P<num>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+(?![A-Za-z\d.]))?)"
    rf"|{WORD_MARK}(?P<word>[^\s\d(){{}}\[\],;:=<>^_+*/|\\$%!.]+)"
    r"|(?P<deg>\^\s*(?:\{\s*\\circ\s*\}|\\(?:text)?circ(?![A-Za-z])))"
    r"|(?P<cmd>\\[A-Za-z]+|\\[{}%$&#_|])"
    r"|(?P<name>[A-Za-z]+)"
    r"|(?P<sign><=|>=|!=|\*\*|\S)"
)
_ODD = re.compile("[À-ÿ]+")

LONG_WORD = 4
"""Letters from which a run that is no function's name is a word, not a product of variables."""

UNIT_WORDS = frozenset(
    re.findall(r"\w+", "cm mm km kg ft sq mph am pm kmh dm hr hrs min sec yd oz lb lbs mi mg ml cc rad deg in")
)


SHORT_WORDS = frozenset(re.findall(r"\w+", "all the for not yes no one two six ten per of is if where with any"))


class Token(NamedTuple):
    """One token. Kinds: `num` (with value and decimals), `name`, `word`, `cmd`, `rel`, `sign`, `end`."""

    kind: str
    text: str
    value: Fraction | None = None
    decimals: int | None = None
    gap: bool = False
    """Whether white space stands before it."""


END = Token("end", "")


def tokens(text: str) -> list[Token] | None:
    """The tokens of a cleaned answer; None where a number is too long to be compared."""
    found: list[Token] = []
    last = 0
    for mark in _TOKEN.finditer(text):
        gap, last = mark.start() > last, mark.end()
        kind, raw = mark.lastgroup or "", mark[0]
        if kind == "num":
            token = number(raw, gap)
            if token is None:
                return None
            found.append(token)
        elif kind == "repeat":
            found.append(_repeating(raw, gap))
        elif kind == "word":
            _word(mark["word"], gap, found)
        elif kind == "deg":
            found.append(Token("sign", "deg", gap=gap))
        elif kind == "name":
            _names(raw, gap, found)
        else:
            found.append(_sign(raw, gap))
    return [_as_unit(token, found[at - 1 : at], found[at + 1 : at + 2]) for at, token in enumerate(found)]


def _as_unit(token: Token, before: list[Token], after: list[Token]) -> Token:
    """Minutes and seconds share their short names with functions: behind a number and before nothing they are units."""
    if token.text not in ("\\min", "\\sec") or not before or before[0].kind != "num":
        return token
    ends = not after or after[0].text in (",", ";", "and", "or", ")")
    return Token("word", token.text[1:], gap=token.gap) if ends else token


def number(raw: str, gap: bool = False) -> Token | None:
    """A number's token; None if its exponent or length is beyond any answer's."""
    base, _, exponent = raw.lower().partition("e")
    if len(exponent) > 5 or abs(int(exponent or 0)) > 5000:
        return None
    whole, point, digits = base.partition(".")
    value = Fraction(int((whole + digits) or 0)) * Fraction(10) ** (int(exponent or 0) - len(digits))
    decimals = len(digits) - int(exponent or 0) if point or exponent else None
    return Token("num", raw, value, None if decimals is None else max(decimals, 0), gap)


def _repeating(raw: str, gap: bool) -> Token:
    start, digits = re.split(r"\\(?:overline|bar|dot)\s*\{?", raw.rstrip("}"))
    decimals = len(start.partition(".")[2])
    value = Fraction(start if start.rstrip(".") else "0") if start != "." else Fraction(0)
    value += Fraction(int(digits), (10 ** len(digits) - 1) * 10**decimals)
    return Token("num", raw, value, None, gap)


def _word(raw: str, gap: bool, found: list[Token]) -> None:
    lower = raw.lower()
    if lower in SEPARATORS:
        found.append(Token("sign", lower, gap=gap))
    elif lower in FUNCTIONS:
        found.append(Token("cmd", "\\" + lower, gap=gap))
    else:
        found.append(Token("word", raw, gap=gap))


def _names(raw: str, gap: bool, found: list[Token]) -> None:
    """A run of letters: separator, function, word, unit, or variables one by one; capitals together name one thing."""
    lower = raw.lower()
    if lower in SEPARATORS or lower in FUNCTIONS:
        _word(raw, gap, found)
    elif lower in ("sqrt", "pi", "infinity", "inf", "infty"):
        found.append(Token("cmd", {"sqrt": "\\sqrt", "pi": "\\pi"}.get(lower, "\\infty"), gap=gap))
    elif len(raw) >= LONG_WORD or lower in UNIT_WORDS or lower in SHORT_WORDS:
        found.append(Token("word", raw, gap=gap))
    elif len(raw) > 1 and raw.isupper():
        found.append(Token("name", raw, gap=gap))
    else:
        found.extend(Token("name", letter, gap=gap and not index) for index, letter in enumerate(raw))


def _sign(raw: str, gap: bool) -> Token:
    raw = _SAME.get(raw, raw)
    if raw in RELATIONS or raw == "!=":
        return Token("rel", RELATIONS.get(raw, raw), gap=gap)
    if raw == ROW_MARK or not raw.startswith("\\") or len(raw) == 2:
        return Token("sign" if not _ODD.fullmatch(raw) else "word", raw, gap=gap)
    return Token("cmd", raw, gap=gap)
