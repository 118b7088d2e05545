"""Pictures of graphs."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdev.report import graph_notation
from kdev.report.graph_layout import place, reduced
from kdev.report.graph_svg import svg
from kdev.report.graph_text import tree

STEPS = ["namespace:dev", "build:web", "build:api", "render:app", "deploy:app", "forward:web", "logs:all"]
EDGES = [
    ("build:web", "render:app"), ("build:api", "render:app"), ("render:app", "deploy:app"),
    ("namespace:dev", "deploy:app"), ("build:web", "deploy:app"), ("deploy:app", "forward:web"),
    ("deploy:app", "logs:all"),
]
STATES = {"build:web": "run", "render:app": "may", "deploy:app": "may", "build:api": "skip"}


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[str], list[tuple[str, str]]]:
    count = draw(st.integers(0, 12))
    steps = [f"s{number}" for number in range(count)]
    pairs = [(first, second) for index, first in enumerate(steps) for second in steps[index + 1 :]]
    return steps, draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []


def reachable(edges: list[tuple[str, str]]) -> set[tuple[str, str]]:
    closed = set(edges)
    while True:
        more = closed | {(a, d) for a, b in closed for c, d in closed if b == c}
        if more == closed:
            return closed
        closed = more


def test_a_tree_shows_goals_first_and_what_they_share_once() -> None:
    assert tree(STEPS, EDGES) == """\
forward:web
└─ deploy:app
   ├─ render:app
   │  ├─ build:web
   │  └─ build:api
   └─ namespace:dev
logs:all
└─ deploy:app ↑
↑ its needs are shown above"""


def test_a_tree_with_verdicts() -> None:
    assert tree(STEPS[1:4], EDGES[:2], STATES) == "render:app  may\n├─ build:web  run\n└─ build:api  skip"


def test_a_chain_of_thousands_is_no_trouble() -> None:
    steps = [f"s{number}" for number in range(3000)]
    assert tree(steps, list(itertools.pairwise(steps))).count("\n") == 2999


@given(graphs())
def test_every_step_is_in_the_tree(graph: tuple[list[str], list[tuple[str, str]]]) -> None:
    steps, edges = graph
    names = [line.strip("│├└─ ↑") for line in tree(steps, edges).split("\n")]
    assert set(steps) <= set(names)


@given(graphs())
def test_the_reduction_says_the_same_with_the_fewest_edges(graph: tuple[list[str], list[tuple[str, str]]]) -> None:
    steps, edges = graph
    kept = reduced(steps, edges)
    assert set(kept) <= set(edges)
    assert reachable(kept) == reachable(edges)
    for edge in kept:
        assert reachable([other for other in kept if other != edge]) != reachable(edges)


@given(graphs())
def test_in_a_picture_arrows_point_right_and_boxes_do_not_overlap(
    graph: tuple[list[str], list[tuple[str, str]]]
) -> None:
    steps, edges = graph
    placed = place(steps, reduced(steps, edges))
    for need, step in edges:
        assert placed.at[need][0] < placed.at[step][0]
    for layer in range(placed.layers):
        rows = sorted(row for at, row in placed.at.values() if at == layer)
        assert all(below - above > 0.999 for above, below in itertools.pairwise(rows))
        assert all(-0.001 <= row <= placed.rows for row in rows)
    for (need, step), way in placed.ways.items():
        assert (way[0], way[-1]) == (placed.at[need], placed.at[step])
        assert [layer for layer, _ in way] == list(range(way[0][0], way[-1][0] + 1))


def test_svg_is_well_formed_and_names_every_step() -> None:
    steps = [*STEPS, 'odd:<&"\x1b[2J>']
    root = ET.fromstring(svg(steps, EDGES, STATES))
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {*STEPS, 'odd:<&">', "will run", "may run", "up to date"} == texts
    arrows = [element for element in root.iter("{http://www.w3.org/2000/svg}path") if element.get("marker-end")]
    assert len(arrows) == 6


@pytest.mark.parametrize("steps", [[], ["alone"]])
def test_small_graphs_have_a_picture_too(steps: list[str]) -> None:
    ET.fromstring(svg(steps, []))
    assert tree(steps, []) == "".join(steps)


def test_dot() -> None:
    text = graph_notation.dot(['a:"x"\\', "b:y"], [('a:"x"\\', "b:y")], {"b:y": "run"})
    assert '  "a:\\"x\\"\\\\" -> "b:y";' in text
    assert '"b:y" [fillcolor="#ffe8a3"' in text
    if shutil.which("dot"):
        subprocess.run(["dot", "-Tsvg"], input=text, text=True, capture_output=True, check=True)


def test_mermaid() -> None:
    text = graph_notation.mermaid(["a:x", 'b:"y"'], [("a:x", 'b:"y"')], {"a:x": "may"})
    assert text.split("\n") == [
        "flowchart LR", '  s0["a:x"]', '  s1["b:#quot;y#quot;"]', "  s0 --> s1",
        "  classDef may fill:#cfeaf5,stroke:#2b7a99", "  class s0 may",
    ]


def test_json_keeps_every_edge() -> None:
    document = json.loads(graph_notation.as_json(["dep/x::build:web", *STEPS], EDGES, STATES))
    assert len(document["edges"]) == len(EDGES)
    assert document["steps"][0] == {"id": "dep/x::build:web", "kind": "build", "state": ""}
    assert document["steps"][2]["state"] == "run"
