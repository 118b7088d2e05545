"""Services: a proxy on the namespace's network that has the Service's names and leads to its pods.

A headless Service has no proxy; its names are given to the pods' sandboxes when they are made.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kdev.drivers.docker import labels, observed, probes
from kdev.drivers.docker.client import Clients
from kdev.drivers.docker.drift import is_leaving
from kdev.drivers.docker.errors import status_of, translated
from kdev.drivers.docker.pods import suppress_missing
from kdev.drivers.docker.records import Records
from kdev.drivers.docker.sandbox import Sandboxes, tar_of
from kdev.errors import KdevError

_ROUTES = "routes"


class Services:
    """The Services of one engine."""

    def __init__(self, clients: Clients, sandboxes: Sandboxes, records: Records) -> None:
        self._clients = clients
        self._sandboxes = sandboxes
        self._records = records

    def apply(self, manifest: Mapping[str, Any], namespace: str, marks: Mapping[str, str]) -> None:
        """The Service is there as written. An equal one is left alone, with its connections."""
        name, spec = manifest["metadata"]["name"], manifest["spec"]
        mine = [f"{labels.NAMESPACE}={namespace}", f"{labels.OBJECT}=Service/{name}"]
        proxies = observed.rows(self._clients, *mine)
        records = self._records.volumes(*mine)
        whole = {**marks, labels.NAMESPACE: namespace, labels.SPEC: json.dumps(told(spec), sort_keys=True)}
        fresh = [one for one in (*proxies, *records)
                 if labels.matches({key: marks[key] for key in (labels.FINGERPRINT, labels.OWNER)}, one["Labels"])
                 and one.get("State", "running") in ("running", "restarting")]
        if len(fresh) == 1 == len(proxies) + len(records):
            return
        self.remove(proxies, records)
        if is_headless(spec):
            self._records.write(labels.name_of(namespace, "service", name), whole, None)
        else:
            self._start(name, namespace, whole)

    def remove(self, proxies: Iterable[Mapping[str, Any]], records: Iterable[Mapping[str, Any]]) -> None:
        """These proxies and records are gone."""
        for proxy in proxies:
            with suppress_missing(), translated():
                self._clients.api().remove_container(proxy["Id"], force=True)
        for record in records:
            self._records.remove(record["Name"])

    def _start(self, name: str, namespace: str, marks: Mapping[str, str]) -> None:
        api, network = self._clients.api(), labels.network_name(namespace)
        body = {
            "Image": self._sandboxes.image(),
            "Cmd": ["proxy", f"/{_ROUTES}"],
            "Labels": {**marks, labels.MANAGED: "true", labels.ROLE: labels.PROXY},
            "Healthcheck": {"Test": ["NONE"]},
            "HostConfig": {"NetworkMode": network, "RestartPolicy": {"Name": "on-failure"}},
            "NetworkingConfig": {"EndpointsConfig": {network: {"Aliases": names(name, namespace)}}},
        }
        with translated():
            made = api.create_container_from_config(body, name=labels.name_of(namespace, f"{name}.service"))["Id"]
            api.put_archive(made, "/", tar_of([(_ROUTES, b"", 0o644)]))
            api.start(made)

    def aliases(self, namespace: str, pod_labels: Mapping[str, str], name: str) -> tuple[str, ...]:
        """The names that headless Services give to a pod with these labels, called `name` in a StatefulSet."""
        found = []
        for record in self._records.volumes(f"{labels.NAMESPACE}={namespace}", labels.SPEC):
            spec = json.loads(record["Labels"][labels.SPEC])
            if spec.get("selector") and labels.matches(spec["selector"], pod_labels):
                service = record["Labels"][labels.OBJECT].partition("/")[2]
                for one in names(service, namespace):
                    found += [one, f"{name}.{one}"]
        return tuple(found)

    def refresh(self, namespace: str) -> None:
        """Every Service of the namespace leads to the pods that are there now. Standing connections are left alone."""
        rows = observed.rows(self._clients, f"{labels.NAMESPACE}={namespace}")
        pods = [pod for pod in observed.grouped(rows).values() if not is_leaving(pod[0])]
        for proxy in rows:
            if proxy["Labels"].get(labels.ROLE) == labels.PROXY:
                self._route(proxy, pods)

    def _route(self, proxy: observed.Row, pods: Sequence[Sequence[observed.Row]]) -> None:
        spec = json.loads(proxy["Labels"][labels.SPEC])
        chosen = [pod for pod in pods if spec.get("selector")
                  and labels.matches(spec["selector"], labels.pod_labels(pod[0]["Labels"]))]
        how = "sticky" if spec.get("sticky") else "rotate"
        lines = []
        for port in spec["ports"]:
            backends = []
            for pod in sorted(chosen, key=lambda one: one[0]["Names"][0]):
                ports = json.loads(pod[0]["Labels"].get(labels.SPEC) or "{}")
                target = port.get("targetPort") or port["port"]
                number = ports.get(target, 0) if isinstance(target, str) and not target.isdigit() else int(target)
                if number:
                    # A container's short id is its name on the network, and never anybody else's.
                    backends.append(f"{pod[0]['Id'][:12]}:{number}")
            lines.append(f"{port['port']} {how} {' '.join(backends)}\n")
        api = self._clients.api()
        with suppress_missing(), translated():
            api.put_archive(proxy["Id"], "/", tar_of([(_ROUTES, "".join(lines).encode(), 0o644)]))
        try:
            with translated():
                api.kill(proxy["Id"], "SIGHUP")
        except KdevError as error:
            if status_of(error) not in (404, 409):  # it is not running; it reads the file when it starts
                raise


def is_headless(spec: Mapping[str, Any]) -> bool:
    """Whether the Service asks for no address of its own."""
    return spec.get("clusterIP") == "None" or not spec.get("ports")


def told(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What a proxy needs to know of a Service, for its label."""
    return {
        "selector": {key: str(value) for key, value in (spec.get("selector") or {}).items()},
        "ports": [{key: port[key] for key in ("port", "targetPort") if key in port}
                  for port in spec.get("ports") or ()],
        "sticky": spec.get("sessionAffinity") == "ClientIP",
    }


def names(service: str, namespace: str) -> list[str]:
    """The names under which a Service is found."""
    return [service, f"{service}.{namespace}", f"{service}.{namespace}.svc", f"{service}.{namespace}.svc.cluster.local"]


def named_ports(spec: Mapping[str, Any]) -> str:
    """Port name → number of a pod, as JSON for its sandbox's label."""
    found = {port["name"]: probes.port_number(port["name"], spec["containers"])
             for container in spec["containers"] for port in container.get("ports") or () if port.get("name")}
    return json.dumps(found, sort_keys=True)
