"""The graph of steps on networkx: built once, checked, sliced to goals, and lowered to a Plan.

Refuses unknown needs, two steps with one id, and cycles (told as a path). Runs nothing; knows no state.
"""

from __future__ import annotations

from collections.abc import Iterable

import networkx as nx

from kdev.core.plan import Plan
from kdev.core.step import Step, StepId
from kdev.errors import ConfigError, Mark, Problem


class Graph:
    """Steps and their edges. An edge leads from what comes first to what comes later."""

    def __init__(self, steps: Iterable[Step]) -> None:
        """Raises ConfigError with every problem: unknown needs, doubled ids, and one cycle, as its path."""
        self.steps: dict[StepId, Step] = {}
        problems: list[Problem] = []
        for step in steps:
            if step.id in self.steps:
                message = f"two steps are called {step.id}"
                problems.append(Problem(mark_of(step), message, _first_at(self.steps[step.id])))
            self.steps[step.id] = step
        self._dag: nx.DiGraph[StepId] = nx.DiGraph()
        self._dag.add_nodes_from(self.steps)
        for step in self.steps.values():
            for need in (*step.needs, *(a for a in step.after if a in self.steps)):
                if need in self.steps:
                    self._dag.add_edge(need, step.id)
                else:
                    problems.append(Problem(mark_of(step), f"{step.id} needs {need}, which does not exist"))
        problems += self._cycle()
        if problems:
            raise ConfigError(tuple(problems))

    def _cycle(self) -> list[Problem]:
        try:
            edges = nx.find_cycle(self._dag)
        except nx.NetworkXNoCycle:
            return []
        path = [edges[0][0], *(edge[1] for edge in edges)]
        text = " → ".join(path)
        return [Problem(mark_of(self.steps[path[0]]), f"the steps need each other in a circle: {text}")]

    def slice(self, goals: Iterable[StepId]) -> Graph:
        """The goals and everything they need, directly or not. An order-only step does not drag itself in."""
        wanted: set[StepId] = set()
        front = list(goals)
        while front:
            step = front.pop()
            if step not in wanted:
                wanted.add(step)
                front.extend(self.steps[step].needs)
        return Graph(step for step in self.steps.values() if step.id in wanted)

    def order(self) -> list[StepId]:
        """Every step after what it needs; ties in the order in which they were written."""
        rank = {step: number for number, step in enumerate(self.steps)}
        return list(nx.lexicographical_topological_sort(self._dag, key=rank.__getitem__))

    def lower(self, *, project: str, pipeline: str) -> Plan:
        """The same graph as plain arrays, for the scheduler and for the cache on disk."""
        order = self.order()
        index = {step: number for number, step in enumerate(order)}
        return Plan.of(
            project,
            pipeline,
            tuple(self.steps[step] for step in order),
            tuple(tuple(sorted(index[n] for n in self.steps[s].needs)) for s in order),
            tuple(tuple(sorted(index[a] for a in self.steps[s].after if a in index)) for s in order),
        )


def mark_of(step: Step) -> Mark | None:
    """The place in the configuration that a step comes from."""
    file, _, rest = step.at.partition(":")
    line, _, column = rest.partition(":")
    return Mark(file, int(line), int(column)) if line and column else None


def _first_at(step: Step) -> str:
    return f"the first is at {step.at}" if step.at else ""
