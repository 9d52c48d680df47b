"""What a run did on its held-out rows: rewards and, of seeded rows, content kept and noise removed, with errors."""

import json

import pytest

from rl.held_out import main, run_gains

PAGE = "Home | News\nThe river rises in 1915 metres.\nMore from us"
CLEAN = "The river rises in 1915 metres."


def sample(step, key, completion, quality):
    return {
        "step": step, "mode": "eval", "id": key, "text": PAGE, "clean_text": CLEAN, "answer_form": "edits",
        "completion": completion, "finish_reason": "stop", "rewards": {"quality": quality},
    }  # fmt: skip


def test_a_policy_that_learns_to_drop_furniture_removes_noise_and_keeps_the_content(tmp_path, capsys):
    copies = [sample(0, key, "Edits:\n[1] keep\n[2] keep\n[3] keep", 0.0) for key in "ab"]
    cleaned = [sample(4, "a", "Edits:\n[1] drop\n[2] keep\n[3] drop", 1.0), sample(4, "b", "Edits:\n[2] drop", 3.0)]
    (tmp_path / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in copies + cleaned))
    (tmp_path / "done.json").write_text('{"best_step": 4}')
    gains = run_gains(str(tmp_path))
    assert (gains["quality"]["gain"], gains["quality"]["error"]) == (2.0, 1.0)
    assert (gains["noise removed"]["before"], gains["noise removed"]["after"]) == (0.0, 0.5)  # b dropped the river
    assert (gains["content kept"]["before"], gains["content kept"]["after"]) == (1.0, 0.5)
    assert gains["numbers kept"]["after"] == 0.5
    main([str(tmp_path)])
    assert "noise removed  0.000 to 0.500" in capsys.readouterr().out


def test_a_folder_without_a_finished_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no finished run"):
        run_gains(str(tmp_path))
