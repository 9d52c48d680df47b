"""Think-aware templates of real families: thinking is asked for and opened, nothing else moves."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from eval.likelihood.spans import chat_turn
from rl.chat_template.__main__ import main
from rl.chat_template.convert import CASES, SYSTEM
from rl.chat_template.template import rendered

TEMPLATES = Path(find_spec("trl").origin).parent / "chat_templates"
PLAIN = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
PLAIN += "{% if add_generation_prompt %}<|assistant|>{% endif %}\n"
ENDS = {
    "qwen2_5": "<|im_end|>",
    "qwen3": "<|im_end|>",
    "llama3": "<|eot_id|>",
    "gemma": "<end_of_turn>",
    "plain": "<|end|>",
}
ASK = [{"role": "user", "content": "2 + 2?"}]


def template_of(family):
    return PLAIN if family == "plain" else (TEMPLATES / f"{family}.jinja").read_text(encoding="utf-8")


def folder_of(path, small_policy, family, place="file"):
    """A model folder of a family: the small policy with its template and end-of-turn token."""
    tokenizer = AutoTokenizer.from_pretrained(small_policy)
    tokenizer.add_special_tokens({"additional_special_tokens": sorted(set(ENDS.values())), "bos_token": "<s>"})
    tokenizer.eos_token = "<|pad|>"
    tokenizer.chat_template = None
    tokenizer.save_pretrained(path)
    (path / "model.safetensors").write_bytes(b"0" * (1 << 20))
    (path / "config.json").write_text(json.dumps({"eos_token_id": 0}), encoding="utf-8")
    template = template_of(family)
    values = json.loads((path / "tokenizer_config.json").read_text())
    if place == "file":
        (path / "chat_template.jinja").write_text(template, encoding="utf-8")
    else:
        named = [{"name": "default", "template": template}, {"name": "rag", "template": template}]
        values["chat_template"] = template if place == "string" else named
        (path / "tokenizer_config.json").write_text(json.dumps(values), encoding="utf-8")
    return path


@pytest.fixture(params=ENDS)
def converted(request, tmp_path, small_policy, capsys):
    """A family and its folder before and after."""
    source = folder_of(tmp_path / "base", small_policy, request.param)
    main(["-i", str(source)])
    return request.param, source, tmp_path / "base-think", capsys.readouterr().out


def show(folder, messages, **options):
    return AutoTokenizer.from_pretrained(folder).apply_chat_template(messages, tokenize=False, **options)


def test_prompts_ask_for_thinking_and_open_it(converted):
    _, source, target, _ = converted
    text = show(target, ASK, add_generation_prompt=True)
    assert text.endswith("<think>\n") and text.count(SYSTEM) == 1
    assert not show(target, ASK, add_generation_prompt=False).rstrip().endswith("<think>")
    asked = [{"role": "system", "content": SYSTEM}, *ASK]
    if converted[0] != "gemma":  # whose template takes no system turn
        assert text == show(source, asked, add_generation_prompt=True) + "<think>\n"


def test_an_own_system_turn_stays(converted):
    family, source, target, _ = converted
    if family == "gemma":
        pytest.skip("its template takes no system turn")
    own = [{"role": "system", "content": "Be brief."}, *ASK]
    assert show(target, own, add_generation_prompt=True) == show(source, own, add_generation_prompt=True) + "<think>\n"


def test_history_loses_its_thinking_and_the_last_answer_keeps_it(converted):
    _, _, target, _ = converted
    answer = {"role": "assistant", "content": "<think>\nTwo and two.\n</think>\n\n4"}
    history = show(target, [*ASK, answer, {"role": "user", "content": "And 3?"}], add_generation_prompt=True)
    assert "Two and two." not in history and "4" in history
    assert history.count("<think>") == 1 + SYSTEM.count("<think>")
    assert "Two and two." in show(target, [*ASK, answer])


def test_a_completion_continues_its_own_prompt(converted):
    _, _, target, _ = converted
    completion = "Two and two.\n</think>\n\n4"
    prompt = show(target, ASK, add_generation_prompt=True)
    whole = show(target, [*ASK, {"role": "assistant", "content": completion}])
    if converted[0] != "qwen3":  # whose template writes thinking anew
        assert whole.startswith(prompt + completion)
        assert not all(chat_turn(AutoTokenizer.from_pretrained(target), ASK, completion).is_text)


def test_the_end_of_a_turn_ends_generation(converted):
    family, source, target, printed = converted
    tokenizer = AutoTokenizer.from_pretrained(target)
    assert tokenizer.eos_token == ENDS[family] and f"-> {ENDS[family]}" in printed
    generation = json.loads((target / "generation_config.json").read_text())
    assert generation["eos_token_id"] == [tokenizer.eos_token_id, 0]
    assert json.loads((target / "think_template.json").read_text())["think_open"] is True
    assert not (source / "generation_config.json").exists()


def test_twice_is_once(converted, tmp_path, capsys):
    _, _, target, _ = converted
    main(["-i", str(target), "-o", str(tmp_path / "twice")])
    assert "made anew" in capsys.readouterr().out
    for path in target.iterdir():
        assert (tmp_path / "twice" / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize("place", ["string", "list"])
def test_a_template_inside_the_tokenizer_config_is_changed_there(tmp_path, small_policy, place):
    source = folder_of(tmp_path / "base", small_policy, "qwen2_5", place)
    main(["-i", str(source), "-o", str(tmp_path / "out")])
    assert not (tmp_path / "out" / "chat_template.jinja").exists()
    assert show(tmp_path / "out", ASK, add_generation_prompt=True).endswith("<think>\n")
    if place == "list":
        entries = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())["chat_template"]
        assert [entry["name"] for entry in entries] == ["default", "rag"]


def test_tools_are_still_shown(tmp_path, small_policy):
    source = folder_of(tmp_path / "base", small_policy, "qwen2_5")
    main(["-i", str(source)])
    text = show(tmp_path / "base-think", ASK, tools=CASES["tools"]["tools"], add_generation_prompt=True)
    assert '"name": "add"' in text and SYSTEM in text and text.endswith("<think>\n")


def test_a_template_that_opens_thinking_is_left_alone(tmp_path, small_policy, capsys):
    source = folder_of(tmp_path / "base", small_policy, "deepseek_r1_distill")
    main(["-i", str(source), "--eos", "<|end|>"])
    assert (tmp_path / "base-think" / "chat_template.jinja").read_text() == template_of("deepseek_r1_distill")
    main(["-i", str(source), "-o", str(tmp_path / "own"), "--eos", "<|end|>", "--system", "Be brief."])
    text = show(tmp_path / "own", ASK, add_generation_prompt=True)
    assert "Be brief." in text and text.count("<think>") == 1


def test_thinking_can_be_switched_off_at_a_call(tmp_path, small_policy):
    source = folder_of(tmp_path / "base", small_policy, "qwen3")
    main(["-i", str(source)])
    text = show(tmp_path / "base-think", ASK, add_generation_prompt=True, enable_thinking=False)
    assert text.endswith("<think>\n\n</think>\n\n")


def test_weights_are_linked_or_copied_and_small_files_are_not_shared(tmp_path, small_policy):
    source = folder_of(tmp_path / "base", small_policy, "plain")
    main(["-i", str(source)])
    main(["-i", str(source), "-o", str(tmp_path / "copy"), "--copy"])
    linked, copied = (tmp_path / name / "model.safetensors" for name in ("base-think", "copy"))
    assert linked.samefile(source / "model.safetensors") and not copied.samefile(source / "model.safetensors")
    assert not (tmp_path / "base-think" / "config.json").samefile(source / "config.json")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--system", "", "--no-open-think", "--eos", "<|pad|>"], "nothing would change"),
        (["--eos", "<none>"], "'<none>' is no special token"),
        (["-o", "{source}"], "choose another"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, small_policy, capsys, arguments, message):
    source = folder_of(tmp_path / "base", small_policy, "plain")
    with pytest.raises(SystemExit) as ended:
        main(["-i", str(source), *(argument.replace("{source}", str(source)) for argument in arguments)])
    assert ended.value.code == 2 and message in capsys.readouterr().err


def test_a_folder_without_a_template_is_a_mistake(tmp_path, small_policy, capsys):
    source = folder_of(tmp_path / "base", small_policy, "plain")
    (source / "chat_template.jinja").unlink()
    with pytest.raises(SystemExit):
        main(["-i", str(source)])
    assert "has no chat template" in capsys.readouterr().err


def test_a_text_with_quotes_and_backslashes_is_a_system_turn():
    from rl.chat_template.template import Options, wrapped

    system = 'Say "hi", don\'t use \\boxed{} or {{ braces }}.\nThink.'
    text, error = rendered(wrapped(PLAIN, Options(system, open_think=True)), {"messages": ASK}, {})
    assert (text, error) == (f"<|system|>{system}<|end|><|user|>2 + 2?<|end|>", "")
