"""Namespace, Deploy and Ready steps: what they mean on any Target."""

from __future__ import annotations

import json

from kdev.core import actions
from kdev.core.inputs import digest_of
from kdev.core.ports import Job, Target
from kdev.core.step import Reason, Result
from kdev.core.workloads import ObjectRef


class NamespaceDriver:
    """Meets core.ports.Driver for actions.EnsureNamespace."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def run(self, action: actions.EnsureNamespace, job: Job) -> Result:
        """The namespace exists when this returns."""
        self._target.ensure_namespace(action.namespace, job.cancel)
        return Result(action.namespace)

    def verify(self, action: actions.EnsureNamespace, result: Result) -> tuple[Reason, ...]:
        return ()


class DeployDriver:
    """Meets core.ports.Driver for actions.Deploy."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def run(self, action: actions.Deploy, job: Job) -> Result:
        """Apply the rendered objects. Raises Unsupported naming every field that the target cannot run."""
        objects = json.loads(job.blob(action.render))
        self._target.check(objects)
        refs = self._target.apply(job.step, action.namespace, objects, job, force=action.force)
        return Result(digest_of(*(part for ref in refs for part in ref)), (("refs", pack(refs)),))

    def verify(self, action: actions.Deploy, result: Result) -> tuple[Reason, ...]:
        return self._target.drift(refs_of(result))


class ReadyDriver:
    """Meets core.ports.Driver for actions.Ready. Its result carries the references on, so that it can be verified."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def run(self, action: actions.Ready, job: Job) -> Result:
        """StepFailed with the pod's own reason when it will not become ready."""
        deployed = job.result(action.deploy)
        self._target.wait_ready(refs_of(deployed), action.timeout, job)
        # The same digest each time: being ready again is no news to who waits for it.
        return Result("ready", deployed.values)

    def verify(self, action: actions.Ready, result: Result) -> tuple[Reason, ...]:
        return self._target.drift(refs_of(result))


def pack(refs: tuple[ObjectRef, ...]) -> str:
    """References as text, for a result's values."""
    return json.dumps(refs, separators=(",", ":"))


def refs_of(result: Result) -> tuple[ObjectRef, ...]:
    """The references that a deploy's result holds."""
    return tuple(ObjectRef(*row) for row in json.loads(result.value("refs")))
