"""The steps of a filter recipe, one after the other, each resumable: score, select, dedup, decontaminate, mix."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from common.config import RunConfig, config_hash
from common.hashing import step_hash
from common.pools.inputs import refuse_overlap
from common.pools.marks import read_mark, refuse_other
from common.pools.shards import Shard, list_shards
from common.pools.stats import refuse_no_documents, sum_stats
from common.pools.storage import exists, is_remote, join, make_folder
from common.runs.folder import Run, run_folder, write_json
from common.runs.launch import keep_workers, run_shards
from common.scales import scale_tokens
from common.tokens.counting import open_counter
from filter.contamination.items import WORDS, open_index
from filter.contamination.step import decide_contamination, scan_shard, treat_shard
from filter.content import Names, by_content, keep_names
from filter.duplicates.step import decide_duplicates, drop_shard, ngram_shards, sign_shard
from filter.mixing.megadocuments import join_shard
from filter.mixing.planning import plan_shards
from filter.mixing.shares import Share, epochs, fit, share_of
from filter.mixing.step import MixJob, gather_shard, index_shard, pool_columns
from filter.mixing.versions import settle_sources
from filter.notes import PassJob
from filter.pool import Pool, first_parquets, missing_shards, refuse_changed, remember_inputs, resolve
from filter.rules.kinds import check, heuristics_shard
from filter.scorers.fast_text import FastTextConfig
from filter.scorers.kinds import open_quality_scorer, scores_hash
from filter.scorers.simple import SimpleConfig
from filter.selection.cut import Cut, solve, solved
from filter.selection.records import Spool, records_path
from filter.selection.rules import Budget
from filter.selection.scoring_step import ScoreJob, score_shard
from filter.selection.selecting_step import (
    SelectJob,
    first_select_hash,
    refuse_no_scores,
    score_figures,
    select_hash,
    select_shard,
    selection_figures,
)
from filter.steps import Stats, read_or_count, stands
from filter.summary import dataset_figures, refuse_nothing_left

if TYPE_CHECKING:
    from filter.config import FilterConfig, SourceRule
    from filter.contamination.config import DecontaminateConfig
    from filter.duplicates.config import ExactDedup, MinHashDedup, NgramDedup

log = logging.getLogger("repro.filter")

Made = TypeVar("Made")
"""What a step makes of a shard."""


class Recipe:
    """A filter run: `check` what it needs, then `run` it."""

    def __init__(self, config: "FilterConfig") -> None:
        self.config = config
        self.work = config.work_folder()
        self.hash = ""
        self.named = config
        self.names: Names = {}
        self.inputs: dict[str, list[Shard]] = {}
        self.steps: list[Stats] = []
        self.reports: list[dict[str, Any]] = []
        self.contamination: dict[str, dict[str, int]] | None = None
        self.tokens: dict[str, int] = {}
        self.documents: dict[str, int] = {}
        self.unreadable: list[str] = []

    def check(self) -> None:
        """Find what is missing before any work starts.

        Raises:
            ValueError: a pool, a model or a tokenizer is not there, or the output folder holds another recipe's output.
        """
        if not self.config.source_ref_paths:
            raise ValueError("no pool to select from; give source_ref_paths=POOL[,POOL]")
        self.inputs = {rule.name: list_shards(resolve(path)) for rule, path in self._sources()}
        self.given = [shard.path for shards in self.inputs.values() for shard in shards[:1]]
        for scorer in self.config.scorers:
            open_quality_scorer(scorer)
        open_counter(self.config.token_count())
        check(self.config.heuristics)
        if self.config.decontaminate:
            open_index(self.config.decontaminate)
        self.config.refuse_unscored()
        self.named, self.names = by_content(self.config, self.work)
        self.hash = scores_hash(self.named, self.config.scorers)
        shards = [shard.path for of_source in self.inputs.values() for shard in of_source]
        for place in {self.config.output_dir, self.config.work or self.config.output_dir}:
            refuse_overlap(place, [*map(resolve, self.config.source_ref_paths), *shards])
        record = join(self.config.output_dir, "dataset.json")
        if exists(record):
            refuse_other(self.config.output_dir, read_mark(record)["config_hash"], self.hash)

    def _sources(self) -> Iterator[tuple["SourceRule", str]]:
        return zip(self.config.used(), self.config.source_ref_paths, strict=False)

    def plan(self) -> dict[str, Any]:
        """What would be read and written."""
        reads = [f"{len(shards)} shards as {name!r}" for name, shards in self.inputs.items()]
        unused = [rule.name for rule in self.config.sources[len(self.inputs) :]]
        return {
            "reads": ", ".join(reads),
            **({"no pool for": ", ".join(unused)} if unused else {}),
            "writes": f"{self.config.output_dir} (steps in {self.work})",
        }

    def run(self) -> dict[str, Any]:
        """Run all steps, after `check` if it was not called, and return the content of `dataset.json`.

        Raises:
            ValueError: what `check` raises; or a budget cannot be met.
        """
        if not self.inputs:
            self.check()
        record = join(self.config.output_dir, "dataset.json")
        logs = run_folder(self.config.output_dir, "filter")
        pools = {resolve(path): self.inputs[rule.name] for rule, path in self._sources()}
        if exists(record):
            refuse_changed(logs, pools)
            dataset = read_mark(record)
            lost = next(missing_shards(self.config.output_dir, dataset["shards"], self.config.form), None)
            if lost is None:
                return dataset
            log.warning("%s: %s is gone; it is made again", self.config.output_dir, lost)
        make_folder(self.config.output_dir)
        keep_names(self.work, self.names)
        self.records = (logs, self.work)
        for folder in self.records:
            refuse_changed(folder, pools)
            remember_inputs(folder, pools)
        with keep_workers(self.config.workers):
            if is_remote(self.config.output_dir):
                return self._run(None)
            with Run(run_folder(self.config.output_dir, "filter"), self.config, seed=self.config.seed) as run:
                return self._run(run)

    def _run(self, run: Run | None) -> dict[str, Any]:
        self.logger = run
        sources: list[dict[str, Any]] = []
        pools: list[Pool] = []
        for rule, path in self._sources():
            content = path
            if self.config.heuristics and rule.heuristics:
                content = self._heuristics(rule, path)
            pool, figures = self._choose(rule, path, content, sources)
            pools.append(pool)
            sources.append(figures)
        for number, dedup in enumerate(self.config.dedup):
            pools = self._ngrams(pools, number, dedup) if dedup.kind == "ngram" else self._dedup(pools, number, dedup)
        if self.config.decontaminate:
            pools = self._decontaminate(pools, self.config.decontaminate)
        if self.config.megadocument > 1:
            pools = self._join(pools, self.config.megadocument)
        dataset = self._mix(pools, sources)
        refuse_nothing_left(dataset)
        write_json(join(self.config.output_dir, "dataset.json"), dataset)
        return dataset

    def _heuristics(self, rule: "SourceRule", path: str) -> str:
        """Send one source through the heuristic rules; what is left is its input from here on. Gives its hash."""
        hash_ = step_hash("heuristics", path, [config_hash(one) for one in self.config.heuristics])
        folder = self._folder("heuristics", hash_, rule.name)
        work = partial(heuristics_shard, folder=folder, hash_=hash_, rules=self.config.heuristics)
        self._first_step("heuristics", rule.name, self.inputs[rule.name], work, path)
        self.inputs[rule.name] = list_shards(folder)
        return hash_

    def _choose(
        self, rule: "SourceRule", path: str, content: str, before: Sequence[dict[str, Any]]
    ) -> tuple[Pool, dict[str, Any]]:
        """Score one source and select from it; `content` names what is in it, `before` are the sources before it."""
        shards, field = self.inputs[rule.name], self.config.score_field(rule)
        score = self._score_job(rule, content)
        cut = solved(rule.select)  # known before anything is scored: the same pass scores and selects
        select = self._select_job(rule, score, cut) if cut else None
        step = partial(self._first_step, path=path) if content == path else self._step
        step("score", rule.name, shards, partial(score_shard, job=replace(score, select=select)))
        readable = [shard for shard in shards if shard.path not in self.unreadable]
        records = [records_path(score.folder, shard) if shard in readable else None for shard in shards]
        with Spool(records, field, ties=isinstance(rule.select, Budget)) as columns:
            if cut is None:
                kept = [one for one in before if one["name"] in getattr(rule.select, "minus", [])]
                try:
                    cut = solve(rule.select, columns, sum(one["tokens_selected"] for one in kept))
                except ValueError as error:
                    raise ValueError(f"{rule.name}: {error}") from None
            scores = score_figures(columns, cut, field)
        job = select or self._select_job(rule, score, cut)
        stats = self._step("select", rule.name, readable, partial(select_shard, job=job))
        refuse_no_scores(stats, field, path)
        if rule.rephrase:
            routed = replace(job, folder=self._routed(rule), hash=step_hash(job.hash, "to_rephrase"), routed=True)
            self._run_shards(partial(select_shard, job=routed), readable, f"route {rule.name}")
        figures = {
            "name": rule.name,
            "path": path,
            "documents_in": stats["docs_in"],
            "documents_selected": stats["docs_out"],
            "tokens_in": stats.get("tokens_in", 0),
            "tokens_selected": stats.get("tokens_out", 0),
            "scorer": field,
            "select": selection_figures(rule.select, cut),
            **scores,
        }
        return Pool(rule.name, job.folder, job.hash), figures

    def _score_job(self, rule: "SourceRule", content: str) -> ScoreJob:
        fields = [scorer.field for scorer in self.config.scorers]
        if rule.field and rule.field not in fields:
            fields.append(rule.field)
        scorers = [scores_hash(scorer, [scorer]) for scorer in self.config.scorers]
        tokens = self.config.token_count()
        hash_ = step_hash("score", content, scorers, fields, config_hash(self.named.token_count()))
        folder = self._folder("score", hash_, rule.name)
        quick = all(isinstance(scorer, FastTextConfig | SimpleConfig) for scorer in self.config.scorers)
        part_docs = 10_000 if quick else 1000  # a few seconds of work
        return ScoreJob(folder, hash_, tuple(self.config.scorers), tuple(fields), tokens, part_docs)

    def _select_job(self, rule: "SourceRule", scored: ScoreJob, cut: Cut) -> SelectJob:
        field = self.config.score_field(rule)
        identity = (scored.hash, rule.name, field, cut, rule.rephrase)
        hash_, first = select_hash(*identity), first_select_hash(*identity)
        before = self._folder("select", first, rule.name)
        found = {stands(before, first), stands(self._routed(rule), step_hash(first, "to_rephrase"))}
        if True in found and False not in found:
            log.warning("%s was selected by an earlier version and is unchanged: it stands", before)
            hash_ = first
        folder = self._folder("select", hash_, rule.name)
        ties = isinstance(rule.select, Budget)
        return SelectJob(folder, scored.folder, hash_, rule.name, field, cut, rule.rephrase, ties=ties)

    def _routed(self, rule: "SourceRule") -> str:
        """Where a source's documents go that are to be rephrased."""
        return join(self.config.output_dir, f"to_rephrase/{rule.name}")

    def _dedup(self, pools: Sequence[Pool], number: int, config: "ExactDedup | MinHashDedup") -> list[Pool]:
        """Exact or near duplicates: sign, decide, rewrite."""
        step = f"dedup_{config.kind}"
        jobs = [(pool, *self._job(pool, step, pools, number, config)) for pool in pools]
        for pool, job, shards in jobs:
            self._run_shards(partial(sign_shard, job=job), shards, f"sign {pool.name}")
        decide_duplicates([(job, shards) for _, job, shards in jobs])
        after = []
        for pool, job, shards in jobs:
            self._step(step, pool.name, shards, partial(drop_shard, job=job))
            after.append(Pool(pool.name, job.output, job.hash))
        return after

    def _ngrams(self, pools: Sequence[Pool], number: int, config: "NgramDedup") -> list[Pool]:
        """The n-gram rule: groups of shards side by side, each in order through a filter of its own."""
        jobs = {pool.name: self._job(pool, "dedup_ngram", pools, number, config) for pool in pools}
        chains = [[name] for name in jobs] if config.across == "ignore" else [list(jobs)]
        for chain in chains:
            in_order = [(shard, jobs[name][0]) for name in chain for shard in jobs[name][1]]
            sequences = [
                [one for one in in_order if one[0].index % config.groups == group] for group in range(config.groups)
            ]
            groups = [Shard(group, "", f"group {group}") for group in range(config.groups)]
            found = self._run_shards(partial(ngram_shards, sequences=sequences), groups, f"dedup {' '.join(chain)}")
            rows = [row for group in found for row in group]
            self.reports += [{"step": "dedup_ngram", "sources": chain, **one} for folder, one in rows if not folder]
            for name in chain:
                self._count("dedup_ngram", name, [one for folder, one in rows if folder == jobs[name][0].output])
        return [Pool(pool.name, jobs[pool.name][0].output, jobs[pool.name][0].hash) for pool in pools]

    def _decontaminate(self, pools: Sequence[Pool], config: "DecontaminateConfig") -> list[Pool]:
        """Scan for evaluation items, decide which n-grams count, then report, drop or cut."""
        jobs = [(pool, *self._job(pool, "decontaminate", pools, 0, config)) for pool in pools]
        for pool, job, shards in jobs:
            self._run_shards(partial(scan_shard, job=job), shards, f"scan {pool.name}")
        counted, tasks = decide_contamination([(pool.name, job, shards) for pool, job, shards in jobs])
        found = {"action": config.action, "ngrams_counted": len(counted), "tasks": tasks}
        write_json(join(self.config.output_dir, "decontamination.json"), found)
        after = []
        for pool, job, shards in jobs:
            self._step("decontaminate", pool.name, shards, partial(treat_shard, job=job, counted=counted))
            after.append(Pool(pool.name, job.output, job.hash))
        self.contamination = {
            task: {source: one["items"] for source, one in figures["sources"].items()}
            for task, figures in tasks.items()
        }
        return after

    def _join(self, pools: Sequence[Pool], size: int) -> list[Pool]:
        """Rollouts of one page as one document."""
        after = []
        for pool in pools:
            hash_ = step_hash("megadocument", pool.hash, size)
            folder = self._folder("megadocument", hash_, pool.name)
            work = partial(join_shard, output=folder, size=size, tokens=self.config.token_count(), config_hash=hash_)
            self._step("megadocument", pool.name, list_shards(pool.folder), work)
            after.append(Pool(pool.name, folder, hash_))
        return after

    def _job(
        self, pool: Pool, step: str, pools: Sequence[Pool], number: int, config: RunConfig
    ) -> tuple[PassJob, list[Shard]]:
        # a verdict on one source may depend on all of them
        named = (self.named.decontaminate if step == "decontaminate" else None) or config
        parts = [step, number, [one.hash for one in pools], pool.name, config_hash(named)]
        hash_ = step_hash(*parts, *([WORDS] if step == "decontaminate" else []))
        folder = self._folder(f"{number}_{step}" if "dedup" in step else step, hash_, pool.name)
        job = PassJob(join(folder, "notes"), folder, hash_, config, self.config.token_count())
        return job, list_shards(pool.folder)

    def _mix(self, pools: Sequence[Pool], sources: list[dict[str, Any]]) -> dict[str, Any]:
        config = self.config
        shards = {pool.name: list_shards(pool.folder) for pool in pools}
        tokens, documents = self.tokens, self.documents
        often = epochs(config.mix, tokens)
        scale = scale_tokens(config.tokens_for) if config.tokens_for else None
        if scale:
            often = fit(often, tokens, scale)
        shares: dict[str, Share] = {}
        for name, amount in often.items():
            whole = float(amount).is_integer()
            shares[name] = share_of(amount, [] if whole else pool_columns(shards[name], config.seed))
        fields = {rule.name: config.score_field(rule) for rule in config.used()}
        settled = settle_sources(shards, fields, config.both_versions)
        total = sum(round(documents[name] * amount) for name, amount in often.items())
        buckets = max(1, -(-total // config.shard_docs))
        hash_ = step_hash("mix", self.hash, [pool.hash for pool in pools])
        mix = self._folder("mix", hash_, "")
        old, schemas = settled.old_ids, first_parquets(self.given) if config.form == ".parquet" else ()
        job = MixJob(mix, config.output_dir, config.seed, self.hash, config.form, old, schemas)
        for name, of_source in shards.items():
            work = partial(index_shard, job=job, source=name, share=shares[name], dropped=settled.drops[name])
            unique = tokens[name]
            stats = self._step("mix", name, of_source, work)
            figures = next(one for one in sources if one["name"] == name)
            figures["documents"] = stats["docs_out"]
            figures["tokens"] = stats["tokens"]
            figures["tokens_unique"] = unique
            figures["epochs"] = round(often[name], 6)
        targets = [Shard(number, "", f"shard_{number:08d}") for number in range(buckets)]
        found = [(name, shard) for name, of_source in shards.items() for shard in of_source]
        plan_shards(job, found, targets)
        gathered = self._run_shards(partial(gather_shard, job=job, shards=found), targets, "write")
        return {
            **dataset_figures(config, sources, settled.both, gathered, config.training_tokens or scale),
            "filters": self.reports,
            "contaminated_items": self.contamination,
            "config_hash": self.hash,
            "sources": sources,
            "steps": self.steps,
            **({"unreadable": self.unreadable} if self.unreadable else {}),
        }

    def _step(self, step: str, source: str, shards: Sequence[Shard], work: Callable[[Shard], Stats]) -> Stats:
        """Run a step over a source's shards; its counts go into the record, its seconds into the run's metrics."""
        return self._count(step, source, self._run_shards(work, shards, f"{step} {source}"))

    def _first_step(
        self, step: str, source: str, shards: Sequence[Shard], work: Callable[[Shard], Stats], path: str
    ) -> None:
        """The step that reads a source as the user gave it: what was read is remembered by its content."""
        stats = self._run_shards(partial(read_or_count, work=work), shards, f"{step} {source}")
        for folder in self.records:
            remember_inputs(folder, {resolve(path): shards}, stats)
        refuse_no_documents(sum_stats(stats), path)
        self._count(step, source, stats)
        self.unreadable += [name for one in stats for name in one.get("unreadable", ())]

    def _count(self, step: str, source: str, stats: Sequence[Stats]) -> Stats:
        total = sum_stats(stats)
        seconds = total.pop("seconds", 0.0)
        counts = {key: value for key, value in total.items() if key not in ("config_hash",)}
        lost = counts["docs_in"] - (counts["docs_out"] - counts.get("copies", 0)) - sum(counts["drops"].values())
        if lost:
            raise RuntimeError(f"{step} {source}: {lost} documents are unaccounted for")
        self.steps.append({"step": step, "source": source, **counts})
        self.documents[source] = counts["docs_out"]
        self.tokens[source] = counts.get("tokens_out", 0)
        if self.logger:
            self.logger.log({"step_name": step, "source": source, **counts, "seconds": round(seconds, 3)})
        return counts

    def _run_shards(self, work: Callable[[Shard], Made], shards: Sequence[Shard], label: str) -> list[Made]:
        return run_shards(work, shards, workers=self.config.workers, cluster=self.config.cluster, label=label)

    def _folder(self, step: str, hash_: str, source: str) -> str:
        return join(self.work, f"{step}-{hash_[:8]}" + (f"/{source}" if source else ""))
