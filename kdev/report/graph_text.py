"""A graph as a tree of text: goals at the left, below each what it needs. What was shown already is named only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kdev.report.clean import clean
from kdev.report.graph_layout import Edges, reduced
from kdev.report.paint import STATES, Paint

_AGAIN = " ↑"


def tree(
    steps: Sequence[str], edges: Edges, states: Mapping[str, str] | None = None, paint: Paint | None = None
) -> str:
    """`states` gives a verdict (run, may, skip) per step, which is written behind its name."""
    states, paint = states or {}, paint or Paint(False)
    needs: dict[str, list[str]] = {step: [] for step in steps}
    needed = set()
    for need, step in reduced(steps, edges):
        needs[step].append(need)
        needed.add(need)
    lines: list[str] = []
    shown: set[str] = set()
    # (step, what stands before its name, what stands before the names below it), the next one last
    stack = [(step, "", "") for step in reversed(steps) if step not in needed]
    while stack:
        step, prefix, below = stack.pop()
        again = step in shown and bool(needs[step])
        state = states.get(step, "")
        name = paint(STATES[state], clean(step)) if state in STATES else clean(step)
        word = paint("dim", f"  {state}") if state else ""
        lines.append(paint("dim", prefix) + name + (paint("dim", _AGAIN) if again else word))
        if step not in shown:
            shown.add(step)
            children = needs[step]
            stack += [
                (child, f"{below}{'└─ ' if last else '├─ '}", f"{below}{'   ' if last else '│  '}")
                for child, last in reversed([(child, child is children[-1]) for child in children])
            ]
    if any(line.endswith((_AGAIN, f"{_AGAIN}\x1b[0m")) for line in lines):
        lines.append(paint("dim", f"{_AGAIN.strip()} its needs are shown above"))
    return "\n".join(lines)
