"""Select the data: score pools, keep the best of each, remove duplicates and test items, mix into one pool.

Usage:
    python -m filter.run CONFIG.yaml source_ref_paths=ORGANIC,RECYCLED output_dir=OUT
    python -m filter.run configs/filter/repro.yaml source_ref_paths=ORGANIC,RECYCLED output_dir=OUT workers=16
    python -m filter.run CONFIG.yaml source_ref_paths=POOL output_dir=OUT tokens_for=411m_1x tokenizer=FOLDER

Sources are matched with `source_ref_paths` in order: the first rule is for the first pool, and so on. A pool is a
folder, a glob, a file, an fsspec URL, or a DCLM dataset reference (`.json` with `dataset_url`). The output is one pool
of shards, each document with its scores, its `token_count` and the `source` it came from, and `dataset.json`, which
says what was kept of each source and why: thresholds, tokens, histograms, counts of every step by reason.

Every step leaves its pool under `work`; a rerun of the same command skips what is done, and another selection over the
same scores reuses them when it names the same `work`.

Differs from the paper (arXiv:2510.10681):
    1. The recycled threshold is solved for the budget (the paper's number is not published), exact to one document;
       `exact: false` keeps all documents that tie at it.
    2. Duplicates and test items can be taken out (`dedup`, `decontaminate`); neither is on unless asked for.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from common.config import HOW, CommaList, RunConfig, parse, usage_errors
from common.documents import FORMS
from filter.decontaminate import DecontaminateConfig
from filter.dedup import AnyDedup
from filter.heuristics import AnyHeuristic
from filter.mix import AnyMix, Union
from filter.quality import AnyScorerConfig
from filter.scales import scale_tokens
from filter.select import All, AnyRule, Budget
from filter.tokens import TokenCountConfig


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

    output_dir: Annotated[str, HOW] = "runs/filtered"
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
    """Of the order of the documents and of what is drawn when a source comes a fraction of a time."""

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

    def token_count(self) -> TokenCountConfig:
        """How tokens are counted."""
        return TokenCountConfig(tokenizer=self.tokenizer, bytes_per_token=self.bytes_per_token)

    def work_folder(self) -> str:
        """Where the steps leave their pools."""
        return self.work or f"{self.output_dir.rstrip('/')}/steps"


def main(argv: list[str] | None = None) -> None:
    """Read the command line, run the recipe, print what was kept."""
    config = parse(FilterConfig, __doc__, argv, plan=_plan)
    from filter.recipe import Recipe
    from filter.summary import table

    with usage_errors():
        recipe = Recipe(config)
        recipe.check()
        # whether the pools can fill a budget is known only after scoring, and is a user's mistake too
        dataset = recipe.run()
    print(table(dataset))  # noqa: T201 - the command's output
    figures = {"output_dir": config.output_dir, **{name: dataset[name] for name in ("documents", "tokens")}}
    print(json.dumps(figures))  # noqa: T201 - the command's output


def _plan(config: FilterConfig) -> dict[str, Any]:
    from filter.recipe import Recipe

    recipe = Recipe(config)
    recipe.check()
    return recipe.plan()


if __name__ == "__main__":
    main()
