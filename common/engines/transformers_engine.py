"""The `transformers` back-end: a row that ends gives its slot to a request that waits (`common.engines.slots`).

transformers' own `generate` keeps every row until the last has finished and draws all rows from one random stream;
here each row draws from its own seed.
"""

import time
from typing import Any

import torch

from common.engines.config import TransformersEngineConfig
from common.engines.requests import Completion, Engine, Request, load_tokenizer, overdue, too_long
from common.engines.slots import SlotUse, open_cells
from common.engines.stopping import StopFinder
from common.weights import context_length, find_model

REFILL = 16
"""Slots are filled again when one in so many is free: reading prompts holds up the rows that are in work."""


class _Row:
    """A request being answered."""

    def __init__(self, request: Request, ids: list[int]) -> None:
        self.request = request
        self.ids = ids
        self.began = self.began_decoding = time.monotonic()
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
        self.limit = max(config.window, config.batch_size)
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
        self.refill = max(1, self.batch_size // REFILL)
        self.cells = open_cells(self.lm.config, self.batch_size, self.device)
        self.slot_use = SlotUse()
        self._running: list[_Row] = []
        self._sorted: list[_Row] = []
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

    @torch.inference_mode()
    def _collect(self) -> list[Completion]:
        finished, self._failed = self._failed, []
        while not finished:
            if min(self.refill, len(self._waiting) + len(self._sorted)) <= self.cells.free() and self._next_is_there():
                finished += self._let_in()
            else:
                finished += self._go_on()
        return finished

    def _next_is_there(self) -> bool:
        """Put those that wait in order, the longest first, each time all of the last order have begun.

        So rows that are decoded together are of similar length, and nobody waits for ever.
        """
        if not self._sorted:
            self._sorted = sorted(self._waiting, key=lambda row: (len(row.ids), row.request.id))
            self._waiting = []
        return bool(self._sorted)

    def _let_in(self) -> list[Completion]:
        """Read the prompts of as many requests as there is room for; those that end with their first token.

        Prompts are padded on the left, and positions count from each row's first token: the model sees what it would
        see alone, up to the order in which sums are taken.
        """
        count = min(self.cells.free(), len(self._sorted))
        rows = [self._sorted.pop() for _ in range(count)]
        for row in rows:
            row.began_decoding = time.monotonic()  # waiting for a slot is no fault of a request's
        before = len(self._running)
        self._running += rows
        mask = self.cells.read([len(row.ids) for row in rows])  # [K, T]
        longest = mask.shape[1]
        pad = self.end_ids[0] if self.end_ids else 0
        ids = torch.tensor([[pad] * (longest - len(row.ids)) + row.ids for row in rows], device=self.device)  # [K, T]
        return self._take(before, self._forward(ids, mask, (mask.long().cumsum(-1) - 1).clamp(min=0)))

    def _go_on(self) -> list[Completion]:
        """One more token for each row; those that end with it."""
        rows = self._running
        self.slot_use.add(len(rows), self.batch_size)
        mask = self.cells.step()
        ids = torch.tensor([[row.out[-1]] for row in rows], device=self.device)
        positions = torch.tensor([[len(row.ids) + len(row.out) - 1] for row in rows], device=self.device)
        return self._take(0, self._forward(ids, mask, positions))

    def _forward(self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """[B, V] logits of the token behind each row's last."""
        return self.lm(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=self.cells.cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]

    def _take(self, first: int, logits: torch.Tensor) -> list[Completion]:
        """Give each row from number `first` on its next token; those that end with it leave their slots."""
        rows = self._running[first:]
        finished, gone = [], []
        for number, (row, token) in enumerate(zip(rows, self._choose(logits.float(), rows).tolist(), strict=True)):
            row.out.append(token)
            completion = self._finished(row)
            if completion is not None:
                finished.append(completion)
                gone.append(first + number)
        if gone:
            self._running = [self._running[number] for number in self.cells.drop(gone)]
        return finished

    def _abort(self) -> None:
        self._waiting.clear()
        self._sorted.clear()
        self._failed.clear()
        self.cells.drop(range(len(self._running)))
        self._running.clear()

    def close(self) -> None:
        """Drop the model and give the CPU threads back."""
        torch.set_num_threads(self._threads_before)
        del self.lm, self.cells

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
        seconds = time.monotonic() - row.began_decoding
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
