"""Rules over one page, with the published thresholds: RefinedWeb, Gopher and C4 as lists of rules in YAML.

A recipe is a list; order matters. A rule edits the page's text, drops the page with its reason, or passes it on; what a
drop was for is counted under the rule's reason. Thresholds are the published ones (RefinedWeb, arXiv:2306.01116 as in
DCLM, arXiv:2406.11794; Gopher, arXiv:2112.11446; C4, arXiv:1910.10683). Words are what white space separates.

Where datatrove 0.10.1 judges otherwise. Of the 8,111 pages of the shared pool, both keep / only these rules keep / only
datatrove keeps / neither keeps:

    Gopher quality, its spaCy words     6,492 / 1,542 /  22 /  55
    Gopher quality, white-space words   8,010 /    24 /  25 /  52
    Gopher repetition, spaCy words      7,965 /    13 / 126 /   7
    Gopher repetition, white space      7,971 /     7 / 128 /   5
    C4, DCLM's 5 words and 3 sentences  7,186 /    24 /  14 / 887

    1. For spaCy a punctuation mark is a word, so that 1,538 pages have under 80 percent of words with a letter.
    2. It wants two *different* stop words, DCLM two occurrences (23 pages), and takes its mean word length over words
       without bare punctuation (1).
    3. It divides lines that end with an ellipsis, or begin with a bullet, by all lines, DCLM by those that are not
       blank (22, 1); it measures `#` and `...` apart, DCLM together; its list of punctuation is its own (2).
    4. In repetition it counts the copies after the first, Gopher as in DCLM every copy, and divides by all characters,
       white space included, where here only those of the lines or words count: the rules here drop 126 more pages.
    5. Sentences are spaCy's there and closing marks here (24 and 14 pages). Of the pages that both C4 recipes keep, 72
       read otherwise: there a line may end with ' (61) and breaks at every line boundary of Unicode (5).

`DATATROVE=PYTHON python -m pytest tests/filter/test_datatrove.py -m "slow or not slow" -s` compares them again.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field

from common.config import RunConfig
from common.shards import Document, Result
from filter.line_rules import BracketMarks, C4Lines, RefinedWebLines
from filter.page import Page
from filter.repetition import Repetition

STOP_WORDS = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))
SYMBOL = re.compile(r"#|\.\.\.|\. \. \.|…")
BULLETS = ("●", "•", "*", "-")
ELLIPSES = ("...", ". . .", "…")
WEB_ADDRESS = re.compile(r"(?:https?://|www\.)\S+")
MANY_NEWLINES = re.compile(r"\n{3,}")
SENTENCE_END = re.compile(r"[.!?]+(?=[\s\"')\]]|$)")


class Tidy(RunConfig):
    """Take web addresses out of the text, and more than two newlines in a row."""

    kind: Literal["tidy"]

    def apply(self, page: Page) -> str | None:
        """Edits; drops nothing."""
        page.text = MANY_NEWLINES.sub("\n\n", WEB_ADDRESS.sub("", page.text))
        return None


class Length(RunConfig):
    """Pages of a usual number of words."""

    kind: Literal["length"]

    min_words: int = 50
    """Fewest words (Gopher, RefinedWeb: 50)."""

    max_words: int = 100_000
    """Most words (Gopher, RefinedWeb: 100,000)."""

    ignore_punctuation: bool = True
    """Whether words without a letter or digit count for nothing (DCLM)."""

    def apply(self, page: Page) -> str | None:
        """`too_short` or `too_long`."""
        number = len(page.words)
        if self.ignore_punctuation:
            number = sum(any(map(str.isalnum, word)) for word in page.words)
        return "too_short" if number < self.min_words else "too_long" if number > self.max_words else None


class WordLength(RunConfig):
    """Pages whose words are of a usual mean length, in characters."""

    kind: Literal["word_length"]

    low: float = 3
    """Gopher: 3."""

    high: float = 10
    """Gopher: 10."""

    def apply(self, page: Page) -> str | None:
        """`word_length`."""
        mean = sum(map(len, page.words)) / len(page.words) if page.words else 0
        return None if self.low <= mean <= self.high else "word_length"


class Symbols(RunConfig):
    """Few hash signs and ellipses per word."""

    kind: Literal["symbols"]

    max_ratio: float = 0.1
    """`#`, `...`, `. . .` and `…` together, per word (Gopher: 0.1)."""

    def apply(self, page: Page) -> str | None:
        """`symbols`."""
        return "symbols" if len(SYMBOL.findall(page.text)) > self.max_ratio * len(page.words) else None


class LineMarks(RunConfig):
    """Not too many lines that begin with a bullet or end with an ellipsis; blank lines do not count."""

    kind: Literal["line_marks"]

    max_bullet_frac: float = 0.9
    """Lines that begin with ● • * - (Gopher: 0.9)."""

    max_ellipsis_frac: float = 0.3
    """Lines that end with an ellipsis (Gopher: 0.3)."""

    def apply(self, page: Page) -> str | None:
        """`bullet_lines` or `ellipsis_lines`."""
        lines = [line.strip() for line in page.text.split("\n") if line.strip()]
        if sum(line.startswith(BULLETS) for line in lines) > self.max_bullet_frac * len(lines):
            return "bullet_lines"
        ended = sum(line.endswith(ELLIPSES) for line in lines)
        return "ellipsis_lines" if ended > self.max_ellipsis_frac * len(lines) else None


class Letters(RunConfig):
    """Most words hold a letter."""

    kind: Literal["letters"]

    max_without_frac: float = 0.2
    """Words with none (Gopher: 0.2)."""

    def apply(self, page: Page) -> str | None:
        """`letterless_words`."""
        without = sum(not any(map(str.isalpha, word)) for word in page.words)
        return "letterless_words" if without > self.max_without_frac * len(page.words) else None


class StopWords(RunConfig):
    """Running English text holds common words."""

    kind: Literal["stop_words"]

    minimum: int = 2
    """Occurrences of the, be, to, of, and, that, have, with; one word twice counts two (Gopher: 2)."""

    def apply(self, page: Page) -> str | None:
        """`stop_words`."""
        found = 0
        for word in page.words:
            found += word.casefold() in STOP_WORDS
            if found >= self.minimum:
                return None
        return "stop_words"


class Language(RunConfig):
    """The page's language by a fastText identifier."""

    kind: Literal["language"]

    model: str
    """fastText's `lid.176.bin`."""

    language: str = "en"
    """Wanted."""

    above: float = 0.65
    """Its probability must be above this (RefinedWeb as in DCLM: 0.65)."""

    def apply(self, page: Page) -> str | None:
        """`language`; the probability is noted on the document."""
        labels, probabilities = _language_model(self.model).predict(" ".join(page.text.splitlines()), k=-1)
        found = dict(zip(labels, probabilities, strict=True)).get(f"__label__{self.language}", 0.0)
        page.document["language_id_whole_page_fasttext"] = {self.language: float(found)}
        return None if found > self.above else "language"


class Address(RunConfig):
    """Banned web addresses; a page without `url` passes."""

    kind: Literal["url"]

    domains: str | None = None
    """File of banned domains, one a line; a leading `www.` counts for nothing."""

    strict_words: list[str] = []
    """Banned anywhere in the address, `-` and `.` left out of it."""

    hard_words: list[str] = []
    """Banned as whole words."""

    soft_words: list[str] = []
    """Banned when two of them occur."""

    def apply(self, page: Page) -> str | None:
        """`url_domain` or `url_words`."""
        url = str(page.document.get("url") or "").lower()
        host = (urlsplit(url).hostname or "").removeprefix("www.")
        if self.domains and host in _domains(self.domains):
            return "url_domain"
        plain = url.replace("-", "").replace(".", "")
        words = re.findall(r"[a-z0-9]+", url)
        soft = sum(words.count(word) for word in self.soft_words)
        hard = any(word in words for word in self.hard_words)
        return "url_words" if hard or soft >= 2 or any(word in plain for word in self.strict_words) else None


class CountWords(RunConfig):
    """Note the number of words as `previous_word_count`, for `removed_words` further down the recipe."""

    kind: Literal["count_words"]

    def apply(self, page: Page) -> str | None:
        """Drops nothing."""
        page.document["previous_word_count"] = len(page.words)
        return None


class RemovedWords(RunConfig):
    """Drop a page that lost too many words since `count_words`: what is left has holes."""

    kind: Literal["removed_words"]

    max_frac: float = 0.05
    """Words lost at most (RefinedWeb: 0.05)."""

    def apply(self, page: Page) -> str | None:
        """`removed_words`."""
        before = page.document.get("previous_word_count", 0)
        return "removed_words" if before - len(page.words) > self.max_frac * before else None


class Characters(RunConfig):
    """Drop very long pages (C4 as in DCLM)."""

    kind: Literal["characters"]

    maximum: int = 190_000
    """Most characters."""

    def apply(self, page: Page) -> str | None:
        """`too_many_characters`."""
        return "too_many_characters" if len(page.text) > self.maximum else None


class Phrases(RunConfig):
    """Drop pages that hold a phrase, in any case (C4: `lorem ipsum` and `{`)."""

    kind: Literal["phrases"]

    phrases: list[str] = ["lorem ipsum", "{"]
    """In lower case."""

    file: str | None = None
    """Further phrases, one a line, that count only as whole words (C4: LDNOOBW's list)."""

    def apply(self, page: Page) -> str | None:
        """`phrase`."""
        text = page.text.lower()
        found = any(phrase in text for phrase in self.phrases)
        return "phrase" if found or (self.file and _phrase_pattern(self.file).search(text)) else None


class Sentences(RunConfig):
    """Drop pages with fewer sentences, counted by their closing marks (C4: 3)."""

    kind: Literal["sentences"]

    minimum: int = 3
    """Fewest sentences."""

    def apply(self, page: Page) -> str | None:
        """`few_sentences`."""
        return "few_sentences" if len(SENTENCE_END.findall(page.text)) < self.minimum else None


class Gate(RunConfig):
    """Documents whose own figure lies in a range, such as a rephrasing's `rephrase.semantic`.

    A document without the figure's record (organic text has no `rephrase`) passes.
    """

    kind: Literal["gate"]

    field: str
    """Where the figure is; dots reach inside."""

    low: float | None = None
    """Least that passes (RePro's rewards: semantic 0.65, structure 1)."""

    high: float | None = None
    """Most that passes (RePro's rewards: length_ratio 1.25)."""

    def apply(self, page: Page) -> str | None:
        """`gate_<figure>`, or `gate_<figure>_missing` where the record lacks it."""
        first, *rest = self.field.split(".")
        if first not in page.document:
            return None
        value = page.document[first]
        for name in rest:
            value = value.get(name) if isinstance(value, dict) else None
        figure = self.field.rpartition(".")[2]
        if not isinstance(value, int | float):
            return f"gate_{figure}_missing"
        inside = (self.low is None or value >= self.low) and (self.high is None or value <= self.high)
        return None if inside else f"gate_{figure}"


Heuristic = (
    Tidy
    | Gate
    | Length
    | WordLength
    | Symbols
    | LineMarks
    | Letters
    | StopWords
    | Language
    | Address
    | Repetition
    | CountWords
    | RefinedWebLines
    | RemovedWords
    | Characters
    | BracketMarks
    | C4Lines
    | Phrases
    | Sentences
)
AnyHeuristic = Annotated[Heuristic, Field(discriminator="kind")]


def judge(document: Document, rules: Sequence[Heuristic]) -> Result:
    """Send a document through a recipe: out comes its edited form, or the reason of the first rule that drops it."""
    page = Page(dict(document))
    for rule in rules:
        reason = rule.apply(page)
        if reason is not None:
            return Result(reason=reason)
    counts = {"docs_edited": 1} if page.text != document["text"] else {}
    return Result(page.document | {"text": page.text}, counts=counts)


def judge_all(documents: Iterable[Document], rules: Sequence[Heuristic]) -> Iterator[Result]:
    """All documents of a shard through a recipe, in order."""
    return (judge(document, rules) for document in documents)


def check(rules: Iterable[Any]) -> None:
    """Open what the rules need.

    Raises:
        ValueError: a model or a list is not there.
    """
    loaders: dict[str, Callable[[str], Any]] = {"model": _language_model, "domains": _domains, "file": _phrase_pattern}
    for rule in rules:
        for name, loader in loaders.items():
            if getattr(rule, name, None):
                loader(getattr(rule, name))


@lru_cache(maxsize=2)
def _language_model(path: str) -> Any:
    if not Path(path).is_file():
        raise ValueError(f"no language identifier at {path}; fetch fastText's lid.176.bin")
    import fasttext

    return fasttext.load_model(path)


@lru_cache(maxsize=2)
def _domains(path: str) -> frozenset[str]:
    return frozenset(line.lower().removeprefix("www.") for line in _lines(path))


@lru_cache(maxsize=2)
def _phrase_pattern(path: str) -> re.Pattern[str]:
    return re.compile(r"\b(?:" + "|".join(re.escape(line.lower()) for line in _lines(path)) + r")\b")


def _lines(path: str) -> list[str]:
    if not Path(path).is_file():
        raise ValueError(f"no list at {path}")
    return [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()]
