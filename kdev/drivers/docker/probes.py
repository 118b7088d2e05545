"""Kubernetes' probes as the engine's health checks. The agent in the sandbox asks over the pod's own network."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from kdev.drivers.docker.sandbox import PROGRAM

_SECOND = 1_000_000_000
_OFTEN = 2
"""Seconds between checks at most: the engine makes the first one only after a whole interval."""


def container_health(container: Mapping[str, Any]) -> dict[str, Any] | None:
    """The health check that a container makes in itself: its exec probes; None without."""
    probes = [probe for probe in _deciding(container) if "exec" in probe]
    if not probes:
        return None
    # With both, ready means: started, and ready. The readiness command is the stricter one.
    return {"Test": ["CMD", *map(str, probes[0]["exec"].get("command") or ())], **_times(probes)}


def sandbox_health(containers: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The health check of a pod's sandbox: the network probes of all its containers; None without."""
    probes, arguments = [], []
    for container in containers:
        for probe in _deciding(container):
            if "exec" not in probe:
                probes.append(probe)
                arguments.append(json.dumps(_check(probe, container), separators=(",", ":")))
    if not probes:
        return None
    return {"Test": ["CMD", PROGRAM, "probe", *arguments], **_times(probes)}


def port_number(port: Any, containers: Sequence[Mapping[str, Any]]) -> int:
    """A port of a probe or a Service: the number itself, or that of the container port of this name; 0 for none."""
    if isinstance(port, int) or (isinstance(port, str) and port.isdigit()):
        return int(port)
    for container in containers:
        for one in container.get("ports") or ():
            if one.get("name") == port:
                return int(one.get("containerPort", 0))
    return 0


def _deciding(container: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The probes that decide about readiness. A start that has succeeded is told by a readiness that succeeds."""
    return [probe for key in ("readinessProbe", "startupProbe") if (probe := container.get(key))]


def _check(probe: Mapping[str, Any], container: Mapping[str, Any]) -> dict[str, Any]:
    check: dict[str, Any] = {"timeout": float(probe.get("timeoutSeconds") or 1)}
    if "httpGet" in probe:
        wanted = probe["httpGet"]
        check["http"] = {
            "host": wanted.get("host") or "",
            "port": port_number(wanted.get("port"), [container]),
            "path": wanted.get("path") or "/",
            "headers": [[item["name"], str(item.get("value", ""))] for item in wanted.get("httpHeaders") or ()],
        }
    else:
        wanted = probe["tcpSocket"]
        check["tcp"] = {"host": wanted.get("host") or "", "port": port_number(wanted.get("port"), [container])}
    return check


def _times(probes: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Interval and patience: what all of `probes` together allow before they count as failed."""
    interval = min(_OFTEN, *(int(probe.get("periodSeconds") or 10) for probe in probes), 10)
    timeout = sum(int(probe.get("timeoutSeconds") or 1) for probe in probes) + 1
    window = max(int(probe.get("periodSeconds") or 10) * int(probe.get("failureThreshold") or 3) for probe in probes)
    delay = max(int(probe.get("initialDelaySeconds") or 0) for probe in probes)
    return {
        "Interval": interval * _SECOND,
        "Timeout": timeout * _SECOND,
        "Retries": max(1, math.ceil(window / interval)),
        "StartPeriod": delay * _SECOND,
    }
