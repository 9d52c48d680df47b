"""The `vllm` back-end: the one module that imports vLLM, GPU or CPU build alike."""

import itertools
import time
from dataclasses import replace
from typing import Any

from common.engines.config import VLLMEngineConfig
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
        self.engine = LLMEngine.from_engine_args(
            EngineArgs(
                model=find_model(model),
                dtype=config.dtype,
                tensor_parallel_size=config.tensor_parallel_size,
                gpu_memory_utilization=config.gpu_memory_utilization,
                enforce_eager=config.enforce_eager,
                disable_log_stats=True,
                **{name: value for name, value in named.items() if value is not None},
                **config.options,
            )
        )
        self.model = model
        self.devices = config.tensor_parallel_size
        self.limit = config.in_flight
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
            steps = self.engine.step()
            finished = [self._completion(one) for one in steps if one.finished and one.request_id in self._running]
            finished += self._overdue()
        return finished

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
