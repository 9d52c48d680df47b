"""Rewards that fit any task and read only the completion: tags, repetition, over-length, language."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pydantic import Field, model_validator

from eval.faithfulness.words import words
from rl.rewards.base import NOT_APPLICABLE, Batch, Message, Reward, RewardConfig, Scores, Value, message_text

FUNCTION_WORDS: dict[str, frozenset[str]] = {
    language: frozenset(text.split(" "))
    for language, text in {
        "en": "the of and to in is that for with was as are on be this by it from which not have or were their",
        "de": "der die und das in den von zu mit ist des auf für im dem nicht ein eine als auch es an sich werden",
        "fr": "de la le et les des en du un une est que pour dans qui au sur par plus ne pas avec ce il sont",
        "es": "de la que el en y los del las por un con para una no es al lo como más su se o este",
        "it": "di e il la che in un per del una è non con si da dei le al della sono nel gli ha come",
        "pt": "de a o que e do da em um para com não uma os no se na por mais as dos como ao das",
        "nl": "de van het een en in is dat op te met voor zijn niet aan er om ook als bij maar die door worden",
        "sv": "och i att det som en på är av för med den till inte ett om har de var jag men sig så från",
        "pl": "w i na z do się że nie to jest o od po jak za przez są dla oraz był co ale jego tym",
        "tr": "ve bir bu için ile de da olarak çok en daha olan gibi kadar sonra ne ya her göre ancak",
    }.items()
}
"""Frequent little words by ISO 639-1 code, for languages that share a script."""


class TagsConfig(RewardConfig):
    """1 if the thinking and answer tags stand as asked, else 0 (RLPR, arXiv:2506.18254)."""

    kind: Literal["tags"] = "tags"

    mode: Literal["R1", "R1_nothink"] = "R1"
    """`R1`: <think> </think> <answer> </answer>, each once and in order; `R1_nothink`: the two answer tags."""


class RepetitionConfig(RewardConfig):
    """A penalty for a completion that says one run of words again and again, else 0."""

    kind: Literal["repetition"] = "repetition"

    words: int = Field(10, ge=1)
    """Length of the run (RLPR, arXiv:2506.18254: 10)."""

    times: int = Field(10, ge=2)
    """How often the same run may occur before it counts as repetition (RLPR: 10)."""

    penalty: float = Field(-1.0, le=0)
    """The reward of such a completion."""


class OverlongConfig(RewardConfig):
    """A penalty that grows over the last `buffer` tokens before the limit (DAPO, arXiv:2503.14476)."""

    kind: Literal["overlong"] = "overlong"

    max_tokens: int = Field(ge=1)
    """Longest completion."""

    buffer: int = Field(4096, ge=1)
    """Tokens below the limit in which the penalty sets in."""

    factor: float = Field(1.0, ge=0)
    """Penalty at the limit."""

    @model_validator(mode="after")
    def _buffer_fits(self) -> "OverlongConfig":
        if self.buffer > self.max_tokens:
            raise ValueError(f"buffer {self.buffer} is above max_tokens {self.max_tokens}")
        return self


class LanguageConfig(RewardConfig):
    """1 if the completion is in the wanted language, else 0; nothing to judge where the language cannot be told."""

    kind: Literal["language"] = "language"

    expected: str = "same"
    """ISO 639-1 code or Unicode script (`cyrillic`), or `same`: that of the row's document."""

    column: str = "text"
    """The document's column."""


class TagsReward(Reward):
    """See `TagsConfig`."""

    kind = "tags"

    def __init__(self, config: TagsConfig) -> None:
        super().__init__(config.name)
        self.tags = ["<think>", "</think>", "<answer>", "</answer>"][0 if config.mode == "R1" else 2 :]

    def score(self, batch: Batch) -> Scores:
        """1 or 0 by completion; a `<think>` that the prompt already opened is the completion's."""
        opened = ["<think>" if batch.think_open(row) else "" for row in range(len(batch.completions))]
        return Scores.of(
            [float(self._right(f"{tag}{text}")) for tag, text in zip(opened, batch.completions, strict=True)]
        )

    def _right(self, text: str) -> bool:
        places = [text.find(tag) for tag in self.tags]
        return all(text.count(tag) == 1 for tag in self.tags) and places == sorted(places)


class RepetitionReward(Reward):
    """See `RepetitionConfig`."""

    kind = "repetition"

    def __init__(self, config: RepetitionConfig) -> None:
        super().__init__(config.name)
        self.config = config

    def score(self, batch: Batch) -> Scores:
        """The penalty or 0 by completion."""
        most = [max(Counter(self._runs(text)).values(), default=0) for text in batch.completions]
        return Scores.of([self.config.penalty if count >= self.config.times else 0.0 for count in most], most=most)

    def _runs(self, text: str) -> Iterator[tuple[str, ...]]:
        # Words end at white space and underscores, as in the released code.
        tokens = re.split(r"[\s_]+", text.strip())
        return zip(*(tokens[start:] for start in range(self.config.words)), strict=False)


class OverlongReward(Reward):
    """See `OverlongConfig`: `min(-(T - (max_tokens - buffer)) / buffer * factor, 0)` for T tokens."""

    kind = "overlong"

    def __init__(self, config: OverlongConfig) -> None:
        super().__init__(config.name)
        self.config = config

    def score(self, batch: Batch) -> Scores:
        """The penalty by completion; not applicable where its tokens are not known."""
        lengths: Sequence[Any] = batch.columns.get("completion_tokens", [None] * len(batch.completions))
        return Scores.of([None if length is None else self._penalty(length) for length in lengths], NOT_APPLICABLE)

    def _penalty(self, tokens: int) -> float:
        config = self.config
        return min(-(tokens - (config.max_tokens - config.buffer)) / config.buffer * config.factor, 0.0)


class LanguageReward(Reward):
    """See `LanguageConfig`."""

    kind = "language"

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__(config.name)
        self.config = config

    def score(self, batch: Batch) -> Scores:
        """1, 0 or None by completion, and the language found."""
        found = [language(text) for text in batch.completions]
        if self.config.expected == "same":
            wanted = [language(message_text(text)) for text in self._documents(batch)]
        else:
            wanted = [self.config.expected.lower()] * len(found)
        values: list[Value] = [float(a == b) if a and b else None for a, b in zip(found, wanted, strict=True)]
        return Scores.of(values, NOT_APPLICABLE, found=found)

    def _documents(self, batch: Batch) -> Sequence[str | list[Message]]:
        return batch.column(self.config.column)


def language(text: str) -> str:
    """ISO 639-1 code of a text in a Latin script, else its script in lower case; "" where that cannot be told.

    Function words decide: at least 5 % of the words, and twice as many as for the next language.

    >>> [language(text) for text in ("It is the end of the day, and that was it.", "Это конец дня", "12 + 3")]
    ['en', 'cyrillic', '']
    """
    script = _script(text)
    if script != "latin":
        return script
    tokens = words(text)
    counts = Counter({code: sum(token in little for token in tokens) for code, little in FUNCTION_WORDS.items()})
    (best, most), (_, next_most) = counts.most_common(2)
    return best if most >= max(0.05 * len(tokens), 2) and most >= 2 * next_most else ""


def _script(text: str) -> str:
    letters = [char for char in text if char.isalpha()]
    names = Counter(re.split(r"[ -]", unicodedata.name(char, "?"), maxsplit=1)[0] for char in letters[:2000])
    if not names:
        return ""
    name, count = names.most_common(1)[0]
    return name.lower() if count > 0.5 * names.total() else ""


REWARDS: tuple[type[Reward], ...] = (
    TagsReward,
    RepetitionReward,
    OverlongReward,
    LanguageReward,
)
