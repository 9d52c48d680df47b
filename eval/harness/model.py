"""Our likelihood engine in the shape of an lm-eval model; imports lm-eval, so import it where it is used."""

from collections.abc import Iterator, Sequence
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM
from lm_eval.models.utils import postprocess_generated_text
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from common.command import WorkFailed
from eval.likelihood.trunks import Branch, Scorer, Trunk

Pair = tuple[tuple[str, str], list[int], list[int]]
"""(texts, context ids, continuation ids)"""


class EngineModel(TemplateLM):
    """Scores lm-eval's requests with a `Scorer`: requests with one context share its forward pass.

    Args:
        scorer: of the model.
        tokenizer: the model's.
        folder: the model's Hugging Face folder, for tasks that generate.
        max_length: tokens the model can read.
    """

    def __init__(self, scorer: Scorer, tokenizer: Any, folder: str, max_length: int) -> None:
        super().__init__()
        self.scorer = scorer
        self.tokenizer = tokenizer
        self.folder = folder
        self.max_length = max_length

    @property
    def eot_token_id(self) -> int:
        """The token that ends a text, which also stands before texts without context."""
        return self.tokenizer.eos_token_id

    @property
    def prefix_token_id(self) -> int:
        """BOS, or EOS where there is none, as in lm-eval's own class."""
        bos = self.tokenizer.bos_token_id
        return self.eot_token_id if bos is None else bos

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **kwargs: Any) -> list[int]:
        """Token ids of a text."""
        flags = {} if add_special_tokens is None else {"add_special_tokens": add_special_tokens}
        bos = self.tokenizer.bos_token
        if add_special_tokens is None and bos and string.startswith(bos):
            flags["add_special_tokens"] = False
        return list(self.tokenizer(string, verbose=False, **flags)["input_ids"])

    def _loglikelihood_tokens(
        self, requests: list[Pair], disable_tqdm: bool = False, **kwargs: Any
    ) -> list[tuple[float, bool]]:
        """Sum of log-probabilities, and greedy match, of each continuation."""
        groups: dict[tuple[int, ...], dict[tuple[int, ...], int]] = {}
        places = []
        for _, context, continuation in requests:
            # The model reads all but the last token; what does not fit goes on the left.
            kept = (context + continuation)[-(self.max_length + 1) :]
            cut = len(kept) - len(continuation)
            if cut < 1:
                raise ValueError(f"a continuation of {len(continuation)} tokens leaves no room in {self.max_length}")
            branches = groups.setdefault(tuple(kept[:cut]), {})
            branch = branches.setdefault(tuple(kept[cut:]), len(branches))
            places.append((tuple(kept[:cut]), branch))
        trunks = [Trunk(ids, [Branch(len(ids), branch) for branch in branches]) for ids, branches in groups.items()]
        scores = dict(zip(groups, self._score(trunks), strict=True))
        found = (scores[context].branches[branch] for context, branch in places)
        return [(float(one.logprobs.sum(dtype="float64")), bool(one.greedy.all())) for one in found]

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = False) -> list[float]:
        """Log-probability of whole texts, in windows that lm-eval cuts."""
        windows = [list(self._windows(request.args[0])) for request in requests]
        pairs: list[Pair] = [(("", ""), *window) for text in windows for window in text]
        scores = iter(self._loglikelihood_tokens(pairs))
        return [sum(next(scores)[0] for _ in text) for text in windows]

    def _windows(self, text: str) -> Iterator[tuple[list[int], list[int]]]:
        rolling = get_rolling_token_windows(
            token_list=self.tok_encode(text),
            prefix_token=self.prefix_token_id,
            max_seq_len=self.max_length,
            context_len=1,
        )
        for window in rolling:
            context, continuation = make_disjoint_window(window)
            yield list(context), list(continuation)

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Completions of prompts, by the generation engine on the same folder."""
        from common.engines.config import TransformersEngineConfig
        from common.engines.open import open_engine
        from common.engines.requests import Request

        asked = []
        for number, request in enumerate(requests):
            prompt, options = request.args
            stop = options.get("until") or []
            asked.append(
                Request(
                    id=str(number),
                    prompt=prompt,
                    max_tokens=int(options.get("max_gen_toks", 256)),
                    temperature=float(options.get("temperature", 1.0)) if options.get("do_sample") else 0.0,
                    top_p=float(options.get("top_p", 1.0)),
                    stop=tuple([stop] if isinstance(stop, str) else stop),
                )
            )
        texts: dict[str, str] = {}
        with open_engine(TransformersEngineConfig(), self.folder) as engine:
            for completion in engine.stream(asked):
                if completion.finish_reason == "error":
                    raise WorkFailed(f"request {completion.request_id}: {completion.error}")
                texts[completion.request_id] = completion.text
        return [postprocess_generated_text(texts[one.id], list(one.stop), None) for one in asked]

    def _score(self, trunks: Sequence[Trunk]) -> list[Any]:
        results = self.scorer.score(trunks)
        for result in results:
            if result.error is not None:
                raise WorkFailed(f"a request could not be scored: {result.error}")
        return results
