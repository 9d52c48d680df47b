"""DataMan's overall quality score, 1 to 5, from an OpenAI-compatible server that serves the rater.

The rater fills in a form: the text's domain and fourteen criteria, the last one overall, one line each. The model is
tuned to the exact words of its prompt; ours are our own, and a warning says so until `prompt_file` names DataMan's.
"""

import logging
import math
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from common.config import HOW, RunConfig
from common.model_server import RETRIED, Answer, ModelServer
from common.tokens.defuse import Defused

log = logging.getLogger("repro.filter.dataman")

CRITERIA = (
    "Accuracy",
    "Coherence",
    "Language Consistency",
    "Semantic Density",
    "Knowledge Novelty",
    "Topic Focus",
    "Creativity",
    "Professionalism",
    "Style Consistency",
    "Grammatical Diversity",
    "Structural Standardization",
    "Originality",
    "Sensitivity",
    "Overall Score",
)
DOMAINS = "ABCDEFGHIJKLMNO"

SYSTEM = "You are a helpful assistant."
PROMPT = (
    "Score the text below on fourteen criteria, each from 1 to 5, and give the letter of its domain. "
    "Answer with the form's values only, one line each.\n"
    "Text:\n{text}\n\nDomain:_\n" + "\n".join(f"[{number}] {name}:_/5" for number, name in enumerate(CRITERIA, 1))
)
ANSWER_TOKENS = 29
"""15 one-token lines and the 14 newlines between them."""

STOP_IDS = (151643, 151645)
"""Qwen2's end of text and end of turn."""

LEADING_ELLIPSIS = re.compile(r'^\s*["“](?:\.\.\.|…)["”]\s*')
BARE_IMAGE = re.compile(r"!\[\]\([^)!]*+(?:!(?!\[\]\()[^)!]*+)*+\)")


class DataManConfig(RunConfig):
    """Overall score (1 to 5) by a served DataMan rater, `RuPeng/DataMan-1.5B-EN` in the paper (arXiv:2510.10681)."""

    kind: Literal["dataman"] = "dataman"

    url: Annotated[str, HOW] = "http://127.0.0.1:8000/v1"
    """Base URL of the OpenAI-compatible server; `bash scripts/serve.sh dataman` starts one there."""

    model: str = "RuPeng/DataMan-1.5B-EN"
    """The name the server knows the rater by."""

    tokenizer: str | None = None
    """Folder or hub name of the rater's tokenizer, for the token window; None takes `model`."""

    field: str = "dataman_score"
    """Name of the score's field in each document."""

    prompt_file: str | None = None
    """DataMan's released prompt, with `{text}` where the text goes; our own wording if None."""

    expected: bool = False
    """Sum of s times p(s) over the last line's token probabilities, in place of the one written number."""

    window: Literal["head_tail", "mean"] = "head_tail"
    """A text over the limit: its head and tail around `...` (the paper), or the mean score of its pieces."""

    max_chars: int = Field(20_000, ge=2)
    """Over it only the first and last half of it are read (arXiv:2510.10681's code); `mean` has no such limit."""

    max_tokens: int = Field(1_894, ge=2)
    """Longest text in the rater's tokens, applied after `max_chars` and in the same way."""

    seed: int = 1024
    """Seed that is sent with each request; the temperature is 0."""

    prompts_per_request: Annotated[int, HOW] = Field(32, ge=1)
    """Texts in one request."""

    concurrency: Annotated[int, HOW] = Field(8, ge=1)
    """Requests in flight."""

    retries: Annotated[int, HOW] = Field(5, ge=0)
    """Further attempts at a request that fails (no connection, 429, 5xx), each after twice the wait."""

    timeout_s: Annotated[float, HOW] = Field(120, gt=0)
    """Longest wait for a reply."""

    on_failure: Literal["raise", "skip"] = "raise"
    """A request that still fails stops the run, which a rerun continues; `skip` gives its texts no score (rewards)."""


SCORES = ("1", "2", "3", "4", "5")


@dataclass(frozen=True)
class Rating:
    """A form as the rater filled it in."""

    domain: str
    criteria: tuple[int, ...]
    overall: int


def parse_rating(reply: str) -> Rating | None:
    """Read a reply: a domain letter A to O, 13 criteria, the overall score, one line each, all from 1 to 5.

    Returns:
        None for anything else; the released code scored it 0, which is worse than the worst page.

    >>> parse_rating("C\\n4\\n4\\n5\\n3\\n2\\n4\\n2\\n3\\n4\\n3\\n4\\n3\\n5\\n4").overall
    4
    """
    lines = [line.strip() for line in reply.strip().split("\n")]
    if len(lines) != 1 + len(CRITERIA) or len(lines[0]) != 1 or lines[0] not in DOMAINS:
        return None
    if not all(line in SCORES for line in lines[1:]):
        return None
    *criteria, overall = (int(line) for line in lines[1:])
    return Rating(lines[0], tuple(criteria), overall)


def head_and_tail(items: Any, limit: int) -> tuple[Any, Any] | None:
    """First and last half of a limit, or None where everything fits.

    >>> head_and_tail("abcdefgh", 4), head_and_tail("abcd", 4)
    (('ab', 'gh'), None)
    """
    if len(items) <= limit:
        return None
    half = limit // 2
    return items[:half], items[-half:]


def clean(text: str) -> str:
    """Without one leading quoted ellipsis and without images that have no description."""
    return BARE_IMAGE.sub("", LEADING_ELLIPSIS.sub("", text, count=1))


def expected_overall(top_logprobs: Sequence[dict[str, float]]) -> float | None:
    """Mean of the last line's number over the probabilities of `1` to `5`, made to sum to 1; None without any.

    The last line's number is the last place where such a number is the likeliest token: behind it, where the reply
    ends, numbers may stand among the unlikely ones.
    """
    for position in reversed(top_logprobs):
        if position and max(position, key=position.__getitem__).strip() in SCORES:
            weights = [(int(one.strip()), math.exp(value)) for one, value in position.items() if one.strip() in SCORES]
            return sum(score * weight for score, weight in weights) / sum(weight for _, weight in weights)
    return None


class DataManScorer:
    """Asks the server; see `DataManConfig`."""

    def __init__(self, config: DataManConfig) -> None:
        from tokenizers import Tokenizer

        self.config = config
        self.field = config.field
        self.server = ModelServer(
            config.url, retries=config.retries, timeout_s=config.timeout_s, connections=config.concurrency
        )
        if config.prompt_file is None:
            self.prompt = PROMPT
            log.warning(
                "the rater is tuned to DataMan's own prompt; ours differs. Set prompt_file to the released text"
            )
        else:
            if not Path(config.prompt_file).is_file():
                raise ValueError(f"no prompt_file at {config.prompt_file}")
            self.prompt = Path(config.prompt_file).read_text(encoding="utf-8")
            if "{text}" not in self.prompt:
                raise ValueError(f"{config.prompt_file} has no {{text}} where the text would go")
        name = config.tokenizer or config.model
        file = Path(name) / "tokenizer.json"
        try:
            self.tokenizer = Tokenizer.from_file(str(file)) if file.is_file() else Tokenizer.from_pretrained(name)
        except Exception as error:  # the library raises its own bare Exception for a missing file and for no network
            raise ValueError(
                f"no tokenizer at {name} ({error}); set tokenizer to a folder with tokenizer.json"
            ) from None
        added = self.tokenizer.get_added_tokens_decoder().values()
        self.control_names = [token.content for token in added if token.special]
        self.control_text = 0
        """Texts (or pieces of them) so far in which control tokens were broken up."""
        try:
            self.server.models()
        except ValueError as error:
            raise ValueError(f"{error}; start one with `bash scripts/serve.sh dataman`, or set url") from None

    def score(self, texts: Sequence[str]) -> list[float | None]:
        """Overall scores; None where a reply cannot be read (see `on_failure` for requests that fail)."""
        pieces = [(row, piece) for row, text in enumerate(texts) for piece in self.windows(text)]
        size = self.config.prompts_per_request
        groups = [[text for _, text in pieces[start : start + size]] for start in range(0, len(pieces), size)]
        with ThreadPoolExecutor(self.config.concurrency) as pool:
            answers = [answer for group in pool.map(self._ask, groups) for answer in group]
        of_row: dict[int, list[float | None]] = {}
        for (row, _), answer in zip(pieces, answers, strict=True):
            of_row.setdefault(row, []).append(answer)
        return [_mean(of_row.get(row, [])) for row in range(len(texts))]

    def windows(self, text: str) -> list[str]:
        """What the rater reads of a text: all of it, its head and tail, or all its pieces; nothing of a blank text."""
        text = clean(text)
        if not text.strip():
            return []
        limit = self.config.max_tokens
        if self.config.window == "mean":
            spans = self.tokenizer.encode(text, add_special_tokens=False).offsets
            starts = [spans[first][0] for first in range(0, len(spans), limit)]
            return [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
        if (halves := head_and_tail(text, self.config.max_chars)) is not None:
            text = "".join(halves)
        # Cut by character offsets: decoding the ids would turn a character that spans two tokens into two wrong ones.
        spans = self.tokenizer.encode(text, add_special_tokens=False).offsets
        if (parts := head_and_tail(spans, limit)) is not None:
            head, tail = parts
            text = f"{text[: head[-1][1]]}...{text[tail[0][0] :]}"
        return [text]

    def _ask(self, texts: list[str]) -> list[float | None]:
        body = {
            "model": self.config.model,
            "prompt": [self._chat(text) for text in texts],
            "temperature": 0,
            "seed": self.config.seed,
            "max_tokens": ANSWER_TOKENS,
            "stop_token_ids": list(STOP_IDS),
            **({"logprobs": 5} if self.config.expected else {}),
        }
        found = self.server.post("completions", body, lambda answer: self._read_all(answer, len(texts)))
        if isinstance(found, Answer):
            return found.value
        problem = f"{self.config.url} failed {found.tries} times: {found.reason} {found.detail}".rstrip()
        status = found.reason.removeprefix("http_")
        if status.isdigit() and int(status) not in RETRIED:
            raise ValueError(f"{self.config.url} refused: {status} {found.detail}")
        if self.config.on_failure == "raise":
            raise ConnectionError(problem)
        log.warning("%s", problem)
        return [None] * len(texts)

    def _read(self, choice: dict[str, Any]) -> float | None:
        rating = parse_rating(choice["text"])
        if rating is None or not self.config.expected:
            return None if rating is None else float(rating.overall)
        return expected_overall(choice["logprobs"]["top_logprobs"])

    def _chat(self, text: str) -> str:
        # The server tokenises with control tokens on: a page must not close its turn and write its own rating.
        safe = Defused([text, self.prompt], self.control_names)
        text = safe.text(text)
        if safe.count:
            self.control_text += 1
            if self.control_text == 1:
                log.warning("a text spells control tokens; they are broken up before the rater reads them")
        turn = self.prompt.replace("{text}", text)
        return f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{turn}<|im_end|>\n<|im_start|>assistant\n"

    def _read_all(self, answer: dict[str, Any], wanted: int) -> list[float | None]:
        choices = sorted(answer["choices"], key=lambda choice: choice["index"])
        if len(choices) != wanted:
            raise ValueError(f"{len(choices)} completions for {wanted} prompts")
        return [self._read(choice) for choice in choices]


def _mean(scores: list[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    # a text of which one piece has no score has none: a mean over what is left would be another text's
    return sum(known) / len(known) if known and len(known) == len(scores) else None
