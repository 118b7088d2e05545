"""Override: a Dockerfile's text with another entrypoint, in memory. The user's file is only read."""

from __future__ import annotations

import os

from kdev.core import actions
from kdev.core.inputs import digest_of
from kdev.core.ports import Job
from kdev.core.step import Reason, Result
from kdev.errors import StepFailed
from kdev.spec import dockerfile


class OverrideDriver:
    """Meets core.ports.Driver for actions.Override. `root` is the project's folder."""

    def __init__(self, root: str) -> None:
        self._root = root

    def run(self, action: actions.Override, job: Job) -> Result:
        """Raises ConfigError with file and line, StepFailed when the Dockerfile cannot be read."""
        try:
            with open(os.path.join(self._root, action.dockerfile), "rb") as file:
                # Bytes that are no UTF-8 go through unchanged.
                text = file.read().decode("utf-8", "surrogateescape")
        except OSError as error:
            raise StepFailed(f"{action.dockerfile} cannot be read: {error.strerror}") from error
        changed = dockerfile.override(
            text, action.target, action.entrypoint, action.cmd, action.instructions, file=action.dockerfile
        )
        return Result(digest_of(changed), blob=changed)

    def verify(self, action: actions.Override, result: Result) -> tuple[Reason, ...]:
        return ()
