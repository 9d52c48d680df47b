"""The rephrase stage's config."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from common.claims.config import ClaimsConfig
from common.config import ADDED, HOW, Out, RunConfig
from common.engines.config import EngineConfig, VLLMEngineConfig
from common.runs.launch import Cluster
from rephrase.gate.config import GateConfig
from rephrase.health import HealthConfig
from rephrase.text.chunking import MAX_CHARS, MIN_TAIL
from rephrase.text.prompts import PromptName, SystemName

LineKind = Literal["code", "table", "math", "link", "badge", "contents"]


class RouteConfig(RunConfig):
    """Rephrase only documents whose score lies in a range; what to do with the others."""

    field: str
    """Name of the score, as `filter` wrote it."""

    min_score: float | None = None
    """Least score that is rephrased."""

    max_score: float | None = None
    """Greatest score that is rephrased."""

    outside: Literal["keep", "discard"] = "keep"
    """`keep` passes them on unchanged, `discard` drops them; both are counted."""

    def takes(self, document: Mapping[str, Any]) -> bool | None:
        """Whether a document is to be rephrased; None where it has no such score."""
        score = document.get(self.field)
        if not isinstance(score, int | float):
            return None
        return (self.min_score is None or score >= self.min_score) and (
            self.max_score is None or score <= self.max_score
        )


class RephraseConfig(RunConfig):
    """Rephrase shards START to END of a pool, both included."""

    start: Annotated[int | None, HOW] = None
    """Number of the first shard, from 0; null: the first there is."""

    end: Annotated[int | None, HOW] = None
    """Number of the last shard; null: the last there is."""

    input: str
    """The pool: folder, glob, file or fsspec URL, such as `hf://datasets/owner/name@REVISION/folder`."""

    output: Annotated[str, HOW, Out(folder=True)]
    """Where the recycled pool goes."""

    model: str
    """Hugging Face folder, or a hub's `owner/name[@REVISION]`; for a server, the name it serves."""

    engine: EngineConfig = VLLMEngineConfig()
    """Back-end: `vllm`, `transformers` or `server`, or a mapping with its settings."""

    prompt: PromptName = "repro"
    """A prompt of `rephrase/text/prompts.py`."""

    prompt_file: str | None = None
    """A text file with `{text}` in it, in place of the named prompt."""

    system: SystemName = "assistant"
    """The system line: `assistant` (the original), `paraphraser` (the model card), `none`."""

    no_think: bool = False
    """Append Qwen3's ` /no_think` to the system line."""

    max_new_tokens: int = Field(2048, ge=1)
    """Longest completion (arXiv:2510.10681)."""

    temperature: float = Field(1.0, ge=0)
    """0 takes the likeliest token (and makes a second attempt pointless, so there is none)."""

    top_p: float = Field(0.9, gt=0, le=1)
    """Nucleus of the sampling (arXiv:2510.10681)."""

    seed: int = 42
    """Seed of the sampling; each request's own seed also depends on the document's id, the chunk, the rollout and the
    attempt."""

    cut: Literal["pauses", "blind"] = "pauses"
    """Where chunks end: where the text pauses, or after `max_chars` wherever that is, joined by a space (original)."""

    max_chars: int = Field(MAX_CHARS, ge=1)
    """Longest chunk in characters."""

    max_chunk_tokens: int | None = Field(None, ge=1)
    """Longest chunk in tokens; null: what a rephrasing 1.25 times as long can hold within `max_new_tokens`."""

    max_chunk_lines: Annotated[int | None, ADDED] = Field(None, ge=1)
    """Most lines of a chunk that are not blank; null: any number. For models that lose count of numbered lines."""

    min_tail: int = Field(MIN_TAIL, ge=0)
    """A last chunk shorter than this borrows from the one before."""

    verbatim: Annotated[list[LineKind], ADDED] = []
    """Kinds of blocks that never reach the model and return as they stand: code, table, math, link, badge, contents."""

    min_chunk_words: Annotated[int, ADDED] = Field(0, ge=0)
    """A chunk of prose with fewer words passes as it stands too."""

    carry: Literal["none", "previous_output"] = "none"
    """`previous_output` shows each chunk the end of the rephrasing before it; a document's chunks then go in turn."""

    retries: int = Field(1, ge=0)
    """Further attempts, with new seeds, at a chunk whose completion is not usable."""

    gate: Annotated[GateConfig, ADDED] = GateConfig()
    """Checks of every chunk's faithfulness; all off by default."""

    on_bad_chunk: Literal["drop_document", "keep_organic", "drop_chunk"] = "drop_document"
    """What to do with a chunk that failed for good."""

    rollouts_per_document: int = Field(1, ge=1)
    """Rephrasings per document; with more than one, ids end in #0, #1, ..."""

    select_best: Literal["none", "faithful"] = "none"
    """`faithful` keeps the rollout with the highest lexical F1 + structure similarity within the length limits."""

    route: RouteConfig | None = None
    """Rephrase by score."""

    keep_organic_text: bool = False
    """Keep the original beside the rephrasing, as `organic_text`."""

    scores: bool = False
    """Add lexical F1 (`semantic`) and Markdown similarity (`structure`) to each document's `rephrase` record."""

    record_seconds: bool = False
    """Write generation time into each document's record; a repeated run is then no longer equal to the byte."""

    rejects: bool = True
    """Keep dropped documents, with their reason, in `<shard>.rejects.jsonl`."""

    part_docs: int = Field(1000, ge=1)
    """Documents per committed part: what a kill may cost. Batches of `transformers` do not reach beyond a part."""

    health: Annotated[HealthConfig, HOW] = HealthConfig()
    """When to stop."""

    workers: Annotated[int, HOW] = Field(0, ge=0)
    """Processes, each with an engine, that share the parts of the shards; 0: one per GPU (group), one without GPUs.
    Any number of further commands, on any machine, may work on the same shards at the same time."""

    cluster: Annotated[Cluster, HOW] = "local"
    """Where workers run."""

    claims: Annotated[ClaimsConfig, HOW] = ClaimsConfig()
    """How workers share the parts of shards."""

    verify: Annotated[bool, HOW] = False
    """Check finished shards by the digests of their outputs, not by their lengths alone."""

    logs: Annotated[str | None, HOW] = None
    """Run folder; `_rephrase` inside the output if null."""

    @model_validator(mode="after")
    def _check(self) -> "RephraseConfig":
        if self.select_best != "none" and self.rollouts_per_document == 1:
            raise ValueError("select_best needs rollouts_per_document above 1")
        if self.carry != "none" and self.cut == "blind":
            raise ValueError("carry needs cut=pauses")
        if (self.verbatim or self.min_chunk_words) and (self.cut == "blind" or self.carry != "none"):
            raise ValueError("verbatim and min_chunk_words need cut=pauses and carry=none")
        return self
