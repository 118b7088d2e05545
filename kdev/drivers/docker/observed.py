"""The engine's containers as Kubernetes' pods. Reading only; choosing and waiting are elsewhere."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kdev.core.workloads import Container, Pod
from kdev.drivers.docker import labels
from kdev.drivers.docker.client import Clients
from kdev.drivers.docker.drift import is_leaving
from kdev.drivers.docker.errors import status_of, translated
from kdev.errors import KdevError

CRASHES = 2
"""After more restarts than this, a container that ended badly is in Kubernetes' CrashLoopBackOff."""
Row = Mapping[str, Any]


def rows(clients: Clients, *wanted: str) -> list[dict[str, Any]]:
    """The containers, running or not, that carry kdev's mark and these labels (`key` or `key=value`)."""
    with translated():
        found: list[dict[str, Any]] = clients.api().containers(
            all=True, filters={"label": [f"{labels.MANAGED}=true", *wanted]}
        )
    return found


def grouped(found: Iterable[Row]) -> dict[str, list[Row]]:
    """Rows by the uid of their pod, the sandbox first; pods without a sandbox are left out."""
    return {uid: pod for uid, pod in by_uid(found).items() if pod[0]["Labels"].get(labels.ROLE) == labels.SANDBOX}


def by_uid(found: Iterable[Row]) -> dict[str, list[Row]]:
    """Rows by the uid of their pod, also of pods that were never made whole or have lost their sandbox."""
    pods: dict[str, list[Row]] = {}
    for row in sorted(found, key=_order):
        uid = row["Labels"].get(labels.UID)
        if uid:
            pods.setdefault(uid, []).append(row)
    return pods


def pods_of(clients: Clients, found: Iterable[Row]) -> tuple[Pod, ...]:
    """Pods, newest first. A container that vanishes meanwhile is left out."""
    pods = []
    for pod in grouped(found).values():
        inspected = [details for row in pod if (details := inspect(clients, row["Id"])) is not None]
        if len(inspected) == len(pod):
            pods.append(pod_of(pod, inspected))
    return tuple(sorted(pods, key=lambda pod: (pod.created, pod.name), reverse=True))


def inspect(clients: Clients, container_id: str) -> dict[str, Any] | None:
    """What the engine knows of a container; None when it is gone."""
    try:
        with translated():
            details: dict[str, Any] = clients.api().inspect_container(container_id)
    except KdevError as error:
        if status_of(error) != 404:
            raise
        return None
    return details


def pod_of(pod: Sequence[Row], inspected: Sequence[Mapping[str, Any]]) -> Pod:
    """One pod of the rows of its containers and what `inspect` says of each, the sandbox first."""
    sandbox, marks = inspected[0], pod[0]["Labels"]
    alive = sandbox["State"]["Running"] and health(sandbox) in ("none", "healthy")
    containers = tuple(_container(details, alive) for details in inspected[1:])
    return Pod(
        namespace=marks[labels.NAMESPACE],
        name=marks[labels.POD],
        uid=marks[labels.UID],
        phase=_phase(inspected, containers, marks.get(labels.RESTART, "Always")),
        created=str(sandbox["Created"]),
        labels=tuple(sorted(labels.pod_labels(marks).items())),
        containers=containers,
        terminating=is_leaving(pod[0]),
    )


def health(details: Mapping[str, Any]) -> str:
    """`none`, `starting`, `healthy` or `unhealthy`."""
    return str((details["State"].get("Health") or {}).get("Status") or "none")


def last_probe(details: Mapping[str, Any]) -> str:
    """What the last health check said, "" when there was none."""
    log = (details["State"].get("Health") or {}).get("Log") or ()
    return str(log[-1].get("Output", "")).strip()[-300:] if log else ""


def started(details: Mapping[str, Any]) -> float:
    """When the container was started last, as Unix time; 0 when it never was."""
    text = str(details["State"].get("StartedAt", ""))[:19]
    if not text or text.startswith("0001"):
        return 0.0
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC).timestamp()


def _order(row: Row) -> tuple[int, str]:
    roles = (labels.SANDBOX, labels.INIT, labels.MAIN)
    role = row["Labels"].get(labels.ROLE, "")
    # Within a role by the order in the spec, which the label `spec` holds.
    return (roles.index(role) if role in roles else len(roles), row["Labels"].get(labels.SPEC, ""))


def _container(details: Mapping[str, Any], pod_alive: bool) -> Container:
    marks, state = details["Config"]["Labels"], details["State"]
    init = marks.get(labels.ROLE) == labels.INIT
    restarts = int(details.get("RestartCount") or 0)
    word, reason = "running", ""
    if state["Status"] == "created":
        word, reason = "waiting", "RunContainerError" if state.get("Error") else "PodInitializing"
    elif state.get("Restarting"):
        word = "waiting"
        crashing = restarts > CRASHES and state.get("ExitCode")
        reason = "CrashLoopBackOff" if crashing else ("Error" if state.get("ExitCode") else "Completed")
    elif not state.get("Running"):
        word = "terminated"
        reason = "OOMKilled" if state.get("OOMKilled") else ("Error" if state.get("ExitCode") else "Completed")
    return Container(
        name=marks[labels.CONTAINER],
        image=details["Config"]["Image"],
        state=word,
        ready=(word == "terminated" and not state.get("ExitCode")) if init
        else word == "running" and pod_alive and health(details) in ("none", "healthy"),
        restarts=restarts,
        init=init,
        tty=bool(details["Config"].get("Tty")),
        reason=reason,
        exit_code=int(state.get("ExitCode") or 0) if word != "running" else 0,
    )


def _phase(inspected: Sequence[Mapping[str, Any]], containers: Sequence[Container], restart: str) -> str:
    mains = [container for container in containers if not container.init]
    if not inspected[0]["State"]["Running"]:
        return "Failed"
    if any(container.init and container.exit_code and restart == "Never" for container in containers):
        return "Failed"
    if not mains or all(container.state == "waiting" and container.reason in ("PodInitializing", "RunContainerError")
                        for container in mains):
        return "Pending"
    if restart != "Always" and all(container.state == "terminated" for container in mains):
        return "Failed" if any(container.exit_code for container in mains) else "Succeeded"
    return "Running"
