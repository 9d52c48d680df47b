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

`DATATROVE=PYTHON python -m pytest tests/filter/rules/test_datatrove.py -m "slow or not slow" -s` compares them again.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated, Any

from pydantic import Field

from common.pools.documents import Document
from common.pools.exactly_once import Result, process_shard
from common.pools.repair import id_text
from common.pools.shards import Shard
from filter.rules.files import language_model, phrase_pattern, read_domains
from filter.rules.gate import Gate
from filter.rules.gopher import Length, Letters, LineMarks, StopWords, Symbols, WordLength
from filter.rules.lines import BracketMarks, C4Lines, RefinedWebLines
from filter.rules.page import Page
from filter.rules.pages import Address, Characters, CountWords, Language, Phrases, RemovedWords, Sentences, Tidy
from filter.rules.repetition import Repetition
from filter.steps import Stats

log = logging.getLogger("repro.filter")

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


_said: set[str] = set()

FAILED = "failed/"
"""How the reason begins for a document at which a rule broke; the rule's name follows."""


def judge(document: Document, rules: Sequence[Heuristic]) -> Result:
    """Send a document through a recipe: out comes its edited form, or the reason of the first rule that drops it.

    A rule that breaks at a document (a malformed address, a field of another type) drops it as `failed/<rule>`, and it
    is kept in the rejects.
    """
    page = Page(dict(document))
    for rule in rules:
        try:
            reason = rule.apply(page)
        except Exception as error:  # whatever a page holds, it is this page's own reject
            if rule.kind not in _said:
                _said.add(rule.kind)  # once; all of them are counted, and lie in the rejects
                log.warning("rule %s broke at document %s: %r", rule.kind, id_text(document.get("id"))[:200], error)
            return Result(reason=FAILED + rule.kind, aside=True, source=document)
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
    loaders: dict[str, Callable[[str], Any]] = {
        "model": language_model,
        "domains": read_domains,
        "file": phrase_pattern,
    }
    for rule in rules:
        for name, loader in loaders.items():
            if getattr(rule, name, None):
                loader(getattr(rule, name))


def heuristics_shard(shard: Shard, folder: str, hash_: str, rules: Sequence[Any]) -> Stats:
    """Write what the heuristics leave of one shard."""
    return process_shard(shard, folder, lambda documents: judge_all(documents, rules), config_hash=hash_)
