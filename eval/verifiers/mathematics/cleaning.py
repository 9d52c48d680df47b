"""An answer's LaTeX without its dress: spacing, fonts, sizes, currency marks and Unicode signs all in one form.

Words inside `\\text{}` come out behind a zero byte each, so that a reader can tell the word `cm` from c times m.
"""

import html
import re
import unicodedata

LONGEST = 1000
"""Characters up to which an answer is read as mathematics."""

WORD_MARK = "\x00"

ROW_MARK = "\x02"
"""Stands for the two backslashes that end a matrix's row."""

_SIGNS = {
    **dict.fromkeys("−–—‐‑", "-"),
    **dict.fromkeys("·⋅∙•∗", "*"),
    **dict.fromkeys("\u00a0\u2009\u200a\u202f\u2002\u2003\u3000\t\r\n", " "),
    **dict.fromkeys("\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\ufeff", ""),
    **dict.fromkeys("’‘′", "'"),
    **dict.fromkeys("“”", '"'),
    "×": "*",
    "÷": "/",
    "∕": "/",
    "⁄": "/",
    "√": "\\sqrt ",
    "∞": "\\infty ",
    "≤": "\\le ",
    "⩽": "\\le ",
    "≥": "\\ge ",
    "⩾": "\\ge ",
    "≠": "\\ne ",
    "≈": "\\approx ",
    "±": "\\pm ",
    "∓": "\\mp ",
    "∪": "\\cup ",
    "∩": "\\cap ",
    "∈": "\\in ",
    "∅": "\\emptyset ",
    "∀": "\\forall ",
    "ℝ": "\\mathbb{R}",
    "ℤ": "\\mathbb{Z}",
    "°": "^\\circ ",
    "º": "^\\circ ",
    "＞": ">",
    "＜": "<",
    "＝": "=",
    "（": "(",
    "）": ")",
    "，": ",",
    "；": ";",
    "：": ":",
    "％": "%",
    "＋": "+",
    "½": "\\frac{1}{2}",
    "⅓": "\\frac{1}{3}",
    "⅔": "\\frac{2}{3}",
    "¼": "\\frac{1}{4}",
    "¾": "\\frac{3}{4}",
    "⅛": "\\frac{1}{8}",
    "⟨": "\\langle ",
    "⟩": "\\rangle ",
    "€": "\\$",
    "£": "\\$",
}
_TABLE = {ord(sign): text for sign, text in _SIGNS.items()}
_TABLE |= {ord(sign): f"^{{{value}}}" for value, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}
_TABLE |= {ord(sign): f"_{{{value}}}" for value, sign in enumerate("₀₁₂₃₄₅₆₇₈₉")}
_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu "
    "nu xi omicron pi rho sigma tau phi chi psi omega"
)
_TABLE |= {
    ord(unicodedata.lookup(f"GREEK SMALL LETTER {name.upper().replace('LAMBDA', 'LAMDA')}")): f"\\{name} "
    for name in _GREEK.split()
}

_LOST = {"\t": "t", "\x0c": "f", "\r": "r", "\x08": "b"}
_LOST_BACKSLASH = re.compile("\t(?=ext|imes|heta|an\\b)|\x0c(?=rac)|\r(?=ight)|\x08(?=inom|egin|ig|ar)")
"""Control signs that were a backslash and a letter before somebody read the text as a string with escapes."""

_TAGS = re.compile(r"<(sup|sub)>(.*?)</\1>", re.IGNORECASE)
_SPACING = re.compile(
    r"\\(?:left|right|big|Big|bigg|Bigg|bigl|bigr|Bigl|Bigr|biggl|biggr|displaystyle|textstyle|limits|nolimits|rm|bf|it"
    r"|mathstrut|strut|allowbreak|middle|normalsize|small|large|Large|LARGE|huge|Huge|checkmark|blacksquare|qed)"
    r"(?![A-Za-z])\s*\.?|\\[!]|\\hspace\*?\{[^{}]*\}"
)
_GAPS = re.compile(r"\\(?:quad|qquad|enspace|thinspace|space|newline|hfill)(?![A-Za-z])|\\[,;: ]|~")
_DELIMITERS = re.compile(r"\\[()\[\]]|(?<!\\)\$")
_SHAPES = re.compile(
    r"\\(?:overline|widehat|overrightarrow|overleftrightarrow|vec|overset\{\\frown\})\s*\{([A-Za-z ]+)\}"
    r"|\\(?:angle|triangle|measuredangle)(?![A-Za-z])\s*"
)
_FRACTION = re.compile(r"\\[dtc]frac(?![A-Za-z])")
_LOST_FRACTION = re.compile(r"(?<![A-Za-z\\])rac(?=\{)")
_FONT = re.compile(
    r"\\(?:mathrm|mathbf|mathit|mathsf|mathcal|boldsymbol|bm|mathnormal|vec|underline|mathop|emph)(?![A-Za-z])\s*\{([^{}]*)\}"
)
_TEXT = re.compile(
    r"\\(?:text|textbf|textit|textrm|textnormal|texttt|mbox|hbox|operatorname\*?)(?![A-Za-z])\s*\{([^{}]*)\}"
)
_WORD = re.compile(
    r"[A-Za-zÀ-ÿ]{2,}(?:[-'][A-Za-zÀ-ÿ]+)*|(?<=[\d\s}])[msghLNJWVKF](?![A-Za-z])|^[msghLNJWVKF](?=\s*[/^*])"
)
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:(?:,|\{,\})\d{3})+(?![\d])")
_SPACED_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:\x01\d{3})+(?!\d)")
_ORDINAL = re.compile(r"(?<=\d)\s*(?:\^\s*\{?\s*\x00?(?:st|nd|rd|th)\s*\}?|\x00?(?:st|nd|rd|th))(?![A-Za-z])")
_WHOLE_NUMBERS = re.compile(
    r"(?<=\S)[ ,;]+(?:\x00?(?:where|for|with|and|any|integer|all) )*"
    r"\(?[a-z] ?\\in ?\\mathbb ?\{?[ZN]\}?[_^+*0-9{}]*\)?$"
)
"""What follows an answer with a letter for any whole number: it says nothing that the letter does not."""

_CLOCK = re.compile(r"(?<=\d)(?::00)?\s*\x00?([ap])\.?\s?m(?![A-Za-z])\.?", re.IGNORECASE)
"""Before or after noon, behind a number: `a.m.`, `PM`."""

_GOES_ON = re.compile(r"(?<![\d.])(\d*)\.(\d+)\s*(?:\.{2,}|\\(?:l|c|)dots(?:[a-z](?![A-Za-z]))?)")
"""A decimal fraction that goes on as it has begun: `0.333\\ldots`."""

_AGAIN = re.compile(r"(\d*?)(?:(\d)\2{2,}|(\d{2,}?)\3+)")
"""Digits that end in one digit three times, or in several twice."""

_NUMBER_WORD = re.compile(r"\b((?:twen|thir|for|fif|six|seven|eigh|nine)ty)-(?=[a-z])", re.IGNORECASE)

_CURRENCY = re.compile(r"\x00?(?:USD|EUR|GBP|INR|Rs\.?)\s*(?=\d)")

_ARTICLE = re.compile(r"^(?:a|an|the) (?=[a-z]{3})")

_BASED = re.compile(r"\(?\s*(\d[\dA-Za-z]*|[\dA-Fa-f]{2,})\s*\)?_\s*\{?\s*\x00?([a-z]+|\d+)\s*\}?")
"""A number in a base, whole: `(1011)_{\\text{two}}`."""

_BASES = {
    word: base
    for base, word in enumerate(
        ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"), 2
    )
} | {"sixteen": 16}

_OPEN = re.compile(r"[(\[]|\\\{|\\langle")


def clean(text: str, thousands: bool = True) -> str:
    """An answer in one plain form of LaTeX, for `reading.read`.

    Args:
        text: what stood in the box.
        thousands: read `1,000` as one number. An answer with brackets keeps its commas: `(1,000)` is a pair.

    >>> clean(r"$\\dfrac{1}{2}\\,\\text{ cm}$."), clean("12^{\\\\mathrm{th}}"), clean("58{,}500")
    ('\\\\frac{1}{2} \\x00cm', '12', '58500')
    """
    text = html.unescape(text) if "&" in text else text
    text = _LOST_BACKSLASH.sub(lambda lost: "\\" + _LOST[lost[0]], text).replace("\x00", " ").replace("\\\\", ROW_MARK)
    if not text.isascii():
        text = text.translate(_TABLE)
    if "<" in text:
        text = _TAGS.sub(lambda tag: f"{'^' if tag[1].lower() == 'sup' else '_'}{{{tag[2]}}}", text)
    if "\\" in text or "~" in text:
        text = re.sub(r"(?<=\d)(?:\\[,: ]|~)(?=\d{3}(?!\d))", "\x01", text)
        text = _SPACED_THOUSANDS.sub(lambda number: number[0].replace("\x01", ""), text).replace("\x01", " ")
        text = _GAPS.sub(" ", _SPACING.sub("", text))
        text = _SHAPES.sub(lambda shape: shape[1] or "", text)
        text = _FRACTION.sub(r"\\frac", text)
        text = _TEXT.sub(lambda words: " " + marked(words[1]) + " ", _FONT.sub(_font, text))
    text = _LOST_FRACTION.sub(r"\\frac", text) if "rac{" in text else text
    text = _DELIMITERS.sub(" ", text.replace("{:}", ":").replace("{.}", "."))
    if "dots" in text or ".." in text:
        text = _GOES_ON.sub(_recurring, text)
    if "\\" not in text or "USD" in text:  # letters before a number are a currency; LaTeX has its own sign
        text = _CURRENCY.sub(r"\\$", text)
    if "ty-" in text:
        text = _NUMBER_WORD.sub(r"\1 ", text)
    if "m" in text or "M" in text:
        text = _CLOCK.sub(lambda half: f" {WORD_MARK}{half[1].lower()}m", text)
    text = _ORDINAL.sub("", text)
    text = re.sub(r"(?<=\d),\s?(?=\d{3}(?!\d))", ",", text) if "\\$" in text and not _OPEN.search(text) else text
    if thousands and not _OPEN.search(text):
        text = _THOUSANDS.sub(lambda number: re.sub(r"[{},]", "", number[0]), text)
    text = re.sub(r"\s+", " ", text).strip(" ").rstrip(".,;: ").strip()
    if "_" in text and (based := _BASED.fullmatch(text)):
        return _in_base(based)
    return _WHOLE_NUMBERS.sub("", text) if "\\mathbb" in text else text


def _recurring(found: re.Match[str]) -> str:
    """A decimal fraction that goes on, with a bar over what comes again; as it is where nothing does."""
    again = _AGAIN.fullmatch(found[2])
    if again is None:
        return found[0]
    return f"{found[1]}.{again[1]}\\overline{{{again[2] or again[3]}}}"


def _in_base(found: re.Match[str]) -> str:
    """A number in a base: the base in digits, and letters that are digits in upper case."""
    base = found[2] if found[2].isdigit() else _BASES.get(found[2])
    if base is None or (not found[1].isdigit() and int(base) <= 10):
        return found[0]
    return f"{found[1].upper()}_{{{base}}}"


def _font(found: re.Match[str]) -> str:
    content = found[1]
    return (
        f" {marked(' ' + content)} " if len(content.strip()) > 1 or content.strip() in tuple("mghLJWVKF") else content
    )


def marked(words: str) -> str:
    """The content of a text command with every word of it behind a mark."""
    return _WORD.sub(lambda word: WORD_MARK + word[0], re.sub(r"(?<!\\)\$", " ", words))


def plain(text: str) -> str:
    """An answer as text to compare: case, spaces, dress, quotes, an article and a final full stop do not count.

    >>> plain(" $1,000$. "), plain(r"\\text{The Mill}"), plain("(B)"), plain("'the  mill'")
    ('1000', 'mill', 'b', 'mill')
    """
    text = clean(text).replace(WORD_MARK, "").strip("\"'` ")
    text = text[1:-1] if re.fullmatch(r"\([A-Za-z]\)", text) else text
    if re.fullmatch(r"[^\W\d_]+", text) or (re.search(r"[A-Za-z]{4}|[A-Za-z] [A-Za-z]", text) and "\\" not in text):
        return _ARTICLE.sub("", " ".join(text.lower().split()).rstrip("."))
    text = re.sub(r"(?<!\\)\{(\w)\}", r"\1", text)
    return "".join(re.sub(r"\\([lg])e(?:q|qslant)?(?![a-z])", r"\\\1e ", text).split())
