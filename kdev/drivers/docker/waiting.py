"""Waits for workloads to be ready, and says why one will not be: its exit code, its last lines, its probe's answer."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from kdev.core.ports import Cancellation, Job
from kdev.core.workloads import Container, ObjectRef, Pod
from kdev.drivers.docker import labels, observed
from kdev.drivers.docker.client import Clients
from kdev.drivers.docker.drift import WORKLOADS, applied
from kdev.drivers.docker.streams import read_logs
from kdev.errors import KdevError, StepFailed

_LINES = 20
_PAUSE = 0.2
_STEADY = 1.0
"""Seconds that a program without a probe must have stayed up."""


def wait_ready(clients: Clients, refs: Sequence[ObjectRef], timeout: float, job: Job) -> None:
    """Until every workload among `refs` is ready. StepFailed as soon as it is hopeless, or after `timeout` seconds."""
    until = time.monotonic() + timeout
    wanted = [ref for ref in refs if ref.kind in WORKLOADS]
    said, steady, since = "", None, 0.0
    crashes = _Crashes(clients, {ref.namespace for ref in wanted})
    while True:
        job.cancel.check()
        missing, restarts = [], set()
        crashes.look()
        for ref in wanted:
            why, unprobed = _look(clients, ref, crashes, job)
            restarts |= unprobed
            if why:
                missing.append((ref, why))
        now = time.monotonic()
        if restarts != steady:
            steady, since = restarts, now
        # Nothing tells of a program without a probe that it is up, but that it is still there a moment later.
        if not missing and (not restarts or now - since >= _STEADY):
            return
        words = "; ".join(f"{ref}: {why}" for ref, why in missing) or "programs without a probe to stay up"
        if now >= until:
            waiting = [ref for ref, _ in missing]
            raise StepFailed(f"not ready after {timeout:g} seconds: {words}", detail=_details(clients, waiting, job))
        if words != said:
            job.progress(f"waiting for {words}")
            said = words
        job.cancel.wait(_PAUSE)


class _Crashes:
    """Which crash loops are hopeless. A program may need another one that is not up yet, and end until it is."""

    def __init__(self, clients: Clients, namespaces: set[str]) -> None:
        self._clients = clients
        self._namespaces = namespaces
        self._excused: dict[tuple[str, str], int] = {}

    def look(self) -> None:
        """See whether something else in the namespaces is still on its way up; restarts until now are excused then."""
        rows = [row for namespace in self._namespaces
                for row in observed.rows(self._clients, f"{labels.NAMESPACE}={namespace}", labels.UID)]
        # Inspecting every pod each time would be dear, and is of no use while nothing crashes.
        if not any(row["State"] == "restarting" for row in rows):
            return
        pods = [pod for pod in observed.pods_of(self._clients, rows) if not pod.terminating]
        if any(_on_its_way(pod) for pod in pods):
            self._excused |= {(pod.uid, one.name): one.restarts for pod in pods for one in pod.containers}

    def excused(self, pod: Pod) -> bool:
        """Whether every crash loop of the pod has yet to crash with everything up that it may need."""
        looping = [one for one in pod.containers if one.reason == "CrashLoopBackOff"]
        return bool(looping) and all(one.restarts < self._excused.get((pod.uid, one.name), -1) + 2 for one in looping)


def _on_its_way(pod: Pod) -> bool:
    """Whether this pod is not up yet, but nothing has gone wrong with it either."""
    if pod.ready or pod.phase in ("Succeeded", "Failed", "Unknown"):
        return False
    return not any(one.restarts or one.reason == "RunContainerError" for one in pod.containers)


def why_hopeless(pod: Pod) -> str:
    """Why waiting for this pod will not help, "" while it may. Whether it may help in a crash loop, who asks knows."""
    for container in pod.containers:
        if container.state == "waiting" and container.reason == "CrashLoopBackOff":
            often = f"{container.restarts} restarts"
            return f"{_called(container)} is in CrashLoopBackOff: {_ended(container)}, {often}"
        if container.state == "waiting" and container.reason == "RunContainerError":
            return f"{_called(container)} cannot be started"
    if pod.phase == "Failed":
        broken = next((one for one in pod.containers if one.exit_code), None)
        return f"{_called(broken)} {_ended(broken)}" if broken else "its sandbox was stopped"
    return ""


def last_lines(clients: Clients, container_id: str, cancel: Cancellation) -> str:
    """The last lines that a container printed; "" when they cannot be read."""
    with suppress(KdevError):  # they explain a failure, and must not become another
        return "\n".join(line.text for line in read_logs(
            clients, container_id, last=_LINES, since="", follow=False, cancel=cancel))
    return ""


def _called(container: Container) -> str:
    return f"{'init ' if container.init else ''}container {container.name}"


def _ended(container: Container) -> str:
    how = f"ended with exit code {container.exit_code}"
    return f"{how} (out of memory)" if container.reason == "OOMKilled" else how


def _rows(clients: Clients, ref: ObjectRef) -> list[dict[str, Any]]:
    wanted = applied(ref.digest)
    template = [f"{labels.FINGERPRINT}={wanted.template}"] if wanted else []
    return observed.rows(clients, f"{labels.NAMESPACE}={ref.namespace}", f"{labels.OBJECT}={ref}", *template)


def _look(
    clients: Clients, ref: ObjectRef, crashes: _Crashes, job: Job
) -> tuple[str, set[tuple[str, str, int]]]:
    """What a workload lacks, "" when it is ready, and how often its containers without a probe were started again.

    StepFailed when it will not become ready.
    """
    rows = _rows(clients, ref)
    pods = [pod for pod in observed.pods_of(clients, rows) if not pod.terminating]
    wanted = applied(ref.digest)
    count = wanted.pods if wanted else 1
    if count and not pods:
        raise StepFailed(f"{ref} will not be ready: its pods are gone",
                         hint="somebody else may have deployed or deleted an object of this name")
    for pod in pods:
        why = why_hopeless(pod)
        if why and not crashes.excused(pod):
            raise StepFailed(f"{ref} will not be ready: {pod}: {why}", detail=_words(clients, rows, pod, job.cancel))
    if ref.kind == "Job":
        return ("" if sum(pod.phase == "Succeeded" for pod in pods) >= count else "still running"), set()
    probed = {row["Labels"].get(labels.UID) for row in rows if "health" in str(row.get("Status"))}
    restarts = {(pod.uid, one.name, one.restarts) for pod in pods if pod.uid not in probed for one in pod.containers
                if one.state == "running"}
    ready = sum(pod.ready or (ref.kind == "Pod" and pod.phase == "Succeeded") for pod in pods)
    if ready >= count:
        return "", restarts
    slow = next((pod for pod in pods if not pod.ready), None)
    why = _why_not(slow) + _unhealthy(clients, rows, slow) if slow else "pods are missing"
    return f"{ready} of {count} pods ready ({why})", restarts


def _why_not(pod: Pod) -> str:
    for container in pod.containers:
        if not container.ready and container.state != "running":
            how = f", {_ended(container)}" if container.exit_code else ""
            return f"{_called(container)} is {container.state}: {container.reason}{how}"
    lagging = ", ".join(container.name for container in pod.containers if not container.ready)
    return f"{pod} is {pod.phase}" + (f", {lagging} not ready" if lagging else "")


def _unhealthy(clients: Clients, rows: Sequence[Mapping[str, Any]], pod: Pod) -> str:
    """The probe's last answer when it has failed as often as it may. It may succeed yet, so this is no failure."""
    for row in rows:
        marks = row["Labels"]
        if marks.get(labels.UID) == pod.uid and "(unhealthy)" in str(row.get("Status")):
            details = observed.inspect(clients, str(row["Id"]))
            if details is not None and observed.health(details) == "unhealthy":
                return f", its probe fails: {observed.last_probe(details) or 'without a word'}"
    return ""


def _words(clients: Clients, rows: Sequence[Mapping[str, Any]], pod: Pod, cancel: Cancellation) -> str:
    """What the pod's containers printed last, the broken one's before the others'."""
    broken = {container.name for container in pod.containers if container.exit_code or not container.ready}
    for row in rows:
        marks = row["Labels"]
        if marks.get(labels.UID) == pod.uid and marks.get(labels.CONTAINER) in broken:
            words = last_lines(clients, str(row["Id"]), cancel)
            if words:
                return words
    return ""


def _details(clients: Clients, refs: Sequence[ObjectRef], job: Job) -> str:
    for ref in refs:
        rows = _rows(clients, ref)
        for pod in observed.pods_of(clients, rows):
            if not pod.ready and (words := _words(clients, rows, pod, job.cancel)):
                return words
    return ""
