"""What holds for every step that judges documents one by one: read = kept + dropped, twice is once, order is free."""

from hypothesis import given
from hypothesis import strategies as st

from common.pools.documents import read_documents, write_documents
from common.pools.shards import Shard
from common.tokens.counting import TokenCountConfig
from filter.rules.gopher import Letters, LineMarks, StopWords
from filter.rules.kinds import judge_all
from filter.rules.lines import BracketMarks, C4Lines, RefinedWebLines
from filter.rules.page import Page
from filter.rules.pages import CountWords, RemovedWords, Sentences, Tidy
from filter.rules.repetition import Repetition
from filter.scorers.simple import SimpleConfig
from filter.selection.cut import Cut
from filter.selection.scoring_step import ScoreJob, score_shard
from filter.selection.selecting_step import SelectJob, select_shard

LINES = st.sampled_from([
    "The river rises in the hills and runs to the sea.",
    "People of the valley have always lived from it [1], and many keep a boat.",
    "BUY NOW OR NEVER",
    "1,204 likes",
    "Menu",
    "3 items in cart today",
    "Our news of the day Read more...",
    "see https://a.b/c?d=e for the rest of it",
    "- a bullet...",
    "12 34 56",
    "Please enable JavaScript to see this page.",
    "",
])  # fmt: skip
TEXTS = st.lists(st.lists(LINES, max_size=8).map("\n".join), max_size=8)
EDITS = [
    Tidy(kind="tidy"),
    BracketMarks(kind="bracket_marks"),
    RefinedWebLines(kind="refinedweb_lines"),
    C4Lines(kind="c4_lines"),
]
RULES = [
    CountWords(kind="count_words"),
    *EDITS,
    Letters(kind="letters"),
    LineMarks(kind="line_marks"),
    Repetition(kind="repetition"),
    RemovedWords(kind="removed_words", max_frac=0.5),
    StopWords(kind="stop_words"),
    Sentences(kind="sentences", minimum=1),
]


@given(TEXTS)
def test_an_edit_finds_nothing_more_to_do_the_second_time(texts):
    for rule in EDITS:
        for text in texts:
            once = Page({"text": text})
            if rule.apply(once) is None:
                twice = Page({"text": once.text})
                assert rule.apply(twice) is None and twice.text == once.text


@given(TEXTS, st.randoms(use_true_random=False))
def test_a_page_is_judged_by_itself(texts, random):
    documents = [{"id": number, "text": text} for number, text in enumerate(texts)]
    judged = dict(zip(range(len(texts)), judge_all(documents, RULES), strict=True))
    shuffled = random.sample(documents, len(documents))
    for document, result in zip(shuffled, judge_all(shuffled, RULES), strict=True):
        assert result == judged[document["id"]]
        assert (result.document is None) != (result.reason is None)


def selected(folder, documents, threshold):
    """One shard through scoring and, in the same pass, selection: stats and what is left, by id."""
    shard = Shard(0, str(folder / "pool" / "a.jsonl"), "a")
    write_documents(shard.path, documents)
    folders = str(folder / "scores"), str(folder / "out")
    select = SelectJob(folders[1], folders[0], "s", "organic", "q", Cut(threshold), None)
    scorer = SimpleConfig(kind="simple", field="q")
    score_shard(shard, ScoreJob(folders[0], "r", (scorer,), ("q",), TokenCountConfig(), select=select))
    stats = select_shard(shard, select)
    return stats, {one["id"]: one for one in read_documents(f"{folders[1]}/a.jsonl")}


@given(TEXTS, st.sampled_from([0.0, 0.2, 0.4]), st.randoms(use_true_random=False))
def test_a_threshold_selects_each_page_by_itself_and_for_good(tmp_path_factory, texts, threshold, random):
    documents = [{"id": f"p{number}", "text": text} for number, text in enumerate(texts)]
    stats, kept = selected(tmp_path_factory.mktemp("one"), documents, threshold)
    assert stats["docs_in"] == len(documents) == stats["docs_out"] + sum(stats["drops"].values())
    assert stats["docs_out"] == len(kept)
    _, shuffled = selected(tmp_path_factory.mktemp("two"), random.sample(documents, len(documents)), threshold)
    assert shuffled == kept
    again, same = selected(tmp_path_factory.mktemp("three"), list(kept.values()), threshold)
    assert same == kept and not again["drops"]
