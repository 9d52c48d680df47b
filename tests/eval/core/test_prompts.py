"""CORE's prompts: shots, text, tokens, and what a bad task file says."""

import hashlib
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.core.entries import ENTRIES, Entry, entries_of
from eval.core.files import find_files
from eval.core.prompts import draw_shots, items, needs_space, prompts, sequences

# Published with the sample files: sequences, tokens, longest before cutting, first 12 hex digits of the digest.
DIGESTS = {
    "hellaswag_zeroshot": (480, 38191, 140, "c05254b79af5"),
    "hellaswag": (480, 430303, 1106, "ec1b22c747f4"),
    "jeopardy": (120, 39803, 382, "6b6e4c38953e"),
    "bigbench_qa_wikidata": (120, 14578, 146, "d3eed3ba3188"),
    "arc_easy": (480, 173866, 502, "d92534343aee"),
    "arc_challenge": (480, 189393, 556, "e8689b621c0c"),
    "copa": (200, 3103, 22, "2fac82ef21cb"),
    "commonsense_qa": (480, 239048, 552, "ec42091bfc26"),
    "piqa": (240, 97011, 735, "bff8ba0fdfd7"),
    "openbook_qa": (480, 7449, 57, "aa9195d9b831"),
    "lambada_openai": (120, 9743, 127, "1d31724583c9"),
    "winograd": (240, 4776, 45, "dd459f8526a1"),
    "winogrande": (240, 5377, 35, "24b93b2d2d71"),
    "bigbench_dyck_languages": (120, 71612, 835, "eb1f1f704649"),
    "agi_eval_lsat_ar": (480, 419096, 1074, "4f51b7555fba"),
    "bigbench_cs_algorithms": (120, 52283, 524, "6f0d66efea34"),
    "bigbench_operators": (120, 48667, 452, "118d7308272f"),
    "bigbench_repeat_copy_logic": (32, 15491, 574, "e35070debc43"),
    "boolq": (240, 354008, 2178, "ef2793790fc6"),
    "bigbench_language_identification": (480, 693916, 2538, "7066248ec7d6"),
}
CUT = {"boolq": 2, "bigbench_language_identification": 20}


@pytest.fixture(scope="module")
def neox(shared_data):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(shared_data / "tokenizers/gpt-neox-20b")


@pytest.fixture(scope="module")
def files(shared_data):
    return find_files(entries_of(["core"]), shared_data / "core")[0]


class Characters:
    """A tokenizer whose tokens are characters; it may begin and end texts with special tokens."""

    def __init__(self, bos=(), eos=()):
        self.bos, self.eos = list(bos), list(eos)
        self.eos_token_id = eos[0] if eos else None

    def __call__(self, texts, *, add_special_tokens=True, verbose=True):
        before, after = (self.bos, self.eos) if add_special_tokens else ([], [])
        return {"input_ids": [before + [ord(letter) for letter in text] + after for text in texts]}


def text(ids):
    return "".join(map(chr, ids))


@pytest.mark.parametrize("name", DIGESTS)
def test_tokens_are_llm_foundrys(name, files, neox):
    entry = ENTRIES[name]
    rows = files[entry.file].rows
    pairs = [pair for item in items(entry, rows, neox) for pair in sequences(item)]
    digest = hashlib.sha256("".join(json.dumps(list(pair)) for pair in pairs).encode()).hexdigest()[:12]
    tokens = sum(len(context) + len(answer) for context, answer in pairs)
    whole = [pair for item in items(entry, rows, neox, seq_len=10**6) for pair in sequences(item)]
    lengths = [len(context) + len(answer) for context, answer in whole]
    assert (len(pairs), tokens, max(lengths), digest) == DIGESTS[name]
    assert sum(length > 2048 for length in lengths) == CUT.get(name, 0)


def test_all_tokens_are_2_907_714():
    assert sum(tokens for _, tokens, _, _ in DIGESTS.values()) == 2_907_714
    assert sum(count for count, _, _, _ in DIGESTS.values()) == 5_752


@pytest.mark.parametrize(
    ("rows", "shots", "expected"),
    [
        (2376, 10, [71, 969, 1452, 1805, 143, 371, 343, 403, 30, 478]),
        (120, 10, [99, 4, 103, 74, 11, 14, 116, 85, 56, 88]),
        (230, 3, [112, 29, 199]),
    ],
)
def test_first_rows_shots_are_llm_foundrys(rows, shots, expected):
    assert draw_shots(rows, shots, 0, random.Random(1234)) == expected


@given(st.integers(1, 40), st.integers(0, 12), st.integers(0, 1000), st.data())
def test_shots_are_distinct_others_as_many_as_there_are(rows, shots, seed, data):
    row = data.draw(st.integers(0, rows - 1))
    drawn = draw_shots(rows, shots, row, random.Random(seed))
    assert row not in drawn and len(set(drawn)) == len(drawn) == min(shots, rows - 1)
    assert all(0 <= shot < rows for shot in drawn)


def test_zero_shots_leave_the_random_numbers_alone():
    stream = random.Random(1234)
    draw_shots(120, 0, 0, stream)
    assert stream.random() == random.Random(1234).random()


CHOICE = Entry("choice", "choice", "multiple_choice", 1, 2, "\nAnswer: ")
ROWS = [
    {"query": " One? ", "choices": ["a", " b "], "gold": 1},
    {"query": "Two?\n", "choices": ["c", "d"], "gold": 0},
]


def test_a_choice_prompt_reads_as_it_should():  # by hand
    first, second = prompts(CHOICE, ROWS)
    assert first.preamble == "Two?\nAnswer: c"
    assert first.contexts == ["\nOne?\nAnswer:"]
    assert first.answers == [" a", " b "]  # members of a list are not stripped, a space is not doubled
    assert first.gold == 1
    assert second.preamble == "One?\nAnswer:  b "
    assert next(iter(prompts(CHOICE, ROWS, needs_space=False))).answers == ["a", " b "]


def test_a_language_prompt_reads_as_it_should():  # by hand
    entry = Entry("text", "text", "language_modeling", 1, 2)
    rows = [{"context": "2 + 2 =", "continuation": "4"}, {"context": "3 + 3 =", "continuation": " 6"}]
    first, second = prompts(entry, rows)
    assert (first.preamble, first.contexts, first.answers) == ("3 + 3 = 6", ["\n2 + 2 ="], [" 4"])
    assert second.answers == [" 6"]


def test_a_schema_prompt_keeps_its_options_as_they_are():  # by hand
    entry = Entry("schema", "schema", "schema", 0, 1)
    (prompt,) = prompts(entry, [{"context_options": ["He ", "She "], "continuation": "ran.", "gold": 1}])
    assert (prompt.preamble, prompt.contexts, prompt.answers) == ("", ["He ", "She "], [" ran.", " ran."])
    assert prompt.gold == 1


def test_categories_are_data_sets_of_their_own():
    entry = Entry("quiz", "quiz", "language_modeling", 10, 4, by_category=True)
    rows = [
        {"context": f"q{number}", "continuation": f"a{number}", "category": category}
        for number, category in enumerate(["z", "y", "z", "y"])
    ]
    asked = list(prompts(entry, rows))
    assert [(prompt.category, prompt.index) for prompt in asked] == [("y", 1), ("y", 3), ("z", 0), ("z", 2)]
    assert [prompt.preamble for prompt in asked] == ["q3 a3", "q1 a1", "q2 a2", "q0 a0"]


def test_a_long_context_is_cut_on_the_left_and_an_answer_never():
    plain = Entry("text", "text", "multiple_choice", 0, 1)
    rows = [{"query": "abcdefgh", "choices": ["xy", "uvwz"], "gold": 0}]
    (item,) = items(plain, rows, Characters(), seq_len=8)
    assert [(text(context), text(answer)) for context, answer in sequences(item)] == [
        ("cdefgh", "xy"),
        ("efgh", "uvwz"),
    ]
    with pytest.raises(ValueError, match="row 0: no room for a context at seq_len=4"):
        items(plain, rows, Characters(), seq_len=4)
    assert text(items(plain, rows, Characters(), seq_len=5)[0].contexts[1]) == "h"  # room for one
    empty = [{"query": "abcdefgh", "choices": ["xy", ""], "gold": 0}, {"query": "", "choices": ["xy", "z"], "gold": 0}]
    for row, seq_len in ((empty[0], 8), (empty[1], 8), (empty[1], 3)):
        with pytest.raises(ValueError, match=f"row 0: a context or an answer without tokens at seq_len={seq_len}"):
            items(plain, [row], Characters(), seq_len=seq_len)


@given(st.lists(st.text("abc ", min_size=1, max_size=9).filter(str.strip), min_size=2, max_size=4), st.integers(11, 30))
def test_what_is_cut_is_a_tail_of_the_whole(choices, seq_len):
    entry = Entry("text", "text", "multiple_choice", 0, 1)
    rows = [{"query": "lorem ipsum dolor", "choices": choices, "gold": 0}]
    (whole,) = items(entry, rows, Characters(), seq_len=100)
    (cut,) = items(entry, rows, Characters(), seq_len=seq_len)
    assert cut.answers == whole.answers
    for context, full, answer in zip(cut.contexts, whole.contexts, cut.answers, strict=True):
        assert full[-len(context) :] == context
        assert len(context) == min(len(full), seq_len - len(answer))


def test_special_tokens_stand_before_the_preamble_only():
    (first, _) = items(CHOICE, ROWS, Characters(bos=[1], eos=[2]))
    assert first.contexts[0] == [1, *map(ord, "Two?\nAnswer: c"), *map(ord, "\nOne?\nAnswer:")]
    plain = Entry("text", "text", "multiple_choice", 0, 1)
    (item,) = items(plain, ROWS[:1], Characters(bos=[1]))
    assert item.contexts[0] == [1, *map(ord, "One?")]


def test_a_space_is_added_where_the_tokenizer_wants_it(neox):
    assert needs_space(neox)
    assert not needs_space(Characters())


def test_a_subset_of_rows_keeps_every_rows_prompt():
    rows = [{"context": f"q{number}", "continuation": f"a{number}"} for number in range(30)]
    entry = ENTRIES["bigbench_operators"]
    whole = items(entry, rows, Characters())
    assert items(entry, rows, Characters(), only={3, 17}) == [whole[3], whole[17]]


def test_names_of_sets_and_entries_become_entries():
    assert len(entries_of(["core"])) == 22
    assert [entry.name for entry in entries_of(["copa", "piqa", "copa"])] == ["copa", "piqa"]
    assert len(entries_of(["core20", "copa", "squad"])) == 21
    with pytest.raises(ValueError, match="no task 'cora'"):
        entries_of(["cora"])


def test_files_that_are_not_there_are_named(shared_data):
    found, missing = find_files(entries_of(["core"]), shared_data / "core")
    assert missing == ["squad", "coqa"] and len(found) == 19
    assert len(found["copa"].rows) == 100 and found["copa"].bytes == 14627
    assert sum(len(file.rows) for file in found.values()) == 2172


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "line 2: no valid JSON"),
        ("[]", "line 2: not a JSON object"),
        ('{"query": "q", "choices": ["a", "b"]}', "line 2: 'gold' is None"),
        ('{"query": "q", "choices": ["a", "b"], "gold": 2}', "line 2: 'gold' is 2, not one of 0 to 1"),
        ('{"query": "q", "choices": ["a", 3], "gold": 0}', "line 2: 'choices' is missing or no list of texts"),
        ('{"query": "q", "choices": ["a", " "], "gold": 0}', "line 2: 'choices' holds an empty text"),
        ('{"query": " ", "choices": ["a", "b"], "gold": 0}', "line 2: 'query' is empty"),
        ('{"choices": ["a", "b"], "gold": 0}', "line 2: 'query' is missing or no text"),
    ],
)
def test_a_bad_row_is_told_with_its_line(line, says, tmp_path):
    good = '{"query": "q", "choices": ["a", "b"], "gold": 1}'
    (tmp_path / "copa.jsonl").write_text(f"{good}\n{line}\n")
    with pytest.raises(ValueError, match=says):
        find_files([ENTRIES["copa"]], tmp_path)


def test_a_folder_without_task_files_is_one_clear_line(tmp_path):
    with pytest.raises(ValueError, match=r"none of the task files: looked for copa\.jsonl"):
        find_files([ENTRIES["copa"]], tmp_path)
    with pytest.raises(ValueError, match="no folder of task files"):
        find_files([ENTRIES["copa"]], tmp_path / "absent")
    (tmp_path / "copa.jsonl").write_text("")
    with pytest.raises(ValueError, match="holds no rows"):
        find_files([ENTRIES["copa"]], tmp_path)


def test_llm_foundrys_folders_are_found_and_the_nearest_file_counts(tmp_path):
    def put(folder, gold):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        row = {"query": "q", "choices": ["a", "b", "c"], "gold": gold}
        (tmp_path / folder / "copa.jsonl").write_text(json.dumps(row) + "\n")

    def gold():
        return find_files([ENTRIES["copa"]], tmp_path)[0]["copa"].rows[0]["gold"]

    put("variants/commonsense_reasoning", 0)
    assert gold() == 0
    put("commonsense_reasoning", 1)
    assert gold() == 1
    put("another", 2)
    with pytest.raises(ValueError, match="twice"):
        gold()


def test_page_separators_inside_a_row_do_not_end_it(tmp_path):
    row = {"context": "a\u2028b\x85c", "continuation": "d"}
    (tmp_path / "lambada_openai.jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\r\n", encoding="utf-8")
    found, _ = find_files([ENTRIES["lambada_openai"]], tmp_path)
    assert found["lambada_openai"].rows == [row]
