"""Sessions that stay: saved files, dying services, a configuration that changes, and the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from kdev.core import events
from kdev.core.graph import Graph
from kdev.core.plan import Plan
from kdev.core.step import Role, Step, StepId
from kdev.errors import ConfigError, Problem
from kdev.runner.judge import Judge, Wishes
from kdev.runner.outside import FilesChanged, Mode, Outside
from kdev.runner.session import Session
from tests.fakes.world import SCREEN, MemoryJournal, StillClock, Telling, World, step

Reload = Callable[[frozenset[str] | None], Plan | None]


class Live:
    """A session on a thread of its own, and what it told."""

    def __init__(self, world: World, steps: list[Step], reload: Reload = lambda paths: None) -> None:
        self.world = world
        self.journal = MemoryJournal()
        self.told = Telling()
        outside = Outside(world, self.journal, Telling(), world, self.told, SCREEN, StillClock())
        plan = lowered(steps)
        mode = Mode(
            stay=True, pools={}, touches=lambda one, paths: str(one.id) in paths, reload=reload
        )
        self.session = Session(plan, Judge(world, self.journal, world, Wishes({})), outside, mode, "r")
        self.thread = threading.Thread(target=self.session.run, daemon=True)
        self.thread.start()

    def save(self, **files: str) -> None:
        self.world.files.update(files)
        self.session.inbox.put(FilesChanged(frozenset(files)))

    def until(self, what: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not what():
            assert time.monotonic() < deadline, self.told.events
            threading.Event().wait(0.002)

    def ready(self, times: int) -> None:
        """Until it was ready so many times."""
        self.until(lambda: len(self.told.of(events.Ready)) >= times)

    def started(self) -> list[str]:
        return [event.step for event in self.told.of(events.Started)]  # type: ignore[union-attr]


def lowered(steps: list[Step]) -> Plan:
    return Graph(steps).lower(project="p", pipeline="dev")


@contextmanager
def live(world: World, steps: list[Step], **more: object) -> Iterator[Live]:
    one = Live(world, steps, **more)  # type: ignore[arg-type]
    try:
        yield one
    finally:
        one.session._exit = one.session._exit or 0  # stands for Ctrl-C, which only a main thread gets
        one.session.inbox.put(FilesChanged(frozenset()))
        one.thread.join(5)
        assert not one.thread.is_alive()


SHOP = [
    step("build-a"),
    step("build-b"),
    step("deploy-a", ["build-a"], role=Role.EFFECT),
    step("deploy-b", ["build-b"], role=Role.EFFECT),
    step("forward-a", ["deploy-a"], role=Role.SERVICE),
    step("forward-b", ["deploy-b"], role=Role.SERVICE),
]


def test_a_saved_file_reruns_what_depends_on_it_and_disturbs_nothing_else() -> None:
    with live(World(), SHOP) as dev:
        dev.ready(1)
        before = dev.world.serving["forward-b"]
        dev.world.ran.clear()
        dev.save(**{"build-a": "2"})
        dev.ready(2)
        assert dev.world.ran == ["build-a", "deploy-a", "forward-a"]
        assert dev.world.serving["forward-b"] is before
        assert not before.triggered


def test_saving_equal_bytes_starts_nothing() -> None:
    with live(World(), SHOP) as dev:
        dev.ready(1)
        dev.world.ran.clear()
        dev.save(**{"build-a": ""})
        dev.ready(2)
        assert dev.world.ran == []


def test_an_edit_during_a_build_cancels_it_and_builds_the_new_content() -> None:
    world = World()
    world.gates["build-a"] = threading.Event()
    world.running["build-a"] = threading.Event()
    with live(world, SHOP) as dev:
        assert world.running["build-a"].wait(10)
        gate = world.gates.pop("build-a")
        dev.save(**{"build-a": "2"})
        dev.ready(1)
        assert gate.is_set(), "the old build was told to stop"
        assert dev.started().count("build-a") == 2
        latest = dev.journal.history(StepId("build-a"))
        assert len(latest) == 1, "the cancelled build was not recorded"


def test_an_edit_during_a_deploy_lets_it_end_and_deploys_again() -> None:
    world = World()
    world.gates["deploy-a"] = threading.Event()
    world.running["deploy-a"] = threading.Event()
    with live(world, SHOP) as dev:
        assert world.running["deploy-a"].wait(10)
        dev.save(**{"deploy-a": "2"})
        dev.until(dev.session.inbox.empty)
        assert not world.gates["deploy-a"].is_set(), "a deploy is never cut short"
        world.gates.pop("deploy-a").set()
        dev.ready(1)
        assert dev.started().count("deploy-a") == 2


def test_an_edit_during_a_failing_build_is_not_lost() -> None:
    world = World()
    world.failing.add("build-a")
    world.gates["build-a"] = threading.Event()
    world.running["build-a"] = threading.Event()
    with live(world, SHOP) as dev:
        assert world.running["build-a"].wait(10)
        gate = world.gates.pop("build-a")
        world.failing.discard("build-a")
        dev.save(**{"build-a": "good"})
        gate.set()
        dev.ready(1)
        assert dev.journal.latest(StepId("deploy-a")) is not None


def test_a_failed_step_is_tried_again_when_its_file_is_saved() -> None:
    world = World()
    world.failing.add("build-a")
    with live(world, SHOP) as dev:
        dev.until(lambda: bool(dev.told.of(events.Blocked)) and "forward-b" in world.serving)
        world.failing.discard("build-a")
        dev.save(**{"build-a": "fixed"})
        dev.ready(1)
        assert dev.journal.latest(StepId("deploy-a")) is not None


def test_a_recompiled_plan_starts_what_is_new_stops_what_is_gone_and_leaves_the_rest_connected() -> None:
    changed = [*(s for s in SHOP if s.id != "forward-a"), step("forward-c", ["deploy-b"], role=Role.SERVICE)]
    plans = [lowered(changed)]

    def reload(paths: frozenset[str] | None) -> Plan | None:
        return plans.pop() if paths and "devspace.yaml" in paths and plans else None

    with live(World(), SHOP, reload=reload) as dev:
        dev.ready(1)
        kept, gone = dev.world.serving["forward-b"], dev.world.serving["forward-a"]
        dev.world.ran.clear()
        dev.save(**{"devspace.yaml": "changed"})
        dev.until(lambda: "forward-c" in dev.world.serving)
        dev.until(lambda: gone.triggered)
        assert dev.world.ran == ["forward-c"]
        assert dev.world.serving["forward-b"] is kept
        assert not kept.triggered


def test_a_wrong_configuration_is_told_and_the_old_plan_goes_on() -> None:
    def reload(paths: frozenset[str] | None) -> Plan | None:
        if paths and "devspace.yaml" in paths:
            raise ConfigError((Problem(None, "there is no image"),))
        return None

    with live(World(), SHOP, reload=reload) as dev:
        dev.ready(1)
        dev.save(**{"devspace.yaml": "broken"})
        dev.until(lambda: any("configuration" in e.text for e in dev.told.of(events.Notice)))  # type: ignore[union-attr]
        dev.save(**{"build-a": "2"})
        dev.until(lambda: dev.started().count("build-a") == 2)


def test_closing_a_session_ends_every_service_within_a_second() -> None:
    with live(World(), SHOP) as dev:
        dev.ready(1)
        services = list(dev.world.serving.values())
        began = time.monotonic()
    assert time.monotonic() - began < 1
    assert all(service.triggered for service in services)


@pytest.mark.parametrize("role", [Role.VALUE, Role.EFFECT])
def test_an_input_that_changes_while_a_step_runs_unseen_is_not_recorded(role: Role) -> None:
    """Nobody tells of the change; only the look after the run can notice it."""
    world = World()
    world.gates["a"] = threading.Event()
    world.running["a"] = threading.Event()
    with live(world, [step("a", role=role), step("f", ["a"], role=Role.SERVICE)]) as dev:
        assert world.running["a"].wait(10)
        world.files["a"] = "sneaked in"
        world.gates.pop("a").set()
        dev.ready(1)
        assert dev.started().count("a") == 2
        assert len(dev.journal.history(StepId("a"))) == 1
