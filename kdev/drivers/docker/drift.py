"""Whether what was applied still stands on the engine: two list requests for everything, no SDK.

Lean: it is asked on the way of every run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from kdev.core import actions
from kdev.core.actions import Action
from kdev.core.step import Reason, ReasonKind, Result
from kdev.core.workloads import ObjectRef
from kdev.drivers.docker import labels
from kdev.drivers.docker.probe import Probe

WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "Pod"})
CONTAINERS = "/containers/json?all=1&filters="
VOLUMES = "/volumes?filters="
NETWORKS = "/networks?filters="
_ALL = labels.quoted_filters([f"{labels.MANAGED}=true"])


class Applied(NamedTuple):
    """What a workload's digest says: of its pod template, and how many pods of how many containers there are."""

    template: str
    pods: int
    containers: int

    def __str__(self) -> str:
        return f"{self.template}.{self.pods}.{self.containers}"


def applied(digest: str) -> Applied | None:
    """Read a workload's digest again; None when it is none."""
    parts = digest.split(".")
    if len(parts) != 3 or not parts[1].isdigit() or not parts[2].isdigit():
        return None
    return Applied(parts[0], int(parts[1]), int(parts[2]))


def verify(probe: Probe, action: Action, result: Result) -> tuple[Reason, ...]:
    """Why the result of a Namespace, Deploy or Ready step no longer stands; () when it does."""
    if isinstance(action, actions.EnsureNamespace):
        name = labels.network_name(action.namespace)
        if any(network["Name"] == name for network in probe.get(NETWORKS + _ALL)):
            return ()
        return (Reason(ReasonKind.RESULT_GONE, f"namespace {action.namespace}", "there is no such network"),)
    return drift(probe, [ObjectRef(*row) for row in json.loads(result.value("refs"))])


def drift(probe: Probe, refs: Sequence[ObjectRef]) -> tuple[Reason, ...]:
    """RESULT_GONE or DRIFTED for each reference that is no longer as it was applied."""
    if not refs:
        return ()
    containers: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for container in probe.get(CONTAINERS + _ALL):
        containers.setdefault(_object(container), []).append(container)
    volumes = {_object(volume): volume for volume in probe.get(VOLUMES + _ALL).get("Volumes") or ()}
    reasons = []
    for ref in refs:
        key = (ref.namespace, str(ref))
        if ref.kind in WORKLOADS:
            why = _workload(ref, containers.get(key, ()))
        elif ref.kind == "Namespace":
            why = None
        else:
            found = [*containers.get(key, ()), *((volumes[key],) if key in volumes else ())]
            why = _single(ref, found)
        if why is not None:
            reasons.append(why)
    return tuple(reasons)


def _object(thing: Mapping[str, Any]) -> tuple[str, str]:
    marks = thing.get("Labels") or {}
    return marks.get(labels.NAMESPACE, ""), marks.get(labels.OBJECT, "")


def _workload(ref: ObjectRef, containers: Iterable[Mapping[str, Any]]) -> Reason | None:
    pods, wanted = by_pod(containers), applied(ref.digest)
    if not pods:
        # Of a workload that is scaled to nothing there is nothing to see.
        return None if wanted is not None and not wanted.pods else Reason(ReasonKind.RESULT_GONE, str(ref))
    if wanted is None:
        return Reason(ReasonKind.DRIFTED, str(ref), "applied by another version of kdev")
    current = [pod for pod in pods.values() if pod[0]["Labels"].get(labels.FINGERPRINT) == wanted.template]
    if not current and wanted.pods:
        return Reason(ReasonKind.DRIFTED, str(ref), "spec.template")
    for pod in current:
        why = broken(pod, wanted.containers)
        if why:
            return Reason(ReasonKind.DRIFTED, str(ref), why)
    if len(current) != wanted.pods:
        return Reason(ReasonKind.DRIFTED, str(ref), f"{len(current)} of {wanted.pods} pods")
    return None


def _single(ref: ObjectRef, found: Sequence[Mapping[str, Any]]) -> Reason | None:
    if not found:
        return Reason(ReasonKind.RESULT_GONE, str(ref))
    if not any(thing["Labels"].get(labels.FINGERPRINT) == ref.digest for thing in found):
        return Reason(ReasonKind.DRIFTED, str(ref), "applied by somebody else")
    for thing in found:
        if thing.get("State", "running") not in ("running", "restarting"):
            return Reason(ReasonKind.DRIFTED, str(ref), f"its proxy is {thing['State']}")
    return None


def by_pod(containers: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Rows of the containers' list by the uid of their pod, without pods that are being removed."""
    pods: dict[str, list[Mapping[str, Any]]] = {}
    for container in containers:
        uid = container["Labels"].get(labels.UID)
        if uid:
            pods.setdefault(uid, []).append(container)
    return {uid: pod for uid, pod in pods.items() if not any(is_leaving(container) for container in pod)}


def is_leaving(container: Mapping[str, Any]) -> bool:
    """Whether this is the sandbox of a pod that is being removed."""
    return any(name.lstrip("/").startswith(labels.GONE) for name in container.get("Names") or ())


def broken(pod: Sequence[Mapping[str, Any]], count: int) -> str:
    """Why a pod is not as it was made, "" when it is. A container that the engine starts again is no drift."""
    if len(pod) != count:
        return f"{len(pod)} of {count} containers of a pod"
    for container in pod:
        marks, state = container["Labels"], container["State"]
        role, name = marks.get(labels.ROLE), marks.get(labels.CONTAINER, "")
        if role == labels.SANDBOX and state != "running":
            return "the pod's sandbox is not running"
        if role != labels.MAIN or state in ("running", "restarting"):
            continue
        if state == "exited" and marks.get(labels.RESTART) != "Always":
            continue
        return f"container {name} is {'stopped' if state == 'exited' else state}"
    return ""
