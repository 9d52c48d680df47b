"""Our heuristics beside datatrove 0.10.1's filters, page by page on the shared pool.

DATATROVE names the Python of an environment with `datatrove[processing]==0.10.1`, spacy, orjson and zstandard; without
it these tests skip. The figures in the docstring of `filter.rules.kinds` are the slow form's:

    DATATROVE=/path/to/python python -m pytest tests/filter/rules/test_datatrove.py -m "slow or not slow" -s
"""

import json
import os
import subprocess
from collections import Counter

import pytest

from common.pools.documents import read_documents
from common.pools.shards import list_shards
from filter.rules.gopher import Length, Letters, LineMarks, StopWords, Symbols, WordLength
from filter.rules.kinds import judge
from filter.rules.lines import BracketMarks, C4Lines
from filter.rules.pages import Characters, Phrases, Sentences
from filter.rules.repetition import Repetition

THEIRS = """
import json, sys
import orjson, zstandard
from datatrove.data import Document
from datatrove.pipeline.filters import C4QualityFilter, GopherQualityFilter, GopherRepetitionFilter
from datatrove.utils.word_tokenizers import WordTokenizer

class Spaces(WordTokenizer):
    def __init__(self): super().__init__(None)
    def word_tokenize(self, text): return text.split()
    def sent_tokenize(self, text): raise NotImplementedError
    def span_tokenize(self, text): raise NotImplementedError

spaces = Spaces()
# C4's numbers as in DCLM: datatrove has 3 words a line and 5 sentences a page, DCLM 5 and 3
filters = {
    "quality": GopherQualityFilter(),
    "quality_spaces": GopherQualityFilter(language=spaces),
    "repetition": GopherRepetitionFilter(),
    "repetition_spaces": GopherRepetitionFilter(language=spaces),
    "c4": C4QualityFilter(min_num_sentences=3, min_words_per_line=5),
}
for path in sys.argv[1:]:
    for line in zstandard.ZstdDecompressor().stream_reader(open(path, "rb")).read().split(b"\\n"):
        if not line:
            continue
        found = {}
        for name, one in filters.items():
            document = Document(text=orjson.loads(line)["text"], id="")
            verdict = one.filter(document)
            found[name] = None if verdict is True else verdict[1]
        print(json.dumps(found | {"c4_text": document.text}))
"""

GOPHER = [
    Length(kind="length"),
    WordLength(kind="word_length"),
    Symbols(kind="symbols"),
    LineMarks(kind="line_marks"),
    Letters(kind="letters"),
    StopWords(kind="stop_words"),
]
C4 = [
    Characters(kind="characters"),
    BracketMarks(kind="bracket_marks"),
    C4Lines(kind="c4_lines"),
    Phrases(kind="phrases"),
    Sentences(kind="sentences"),
]
OURS = {"quality": GOPHER, "repetition": [Repetition(kind="repetition")], "c4": C4}


def compare(shards):
    """Per filter: pages by (our reason, their reason), None where a page is kept; and C4's texts of pages both keep."""
    python = os.environ.get("DATATROVE")
    if not python:
        pytest.skip("DATATROVE names no Python with datatrove in it")
    paths = [shard.path for shard in shards]
    done = subprocess.run([python, "-c", THEIRS, *paths], capture_output=True, text=True, check=True)
    theirs = [json.loads(line) for line in done.stdout.split("\n") if line.startswith("{")]
    documents = [document for shard in shards for document in read_documents(shard.path)]
    pairs = {name: Counter() for name in theirs[0] if name != "c4_text"}
    texts = Counter()
    for document, other in zip(documents, theirs, strict=True):
        ours = {name: judge({"text": document["text"]}, rules) for name, rules in OURS.items()}
        for name, counter in pairs.items():
            counter[ours[name.removesuffix("_spaces")].reason, other[name]] += 1
        if ours["c4"].reason is None and other["c4"] is None:
            texts[ours["c4"].document["text"].split() == other["c4_text"].split()] += 1
    return pairs, texts


def agreement(pairs):
    """Pages that both keep, only we keep, only they keep, neither keeps."""
    return tuple(
        sum(number for (ours, theirs), number in pairs.items() if (ours is None, theirs is None) == kept)
        for kept in ((True, True), (True, False), (False, True), (False, False))
    )


def one_sided(pairs):
    """Pages that only one of the two keeps, by the other's reason."""
    ours, theirs = Counter(), Counter()
    for (our_reason, their_reason), number in pairs.items():
        if our_reason is None and their_reason is not None:
            theirs[their_reason] += number
        elif our_reason is not None and their_reason is None:
            ours[our_reason] += number
    return dict(ours), dict(theirs)


def test_one_shard_is_judged_as_the_docstring_of_the_heuristics_says(shared_data):
    pairs, texts = compare(list_shards(str(shared_data / "web" / "pool"))[:1])
    assert {name: agreement(one) for name, one in pairs.items()} == {
        "quality": (820, 183, 4, 7),
        "quality_spaces": (999, 4, 3, 8),
        "repetition": (996, 1, 17, 0),
        "repetition_spaces": (996, 1, 17, 0),
        "c4": (895, 6, 3, 110),
    }
    assert texts == {True: 881, False: 14}


@pytest.mark.slow
def test_the_pool_is_judged_as_the_docstring_of_the_heuristics_says(shared_data, capsys):
    pairs, texts = compare(list_shards(str(shared_data / "web" / "pool")))
    with capsys.disabled():
        for name, one in pairs.items():
            print(name, agreement(one), *one_sided(one))  # noqa: T201
    # pages that both keep, only we keep, only they keep, neither keeps; of 8,111
    assert {name: agreement(one) for name, one in pairs.items()} == {
        "quality": (6492, 1542, 22, 55),
        "quality_spaces": (8010, 24, 25, 52),
        "repetition": (7965, 13, 126, 7),
        "repetition_spaces": (7971, 7, 128, 5),
        "c4": (7186, 24, 14, 887),
    }
    # every one-sided drop is of a rule whose definitions differ; no rule drops pages on one side unexplained
    assert one_sided(pairs["quality_spaces"]) == (
        {"ellipsis_lines": 22, "too_short": 2, "bullet_lines": 1},
        {"gopher_enough_stop_words": 23, "gopher_above_avg_threshold": 1},
    )
    assert one_sided(pairs["quality"])[1] == {"gopher_below_alpha_threshold": 1538, "gopher_enough_stop_words": 4}
    assert one_sided(pairs["c4"]) == ({"few_sentences": 14}, {"too_few_sentences": 24})
    assert texts == {True: 7114, False: 72}
