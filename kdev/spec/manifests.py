"""Kubernetes manifests as the user wrote them: YAML text in, objects with the line they start at out.

Refuses what cannot be an object. Knows images and labels by the shape of an object, not by its kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from kdev.errors import ConfigError, Mark, Problem

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Document(NamedTuple):
    """One object (as parsed) and where it begins."""

    content: dict[str, Any]
    at: Mark


def parse(text: str, file: str) -> list[Document]:
    """Every object of a multi-document YAML or JSON text; empty documents are left out, `List` kinds are flattened.

    Raises ConfigError with the place of a syntax error, and of a document that is no object.
    """
    documents: list[Document] = []
    problems: list[Problem] = []
    loader = _LOADER(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            assert node is not None  # check_node said so
            at = Mark(file, node.start_mark.line + 1, node.start_mark.column + 1)
            content = loader.construct_document(node)
            if content is None:
                continue
            if isinstance(content, dict) and isinstance(content.get("kind"), str):
                documents += (Document(item, at) for item in _flatten(content))
            else:
                problems.append(Problem(at, "this is no Kubernetes object: it has no `kind`"))
    except yaml.YAMLError as error:
        problems.append(_syntax_problem(error, text, file))
    finally:
        loader.dispose()
    if problems:
        raise ConfigError(tuple(problems))
    return documents


def images(content: object) -> Iterator[str]:
    """Every string under a key called exactly `image`, anywhere in the object."""
    if isinstance(content, dict):
        for key, value in content.items():
            if key == "image" and isinstance(value, str):
                yield value
            else:
                yield from images(value)
    elif isinstance(content, list):
        for item in content:
            yield from images(item)


def pod_labels(content: dict[str, Any]) -> dict[str, str]:
    """The labels of the pods that the object makes: of its pod template, or its own for a Pod; {} for other kinds."""
    labels = _object(_object(_pod_template(content), "metadata"), "labels")
    return {str(key): str(value) for key, value in labels.items()}


def pod_containers(content: dict[str, Any]) -> dict[str, str]:
    """Container name → repository of its image, for the pods that the object makes; init containers included."""
    spec = _object(_pod_template(content), "spec")
    return {
        str(container.get("name", "")): repository(container["image"])
        for key in ("containers", "initContainers")
        for container in (spec.get(key) if isinstance(spec.get(key), list) else None) or ()
        if isinstance(container, dict) and isinstance(container.get("image"), str)
    }


def container_port(content: dict[str, Any], container: str) -> int:
    """The first containerPort of the container called `container`, 0 when it names none."""
    containers = _object(_pod_template(content), "spec").get("containers")
    for one in containers if isinstance(containers, list) else ():
        if isinstance(one, dict) and one.get("name") == container:
            for port in one.get("ports") or ():
                if isinstance(port, dict) and isinstance(port.get("containerPort"), int):
                    return int(port["containerPort"])
    return 0


def _pod_template(content: dict[str, Any]) -> dict[str, Any]:
    spec = _object(content, "spec")
    if content.get("kind") == "Pod":
        return content
    if content.get("kind") == "CronJob":
        return _object(_object(_object(spec, "jobTemplate"), "spec"), "template")
    return _object(spec, "template")


def _object(content: dict[str, Any], key: str) -> dict[str, Any]:
    """A field that should hold an object; {} when it does not: the manifest is the user's, and may be anything."""
    value = content.get(key)
    return value if isinstance(value, dict) else {}


def repository(reference: str) -> str:
    """The repository of an image reference, without tag and digest, as Docker Hub's short names are written.

    `docker.io/library/nginx:1` → `nginx`; `localhost:5000/a/b:1` → `localhost:5000/a/b`.
    """
    name = reference.partition("@")[0]
    head, slash, tail = name.rpartition("/")
    name = head + slash + tail.partition(":")[0]
    for prefix in ("docker.io/library/", "index.docker.io/library/", "docker.io/", "index.docker.io/"):
        if name.startswith(prefix):
            return name[len(prefix) :]
    return name


def _flatten(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    items = content.get("items")
    if content["kind"].endswith("List") and isinstance(items, list):
        for item in items:
            if isinstance(item, dict) and isinstance(item.get("kind"), str):
                yield from _flatten(item)
    else:
        yield content


def _syntax_problem(error: yaml.YAMLError, text: str, file: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return Problem(Mark(file, 1, 1), f"not readable as YAML: {error}")
    lines = text.splitlines()
    source = lines[mark.line] if mark.line < len(lines) else ""
    what = getattr(error, "problem", None) or "not readable as YAML"
    return Problem(Mark(file, mark.line + 1, mark.column + 1), str(what), source=source)
