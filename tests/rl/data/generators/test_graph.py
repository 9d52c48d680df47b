"""Implication chains, read back from their text and searched by networkx."""

import json
import re
from collections import Counter

import networkx
import pytest

from eval.verifiers.registry import score
from rl.data.generators.graph import PAPER_LOOKAHEADS, GraphConfig
from rl.data.generators.puzzle import generate

FACT = r"([A-Z][A-Za-z ]*?) is ([a-z]+)"
FORMS = (
    rf"If {FACT}, then {FACT}\.",
    rf"Given {FACT} then {FACT}\.",
    rf"{FACT} implies {FACT}\.",
    rf"{FACT} is true if {FACT}\.",
)


def read(row):
    text = row["prompt"][0]["content"]
    graph = networkx.DiGraph()
    statements, question = text.split("\n\nSuppose that ")
    for line in statements.splitlines()[1:]:
        form, found = next((form, found) for form in FORMS if (found := re.fullmatch(form, line)))
        edge = (found.group(1, 2), found.group(3, 4))
        graph.add_edge(*(edge[::-1] if "true if" in form else edge))
    start = re.match(FACT, question).groups()
    goal = re.search(rf"proved that {FACT}\.", question).groups()
    return graph, start, goal


def check(row):
    graph, start, goal = read(row)
    lookahead = json.loads(row["info"])["difficulty"]["lookahead"]
    assert networkx.is_directed_acyclic_graph(graph)
    arrives = [one for one in graph.successors(start) if networkx.has_path(graph, one, goal)]
    assert [word for _, word in arrives] == [json.loads(row["ground_truth"])]
    assert networkx.shortest_path_length(graph, start, goal) == lookahead
    assert max(dict(graph.in_degree()).values()) <= 3
    # a rival leads on for as long as the way does, so that looking less far ahead does not tell them apart
    others = set(graph.successors(start)) - set(arrives)
    depth = {one: max(networkx.single_source_shortest_path_length(graph, one).values()) for one in others}
    assert (
        max(len(networkx.dag_longest_path(graph.subgraph(networkx.descendants(graph, one) | {one}))) for one in depth)
        >= lookahead
    )
    assert not Counter(word for _, word in graph.nodes).most_common(1)[0][1] > 1
    assert score(row, f"<answer>{json.loads(row['ground_truth'])}</answer>").status == "correct"
    for _, word in others:
        assert score(row, f"<answer>{word}</answer>").status == "wrong"


def puzzle(index, **settings):
    return generate(0, index, GraphConfig(out="x.jsonl", **settings))


def test_one_step_leads_on_and_it_is_the_gold_word():
    for index in range(48):
        check(puzzle(index))


def test_the_papers_lookaheads_are_possible():
    listed = "1 2 3 4 5 6 8 11 14 18 23 30 39 51 67 87 112 146 190 247 321 418 543"
    assert list(map(str, PAPER_LOOKAHEADS)) == listed.split(" ")
    for index in (0, 1, 8, 13):
        check(puzzle(index, lookaheads="paper"))
    graph, _, _ = read(puzzle(22, lookaheads="paper"))
    assert 2.9 * 543 <= graph.number_of_nodes() <= 3.2 * 543


@pytest.mark.slow
def test_a_thousand_puzzles_have_one_answer():
    for index in range(1000):
        check(puzzle(index))
    for index in range(23):
        check(puzzle(index, lookaheads="paper"))
