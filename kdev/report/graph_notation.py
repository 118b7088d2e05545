"""A graph in the notations of other programs: Graphviz DOT, Mermaid, JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from kdev.report.clean import clean
from kdev.report.graph_layout import Edges, reduced

FILLS = {"run": "#ffe8a3", "may": "#cfeaf5", "skip": "#d8f0d8", "": "#f2f3f5"}
LINES = {"run": "#b07d00", "may": "#2b7a99", "skip": "#3f8f3f", "": "#6b7280"}
MEANING = {"run": "will run", "may": "may run", "skip": "up to date"}


def dot(steps: Sequence[str], edges: Edges, states: Mapping[str, str] | None = None) -> str:
    """For `dot -Tsvg`."""
    states = states or {}
    lines = ["digraph kdev {", "  rankdir=LR;", '  node [shape=box, style="rounded,filled", fontname="monospace"];']
    for step in steps:
        state = states.get(step, "")
        lines.append(f'  {_quoted(step)} [fillcolor="{FILLS[state]}", color="{LINES[state]}"];')
    lines += [f"  {_quoted(need)} -> {_quoted(step)};" for need, step in reduced(steps, edges)]
    return "\n".join([*lines, "}"])


def mermaid(steps: Sequence[str], edges: Edges, states: Mapping[str, str] | None = None) -> str:
    """For Markdown pages that draw Mermaid."""
    states = states or {}
    number = {step: f"s{index}" for index, step in enumerate(steps)}
    lines = ["flowchart LR"]
    lines += [f'  {number[step]}["{_entities(step)}"]' for step in steps]
    lines += [f"  {number[need]} --> {number[step]}" for need, step in reduced(steps, edges)]
    for state in MEANING:
        members = ",".join(number[step] for step in steps if states.get(step) == state)
        if members:
            lines += [f"  classDef {state} fill:{FILLS[state]},stroke:{LINES[state]}", f"  class {members} {state}"]
    return "\n".join(lines)


def as_json(steps: Sequence[str], edges: Edges, states: Mapping[str, str] | None = None) -> str:
    """Every step and every edge, nothing left out. `state` is "" when nobody asked for a plan."""
    states = states or {}
    document = {
        "schema": 1,
        "steps": [{"id": step, "kind": step.rpartition("::")[2].partition(":")[0], "state": states.get(step, "")}
                  for step in steps],
        "edges": [{"from": need, "to": step} for need, step in edges],
    }
    return json.dumps(document, indent=2)


def _quoted(name: str) -> str:
    return '"' + clean(name).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _entities(name: str) -> str:
    return clean(name).replace("#", "#35;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")
