"""`--dry-run` leaves `.kdev`, project and engine as they are; its JSON fits schemas/; what it says comes true."""

from __future__ import annotations

import json
from collections.abc import Callable

import jsonschema
import pytest

from tests.e2e.scenes import tree
from tests.project import ROOT, Completed, Project, docker

pytestmark = pytest.mark.docker
MakeProject = Callable[..., Project]


def engine(project: Project) -> dict[str, str]:
    """What the engine holds of this project, with everything that would show a change."""
    own = f"label=kdev.dev/project={project.root.name}"
    containers = docker("ps", "-aq", "--no-trunc", "--filter", own).split()
    # Not everything that inspect prints: probes run in the containers all the time, and have ids there.
    facts = "{{.Id}} {{.Name}} {{.State.StartedAt}} {{.RestartCount}} {{json .Config}} {{json .HostConfig}}"
    return {
        "containers": docker("inspect", "--format", facts, *containers) if containers else "",
        "networks": docker("network", "ls", "--no-trunc", "--filter", own),
        "volumes": docker("volume", "ls", "--filter", own),
        "images": docker("images", "--no-trunc", "--format", "{{.ID}} {{.Tag}}", f"{project.repository}/*"),
    }


def plan(done: Completed) -> dict[str, set[str]]:
    """Verdict → steps, of a `--dry-run -o json` that fits its schema."""
    document = json.loads(done.out)
    jsonschema.validate(document, json.loads((ROOT / "schemas/plan.schema.json").read_text()))
    found: dict[str, set[str]] = {"run": set(), "may": set(), "skip": set()}
    for step in document["steps"]:
        found[step["verdict"]].add(step["step"])
        assert step["reasons"] or step["verdict"] != "run", step
    return found


def test_a_dry_run_before_anything_ran_makes_no_file(project: MakeProject) -> None:
    quickstart = project(example="quickstart")
    before, held = tree(quickstart.root), engine(quickstart)
    told = plan(quickstart.run("run", "deploy", "--dry-run").ok())
    assert "build:web" in told["run"]
    assert (tree(quickstart.root), engine(quickstart)) == (before, held)
    assert quickstart.run("run", "deploy", "--dry-run", "--detailed-exitcode").code == 2


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda p: p, id="no edit"),
        pytest.param(lambda p: p.edit("www/index.html", "Hello", "Good day"), id="a source"),
        pytest.param(lambda p: p.edit("k8s/web.yaml", "periodSeconds: 1", "periodSeconds: 2"), id="a manifest"),
        pytest.param(lambda p: p.write({"Dockerfile": p.read("Dockerfile") + "# a comment\n"}), id="a comment"),
    ],
)
def test_a_dry_run_touches_nothing_and_comes_true(edit: Callable[[Project], Project], project: MakeProject) -> None:
    quickstart = project(example="quickstart")
    quickstart.run("run", "deploy").ok()
    edit(quickstart)
    before, held = tree(quickstart.root), engine(quickstart)
    done = quickstart.run("run", "deploy", "--dry-run", "--detailed-exitcode")
    assert (tree(quickstart.root), engine(quickstart)) == (before, held)
    told = plan(done)
    assert done.code == (2 if told["run"] or told["may"] else 0)
    ran = quickstart.run("run", "deploy").ok().ran
    assert told["run"] <= ran <= told["run"] | told["may"]


def test_other_commands_that_only_look_touch_nothing(project: MakeProject) -> None:
    quickstart = project(example="quickstart")
    quickstart.run("run", "deploy").ok()
    before, held = tree(quickstart.root), engine(quickstart)
    for argv in (["why"], ["why", "build:web"], ["status"], ["graph"], ["history"], ["plan", "dev"]):
        quickstart.run(*argv, json_output=False).ok()
    assert (tree(quickstart.root), engine(quickstart)) == (before, held)


def test_every_event_fits_its_schema(project: MakeProject) -> None:
    schema = json.loads((ROOT / "schemas/events.schema.json").read_text())
    events = project(example="quickstart").run("run", "dev", "--exit-when-ready").ok().events
    assert {"run_started", "started", "finished", "serving", "ready", "run_ended"} <= {e["event"] for e in events}
    for event in events:
        jsonschema.validate(event, schema)
