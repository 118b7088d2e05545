"""A pod's volumes as the engine's: which to make, what lies in them, where each container sees them. Pure.

Every volume is mounted in the sandbox too: kdev fills them through it, and one in memory lives as long as the pod.
Files of ConfigMaps and Secrets lie in volumes, or, with a subPath, in the container itself.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kdev.drivers.docker import labels
from kdev.drivers.docker.environment import Data
from kdev.errors import StepFailed

File = tuple[str, bytes, int]
_FILLED = "/kdev-volumes"


@dataclass(frozen=True)
class Layout:
    """What is to be made before a pod's containers. `volumes`: engine name → driver options, of the pod alone.
    `claims` are volumes that
    outlive it, with the claim's name. `mounts` are the sandbox's, then each container's, as the API takes them.
    `folders` (path, mode, group) and `files` go into the sandbox, `own_files` into a container before it starts."""

    volumes: dict[str, dict[str, str]] = field(default_factory=dict)
    claims: dict[str, str] = field(default_factory=dict)
    sandbox_mounts: list[dict[str, Any]] = field(default_factory=list)
    mounts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    folders: list[tuple[str, int, int]] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    own_files: dict[str, list[File]] = field(default_factory=dict)


def claim_volume(namespace: str, claim: str) -> str:
    """The engine's volume that is a PersistentVolumeClaim."""
    return labels.name_of(namespace, "pvc", claim)


def lay_out(spec: Mapping[str, Any], namespace: str, uid: str, fields: Mapping[str, str], data: Data) -> Layout:
    """The layout of one pod. StepFailed for a ConfigMap, Secret or key that is not there and not optional."""
    layout = Layout()
    sources = {volume["name"]: volume for volume in spec.get("volumes") or ()}
    group = int((spec.get("securityContext") or {}).get("fsGroup") or 0)
    for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
        mounts = layout.mounts.setdefault(container["name"], [])
        for mount in container.get("volumeMounts") or ():
            source = sources.get(mount["name"])
            if source is None:
                raise StepFailed(f"container {container['name']} mounts volume {mount['name']}, which its pod has not")
            content = _content(source, fields, data)
            sub = str(mount.get("subPath") or "").strip("/")
            if content is not None and sub:
                layout.own_files.setdefault(container["name"], []).extend(_below(content, sub, mount["mountPath"]))
            elif "hostPath" in source:
                path = posixpath.join(source["hostPath"]["path"], sub) if sub else source["hostPath"]["path"]
                mounts.append({"Type": "bind", "Source": path, "Target": mount["mountPath"],
                               "ReadOnly": bool(mount.get("readOnly"))})
            else:
                name = _volume(layout, source, sub, (namespace, uid, group), content)
                mounts.append(_mount(name, mount["mountPath"], bool(mount.get("readOnly")) and content is None))
    return layout


def _volume(
    layout: Layout, source: Mapping[str, Any], sub: str, where: tuple[str, str, int], content: list[File] | None
) -> str:
    """The engine's volume behind a volume of the pod; entered into the layout when it is new."""
    namespace, uid, group = where
    claim = source.get("persistentVolumeClaim")
    inside = (sub.replace("/", "."),) if sub else ()
    if claim:
        name = claim_volume(namespace, ".".join((claim["claimName"], *inside)))
        known = name in layout.claims
        layout.claims[name] = claim["claimName"]
    else:
        name = labels.name_of(namespace, uid, source["name"], *inside)
        known = name in layout.volumes
        layout.volumes[name] = _options(source.get("emptyDir") or {})
    if not known:
        inner = f"{_FILLED}/{name}"
        layout.sandbox_mounts.append(_mount(name, inner, False))
        layout.folders.append((inner.lstrip("/"), 0o2777 if group else 0o777, group))
        layout.files.extend((f"{inner.lstrip('/')}/{path}", body, mode) for path, body, mode in content or ())
    return name


def _options(empty: Mapping[str, Any]) -> dict[str, str]:
    if empty.get("medium") != "Memory":
        return {}
    return {"type": "tmpfs", "device": "tmpfs"}


def _mount(name: str, target: str, read_only: bool) -> dict[str, Any]:
    # Without NoCopy the engine would fill an empty volume with what the image has there; Kubernetes does not.
    return {"Type": "volume", "Source": name, "Target": target, "ReadOnly": read_only,
            "VolumeOptions": {"NoCopy": True}}


def _below(content: Sequence[File], sub: str, target: str) -> list[File]:
    """The files at `sub` of a volume, as they lie at `target` of the container."""
    found = []
    for path, body, mode in content:
        if path == sub or path.startswith(sub + "/"):
            found.append((posixpath.normpath(target + path[len(sub):]).lstrip("/"), body, mode))
    return found


def _content(volume: Mapping[str, Any], fields: Mapping[str, str], data: Data) -> list[File] | None:
    """The files of a volume that is made of ConfigMaps, Secrets and fields; None when it is something else."""
    if "projected" in volume:
        projected = volume["projected"]
        return [
            file for source in projected.get("sources") or ()
            for file in _files(source, projected.get("defaultMode"), fields, data)
        ]
    if any(key in volume for key in ("configMap", "secret", "downwardAPI")):
        return _files(volume, None, fields, data)
    return None


def _files(source: Mapping[str, Any], mode: int | None, fields: Mapping[str, str], data: Data) -> list[File]:
    kind = next(key for key in ("configMap", "secret", "downwardAPI") if key in source)
    wanted = source[kind]
    default = int(wanted.get("defaultMode") or mode or 0o644)
    if kind == "downwardAPI":
        return [(_inside(one["path"]), fields[one["fieldRef"]["fieldPath"]].encode(), int(one.get("mode") or default))
                for one in wanted.get("items") or ()]
    name = wanted.get("secretName") or wanted.get("name", "")
    proper = "ConfigMap" if kind == "configMap" else "Secret"
    found = data.get((proper, name))
    if found is None:
        if wanted.get("optional"):
            return []
        raise StepFailed(f"a volume wants {proper}/{name}, which does not exist")
    if not wanted.get("items"):
        return [(_inside(key), value, default) for key, value in sorted(found.items())]
    files = []
    for item in wanted["items"]:
        if item["key"] in found:
            files.append((_inside(item["path"]), found[item["key"]], int(item.get("mode") or default)))
        elif not wanted.get("optional"):
            raise StepFailed(f"a volume wants key {item['key']} of {proper}/{name}, which has none")
    return files


def _inside(path: str) -> str:
    """A relative path that stays in its volume; StepFailed else."""
    clean = posixpath.normpath(path)
    if clean.startswith(("/", "../")) or clean in ("..", "."):
        raise StepFailed(f"the path {path} leads out of its volume")
    return clean
