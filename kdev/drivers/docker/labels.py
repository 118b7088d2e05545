"""The labels and names of everything that kdev makes on a Docker Engine. Facts only: it talks to nobody.

Lean, because looking whether objects still stand is on the way of every run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

PREFIX = "kdev.dev/"
MANAGED = "kdev.dev/managed"
PROJECT = "kdev.dev/project"
SESSION = "kdev.dev/session"
NAMESPACE = "kdev.dev/namespace"
OWNER = "kdev.dev/owner"
OBJECT = "kdev.dev/object"
API_VERSION = "kdev.dev/api-version"
FINGERPRINT = "kdev.dev/fingerprint"
ROLE = "kdev.dev/role"
POD = "kdev.dev/pod"
UID = "kdev.dev/uid"
CONTAINER = "kdev.dev/container"
POD_LABELS = "kdev.dev/pod-labels"
RESTART = "kdev.dev/restart"
SPEC = "kdev.dev/spec"
GRACE = "kdev.dev/grace"

SANDBOX, INIT, MAIN, PROXY, SCRATCH = "sandbox", "init", "container", "proxy", "scratch"
"""Values of ROLE on containers. SCRATCH is a container that is never started: files go through it."""
RECORD, CLAIM, POD_VOLUME = "record", "claim", "pod-volume"
"""Values of ROLE on volumes."""

GONE = "kdev-gone_"
"""How the name of a pod's sandbox begins once the pod is being removed. A rename is atomic; a label cannot change."""

_LONGEST = 60


def name_of(*parts: str) -> str:
    """A container or volume name made of `parts`, shortened with a hash when it would be too long for a host name.

    No Kubernetes name holds `_`, so different parts give different names. What is not a container of a pod has one part
    less, with its kind behind a dot: a container may be called `pod` or `service`.
    """
    name = "_".join(("kdev", *parts))
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - 11]}_{hashlib.sha256(name.encode()).hexdigest()[:10]}"


def network_name(namespace: str) -> str:
    """The network that is a namespace."""
    return f"kdev-{namespace}"


def filters(labels: Iterable[str]) -> str:
    """Labels (`key` or `key=value`), all of which must be there, as the API's `filters`."""
    return json.dumps({"label": sorted(labels)}, separators=(",", ":"))


def quoted_filters(labels: Iterable[str]) -> str:
    """The same for a URL. urllib would cost more than the request."""
    text = filters(labels).encode()
    return "".join(chr(byte) if byte < 128 and chr(byte).isalnum() else f"%{byte:02X}" for byte in text)


def matches(wanted: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether `labels` hold all of `wanted`."""
    return all(labels.get(key) == value for key, value in wanted.items())


def pod_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """The pod's own labels, which a container carries as JSON. {} when somebody else wrote nonsense there."""
    try:
        found = json.loads(labels.get(POD_LABELS, "{}"))
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}
