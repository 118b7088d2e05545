"""README.md says what is so: its configuration is the quickstart's, and its console blocks are what kdev prints."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.project import EXAMPLES, ROOT, Project, local_ports

README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> Iterator[tuple[str, list[str]]]:
    """(command, the lines that it prints) of all console blocks, in order."""
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *lines = part.rstrip("\n").split("\n")
            yield command, lines


def normal(line: str, project: Project) -> str:
    """A line without what differs from run to run: durations, digests, the names and ports of a test's project."""
    (port,) = local_ports(project)
    for own, shown in (
        (str(port), "8080"), (f"namespace:{project.namespace}", "namespace:default"), (project.root.name, "quickstart")
    ):
        line = line.replace(own, shown)
    line = re.sub(r"\b\d{8}-\d{6}-[0-9a-f]{4}\b", "RUN", line)
    line = re.sub(r"\b\d+(\.\d+)? (ms|s|min|h)( \d\d s)?( ago)?\b|\bjust now\b", "TIME", line)
    line = re.sub(r"\b[0-9a-f]{8,64}\b", "DIGEST", line)
    return re.sub(r"\bweb-(DIGEST|[0-9a-z]{4,10})(-[0-9a-z]{4,6})?\b", "POD", line).rstrip()


def test_the_configuration_is_the_quickstarts() -> None:
    assert blocks("yaml") == [(EXAMPLES / "quickstart/devspace.yaml").read_text()]


def test_every_file_it_points_to_is_there() -> None:
    places = [place for place in re.findall(r"\]\(([^)#:]+)\)", README) if not (ROOT / place).exists()]
    assert places == []


@pytest.mark.docker
def test_its_console_blocks_are_what_kdev_prints(project: Callable[..., Project]) -> None:
    quickstart = project(example="quickstart")
    for command, expected in commands():
        if not command.startswith("kdev "):
            subprocess.run(["sh", "-c", command], cwd=quickstart.root, check=True)
            continue
        done = quickstart.run(*command.split()[1:], json_output=False)
        shown = sorted(normal(line, quickstart) for line in done.out.splitlines())
        wanted = sorted(normal(line, quickstart) for line in expected if line.strip() != "…")
        if any(line.strip() == "…" for line in expected):
            shown = [line for line in shown if line in wanted]
        assert shown == wanted, done.describe()
