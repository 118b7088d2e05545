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
from kdev.drivers.docker.environment import field as value_of
from kdev.errors import StepFailed

File = tuple[str, bytes, int]
Folder = tuple[str, int, int]
_FILLED = "/kdev-volumes"


@dataclass(frozen=True)
class Layout:
    """What is to be made before a pod's containers. `volumes`: engine name → driver options, of the pod alone.
    `claims` are volumes that outlive it, with the claim's name. `mounts` are the sandbox's, then each container's, as
    the API takes them. `folders` (path, mode, group) and `files` go into the sandbox, `claim_folders` too, but only
    where nobody has changed anything yet; `own_files` go into a container before it starts."""

    volumes: dict[str, dict[str, str]] = field(default_factory=dict)
    claims: dict[str, str] = field(default_factory=dict)
    sandbox_mounts: list[dict[str, Any]] = field(default_factory=list)
    mounts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    folders: list[Folder] = field(default_factory=list)
    claim_folders: list[Folder] = field(default_factory=list)
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
            sub = _inside(str(mount["subPath"])) if mount.get("subPath") else ""
            if content is not None and sub:
                layout.own_files.setdefault(container["name"], []).extend(_below(content, sub, mount["mountPath"]))
            elif "hostPath" in source:
                path = posixpath.join(source["hostPath"]["path"], sub) if sub else source["hostPath"]["path"]
                mounts.append({"Type": "bind", "Source": path, "Target": mount["mountPath"],
                               "ReadOnly": bool(mount.get("readOnly"))})
            else:
                name = _volume(layout, source, sub, (namespace, uid, group), content)
                read_only = mount.get("readOnly") or (source.get("persistentVolumeClaim") or {}).get("readOnly")
                mounts.append(_mount(name, mount["mountPath"], bool(read_only) and content is None, sub))
    return layout


def _volume(
    layout: Layout, source: Mapping[str, Any], sub: str, where: tuple[str, str, int], content: list[File] | None
) -> str:
    """The engine's volume behind a volume of the pod; entered into the layout when it is new."""
    namespace, uid, group = where
    claim = source.get("persistentVolumeClaim")
    if claim:
        name, folders = claim_volume(namespace, claim["claimName"]), layout.claim_folders
        known = name in layout.claims
        layout.claims[name] = claim["claimName"]
    else:
        name, folders = labels.name_of(namespace, uid, source["name"]), layout.folders
        known = name in layout.volumes
        layout.volumes[name] = _options(source.get("emptyDir") or {})
    inner, mode = f"{_FILLED}/{name}".lstrip("/"), 0o2777 if group else 0o777
    if not known:
        layout.sandbox_mounts.append(_mount(name, f"/{inner}", False))
        folders.append((inner, mode, group))
        layout.files.extend((f"{inner}/{path}", body, mode) for path, body, mode in content or ())
    at = inner
    for part in sub.split("/") if sub else ():
        at = f"{at}/{part}"
        if (at, mode, group) not in folders:
            folders.append((at, mode, group))
    return name


def _options(empty: Mapping[str, Any]) -> dict[str, str]:
    if empty.get("medium") != "Memory":
        return {}
    return {"type": "tmpfs", "device": "tmpfs"}


def _mount(name: str, target: str, read_only: bool, sub: str = "") -> dict[str, Any]:
    # Without NoCopy the engine would fill an empty volume with what the image has there; Kubernetes does not.
    options: dict[str, Any] = {"NoCopy": True, **({"Subpath": sub} if sub else {})}
    return {"Type": "volume", "Source": name, "Target": target, "ReadOnly": read_only, "VolumeOptions": options}


def by_folder(mount: Mapping[str, Any], mountpoint: str) -> dict[str, Any]:
    """A mount of a volume's subPath for an engine that knows no such thing: the folder itself, where the engine has
    its volume."""
    return {"Type": "bind", "Source": posixpath.join(mountpoint, mount["VolumeOptions"]["Subpath"]),
            "Target": mount["Target"], "ReadOnly": mount["ReadOnly"]}


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
        return [(_inside(one["path"]), value_of(one["fieldRef"]["fieldPath"], fields).encode(),
                 int(one.get("mode") or default))
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
