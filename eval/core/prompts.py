"""Rows to prompts to token ids, as LLM Foundry 0.9 builds them."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from eval.core.entries import Entry, Row
from eval.models.open import SEQ_LEN, Tokenizer

SHOT_SEED = 1234


@dataclass(frozen=True)
class TaskPrompt:
    """A row as text: `contexts` has one member, or in a schema entry one for each option."""

    index: int
    category: str | None
    preamble: str
    contexts: list[str]
    answers: list[str]
    gold: int


@dataclass(frozen=True)
class Item:
    """A row as token ids: answer i is scored after context i.

    All contexts are one and the same list unless the entry is a schema or a context had to be cut.
    """

    index: int
    """Number of the row in its file."""
    category: str | None
    contexts: list[list[int]]
    answers: list[list[int]]
    gold: int
    """Index of the right answer; 0 where there is one answer, which is right if greedy decoding gives it."""


def draw_shots(rows: int, shots: int, row: int, stream: random.Random) -> list[int]:
    """The rows shown before this one: distinct, never the row itself, in the order in which their set iterates.

    Args:
        rows: size of the data set.
        shots: how many are wanted; fewer are shown where the data set has no more others.
        row: the one that will be asked.
        stream: the data set's random numbers, which every row advances. Zero shots leave it as it is.
    """
    if not shots:
        return []
    others = rows - 1
    drawn = set(stream.sample(range(rows), min(others, shots)))
    if row in drawn:
        drawn.remove(row)
        # A draw that took the row itself replaces it, unless all the others are in already.
        while len(drawn) < min(others, shots):
            candidate = stream.choice(range(rows))
            if candidate != row:
                drawn.add(candidate)
    return list(drawn)


def prompts(entry: Entry, rows: Sequence[Row], needs_space: bool = True) -> Iterator[TaskPrompt]:
    """The rows of a file as text, in row order, category after category by name where the entry has them.

    Args:
        entry: how rows become prompts.
        rows: of the whole file; shots are drawn from all of them.
        needs_space: the tokenizer wants a space before an answer (see `needs_space`).
    """
    stripped = [
        {name: value.strip() if isinstance(value, str) else value for name, value in row.items()} for row in rows
    ]
    groups: dict[str | None, list[int]] = {}
    for index, row in enumerate(stripped):
        groups.setdefault(row["category"] if entry.by_category else None, []).append(index)
    for category in sorted(groups, key=str):
        numbers = groups[category]
        data_set = [stripped[index] for index in numbers]
        stream = random.Random(SHOT_SEED)
        for position, index in enumerate(numbers):
            drawn = draw_shots(len(data_set), entry.shots, position, stream)
            preamble = "\n".join(_shot(entry, data_set[shot]) for shot in drawn)
            before = "\n" if preamble else ""
            contexts, answers, gold = _question(entry, data_set[position], before, shown=bool(preamble))
            if needs_space:
                answers = [answer if answer.startswith(" ") else f" {answer}" for answer in answers]
            yield TaskPrompt(index, category, preamble, contexts, answers, gold)


def _shot(entry: Entry, row: Row) -> str:
    if entry.kind == "schema":
        return row["context_options"][row["gold"]] + entry.delimiter + row["continuation"]
    if entry.kind == "multiple_choice":
        return row["query"] + entry.delimiter + row["choices"][row["gold"]]
    return row["context"] + entry.delimiter + row["continuation"]


def _question(entry: Entry, row: Row, before: str, shown: bool) -> tuple[list[str], list[str], int]:
    """The texts after the preamble: contexts, answers, the number of the right one."""
    if entry.kind == "schema":
        # Without shots the options stand as they are: no delimiter, no stripping.
        after = entry.delimiter.rstrip() if shown else ""
        contexts = [f"{before}{option}{after}" for option in row["context_options"]]
        return contexts, [row["continuation"]] * len(contexts), row["gold"]
    text = row["query" if entry.kind == "multiple_choice" else "context"]
    context = f"{before}{text}{entry.delimiter}".rstrip()
    if entry.kind == "multiple_choice":
        return [context], list(row["choices"]), row["gold"]
    return [context], [row["continuation"]], 0


def needs_space(tokenizer: Tokenizer) -> bool:
    """Whether " a" is one token, so that an answer is to be encoded with the space before it."""
    return len(_encode(tokenizer, [" a"])[0]) == 1


def items(
    entry: Entry,
    rows: Sequence[Row],
    tokenizer: Tokenizer,
    *,
    seq_len: int = SEQ_LEN,
    only: set[int] | None = None,
) -> list[Item]:
    """Encode an entry's prompts.

    Args:
        entry: how rows become prompts.
        rows: of the whole file.
        tokenizer: the model's.
        seq_len: tokens that context and answer may have together; more context is cut on the left.
        only: numbers of the rows that are wanted; the others are still shots, and still advance the random numbers.

    Raises:
        ValueError: an answer alone has more than `seq_len` tokens, or a context has none.
    """
    texts = [prompt for prompt in prompts(entry, rows, needs_space(tokenizer)) if only is None or prompt.index in only]
    preambles = _encode(tokenizer, [prompt.preamble for prompt in texts], special=True)
    contexts = iter(_encode(tokenizer, [context for prompt in texts for context in prompt.contexts]))
    answers = iter(_encode(tokenizer, [answer for prompt in texts for answer in prompt.answers]))
    return [
        _item(
            prompt,
            _open_ended(preamble, tokenizer.eos_token_id),
            [next(contexts) for _ in prompt.contexts],
            [next(answers) for _ in prompt.answers],
            entry,
            seq_len,
        )
        for prompt, preamble in zip(texts, preambles, strict=True)
    ]


def _item(
    prompt: TaskPrompt,
    preamble: list[int],
    parts: list[list[int]],
    answers: list[list[int]],
    entry: Entry,
    seq_len: int,
) -> Item:
    wholes = [preamble + part for part in parts]
    fitted = []
    for position, answer in enumerate(answers):
        context = wholes[position if entry.kind == "schema" else 0]
        room = seq_len - len(answer)
        if room < 1 or not context or not answer:
            what = "no room for a context" if room < 1 else "a context or an answer without tokens"
            raise ValueError(f"{entry.name}, row {prompt.index}: {what} at seq_len={seq_len}")
        fitted.append(context if len(context) <= room else context[-room:])
    return Item(prompt.index, prompt.category, fitted, answers, prompt.gold)


def _open_ended(preamble: list[int], eos: int | None) -> list[int]:
    """Some tokenizers end every text with EOS, after which nothing would follow."""
    return preamble[:-1] if len(preamble) > 1 and eos is not None and preamble[-1] == eos else preamble


def _encode(tokenizer: Tokenizer, texts: list[str], special: bool = False) -> list[list[int]]:
    if not texts:
        return []
    # verbose=False: the warning that a text is longer than the model's context is no news here.
    encoded = tokenizer(texts, add_special_tokens=special, verbose=False)["input_ids"]
    return [list(ids) for ids in encoded]


def sequences(item: Item) -> list[tuple[list[int], list[int]]]:
    """The (context, answer) pairs of an item, as they would be scored one by one."""
    return list(zip(item.contexts, item.answers, strict=True))
