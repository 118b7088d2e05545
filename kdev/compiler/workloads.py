"""What the manifests say that shapes the graph: which images they use, and which pods they make of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kdev.compiler.request import Scope
from kdev.errors import ConfigError, Problem
from kdev.spec import manifests, model


@dataclass(frozen=True, slots=True)
class Workload:
    """Pods that a manifest makes: their labels, and container name → repository of its image."""

    labels: Mapping[str, str]
    containers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Scan:
    """What the manifests of one deployment hold. `images` are repositories, also of objects that kdev does not know."""

    deployment: model.Deployment
    namespace: str
    images: frozenset[str] = frozenset()
    workloads: tuple[Workload, ...] = ()
    problems: tuple[Problem, ...] = ()


def scan(deployment: model.Deployment, scope: Scope) -> Scan:
    """Read a deployment's manifests. What is wrong with them, or cannot be run, is among the problems."""
    namespace = deployment.namespace or scope.namespace
    kubectl = deployment.deploy
    if not isinstance(kubectl, model.KubectlDeploy) or kubectl.kustomize:
        return Scan(deployment, namespace, problems=(_cannot_run(deployment, scope),))
    images: set[str] = set()
    workloads: list[Workload] = []
    problems: list[Problem] = []
    for pattern in kubectl.manifests:
        paths = scope.sources.glob(scope.path(pattern))
        if not paths:
            message = f"deployments.{deployment.name}.kubectl.manifests: nothing matches {scope.path(pattern)}"
            hint = "a manifest, a folder with manifests, or a glob, relative to the configuration"
            problems.append(Problem(scope.mark(deployment.at), message, hint))
        for path in paths:
            try:
                documents = manifests.parse(scope.sources.read(path) or "", path)
            except ConfigError as error:
                problems += error.problems
                continue
            for document in documents:
                images |= {manifests.repository(image) for image in manifests.images(document.content)}
                workloads += _workloads(document.content)
    return Scan(deployment, namespace, frozenset(images), tuple(workloads), tuple(problems))


def images_of(selector: model.Selector, scans: tuple[Scan, ...], repositories: Mapping[str, str]) -> set[str]:
    """The images of the configuration (`repositories`: name → repository) that the selected containers run."""
    if selector.image:
        return {selector.image}
    found: set[str] = set()
    for one in scans:
        for workload in one.workloads:
            if dict(selector.labels).items() <= workload.labels.items():
                found |= {
                    repository
                    for container, repository in workload.containers.items()
                    if selector.container in ("", container)
                }
    return {name for name, repository in repositories.items() if manifests.repository(repository) in found}


def _workloads(content: dict[str, Any]) -> Iterator[Workload]:
    labels = manifests.pod_labels(content)
    if labels:
        yield Workload(labels, manifests.pod_containers(content))


def _cannot_run(deployment: model.Deployment, scope: Scope) -> Problem:
    kinds: dict[type, str] = {model.HelmDeploy: "helm", model.ComponentDeploy: "component"}
    kind = kinds.get(type(deployment.deploy), "kubectl.kustomize")
    return Problem(
        scope.mark(deployment.at),
        f"deployments.{deployment.name}.{kind}: the {scope.wish.target} target runs plain manifests",
        "give the manifests under kubectl.manifests",
    )
