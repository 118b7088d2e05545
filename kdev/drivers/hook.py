"""Hook: a command of the user's on this machine, without a shell."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping

from kdev.core import actions
from kdev.core.ports import Job
from kdev.core.step import Reason, Result
from kdev.drivers import process
from kdev.errors import StepFailed

_DONE = Result("done")


class HookDriver:
    """Meets core.ports.Driver for actions.Hook. `root` is the project's folder, `environment` what the user has."""

    def __init__(self, root: str, environment: Mapping[str, str]) -> None:
        self._root = root
        self._environment = environment

    def run(self, action: actions.Hook, job: Job) -> Result:
        """StepFailed with the last lines when the command ends with anything but 0."""
        ended = process.run(
            (action.command, *action.args),
            job.cancel,
            lambda text, error: job.output(text, error=error),
            cwd=os.path.join(self._root, action.cwd),
            env={**self._environment, **dict(action.env)},
        )
        if ended.code:
            command = shlex.join((action.command, *action.args))
            raise StepFailed(f"the command `{command}` {ended.how()}", detail="\n".join(ended.tail))
        return _DONE

    def verify(self, action: actions.Hook, result: Result) -> tuple[Reason, ...]:
        return ()
