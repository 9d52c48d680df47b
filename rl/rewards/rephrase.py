"""Rewards of the web rephraser: quality gained, meaning, structure and length kept, format right.

`r = 3 quality + semantic + structure + length + format` (arXiv:2510.10681; the paper lists the first four, its released
code adds format). x is the organic text, x' its rephrasing (`rl.rewards.pairs`); without x' the quality is 0 - D(x),
all others but format are 0, and no judge or scorer is asked. `rl.rewards.kept` has what the paper has not.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator, model_validator

from eval.faithfulness.measures import length_ok, length_ratio, lexical_f1
from eval.faithfulness.structure import markdown_similarity
from eval.judges.judge import JudgeConfig
from eval.judges.structure import StructureJudge
from filter.scorers.kinds import AnyScorerConfig
from rephrase.text.postprocess import Profile, format_ok
from rl.rewards.base import Batch, Reward, RewardConfig, Scores, Value
from rl.rewards.pairs import (
    ComparedConfig,
    Pair,
    PairReward,
    PairRewardConfig,
    ReadingReward,
    answer_forms,
    read_once,
)

if TYPE_CHECKING:
    from eval.faithfulness.bert_scorer import BertScorer

Mode = Literal["threshold", "continuous"]


class QualityConfig(PairRewardConfig):
    """D(x') - D(x): how much better the rephrasing scores than its document."""

    kind: Literal["quality"] = "quality"

    scorer: AnyScorerConfig
    """What judges quality: `dataman` (the paper), `fasttext` or `classifier`."""

    scale: Literal["raw", "one_to_five"] = "raw"
    """`raw` for scores from 1 to 5 (DataMan); `one_to_five` puts a probability p there: 1 + 4 p (ours)."""

    base_field: str = ""
    """Column with D(x) in the scorer's own units, such as `dataman_score`; rows without it are scored once (cached)."""

    @field_validator("scorer", mode="before")
    @classmethod
    def _skip_what_fails(cls, scorer: Any) -> Any:
        # A rating that fails is skipped and counted here; in a filter it stops the run.
        dataman = isinstance(scorer, dict) and scorer.get("kind") == "dataman"
        return {"on_failure": "skip", **scorer} if dataman else scorer

    def needs_servers(self) -> list[str]:
        """DataMan's."""
        return [self.scorer.url] if self.scorer.kind == "dataman" else []


class SemanticConfig(ComparedConfig):
    """1 if the rephrasing means the same: similarity at or above a threshold."""

    kind: Literal["semantic"] = "semantic"

    measure: Literal["bertscore", "lexical"] = "bertscore"
    """BERTScore F1 of an encoder (the paper), or F1 of content words (ours; needs no model)."""

    threshold: float = Field(0.65, ge=0, le=1)
    """0.65 for BERTScore (arXiv:2510.10681); 0.5 suits `lexical`."""

    mode: Mode = "threshold"
    """`continuous` (ours): the similarity itself."""

    model: str = "microsoft/deberta-large-mnli"
    """Encoder for BERTScore: hub name or folder (arXiv:2510.10681)."""

    layer: int = Field(18, ge=1)
    """Encoder layer whose states are compared (arXiv:2510.10681)."""

    max_tokens: int = Field(2048, ge=8)
    """Longest text encoded at once; what the paper had is unpublished (512 or no limit)."""

    long: Literal["windows", "truncate"] = "windows"
    """A longer text: all of it, in overlapping windows (ours), or its beginning alone (the paper; counted)."""

    device: str = ""
    """Where the encoder runs, such as `cuda:0`; empty: a GPU if there is one."""


class StructureConfig(ComparedConfig):
    """1 if paragraphs, lists, tables, headings and code stayed what they were."""

    kind: Literal["structure"] = "structure"

    measure: Literal["judge", "markdown"] = "markdown"
    """An LLM judge (the paper: Qwen3-4B), or the comparison of Markdown blocks (ours; needs no model)."""

    mode: Mode = "threshold"
    """`continuous` (ours, `markdown` only): the similarity itself."""

    judge: JudgeConfig | None = None
    """The judge's server."""

    @model_validator(mode="after")
    def _judge_has_a_server(self) -> "StructureConfig":
        if self.measure == "judge" and (self.judge is None or not self.judge.url):
            raise ValueError("structure by a judge needs its server: set judge.url and judge.model")
        if self.measure == "judge" and self.mode == "continuous":
            raise ValueError("a judge says 0 or 1; mode continuous needs measure markdown")
        return self

    def needs_servers(self) -> list[str]:
        """The judge's."""
        return [self.judge.url] if self.measure == "judge" and self.judge else []


class LengthConfig(ComparedConfig):
    """1 for a rephrasing about as long as its document, else 0; lengths in characters."""

    kind: Literal["length"] = "length"

    min_ratio: float = Field(0.2, ge=0)
    """Shortest rephrasing that earns 1, per character of the document; the paper has no floor (0)."""

    max_ratio: float = Field(1.25, gt=0)
    """Longest rephrasing that earns 1, per character of the document (arXiv:2510.10681)."""

    mode: Mode = "threshold"
    """`continuous` (ours): past the ceiling the reward falls in a straight line, to 0 at a ratio 0.75 higher."""


class FormatConfig(RewardConfig):
    """1 if the completion opens as its model's template asks, with exactly one sentinel."""

    kind: Literal["format"] = "format"

    profile: Profile = "auto"
    """`qwen3`: empty think block, blank line, sentinel; `olmo2`: sentinel; `auto`: either (ours)."""


class QualityReward(ReadingReward):
    """See `QualityConfig`."""

    kind = "quality"

    def __init__(self, config: QualityConfig) -> None:
        from filter.scorers.kinds import open_quality_scorer

        super().__init__(config)
        self.scorer = open_quality_scorer(config.scorer)
        self.base_field = config.base_field
        self.five = config.scale == "one_to_five"
        self.cache: dict[bytes, Value] = {}

    def score(self, batch: Batch) -> Scores:
        """D(x') - D(x); 0 - D(x) for a completion that cannot be read."""
        texts = [reading.text for reading in self.read(batch)]
        bases = self.base_scores(batch)
        readable = [text for text in texts if text]
        judged = iter(self.scorer.score(readable) if readable else [])
        news = [self._scaled(next(judged)) if text else 0.0 for text in texts]
        values: list[Value] = []
        reasons = []
        for new, base in zip(news, bases, strict=True):
            values.append(None if new is None or base is None else new - base)
            reasons.append("no_base_score" if base is None else "no_score" if new is None else "")
        return Scores(values, reasons, {"score": news, "base": bases})

    def base_scores(self, batch: Batch) -> list[Value]:
        """[B] D(x): the rows' own, or computed once for each text."""
        texts = batch.column("text")
        given: Sequence[Any] = batch.columns.get(self.base_field, ()) or [None] * len(texts)
        keys = [blake2b(text.encode(), digest_size=16).digest() for text in texts]
        missing = {
            key: text
            for key, text, known in zip(keys, texts, given, strict=True)
            if known is None and self.cache.get(key) is None  # a text that got no score is asked about again
        }
        if missing:
            self.cache.update(zip(missing, self.scorer.score(list(missing.values())), strict=True))
        return [
            self._scaled(self.cache[key] if known is None else float(known))
            for key, known in zip(keys, given, strict=True)
        ]

    def _scaled(self, value: Value) -> Value:
        return 1 + 4 * value if self.five and value is not None else value


class SemanticReward(PairReward):
    """See `SemanticConfig`."""

    kind = "semantic"

    def __init__(self, config: SemanticConfig) -> None:
        super().__init__(config)
        self.config = config
        self.encoder = _open_encoder(config) if config.measure == "bertscore" else None

    def judge(self, pairs: Sequence[Pair]) -> Scores:
        """1 where F1 >= threshold - 1e-6: in float32 a score of 0.65 is below 0.65."""
        parts: dict[str, Any] = {}
        if self.encoder is None:
            f1 = [lexical_f1(pair.organic, pair.rephrased) for pair in pairs]
        else:
            f1 = self.encoder.f1([pair.rephrased for pair in pairs], [pair.organic for pair in pairs])
            parts["truncated"] = [float(cut) for cut in self.encoder.truncated]
        passed = [float(value >= self.config.threshold - 1e-6) for value in f1]
        return Scores.of(f1 if self.config.mode == "continuous" else passed, f1=f1, **parts)


def _open_encoder(config: SemanticConfig) -> "BertScorer":
    from eval.faithfulness.bert_scorer import BertScorer  # brings torch

    return BertScorer(config.model, config.layer, config.max_tokens, config.long, config.device or None)


class StructureReward(PairReward):
    """See `StructureConfig`."""

    kind = "structure"

    def __init__(self, config: StructureConfig) -> None:
        super().__init__(config)
        self.continuous = config.mode == "continuous"
        self.judged = StructureJudge(config.judge) if config.measure == "judge" and config.judge else None

    def judge(self, pairs: Sequence[Pair]) -> Scores:
        """The judge's 1 or 0, or the comparison of blocks."""
        if self.judged:
            values, reasons = self.judged.verdicts([(pair.organic, pair.rephrased) for pair in pairs])
            return Scores(values, reasons)
        found = [markdown_similarity(pair.organic, pair.rephrased) for pair in pairs]
        sims = [similarity.sim for similarity in found]
        return Scores.of(sims if self.continuous else [float(each.passed) for each in found], sim=sims)


class LengthReward(PairReward):
    """See `LengthConfig`."""

    kind = "length"

    def __init__(self, config: LengthConfig) -> None:
        super().__init__(config)
        self.config = config

    def judge(self, pairs: Sequence[Pair]) -> Scores:
        """1 between floor and ceiling, both included."""
        ratios = [length_ratio(pair.organic, pair.rephrased) for pair in pairs]
        return Scores.of([self._value(*row) for row in zip(pairs, ratios, strict=True)], ratio=ratios)

    def _value(self, pair: Pair, ratio: float) -> float:
        low, high = self.config.min_ratio, self.config.max_ratio
        if length_ok(pair.organic, pair.rephrased, low, high):
            return 1.0
        if self.config.mode == "threshold" or ratio < low:
            return 0.0
        return max(0.0, 1 - (ratio - high) / 0.75)


class FormatReward(Reward):
    """See `FormatConfig`."""

    kind = "format"

    def __init__(self, config: FormatConfig) -> None:
        super().__init__(config.name)
        self.profile = config.profile

    def score(self, batch: Batch) -> Scores:
        """1 for the right opening, whatever follows and however it ended; logs what reading the text came to."""
        forms = answer_forms(batch)
        status = [
            read_once(text, organic, batch.finish_reason(row), form).status
            for row, (text, organic, form) in enumerate(
                zip(batch.completions, batch.column("text"), forms, strict=True)
            )
        ]
        opened = [format_ok(text, self.profile, form) for text, form in zip(batch.completions, forms, strict=True)]
        return Scores.of([float(right) for right in opened], status=status)


REWARDS: tuple[type[Reward], ...] = (
    QualityReward,
    SemanticReward,
    StructureReward,
    LengthReward,
    FormatReward,
)
