"""Real passages, boilerplate put in, the clean text to answer."""

import itertools
import random
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from common.config import Out, RunConfig
from common.pools.documents import read_documents
from common.pools.shards import Shard, list_shards
from rephrase.text.prompts import PromptName, SystemName, answer, messages
from rl.data.recycling.noise import Noisy, add_noise
from rl.data.recycling.passages import Count, is_scrap, part_of, passages

Row = dict[str, Any]


SENTENCE = re.compile(r".+?(?:[.!?][\"”’)]*\s+|\n+|$)", re.DOTALL)
"""A sentence or line with the white space behind it; a text is all of its sentences, one after the other."""


class RephraseDataConfig(RunConfig):
    """Which passages become rows, how long they are, and how much boilerplate goes in."""

    pool: str = "runs/quickstart/pool"
    """Shards of real pages."""

    out: Annotated[str, Out()] = "runs/tiny/data/pairs.jsonl"
    """File of rows (`.jsonl`, `.jsonl.gz`, `.jsonl.zst` or `.parquet`)."""

    tokenizer: str = "rephrase/tiny"
    """Hugging Face folder of the tokenizer that counts tokens."""

    form: Literal["pairs", "text"] = "pairs"
    """`pairs`: noisy page and clean answer as messages; `text`: plain text for language modelling."""

    part: Literal["train", "held_out"] = "train"
    """Which documents: split by hash of their id."""

    held_out_frac: float = Field(0.1, ge=0, le=1)
    """Share of the documents held out."""

    rows: int = Field(1000, gt=0)
    """How many rows, at most."""

    repeat: bool = True
    """When the pool's passages run out, they come again with other boilerplate; else there are fewer rows."""

    min_tokens: int = Field(16, gt=0)
    """Shortest passage."""

    max_tokens: int = Field(128, gt=0)
    """Longest passage."""

    max_pieces: int = Field(4, ge=0)
    """Most pieces of boilerplate in a page; a page gets 1 to this many, evenly."""

    clean_frac: float = Field(0.1, ge=0, le=1)
    """Share of pages without boilerplate, to be copied as they are."""

    unseen: bool = False
    """Use the kinds of boilerplate kept for measuring."""

    harvest_pages: int = Field(2000, ge=0)
    """Short lines of this many training pages serve as boilerplate too; 0: none."""

    scrambled_frac: float = Field(0.0, ge=0, le=1)
    """Share of passages replaced by as many words drawn from a list: only copying helps there."""

    echo_frac: float = Field(0.0, ge=0, le=1)
    """Share of passages in which a few runs of words return elsewhere: where the page goes on in two ways, a copier
    must know where it is."""

    careless_frac: float = Field(0.0, ge=0, le=1)
    """Share of answers given carelessly (`careless`): who learns both ways has something for rewards to choose from."""

    repeat_frac: float = Field(0.0, ge=0, le=1)
    """Share of `text` rows that say their passage twice: the same, for language modelling."""

    prompt: PromptName = "repro"
    """The request's wording."""

    system: SystemName = "assistant"
    """The request's system line."""

    seed: int = 0
    """Seed of the passages and the boilerplate; a document's draws also depend on its id."""

    @model_validator(mode="after")
    def _bounds(self) -> "RephraseDataConfig":
        if self.min_tokens > self.max_tokens:
            raise ValueError(f"min_tokens {self.min_tokens} is above max_tokens {self.max_tokens}")
        return self


def build_rows(config: RephraseDataConfig, count: Count) -> Iterator[Row]:
    """The rows in the order of the pool, pass after pass until there are enough (one pass without `repeat`).

    Raises:
        ValueError: the pool holds no clean passage of this length.
    """
    shards = list_shards(config.pool)
    harvest = _harvest(shards, config) if config.form == "pairs" and config.max_pieces else []
    words = _word_list(shards, config) if config.scrambled_frac else []
    made = 0
    for turn in itertools.count():
        before = made
        for key, passage in _passages(shards, config, count, turn):
            rng = random.Random(f"row:{config.seed}:{key}")
            if rng.random() < config.scrambled_frac:
                passage = _scrambled(rng, words, passage)
            elif config.echo_frac and rng.random() < config.echo_frac:
                passage = echoed(rng, passage)
            yield _row(config, key, passage, rng, harvest)
            made += 1
            if made == config.rows:
                return
        if made and not config.repeat:
            return
        if made == before:
            raise ValueError(
                f"{config.pool} has no clean passage of {config.min_tokens} to {config.max_tokens} tokens in its "
                f"{config.part} part; give a larger pool or other bounds"
            )


def _passages(shards: list[Shard], config: RephraseDataConfig, count: Count, turn: int) -> Iterator[tuple[str, str]]:
    for shard in shards:
        for document in read_documents(shard.path, shard.index):
            if part_of(document["id"], config.held_out_frac) != config.part:
                continue
            rng = random.Random(f"passages:{config.seed}:{turn}:{document['id']}")
            found = passages(document["text"], rng, count, config.min_tokens, config.max_tokens)
            for number, passage in enumerate(found):
                yield f"{document['id']}#{turn}.{number}", passage


def _row(config: RephraseDataConfig, key: str, passage: str, rng: random.Random, harvest: list[str]) -> Row:
    if config.form == "text":
        return {"id": key, "text": f"{passage}\n\n{passage}" if rng.random() < config.repeat_frac else passage}
    noisy = config.max_pieces and rng.random() >= config.clean_frac
    pieces = rng.randint(1, config.max_pieces) if noisy else 0
    page = add_noise(passage, key, seed=config.seed, pieces=pieces, unseen=config.unseen, harvest=harvest)
    request = messages(page.text, config.prompt, config.system)
    answered = careless(rng, page) if config.careless_frac and rng.random() < config.careless_frac else passage
    return {
        "id": key,
        "text": page.text,
        "clean_text": passage,
        "noise": page.pieces(),
        "messages": [*request, answer(answered or passage)],
    }


def _harvest(shards: list[Shard], config: RephraseDataConfig) -> list[str]:
    """Short lines of training pages, whatever part is built: the held-out part must not teach its own scraps."""
    pages = _training_pages(shards, config)
    lines = (line.strip() for page in pages for line in page.split("\n"))
    return list(dict.fromkeys(line for line in lines if line and is_scrap(line)))


def _word_list(shards: list[Shard], config: RephraseDataConfig) -> list[str]:
    return sorted({word for page in _training_pages(shards, config) for word in page.split() if len(word) <= 15})


def _training_pages(shards: list[Shard], config: RephraseDataConfig) -> Iterator[str]:
    documents = itertools.chain.from_iterable(read_documents(shard.path, shard.index) for shard in shards)
    training = (page["text"] for page in documents if part_of(page["id"], config.held_out_frac) == "train")
    return itertools.islice(training, config.harvest_pages)


def _scrambled(rng: random.Random, words: list[str], passage: str) -> str:
    # A drawn word has about twice the tokens of a running one.
    return " ".join(rng.choice(words) for _ in range(max(1, len(passage.split()) // 2)))


def echoed(rng: random.Random, passage: str) -> str:
    """The passage with one to three of its runs of one to six words said again at other places; lines stay lines."""
    lines = [line.split(" ") for line in passage.split("\n")]
    full = [words for words in lines if len(words) > 1]
    for _ in range(rng.randint(1, 3) if full else 0):
        source, target = rng.choice(full), rng.choice(full)
        length = rng.randint(1, min(6, len(source) - 1))
        start, at = rng.randint(0, len(source) - length), rng.randint(1, len(target))
        target[at:at] = source[start : start + length]
    return "\n".join(" ".join(words) for words in lines)


def careless(rng: random.Random, page: Noisy) -> str:
    """The page without half of its sentences and with half of its boilerplate, each left out or kept by chance."""
    kept, position = [], 0
    for span in (*page.spans, None):
        content = page.text[position : span.start if span else None]
        kept += [sentence for sentence in SENTENCE.findall(content) if rng.random() < 0.5]
        if span:
            kept.append(page.text[span.start : span.end] if rng.random() < 0.5 else "")
            position = span.end
    return "".join(kept).strip()
