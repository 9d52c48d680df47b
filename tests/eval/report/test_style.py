"""Colours can be told apart by everyone, and stand out from their paper."""

import itertools

import numpy as np
import pytest

from eval.report.drawing.colours import Colours
from eval.report.style import DARK, DARK_PALETTE, LIGHT, PALETTE

# Machado, Oliveira and Fernandes (2009), severity 1: what people without one kind of cone see of linear RGB
VISION = {
    "all cones": np.eye(3),
    "no red cones": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green cones": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "no blue cones": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
APART = 12.0
"""Least distance in CIELAB; 2.3 can just be seen, and lines differ in their dashes too where colours come again."""


def linear(colour):
    values = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    x, y, z = np.cbrt(np.maximum(XYZ @ np.clip(rgb, 0, 1) / [0.9505, 1, 1.089], 1e-6))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(one, other):
    low, high = sorted(float(XYZ[1] @ linear(colour)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("palette", [PALETTE, DARK_PALETTE], ids=["light", "dark"])
def test_series_are_told_apart_with_every_kind_of_colour_vision(palette, vision):
    seen = [lab(np.array(VISION[vision]) @ linear(colour)) for colour in palette]
    assert min(np.linalg.norm(one - other) for one, other in itertools.combinations(seen, 2)) > APART


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_lines_and_text_stand_out_from_their_paper(colours):
    for paper in ("paper", "panel"):
        assert min(contrast(colours[f"c{number}"], colours[paper]) for number in range(len(PALETTE))) >= 3
        assert min(contrast(colours[ink], colours[paper]) for ink in ("ink", "soft", "accent")) >= 4.5
    assert min(contrast(colours["ink"], colours[paper]) for paper in ("gone", "came", "mark")) >= 4.5


def test_a_pool_and_all_that_is_made_of_it_share_a_colour_and_others_have_another():
    names = ["pool", "rl", "recycled", "organic", "mixed", "tokens_organic", "models/organic", "models/mixed"]
    colours = Colours(names)
    assert colours.of("scores/organic") == colours.of("models/organic") == colours.of("organic")
    assert len({colours.of(name) for name in ("pool", "rl", "recycled", "organic", "mixed")}) == 5


def test_the_same_names_get_the_same_colours_and_runs_of_two_folders_differ():
    names = [f"run{number}/rl" for number in range(12)]
    first, second = Colours(names), Colours(names)
    assert [first.of(name) for name in names] == [second.of(name) for name in names]
    assert len({first.of(name) for name in names}) == 12
