"""Rows for training on conversations with a known answer: questions, or chats whose last turn is the gold text.

Reads, from JSONL or Parquet:
    1. verl rows, as RLPR and DeepScaleR publish them: `prompt` (messages), `reward_model.ground_truth`.
    2. `{prompt, reference}`, `prompt` a text or messages; `messages` beside them: what a reward scores the gold after.
    3. `{messages}` whose last turn is the assistant's gold text.

Writes `train.jsonl` and `eval.jsonl`: `id`, `prompt`, `reference` (a text, or several that count alike), `messages`
(the conversation before the gold, without the request that `prompt` adds), `data_source`, `ability`, `extra_info`,
and where a row has them `verifier`, `source`, `ground_truth`, `info` for the reward `verifiable`.
`rl.train` builds the same folder for the `data` of its config. A row left out is counted by reason; nothing is cut.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from common.config import ADDED, CommaList, RunConfig, config_hash
from common.pools.documents import read_rows, write_documents
from common.pools.shards import list_shards
from common.runs.folder import write_json
from rl.data import mixture
from rl.data.mixture import Curriculum
from rl.data.rows.names import ARITHMETIC

Row = dict[str, Any]
Message = dict[str, str]

JUDGED = ("verifier", "source", "ground_truth", "info")
"""Columns that `eval.verifiers` judges a completion by; they ride along as text."""
MIXED_BY = ("domain", "pass_rates")
"""Columns that choose among rows and order them; they ride along where the config asks for that."""
Count = Callable[[str], int]

R1_SYSTEM = (
    "A user asks a question and an assistant answers it. The assistant first thinks the question through, then gives "
    "the user the answer. The thinking stands in <think> </think> tags and the answer in <answer> </answer> tags, so "
    "that a reply reads: <think> the thinking </think> <answer> the answer </answer>."
)
R1_NOTHINK = (
    "Reason step by step. Then put the final answer, and nothing else, in answer tags: <answer> final answer "
    "</answer>. If the question offers choices, the final answer is the letter of one of them."
)
BOXED = "Reason step by step, and put the final answer within \\boxed{}."
PLAN = (
    "Do not reply yet. Reason step by step about what a good reply to this needs: what it should say, in which order, "
    "and why. End with one detailed paragraph that begins with `In summary: ` and holds the plan for the reply."
)
PromptStyle = Literal["as_is", "R1", "R1_nothink", "boxed", "plan"]


class ConversationsConfig(RunConfig):
    """Which conversations become training prompts, and how they ask for reasoning."""

    kind: Literal["conversations"] = "conversations"

    train: CommaList = ["datasets/train/rlpr_train.parquet"]
    """Files, folders or globs of training rows."""

    eval: CommaList = []
    """Files of held-out rows; without any, `eval_rows` of the training rows are held out."""

    rows: int | None = Field(None, ge=1)
    """Most training rows; all if null."""

    eval_rows: int = Field(128, ge=0)
    """Held-out rows, by hash of the prompt."""

    prompt: PromptStyle = "as_is"
    """How the policy is asked: `R1`, a system turn about thinking and answer tags (arXiv:2506.18254, Qwen2.5 base);
    `R1_nothink`, a request for answer tags and no system turn (Llama and Gemma there); `boxed`, a request for
    `\\boxed{}` (arXiv:2512.01925); `plan`, a request for a plan of the reply (arXiv:2503.22828); `as_is`, the rows'."""

    data_sources: CommaList = []
    """Only rows with one of these `data_source` values; all if empty."""

    domains: Annotated[CommaList, ADDED] = []
    """Only training rows of these domains (math, code, stem, logic, simulation, table, ood); all if empty."""

    rows_per_domain: Annotated[int | None, ADDED] = Field(None, ge=1)
    """Most training rows of each domain, of each of its data sets in proportion to its rows; all if null."""

    proportional: Annotated[bool, ADDED] = False
    """`rows` are of each data set in proportion to its rows, exactly; if false, on average."""

    curriculum: Annotated[Curriculum, ADDED] = "shuffled"
    """Order in which training prompts come: by the pass rate of `curriculum_model`, or drawn anew for each epoch."""

    curriculum_model: Annotated[str, ADDED] = "qwen2.5_7b"
    """A name in the rows' `pass_rates`."""

    max_prompt_tokens: int = Field(2048, ge=1)
    """Longest prompt, and longest conversation before the gold, in the policy's tokens without the template's own."""

    max_reference_tokens: int = Field(8192, ge=1)
    """Longest gold text, in the policy's tokens."""

    seed: int = 42
    """Seed of the rows' order, and of what is held out."""


def build(config: ConversationsConfig, folder: str | Path, count_tokens: Count) -> dict[str, Any]:
    """Write `train.jsonl`, `eval.jsonl` and `data.json` into a folder, unless the same config has done so before.

    Args:
        config: what to build.
        folder: where.
        count_tokens: tokens of a text by the policy's tokenizer.

    Returns:
        The figures of `data.json`: rows kept, and rows left out by reason (`eval/…` for those of `eval`).

    Raises:
        ValueError: no training row is left, or fewer held-out rows than wanted.
    """
    folder = Path(folder)
    done = folder / "data.json"
    fingerprint = config_hash(config)
    if done.is_file() and (figures := json.loads(done.read_text(encoding="utf-8")))["config_hash"] == fingerprint:
        return figures
    drops: Counter[str] = Counter()
    training = _of_domains(rows(config.train, config, count_tokens, drops), config.domains, drops)
    if config.eval and config.eval_rows:
        eval_drops: Counter[str] = Counter()
        held_out = rows(config.eval, config, count_tokens, eval_drops)[: config.eval_rows]
        drops.update({f"eval/{reason}": number for reason, number in eval_drops.items()})
    else:
        held_out, training = training[: config.eval_rows], training[config.eval_rows :]
    if len(held_out) < config.eval_rows:
        raise ValueError(
            f"{', '.join(config.eval or config.train)}: only {len(held_out)} rows to hold out, eval_rows is "
            f"{config.eval_rows}; left out: {dict(drops)}"
        )
    asked = {prompt_key(row) for row in held_out}
    train = [row for row in training if prompt_key(row) not in asked]
    if len(train) < len(training):
        drops["held_out_prompt"] += len(training) - len(train)
    per_domain = mixture.of_each_domain(train, config.rows_per_domain)
    if len(per_domain) < len(train):
        drops["over_rows_per_domain"] += len(train) - len(per_domain)
    train = mixture.sampled(per_domain, config.rows) if config.proportional else per_domain[: config.rows]
    train = mixture.ordered(train, config.curriculum, config.curriculum_model)
    if not train:
        raise ValueError(f"{', '.join(config.train)}: no training row is left; left out: {dict(drops)}")
    same_form([*train, *held_out])
    folder.mkdir(parents=True, exist_ok=True)
    write_documents(str(folder / "train.jsonl"), train)
    write_documents(str(folder / "eval.jsonl"), held_out)
    figures = {"config_hash": fingerprint, "train": len(train), "eval": len(held_out), "drops": dict(drops)}
    write_json(done, figures)
    return figures


def _of_domains(found: list[Row], domains: Sequence[str], drops: Counter[str]) -> list[Row]:
    if not domains:
        return found
    kept = [row for row in found if mixture.domain_of(row) in domains]
    if len(kept) < len(found):
        drops["other_domain"] += len(found) - len(kept)
    return kept


def same_form(found: Sequence[Row]) -> None:
    """Make all references lists if one is: a column holds values of one type."""
    if any(isinstance(row["reference"], list) for row in found):
        for row in found:
            row["reference"] = [row["reference"]] if isinstance(row["reference"], str) else row["reference"]


def prompt_key(row: Row) -> str:
    """A prompt as canonical JSON: rows that ask the same are never on both sides of a split."""
    return json.dumps(row["prompt"], sort_keys=True, ensure_ascii=False)


KNOWN = {
    "id", "prompt", "messages", "conversations", "reference", "reward_model", "data_source", "ability", "extra_info",
    *JUDGED,
}  # fmt: skip
"""Columns that `normalise` reads; the others stay in `extra_info`, where a row has none of its own."""


def rows(files: Sequence[str], config: ConversationsConfig, count: Count, drops: Counter[str]) -> list[Row]:
    """The rows of files that can be used, in an order that only the seed and their prompts decide.

    Args:
        files: files, folders or globs.
        config: style, limits, sources, seed.
        count: tokens of a text.
        drops: what is left out is added here, by its reason.
    """
    kept: dict[str, Row] = {}
    for row, reason in _read(files, config, drops):
        reason = reason or _too_long(row, config, count)
        if not reason and row["id"] in kept:
            other = kept[row["id"]]
            if (other["prompt"], other["reference"]) == (row["prompt"], row["reference"]):
                reason = "duplicate"
            else:  # two files that number their rows from 1: both stay, the later under a name of its own
                row["id"] = f"{row['id']}-{_row_id(row['data_source'], row['prompt'], row['reference'])[:8]}"
                reason = "duplicate" if row["id"] in kept else ""
        if reason:
            drops[reason] += 1
        else:
            kept[row["id"]] = row
    return sorted(kept.values(), key=lambda row: (_rank(config.seed, prompt_key(row)), row["id"]))


def _rank(seed: int, key: str) -> bytes:
    return blake2b(f"{seed}:{key}".encode(), digest_size=8).digest()


def _read(files: Sequence[str], config: ConversationsConfig, drops: Counter[str]) -> Iterator[tuple[Row, str]]:
    def reject(position: int, reason: str, raw: bytes) -> None:
        del position, raw
        drops[reason] += 1

    mixed = config.domains or config.rows_per_domain or config.curriculum != "shuffled"
    for shard in [shard for path in files for shard in list_shards(path)]:
        for _, raw in read_rows(shard.path, reject):
            if config.data_sources and raw.get("data_source") not in config.data_sources:
                yield {}, "other_source"
                continue
            row, reason = normalise(raw, config.prompt)
            if mixed:
                row |= {name: raw[name] for name in MIXED_BY if raw.get(name)}
            yield row, reason


def normalise(raw: Row, style: PromptStyle = "as_is") -> tuple[Row, str]:
    """A row of any of the three forms as ours, and why it cannot be used ("" if it can).

    Near forms are read too: JSON in a text, contents in parts of text, `conversations` of `{from, value}`.

    Reasons: `no_prompt` (nothing that is asked, or no user turn in it), `no_reference` (no gold text), `tool_calls`
    (a turn that calls tools or answers such a call, which no prompt here can show).
    """
    raw = {**raw, **{name: _from_json(raw[name]) for name in ("prompt", "messages", "reward_model") if name in raw}}
    if not raw.get("messages") and raw.get("conversations"):
        raw["messages"] = _from_json(raw["conversations"])
    if any(map(_calls_tools, (raw.get("prompt"), raw.get("messages")))):
        return {}, "tool_calls"
    reference = _references(_gold(raw))
    context = _messages(raw.get("messages"))
    prompt = _messages(raw.get("prompt"))
    if not prompt and context and context[-1]["role"] == "assistant":
        reference = reference or _references(context[-1]["content"])
        context = context[:-1]
        prompt = context
    judged = {name: _canonical(raw[name]) for name in JUDGED if raw.get(name) not in (None, "")}
    if raw.get("data_source") == ARITHMETIC and not judged:
        judged["source"] = ARITHMETIC  # the rows of `rl.data.arithmetic`, which a verifier judges too
    if not any(message["role"] == "user" for message in prompt):
        return {}, "no_prompt"
    reference = reference or _references(judged.get("ground_truth"))
    if not reference:
        return {}, "no_reference"
    asked = ask(prompt, style)
    unknown = {name: _canonical(value) for name, value in raw.items() if name not in KNOWN and value is not None}
    row: Row = {
        "id": str(raw.get("id") or _row_id(raw.get("data_source"), asked, reference)),
        "prompt": asked,
        "reference": reference,
        "messages": context or prompt,
        "data_source": str(raw.get("data_source") or ""),
        "ability": str(raw.get("ability") or ""),
        "extra_info": raw.get("extra_info") or unknown,
        **judged,
    }
    if isinstance(raw.get("text"), str) and "prompt" in raw:
        row["text"] = raw["text"]  # the page that the prompt is about, for the rewards that compare with it
    return row, ""


def _canonical(value: Any) -> str:
    """A column as text: a column holds values of one type, and ground truths are of many."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def to_verl(row: Row) -> Row:
    """A row in verl's columns, with the conversation before the gold beside them; `normalise` reads it."""
    return {
        "data_source": row["data_source"],
        "prompt": row["prompt"],
        "ability": row["ability"],
        "reward_model": {"ground_truth": row["reference"], "style": "rule"},
        "extra_info": row["extra_info"] or {"index": row["id"]},
        "id": row["id"],
        "messages": row["messages"],
    }


def ask(prompt: Sequence[Message], style: PromptStyle) -> list[Message]:
    """A conversation with the request of a style in it; `R1` and `R1_nothink` replace system turns of the row.

    >>> ask([{"role": "user", "content": "2 + 2?"}], "boxed")[-1]["content"]
    '2 + 2?\\n\\nReason step by step, and put the final answer within \\\\boxed{}.'
    """
    turns = [dict(message) for message in prompt]
    if style == "as_is":
        return turns
    if style in ("R1", "R1_nothink"):
        turns = [message for message in turns if message["role"] != "system"]
    if style == "R1":
        return [{"role": "system", "content": R1_SYSTEM}, *turns]
    last = max(index for index, message in enumerate(turns) if message["role"] == "user")
    if style == "boxed" and "\\boxed" in turns[last]["content"]:  # DeepScaleR's rows may ask for it themselves
        return turns
    request = {"R1_nothink": R1_NOTHINK, "boxed": BOXED, "plan": PLAN}[style]
    turns[last]["content"] = f"{turns[last]['content'].rstrip()}\n\n{request}"
    return turns


def _gold(raw: Row) -> Any:
    rule = raw.get("reward_model")
    found = rule.get("ground_truth") if isinstance(rule, dict) else None
    return found if found is not None else raw.get("reference")


def _references(value: Any) -> str | list[str]:
    """A text, or several; "" for none. Numbers are answers too."""
    if isinstance(value, list | tuple):
        texts = [text for one in value if isinstance(text := _references(one), str) and text]
        return texts[0] if len(texts) == 1 else texts or ""
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, float):  # a column of whole numbers with a gap in it: 4.0 is 4, NaN is nothing
        return "" if not math.isfinite(value) else str(int(value)) if value.is_integer() else str(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _from_json(value: Any) -> Any:
    """A list or an object that a column holds as JSON text; a text that is none stays as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith(("[{", "{")):
        return value
    try:
        found = json.loads(value)
    except ValueError:
        return value
    turns = isinstance(found, list) and all(isinstance(turn, dict) and _role(turn) for turn in found)
    return found if turns or (isinstance(found, dict) and "ground_truth" in found) else value


def _calls_tools(turns: Any) -> bool:
    found = [turn for turn in turns if isinstance(turn, dict)] if isinstance(turns, list) else []
    return any(turn.get("tool_calls") or turn.get("role") in ("tool", "function") for turn in found)


def _role(turn: Row) -> Any:
    """A turn's role; `human` and `gpt` are what `conversations` call the user and the assistant."""
    found = turn.get("role", turn.get("from"))
    return {"human": "user", "gpt": "assistant"}.get(found, found) if isinstance(found, str) else None


def _content(turn: Row) -> Any:
    """A turn's text, also where it stands in parts; None where a part is no text."""
    found = turn.get("content", turn.get("value"))
    if not isinstance(found, list):
        return found
    parts = [
        part.get("text") if isinstance(part, dict) and part.get("type", "text") == "text" else part for part in found
    ]
    texts = [part for part in parts if isinstance(part, str)]
    return "".join(texts) if len(texts) == len(parts) else None


def _messages(value: Any) -> list[Message]:
    """Turns with a role and a text; a plain text is a user's turn; nothing for what is no conversation."""
    if isinstance(value, str):
        return [{"role": "user", "content": value}] if value.strip() else []
    if not isinstance(value, list):
        return []
    found = [(_role(turn), _content(turn)) for turn in value if isinstance(turn, dict)]
    if len(found) < len(value) or not all(isinstance(role, str) and isinstance(text, str) for role, text in found):
        return []
    return [{"role": role, "content": text} for role, text in found]


def _row_id(source: Any, prompt: list[Message], reference: str | list[str]) -> str:
    content = json.dumps([source, prompt, reference], sort_keys=True, ensure_ascii=False)
    return sha256(content.encode()).hexdigest()[:32]


def _too_long(row: Row, config: ConversationsConfig, count: Count) -> str:
    asked = (sum(count(message["content"]) for message in row[name]) for name in ("prompt", "messages"))
    if max(asked) > config.max_prompt_tokens:
        return "prompt_too_long"
    texts = [row["reference"]] if isinstance(row["reference"], str) else row["reference"]
    return "reference_too_long" if max(map(count, texts)) > config.max_reference_tokens else ""
