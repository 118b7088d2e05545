"""What runs inside pods on a real Docker Engine is what Kubernetes would run."""

from __future__ import annotations

import pytest

from kdev.errors import StepFailed
from tests.targets.conftest import World
from tests.targets.objects import (
    IMAGE,
    SERVER,
    config_map,
    container,
    deployment,
    pod_spec,
    secret,
    server,
    service,
    workload,
)

pytestmark = pytest.mark.docker


def test_variables_come_from_values_config_maps_secrets_and_the_pod_itself(engine: World) -> None:
    env = [
        {"name": "HOST", "value": "db"},
        {"name": "URL", "value": "tcp://$(HOST):1/$(NOBODY)/$$(HOST)"},
        {"name": "ONE", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "A"}}},
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "K"}}},
        {"name": "NONE", "valueFrom": {"secretKeyRef": {"name": "nobody", "key": "K", "optional": True}}},
        {"name": "ME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
    ]
    all_of_it = [{"prefix": "S_", "configMapRef": {"name": "settings"}}]
    spec = pod_spec(container(env=env, envFrom=all_of_it, workingDir="/etc"))
    engine.up(config_map("settings", A="1", B="two"), secret("keys", K="s3cret"), deployment(spec=spec))
    (pod,) = engine.pods()
    _, printed = engine.run(pod, "main", "env")
    found = dict(line.partition("=")[::2] for line in printed.splitlines())
    assert found["URL"] == "tcp://db:1/$(NOBODY)/$(HOST)"
    assert (found["ONE"], found["KEY"], found["S_A"], found["S_B"]) == ("1", "s3cret", "1", "two")
    assert "NONE" not in found
    assert found["ME"] == pod.name
    assert found["IP"] in engine.run(pod, "main", "ip", "addr")[1]
    assert engine.run(pod, "main", "hostname")[1].strip() == pod.name
    assert engine.run(pod, "main", "pwd")[1].strip() == "/etc"


def test_a_changed_config_map_rolls_the_pods_that_use_it(engine: World) -> None:
    spec = pod_spec(container(envFrom=[{"configMapRef": {"name": "settings"}}]))
    engine.up(config_map("settings", A="1"), deployment(spec=spec), deployment("other"))
    before = {pod.name.split("-")[0]: pod.uid for pod in engine.pods()}
    engine.up(config_map("settings", A="2"), deployment(spec=spec), deployment("other"))
    after = {pod.name.split("-")[0]: pod.uid for pod in engine.pods()}
    assert before["web"] != after["web"]
    assert before["other"] == after["other"]
    (pod,) = engine.pods("web")
    assert engine.run(pod, "main", "sh", "-c", "echo $A") == (0, "2\n")


def test_a_config_map_of_an_earlier_deployment_is_still_known(engine: World) -> None:
    engine.up(config_map("settings", A="earlier"), owner="deploy:settings")
    engine.up(deployment(spec=pod_spec(container(envFrom=[{"configMapRef": {"name": "settings"}}]))))
    (pod,) = engine.pods()
    assert engine.run(pod, "main", "sh", "-c", "echo $A") == (0, "earlier\n")


def test_volumes_hold_files_of_config_maps_and_secrets_and_are_shared(engine: World) -> None:
    mounts = [
        {"name": "conf", "mountPath": "/conf"},
        {"name": "keys", "mountPath": "/keys", "readOnly": True},
        {"name": "conf", "mountPath": "/etc/app/one.ini", "subPath": "one.ini"},
        {"name": "scratch", "mountPath": "/scratch"},
        {"name": "memory", "mountPath": "/memory"},
    ]
    keys = {"secretName": "keys", "defaultMode": 0o440, "items": [{"key": "K", "path": "a/k"}]}
    spec = pod_spec(
        container("writer", volumeMounts=mounts, securityContext={"runAsUser": 1234}),
        container("reader", volumeMounts=[{"name": "scratch", "mountPath": "/in", "readOnly": True}]),
        volumes=[
            {"name": "conf", "configMap": {"name": "settings"}},
            {"name": "keys", "secret": keys},
            {"name": "scratch", "emptyDir": {}},
            {"name": "memory", "emptyDir": {"medium": "Memory"}},
        ],
    )
    settings = config_map("settings", **{"one.ini": "x=1\n", "two.ini": "y=2\n"})
    engine.up(settings, secret("keys", K="k"), deployment(spec=spec))
    (pod,) = engine.pods()
    assert engine.run(pod, "writer", "sh", "-c", "cat /conf/* /etc/app/one.ini; ls /etc/passwd") == (
        0, "x=1\ny=2\nx=1\n/etc/passwd\n")
    assert engine.run(pod, "writer", "stat", "-c", "%a", "/keys/a/k") == (0, "440\n")
    write = "echo hello > /scratch/f && echo m > /memory/f; id -u"
    assert engine.run(pod, "writer", "sh", "-c", write) == (0, "1234\n")
    assert engine.run(pod, "reader", "cat", "/in/f") == (0, "hello\n")
    code, _ = engine.run(pod, "reader", "touch", "/in/g")
    assert code != 0


def test_init_containers_run_in_turn_before_the_others(engine: World) -> None:
    share = [{"name": "work", "mountPath": "/srv/app"}]
    spec = pod_spec(
        container(volumeMounts=share),
        initContainers=[
            container("first", ["sh", "-c", "sleep 0.3; echo 1 >> /srv/app/log"], volumeMounts=share),
            container("second", ["sh", "-c", "echo 2 >> /srv/app/log"], volumeMounts=share),
        ],
        volumes=[{"name": "work", "emptyDir": {}}],
    )
    engine.up(deployment(spec=spec))
    (pod,) = engine.pods()
    assert engine.run(pod, "main", "cat", "/srv/app/log") == (0, "1\n2\n")
    assert [(one.name, one.init, one.state) for one in pod.containers][:2] == [
        ("first", True, "terminated"), ("second", True, "terminated")]


def test_an_init_container_may_wait_for_a_service_of_the_same_deployment(engine: World) -> None:
    wait = container("wait", ["sh", "-c", "until wget -q -O /dev/null http://db/etc/hostname; do sleep 0.2; done"])
    engine.up(deployment("app", pod_spec(container(), initContainers=[wait])), server("db"), service("db"))
    assert {pod.name.split("-")[0] for pod in engine.pods() if pod.ready} == {"app", "db"}


def test_a_failing_init_container_says_what_it_said(engine: World) -> None:
    setup = container("setup", ["sh", "-c", "echo no disk; exit 3"])
    spec = pod_spec(container(), restartPolicy="Never", initContainers=[setup])
    with pytest.raises(StepFailed, match="init container setup ended with exit code 3") as caught:
        engine.up({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec})
    assert caught.value.detail == "no disk"


def test_a_crash_loop_is_told_early_with_exit_code_and_last_lines(engine: World) -> None:
    crashing = container(command=["sh", "-c", "echo cannot find my config; exit 7"])
    with pytest.raises(StepFailed, match="exit code 7") as caught:
        engine.up(deployment(spec=pod_spec(crashing)), timeout=60)
    assert "cannot find my config" in caught.value.detail
    (pod,) = engine.pods()
    assert pod.containers[0].restarts > 2


@pytest.mark.parametrize(("probe", "word"), [
    pytest.param({"tcpSocket": {"port": 9}}, "refused", id="tcp"),
    pytest.param({"httpGet": {"path": "/nothing", "port": 8080}}, "404", id="http"),
    pytest.param({"exec": {"command": ["sh", "-c", "echo not yet; exit 1"]}}, "not yet", id="exec"),
])  # fmt: skip
def test_a_pod_is_not_ready_before_its_probe_succeeds_and_the_answer_is_told(
    engine: World, probe: dict[str, object], word: str
) -> None:
    one = container(command=SERVER, readinessProbe={**probe, "periodSeconds": 1, "failureThreshold": 1})
    with pytest.raises(StepFailed, match=f"not ready after 5 seconds.*{word}"):
        engine.up(deployment(spec=pod_spec(one)), timeout=5)
    (pod,) = engine.pods()
    assert pod.phase == "Running"
    assert not pod.ready


def test_an_exec_probe_decides_about_readiness(engine: World) -> None:
    one = container(command=["sh", "-c", "sleep 1; touch /tmp/up; sleep 100"],
                    readinessProbe={"exec": {"command": ["cat", "/tmp/up"]}, "periodSeconds": 1})
    engine.up(deployment(spec=pod_spec(one)))
    assert all(pod.ready for pod in engine.pods())


def test_containers_of_a_pod_share_the_network_and_limits_and_users_hold(engine: World) -> None:
    limited = container("limited", securityContext={"runAsUser": 7, "runAsGroup": 8},
                        resources={"limits": {"memory": "32Mi", "cpu": "500m"}})
    engine.up(deployment(spec=pod_spec(container("server", SERVER), limited)))
    (pod,) = engine.pods()
    assert engine.run(pod, "limited", "wget", "-q", "-O-", "http://127.0.0.1:8080/etc/group")[1].startswith("root:")
    assert engine.run(pod, "limited", "sh", "-c", "id -u; id -g") == (0, "7\n8\n")


def test_a_missing_image_is_named(engine: World) -> None:
    spec = pod_spec({"name": "main", "image": "kdev-test/nowhere:1", "imagePullPolicy": "Never"})
    with pytest.raises(StepFailed, match="ErrImageNeverPull: there is no image kdev-test/nowhere:1"):
        engine.up(deployment(spec=spec))


def test_a_program_that_does_not_exist_is_told(engine: World) -> None:
    with pytest.raises(StepFailed, match="no-such-program"):
        engine.up(deployment(spec=pod_spec(container(command=["no-such-program"]))))


def test_a_reference_that_leads_nowhere_is_named(engine: World) -> None:
    with pytest.raises(StepFailed, match="ConfigMap/nobody, which does not exist"):
        engine.up(deployment(spec=pod_spec(container(envFrom=[{"configMapRef": {"name": "nobody"}}]))))


def test_a_job_is_ready_when_it_has_succeeded_and_its_failure_is_told(engine: World) -> None:
    done = pod_spec(container(command=["true"]), restartPolicy="Never")
    refs = engine.up(workload("Job", "done", done))
    (pod,) = engine.pods("done")
    assert pod.phase == "Succeeded"
    assert engine.drift(refs) == []
    failing = pod_spec(container(command=["sh", "-c", "echo bad input; exit 4"]), restartPolicy="Never")
    with pytest.raises(StepFailed, match="exit code 4") as caught:
        engine.up(workload("Job", "failing", failing), owner="deploy:failing")
    assert caught.value.detail == "bad input"


def test_args_alone_keep_the_entrypoint_and_a_command_replaces_it(engine: World) -> None:
    both = pod_spec({"name": "main", "image": IMAGE, "args": ["sh", "-c", "echo from args; sleep 100"]})
    engine.up(deployment(spec=both))
    (pod,) = engine.pods()
    lines = engine.target.logs(pod, "main", last=5, cancel=engine.job.cancel)
    assert [line.text for line in lines] == ["from args"]
