"""Where a Docker Engine differs from a cluster, and nobody should notice: odd names, shared volumes, broken pods."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

import pytest

from kdev.errors import StepFailed
from tests.targets.conftest import World
from tests.targets.objects import SERVER, container, deployment, pod_spec, server, service, workload
from tests.targets.test_docker_workloads import CLAIM, docker

pytestmark = pytest.mark.docker


def containers_of(world: World, role: str) -> list[str]:
    return docker("ps", "-aq", "--filter", f"label=kdev.dev/project={world.project}",
                  "--filter", f"label=kdev.dev/role={role}").split()  # fmt: skip


def stateful(*containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return workload("StatefulSet", "db", pod_spec(*containers, **more), serviceName="db")


def test_a_workload_of_no_pods_stands_as_applied(engine: World) -> None:
    refs = engine.up(deployment(replicas=0))
    assert engine.drift(refs) == []


def test_nothing_comes_back_by_itself_when_the_machine_starts(engine: World) -> None:
    engine.up(server(), service())
    found = docker("ps", "-aq", "--filter", f"label=kdev.dev/project={engine.project}").split()
    policies = {}
    for one in json.loads(docker("inspect", *found)):
        policies[one["Config"]["Labels"]["kdev.dev/role"]] = one["HostConfig"]["RestartPolicy"]["Name"]
    # The engine starts no container with another's network while that other is down.
    assert policies == {"sandbox": "no", "proxy": "on-failure", "container": "unless-stopped"}


def test_a_sandbox_that_died_is_drift_and_applying_makes_the_pod_again(engine: World) -> None:
    objects = (stateful(container("db", SERVER), shareProcessNamespace=True), service("db", clusterIP="None"))
    refs = engine.up(*objects)
    (pod,) = engine.pods()
    engine.run(pod, "db", "sh", "-c", "(sleep 1; kill -TERM 1) > /dev/null 2>&1 &")
    for _ in range(50):
        if engine.drift(refs):
            break
        time.sleep(0.1)
    assert engine.drift(refs) == ["drifted"]
    engine.up(*objects)
    assert engine.drift(refs) == []


def test_a_program_that_takes_its_container_down_is_not_waited_for_without_end(engine: World) -> None:
    engine.up(stateful(container("db", SERVER), shareProcessNamespace=True))
    (pod,) = engine.pods()
    before = time.monotonic()
    with suppress(StepFailed):  # with the engine's words, or an exit code: as the engine saw it
        engine.run(pod, "db", "kill", "-TERM", "1")
    assert time.monotonic() - before < 10


def test_a_pod_whose_sandbox_was_removed_is_made_again_under_its_name(engine: World) -> None:
    refs = engine.up(stateful())
    docker("rm", "-f", *containers_of(engine, "sandbox"))
    assert engine.drift(refs) == ["drifted"]
    engine.up(stateful())
    assert [pod.name for pod in engine.pods()] == ["db-0"]
    assert engine.drift(refs) == []
    assert len(containers_of(engine, "container")) == 1


def test_names_of_containers_pods_and_services_do_not_meet(engine: World) -> None:
    bare = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "labels": {"app": "web"}},
            "spec": pod_spec(container("pod"), container("service"))}  # fmt: skip
    engine.up(bare, service("web", ports=[{"port": 80}]))
    (pod,) = engine.pods()
    assert [one.name for one in pod.containers] == ["pod", "service"]


def test_an_image_that_is_missing_leaves_the_old_pods_alone(engine: World) -> None:
    engine.up(deployment(), stateful())
    before = engine.pods()
    broken = stateful({**container(), "image": "kdev.invalid/nobody:1", "imagePullPolicy": "Never"})
    with pytest.raises(StepFailed, match=r"kdev\.invalid/nobody:1"):
        engine.apply(deployment(spec=pod_spec(container(env=[{"name": "A", "value": "1"}]))), broken)
    assert engine.pods() == before


def test_a_program_that_crashes_until_another_pod_is_up_is_waited_for(engine: World) -> None:
    slow = container("db", ["sh", "-c", "sleep 6; exec httpd -f -p 8080 -h /"], ports=[{"containerPort": 8080}],
                     readinessProbe={"tcpSocket": {"port": 8080}, "periodSeconds": 1})
    needs = container("web", ["sh", "-c", "wget -q -O /dev/null http://db:80/etc/hostname || exit 1; exec sleep 99"])
    objects = (deployment("db", pod_spec(slow)), service("db", ports=[{"port": 80, "targetPort": 8080}]),
               deployment("web", pod_spec(needs)))  # fmt: skip
    engine.up(*objects, timeout=60)
    assert [pod.ready for pod in engine.pods("web")] == [True]


def test_a_folder_of_a_volume_is_the_same_for_who_mounts_all_of_it(engine: World) -> None:
    volumes = [{"name": "work", "emptyDir": {}}, {"name": "ram", "emptyDir": {"medium": "Memory"}},
               {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]  # fmt: skip
    names = ("work", "ram", "data")
    whole = [{"name": name, "mountPath": f"/all/{name}"} for name in names]
    part = [{"name": name, "mountPath": f"/part/{name}", "subPath": "a/b"} for name in names]
    writing = "for v in work ram data; do mkdir -p /all/$v/a/b; echo $v > /all/$v/a/b/f; done"
    fill = container("fill", ["sh", "-c", writing], volumeMounts=whole)
    spec = pod_spec(container(volumeMounts=part), initContainers=[fill], volumes=volumes)
    engine.up(CLAIM, deployment(spec=spec))
    (pod,) = engine.pods()
    assert engine.run(pod, "main", "sh", "-c", "cat /part/*/f") == (0, "data\nram\nwork\n")
    engine.run(pod, "main", "sh", "-c", "echo back > /part/data/f")
    look = container(volumeMounts=[{"name": "data", "mountPath": "/all"}])
    engine.up(CLAIM, deployment(spec=pod_spec(look, volumes=volumes[2:])))
    (pod,) = engine.pods()
    assert engine.run(pod, "main", "cat", "/all/a/b/f") == (0, "back\n")


def test_the_mode_that_a_program_gave_its_volume_stays(engine: World) -> None:
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]

    def using(value: str) -> dict[str, Any]:
        one = container(env=[{"name": "A", "value": value}], volumeMounts=[{"name": "data", "mountPath": "/d"}])
        return deployment(spec=pod_spec(one, volumes=volumes))

    engine.up(CLAIM, using("1"))
    (pod,) = engine.pods()
    assert engine.run(pod, "main", "stat", "-c", "%a", "/d") == (0, "777\n")
    assert engine.run(pod, "main", "sh", "-c", "chown 70:70 /d && chmod 700 /d")[0] == 0
    engine.up(CLAIM, using("2"))
    (pod,) = engine.pods()
    assert engine.run(pod, "main", "stat", "-c", "%a %u:%g", "/d") == (0, "700 70:70\n")


def test_labels_and_annotations_are_files_and_variables(engine: World) -> None:
    items = [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
             {"path": "notes", "fieldRef": {"fieldPath": "metadata.annotations"}}]  # fmt: skip
    env = [{"name": "NOTE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['n']"}}},
           {"name": "NONE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['nobody']"}}}]  # fmt: skip
    one = deployment(spec=pod_spec(container(env=env, volumeMounts=[{"name": "info", "mountPath": "/i"}]),
                                   volumes=[{"name": "info", "downwardAPI": {"items": items}}]))
    one["spec"]["template"]["metadata"]["annotations"] = {"n": 'say "hi"'}
    engine.up(one)
    (pod,) = engine.pods()
    code, printed = engine.run(pod, "main", "sh", "-c", 'cat /i/labels; echo; cat /i/notes; echo; echo "$NOTE|$NONE|"')
    assert (code, printed.splitlines()) == (0, ['app="web"', r'n="say \"hi\""', 'say "hi"||'])


def test_an_init_container_may_wait_for_what_is_deployed_later(engine: World) -> None:
    waits = container("wait", ["sh", "-c", "until wget -q -O /dev/null http://db/etc/hostname; do sleep 0.2; done"])
    web = engine.apply(deployment("web", pod_spec(container(), initContainers=[waits])))
    (pod,) = engine.pods("web")
    assert (pod.phase, pod.ready) == ("Pending", False)
    engine.up(server("db"), service("db"), owner="deploy:two")
    engine.target.wait_ready(web, 30, engine.job)
    assert [(pod.uid, pod.ready)] != [(one.uid, one.ready) for one in engine.pods("web")] == [(pod.uid, True)]


def test_an_init_container_that_fails_for_good_is_told_with_its_words(engine: World) -> None:
    setup = container("setup", ["sh", "-c", "echo no disk; exit 3"])
    words = "init container setup is in CrashLoopBackOff: ended with exit code 3"
    with pytest.raises(StepFailed, match=words) as caught:
        engine.up(deployment(spec=pod_spec(container(), initContainers=[setup])), timeout=60)
    assert "no disk" in caught.value.detail
