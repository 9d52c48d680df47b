"""Every acceptance vector of the recycling rewards, through the interface that the trainer calls.

Vectors of how completions are read and of formats are in `test_rephrase.py` and
`tests/rephrase/text/test_postprocess.py`.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from common.config import RunConfig, load
from rl.rewards.base import combine, failure
from rl.rewards.kinds import AnyRewardConfig, open_rewards, reward_name

S = "Here is a paraphrased version:"
FORM = "C\n4\n4\n5\n3\n2\n4\n2\n3\n4\n3\n4\n3\n5\n{}"
TABLE = "| a | b |\n|---|---|\n| 1 | 2 |"
LONG = [f"Paragraph number {n} says something that is long enough." for n in range(4)]


class Listed(RunConfig):
    """Rewards, as a run lists them."""

    rewards: list[AnyRewardConfig]


def earn(rewards, completions, texts, **columns):
    """Scores by reward name, as the trainer gets them."""
    config = load(Listed, [], {"rewards": rewards})
    rules = open_rewards(config.rewards)
    chats = [[{"role": "assistant", "content": completion}] for completion in completions]
    for rule in rules:
        rule(prompts=[""] * len(chats), completions=chats, text=texts, **columns)
    return {reward_name(one): rule.last for one, rule in zip(config.rewards, rules, strict=True)}


@pytest.fixture
def dataman(tmp_path):
    """A rater that answers with the form set for a text; the reward that asks it."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    forms, seen = {}, []

    class Rater(BaseHTTPRequestHandler):
        def do_GET(self):
            self.reply(200, {"data": []})

        def do_POST(self):
            prompts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["prompt"]
            texts = [prompt.split("Text:\n")[1].split("\n\nDomain")[0] for prompt in prompts]
            seen.extend(texts)
            if any(forms.get(text) == 503 for text in texts):
                self.reply(503, {})
                return
            choices = [{"index": n, "text": forms.get(text, FORM.format(3))} for n, text in enumerate(texts)]
            self.reply(200, {"choices": choices})

        def reply(self, status, value):
            raw = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Rater)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    scorer = {"kind": "dataman", "url": url, "tokenizer": str(tmp_path), "retries": 0}
    yield {"kind": "quality", "base_field": "dataman_score", "scorer": scorer}, forms, seen
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("form", "base", "expected"),
    [
        (FORM.format(4), 3, 1),  # the filled form: overall 4
        (FORM.format(5), 3, 2),
        (FORM.format(3), 4, -1),
        ("C\n4\n4", 3, None),
        (FORM.format("x"), 3, None),
        ("", 3, None),
        (FORM.format(6), 3, None),
        (503, 3, None),  # no answer: skipped and counted, neither 0 nor the end of the run
    ],
)
def test_quality_by_dataman(dataman, form, base, expected):
    reward, forms, _ = dataman
    forms["new"] = form
    found = earn([reward], [f"{S} new"], ["old"], dataman_score=[base])["quality"]
    assert found.values == [expected] and found.reasons == ["" if expected is not None else "no_score"]


def test_quality_of_nothing_is_minus_the_documents_score_and_asks_nobody(dataman):
    reward, _, seen = dataman
    assert earn([reward], ["no sentinel"], ["old"], dataman_score=[3])["quality"].values == [-3]
    assert seen == []


@pytest.mark.parametrize(("tokens", "window"), [(1894, "t946 t947 t948"), (2000, "t946...t1053")])
def test_quality_reads_head_and_tail_of_a_long_text(dataman, tokens, window):
    reward, _, seen = dataman
    text = " ".join(f"t{n}" for n in range(tokens))
    earn([reward], [f"{S} {text}"], ["old"], dataman_score=[3])
    assert len(seen) == 1 and window in seen[0]
    assert seen[0].startswith("t0 ") and seen[0].endswith(f" t{tokens - 1}")


@pytest.mark.parametrize(
    ("organic", "rephrased", "f1"),
    [
        ("The cat sat on the mat.", "The cat sat on the mat.", 1),
        ("The cat sat on the mat.", "A cat was sitting on a mat.", 0.666667),
        ("The cat sat on the mat.", "", 0),
        ("Mount Everest is 8,849 metres high.", "Everest rises 8,849 metres.", 0.727273),
    ],
)
def test_lexical_similarity(organic, rephrased, f1):
    rewards = [
        {"kind": "semantic", "measure": "lexical", "mode": "continuous", "name": "f1"},
        {"kind": "semantic", "measure": "lexical", "threshold": 0.5},
    ]
    found = earn(rewards, [f"{S} {rephrased}"], [organic])
    assert found["f1"].values == pytest.approx([f1], abs=1e-6)
    assert found["semantic"].values == [float(f1 >= 0.5)]


@pytest.mark.parametrize(
    ("organic", "rephrased", "sim", "passed"),
    [
        ("Cats sleep a lot.\n\nDogs bark at night.", "Cats rest often.\n\nAt night, dogs bark.", 1, 1),
        ("- Red\n- Green\n- Blue", "Red, green and blue.", 0, 0),
        ("• Red\n• Green", "- Crimson\n- Emerald", 1, 1),
        ('{"a": 1, "b": [2, 3]}', '{"a": 1, "b": [2, 3], "c": 4}', 1, 1),
        # a fence around the whole of a page without one is taken off (section 5, rule 5): leave a word before it
        ("def f(x):\n    return x + 1", "Code:\n\n```python\ndef f(x):\n    return x + 1\n```", None, 0),
        ("# Soup\n\nBoil water.", "# Soup\n\nHeat the water until boiling.", 0.8522, 1),
        ("# Soup\n\nBoil water.", "Boil water for soup.", 0.7143, 0),
        (TABLE, TABLE.replace("2", "3"), 1, 1),
        (TABLE, "a is 1 and b is 2", 0, 0),
        ("One.\n\n---\n\nTwo.", "One.\n\nTwo.", 1, 1),
        ("Intro text here.\n\n- one\n- two", "Opening words.\n\n- first\n- second\n- third", 0.7483, 1),
        ("The tour starts at nine. Bring water.", "## Tour\n\n- Starts at **nine**\n- Bring water", 0, 0),
        ("\n\n".join(LONG), " ".join(LONG), 1, 0),
    ],
)
def test_structure_by_blocks(organic, rephrased, sim, passed):
    rewards = [
        {"kind": "structure", "mode": "continuous", "name": "sim"},
        {"kind": "structure"},
    ]
    found = earn(rewards, [f"{S}\n\n{rephrased}"], [organic])
    assert found["structure"].values == [passed]
    if sim is not None:
        assert found["sim"].values == pytest.approx([sim], abs=5e-5)


@pytest.mark.parametrize(
    ("characters", "ours", "paper"), [(1250, 1, 1), (1251, 0, 0), (200, 1, 1), (199, 0, 1), (0, 0, 0)]
)
def test_length(characters, ours, paper):
    words = "".join(f"w{n} " for n in range(1000))  # no repetition loop
    rephrased = f"{words[: characters - 1]}." if characters else ""
    rewards = [{"kind": "length"}, {"kind": "length", "min_ratio": 0, "name": "paper"}]
    found = earn(rewards, [f"{S} {rephrased}"], [words[:1000]])
    assert (found["length"].values, found["paper"].values) == ([ours], [paper])


WEIGHTS = {"quality": 3, "semantic": 1, "structure": 1, "length": 1, "format": 1}
SAME = " ".join(f"alpha{n}" for n in range(7))
ORGANIC = f"{SAME} bravo bravo1 bravo2"  # 10 words
# 2 x 7 common words of 10 + 10: F1 0.7
REPHRASED = f"{SAME} charly charly1 charly2"


@pytest.mark.parametrize(
    ("base", "new", "rephrased", "threshold", "parts", "total"),
    [
        (3, 5, REPHRASED, 0.65, (2, 1, 1, 1, 1), 10),
        (3, 4, "exactly", 0.7, (1, 1, 1, 1, 1), 7),  # F1 at its threshold, length at 1.25
        (3, 3, ORGANIC, 0.65, (0, 1, 1, 1, 1), 4),  # an exact copy
        (3, 5, "too long", 0.65, (2, 0, 0, 0, 1), 7),
        (3, 3, None, 0.65, (-3, 0, 0, 0, 0), -9),  # no sentinel
        (3, 503, REPHRASED, 0.65, (None, 1, 1, 1, 1), None),  # the judge failed
    ],
)
def test_totals(dataman, base, new, rephrased, threshold, parts, total):
    quality, forms, _ = dataman
    limit = len(ORGANIC) * 5 // 4
    if rephrased == "exactly":
        assert len(ORGANIC) % 4 == 0
        rephrased = REPHRASED + "y" * (limit - len(REPHRASED))
        assert len(rephrased) == 1.25 * len(ORGANIC)
    elif rephrased == "too long":
        items = "\n".join(f"- delta{n}" for n in range(30))
        rephrased = items[: limit + 1]
    forms[rephrased] = 503 if new == 503 else FORM.format(new)
    completion = f"{S} {rephrased}" if rephrased else "Nothing of the kind."
    rewards = [
        quality,
        {"kind": "semantic", "measure": "lexical", "threshold": threshold},
        {"kind": "structure"},
        {"kind": "length"},
        {"kind": "format", "profile": "auto"},
    ]
    found = earn(rewards, [completion], [ORGANIC], dataman_score=[base])
    assert tuple(found[name].values[0] for name in WEIGHTS) == parts
    assert combine(found, WEIGHTS) == [total]
    assert failure(found, WEIGHTS, 0) == ("quality/no_score" if total is None else "")
