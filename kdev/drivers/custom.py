"""CustomBuild: an image made by the user's own command, looked up on the engine afterwards."""

from __future__ import annotations

import os
from collections.abc import Mapping

from kdev.core import actions
from kdev.core.inputs import digest_of
from kdev.core.ports import Job
from kdev.core.step import Reason, Result
from kdev.drivers.docker.probe import Probe
from kdev.drivers.process import run
from kdev.errors import StepFailed


class CustomBuildDriver:
    """Meets core.ports.Driver for actions.CustomBuild. `root` is the project's folder."""

    def __init__(self, root: str, probe: Probe, environment: Mapping[str, str]) -> None:
        self._root = root
        self._probe = probe
        self._environment = environment

    def run(self, action: actions.CustomBuild, job: Job) -> Result:
        """StepFailed with the last lines when the command ends with anything but 0."""
        # The command must be told a tag before there is an image, so it is one by the inputs.
        tag = action.tags[0] if action.tags else f"kdev-{job.fingerprint()[:12]}"
        reference = f"{action.repository}:{tag}"
        flag = (action.image_flag,) if action.image_flag else ()
        argv = (action.command, *action.args, *flag, reference, *action.append_args)
        cwd = os.path.join(self._root, action.cwd)
        job.progress(f"running {action.command}")
        ended = run(argv, job.cancel, lambda text, error: job.output(text, error=error), cwd=cwd, env=self._environment)
        if ended.code:
            raise StepFailed(f"{action.command} {ended.how()}", detail="\n".join(ended.tail))
        self._probe.forget()
        image_id = self._probe.image_id(reference)
        # A command may build and push without this engine; then its name is all there is to know.
        digest = image_id or digest_of(reference, job.fingerprint())
        return Result(digest, (("image_id", image_id), ("reference", reference)))

    def verify(self, action: actions.CustomBuild, result: Result) -> tuple[Reason, ...]:
        return self._probe.missing_image(result)
