"""A dev session that watches 20,000 files: from a save to the first step, and what it costs when nothing happens.

Needs the Docker Engine.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from tests.bench.measure import figure, percentile, write_files
from tests.project import Project, Running

FILES = 20_000
SAVES = 20
IDLE_SECONDS = 20.0


def cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mebibytes(process: int) -> float:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmRSS")


def note(number: int) -> dict[str, str]:
    return {"k8s/note.yaml": f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: note}}\ndata: {{n: '{number}'}}\n"}


def save(project: Project, session: Running, number: int) -> float:
    """Milliseconds from a save to the start of the first step, by the events' own times."""
    mark = session.mark()
    saved = time.time()
    project.write(note(number))
    first = session.wait(lambda event: event["event"] == "started", since=mark)
    session.ready(since=mark)
    return float(first["time"] - saved) * 1000


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="kdev-bench-") as scratch:
        project = Project.at(Path(scratch), "watching", example="quickstart")
        try:
            write_files(project.root / "www", FILES)
            project.edit("devspace.yaml", "    - k8s/web.yaml\n", "    - k8s/*.yaml\n")
            project.write(note(-1))
            session = project.start("run", "dev")
            session.ready(timeout=300)
            time.sleep(3)
            began, spent = time.monotonic(), cpu_seconds(session.process.pid)
            time.sleep(IDLE_SECONDS)
            busy = (cpu_seconds(session.process.pid) - spent) / (time.monotonic() - began) * 100
            memory = resident_mebibytes(session.process.pid)
            delays = [save(project, session, number) for number in range(SAVES)]
            session.stop()
        finally:
            project.clean_up()
    figure(f"save → first step, p95 of {SAVES}", percentile(delays, 0.95), "ms", 100)
    figure("save → first step, median", percentile(delays, 0.5), "ms")
    figure(f"idle CPU, watching {FILES} files", busy, "%", 1)
    figure(f"memory, watching {FILES} files", memory, "MiB", 80)


if __name__ == "__main__":
    main()
