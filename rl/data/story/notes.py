"""What an engine writes about novels for their datapoints: plot so far, character sheets, synopses, high-level plans.

Books advance side by side, a chapter a round, because a summary needs the one before it. What the engine fails to write
is left out of the datapoint and counted; the data's filters then drop the rows that want it.

Differs from the paper (arXiv:2503.22828), whose notes come from Llama-3.3-70B-Instruct:
    1. A sheet is one text per character, updated chapter by chapter over the paper's four groups of questions; it is
       not asked question by question, simplified by sentence and checked by an entailment model.
    2. Synopses are the engine's; the paper's come from elsewhere. The high-level plan is made from the whole plot.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from common.engines.config import EngineConfig
from common.engines.open import open_engine
from common.engines.requests import Engine, Request
from common.model_server import require_some
from rl.data.story.books import Chapter

Datapoint = dict[str, Any]
Texts = dict[str, str]

SUMMARY = (
    "Below are the plot of a story so far and its next chapter. Write the plot so far with this chapter in it, in the "
    "order of events, without comment.\n\n### Plot so far\n{before}\n\n### Next chapter\n{chapter}"
)
FIRST_SUMMARY = "Write the plot of this first chapter of a story, in the order of events, without comment.\n\n{chapter}"
NAMES = (
    "Below is the plot of a story so far. Name its {number} main characters, the most important first: one name a "
    "line, nothing else.\n\n{plot}"
)
SHEET = (
    "Below are the notes on {name}, a character of a story, and the latest chapter. Write the notes anew with what the "
    "chapter adds, in full sentences: looks and personality; how {name} speaks; what {name} knows and does not know; "
    "part in the plot and motives.\n\n### Notes\n{before}\n\n### Chapter\n{chapter}"
)
SYNOPSIS = "Say in one or two sentences what happens in this chapter of a story.\n\n{chapter}"
HIGH_LEVEL = "Below is the plot of a whole story. Say in one paragraph what the story is about.\n\n{plot}"

CHARACTERS = 3
"""Sheets per story (arXiv:2503.22828)."""

SHORT = 200
"""Tokens below which a text is its own summary (arXiv:2503.22828)."""

SHARE = 0.8
"""A summary's most tokens as a share of what it summarises (arXiv:2503.22828)."""

MOST_PLOT, MOST_SHEET, MOST_SYNOPSIS = 4096, 2048, 200
"""Tokens (4096, 2048: arXiv:2503.22828)."""


class Notes:
    """Notes on several books by one engine."""

    def __init__(self, engine: Engine, chapters: Mapping[str, Sequence[Chapter]]) -> None:
        self.engine, self.chapters = engine, chapters
        self.failures: Counter[str] = Counter()
        self.answered = 0
        """Requests that were answered so far."""
        self.plots: dict[str, Texts] = {name: {} for name in chapters}
        """Book → number of a chapter → the plot up to and with it."""
        self.sheets: dict[str, dict[str, Texts]] = {name: {} for name in chapters}
        """Book → number of a chapter → sheets by character."""

    def ask(self, kind: str, prompts: Mapping[str, str], most: int) -> Texts:
        """Answers by key; those that failed or are empty are counted and left out.

        Raises:
            ConnectionError: no request was answered until now.
        """
        requests = (
            Request(
                id=key,
                messages=[{"role": "user", "content": prompt}],
                max_tokens=max(1, min(int(SHARE * self._tokens(prompt)), most)),
                temperature=0.6,  # 0.6 and 0.9: arXiv:2503.22828
                top_p=0.9,
            )
            for key, prompt in prompts.items()
        )
        answers: Texts = {}
        reasons: Counter[str] = Counter()
        for completion in self.engine.stream(requests):
            if completion.finish_reason == "error" or not completion.text.strip():
                self.failures[f"engine_{kind}"] += 1
                reasons[completion.error or "empty"] += 1
            else:
                answers[completion.request_id] = completion.text.strip()
        self.answered += len(answers)
        require_some(self.answered, reasons, f"answers ({kind})")
        return answers

    def read(self, *, sheets: bool) -> None:
        """Go through all books side by side: plots, and sheets if wanted."""
        for number in range(max(map(len, self.chapters.values()), default=0)):
            now = {name: book[number].text for name, book in self.chapters.items() if number < len(book)}
            self._plots(number, now)
            if sheets:
                self._sheets(number, now)

    def _plots(self, number: int, now: Texts) -> None:
        prompts = {}
        for name, chapter in now.items():
            before = self.plots[name].get(str(number - 1), "")
            if number and not before:
                continue  # a plot with a hole in it is none
            if not number and self._tokens(chapter) < SHORT:
                self.plots[name]["0"] = chapter
            else:
                prompts[name] = (SUMMARY if number else FIRST_SUMMARY).format(before=before, chapter=chapter)
        for name, answer in self.ask("plot", prompts, MOST_PLOT).items():
            self.plots[name][str(number)] = answer

    def _sheets(self, number: int, now: Texts) -> None:
        plots = {name: plot for name in now if (plot := self.plots[name].get(str(number)))}
        named = self.ask(
            "names", {name: NAMES.format(number=CHARACTERS, plot=plot) for name, plot in plots.items()}, 60
        )
        prompts, places = {}, {}
        for book, answer in named.items():
            earlier = self.sheets[book].get(str(number - 1), {})
            for place, name in enumerate(_names(answer)):
                key = f"{book}:{place}"
                places[key] = (book, name)
                prompts[key] = SHEET.format(name=name, before=earlier.get(name, "None yet."), chapter=now[book])
        for key, sheet in self.ask("sheet", prompts, MOST_SHEET).items():
            book, name = places[key]
            self.sheets[book].setdefault(str(number), {})[name] = sheet

    def synopses(self) -> Texts:
        """Synopses by `book:number`."""
        every = {
            f"{name}:{number}": SYNOPSIS.format(chapter=chapter.text)
            for name, book in self.chapters.items()
            for number, chapter in enumerate(book)
        }
        return self.ask("synopsis", every, MOST_SYNOPSIS)

    def high_level(self) -> Texts:
        """A plan of each book whose whole plot is known."""
        plots = {
            name: HIGH_LEVEL.format(plot=plot)
            for name, book in self.chapters.items()
            if (plot := self.plots[name].get(str(len(book) - 1)))
        }
        return self.ask("high_level", plots, MOST_SHEET)

    def _tokens(self, text: str) -> int:
        # A server without a tokenizer of ours: English has about 4 characters a token.
        return self.engine.count_tokens(text) if self.engine.tokenizer else len(text) // 4


def _names(answer: str) -> list[str]:
    lines = (line.strip(" -*.0123456789)") for line in answer.split("\n"))
    return list(dict.fromkeys(line for line in lines if line))[:CHARACTERS]


def add_notes(
    points: Mapping[str, Sequence[Datapoint]],
    chapters: Mapping[str, Sequence[Chapter]],
    config: EngineConfig,
    model: str,
    wanted: Sequence[str],
) -> Counter[str]:
    """Write the wanted fields into the datapoints of books; returns the failures by kind.

    Nothing is told that comes after the chapter before: the plot ends where `story_text` begins, the sheets where it
    ends. The high-level plan and the synopsis do tell what is to come, as in the paper.
    """
    with open_engine(config, model) as engine:
        notes = Notes(engine, chapters)
        if set(wanted) - {"next_chapter_synopsis"}:
            notes.read(sheets="character_sheets" in wanted)
        synopses = notes.synopses() if "next_chapter_synopsis" in wanted else {}
        plans = notes.high_level() if "high_level_plot_summary" in wanted else {}
    for name, found in points.items():
        for point in found:
            index = point["chapter_index"]
            told = {
                "prior_plot_summary": notes.plots[name].get(str(index - point["last_n_chapters"] - 1)),
                "character_sheets": notes.sheets[name].get(str(index - 1)),
                "next_chapter_synopsis": synopses.get(f"{name}:{index}"),
                "high_level_plot_summary": plans.get(name),
            }
            point |= {field: value for field, value in told.items() if field in wanted and value}
    return notes.failures
