"""FilterConfig and SourceRule: a filter recipe."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from common.config import HOW, CommaList, Out, RunConfig
from common.pools.documents import FORMS
from common.scales import scale_tokens
from common.tokens.counting import TokenCountConfig
from filter.contamination.config import DecontaminateConfig
from filter.duplicates.config import AnyDedup
from filter.mixing.shares import AnyMix, Union
from filter.rules.kinds import AnyHeuristic
from filter.scorers.kinds import AnyScorerConfig
from filter.selection.rules import All, AnyRule, Budget


class SourceRule(RunConfig):
    """One source pool: its name and what is kept of it."""

    name: str = Field(pattern=r"^[\w.-]+$")
    """What its documents carry as `source`."""

    select: AnyRule = All()
    """What to keep: all, threshold, fraction or budget."""

    field: str | None = None
    """The score to select by; None takes the first scorer's."""

    rephrase: tuple[float, float] | None = None
    """Documents that are not kept and score from the first number to below the second are routed to rephrasing: they
    become the pool `<output_dir>/to_rephrase/<source>`. All others are discarded."""

    heuristics: bool = True
    """Whether the recipe's heuristics apply to this source; rephrasings of filtered pages may go without."""


class FilterConfig(RunConfig):
    """A filter recipe."""

    source_ref_paths: CommaList = []
    """The source pools, in the order of `sources`."""

    output_dir: Annotated[str, HOW, Out(folder=True)] = "runs/filtered"
    """Folder for the selected pool."""

    work: Annotated[str | None, HOW] = None
    """Folder for what the steps leave; None takes `<output_dir>/steps`."""

    sources: list[SourceRule] = [SourceRule(name="organic"), SourceRule(name="recycled")]
    """A rule for each source, in order; rules beyond the pools given are not used."""

    heuristics: list[AnyHeuristic] = []
    """Rules that every document passes before it is scored, in order; none for a pool that was filtered already."""

    scorers: list[AnyScorerConfig] = []
    """Scores to compute, all in one pass; without any, the documents already hold the fields that the rules name."""

    tokenizer: str | None = None
    """Folder with the training tokenizer; needed for token budgets."""

    bytes_per_token: float | None = Field(None, gt=0)
    """Estimate tokens from bytes instead (GPT-NeoX on web text: 4.3); `dataset.json` says so."""

    dedup: list[AnyDedup] = []
    """Rules for duplicates, one after the other; none is the paper's way, whose pool has none left."""

    decontaminate: DecontaminateConfig | None = None
    """Evaluation items to look for; None looks for none."""

    mix: AnyMix = Union()
    """How the selected sources are put together."""

    both_versions: Literal["allow", "prefer_best", "prefer_recycled"] = "allow"
    """A page that is kept as organic and as recycled text: both (the paper), the better scored, or the recycled one."""

    megadocument: int = Field(1, ge=1)
    """Rollouts of one page that are joined to one document, as many as are left of them; 1 joins none."""

    tokens_for: str | None = None
    """A pretraining scale (`411m_1x`, `1b_1x` …): of the mix, a seeded choice of documents with as many tokens as the
    scale trains on, so that one pass over them is the whole run. None takes the whole mix."""

    training_tokens: int | None = Field(None, gt=0)
    """Tokens the training run will see, to tell how often it will see each (RePro: 28.8e9); None: those of
    `tokens_for`."""

    seed: int = 0
    """Seed of the documents' order, and of the draw where only a part of a source is taken."""

    shard_docs: int = Field(10_000, ge=1)
    """Documents per output shard, about; one such shard is held in memory."""

    form: str = ".jsonl.zst"
    """How the output shards are stored."""

    workers: Annotated[int, HOW] = Field(1, ge=1)
    """Processes on this machine."""

    cluster: Annotated[Literal["local", "ray"], HOW] = "local"
    """Where the shards are worked on."""

    @model_validator(mode="after")
    def _fits(self) -> "FilterConfig":
        if len(self.source_ref_paths) > len(self.sources):
            pools, rules = len(self.source_ref_paths), len(self.sources)
            raise ValueError(f"{pools} pools in source_ref_paths for {rules} sources; give each a rule")
        names = [source.name for source in self.sources]
        if len(set(names)) < len(names):
            raise ValueError(f"two sources have one name: {', '.join(names)}")
        for number, source in enumerate(self.sources):
            for other in source.select.minus if isinstance(source.select, Budget) else []:
                if other not in names[:number]:
                    raise ValueError(f"{source.name}: minus names {other!r}, which is no source before it")
        if self.form not in FORMS:
            raise ValueError(f"form {self.form!r} is none of {', '.join(FORMS)}")
        fields = [scorer.field for scorer in self.scorers]
        if len(set(fields)) < len(fields):
            raise ValueError(f"two scorers write one field ({', '.join(fields)}); give each its own field")
        needs_tokens = [s.name for s in self.used() if isinstance(s.select, Budget)]
        if needs_tokens and not (self.tokenizer or self.bytes_per_token):
            name = needs_tokens[0]
            raise ValueError(f"{name} has a token budget; set tokenizer=PATH (or bytes_per_token to estimate)")
        if self.tokens_for:
            scale_tokens(self.tokens_for)
            if not (self.tokenizer or self.bytes_per_token):
                raise ValueError("tokens_for needs token counts; set tokenizer=PATH (or bytes_per_token to estimate)")
        if self.tokenizer and self.bytes_per_token:
            raise ValueError("give tokenizer or bytes_per_token, not both")
        return self

    def used(self) -> list[SourceRule]:
        """The rules that have a pool."""
        return self.sources[: len(self.source_ref_paths)]

    def score_field(self, source: SourceRule) -> str | None:
        """The score a source is selected by; None where there is none."""
        return source.field or (self.scorers[0].field if self.scorers else None)

    def refuse_unscored(self) -> None:
        """Raises:
        ValueError: a source is selected by a score that nothing gives it.
        """
        for rule in self.used():
            if self.score_field(rule) is None and not isinstance(rule.select, All):
                raise ValueError(
                    f"{rule.name} is selected by score, and nothing is scored; add a scorer, or name a field"
                )

    def token_count(self) -> TokenCountConfig:
        """How tokens are counted."""
        return TokenCountConfig(tokenizer=self.tokenizer, bytes_per_token=self.bytes_per_token)

    def work_folder(self) -> str:
        """Where the steps leave their pools."""
        return self.work or f"{self.output_dir.rstrip('/')}/steps"
