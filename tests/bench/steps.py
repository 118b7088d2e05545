"""A run with nothing to do over 1,000 and 10,000 synthetic steps, whole processes, against doit on the same graph.

Each step reads one file of its own and needs up to three others. kdev's half is real (plan, file observer, judge,
scheduler, journal on disk) except for the drivers, which do nothing: there is nothing to do.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from pathlib import Path

from kdev.core.actions import Hook
from kdev.core.codec import encode
from kdev.core.graph import Graph
from kdev.core.inputs import Files
from kdev.core.step import Role, Step, StepId
from tests.bench.measure import figure, medians, milliseconds, program
from tests.bench.synthetic import run

LIMITS = {1_000: 300.0, 10_000: 1_500.0}
DOIT = """\
import json
def task_all():
    for number, needs in enumerate(json.load(open("graph.json"))):
        yield {"name": str(number), "actions": ["true"], "file_dep": [f"files/{number}.txt"],
               "task_dep": [f"all:{need}" for need in needs]}
"""


def needs_of(count: int) -> list[list[int]]:
    """A graph of `count` nodes, three needs each at most, always the same."""
    chance = random.Random(count)
    return [sorted({chance.randrange(max(0, n - 200), n) for _ in range(3)} if n else set()) for n in range(count)]


def prepare(folder: Path, count: int) -> None:
    """The files, the graph for doit and the plan for kdev."""
    graph = needs_of(count)
    (folder / "files").mkdir()
    for number in range(count):
        (folder / f"files/{number}.txt").write_text(f"{number}\n")
    (folder / "graph.json").write_text(json.dumps(graph))
    (folder / "dodo.py").write_text(DOIT)
    steps = [
        Step(StepId(f"s:{n}"), Role.VALUE, Hook("true"), tuple(StepId(f"s:{m}") for m in needs), (),
             (Files(f"f{n}", (f"files/{n}.txt",)),))
        for n, needs in enumerate(graph)
    ]  # fmt: skip
    (folder / "plan.json").write_text(json.dumps(encode(Graph(steps).lower(project="bench", pipeline="build"))))


def measure(folder: Path, count: int, limit: float) -> None:
    prepare(folder, count)
    first = milliseconds(lambda: run(str(folder)))
    time.sleep(0.05)  # past the racy moment in which a file's stamp proves nothing yet
    assert run(str(folder)) == 0, "the second run has work"
    calls = {
        "kdev": program([sys.executable, "-m", "tests.bench.synthetic", str(folder)]),
        "doit": program([sys.executable, "-m", "doit", "-f", "dodo.py", "-v", "0"], folder),
    }
    found = medians(calls, 7 if count <= 1_000 else 3)
    figure(f"{count} steps, nothing to do", found["kdev"], "ms", limit)
    figure(f"{count} steps, doit on the same graph", found["doit"], "ms")
    figure(f"{count} steps, kdev / doit", found["kdev"] / found["doit"], "x")
    figure(f"{count} steps, all of them run", first, "ms")


def main() -> None:
    for count, limit in LIMITS.items():
        with tempfile.TemporaryDirectory(prefix="kdev-bench-") as scratch:
            measure(Path(scratch), count, limit)


if __name__ == "__main__":
    main()
