"""A graph as an SVG picture: layers from left to right, rounded boxes, curved arrows, a colour per verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from kdev.report.clean import clean, width
from kdev.report.graph_layout import Edges, Placed, place, reduced
from kdev.report.graph_notation import FILLS, LINES, MEANING

_ROW, _BOX, _GAP, _EDGE = 40.0, 26.0, 56.0, 20.0
_CHAR, _PAD = 7.3, 20.0
_LEGEND = 44.0
_ARROW = 7.0


def svg(steps: Sequence[str], edges: Edges, states: Mapping[str, str] | None = None) -> str:
    """The whole document. Names are text, so that they can be searched and copied."""
    states = states or {}
    kept = reduced(steps, edges)
    placed = place(steps, kept)
    lefts, widths = _columns(steps, placed)
    legend = _LEGEND if states else 0.0
    right = (lefts[-1] + widths[-1] if lefts else 0.0) + _EDGE
    tall = 2 * _EDGE + placed.rows * _ROW + legend
    wide = max(right, 3 * 130.0 + 2 * _EDGE) if states else right
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide:.0f}" height="{tall:.0f}"'
        f' viewBox="0 0 {wide:.0f} {tall:.0f}" font-family="ui-monospace,Menlo,Consolas,monospace" font-size="12">',
        f'<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="{_ARROW:g}" markerHeight="{_ARROW:g}"'
        ' orient="auto"><path d="M0 0 8 4 0 8z" fill="#8a93a0"/></marker></defs>',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    parts += [_way(stops, lefts, widths) for stops in placed.ways.values()]
    for step in steps:
        layer, row = placed.at[step]
        parts.append(_box(step, states.get(step, ""), lefts[layer], _y(row), widths[layer]))
    if states:
        for number, (state, meaning) in enumerate(MEANING.items()):
            parts.append(_box(meaning, state, _EDGE + number * 130.0, tall - 28.0, 110.0))
    return "\n".join([*parts, "</svg>"])


def _columns(steps: Sequence[str], placed: Placed) -> tuple[list[float], list[float]]:
    """Each layer's left edge and width: as wide as its longest name."""
    widths = [40.0] * placed.layers
    for step in steps:
        layer = placed.at[step][0]
        widths[layer] = max(widths[layer], width(clean(step)) * _CHAR + _PAD)
    lefts, left = [], _EDGE
    for wide in widths:
        lefts.append(left)
        left += wide + _GAP
    return lefts, widths


def _y(row: float) -> float:
    return _EDGE + row * _ROW + _ROW / 2


def _box(name: str, state: str, left: float, middle: float, wide: float) -> str:
    return (
        f'<g><title>{escape(clean(name))}{f" ({MEANING[state]})" if state in MEANING else ""}</title>'
        f'<rect x="{left:.1f}" y="{middle - _BOX / 2:.1f}" width="{wide:.1f}" height="{_BOX:g}" rx="6"'
        f' fill="{FILLS[state]}" stroke="{LINES[state]}"/>'
        f'<text x="{left + wide / 2:.1f}" y="{middle + 4:.1f}" text-anchor="middle" fill="#1f2933">'
        f"{escape(clean(name))}</text></g>"
    )


def _way(stops: list[tuple[int, float]], lefts: list[float], widths: list[float]) -> str:
    """From the need's right edge to the step's left edge; straight through the layers between."""
    (first, row), *between, (last, end) = stops
    x, y = lefts[first] + widths[first], _y(row)
    path = [f"M{x:.1f} {y:.1f}"]
    points = [point for layer, height in between
              for point in ((lefts[layer], _y(height)), (lefts[layer] + widths[layer], _y(height)))]
    for number, (to_x, to_y) in enumerate([*points, (lefts[last], _y(end))]):
        if number % 2:
            path.append(f"L{to_x:.1f} {to_y:.1f}")
        else:
            half = (to_x - x) / 2
            path.append(f"C{x + half:.1f} {y:.1f} {to_x - half:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}")
        x, y = to_x, to_y
    return f'<path d="{" ".join(path)}" fill="none" stroke="#8a93a0" marker-end="url(#a)"/>'
