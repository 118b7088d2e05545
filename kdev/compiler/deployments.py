"""deployments → namespace, render, deploy and ready steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kdev.compiler.images import BuiltImage
from kdev.compiler.request import Scope, setting
from kdev.core.actions import Deploy, EnsureNamespace, Ready, Render
from kdev.core.inputs import Files, Input, TargetIdentity
from kdev.core.step import Role, Step, StepId
from kdev.errors import ConfigError, Problem
from kdev.spec import manifests, model


@dataclass(frozen=True, slots=True)
class Deployed:
    """A compiled deployment: its ready step, the images its pods run, and the labels of its pods."""

    name: str
    namespace: str
    ready: StepId
    images: tuple[str, ...]
    pod_labels: tuple[Mapping[str, str], ...]


@dataclass(frozen=True, slots=True)
class Deployments:
    """What this section gives to the others."""

    steps: tuple[Step, ...]
    deployed: tuple[Deployed, ...]
    problems: tuple[Problem, ...]


def compile_deployments(scope: Scope, built: Mapping[str, BuiltImage], first: tuple[StepId, ...]) -> Deployments:
    """Every deployment, applied in the order in which they are written. `first` must be done before any of them."""
    steps: dict[StepId, Step] = {}
    deployed: list[Deployed] = []
    problems: list[Problem] = []
    previous: tuple[StepId, ...] = ()
    for deployment in scope.workspace.project.deployments:
        namespace = deployment.namespace or scope.namespace
        ensure = _namespace(namespace, scope)
        if not isinstance(deployment.deploy, model.KubectlDeploy) or deployment.deploy.kustomize:
            problems.append(_cannot_run(deployment, scope))
            continue
        found = _read(deployment.deploy, deployment, scope)
        problems += found.problems
        used = {name: image for name, image in built.items() if manifests.repository(image.repository) in found.images}
        render = _render(deployment, namespace, used, scope)
        deploy = _deploy(deployment, namespace, render, (ensure.id, *first), previous, scope)
        ready = Step(
            scope.id("ready", deployment.name),
            Role.EFFECT,
            Ready(deployment.name, namespace, deploy.id, scope.wish.timeout),
            (deploy.id,),
            at=scope.at(deployment.at),
        )
        steps |= {step.id: step for step in (ensure, render, deploy, ready)}
        previous = (deploy.id,)
        deployed.append(Deployed(deployment.name, namespace, ready.id, tuple(used), tuple(found.labels)))
    return Deployments(tuple(steps.values()), tuple(deployed), tuple(problems))


@dataclass(frozen=True, slots=True)
class _Found:
    images: frozenset[str]
    labels: tuple[Mapping[str, str], ...]
    problems: tuple[Problem, ...]


def _read(kubectl: model.KubectlDeploy, deployment: model.Deployment, scope: Scope) -> _Found:
    """What the manifests say that shapes the graph: which images they use, which pods they make."""
    images: set[str] = set()
    labels: list[Mapping[str, str]] = []
    problems: list[Problem] = []
    for pattern in kubectl.manifests:
        paths = scope.sources.glob(scope.path(pattern))
        if not paths:
            message = f"deployments.{deployment.name}.kubectl.manifests: nothing matches {scope.path(pattern)}"
            problems.append(Problem(scope.mark(deployment.at), message, "a glob, a folder or a file, from the project"))
        for path in paths:
            try:
                documents = manifests.parse(scope.sources.read(path) or "", path)
            except ConfigError as error:
                problems += error.problems
                continue
            for document in documents:
                images |= {manifests.repository(image) for image in manifests.images(document.content)}
                if found := manifests.pod_labels(document.content):
                    labels.append(found)
    return _Found(frozenset(images), tuple(labels), tuple(problems))


def _namespace(namespace: str, scope: Scope) -> Step:
    # Not prefixed: the namespace of a dependency and of the main project is one and the same thing.
    return Step(
        StepId(f"namespace:{namespace}"),
        Role.EFFECT,
        EnsureNamespace(namespace),
        inputs=(setting("namespace", namespace), TargetIdentity()),
        at=f"{scope.path('devspace.yaml')}:1:1",
    )


def _render(deployment: model.Deployment, namespace: str, used: Mapping[str, BuiltImage], scope: Scope) -> Step:
    kubectl = deployment.deploy
    assert isinstance(kubectl, model.KubectlDeploy)
    key = f"deployments.{deployment.name}"
    patterns = tuple(scope.path(pattern) for pattern in kubectl.manifests)
    inputs: tuple[Input, ...] = (
        setting(f"{key}.kubectl", (kubectl.replace_image_tags, kubectl.flags)),
        setting(f"{key}.namespace", namespace),
        Files("manifests", patterns),
    )
    replaced = tuple(sorted((image.repository, image.step) for image in used.values()))
    action = Render(deployment.name, patterns, namespace, replaced, kubectl.replace_image_tags)
    needs = tuple(image.step for image in used.values())
    return Step(scope.id("render", deployment.name), Role.VALUE, action, needs, (), inputs, "", scope.at(deployment.at))


def _deploy(
    deployment: model.Deployment,
    namespace: str,
    render: Step,
    first: tuple[StepId, ...],
    previous: tuple[StepId, ...],
    scope: Scope,
) -> Step:
    action = Deploy(deployment.name, namespace, render.id)
    return Step(
        scope.id("deploy", deployment.name),
        Role.EFFECT,
        action,
        (render.id, *first),
        previous,
        (TargetIdentity(),),
        "apply",
        scope.at(deployment.at),
    )


def _cannot_run(deployment: model.Deployment, scope: Scope) -> Problem:
    kind = {model.HelmDeploy: "helm", model.ComponentDeploy: "component"}.get(type(deployment.deploy), "kubectl.kustomize")
    return Problem(
        scope.mark(deployment.at),
        f"deployments.{deployment.name}.{kind}: the {scope.wish.target} target runs plain manifests",
        "give the manifests under kubectl.manifests",
    )
