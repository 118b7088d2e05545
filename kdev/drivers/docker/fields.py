"""Which fields of which objects a Docker Engine can run. Allow-lists: what is in none of them is a problem by its path.

A schema maps a field to what it may hold: True for anything, a schema for a mapping, [schema] for a list of mappings.
IGNORED fields mean nothing to a single engine, and leaving them out changes nothing for the program.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kdev.drivers.docker import environment
from kdev.errors import Mark, Problem, Unsupported

AT = "kdev.dev/at"
"""Annotation that says where an object was written, `file:line`."""

IGNORED = frozenset({
    "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "NetworkPolicy",
    "PodDisruptionBudget", "HorizontalPodAutoscaler", "Ingress", "LimitRange", "ResourceQuota", "PriorityClass",
    "ServiceMonitor", "PodMonitor",
})  # fmt: skip

Schema = dict[str, Any]


def _any(*names: str) -> Schema:
    return dict.fromkeys(names, True)


_KEY = _any("name", "key", "optional")
_FIELD = {"fieldPath": True, "apiVersion": True}
_ACTION: Schema = {
    "exec": _any("command"),
    "httpGet": {**_any("path", "port", "host"), "httpHeaders": [_any("name", "value")], "scheme": {"HTTP": True}},
    "tcpSocket": _any("port", "host"),
    **_any("initialDelaySeconds", "periodSeconds", "timeoutSeconds", "failureThreshold", "successThreshold",
           "terminationGracePeriodSeconds"),
}
_SECURITY = {
    **_any("runAsUser", "runAsGroup", "runAsNonRoot", "privileged", "readOnlyRootFilesystem",
           "allowPrivilegeEscalation", "seccompProfile"),
    "capabilities": _any("add", "drop"),
}
_CONTAINER: Schema = {
    **_any("name", "image", "command", "args", "workingDir", "tty", "stdin", "stdinOnce", "imagePullPolicy",
           "terminationMessagePath", "terminationMessagePolicy"),
    "ports": [_any("containerPort", "name", "protocol")],
    "env": [{**_any("name", "value"),
             "valueFrom": {"configMapKeyRef": _KEY, "secretKeyRef": _KEY, "fieldRef": _FIELD}}],
    "envFrom": [{"prefix": True, "configMapRef": _any("name", "optional"), "secretRef": _any("name", "optional")}],
    "volumeMounts": [_any("name", "mountPath", "subPath", "readOnly", "mountPropagation")],
    "resources": {"limits": True, "requests": True},
    "securityContext": _SECURITY,
    "readinessProbe": _ACTION, "startupProbe": _ACTION, "livenessProbe": True,
}  # fmt: skip
_ITEMS = [_any("key", "path", "mode")]
_CONFIG_MAP = {**_any("name", "optional", "defaultMode"), "items": _ITEMS}
_SECRET = {**_any("secretName", "optional", "defaultMode"), "items": _ITEMS}
_DOWNWARD = {"defaultMode": True, "items": [{**_any("path", "mode"), "fieldRef": _FIELD}]}
_VOLUME: Schema = {
    "name": True,
    "emptyDir": _any("medium", "sizeLimit"),
    "configMap": _CONFIG_MAP, "secret": _SECRET, "downwardAPI": _DOWNWARD,
    "projected": {"defaultMode": True, "sources": [{
        "configMap": {"name": True, "optional": True, "items": _ITEMS},
        "secret": {"name": True, "optional": True, "items": _ITEMS},
        "downwardAPI": _DOWNWARD,
    }]},
    "hostPath": _any("path", "type"),
    "persistentVolumeClaim": _any("claimName", "readOnly"),
}  # fmt: skip
_INIT_CONTAINER = {key: value for key, value in _CONTAINER.items()
                   if key not in ("readinessProbe", "startupProbe", "livenessProbe")}
_POD: Schema = {
    "containers": [_CONTAINER], "initContainers": [_INIT_CONTAINER], "volumes": [_VOLUME],
    "hostAliases": [_any("ip", "hostnames")],
    "securityContext": {**_any("runAsUser", "runAsGroup", "runAsNonRoot", "fsGroup", "fsGroupChangePolicy",
                               "supplementalGroups", "seccompProfile", "seLinuxOptions")},
    **_any("restartPolicy", "terminationGracePeriodSeconds", "hostname", "subdomain", "shareProcessNamespace",
           "serviceAccountName", "serviceAccount", "automountServiceAccountToken", "imagePullSecrets",
           "enableServiceLinks", "nodeSelector", "affinity", "tolerations", "topologySpreadConstraints",
           "priorityClassName", "preemptionPolicy", "schedulerName", "dnsPolicy", "os", "activeDeadlineSeconds"),
}  # fmt: skip
_TEMPLATE: Schema = {"metadata": True, "spec": _POD}
_COUNTED = _any("replicas", "selector", "minReadySeconds", "revisionHistoryLimit")
_CLAIM = _any("accessModes", "resources", "storageClassName", "volumeMode", "volumeName", "selector")
_SPECS: dict[str, Schema] = {
    "Deployment": {**_COUNTED, **_any("strategy", "progressDeadlineSeconds", "paused"), "template": _TEMPLATE},
    "ReplicaSet": {**_COUNTED, "template": _TEMPLATE},
    "StatefulSet": {**_COUNTED, **_any("serviceName", "podManagementPolicy", "updateStrategy",
                                       "persistentVolumeClaimRetentionPolicy"),
                    "template": _TEMPLATE,
                    "volumeClaimTemplates": [{**_any("metadata", "apiVersion", "kind", "status"), "spec": _CLAIM}]},
    "DaemonSet": {**_any("selector", "updateStrategy", "minReadySeconds", "revisionHistoryLimit"),
                  "template": _TEMPLATE},
    "Job": {**_any("backoffLimit", "ttlSecondsAfterFinished", "activeDeadlineSeconds", "selector", "completionMode"),
            "completions": {"1": True}, "parallelism": {"1": True}, "template": _TEMPLATE},
    "Pod": _POD,
    "PersistentVolumeClaim": _CLAIM,
    "Service": {
        **_any("selector", "sessionAffinity", "clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy",
               "publishNotReadyAddresses", "externalTrafficPolicy", "internalTrafficPolicy", "loadBalancerIP",
               "allocateLoadBalancerNodePorts", "loadBalancerClass"),
        "type": {"ClusterIP": True, "NodePort": True, "LoadBalancer": True},
        "ports": [{**_any("name", "port", "targetPort", "nodePort", "appProtocol"), "protocol": {"TCP": True}}],
    },
}  # fmt: skip
_PLAIN = frozenset({"ConfigMap", "Secret", "Namespace"})
_PATHS = frozenset({
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.podIP",
    "status.podIPs", "status.hostIP",
})  # fmt: skip

_FILE_PATHS = frozenset({
    "metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels", "metadata.annotations",
})  # fmt: skip


def check(objects: Sequence[Mapping[str, Any]]) -> None:
    """Raise Unsupported with a problem for every field that the engine cannot run, at the object's place."""
    problems = [
        Problem(place_of(one), f"{one['kind']}/{one['metadata']['name']}: {message}", hint)
        for one in objects
        for message, hint in _problems(one)
    ]
    if problems:
        raise Unsupported(tuple(problems), hint="use a cluster, with --target kubernetes, or leave it out here")


def place_of(manifest: Mapping[str, Any]) -> Mark | None:
    """Where an object was written, None when nobody said."""
    annotations = manifest["metadata"].get("annotations") or {}
    file, colon, line = str(annotations.get(AT, "")).rpartition(":")
    return Mark(file, int(line), 1) if colon and line.isdigit() else None


def without_place(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The object without the annotation that says where it was written."""
    annotations = {key: value for key, value in (manifest["metadata"].get("annotations") or {}).items() if key != AT}
    metadata = {key: value for key, value in manifest["metadata"].items() if key != "annotations"}
    return {**manifest, "metadata": {**metadata, **({"annotations": annotations} if annotations else {})}}


def _problems(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(message, hint) for each thing about an object that cannot be run."""
    kind = manifest["kind"]
    if kind in IGNORED or kind in _PLAIN:
        return
    schema = _SPECS.get(kind)
    if schema is None:
        yield f"the Docker target does not run objects of kind {kind}", f"it runs {', '.join(sorted(_SPECS))}"
        return
    spec = manifest.get("spec")
    if not isinstance(spec, Mapping):
        yield "spec is missing", ""
        return
    yield from ((f"the Docker target cannot run {path}", "") for path in _unknown(spec, schema, "spec"))
    path, pod = ("spec", spec) if kind == "Pod" else ("spec.template.spec", (spec.get("template") or {}).get("spec"))
    if "template" in schema or kind == "Pod":
        yield from _pod_problems(pod, path)


def _unknown(value: Any, schema: Any, path: str) -> Iterator[str]:
    """The paths in `value` that `schema` has no place for. What is empty asks for nothing."""
    if schema is True or value is None or value in ({}, [], "", False):
        return
    if isinstance(schema, list):
        if not isinstance(value, list):
            yield f"{path} (it is no list)"
            return
        for number, item in enumerate(value):
            yield from _unknown(item, schema[0], f"{path}[{number}]")
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if key in schema:
                yield from _unknown(inner, schema[key], f"{path}.{key}")
            elif inner not in (None, {}, [], "", False):
                yield f"{path}.{key}"
    elif schema.get(str(value)) is not True:
        yield f"{path}: {value}"


def _pod_problems(pod: Any, path: str) -> Iterator[tuple[str, str]]:
    """What the schema cannot say about a pod's spec."""
    if not isinstance(pod, Mapping) or not isinstance(pod.get("containers"), list) or not pod["containers"]:
        yield f"{path}.containers is missing", ""
        return
    for number, volume in enumerate(pod.get("volumes") or ()):
        for field in environment.file_fields(volume):
            if field not in _FILE_PATHS and not environment.is_entry(field):
                yield f"the Docker target cannot run {path}.volumes[{number}]: fieldPath: {field}", ""
    for group in ("initContainers", "containers"):
        for number, container in enumerate(pod.get(group) or ()):
            at = f"{path}.{group}[{number}]"
            for key in ("name", "image"):
                if not isinstance(container, Mapping) or not container.get(key):
                    yield f"{at}.{key} is missing", ""
            if isinstance(container, Mapping):
                yield from _container_problems(container, at)


def _container_problems(container: Mapping[str, Any], at: str) -> Iterator[tuple[str, str]]:
    for number, variable in enumerate(container.get("env") or ()):
        reference = (variable.get("valueFrom") or {}).get("fieldRef") or {}
        field = str(reference.get("fieldPath", ""))
        if reference and field not in _PATHS and not environment.is_entry(field):
            yield f"the Docker target cannot run {at}.env[{number}].valueFrom.fieldRef.fieldPath: {field}", ""
    limits = (container.get("resources") or {}).get("limits") or {}
    for name in limits:
        if name not in ("cpu", "memory", "ephemeral-storage"):
            yield f"the Docker target cannot run {at}.resources.limits.{name}", ""
    for key in ("readinessProbe", "startupProbe"):
        probe = container.get(key)
        if probe and not any(action in probe for action in ("exec", "httpGet", "tcpSocket")):
            yield f"{at}.{key} has no action that the Docker target can run", "it runs exec, httpGet and tcpSocket"
