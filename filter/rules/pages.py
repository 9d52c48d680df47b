"""Rules over a page: addresses, language, counts, phrases, sentences, tidying."""

import re
from typing import Literal
from urllib.parse import urlsplit

from common.config import RunConfig
from filter.rules.files import language_model, phrase_pattern, read_domains
from filter.rules.page import Page

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


class Language(RunConfig):
    """The page's language by a fastText identifier."""

    kind: Literal["language"]

    model: str
    """fastText's `lid.176.bin`."""

    language: str = "en"
    """The language that is wanted."""

    above: float = 0.65
    """Its probability must be above this (RefinedWeb as in DCLM: 0.65)."""

    def apply(self, page: Page) -> str | None:
        """`language`; the probability is noted on the document."""
        labels, probabilities = language_model(self.model).predict(" ".join(page.text.splitlines()), k=-1)
        found = dict(zip(labels, probabilities, strict=True)).get(f"__label__{self.language}", 0.0)
        page.note("language_id_whole_page_fasttext", {self.language: float(found)})
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
        if self.domains and host in read_domains(self.domains):
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
        page.note("previous_word_count", len(page.words))
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
    """Phrases that ban a page, in lower case."""

    file: str | None = None
    """Further phrases, one a line, that count only as whole words (C4: LDNOOBW's list)."""

    def apply(self, page: Page) -> str | None:
        """`phrase`."""
        text = page.text.lower()
        found = any(phrase in text for phrase in self.phrases)
        return "phrase" if found or (self.file and phrase_pattern(self.file).search(text)) else None


class Sentences(RunConfig):
    """Drop pages with fewer sentences, counted by their closing marks (C4: 3)."""

    kind: Literal["sentences"]

    minimum: int = 3
    """Fewest sentences."""

    def apply(self, page: Page) -> str | None:
        """`few_sentences`."""
        return "few_sentences" if len(SENTENCE_END.findall(page.text)) < self.minimum else None
