"""The shipped tiny rephraser: small, the prompt cheap in tokens, and pages cleaned as its card says."""

import json

import pytest

from rephrase.text.prompts import messages

LIMIT_BYTES = 16 * 2**20
PAGES = [
    (
        "Home | About Us | Contact | Shop\n\nThe river rises in the hills north of the town and runs for sixty miles "
        "to the sea. In spring the water is high, and the old mill turns day and night.",
        "The river rises in the hills north of the town and runs for sixty miles to the sea. In spring the water is "
        "high, and the old mill turns day and night.",
    ),
    (
        "The museum opened in 1931 and holds a large collection of early maps.\n\nShare this: Facebook Twitter "
        "Pinterest",
        "The museum opened in 1931 and holds a large collection of early maps.",
    ),
]


@pytest.fixture(scope="module")
def folder(root):
    """The form that writes the page out."""
    return root / "rephrase" / "tiny_text"


@pytest.fixture(scope="module")
def tiny(root):
    """The default: it marks lines to drop."""
    return root / "rephrase" / "tiny"


def test_the_folders_are_complete_and_small_together(folder, tiny):
    for one in (folder, tiny):
        assert {"README.md", "config.json", "model.safetensors", "tokenizer.json"} <= {
            path.name for path in one.iterdir()
        }
    assert sum(path.stat().st_size for one in (folder, tiny) for path in one.iterdir()) <= LIMIT_BYTES


def test_the_whole_request_costs_few_tokens_and_reads_back(folder):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    for system in ("assistant", "paraphraser", "none"):
        request = messages("", system=system)
        text = tokenizer.apply_chat_template(request, tokenize=False, add_generation_prompt=True)
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert len(ids) <= 16
        assert tokenizer.decode(ids) == text
        for turn in request:
            assert turn["content"] in text


def test_a_request_for_edits_costs_few_tokens_beside_its_lines(tiny):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny)
    request = messages("Home.\n\nIt rains.", "edit_lines")
    text = tokenizer.apply_chat_template(request, tokenize=False, add_generation_prompt=True)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert len(ids) <= 26
    assert tokenizer.decode(ids) == text
    assert len(tokenizer("Edits:\n[1] drop\n[2] keep", add_special_tokens=False)["input_ids"]) == 5


def test_lines_of_boilerplate_go_and_the_rest_comes_back_to_the_byte(tiny):
    from common.engines.config import TransformersEngineConfig
    from common.engines.open import open_engine
    from common.engines.requests import Request
    from rephrase.text.postprocess import read_completion

    engine = open_engine(TransformersEngineConfig(device="cpu"), str(tiny))
    requests = (
        Request(str(number), messages(page, "edit_lines"), None, 96, temperature=0.0)
        for number, (page, _) in enumerate(PAGES)
    )
    for completion in engine.stream(requests):
        page, clean = PAGES[int(completion.request_id)]
        reading = read_completion(completion.text, page, completion.finish_reason, "edits")
        assert reading.status == "ok"
        assert reading.text.strip() == clean


def test_pages_no_one_trained_on_come_out_clean(folder, tmp_path):
    from eval.cleaning import CleaningConfig, clean_pages
    from eval.faithfulness.noise import cleaning_figures
    from rephrase.text.prompts import answer

    rows = tmp_path / "rows.jsonl"
    with rows.open("w", encoding="utf-8") as target:
        for number, (page, clean) in enumerate(PAGES):
            row = {"id": str(number), "text": page, "clean_text": clean, "messages": [*messages(page), answer(clean)]}
            target.write(json.dumps(row) + "\n")
    figures = cleaning_figures(clean_pages(CleaningConfig(model=str(folder), rows=str(rows))))
    assert figures["form_right_frac"] == 1
    assert figures["content_kept_frac"] >= 0.8
    assert figures["noise_removed_frac"] >= 0.8


@pytest.mark.slow
@pytest.mark.parametrize(("unseen", "least_removed"), [(False, 0.8), (True, 0.6)])
def test_held_out_pages_of_the_pool_come_out_as_clean_as_the_card_says(
    folder, shared_data, tmp_path, unseen, least_removed
):
    # Bounds two standard errors below the card's figures, for other pages; form (meant: 0.95) is not there yet.
    from eval.cleaning import CleaningConfig, clean_pages
    from eval.faithfulness.noise import cleaning_figures
    from rl.data.rephrase import main

    rows = tmp_path / "rows.jsonl"
    main(
        [
            f"pool={shared_data / 'web' / 'pool'}",
            f"out={rows}",
            f"tokenizer={folder}",
            "part=held_out",
            "held_out_frac=0.05",
            "rows=200",
            "min_tokens=24",
            "seed=11",
            f"unseen={unseen}".lower(),
        ]
    )
    figures = cleaning_figures(clean_pages(CleaningConfig(model=str(folder), rows=str(rows))))
    assert figures["form_right_frac"] >= 0.87
    assert figures["content_kept_frac"] >= 0.85
    assert figures["noise_removed_frac"] >= least_removed
