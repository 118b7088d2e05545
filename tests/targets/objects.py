"""Manifests for the tests of targets: small, and quick to start and stop."""

from __future__ import annotations

import copy
from typing import Any

IMAGE = "busybox:1.36"
Manifest = dict[str, Any]
SERVER = ["httpd", "-f", "-p", "8080", "-h", "/"]
SLEEPER = ["sh", "-c", "trap 'exit 0' TERM; while true; do sleep 0.1; done"]


def container(name: str = "main", command: list[str] | None = None, **more: Any) -> Manifest:
    return {"name": name, "image": IMAGE, "command": command or SLEEPER, **more}


def pod_spec(*containers: Manifest, **more: Any) -> Manifest:
    return {"terminationGracePeriodSeconds": 1, "containers": list(containers or (container(),)), **more}


def workload(kind: str, name: str, spec: Manifest | None = None, **more: Any) -> Manifest:
    template = {"metadata": {"labels": {"app": name}}, "spec": copy.deepcopy(spec or pod_spec())}
    own = {"selector": {"matchLabels": {"app": name}}} if kind != "Job" else {}
    return {
        "apiVersion": "batch/v1" if kind == "Job" else "apps/v1", "kind": kind,
        "metadata": {"name": name, "annotations": {"kdev.dev/at": f"k8s/{name}.yaml:7"}},
        "spec": {**own, "template": template, **more},
    }  # fmt: skip


def deployment(name: str = "web", spec: Manifest | None = None, **more: Any) -> Manifest:
    return workload("Deployment", name, spec, **more)


def server(name: str = "web", **more: Any) -> Manifest:
    probe = {"tcpSocket": {"port": "http"}, "periodSeconds": 1}
    one = container(name, SERVER, readinessProbe=probe, ports=[{"containerPort": 8080, "name": "http"}])
    return deployment(name, pod_spec(one), **more)


def service(name: str = "web", selects: str = "", **more: Any) -> Manifest:
    spec = {"selector": {"app": selects or name}, "ports": [{"port": 80, "targetPort": "http"}], **more}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def config_map(name: str, **data: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def secret(name: str, **data: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}
