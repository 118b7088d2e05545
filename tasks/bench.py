"""bench: figures, with their limits."""

from __future__ import annotations

import json
import subprocess
import sys

from invoke import Context, Exit, task

from tasks.machine import ROOT, say

FOLDER = ROOT / "tests/bench"
NO_BENCHMARK = {"__init__", "measure", "synthetic"}


@task(help={"only": "one of them, by its file's name: startup, steps, fingerprints, watching"})
def bench(_: Context, only: str = "") -> None:
    """Start-up, no-op, fingerprints, watching; against `python -c pass` and doit. Fails above a limit."""
    names = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in NO_BENCHMARK)
    if only and only not in names:
        raise Exit(f"inv: there is no benchmark {only}; there are {', '.join(names)}", code=64)
    over, broken = [], []
    print(f"{'':<56}{'figure':>12}{'limit':>10}")
    for name in [only] if only else names:
        say(f"measuring {name}")
        argv = [sys.executable, "-m", f"tests.bench.{name}"]
        done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            broken.append(name)
        for line in done.stdout.splitlines():
            one = json.loads(line)
            limit = "" if one["limit"] is None else f"{one['limit']:.0f} {one['unit']}"
            bad = one["limit"] is not None and one["value"] > one["limit"]
            value = f"{one['value']:.1f} {one['unit']}"
            print(f"{one['name']:<56}{value:>12}{limit:>10}{'  over' if bad else ''}", flush=True)
            over += [one["name"]] if bad else []
    if over or broken:
        raise Exit(f"inv: bench: over the limit: {over or 'none'}; did not run: {broken or 'none'}", code=1)
