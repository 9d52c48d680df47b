"""What one sentence says about two students is their difference in bits per byte and whether it is noise."""

import json

from common.runs.folder import write_json
from eval.report.stages import find_stages
from eval.report.students import student_sentences
from eval.runner.bits_per_byte import TextScores, store


def student(folder, name, nats):
    """A record of texts of a hundred bytes each, with the rows behind it."""
    count = len(nats)
    scores = TextScores([str(at) for at in range(count)], nats, [20] * count, [100] * count)
    store(scores, folder / name, {"key": "k"})
    write_json(folder / f"{name}.json", {"eval_metrics": {}, "rows_folder": name, "bpb": scores.figures(draws=50)})


def sentences(folder):
    return student_sentences(sorted(find_stages([str(folder)]), key=lambda stage: stage.path.stem))


def test_a_difference_on_every_document_is_more_than_noise(tmp_path):
    student(tmp_path, "a_organic", [100.0 + at for at in range(30)])
    student(tmp_path, "b_mixed", [97.0 + at for at in range(30)])
    (told,) = sentences(tmp_path)
    assert told.startswith("b_mixed needs 0.043 bits per byte less than a_organic")  # 3 nats in 100 bytes
    assert "more than noise over documents" in told


def test_a_difference_of_either_sign_is_noise_and_one_model_alone_says_nothing(tmp_path):
    student(tmp_path, "a_organic", [100.0] * 30)
    assert sentences(tmp_path) == []
    student(tmp_path, "b_mixed", [100.0 + (4 if at % 2 else -3.5) for at in range(30)])
    (told,) = sentences(tmp_path)
    assert "no more than noise" in told
    record = json.loads((tmp_path / "b_mixed.json").read_text())
    (tmp_path / "b_mixed.json").write_text(json.dumps({**record, "rows_folder": "gone"}))
    assert "they share no documents" in sentences(tmp_path)[0]
