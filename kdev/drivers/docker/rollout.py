"""Makes the pods of a workload what they should be: what is right stays, what is missing is made, the rest goes.

A Deployment's new pods are ready before its old ones go, unless its strategy says Recreate.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kdev.core.ports import Job
from kdev.core.workloads import ObjectRef, Pod
from kdev.drivers.docker import labels, observed
from kdev.drivers.docker.client import Clients
from kdev.drivers.docker.drift import Applied, broken, is_leaving
from kdev.drivers.docker.environment import Data
from kdev.drivers.docker.errors import translated
from kdev.drivers.docker.pods import Made, Pods, Wanted, claim_marks
from kdev.drivers.docker.services import Services, named_ports
from kdev.drivers.docker.starting import Starting
from kdev.drivers.docker.volumes import claim_volume
from kdev.drivers.docker.waiting import why_hopeless

_OVERLAP = 60.0
"""Seconds that an old pod is kept for a new one that is not ready and not hopeless either."""
_PATIENCE = 3.0
"""Seconds that applying waits for an old pod to stop. A slower one goes on stopping on its own."""
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True)
class Workload:
    """What a workload's manifest asks for. `digest` is over its pod template and all that this leads to."""

    manifest: Mapping[str, Any]
    namespace: str
    digest: str
    replicas: int
    data: Data

    @property
    def kind(self) -> str:
        return str(self.manifest["kind"])

    @property
    def name(self) -> str:
        return str(self.manifest["metadata"]["name"])

    @property
    def template(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.manifest if self.kind == "Pod" else self.manifest["spec"]["template"]
        return found

    @property
    def spec(self) -> Mapping[str, Any]:
        spec: Mapping[str, Any] = self.template["spec"]
        return spec

    @property
    def containers(self) -> int:
        """How many containers a pod is on the engine."""
        return 1 + len(self.spec["containers"]) + len(self.spec.get("initContainers") or ())

    @property
    def overlaps(self) -> bool:
        """Whether new pods come before old ones go."""
        strategy = (self.manifest["spec"].get("strategy") or {}).get("type")
        return self.kind in ("Deployment", "ReplicaSet") and strategy != "Recreate"

    def ref(self) -> ObjectRef:
        return ObjectRef(self.manifest["apiVersion"], self.kind, self.namespace, self.name,
                         str(Applied(self.digest, self.replicas, self.containers)))


class Rollout:
    """Rolls workloads out on one engine."""

    def __init__(self, clients: Clients, pods: Pods, services: Services) -> None:
        self._clients = clients
        self._pods = pods
        self._services = services
        self._starting = Starting(clients, pods)
        self._stopping: list[threading.Thread] = []

    def roll_out(self, workloads: Sequence[Workload], marks: Mapping[str, str], job: Job, *, force: bool) -> bool:
        """All of `workloads` at once, since their pods may wait for each other. True when something was done."""
        made: list[Made] = []
        leaving: list[list[observed.Row]] = []
        changed = False
        plans = [(workload, *self._sorted_out(workload, force)) for workload in workloads]
        # All images first: what runs is not touched for something that cannot take its place.
        for workload, kept, _ in plans:
            if len(kept) < workload.replicas:
                self._pods.pull(workload.spec, job)
        for workload, kept, old in plans:
            job.cancel.check()
            if old and not workload.overlaps:
                self.remove(old, wait=True)
            elif old:
                leaving += old
            new = self._make(workload, kept, marks, job)
            changed = changed or bool(old or new)
            made += new
        if not changed:
            return False
        namespaces = {workload.namespace for workload in workloads}

        def reachable() -> None:
            for namespace in namespaces:
                self._services.refresh(namespace)

        self._starting.begin(made, reachable)
        if leaving:
            self._overlap(workloads, job)
        reachable()
        if leaving:
            self.remove(leaving)
            reachable()
        return True

    def remove(self, pods: Sequence[Sequence[observed.Row]], *, wait: bool = False) -> None:
        """These pods count as terminating at once. Returns when they are gone, or after a while without `wait`."""
        workers = []
        for pod in pods:
            self._pods.retire(pod)
            workers.append(threading.Thread(target=self._pods.remove, args=(pod,), daemon=True))
        for worker in workers:
            worker.start()
        until = time.monotonic() + _PATIENCE
        for worker in workers:
            worker.join(None if wait else max(0.0, until - time.monotonic()))
        self._stopping = [worker for worker in (*self._stopping, *workers) if worker.is_alive()]

    def settle(self, seconds: float) -> None:
        """The end: give pods that are being stopped this long to go."""
        self._starting.close()
        until = time.monotonic() + seconds
        for worker in self._stopping:
            worker.join(max(0.0, until - time.monotonic()))

    def _sorted_out(
        self, workload: Workload, force: bool
    ) -> tuple[list[list[observed.Row]], list[list[observed.Row]]]:
        """(pods that stay, pods that go). What an earlier session did not get to remove goes now."""
        kept, old = [], []
        found = observed.rows(self._clients, f"{labels.NAMESPACE}={workload.namespace}",
                              f"{labels.OBJECT}={workload.kind}/{workload.name}")
        for pod in observed.by_uid(found).values():
            right = pod[0]["Labels"].get(labels.FINGERPRINT) == workload.digest and not force
            if right and not broken(pod, workload.containers) and not is_leaving(pod[0]):
                kept.append(pod)
            else:
                old.append(pod)
        if workload.kind == "StatefulSet":
            wanted = {f"{workload.name}-{number}" for number in range(workload.replicas)}
            old += [pod for pod in kept if pod[0]["Labels"][labels.POD] not in wanted]
            kept = [pod for pod in kept if pod[0]["Labels"][labels.POD] in wanted]
        kept.sort(key=lambda pod: pod[0]["Created"])
        return kept[: workload.replicas], old + kept[workload.replicas:]

    def _make(
        self, workload: Workload, kept: Sequence[Sequence[observed.Row]], marks: Mapping[str, str], job: Job
    ) -> list[Made]:
        taken = {pod[0]["Labels"][labels.POD] for pod in kept}
        names = [name for name in self._names(workload) if name not in taken]
        made = []
        for name in names[: workload.replicas - len(kept)]:
            job.cancel.check()
            job.progress(f"starting {name}")
            about = workload.template.get("metadata") or {}
            own, notes = ({str(key): str(value) for key, value in (about.get(what) or {}).items()}
                          for what in ("labels", "annotations"))
            whole = {**marks, labels.OBJECT: f"{workload.kind}/{workload.name}",
                     labels.API_VERSION: workload.manifest["apiVersion"], labels.FINGERPRINT: workload.digest}
            aliases = self._services.aliases(workload.namespace, own, name)
            spec = self._with_claims(workload, name, marks)
            made.append(self._pods.make(Wanted(workload.namespace, name, spec, own, whole, workload.data, aliases,
                                               named_ports(spec), notes), job))
        return made

    def _names(self, workload: Workload) -> list[str]:
        if workload.kind == "StatefulSet":
            return [f"{workload.name}-{number}" for number in range(workload.replicas)]
        if workload.kind == "Pod":
            return [workload.name]
        middle = f"-{workload.digest[:8]}" if workload.kind in ("Deployment", "ReplicaSet") else ""
        return [f"{workload.name}{middle}-{''.join(random.choices(_ALPHABET, k=5))}" for _ in range(workload.replicas)]

    def _with_claims(self, workload: Workload, pod: str, marks: Mapping[str, str]) -> Mapping[str, Any]:
        """The pod's spec with the volumes of a StatefulSet's claim templates, which exist then."""
        templates = workload.manifest["spec"].get("volumeClaimTemplates") or ()
        if not templates or workload.kind != "StatefulSet":
            return workload.spec
        volumes = []
        for template in templates:
            claim = f"{template['metadata']['name']}-{pod}"
            # No owner: like Kubernetes' own, these outlive the StatefulSet, and go only when the project is purged.
            kept = {key: value for key, value in marks.items() if key != labels.OWNER}
            with translated():
                self._clients.api().create_volume(claim_volume(workload.namespace, claim), driver="local",
                                                  labels=claim_marks(workload.namespace, claim, kept))
            volumes.append({"name": template["metadata"]["name"], "persistentVolumeClaim": {"claimName": claim}})
        return {**workload.spec, "volumes": [*(workload.spec.get("volumes") or ()), *volumes]}

    def _overlap(self, workloads: Sequence[Workload], job: Job) -> None:
        """Wait until the new pods are ready, or hopeless, which waiting for readiness will tell."""
        until = time.monotonic() + _OVERLAP
        while time.monotonic() < until:
            job.cancel.check()
            states: list[Pod] = []
            for workload in workloads:
                found = observed.rows(self._clients, f"{labels.NAMESPACE}={workload.namespace}",
                                      f"{labels.OBJECT}={workload.kind}/{workload.name}",
                                      f"{labels.FINGERPRINT}={workload.digest}")
                states += observed.pods_of(self._clients, found)
            if all(pod.ready for pod in states) or any(why_hopeless(pod) for pod in states):
                return
            job.cancel.wait(0.2)
