"""What leaves content, names and modes equal leaves everything up to date."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.scenes import one_image
from tests.project import Project

pytestmark = pytest.mark.docker
MakeProject = Callable[..., Project]


def sources(project: Project) -> list[Path]:
    return [path for path in project.root.rglob("*") if path.is_file() and ".kdev" not in path.parts]


def git(project: Project, *argv: str) -> None:
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.invalid", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *who, *argv], cwd=project.root, check=True, capture_output=True, env=project.environment())


def touch_everything(project: Project) -> None:
    for path in sources(project):
        os.utime(path)


def save_equal_bytes(project: Project) -> None:
    """As editors do: a new file beside it, renamed over it."""
    for path in sources(project):
        draft = path.with_name(path.name + "~")
        shutil.copy(path, draft)
        draft.replace(path)


def check_out_and_back(project: Project) -> None:
    git(project, "init")
    git(project, "add", ".")
    git(project, "commit", "-m", "one")
    project.write({"src/main.txt": "two\n", "src/more.txt": "more\n"})
    git(project, "add", ".")
    git(project, "commit", "-m", "two")
    git(project, "checkout", "HEAD~1")


@pytest.mark.parametrize("change", [touch_everything, save_equal_bytes, check_out_and_back])
def test_nothing_runs_after(change: Callable[[Project], None], project: MakeProject) -> None:
    app = one_image(project())
    assert app.run("run", "build").ok().ran == {"build:app"}
    change(app)
    assert app.run("run", "build").ok().ran == set()


def test_nothing_runs_in_a_copy_of_the_project_with_its_state(project: MakeProject, tmp_path: Path) -> None:
    app = one_image(project())
    app.run("run", "build").ok()
    copy = replace(app, root=tmp_path / "elsewhere" / app.root.name)
    shutil.copytree(app.root, copy.root)
    assert copy.run("run", "build").ok().ran == set()


def test_two_clones_have_equal_fingerprints(project: MakeProject, tmp_path: Path) -> None:
    app = one_image(project())
    clone = replace(app, root=tmp_path / "clone" / app.root.name)
    shutil.copytree(app.root, clone.root)
    for one in (app, clone):
        one.run("run", "build").ok()
    assert fingerprints(app) == fingerprints(clone) != {}


def test_a_whole_deployment_is_left_alone_after_a_touch(project: MakeProject) -> None:
    quickstart = project(example="quickstart")
    quickstart.run("run", "deploy").ok()
    touch_everything(quickstart)
    assert quickstart.run("run", "deploy").ok().ran == set()


def fingerprints(project: Project) -> dict[str, str]:
    """Step → fingerprint of its last success, from the journal."""
    with sqlite3.connect(f"file:{project.root / '.kdev/state.db'}?mode=ro", uri=True) as database:
        rows = dict(database.execute("SELECT step, fingerprint FROM traces").fetchall())
    database.close()
    return rows
