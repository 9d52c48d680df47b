"""The `transformers` back-end: batches of similar length, rows leave a batch as they finish.

transformers' own `generate` keeps every row until the last has finished and draws all rows from one random stream;
here a row that ends is taken out of the batch and its cache, and each draws from its own seed.
"""

import time
from typing import Any

import torch

from common.engines.config import TransformersEngineConfig
from common.engines.requests import Completion, Engine, Request, load_tokenizer, overdue, too_long
from common.engines.stopping import StopFinder
from common.weights import context_length, find_model


class _Row:
    """A request being answered."""

    def __init__(self, request: Request, ids: list[int]) -> None:
        self.request = request
        self.ids = ids
        self.began = self.began_batch = time.monotonic()
        self.out: list[int] = []
        self.generator = torch.Generator().manual_seed(request.seed) if request.temperature > 0 else None
        self.stopping: StopFinder | None = None

    def done(self, text: str, finish: str) -> Completion:
        seconds = time.monotonic() - self.began
        return Completion(self.request.id, text, finish, len(self.ids), len(self.out), seconds)  # type: ignore[arg-type]


class TransformersEngine(Engine):
    """A causal language model from a Hugging Face folder, in this process."""

    def __init__(self, config: TransformersEngineConfig, model: str) -> None:
        from transformers import AutoModelForCausalLM

        self.model = model
        self.limit = config.window
        self.batch_size = config.batch_size
        self.chat_template_kwargs = config.chat_template_kwargs
        self.tokenizer = load_tokenizer(model)
        if config.device != "auto":
            self.device = torch.device(config.device)
        else:
            self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        dtype = "float32" if config.dtype == "auto" and self.device.type == "cpu" else config.dtype
        self._threads_before = torch.get_num_threads()
        if config.threads and self.device.type == "cpu":
            torch.set_num_threads(config.threads)
        self.lm = AutoModelForCausalLM.from_pretrained(find_model(model), dtype=dtype).to(self.device).eval()
        self.dtype = str(self.lm.dtype).removeprefix("torch.")
        self.max_model_len = context_length(self.lm.config)
        self.end_ids = _end_ids(self.lm, self.tokenizer)
        self._waiting: list[_Row] = []
        self._failed: list[Completion] = []

    def _submit(self, request: Request) -> None:
        ids = self.render(request)
        if not ids:
            self._failed.append(Completion.failed(request.id, "the prompt has no tokens"))
        elif self.max_model_len is not None and len(ids) + request.max_tokens > self.max_model_len:
            self._failed.append(too_long(request, len(ids), self.max_model_len))
        else:
            row = _Row(request, ids)
            if request.stop:
                row.stopping = StopFinder(request.stop, self._text, self.tokenizer.all_special_ids)
            self._waiting.append(row)

    def _collect(self) -> list[Completion]:
        if self._failed:
            failed, self._failed = self._failed, []
            return failed
        return self._generate(self._next_batch())

    def _next_batch(self) -> list[_Row]:
        """The oldest request and those nearest to it in length: little padding, and nobody waits for ever."""
        oldest = self._waiting[0]
        by_length = sorted(self._waiting, key=lambda row: (len(row.ids), row.request.id))
        place = by_length.index(oldest)
        start = max(0, min(place - self.batch_size // 2, len(by_length) - self.batch_size))
        batch = by_length[start : start + self.batch_size]
        chosen = set(map(id, batch))
        self._waiting = [row for row in self._waiting if id(row) not in chosen]
        return batch

    def _abort(self) -> None:
        self._waiting.clear()
        self._failed.clear()

    def close(self) -> None:
        """Drop the model and give the CPU threads back."""
        torch.set_num_threads(self._threads_before)
        del self.lm

    @torch.inference_mode()
    def _generate(self, rows: list[_Row]) -> list[Completion]:
        """Decode a batch to its end.

        Prompts are padded on the left, and positions count from each row's first token: the model sees what it would
        see alone, up to the order in which sums are taken.
        """
        from common.engines.growing_cache import growing_cache

        longest = max(len(row.ids) for row in rows)
        pad = self.end_ids[0] if self.end_ids else 0
        ids = torch.tensor([[pad] * (longest - len(row.ids)) + row.ids for row in rows], device=self.device)  # [B, T]
        lengths = torch.tensor([len(row.ids) for row in rows], device=self.device)
        mask = (torch.arange(longest, device=self.device) >= longest - lengths[:, None]).long()  # [B, T]
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        cache = growing_cache(self.lm.config)
        finished: list[Completion] = []
        for row in rows:
            row.began_batch = time.monotonic()  # waiting for a batch is no fault of a request's
        while True:
            logits = self.lm(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]  # [B, V]
            tokens = self._choose(logits.float(), rows)
            going = []
            for index, (row, token) in enumerate(zip(rows, tokens.tolist(), strict=True)):
                row.out.append(token)
                completion = self._finished(row)
                if completion is None:
                    going.append(index)
                else:
                    finished.append(completion)
            if not going:
                return finished
            if len(going) < len(rows):
                keep = torch.tensor(going, device=self.device)
                rows = [rows[index] for index in going]
                tokens, mask, positions = tokens[keep], mask[keep], positions[keep]
                cache.batch_select_indices(keep)
            ids = tokens[:, None]
            positions = positions[:, -1:] + 1
            mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)

    def _choose(self, logits: torch.Tensor, rows: list[_Row]) -> torch.Tensor:
        """The next token of each row, [B]; a row's draw depends on its own logits, settings and seed alone."""
        for index, row in enumerate(rows):
            if row.request.repetition_penalty != 1.0:
                logits[index] = penalised(logits[index], row.ids + row.out, row.request.repetition_penalty)
        tokens = logits.argmax(-1)
        drawn = [index for index, row in enumerate(rows) if row.generator is not None]
        if not drawn:
            return tokens
        some = [rows[index] for index in drawn]
        draws = [torch.rand(1, generator=row.generator).item() for row in some]
        temperatures = logits.new_tensor([row.request.temperature for row in some])
        top_p = logits.new_tensor([row.request.top_p for row in some])
        top_k = torch.tensor([row.request.top_k for row in some], device=logits.device)
        tokens[drawn] = sample(logits[drawn] / temperatures[:, None], top_p, logits.new_tensor(draws), top_k)
        return tokens

    def _finished(self, row: _Row) -> Completion | None:
        if row.out[-1] in self.end_ids:
            return row.done(self._text(row.out[:-1]), "stop")
        before = row.stopping.add(row.out[-1]) if row.stopping else None
        if before is not None:
            return row.done(before, "stop")
        if len(row.out) == row.request.max_tokens:
            return row.done(self._text(row.out), "length")
        seconds = time.monotonic() - row.began_batch
        if row.request.deadline_s is not None and seconds > row.request.deadline_s:
            return overdue(row.request, len(row.ids), seconds)
        return None

    def _text(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def penalised(logits: torch.Tensor, seen: list[int], penalty: float) -> torch.Tensor:
    """[V] logits in which the tokens seen so far are less likely: divided by the penalty if positive, else multiplied.

    Source: CTRL (arXiv:1909.05858), in the form that transformers and vLLM give it.
    """
    places = torch.tensor(sorted(set(seen)), device=logits.device)
    found = logits[places]
    changed = logits.clone()
    changed[places] = torch.where(found > 0, found / penalty, found * penalty)
    return changed


def sample(
    logits: torch.Tensor, top_p: torch.Tensor, draws: torch.Tensor, top_k: torch.Tensor | None = None
) -> torch.Tensor:
    """Nucleus sampling from uniform draws: the least set of likeliest tokens with mass `top_p`, then its inverse CDF.

    Args:
        logits: [B, V].
        top_p: [B] in (0, 1].
        draws: [B] in [0, 1).
        top_k: [B] likeliest tokens that the nucleus is taken from; 0, or None for all rows: all of them.

    Returns:
        [B] token ids.
    """
    probabilities, order = logits.softmax(-1).sort(dim=-1, descending=True, stable=True)  # [B, V]
    if top_k is not None and bool((top_k > 0).any()):
        rank = torch.arange(logits.shape[-1], device=logits.device)
        probabilities = probabilities.masked_fill((rank >= top_k[:, None]) & (top_k[:, None] > 0), 0.0)
        probabilities = probabilities / probabilities.sum(-1, keepdim=True)
    mass = probabilities.cumsum(-1)
    # A token is in while the mass before it is below top_p; the first always is.
    kept = probabilities.masked_fill(mass - probabilities >= top_p[:, None], 0.0)
    kept[:, 0] = probabilities[:, 0]
    mass = kept.cumsum(-1)
    place = torch.searchsorted(mass, (draws * mass[:, -1])[:, None], right=True)
    last = (kept > 0).sum(-1, keepdim=True) - 1
    return order.gather(-1, torch.minimum(place, last)).squeeze(-1)


def _end_ids(lm: Any, tokenizer: Any) -> list[int]:
    """Tokens that end a completion: the generation config's and the tokenizer's own."""
    declared = lm.generation_config.eos_token_id
    ids = declared if isinstance(declared, list) else [declared]
    return sorted({i for i in [*ids, tokenizer.eos_token_id] if i is not None})
