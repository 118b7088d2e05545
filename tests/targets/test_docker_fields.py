"""Which manifests the Docker target refuses, and with which path. No engine is needed."""

from __future__ import annotations

from typing import Any

import pytest

from kdev.drivers.docker.fields import check
from kdev.errors import Unsupported
from tests.targets.objects import container, deployment, pod_spec, server, service, workload

ONE = "spec.template.spec.containers[0]"


@pytest.mark.parametrize(("manifest", "path"), [
    pytest.param(deployment(spec=pod_spec(container(volumeDevices=[{"name": "d"}]))),
                 f"{ONE}.volumeDevices", id="block"),
    pytest.param(deployment(spec=pod_spec(container(lifecycle={"preStop": {}}))), f"{ONE}.lifecycle", id="lifecycle"),
    pytest.param(deployment(spec=pod_spec(hostNetwork=True)), "spec.template.spec.hostNetwork", id="host network"),
    pytest.param(deployment(spec=pod_spec(container(resources={"limits": {"nvidia.com/gpu": 1}}))),
                 f"{ONE}.resources.limits.nvidia.com/gpu", id="gpu"),
    pytest.param(deployment(spec=pod_spec(container(readinessProbe={"grpc": {"port": 1}}))),
                 f"{ONE}.readinessProbe.grpc", id="grpc probe"),
    pytest.param(deployment(spec=pod_spec(volumes=[{"name": "v", "nfs": {"path": "/"}}])),
                 "spec.template.spec.volumes[0].nfs", id="nfs"),
    pytest.param(deployment(spec=pod_spec(initContainers=[container("side", restartPolicy="Always")])),
                 "spec.template.spec.initContainers[0].restartPolicy", id="sidecar"),
    pytest.param(service(ports=[{"port": 53, "protocol": "UDP"}]), "spec.ports[0].protocol: UDP", id="udp"),
    pytest.param(service(type="ExternalName", externalName="x.org"), "spec.type: ExternalName", id="external name"),
    pytest.param(workload("Job", "j", parallelism=3), "spec.parallelism: 3", id="parallel job"),
    pytest.param(workload("CronJob", "c"), "kind CronJob", id="kind"),
    pytest.param(deployment(spec=pod_spec(container(ports=[{"containerPort": 80, "hostPort": 80}]))),
                 f"{ONE}.ports[0].hostPort", id="host port"),
    pytest.param(deployment(spec=pod_spec(volumes=[{"name": "v", "downwardAPI": {"items": [
                     {"path": "ip", "fieldRef": {"fieldPath": "status.podIP"}}]}}])),
                 "spec.template.spec.volumes[0]: fieldPath: status.podIP", id="a file of the pod's address"),
])  # fmt: skip
def test_a_field_that_cannot_be_run_is_named_by_its_path(manifest: dict[str, Any], path: str) -> None:
    with pytest.raises(Unsupported) as caught:
        check([manifest])
    assert [problem for problem in caught.value.problems if path in problem.message]


def test_every_problem_is_told_at_once_with_its_place() -> None:
    broken = deployment(spec=pod_spec(container(lifecycle={"preStop": {"exec": {}}}), hostNetwork=True))
    with pytest.raises(Unsupported) as caught:
        check([broken, deployment("other", pod_spec(hostPID=True))])
    assert [str(problem.at) for problem in caught.value.problems] == ["k8s/web.yaml:7:1"] * 2 + ["k8s/other.yaml:7:1"]


def test_what_asks_for_nothing_is_no_problem() -> None:
    check([server(), service(), deployment(spec=pod_spec(hostNetwork=False, ephemeralContainers=[])),
           {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a"}}])
