"""`kdev run dev --exit-when-ready` twice: the second run executes no step, and `kdev why` says why for each."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.project import SERVICES, Project, kind

pytestmark = pytest.mark.docker
MakeProject = Callable[..., Project]


def test_the_second_run_executes_nothing_and_why_says_so_for_each_step(project: MakeProject) -> None:
    quickstart = project(example="quickstart")
    first = quickstart.run("run", "dev", "--exit-when-ready").ok()
    assert {"build:web", "render:web", "deploy:web", "ready:web"} <= first.ran
    assert all(first.reasons(step) for step in first.ran)

    second = quickstart.run("run", "dev", "--exit-when-ready").ok()
    assert second.ran == set()
    assert first.ran <= second.skipped.keys()
    assert all(second.skipped.values())

    told = [json.loads(line) for line in quickstart.run("why").ok().out.splitlines()]
    once = [document for document in told if kind(document["step"]) not in SERVICES]
    assert {document["step"] for document in once} == first.ran
    for document in once:
        assert document["now"]["verdict"] == "skip", document
        assert [run["verdict"] for run in document["runs"]] == ["skipped", "ran"], document
        assert document["runs"][1]["reasons"], document


def test_why_tells_the_second_run_in_words(project: MakeProject) -> None:
    quickstart = project(example="quickstart")
    quickstart.run("run", "build").ok()
    quickstart.run("run", "build").ok()
    told = quickstart.run("why", "build:web", json_output=False).ok().out
    assert "build:web is up to date" in told
    assert "never ran" in told  # of the first run


def test_the_session_leaves_no_port_and_no_process_behind(project: MakeProject) -> None:
    quickstart = project(example="quickstart")
    session = quickstart.start("run", "dev")
    session.ready()
    assert session.stop() == 0
    # Nothing holds the port: the next session forwards at once.
    again = quickstart.run("run", "dev", "--exit-when-ready").ok()
    assert again.failed == {}
