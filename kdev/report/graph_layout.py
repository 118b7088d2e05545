"""Where the nodes of a graph stand in a picture: fewer edges, layers, an order with few crossings, coordinates.

Numbers only. Edges are (need, step) pairs of an acyclic graph; equal input gives an equal picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter
from typing import NamedTuple

Edges = Sequence[tuple[str, str]]
"""(need, step) pairs: the first comes before the second."""
_SWEEPS = 8


def reduced(steps: Sequence[str], edges: Edges) -> list[tuple[str, str]]:
    """The edges without those that a longer way says already, in the order of `edges`."""
    order = {step: number for number, step in enumerate(_sorted(steps, edges))}
    needs = _neighbours(steps, edges, backwards=True)
    before: dict[str, int] = {}  # everything that must come earlier, as a bit set
    kept: set[tuple[str, str]] = set()
    for step in order:
        covered = 0
        for need in sorted(set(needs[step]), key=order.__getitem__, reverse=True):
            if not covered >> order[need] & 1:
                kept.add((need, step))
                covered |= before[need] | 1 << order[need]
        before[step] = covered
    return list(dict.fromkeys(edge for edge in edges if edge in kept))


class Placed(NamedTuple):
    """A picture's geometry. `at` gives each step's layer and height in the layer, in rows; `ways` each edge's stops.

    A stop is (layer, row): the need's own place, one for every layer that is crossed, the step's own place.
    """

    at: dict[str, tuple[int, float]]
    ways: dict[tuple[str, str], list[tuple[int, float]]]
    layers: int
    rows: float


def place(steps: Sequence[str], edges: Edges) -> Placed:
    """Layers by the longest way, long edges led through the layers between."""
    level = _levels(steps, edges)
    names = dict.fromkeys(steps)
    stops: dict[tuple[str, str], list[str]] = {}
    parts: list[tuple[str, str]] = []
    for number, (need, step) in enumerate(edges):
        between = {f"\0{number}:{layer}": layer for layer in range(level[need] + 1, level[step])}
        level.update(between)
        names.update(dict.fromkeys(between))
        stops[need, step] = [need, *between, step]
        parts += list(zip(stops[need, step], stops[need, step][1:], strict=False))
    rows: list[list[str]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for name in names:
        rows[level[name]].append(name)
    before, after = _neighbours(names, parts, backwards=True), _neighbours(names, parts, backwards=False)
    _untangle(rows, before, after)
    height = _heights(rows, before, after)
    lowest = min(height.values(), default=0.0)
    at = {name: (level[name], height[name] - lowest) for name in names}
    ways = {edge: [at[name] for name in stops[edge]] for edge in stops}
    return Placed({step: at[step] for step in steps}, ways, len(rows), max(height.values(), default=0.0) - lowest + 1)


def _sorted(steps: Sequence[str], edges: Edges) -> list[str]:
    sorter: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(steps, ()))
    for need, step in edges:
        sorter.add(step, need)
    return list(sorter.static_order())


def _levels(steps: Sequence[str], edges: Edges) -> dict[str, int]:
    needs, dependents = _neighbours(steps, edges, backwards=True), _neighbours(steps, edges, backwards=False)
    level: dict[str, int] = {}
    for step in _sorted(steps, edges):
        level[step] = max((level[need] + 1 for need in needs[step]), default=0)
    for step in steps:
        # What needs nothing stands right before its first user: shorter edges.
        if not needs[step] and dependents[step]:
            level[step] = min(level[user] for user in dependents[step]) - 1
    return level


def _neighbours(names: Sequence[str] | Mapping[str, None], edges: Edges, *, backwards: bool) -> dict[str, list[str]]:
    result: dict[str, list[str]] = {name: [] for name in names}
    for first, second in edges:
        if backwards:
            result[second].append(first)
        else:
            result[first].append(second)
    return result


def _untangle(rows: list[list[str]], before: Mapping[str, list[str]], after: Mapping[str, list[str]]) -> None:
    """Order each layer by where its neighbours stand, to and fro."""
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        sides = before if forward else after
        for number in range(1, len(rows)) if forward else range(len(rows) - 2, -1, -1):
            beside = {name: place for place, name in enumerate(rows[number - 1 if forward else number + 1])}
            weight = {}
            for own, name in enumerate(rows[number]):
                near = [beside[other] for other in sides[name]]
                weight[name] = sum(near) / len(near) if near else float(own)
            rows[number].sort(key=weight.__getitem__)


def _heights(
    rows: list[list[str]], before: Mapping[str, list[str]], after: Mapping[str, list[str]]
) -> dict[str, float]:
    height = {name: float(own) for row in rows for own, name in enumerate(row)}
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        for row in rows if forward else reversed(rows):
            wanted = []
            for name in row:
                near = [height[other] for other in (before if forward else after)[name]]
                wanted.append(sum(near) / len(near) if near else height[name])
            height.update(zip(row, _spread([_size(name) for name in row], wanted), strict=True))
    return height


def _size(name: str) -> float:
    return 0.5 if name.startswith("\0") else 1.0


def _spread(sizes: Sequence[float], wanted: Sequence[float]) -> list[float]:
    """The places nearest to `wanted`, by least squares, that keep neighbours apart: pool adjacent violators."""
    offsets, total = [], 0.0
    for number, size in enumerate(sizes):
        total += (sizes[number - 1] + size) / 2 if number else 0.0
        offsets.append(total)
    pools: list[list[float]] = []  # sum, count
    for place, offset in zip(wanted, offsets, strict=True):
        pools.append([place - offset, 1])
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] > pools[-1][0] / pools[-1][1]:
            last = pools.pop()
            pools[-1] = [pools[-1][0] + last[0], pools[-1][1] + last[1]]
    means = [pool[0] / pool[1] for pool in pools for _ in range(int(pool[1]))]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]
