"""A container's spec as what the engine is asked to create. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kdev.drivers.docker import probes
from kdev.drivers.docker.environment import expand
from kdev.errors import StepFailed

_POLICY = {"Always": "unless-stopped", "OnFailure": "on-failure", "Never": "no"}
_UNITS = {
    "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12,
    "m": 0.001, "": 1,
}  # fmt: skip
_SMALLEST_MEMORY = 6 << 20


@dataclass(frozen=True)
class Place:
    """Where a container goes: its labels, its pod's sandbox, its mounts, its variables."""

    labels: Mapping[str, str]
    sandbox: str
    mounts: list[dict[str, Any]]
    environment: Mapping[str, str]
    init: bool = False


def container_config(container: Mapping[str, Any], spec: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """The body of the engine's `POST /containers/create`."""
    security = {**(spec.get("securityContext") or {}), **(container.get("securityContext") or {})}
    config: dict[str, Any] = {
        "Image": container["image"],
        "Labels": dict(place.labels),
        "Env": [f"{key}={value}" for key, value in place.environment.items()],
        "Tty": bool(container.get("tty")),
        "OpenStdin": bool(container.get("stdin")),
        "StdinOnce": bool(container.get("stdinOnce")),
        "StopTimeout": grace(spec),
        "HostConfig": _host(container, spec, security, place),
    }
    # command takes the image's entrypoint and its cmd away; args alone only the cmd. As Kubernetes does.
    if container.get("command"):
        config["Entrypoint"] = [expand(str(part), place.environment) for part in container["command"]]
        config["Cmd"] = []
    if container.get("args"):
        config["Cmd"] = [expand(str(part), place.environment) for part in container["args"]]
    if container.get("workingDir"):
        config["WorkingDir"] = container["workingDir"]
    user = _user(security)
    if user:
        config["User"] = user
    health = None if place.init else probes.container_health(container)
    config["Healthcheck"] = health or {"Test": ["NONE"]}  # the image's own says nothing about the pod's readiness
    return config


def grace(spec: Mapping[str, Any]) -> int:
    """Seconds between asking a container to stop and killing it."""
    value = spec.get("terminationGracePeriodSeconds")
    return 30 if value is None else max(0, int(value))


def quantity(text: Any) -> float:
    """A Kubernetes quantity, `128Mi` or `250m`, as a number. StepFailed when it is none."""
    value = str(text).strip()
    digits = value.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    try:
        return float(digits) * _UNITS[value[len(digits):]]
    except (KeyError, ValueError) as error:
        raise StepFailed(f"{value} is no quantity") from error


def restart_policy(spec: Mapping[str, Any], init: bool = False) -> dict[str, Any]:
    """The engine's restart policy for a container. An init container that has succeeded is through."""
    name = _POLICY[spec.get("restartPolicy") or "Always"]
    return {"Name": "on-failure" if init and name == "unless-stopped" else name, "MaximumRetryCount": 0}


def _host(
    container: Mapping[str, Any], spec: Mapping[str, Any], security: Mapping[str, Any], place: Place
) -> dict[str, Any]:
    limits = (container.get("resources") or {}).get("limits") or {}
    capabilities = security.get("capabilities") or {}
    host: dict[str, Any] = {
        "NetworkMode": f"container:{place.sandbox}",
        "IpcMode": f"container:{place.sandbox}",
        "Mounts": place.mounts,
        "RestartPolicy": restart_policy(spec, place.init),
        "Privileged": bool(security.get("privileged")),
        "ReadonlyRootfs": bool(security.get("readOnlyRootFilesystem")),
        "CapAdd": [str(name) for name in capabilities.get("add") or ()],
        "CapDrop": [str(name) for name in capabilities.get("drop") or ()],
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "20m", "max-file": "2"}},
    }
    if spec.get("shareProcessNamespace"):
        host["PidMode"] = f"container:{place.sandbox}"
    if security.get("allowPrivilegeEscalation") is False:
        host["SecurityOpt"] = ["no-new-privileges"]
    groups = [str(group) for group in (security.get("supplementalGroups") or ())]
    if security.get("fsGroup") is not None:
        groups.append(str(security["fsGroup"]))
    if groups:
        host["GroupAdd"] = groups
    if "memory" in limits:
        host["Memory"] = max(_SMALLEST_MEMORY, int(quantity(limits["memory"])))
    if "cpu" in limits:
        host["NanoCpus"] = max(10**7, int(quantity(limits["cpu"]) * 10**9))
    return host


def _user(security: Mapping[str, Any]) -> str:
    user, group = security.get("runAsUser"), security.get("runAsGroup")
    if user is None and group is None:
        return ""
    return f"{0 if user is None else user}" + ("" if group is None else f":{group}")
