"""The Sync driver with the real Docker target: a container that knows nothing of kdev."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kdev.core.actions import Sync
from kdev.core.inputs import PodSelector
from kdev.drivers.pods import TargetPodFinder
from kdev.drivers.sync import SyncDriver
from kdev.errors import Cancelled, KdevError, StepFailed
from tests.fakes.job import FakeJob
from tests.targets.conftest import World, cleaned, docker_world
from tests.targets.objects import container, deployment, pod_spec

pytestmark = pytest.mark.docker
DEADLINE = 30.0


class Running:
    """The driver on a thread of its own."""

    def __init__(self, world: World, root: Path, action: Sync, *, verbose: bool = False) -> None:
        self.job = FakeJob("sync:web")
        self.end: BaseException | None = None
        driver = SyncDriver(world.target, TargetPodFinder(world.target, timeout=20), str(root), str(root / ".kdev"),
                            verbose)
        self.thread = threading.Thread(target=self._run, args=(driver, action), daemon=True)
        self.thread.start()

    def _run(self, driver: SyncDriver, action: Sync) -> None:
        try:
            driver.run(action, self.job)
        except (Cancelled, KdevError) as error:
            self.end = error

    def up(self) -> None:
        self.until(self.job.served.is_set)

    def until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE
        while not true():
            assert self.end is None, self.end
            assert time.monotonic() < deadline, self.job.notices
            time.sleep(0.01)

    def stop(self) -> float:
        start = time.monotonic()
        self.job.cancel.trigger()
        self.thread.join(DEADLINE)
        assert not self.thread.is_alive()
        return time.monotonic() - start


@pytest.fixture
def world() -> Iterator[World]:
    yield from cleaned(docker_world())


def sync(world: World, **more: object) -> Sync:
    selector = PodSelector(world.namespace, (("app", "web"),))
    return Sync(selector, local="www", remote="/app/www", wait_initial=True, **more)  # type: ignore[arg-type]


def read(world: World, path: str) -> str:
    [pod] = world.pods("web")
    code, said = world.run(pod, "main", "cat", path)
    return said if code == 0 else ""


def test_files_go_both_ways_and_a_second_start_goes_on(world: World, tmp_path: Path) -> None:
    world.up(deployment("web"))
    (tmp_path / "www").mkdir()
    (tmp_path / "www/index.html").write_text("one")
    (tmp_path / "www/skip.log").write_text("not to be sent")
    running = Running(world, tmp_path, sync(world, excludes=("*.log",)), verbose=True)
    running.up()
    assert read(world, "/app/www/index.html") == "one"
    assert read(world, "/app/www/skip.log") == ""
    (tmp_path / "www/index.html").write_text("two")
    running.until(lambda: read(world, "/app/www/index.html") == "two")
    [pod] = world.pods("web")
    world.run(pod, "main", "sh", "-c", "echo made > /app/www/there")
    running.until((tmp_path / "www/there").exists)
    assert "→ index.html" in [text for text, _, _ in running.job.outputs]
    assert running.stop() < 1
    assert isinstance(running.end, Cancelled)
    (tmp_path / "www/there").unlink()
    again = Running(world, tmp_path, sync(world, excludes=("*.log",)))
    again.up()
    assert read(world, "/app/www/there") == ""
    assert running.job.notices == []
    again.stop()


def test_a_container_that_dies_ends_the_step(world: World, tmp_path: Path) -> None:
    world.up(deployment("web"))
    (tmp_path / "www").mkdir()
    running = Running(world, tmp_path, sync(world))
    running.up()
    world.target.delete(world.target.owned(world.project), FakeJob().cancel)
    running.thread.join(DEADLINE)
    assert isinstance(running.end, StepFailed)


def test_a_folder_removed_in_the_container_does_not_empty_ours(world: World, tmp_path: Path) -> None:
    world.up(deployment("web"))
    (tmp_path / "www").mkdir()
    (tmp_path / "www/index.html").write_text("one")
    first = Running(world, tmp_path, sync(world))
    first.up()
    first.stop()
    [pod] = world.pods("web")
    world.run(pod, "main", "rm", "-r", "/app/www")
    second = Running(world, tmp_path, sync(world))
    second.up()
    assert (tmp_path / "www/index.html").read_text() == "one"
    assert read(world, "/app/www/index.html") == "one"
    second.stop()
    [(words, level)] = second.job.notices
    assert level == "warning"
    assert "in the container" in words


def test_a_read_only_container_with_one_writable_folder_is_enough(world: World, tmp_path: Path) -> None:
    one = container(securityContext={"readOnlyRootFilesystem": True},
                    volumeMounts=[{"name": "scratch", "mountPath": "/var/tmp"}, {"name": "www", "mountPath": "/app"}])
    world.up(deployment("web", pod_spec(one, volumes=[{"name": "scratch", "emptyDir": {}},
                                                      {"name": "www", "emptyDir": {}}])))
    (tmp_path / "www").mkdir()
    (tmp_path / "www/a").write_text("there")
    running = Running(world, tmp_path, sync(world))
    running.up()
    assert read(world, "/app/www/a") == "there"
    running.stop()


def test_the_whole_file_system_is_refused(world: World, tmp_path: Path) -> None:
    world.up(deployment("web"))
    (tmp_path / "www").mkdir()
    running = Running(world, tmp_path, sync(world)._replace(remote="."))
    running.thread.join(DEADLINE)
    assert isinstance(running.end, StepFailed)
    assert "whole file system" in running.end.message
