"""Whatever can change a result makes its step run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.scenes import CONFIG, DOCKERFILE, one_image
from tests.project import Project, docker

pytestmark = pytest.mark.docker
MakeProject = Callable[..., Project]


def make_executable(root: Path) -> None:
    (root / "src/main.txt").chmod(0o755)


def rename_a_folder(root: Path) -> None:
    (root / "src/deep").rename(root / "src/deeper")


def retarget_a_symlink(root: Path) -> None:
    (root / "src/link").unlink()
    (root / "src/link").symlink_to("deep/below.txt")


def edit_within_the_same_second_to_the_same_size(root: Path) -> None:
    path = root / "src/main.txt"
    before = path.stat()
    path.write_text("two\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def add_a_file(root: Path) -> None:
    (root / "src/new.txt").write_text("new\n")


def delete_a_file(root: Path) -> None:
    (root / "src/deep/below.txt").unlink()


def ignore_less(root: Path) -> None:
    (root / ".dockerignore").write_text(".git\n")


def ignore_more(root: Path) -> None:
    (root / ".dockerignore").write_text(".git\n**/*.log\nsrc/deep\n")


CHANGES = [
    (make_executable, "src/main.txt"),
    (rename_a_folder, "src/deep"),
    (retarget_a_symlink, "src/link"),
    (edit_within_the_same_second_to_the_same_size, "src/main.txt"),
    (add_a_file, "src/new.txt"),
    (delete_a_file, "src/deep/below.txt"),
    (ignore_less, "src/noise.log"),
    (ignore_more, "src/deep"),
]


@pytest.mark.parametrize(("change", "path"), CHANGES, ids=[change.__name__ for change, _ in CHANGES])
def test_a_build_runs_and_names_the_path_after(change: Callable[[Path], None], path: str, project: MakeProject) -> None:
    app = one_image(project(), **{"src/noise.log": "noise\n"})
    (app.root / "src/link").symlink_to("main.txt")
    app.run("run", "build").ok()
    assert app.run("run", "build").ok().ran == set()
    change(app.root)
    again = app.run("run", "build").ok()
    assert again.ran == {"build:app"}
    assert any(reason.startswith(f"input changed: {path}") for reason in again.reasons("build:app"))


def test_a_variable_that_changes_in_the_environment_is_a_reason(project: MakeProject) -> None:
    app = one_image(project())
    app.write({"devspace.yaml": app.read("devspace.yaml") + "    build:\n      docker:\n        options:\n"
               "          buildArgs:\n            FLAVOUR: ${FLAVOUR}\n"
               "vars:\n- name: FLAVOUR\n  source: env\n"})  # fmt: skip
    app.write({"Dockerfile": DOCKERFILE + "ARG FLAVOUR\nRUN echo $FLAVOUR > /flavour\n"})
    app.run("run", "build", env={"FLAVOUR": "plain"}).ok()
    assert app.run("run", "build", env={"FLAVOUR": "plain"}).ok().ran == set()
    again = app.run("run", "build", env={"FLAVOUR": "sweet"}).ok()
    assert again.ran == {"build:app"}
    assert any(reason.startswith("config changed: images.app.build") for reason in again.reasons("build:app"))


def test_a_base_image_that_changed_under_its_tag_is_a_reason(project: MakeProject, tmp_path: Path) -> None:
    app = one_image(project())
    base = f"{app.repository}/base:1"

    def make_base(text: str) -> None:
        folder = tmp_path / "base"
        folder.mkdir(exist_ok=True)
        (folder / "Dockerfile").write_text(f"FROM busybox:1.36\nRUN echo {text} > /base\n")
        docker("build", "--quiet", "--tag", base, str(folder))

    make_base("one")
    app.write({"Dockerfile": f"FROM {base}\nCOPY src /src\n"})
    app.run("run", "build").ok()
    assert app.run("run", "build").ok().ran == set()
    make_base("two")
    again = app.run("run", "build").ok()
    assert again.ran == {"build:app"}
    assert any(base in reason for reason in again.reasons("build:app"))


def test_an_edit_while_a_build_runs_is_not_lost(project: MakeProject) -> None:
    app = one_image(project(), Dockerfile=DOCKERFILE + "RUN sleep 2\n")
    running = app.start("run", "build")
    running.wait(lambda event: event["event"] == "started" and event["step"] == "build:app")
    time.sleep(0.8)
    app.write({"src/main.txt": "edited meanwhile\n"})
    running.process.wait(60)
    running.stop()
    # The session may have built again by itself; whoever did, the result is that of the edited source.
    app.run("run", "build").ok()
    assert docker("run", "--rm", app.image_references()[0], "cat", "/src/main.txt") == "edited meanwhile"
    assert app.run("run", "build").ok().ran == set()


def test_an_edit_that_mends_a_failing_build_is_not_lost(project: MakeProject) -> None:
    app = one_image(project(), Dockerfile=DOCKERFILE + "RUN sleep 1; grep good /src/main.txt\n")
    running = app.start("run", "build")
    running.wait(lambda event: event["event"] == "started" and event["step"] == "build:app")
    app.write({"src/main.txt": "good\n"})
    running.process.wait(60)
    running.stop()
    assert app.run("run", "build").ok().code == 0
    assert app.run("run", "build").ok().ran == set()


def test_a_failing_build_is_mended_by_an_edit_in_the_same_session(project: MakeProject) -> None:
    quickstart = project(example="quickstart")
    quickstart.edit("Dockerfile", "EXPOSE 8080", "RUN grep good /www/style.css\nEXPOSE 8080")
    session = quickstart.start("run", "dev")
    session.wait(lambda event: event["event"] == "failed" and event["step"] == "build:web")
    mark = session.mark()
    quickstart.edit("Dockerfile", "grep good", "echo good")
    session.ready(since=mark)
    assert session.stop() == 0


def test_an_image_that_was_deleted_is_built_again(project: MakeProject) -> None:
    app = one_image(project())
    app.run("run", "build").ok()
    docker("image", "rm", "--force", *app.image_references())
    again = app.run("run", "build").ok()
    assert again.ran == {"build:app"}
    assert any(reason.startswith("result gone") for reason in again.reasons("build:app"))


def test_a_container_that_was_deleted_is_deployed_again(project: MakeProject) -> None:
    quickstart = project(example="quickstart")
    quickstart.run("run", "deploy").ok()
    for container in docker("ps", "-q", "--filter", f"label=kdev.dev/project={quickstart.root.name}").split():
        docker("rm", "--force", container)
    again = quickstart.run("run", "deploy").ok()
    assert "deploy:web" in again.ran
    assert "build:web" not in again.ran
    assert any(reason.startswith(("result gone", "drifted")) for reason in again.reasons("deploy:web"))


def test_configurations_differ_by_repository(project: MakeProject) -> None:
    app = one_image(project())
    app.run("run", "build").ok()
    app.write({"devspace.yaml": CONFIG.format(repository=f"{app.repository}/other")})
    again = app.run("run", "build").ok()
    assert "config changed: images.app.image" in again.reasons("build:app")
