"""Workloads, Services and claims on a real Docker Engine: names, rolling over, what stays and what is noticed."""

from __future__ import annotations

import subprocess
import threading

import pytest

from kdev.core.step import ReasonKind
from kdev.core.workloads import Pod
from tests.targets.conftest import World
from tests.targets.objects import SERVER, config_map, container, deployment, pod_spec, server, service, workload

pytestmark = pytest.mark.docker

CLAIM = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
         "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}  # fmt: skip


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True).stdout.strip()


def container_of(world: World, pod: Pod, name: str) -> str:
    label = f"label=kdev.dev/uid={pod.uid}"
    return docker("ps", "-aq", "--filter", label, "--filter", f"label=kdev.dev/container={name}")


def get(world: World, pod: Pod, url: str) -> tuple[int, str]:
    return world.run(pod, pod.containers[0].name, "wget", "-q", "-O-", url)


def named_server(name: str, **more: object) -> dict[str, object]:
    """A server that says its pod's name at /who."""
    start = ["sh", "-c", "mkdir -p /tmp/w; hostname > /tmp/w/who; exec httpd -f -p 8080 -h /tmp/w"]
    probe = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
    one = container(name, start, readinessProbe=probe, ports=[{"containerPort": 8080, "name": "http"}])
    return deployment(name, pod_spec(one), **more)


@pytest.mark.parametrize("host", ["web", "web.{ns}", "web.{ns}.svc", "web.{ns}.svc.cluster.local"])
def test_a_service_is_found_by_every_name_and_maps_ports(engine: World, host: str) -> None:
    engine.up(named_server("web"), service("web"), deployment("client"))
    (client,) = engine.pods("client")
    (pod,) = engine.pods("web")
    assert get(engine, client, f"http://{host.format(ns=engine.namespace)}/who") == (0, f"{pod.name}\n")


def test_a_service_spreads_over_all_pods_and_follows_scaling_and_replacing(engine: World) -> None:
    engine.up(named_server("web", replicas=2), service("web"), deployment("client"))
    (client,) = engine.pods("client")
    said = {get(engine, client, "http://web/who")[1].strip() for _ in range(6)}
    assert said == {pod.name for pod in engine.pods("web")}
    engine.up(named_server("web", replicas=1), service("web"), deployment("client"))
    (left,) = engine.pods("web")
    assert {get(engine, client, "http://web/who")[1].strip() for _ in range(4)} == {left.name}


def test_services_of_another_namespace_are_not_mixed_up(engine: World) -> None:
    engine.up(named_server("web"), service("web"))
    before = engine.pods()
    other = World(engine.target, engine.project, f"{engine.namespace}-b", engine.probe)
    other.up(named_server("web"), service("web"))
    assert engine.pods() == before
    assert {pod.name for pod in other.pods()}.isdisjoint({pod.name for pod in before})


def test_no_request_is_lost_while_a_deployment_rolls_over(engine: World) -> None:
    client = deployment("client")
    engine.up(named_server("web"), service("web"), client)
    (asking,) = engine.pods("client")
    (old,) = engine.pods("web")
    stop, answers = threading.Event(), []

    def ask() -> None:
        while not stop.is_set():
            answers.append(get(engine, asking, "http://web/who"))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    changed = named_server("web")
    changed["spec"]["template"]["metadata"]["annotations"] = {"v": "2"}  # type: ignore[index]
    engine.up(changed, service("web"), client)
    stop.set()
    thread.join(20)
    (new,) = engine.pods("web")
    assert new.uid != old.uid
    assert {code for code, _ in answers} == {0}
    assert {words.strip() for _, words in answers} <= {old.name, new.name}
    assert engine.pods("client") == (asking,)


def test_a_stateful_set_has_stable_names_and_keeps_its_data(engine: World) -> None:
    mounts = [{"name": "data", "mountPath": "/data"}]
    template = {"metadata": {"name": "data"}, "spec": CLAIM["spec"]}

    def stateful(value: str) -> dict[str, object]:
        spec = pod_spec(container("db", SERVER, volumeMounts=mounts, env=[{"name": "V", "value": value}]))
        return workload("StatefulSet", "db", spec, replicas=2, serviceName="db", volumeClaimTemplates=[template])

    headless = service("db", clusterIP="None")
    engine.up(headless, stateful("1"))
    by_name = {pod.name: pod for pod in engine.pods("db")}
    assert sorted(by_name) == ["db-0", "db-1"]
    assert engine.run(by_name["db-0"], "db", "sh", "-c", "echo kept > /data/f")[0] == 0
    assert get(engine, by_name["db-0"], "http://db-1.db:8080/etc/hostname") == (0, "db-1\n")
    engine.up(headless, stateful("2"))
    again = {pod.name: pod for pod in engine.pods("db")}
    assert again["db-0"].uid != by_name["db-0"].uid
    assert engine.run(again["db-0"], "db", "cat", "/data/f") == (0, "kept\n")


def test_a_claim_outlives_the_pod_and_goes_with_its_deletion(engine: World) -> None:
    def using(value: str) -> dict[str, object]:
        one = container(volumeMounts=[{"name": "d", "mountPath": "/d"}], env=[{"name": "V", "value": value}])
        volumes = [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]
        return deployment(spec=pod_spec(one, volumes=volumes), strategy={"type": "Recreate"})

    engine.up(CLAIM, using("1"))
    (pod,) = engine.pods()
    assert engine.run(pod, "main", "sh", "-c", "echo kept > /d/f")[0] == 0
    refs = engine.up(CLAIM, using("2"))
    (pod,) = engine.pods()
    assert engine.run(pod, "main", "cat", "/d/f") == (0, "kept\n")
    assert engine.drift(refs) == []
    engine.target.delete(refs, engine.job.cancel)
    assert docker("volume", "ls", "-q", "--filter", f"label=kdev.dev/project={engine.project}") == ""


@pytest.mark.parametrize(("how", "kind", "word"), [
    pytest.param(("stop", "-t", "1"), ReasonKind.DRIFTED, "stopped", id="stopped"),
    pytest.param(("rm", "-f"), ReasonKind.DRIFTED, "1 of 2 containers", id="removed"),
])  # fmt: skip
def test_a_container_that_was_stopped_or_removed_is_drift_and_applying_repairs_it(
    engine: World, how: tuple[str, ...], kind: ReasonKind, word: str
) -> None:
    objects = (server(), service(), config_map("settings", A="1"))
    refs = engine.up(*objects)
    (pod,) = engine.pods()
    docker(*how, container_of(engine, pod, "web"))
    engine.forget()
    (reason,) = engine.target.drift(refs)
    assert (reason.kind, reason.subject) == (kind, "Deployment/web")
    assert word in reason.detail
    assert engine.up(*objects) == refs
    assert engine.drift(refs) == []
    assert [one.ready for one in engine.pods()] == [True]


def test_a_container_that_restarts_by_itself_is_no_drift_but_counts(engine: World) -> None:
    once = ["sh", "-c", "[ -e /once ] || { touch /once; sleep 2; exit 1; }; exec sleep 100"]
    refs = engine.up(deployment(spec=pod_spec(container(command=once))))
    (pod,) = engine.pods()
    for _ in range(100):
        if engine.pods()[0].containers[0].restarts:
            break
        engine.job.cancel.wait(0.1)
    (again,) = engine.pods()
    assert (again.uid, again.containers[0].restarts) == (pod.uid, 1)
    assert engine.drift(refs) == []


def test_a_stopped_proxy_is_noticed_and_replaced(engine: World) -> None:
    objects = (server(), service())
    refs = engine.up(*objects)
    before = engine.pods()
    docker("stop", "-t", "1", docker("ps", "-q", "--filter", f"label=kdev.dev/project={engine.project}",
                                     "--filter", "label=kdev.dev/role=proxy"))
    assert engine.drift(refs) == ["drifted"]
    engine.up(*objects)
    assert engine.drift(refs) == []
    assert engine.pods() == before


def test_what_was_left_by_a_killed_run_is_cleared_by_the_next(engine: World) -> None:
    refs = engine.up(deployment())
    (pod,) = engine.pods()
    # As after kill -9 between making the sandbox and the container, and between retiring and removing a pod.
    docker("rm", "-f", container_of(engine, pod, "main"))
    engine.up(deployment(spec=pod_spec(container(env=[{"name": "A", "value": "1"}]))))
    assert len(docker("ps", "-aq", "--filter", f"label=kdev.dev/project={engine.project}").split()) == 2
    assert engine.drift(refs) == ["drifted"]


def test_nothing_of_a_secret_is_in_labels(engine: World) -> None:
    spec = pod_spec(container(envFrom=[{"secretRef": {"name": "keys"}}]))
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"K": "swordfish"}}
    engine.up(secret, deployment(spec=spec))
    mine = ("--filter", f"label=kdev.dev/project={engine.project}")
    told = docker("volume", "inspect", *docker("volume", "ls", "-q", *mine).split())
    for one in docker("ps", "-aq", *mine).split():
        told += docker("inspect", "-f", "{{json .Config.Labels}}", one)
    assert "swordfish" not in told
    assert "c3dvcmRmaXNo" not in told
