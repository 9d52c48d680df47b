"""BERTScore F1 with any encoder, equal to the bert-score package."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from common.weights import find_model

if TYPE_CHECKING:
    import torch


class Encoded(NamedTuple):
    """A text's tokens as the encoder sees them."""

    states: "torch.Tensor"
    """[T, D] unit vectors, special tokens included."""

    weights: "torch.Tensor"
    """[T] 1 for a token of the text, 0 for the opening and closing special tokens."""


class BertScorer:
    """Scores pairs of texts.

    Args:
        model: encoder's folder or hub name.
        layer: the layer whose states are compared; later ones are not computed.
        max_tokens: longest text in tokens, special ones included.
        long: a longer text is encoded in windows that overlap by a quarter, or cut off (`truncate`, as by the package).
        device: `cuda` if there is one, else `cpu`, if not given.
        batch_tokens: tokens encoded together, padding included: if not given 16,384 on a GPU and 512 on a CPU, whose
            cores one text keeps busy and whose caches many do not fit.

    Raises:
        ValueError: the encoder has fewer layers, or no position for so many tokens.
    """

    def __init__(
        self,
        model: str,
        layer: int = 18,
        max_tokens: int = 2048,
        long: Literal["windows", "truncate"] = "windows",
        device: str | None = None,
        batch_tokens: int | None = None,
    ) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer

        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.tokenizer = AutoTokenizer.from_pretrained(find_model(model))
        self.model = AutoModel.from_pretrained(find_model(model), dtype=torch.float32).to(self.device).eval()
        layers = self.model.config.num_hidden_layers
        if layer > layers:
            raise ValueError(f"{model} has {layers} layers, so no layer {layer}; give layer={layers} or less")
        blocks: Any = getattr(getattr(self.model, "encoder", None), "layer", None)
        self.cut = blocks is not None
        if self.cut:
            self.model.encoder.layer = blocks[:layer]
        _check_positions(self.model.config, model, max_tokens)
        self.layer, self.max_tokens, self.long = layer, max_tokens, long
        self.batch_tokens = batch_tokens or (512 if self.device == "cpu" else 16_384)
        self.special = {self.tokenizer.cls_token_id, self.tokenizer.sep_token_id}
        self.truncated: list[bool] = []
        """Of the last call: whether either text of a pair was cut."""

    def f1(self, candidates: Sequence[str], references: Sequence[str]) -> list[float]:
        """F1 of each candidate against its reference; 0 where a side is blank.

        `F1 = 2 P R / (P + R)`; P = mean over candidate tokens of the best cosine to a reference token, R the reverse.
        Special tokens can be matched and have no weight in the means, as in the package.
        """
        texts = list(dict.fromkeys(text.strip() for text in (*candidates, *references)))
        ids = {text: self._ids(text) for text in texts if text}
        encoded = self._encode(ids)
        scores = []
        self.truncated = []
        for candidate, reference in zip(candidates, references, strict=True):
            pair = candidate.strip(), reference.strip()
            over = any(len(ids.get(text, ())) > self.max_tokens for text in pair)
            self.truncated.append(over and self.long == "truncate")
            known = [encoded[text] for text in pair if text in encoded]
            scores.append(_f1(*known) if len(known) == 2 else 0.0)
        return scores

    def _ids(self, text: str) -> list[int]:
        if type(self.tokenizer).__name__.startswith(("Roberta", "GPT2")):
            text = f" {text}"  # the package asks these for a leading space
        return self.tokenizer.encode(text, add_special_tokens=True)

    def _windows(self, ids: list[int]) -> Iterator[tuple[list[int], slice]]:
        """Pieces of a text with its first and last special tokens, and which of their states are used."""
        if len(ids) <= self.max_tokens or self.long == "truncate":
            yield ids if len(ids) <= self.max_tokens else [*ids[: self.max_tokens - 1], ids[-1]], slice(None)
            return
        first, content, last = ids[0], ids[1:-1], ids[-1]
        width = self.max_tokens - 2
        overlap = width // 4
        starts = range(0, max(len(content) - overlap, 1), width - overlap)
        for start in starts:
            piece = content[start : start + width]
            opening = 0 if start == 0 else 1 + overlap // 2  # the outer half of an overlap lacks context
            closing = None if start == starts[-1] else 1 + len(piece) - (overlap - overlap // 2)
            yield [first, *piece, last], slice(opening, closing)

    def _encode(self, ids: dict[str, list[int]]) -> dict[str, Encoded]:
        import torch

        pieces = [(text, *piece) for text, tokens in ids.items() for piece in self._windows(tokens)]
        order = sorted(range(len(pieces)), key=lambda index: len(pieces[index][1]))
        states: dict[int, torch.Tensor] = {}
        for batch in self._batches(order, [len(tokens) for _, tokens, _ in pieces]):
            length = max(len(pieces[index][1]) for index in batch)
            padding = self.tokenizer.pad_token_id or 0
            rows = [pieces[index][1] + [padding] * (length - len(pieces[index][1])) for index in batch]
            mask = [[1] * len(pieces[index][1]) + [0] * (length - len(pieces[index][1])) for index in batch]
            hidden = self._forward(torch.tensor(rows), torch.tensor(mask))  # [B, T, D]
            for row, index in enumerate(batch):
                states[index] = hidden[row, : len(pieces[index][1])][pieces[index][2]]
        joined: dict[str, Encoded] = {}
        for text in ids:
            mine = [index for index, piece in enumerate(pieces) if piece[0] == text]
            tokens = [token for index in mine for token in pieces[index][1][pieces[index][2]]]
            weights = torch.tensor([float(token not in self.special) for token in tokens], device=self.device)
            joined[text] = Encoded(torch.cat([states[index] for index in mine]), weights)
        return joined

    def _batches(self, order: Sequence[int], lengths: Sequence[int]) -> Iterator[list[int]]:
        batch: list[int] = []
        for index in order:  # from short to long: the last one added is the longest
            if batch and (len(batch) + 1) * lengths[index] > self.batch_tokens:
                yield batch
                batch = []
            batch.append(index)
        if batch:
            yield batch

    def _forward(self, ids: "torch.Tensor", mask: "torch.Tensor") -> "torch.Tensor":
        import torch

        with torch.inference_mode():
            output = self.model(
                input_ids=ids.to(self.device), attention_mask=mask.to(self.device), output_hidden_states=not self.cut
            )
            hidden = output.last_hidden_state if self.cut else output.hidden_states[self.layer]
            return torch.nn.functional.normalize(hidden, dim=-1)


def _f1(candidate: Encoded, reference: Encoded) -> float:
    if not candidate.weights.any() or not reference.weights.any():
        return 0.0
    similarity = candidate.states @ reference.states.T  # [T candidate, T reference]
    precision = (similarity.amax(1) * candidate.weights).sum() / candidate.weights.sum()
    recall = (similarity.amax(0) * reference.weights).sum() / reference.weights.sum()
    f1 = 2 * precision * recall / (precision + recall)
    return float(f1) if precision + recall != 0 else 0.0


def _check_positions(config: object, model: str, max_tokens: int) -> None:
    positions = getattr(config, "max_position_embeddings", None)
    # DeBERTa's positions are relative: it runs past its 512.
    if positions and not getattr(config, "relative_attention", False) and max_tokens > positions:
        raise ValueError(f"{model} has {positions} positions; set max_tokens to {positions} or less, not {max_tokens}")
