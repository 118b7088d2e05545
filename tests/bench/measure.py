"""How the benchmarks measure and what they print: one JSON object per figure, `name value unit limit note`."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.project import ROOT


def figure(name: str, value: float, unit: str, limit: float | None = None, note: str = "") -> None:
    """Tell one figure. Above `limit` it is a failure, where there is one."""
    print(json.dumps({"name": name, "value": value, "unit": unit, "limit": limit, "note": note}), flush=True)


def milliseconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


def program(argv: Sequence[str], cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Callable[[], None]:
    """A call that runs the program to its end; CalledProcessError with its output when it fails."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **(env or {})}

    def call() -> None:
        done = subprocess.run(argv, cwd=cwd, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(argv)} → {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")

    return call


def medians(calls: Mapping[str, Callable[[], object]], rounds: int = 15) -> dict[str, float]:
    """The median milliseconds of each call. They take turns, so that a busy moment hits all of them alike."""
    for call in calls.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(milliseconds(call))
    return {name: statistics.median(found) for name, found in times.items()}


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def bare_python() -> Callable[[], None]:
    """`python -c pass`, the yardstick of start-up."""
    return program([sys.executable, "-c", "pass"])


def write_files(folder: Path, count: int, per_folder: int = 15) -> None:
    """`count` small files of different content, `per_folder` in each folder."""
    for number in range(count):
        place = folder / f"d{number // per_folder // 50}" / f"e{number // per_folder}"
        if number % per_folder == 0:
            place.mkdir(parents=True, exist_ok=True)
        (place / f"f{number}.txt").write_text(f"{number}\n" * (1 + number % 40))
