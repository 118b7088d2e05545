"""What every target promises, whatever is behind it."""

from __future__ import annotations

import threading

import pytest

from kdev.errors import Cancelled, Unsupported
from kdev.runner.cancel import Cancellation
from tests.targets.conftest import World
from tests.targets.objects import IMAGE, config_map, container, deployment, pod_spec, server, service


def test_an_applied_deployment_becomes_ready_and_its_pod_is_found_by_labels_and_image(world: World) -> None:
    refs = world.up(server(), service())
    assert [(ref.kind, ref.name, ref.namespace) for ref in refs].count(("Deployment", "web", world.namespace)) == 1
    (pod,) = world.target.pods(world.namespace, {"app": "web"}, IMAGE)
    assert pod.ready
    assert dict(pod.labels) == {"app": "web"}
    assert [one.name for one in pod.containers] == ["web"]
    assert world.target.pods(world.namespace, {"app": "other"}) == ()
    assert world.target.pods(world.namespace, {}, "other:1") == ()
    assert world.drift(refs) == []


def test_applying_the_same_again_touches_nothing(world: World) -> None:
    objects = (server(), service(), config_map("settings", A="1"))
    first = world.up(*objects)
    before = world.pods()
    assert world.up(*objects) == first
    assert world.pods() == before


def test_a_changed_template_replaces_the_pod_and_a_forced_apply_too(world: World) -> None:
    world.up(deployment())
    (first,) = world.pods()
    world.up(deployment(spec=pod_spec(container(env=[{"name": "A", "value": "2"}]))))
    (second,) = world.pods()
    assert second.uid != first.uid
    world.up(deployment(spec=pod_spec(container(env=[{"name": "A", "value": "2"}]))), force=True)
    (third,) = world.pods()
    assert third.uid != second.uid


def test_scaling_keeps_the_pods_that_are_there(world: World) -> None:
    world.up(deployment(replicas=1))
    (first,) = world.pods()
    world.up(deployment(replicas=3))
    assert first.uid in {pod.uid for pod in world.pods()}
    assert len(world.pods()) == 3
    world.up(deployment(replicas=0))
    assert world.pods() == ()


def test_an_object_that_left_the_deployment_is_pruned_and_others_stay(world: World) -> None:
    mine = world.up(deployment("one"), deployment("two"))
    others = world.up(deployment("three"), owner="deploy:other")
    world.up(deployment("one"))
    assert sorted(pod.name.split("-")[0] for pod in world.pods()) == ["one", "three"]
    assert world.drift(others) == []
    assert world.drift(mine) == ["result gone"]


def test_what_was_deleted_is_told_as_gone(world: World) -> None:
    refs = world.up(deployment(), config_map("settings", A="1"))
    world.target.delete(refs, world.job.cancel)
    assert set(world.drift(refs)) == {"result gone"}
    assert len(world.drift(refs)) == 2
    world.target.delete(refs, world.job.cancel)  # missing ones are fine


def test_everything_that_was_made_is_owned_by_the_project(world: World) -> None:
    world.apply(deployment(), service(), config_map("settings", A="1"))
    found = {str(ref) for ref in world.target.owned(world.project)}
    assert found == {"Deployment/web", "Service/web", "ConfigMap/settings", f"Namespace/{world.namespace}"}
    assert world.target.owned("nobody") == ()


def test_an_unknown_kind_is_refused_with_its_place(world: World) -> None:
    widget = {"apiVersion": "example.org/v1", "kind": "Widget",
              "metadata": {"name": "w", "annotations": {"kdev.dev/at": "k8s/w.yaml:9"}}, "spec": {}}  # fmt: skip
    with pytest.raises(Unsupported) as caught:
        world.target.check([widget])
    (problem,) = caught.value.problems
    assert problem.at is not None
    assert (problem.at.file, problem.at.line) == ("k8s/w.yaml", 9)
    assert "Widget" in problem.message


def test_a_watch_tells_of_new_pods_and_ends_when_cancelled(world: World) -> None:
    world.target.ensure_namespace(world.namespace, world.job.cancel)
    cancel, told, ended = Cancellation(), threading.Semaphore(0), threading.Event()

    def watch() -> None:
        try:
            for _ in world.target.watch(world.namespace, cancel):
                told.release()
        except Cancelled:
            ended.set()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    assert told.acquire(timeout=10), "a watch begins with one telling"
    world.apply(deployment())
    assert told.acquire(timeout=10)
    cancel.trigger()
    assert ended.wait(5)
    thread.join(5)


def test_a_cancelled_job_applies_nothing(world: World) -> None:
    world.job.cancel.trigger()
    with pytest.raises(Cancelled):
        world.apply(deployment())
    world.job = type(world.job)()
    assert world.pods() == ()
