"""deployments → namespace, render, deploy and ready steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kdev.compiler.images import BuiltImage
from kdev.compiler.request import Scope
from kdev.compiler.workloads import Scan, Workload
from kdev.core.actions import Deploy, EnsureNamespace, Ready, Render
from kdev.core.inputs import Files, Input, TargetIdentity
from kdev.core.step import Role, Step, StepId
from kdev.spec import manifests, model


@dataclass(frozen=True, slots=True)
class Deployed:
    """A compiled deployment: its ready step, the images that its manifests use, and the pods that they make."""

    name: str
    namespace: str
    ready: StepId
    images: tuple[str, ...]
    workloads: tuple[Workload, ...]


@dataclass(frozen=True, slots=True)
class Deployments:
    """What this section gives to the others."""

    steps: tuple[Step, ...]
    deployed: tuple[Deployed, ...]


def compile_deployments(
    scope: Scope, scans: tuple[Scan, ...], built: Mapping[str, BuiltImage], first: tuple[StepId, ...]
) -> Deployments:
    """Every deployment, applied in the order in which they are written. `first` must be done before any of them."""
    steps: dict[StepId, Step] = {}
    deployed: list[Deployed] = []
    previous: tuple[StepId, ...] = ()
    for found in scans:
        if found.problems:
            continue
        deployment, namespace = found.deployment, found.namespace
        ensure = _namespace(namespace, scope)
        used = {name: image for name, image in built.items() if manifests.repository(image.repository) in found.images}
        render = _render(deployment, namespace, used, scope)
        deploy = _deploy(deployment, namespace, render, first=(ensure.id, *first), previous=previous, scope=scope)
        ready = Step(
            scope.id("ready", deployment.name),
            Role.EFFECT,
            Ready(deployment.name, namespace, deploy.id, scope.wish.timeout),
            (deploy.id,),
            at=scope.at(deployment.at),
        )
        steps |= {step.id: step for step in (ensure, render, deploy, ready)}
        previous = (deploy.id,)
        deployed.append(Deployed(deployment.name, namespace, ready.id, tuple(used), found.workloads))
    return Deployments(tuple(steps.values()), tuple(deployed))


def _namespace(namespace: str, scope: Scope) -> Step:
    # Not prefixed: the namespace of a dependency and of the main project is one and the same thing.
    return Step(
        StepId(f"namespace:{namespace}"),
        Role.EFFECT,
        EnsureNamespace(namespace),
        inputs=(scope.setting("namespace", namespace), TargetIdentity()),
        at=f"{scope.path('devspace.yaml')}:1:1",
    )


def _render(deployment: model.Deployment, namespace: str, used: Mapping[str, BuiltImage], scope: Scope) -> Step:
    kubectl = deployment.deploy
    assert isinstance(kubectl, model.KubectlDeploy)
    key = f"deployments.{deployment.name}"
    patterns = tuple(scope.path(pattern) for pattern in kubectl.manifests)
    held = tuple(sorted(image.repository for image in used.values() if image.held))
    inputs: tuple[Input, ...] = (
        scope.setting(f"{key}.kubectl", (kubectl.replace_image_tags, kubectl.flags)),
        scope.setting("dev.interactive", held),
        scope.setting(f"{key}.namespace", namespace),
        Files(f"manifests of {scope.id('deploy', deployment.name)}", patterns),
    )
    replaced = tuple(sorted((image.repository, image.step) for image in used.values()))
    action = Render(deployment.name, patterns, namespace, replaced, kubectl.replace_image_tags, held)
    needs = tuple(image.step for image in used.values())
    return Step(scope.id("render", deployment.name), Role.VALUE, action, needs, (), inputs, "", scope.at(deployment.at))


def _deploy(
    deployment: model.Deployment,
    namespace: str,
    render: Step,
    *,
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

