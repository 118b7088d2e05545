"""Applies a deployment's objects to the engine, in the order in which they lean on each other, and prunes what left."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from kdev.core.ports import Job, Manifest
from kdev.core.workloads import ObjectRef
from kdev.drivers.docker import fields, labels, observed
from kdev.drivers.docker.client import Clients
from kdev.drivers.docker.drift import WORKLOADS
from kdev.drivers.docker.environment import Data, data_of, references
from kdev.drivers.docker.errors import translated
from kdev.drivers.docker.pods import CLAIMED, Pods, claim_marks
from kdev.drivers.docker.records import Records
from kdev.drivers.docker.rollout import Rollout, Workload
from kdev.drivers.docker.sandbox import Sandboxes
from kdev.drivers.docker.services import Services
from kdev.drivers.docker.volumes import claim_volume

DATA = ("ConfigMap", "Secret")


class Applier:
    """Applies and deletes objects. `marks` are the labels of the project and the session."""

    def __init__(self, clients: Clients, sandboxes: Sandboxes, marks: Mapping[str, str]) -> None:
        self._clients = clients
        self._sandboxes = sandboxes
        self._marks = marks
        self._pods = Pods(clients, sandboxes)
        self._records = Records(clients, sandboxes)
        self._services = Services(clients, sandboxes, self._records)
        self.rollout = Rollout(clients, self._pods, self._services)

    def apply(
        self, owner: str, namespace: str, objects: Sequence[Manifest], job: Job, *, force: bool
    ) -> tuple[ObjectRef, ...]:
        """Make the engine match `objects`; references in their order, without those that mean nothing here."""
        marks = {**self._marks, labels.OWNER: owner}
        clean = [(self._namespace(one, namespace), fields.without_place(one)) for one in objects]
        self._ignored(clean, job)
        for place, manifest in clean:
            wanted = manifest["metadata"]["name"] if manifest["kind"] == "Namespace" else place
            self._sandboxes.ensure_network(wanted, self._marks[labels.PROJECT])
        refs: dict[tuple[str, str, str], ObjectRef] = {}
        known: dict[tuple[str, str, str], Mapping[str, bytes]] = {}
        for kind in ("ConfigMap", "Secret", "PersistentVolumeClaim", "Service"):
            for place, manifest in clean:
                if manifest["kind"] == kind:
                    job.cancel.check()
                    refs[kind, place, manifest["metadata"]["name"]] = self._single(manifest, place, marks)
                    if kind in DATA:
                        known[kind, place, manifest["metadata"]["name"]] = data_of(manifest)
        workloads = [self._workload(manifest, place, owner, known) for place, manifest in clean
                     if manifest["kind"] in WORKLOADS]
        done = self.rollout.roll_out(workloads, marks, job, force=force)
        refs.update({(one.kind, one.namespace, one.name): one.ref() for one in workloads})
        self._prune(owner, {namespace, *(place for place, _ in clean)}, set(refs))
        if not done:
            for place in {place for place, _ in clean}:
                self._services.refresh(place)
        return tuple(refs.values())

    def _namespace(self, manifest: Manifest, default: str) -> str:
        return str(manifest["metadata"].get("namespace") or default)

    def _ignored(self, clean: Sequence[tuple[str, Mapping[str, Any]]], job: Job) -> None:
        kinds = sorted({manifest["kind"] for _, manifest in clean if manifest["kind"] in fields.IGNORED})
        if kinds:
            job.notice(f"no meaning on a Docker Engine, so left out: {', '.join(kinds)}")
        alive = [f"{manifest['kind']}/{manifest['metadata']['name']}" for _, manifest in clean
                 if manifest["kind"] in WORKLOADS
                 and any(one.get("livenessProbe") for one in pod_template(manifest)["spec"]["containers"])]
        if alive:
            job.notice(f"liveness probes are not acted on by the Docker target: {', '.join(alive)}")

    def _single(self, manifest: Mapping[str, Any], namespace: str, marks: Mapping[str, str]) -> ObjectRef:
        """Apply an object that is no workload."""
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        ref = ObjectRef(manifest["apiVersion"], kind, namespace, name,
                        CLAIMED if kind == "PersistentVolumeClaim" else digest(manifest))
        whole = {**marks, labels.NAMESPACE: namespace, labels.OBJECT: f"{kind}/{name}",
                 labels.API_VERSION: ref.api_version, labels.FINGERPRINT: ref.digest}
        if kind == "Service":
            self._services.apply(manifest, namespace, whole)
        elif kind == "PersistentVolumeClaim":
            with translated():
                self._clients.api().create_volume(claim_volume(namespace, name), driver="local",
                                                  labels=claim_marks(namespace, name, marks))
        else:
            volume = labels.name_of(namespace, kind.lower(), name)
            mine = [f"{labels.NAMESPACE}={namespace}", f"{labels.OBJECT}={kind}/{name}",
                    f"{labels.FINGERPRINT}={ref.digest}", f"{labels.OWNER}={marks[labels.OWNER]}"]
            if not self._records.volumes(*mine) or self._records.read(volume) is None:
                self._records.write(volume, {**whole, labels.ROLE: labels.RECORD}, data_of(manifest))
        return ref

    def _workload(
        self, manifest: Mapping[str, Any], namespace: str, owner: str,
        known: Mapping[tuple[str, str, str], Mapping[str, bytes]],
    ) -> Workload:
        spec = pod_template(manifest)["spec"]
        containers = [*(spec.get("initContainers") or ()), *spec["containers"]]
        data: dict[tuple[str, str], Mapping[str, bytes]] = {}
        for kind, name in sorted(references(containers, spec.get("volumes") or ())):
            found = known.get((kind, namespace, name))
            if found is None:
                found = self._records.read(labels.name_of(namespace, kind.lower(), name))
            if found is not None:
                data[kind, name] = found
        return Workload(manifest, namespace, workload_digest(manifest, data, (self._marks[labels.PROJECT], owner)),
                        replicas(manifest), data)

    def _prune(self, owner: str, namespaces: set[str], kept: set[tuple[str, str, str]]) -> None:
        # Elsewhere is another environment of the same project, and is not looked at.
        mine = [f"{labels.OWNER}={owner}", f"{labels.PROJECT}={self._marks[labels.PROJECT]}"]
        gone = []
        for thing in (*observed.rows(self._clients, *mine), *self._records.volumes(*mine)):
            ref = ref_of(thing["Labels"])
            if ref is None or ref.namespace not in namespaces:
                continue
            if (ref.kind, ref.namespace, ref.name) not in kept and ref not in gone:
                gone.append(ref)
        if gone:
            self.delete(gone)

    def delete(self, refs: Sequence[ObjectRef]) -> None:
        """These objects are gone when this returns, and so is a namespace that is empty then."""
        for ref in sorted(refs, key=lambda one: (one.kind not in WORKLOADS, one.kind != "Service")):
            if ref.kind == "Namespace":
                self._sandboxes.remove_network(ref.name)
                continue
            # An object of the same name may be another project's by now.
            mine = [f"{labels.NAMESPACE}={ref.namespace}", f"{labels.OBJECT}={ref}",
                    f"{labels.PROJECT}={self._marks[labels.PROJECT]}"]
            found = observed.rows(self._clients, *mine)
            if ref.kind in WORKLOADS:
                self.rollout.remove(list(observed.by_uid(found).values()), wait=True)
            self._services.remove([] if ref.kind in WORKLOADS else found, self._records.volumes(*mine))


def ref_of(marks: Mapping[str, str] | None) -> ObjectRef | None:
    """The object that labels speak of, without its digest; None when they speak of none."""
    kind, slash, name = (marks or {}).get(labels.OBJECT, "").partition("/")
    if marks is None or not slash:
        return None
    return ObjectRef(marks.get(labels.API_VERSION, ""), kind, marks.get(labels.NAMESPACE, ""), name)


def pod_template(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a workload's pods are made from."""
    template: Mapping[str, Any] = manifest if manifest["kind"] == "Pod" else manifest["spec"]["template"]
    return template


def replicas(manifest: Mapping[str, Any]) -> int:
    """How many pods a workload asks for."""
    if manifest["kind"] in ("Deployment", "StatefulSet", "ReplicaSet"):
        value = manifest["spec"].get("replicas")
        return 1 if value is None else max(0, int(value))
    return 1


def digest(content: Any) -> str:
    """Over a JSON-like value."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:32]


def workload_digest(manifest: Mapping[str, Any], data: Data, belongs: tuple[str, str]) -> str:
    """Over everything that makes a pod of the workload what it is; not over how many there are."""
    spec = manifest["spec"] if manifest["kind"] != "Pod" else {}
    content = [[kind, name, sorted((key, hashlib.sha256(value).hexdigest()) for key, value in found.items())]
               for (kind, name), found in sorted(data.items())]
    return digest([2, belongs, manifest["kind"], pod_template(manifest), spec.get("volumeClaimTemplates"), content])
