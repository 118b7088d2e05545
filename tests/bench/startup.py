"""`kdev --help`, and a run with nothing to do on a project of 2,000 files. Needs the Docker Engine for the second."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.bench.measure import bare_python, figure, medians, program, write_files
from tests.e2e.scenes import one_image
from tests.project import Project

FILES = 2_000


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="kdev-bench-") as scratch:
        project = one_image(Project.at(Path(scratch), "startup"))
        try:
            write_files(project.root / "src", FILES)
            project.run("run", "build").ok()
            assert project.run("run", "build").ok().ran == set()
            kdev = [sys.executable, "-m", "kdev"]
            build = [*kdev, "run", "build", "-n", project.namespace]
            found = medians(
                {
                    "bare": bare_python(),
                    "help": program([*kdev, "--help"]),
                    "build": program(build, project.root, project.environment()),
                }
            )
        finally:
            project.clean_up()
    bare = found["bare"]
    figure("python -c pass", bare, "ms")
    figure("kdev --help", found["help"], "ms")
    figure("kdev --help / python -c pass", found["help"] / bare, "x", 5)
    figure(f"kdev run build, nothing to do, {FILES} files", found["build"], "ms")
    figure("kdev run build / python -c pass", found["build"] / bare, "x", 8)


if __name__ == "__main__":
    main()
