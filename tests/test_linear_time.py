"""All that reads document or model text with patterns: 1 MB of what is worst for it takes under 1 s of CPU.

`READERS` lists them. Each is tried on the texts that a pattern of its own kind would be slow on; the marker `slow`
tries every reader on every text.
"""

import gc
import os
import random

import pytest

from common.pools.documents import as_object, before_mark
from common.pools.repair import decode, parse_line
from common.runs.redaction import redacted
from common.tokens.defuse import Defused
from common.tokens.pieces import CUT
from eval.faithfulness.articles import runs
from eval.faithfulness.kept import facts, names_kept, numbers_kept, urls_kept
from eval.faithfulness.line_kinds import line_kinds
from eval.faithfulness.measures import duplicate_ngrams, lexical_f1, novel_ngrams
from eval.faithfulness.noise import noise_removed
from eval.faithfulness.structure import block_shares
from eval.faithfulness.words import long_words, stop_word_share
from eval.judges.equivalence import injections, neutralised, read_decision
from eval.judges.reading import read_choice
from eval.judges.structure import read_verdict
from eval.judges.upgrades import read_letter
from eval.reader.frame import snippet
from eval.reader.search import terms
from eval.story.plans import extract_plan
from eval.verifiers.literals import balanced, literal
from eval.verifiers.numbers import number
from eval.verifiers.program_text import defining_block, script_block
from eval.verifiers.segments import answer_part, boxes, fences, joint_boxes, last_answer_tag, last_box
from eval.verifiers.table_text import read_table, target_format
from filter.contamination.items import words_of
from filter.duplicates.exact import canonical
from filter.rules import gopher, lines, pages, repetition
from filter.rules.files import phrase_pattern
from filter.rules.page import Page
from filter.scorers.dataman import BARE_IMAGE, LEADING_ELLIPSIS, parse_rating
from filter.scorers.fast_text import escape_markup, normalize
from rephrase.text.chunking import chunk
from rephrase.text.lines import apply_edits, number_lines, show
from rephrase.text.postprocess import format_ok, read_completion
from rephrase.text.prompts import SENTINEL
from rephrase.text.verbatim import cut_around
from rl.data.recycling.passages import clean_runs, sentences
from rl.data.recycling.remnants import notices, remnants
from rl.data.story.books import split_chapters
from rl.data.story.lessons import STORY, section
from rl.rewards.general import language
from rl.rewards.verifiable import final_answer, plain

SIZE = 1_000_000
MOST_S = float(os.environ.get("REPRO_MOST_S", "1"))


def rule(kind, **fields):
    return lambda text: kind(kind=kind.model_fields["kind"].annotation.__args__[0], **fields).apply(
        Page({"text": text, "url": text})
    )


def caught(read, *more):
    """A reader that may refuse what it is given."""

    def call(text):
        try:
            return read(text, *more)
        except (ValueError, KeyError, RecursionError, SyntaxError):
            return None

    return call


def defused(text):
    sent = Defused([text], ["<|im_end|>", "</s>"])
    return sent.restore(sent.text(text))


PROSE = ("a ", "A ", "a. ", "a", "word\n", "\n", " ", ".", "1", "1,", "\u0301", "'", "_", "a_", "-", "a-")
LINKS = (
    "[", "![", "[![", "[a](", "[a]", "(", "`", "`a<", "<img ", "<a ", "<!--", "<a>", "|", "|a", "- [a](b) .",
    "https://a",
    "__", "[a](b) " + "." * 500 + "a!\n", "- a-", "#", "- a_", "|" + " " * 999 + "x\n", "|--" + " " * 999 + "x|\n",
)  # fmt: skip
BLOCKS = (
    "~~~~\n", "```\n", "= = =\n", "== ==\n", "\\[\n", "$$\n", "    a\n\n", "    a\n\n        b\n\n", "> ",
    "* a\n", ".. code::\n",
    "  .. code::\n", ">>> a\n\n", "a\n===\n", "x\n\n\n", "+-+\n", "a|b\n-|-\n", "- - - - x\n", "\r", "\n\n",
)  # fmt: skip
ANSWERS = (
    "\\boxed{", "\\boxed ", "<answer>", "</answer>", "<answer></answer>", "<think>", "</think>", "{", "}",
    "[", "]", "$", "```",
    "```\n", "~", "~~~~", "\\", "Answer:", "\\frac{", "\\text{", "1/", "0.", "\"", "\"\\",
)  # fmt: skip
SPELLED = (
    "<|",
    "<|x",
    "|>",
    "<",
    "</",
    "[",
    "[A",
    "<<",
    "final ",
    "final  decision",
    "# ",
    "A",
    "user ",
    "student answer ",
    "\u200b",
)
SECRETS = (".", "a.", "0.", "a://", "www.", "Bearer ", "token=", "?a", "?a-", "password ", "x-", "a.b-")
TABLES = ("|", "| - ", "<td>", "<table>", "<", "a,", '"', '{"a":', "[", "\n", "|a|\n", ":-", "to ", "a b\n")
EDIT_LINES = ("[1] keep\n", "[1] cut a\n", "[2] keep\n[3] drop\n", "[", "Edits:\n")
DOTS = (".", ",", "5 ", ". . ", "\u2026", "5 likes ", "5" + " " * 9999 + "x\n", "1k ", "." * 999 + "x\n")

FORMS = ("json", "jsonl", "csv", "markdown", "html")

READERS = {
    "rule counter": (rule(lines.RefinedWebLines), DOTS),
    "rule brackets": (rule(lines.BracketMarks), ("[", "[1", "[edit", "[]", "1")),
    "rule c4_lines": (rule(lines.C4Lines), PROSE),
    "rule tidy": (rule(pages.Tidy), ("http://", "http:/", "www.", "\n", "h")),
    "rule url": (
        rule(pages.Address, strict_words=["x"], hard_words=["y"], soft_words=["z"]),
        ("a", "a.", "//", "[", "-"),
    ),
    "rule sentences": (rule(pages.Sentences), (".", "!?", ". ", "a.")),
    "rule phrases": (rule(pages.Phrases), PROSE),
    "rule length": (rule(gopher.Length), ("a ", "- ")),
    "rule symbols": (rule(gopher.Symbols), DOTS),
    "rule line_marks": (rule(gopher.LineMarks), DOTS),
    "rule stop_words": (rule(gopher.StopWords), PROSE),
    "rule repetition": (rule(repetition.Repetition), ("a", "\n", "a\n\n", "abcdefgh ")),
    "JSON line": (
        lambda text: list(parse_line(text.encode())),
        ("{\"a\":", "[", "1", "\"\\", "9" * 400 + ",", "-", "1e"),
    ),
    "stored line": (lambda text: decode(b'{"text":"' + text.encode() + b'","n":1.10}'), ("a", "1", "1.5,", "-")),
    "id": (before_mark, ("#", "#1", "a", "1", "\n#")),
    "record": (lambda text: as_object("{" + text), ("{", "\"a\":", "[")),
    "redaction": (redacted, SECRETS),
    "defusing": (defused, SPELLED),
    "pieces": (CUT.split, PROSE),
    "words": (words_of, PROSE),
    "exact duplicates": (canonical, ("a ", "e\u0301", "\u0301", "\n")),
    "one line": (normalize, ("\n", "\r", "\u2028", "a")),
    "fastText markup": (escape_markup, ("__label__", "</s>", "</s> ", " ", "_")),
    "stop words": (stop_word_share, PROSE),
    "DataMan reply": (parse_rating, ("4\n", "\n", "C")),
    "DataMan text": (
        lambda text: BARE_IMAGE.sub("", LEADING_ELLIPSIS.sub("", text)),
        ("![](", "![", "(", " ", "\"...\""),
    ),
    "chunks": (chunk, (*PROSE, *BLOCKS)),
    "line kinds": (line_kinds, (*LINKS, *BLOCKS)),
    "verbatim": (lambda text: cut_around(text, {"code", "table", "badge"}, 0, chunk), (*LINKS[:6], *BLOCKS[:2])),
    "numbered lines": (lambda text: show(number_lines(text)), (*BLOCKS, *PROSE)),
    "edits": (lambda text: apply_edits("a b c\n\nd e f\n\n" * 50, "Edits:\n" + text), EDIT_LINES),
    "edits of a line": (lambda text: apply_edits(text, "Edits:\n" + "[1] cut a\n" * 50), ("a", "a ", " ")),
    "completion": (
        lambda text: read_completion(f"{SENTINEL}\n{text}", "A page."),
        (*ANSWERS, "I'm sorry ", *BLOCKS[:2]),
    ),
    "completion of such a page": (
        lambda text: read_completion(f"{SENTINEL}\nI'm sorry, no.", text),
        (*ANSWERS, "the user "),
    ),
    "completion between fences": (
        lambda text: read_completion(f"{SENTINEL}\n{text.strip()}\n{text}\n~~~~", "x"), ("~", "`", "~~~~\n", "````\n"),
    ),
    "form of a completion": (lambda text: format_ok("<think>" + text + SENTINEL), (" ", "<think>", "\n", "</think>")),
    "numbers kept": (lambda text: numbers_kept(text, text), ("1", "1,", "1.1:", "1%", "/1")),
    "addresses kept": (lambda text: urls_kept(text, text), ("http://", "www.", "https:", "http://a.", "http://a*")),
    "facts": (lambda text: facts(text, ""), ("1", "1,", "a A", "https://a", "www.", "1%", ".")),
    "search": (terms, ('"', "a ", "-", "* ", '"a" ')),
    "snippet": (lambda text: snippet(text, ['"a"', '"a b" *']), PROSE),
    "names kept": (lambda text: names_kept(text, text), ("a A", "a A'", "A", "a A\u2019")),
    "content kept": (long_words, PROSE),
    "lexical F1": (lambda text: lexical_f1(text, "a b"), PROSE),
    "novel n-grams": (lambda text: novel_ngrams("a b", text), ("a'", "a_", "a")),
    "duplicate n-grams": (duplicate_ngrams, ("a'", "a_", "a")),
    "noise removed": (lambda text: noise_removed(text, "a", "b"), ("|", "a'", "-")),
    "articles": (runs, ("a_", "a")),
    "blocks": (block_shares, ("[", "![", "`a<", "*", "_", "> ", "* a\n", "a|b\n-|-\n", "[]", "{}")),
    "structure verdict": (read_verdict, ("1", " ", "</think>")),
    "neutralised": (neutralised, SPELLED),
    "injections": (injections, SPELLED),
    "decision": (
        lambda text: read_decision(text, "general_verifier"),
        ("final ", "final decision ", "Final Decision: ", "*"),
    ),
    "decision by letter": (lambda text: read_decision(text, "compass"), ("A ", "A", "<think>")),
    "decision by word": (lambda text: read_decision(f"a{text}b", "x"), ("\n", "correct ", "not ", "answer is ", "IN")),
    "upgrade letter": (caught(read_letter), (*ANSWERS, "A ")),
    "choice": (lambda text: read_choice(text, ("A", "B", "C")), (*ANSWERS, "A ", "A", "B, ", "(A", "verdict ", "**")),
    "story plan": (extract_plan, ("In summary: ", "</think>", "<think>", "\n")),
    "answer": (answer_part, ANSWERS),
    "boxes": (boxes, ANSWERS),
    "last box": (last_box, ANSWERS),
    "joint boxes": (joint_boxes, (*ANSWERS, "\\boxed{1} ")),
    "answer tag": (last_answer_tag, ANSWERS),
    "fences": (fences, (*ANSWERS, "```python\n", "```\na\n```\n")),
    "number": (number, ("1", "1,", "1 ", "\\frac{", "10^", "-", " ")),
    "literal": (caught(literal), ("[", "{", "1,", "\"", "'", "\"\\", "(")),
    "brackets": (lambda text: list(balanced(text, "[")), ("[", "]", "[]", "[[]")),
    "tables": (caught(lambda text: [caught(read_table, form)(text) for form in FORMS]), TABLES),
    "table asked for": (caught(target_format), TABLES),
    "script": (script_block, ("```", "```\n", "def f(")),
    "program": (lambda text: defining_block(text, ["f"]), ("```", "def f(", "def f():\n", "@")),
    "final answer": (final_answer, ANSWERS),
    "plain answer": (plain, ("1,", "$", ".", " ")),
    "language": (language, ("a ", "\u0430", "a_", "_")),
    "chapters": (split_chapters, ("CHAPTER I\n\n", "1.\n\n", "\n", "I", "THE END\n", "*** ")),
    "story section": (lambda text: section(text, STORY), ("### Previous Chapter\n", "\n\n###", "### ")),
    "clean runs": (lambda text: list(clean_runs(text)), (*PROSE, "* a\n", "A b.\n")),
    "passage sentences": (sentences, PROSE),
    "furniture": (lambda text: [list(remnants(text)), list(notices(text))], (*PROSE, "a b\n", "| a\n")),
}  # fmt: skip
TEXTS = sorted({unit for _, units in READERS.values() for unit in units})


class TooSlow(Exception):
    """The time is up."""


def cpu_s(read, text, most):
    """CPU seconds that a reader takes; it is stopped a little above `most`."""
    import signal
    import time

    def stop(*_):
        raise TooSlow

    before = signal.signal(signal.SIGVTALRM, stop)
    gc.disable()  # as timeit does: a collection goes through all that the tests before this one left behind
    signal.setitimer(signal.ITIMER_VIRTUAL, 1.5 * most)
    began = time.process_time()
    try:
        read(text)
    except TooSlow:
        pass
    finally:
        gc.enable()
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    return time.process_time() - began


def text_of(unit, size=SIZE):
    return (unit * (size // len(unit) + 1))[:size]


def too_slow(name, units):
    """The texts on which a reader takes too long, with the seconds; the best of three tries on a busy machine."""
    read = READERS[name][0]
    found = {}
    for unit in units:
        took = cpu_s(read, text := text_of(unit), MOST_S)
        for _ in range(2):
            took = took if took <= MOST_S else min(took, cpu_s(read, text, MOST_S))
        if took > MOST_S:
            found[unit] = round(took, 2)
    return found


@pytest.mark.parametrize("name", READERS)
def test_a_megabyte_of_the_worst_text_is_read_in_a_second(name):
    units = READERS[name][1]
    # one of the texts at full size, and all those on which growth with the square shows at a tenth
    drawn = random.Random(name).sample(units, 1)
    grows = [unit for unit in units if cpu_s(READERS[name][0], text_of(unit, SIZE // 10), MOST_S) > 0.15 * MOST_S]
    assert too_slow(name, dict.fromkeys([*grows, *drawn])) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_a_megabyte_of_any_text_is_read_in_a_second(name):
    assert too_slow(name, TEXTS) == {}


def test_a_list_of_phrases_is_looked_for_in_a_second(tmp_path):
    (tmp_path / "list").write_text("\n".join(["a a a b", "c++", "...!", "aaab", *(f"phrase {n}" for n in range(100))]))
    find = phrase_pattern(str(tmp_path / "list")).search
    assert all(cpu_s(find, text_of(unit), MOST_S) < MOST_S for unit in ("a ", ".", "c+", "phrase "))
