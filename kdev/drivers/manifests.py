"""Render: manifests and image results in, a list of Kubernetes objects out. Pure but for reading the manifests."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from kdev.core import actions
from kdev.core.inputs import digest_of
from kdev.core.ports import Job
from kdev.core.step import Reason, Result
from kdev.drivers.files import FileObserver
from kdev.drivers.manifest_files import manifest_paths
from kdev.errors import ConfigError, Problem, StepFailed
from kdev.spec import manifests

AT = "kdev.dev/at"
"""Annotation on each rendered object: `file:line` of where it was written. Targets strip it before they apply."""

BUILT = "kdev.dev/built"
"""Annotation on pod templates whose images keep their tag from build to build: changes with the images."""
CONTENT_TAG = "kdev-"
"""How tags begin that kdev makes from an image's content."""

CLUSTER_WIDE = frozenset({
    "APIService", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "IngressClass",
    "MutatingWebhookConfiguration", "Namespace", "Node", "PersistentVolume", "PodSecurityPolicy", "PriorityClass",
    "RuntimeClass", "StorageClass", "ValidatingWebhookConfiguration", "VolumeAttachment",
})  # fmt: skip


class RenderDriver:
    """Meets core.ports.Driver for actions.Render. `root` is the project's folder."""

    def __init__(self, root: str, files: FileObserver) -> None:
        self._root = root
        self._files = files

    def run(self, action: actions.Render, job: Job) -> Result:
        """Raises ConfigError with the place of everything that is wrong, StepFailed when a manifest cannot be read."""
        built = {manifests.repository(repository): job.result(step)
                 for repository, step in (action.images if action.replace_images else ())}
        images = {repository: result.value("reference") for repository, result in built.items()}
        fixed = {result.value("reference"): result.digest for result in built.values()
                 if not result.value("reference").rpartition(":")[2].startswith(CONTENT_TAG)}
        objects: list[dict[str, Any]] = []
        problems: list[Problem] = []
        for path in manifest_paths(self._files, self._root, action.manifests):
            try:
                documents = manifests.parse(self._read(path), path)
            except ConfigError as error:
                problems += error.problems
                continue
            for document in documents:
                content = replaced(document.content, images)
                if action.held:
                    hold(content, action.held, job)
                problems += _place(content, document, action.namespace)
                stamp(content, fixed)
                objects.append(content)
        if problems:
            raise ConfigError(tuple(problems))
        blob = json.dumps(objects, sort_keys=True, separators=(",", ":"), default=str)
        # Where an object was written is for messages; moving it in its file changes nothing.
        digest = digest_of(json.dumps([without_place(one) for one in objects], sort_keys=True, default=str))
        return Result(digest, blob=blob)

    def verify(self, action: actions.Render, result: Result) -> tuple[Reason, ...]:
        return ()

    def _read(self, path: str) -> str:
        try:
            with open(os.path.join(self._root, path), encoding="utf-8-sig") as file:
                return file.read()
        except (OSError, UnicodeDecodeError) as error:
            raise StepFailed(f"{path} cannot be read: {error}") from error


def replaced(content: Any, images: Mapping[str, str]) -> Any:
    """A copy in which every string under a key `image` that names one of `images` (by repository) is its reference."""
    if isinstance(content, dict):
        return {
            str(key): images.get(manifests.repository(value), value)
            if key == "image" and isinstance(value, str)
            else replaced(value, images)
            for key, value in content.items()
        }
    if isinstance(content, list):
        return [replaced(item, images) for item in content]
    return content


_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def hold(content: Any, repositories: tuple[str, ...], job: Job) -> None:
    """Take the probes out of every container that runs one of `repositories`. A command of the manifest wins over the
    image's entrypoint, so it is told when there is one."""
    if isinstance(content, list):
        for item in content:
            hold(item, repositories, job)
    if not isinstance(content, dict):
        return
    image = content.get("image")
    if isinstance(image, str) and manifests.repository(image) in repositories:
        for probe in _PROBES:
            content.pop(probe, None)
        if content.get("command") or content.get("args"):
            field = "command" if content.get("command") else "args"
            job.notice(f"container {content.get('name')}: its `{field}` in the manifest wins over -i", level="warning")
    for value in content.values():
        hold(value, repositories, job)


def stamp(content: Any, fixed: Mapping[str, str]) -> None:
    """Note in every pod template which build of an image with a fixed tag it runs. `fixed`: reference → digest.

    Such a reference is the same after a rebuild, and nobody would start the new image.
    """
    if isinstance(content, list):
        for item in content:
            stamp(item, fixed)
    if not isinstance(content, dict):
        return
    spec = content.get("spec")
    if isinstance(spec, dict) and isinstance(spec.get("containers"), list):
        used = sorted({reference for reference in manifests.images(spec) if reference in fixed})
        metadata = content.setdefault("metadata", {})
        if used and isinstance(metadata, dict):
            digest = digest_of(*(fixed[reference] for reference in used))[:12]
            metadata["annotations"] = {**(metadata.get("annotations") or {}), BUILT: digest}
    for value in content.values():
        stamp(value, fixed)


def without_place(content: Mapping[str, Any]) -> dict[str, Any]:
    """The object without the annotation that says where it was written."""
    metadata = dict(content["metadata"])
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != AT}
    metadata.pop("annotations", None)
    return {**content, "metadata": {**metadata, **({"annotations": annotations} if annotations else {})}}


def _place(content: dict[str, Any], document: manifests.Document, namespace: str) -> list[Problem]:
    """Fill in the namespace and where the object was written; what is wrong with its name."""
    metadata = content.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str) or not metadata["name"]:
        hint = "kdev needs a fixed name to find it again"
        return [Problem(document.at, f"this {content['kind']} has no metadata.name", hint)]
    if not isinstance(content.get("apiVersion"), str):
        return [Problem(document.at, f"{content['kind']}/{metadata['name']} has no apiVersion")]
    if content["kind"] not in CLUSTER_WIDE and not metadata.get("namespace"):
        metadata["namespace"] = namespace
    annotations = metadata.get("annotations")
    metadata["annotations"] = {**(annotations if isinstance(annotations, dict) else {})} | {
        AT: f"{document.at.file}:{document.at.line}"
    }
    return []
