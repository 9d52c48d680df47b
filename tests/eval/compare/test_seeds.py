"""Seeds of one recipe compare as their mean, document by document, with their spread in the name."""

import json
from math import log

import pytest

from eval.compare.__main__ import main
from eval.compare.differences import compare
from eval.compare.seeds import read_groups
from eval.runner.bits_per_byte import TextScores, store


def record(folder, name, nats):
    """A record of documents of ten bytes each."""
    scores = TextScores([str(at) for at in range(len(nats))], nats, [2] * len(nats), [10] * len(nats))
    store(scores, folder / name, {"key": "k"})
    about = {"name": name, "eval_metrics": {}, "rows_folder": name, "bpb": scores.figures(draws=20)}
    (folder / f"{name}.json").write_text(json.dumps(about))
    return str(folder / f"{name}.json")


def test_the_mean_of_two_seeds_is_compared_and_their_spread_told(tmp_path, capsys):
    organic = [record(tmp_path, "o1", [5.0, 7.0]), record(tmp_path, "o2", [6.0, 8.0])]
    mixed = [record(tmp_path, "m1", [4.0, 6.0]), record(tmp_path, "m2", [5.0, 7.0])]
    one, two = read_groups([",".join(organic), ",".join(mixed)])
    assert one.documents.nats == [5.5, 7.5]
    difference = compare(one, two)["bits per byte"]
    assert difference.value == pytest.approx(-1 / log(2) / 10)  # one nat less for each ten bytes
    assert difference.verdict == "better"
    assert f"{0.05 / log(2):.4f} over seeds" in one.name  # by hand: 12 and 14 nats in 20 bytes
    main([",".join(organic), ",".join(mixed)])
    assert "m1 and 1 more" in capsys.readouterr().out


def test_seeds_of_different_documents_are_refused(tmp_path):
    pair = [record(tmp_path, "o1", [5.0, 7.0]), record(tmp_path, "o2", [6.0])]
    with pytest.raises(ValueError, match="different documents"):
        read_groups([",".join(pair)])
