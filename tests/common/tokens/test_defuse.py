"""Control tokens broken up for servers, and mended in answers."""

from hypothesis import given, settings
from hypothesis import strategies as st

from common.tokens.defuse import Defused, defused_messages

NAMES = ["<|im_end|>", "<|eot_id|>", "<end_of_turn>", "</s>", "[INST]", "<\uff5cUser\uff5c>", "<|end|>", "@@stop@@"]


@settings(deadline=None, derandomize=True)
@given(st.lists(st.one_of(st.sampled_from(NAMES), st.text(max_size=5), st.sampled_from("\u2060\u200b<|")), max_size=8))
def test_what_is_sent_spells_none_and_comes_back_whole(pieces):
    text = "".join(pieces)
    defused = Defused([text], ["@@stop@@"])
    sent = defused.text(text)
    assert not any(name in sent for name in NAMES)
    assert defused.restore(sent) == text
    assert (defused.count > 0) == (sent != text)


def test_parts_and_texts_of_messages_are_defused_and_others_left():
    image = {"type": "image_url", "image_url": {"url": "data:,<|im_end|>"}}
    parts = [{"type": "text", "text": "a<|im_end|>"}, image]
    sent, defused = defused_messages([{"role": "user", "content": parts}, {"role": "system", "content": "plain </p>"}])
    assert sent[0]["content"] == [{"type": "text", "text": "a<\u2060|im_end|>"}, image]
    assert sent[1] == {"role": "system", "content": "plain </p>"}
    assert defused.count == 1
