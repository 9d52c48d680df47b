"""Next-chapter data (VR-CLI, arXiv:2503.22828): from a folder of novels, or from its datapoints, to training rows.

Usage:
    python -m rl.data.prepare story source=BOOKS out=rl_data tokenizer=MODEL
    python -m rl.data.prepare story source=BOOKS out=rl_data engine=server engine.url=URL model=NAME \\
        include_plot_summary=true include_characters=true include_synopsis=true
    python -m rl.data.prepare story source=DATA_DIR dataset_name=story_dataset out=rl_data tokenizer=MODEL

A folder of `.txt` books is split into chapters; books, not chapters, are held out. Writes, for train, val and test,
`{dataset_name}_{split}.jsonl` (datapoints, in the published form), `{split}.jsonl` (`prompt`, `messages`, `reference`:
what `rl.data.rows.conversations` reads), `{split}_messages.jsonl` (chats whose last turn is the chapter: what `rl.sft`
reads) and `data.json`, which counts what was left out by its reason. Given a folder with such datapoints (the
original's `setup_rl_data.py --data_dir --dataset_name --tokenizer_name`), it begins there; a datapoint may also be a
chat, `{"messages": [...]}`, whose last turn is the gold text: its policy plans after the turns before.

Differs from the paper:
    1. The scoring prompt is the same with and without a plan, which stands under a heading at its end.
    2. The synopsis is not needed: rows are known by their tokens, not by it.
    3. Prompts are limited by tokens, not only by words, and left out, never cut.
"""

import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from common.config import HOW, CommaList, Out, RunConfig
from common.engines.config import EngineConfig
from common.pools.documents import read_rows, write_documents
from common.runs.folder import write_json
from eval.story.prompts import chapter_messages, plan_messages
from rl.data.raw.dataset import NothingKept
from rl.data.rows.conversations import normalise
from rl.data.story.books import split_chapters

Datapoint = dict[str, Any]
Row = dict[str, Any]
Count = Callable[[str], int]

SPLITS = ("train", "val", "test")

OPTIONAL = {
    "include_plan": "high_level_plot_summary",
    "include_plot_summary": "prior_plot_summary",
    "include_characters": "character_sheets",
    "include_synopsis": "next_chapter_synopsis",
}
"""Switch → the datapoint's field."""

NEEDED = ("story_text", "next_chapter", "next_chapter_header")


class StoryConfig(RunConfig):
    """Which chapters become rows, and what their prompts tell."""

    source: str
    """Folder of books (`.txt`), or of datapoints (`{dataset_name}_{split}.jsonl`)."""

    out: Annotated[str, HOW, Out(folder=True)] = "rl_data"
    """Folder to write."""

    dataset_name: str = "story_dataset"
    """What the files of datapoints are called."""

    tokenizer: str = "rephrase/tiny"
    """Folder of the policy's tokenizer."""

    include_plan: bool = False
    """Tell the story's high-level plan; a chapter without one is then left out. Likewise the three below."""

    include_plot_summary: bool = False
    """Tell the plot so far."""

    include_characters: bool = False
    """Tell the sheets of the main characters."""

    include_synopsis: bool = False
    """Tell the next chapter's synopsis."""

    writer_knows_synopsis: bool = True
    """Whether the prompt behind which the chapter is scored tells it too; if not, it must pass through the plan."""

    system_role: bool = True
    """A system turn; without it, its text opens the user's."""

    last_n: int = Field(1, ge=1)
    """Chapters before the next one that are told in full."""

    min_chapter_words: int = Field(200, ge=0)
    """Shortest next chapter, in words; an excerpt has more than half of `excerpt_words`."""

    max_chapter_words: int = Field(5000, ge=1)
    """Longest next chapter, in words; the chapters told in full keep to it too."""

    max_prompt_words: int = Field(10_000, ge=1)
    """Most words of a prompt."""

    max_prompt_tokens: int = Field(12_000, ge=1)
    """Most tokens of a prompt, without the chat template's own."""

    first_chapter: int = Field(2, ge=1)
    """Least number, from 0, of a next chapter; and of the chapters told in full, the first is there."""

    last_dropped: int = Field(2, ge=0)
    """Chapters at the end of a book that are not asked for."""

    excerpt_words: int | None = Field(None, ge=20)
    """For tiny models: only so many words, from the end of the story so far and from the start of the next chapter."""

    excerpts: int = Field(1, ge=1)
    """Excerpts from each chapter, the first from its start, the others spread evenly behind it."""

    synopsis_words: int | None = Field(None, ge=1)
    """Tell so many words of the next excerpt, drawn at random, as its synopsis; wants `include_synopsis`."""

    val_books: int = Field(1, ge=0)
    """Books held out for validation."""

    test_books: int = Field(1, ge=0)
    """Books held out for the test."""

    test_names: CommaList = []
    """Names of the books of the test, in place of a draw."""

    engine: Annotated[EngineConfig | None, HOW] = None
    """Writes plans, summaries, character sheets and synopses of books where they are told (`rl.data.story.notes`)."""

    model: str = ""
    """The engine's model (published: Llama-3.3-70B-Instruct)."""

    seed: int = 0
    """Seed of the draw of books."""

    @model_validator(mode="after")
    def _excerpts_have_a_length(self) -> "StoryConfig":
        if (self.excerpts > 1 or self.synopsis_words) and not self.excerpt_words:
            raise ValueError("excerpts are so many words long: set excerpt_words")
        if self.synopsis_words and (not self.include_synopsis or self.engine):
            raise ValueError("synopsis_words is told where include_synopsis is true and no engine writes synopses")
        return self

    @model_validator(mode="after")
    def _engine_has_a_model(self) -> "StoryConfig":
        if bool(self.engine) != bool(self.model):
            raise ValueError("engine and model go together: give both or none")
        return self

    def wanted(self) -> tuple[str, ...]:
        """The optional fields that prompts tell."""
        return tuple(field for switch, field in OPTIONAL.items() if getattr(self, switch))


def book_datapoints(story_id: str, book: str, config: StoryConfig) -> list[Datapoint]:
    """A datapoint for every chapter of a book that has `last_n` before it; empty if the book has no chapters."""
    chapters = split_chapters(book)
    found = []
    for index in range(config.last_n, len(chapters)):
        told = chapters[index - config.last_n : index]
        story = "\n\n".join(f"{chapter.header}\n\n{chapter.text}" for chapter in told)
        shared = {
            "story_id": story_id,
            "chapter_index": index,
            "chapters": len(chapters),
            "last_n_chapters": config.last_n,
            "next_chapter_header": chapters[index].header,
        }
        for number, (before, text) in enumerate(_texts(story, chapters[index].text, config)):
            point = {**shared, "story_text": before, "next_chapter": f"{chapters[index].header}\n\n{text}"}
            if config.synopsis_words:
                point["next_chapter_synopsis"] = some_words(text, config.synopsis_words, f"{story_id}:{index}:{number}")
            found.append({**point, "excerpt": number} if config.excerpts > 1 else point)
    return found


def _texts(story: str, chapter: str, config: StoryConfig) -> list[tuple[str, str]]:
    """What came before and what comes next: the whole chapter, or its excerpts."""
    size = config.excerpt_words
    if not size:
        return [(story, chapter)]
    before, words = story.split()[-size:], chapter.split()
    starts = [len(words) * number // config.excerpts for number in range(config.excerpts)]
    return [(" ".join([*before, *words[:start]][-size:]), " ".join(words[start : start + size])) for start in starts]


def some_words(text: str, count: int, seed: str) -> str:
    """Words of at least four letters, drawn at random and in random order: what a text is about, not how it goes.

    >>> some_words("The cat sat upon a garden wall.", 2, "seed")
    'garden, wall'
    """
    found = list(dict.fromkeys(re.findall(r"[^\W\d_]{4,}", text)))
    return ", ".join(random.Random(f"synopsis:{seed}").sample(found, min(count, len(found))))


def reason_to_drop(datapoint: Datapoint, config: StoryConfig, count: Count) -> str:
    """Why a datapoint gives no row, "" if it does: the filters of the paper, in their order."""
    if _is_chat(datapoint):
        _, reason = normalise(datapoint, "plan")
        return reason or _too_long(to_row(datapoint, config), config, count)
    missing = [field for field in (*NEEDED, *config.wanted()) if not datapoint.get(field)]
    if missing:
        return f"no_{missing[0]}"
    index, chapters = datapoint.get("chapter_index"), datapoint.get("chapters")
    if index is not None and index < config.first_chapter:
        return "early_chapter"
    if index is not None and chapters is not None and index >= chapters - config.last_dropped:
        return "last_chapters"
    words = len(datapoint["next_chapter"].split())
    if words <= (config.excerpt_words // 2 if config.excerpt_words else config.min_chapter_words):
        return "chapter_too_short"
    if words >= config.max_chapter_words:
        return "chapter_too_long"
    if len(datapoint["story_text"].split()) >= config.max_chapter_words * config.last_n:
        return "story_too_long"
    return _too_long(to_row(datapoint, config), config, count)


def _is_chat(datapoint: Datapoint) -> bool:
    """Whether a datapoint is a chat whose last turn is the chapter, without the parts that ours have."""
    return "story_text" not in datapoint and bool(datapoint.get("messages"))


def _too_long(row: Row, config: StoryConfig, count: Count) -> str:
    for messages in (row["prompt"], row["messages"]):
        if sum(len(message["content"].split()) for message in messages) >= config.max_prompt_words:
            return "prompt_too_many_words"
        if sum(count(message["content"]) for message in messages) > config.max_prompt_tokens:
            return "prompt_too_many_tokens"
    return ""


def to_row(datapoint: Datapoint, config: StoryConfig) -> Row:
    """A training row: the policy plans after `prompt`, the chapter is scored after `messages`."""
    if _is_chat(datapoint):
        return normalise(datapoint, "plan")[0] | {"data_source": "story", "ability": "writing"}
    told = {key: value for key, value in datapoint.items() if key not in OPTIONAL.values() or key in config.wanted()}
    hidden = () if config.writer_knows_synopsis else ("next_chapter_synopsis",)
    writer = {key: value for key, value in told.items() if key not in hidden}
    index = datapoint.get("chapter_index")
    number = datapoint["next_chapter_header"] if index is None else index
    part = f".{datapoint['excerpt']}" if "excerpt" in datapoint else ""
    return {
        "id": f"{datapoint.get('story_id', 'story')}:{number}{part}",
        "prompt": plan_messages(told, system_role=config.system_role),
        "messages": chapter_messages(writer, system_role=config.system_role),
        "reference": datapoint["next_chapter"],
        "data_source": "story",
        "ability": "writing",
        "extra_info": {"story_id": str(datapoint.get("story_id", "")), "chapter_index": index},
    }


def split_books(names: Sequence[str], config: StoryConfig) -> dict[str, list[str]]:
    """Which books are in which split.

    Raises:
        ValueError: none would be left to train on, or a named one is not there.
    """
    unknown = sorted(set(config.test_names) - set(names))
    if unknown:
        raise ValueError(f"no book {unknown[0]!r} in {config.source}; there are: {', '.join(sorted(names))}")
    rest = [name for name in sorted(names) if name not in config.test_names]
    random.Random(f"books:{config.seed}").shuffle(rest)
    test = list(config.test_names) or rest[: config.test_books]
    rest = [name for name in rest if name not in test]
    val, train = rest[: config.val_books], rest[config.val_books :]
    if not train:
        raise ValueError(f"{len(names)} books leave none to train on; lower val_books or test_books")
    return {"train": sorted(train), "val": sorted(val), "test": sorted(test)}


def datapoints(config: StoryConfig, drops: Counter[str]) -> dict[str, list[Datapoint]]:
    """The datapoints of every split: read, or made from books.

    Raises:
        ValueError: the folder holds neither.
    """
    folder = Path(config.source)
    files = {split: folder / f"{config.dataset_name}_{split}.jsonl" for split in SPLITS}
    if any(path.is_file() for path in files.values()):
        return {
            split: [row for _, row in read_rows(str(path))] if path.is_file() else [] for split, path in files.items()
        }
    books = {path.stem: _text(path) for path in sorted(folder.glob("*.txt"))}
    if not books:
        raise ValueError(f"{config.source} holds neither books (*.txt) nor {config.dataset_name}_train.jsonl")
    made = {name: book_datapoints(name, text, config) for name, text in books.items()}
    drops["book_without_chapters"] += sum(not points for points in made.values())
    if config.engine:
        from rl.data.story.notes import add_notes

        chapters = {name: split_chapters(text) for name, text in books.items()}
        drops.update(add_notes(made, chapters, config.engine, config.model, config.wanted()))
    splits = split_books(list(made), config)
    return {split: [point for name in names for point in made[name]] for split, names in splits.items()}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no UTF-8 text (byte {error.start}); save it as UTF-8") from None


def build(config: StoryConfig, count: Count) -> dict[str, Any]:
    """Write all files; returns the figures of `data.json`: rows by split, and what was left out by reason.

    Raises:
        NothingKept: no datapoint of any split is a row.
    """
    drops: Counter[str] = Counter()
    figures: dict[str, Any] = {}
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    for split, points in datapoints(config, drops).items():
        reasons = [reason_to_drop(point, config, count) for point in points]
        drops.update(reason for reason in reasons if reason)
        kept = [point for point, reason in zip(points, reasons, strict=True) if not reason]
        rows = [to_row(point, config) for point in kept]
        chats = [
            {"id": row["id"], "messages": [*row["messages"], {"role": "assistant", "content": row["reference"]}]}
            for row in rows
        ]
        for name, found in ((f"{config.dataset_name}_{split}", kept), (split, rows), (f"{split}_messages", chats)):
            write_documents(str(out / f"{name}.jsonl"), found)
        figures[split] = len(rows)
    figures["drops"] = {reason: number for reason, number in drops.items() if number}
    write_json(out / "data.json", figures)
    if not any(figures[split] for split in SPLITS):
        raise NothingKept(f"{config.source}: no row is kept; left out: {figures['drops']}")
    return figures
