"""What a build says, on its way to people: its lines without secret build arguments, its steps, its last words."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping

from kdev.core.ports import Job
from kdev.drivers.docker.errors import limited
from kdev.errors import StepFailed

_TAIL = 20
_MASK = "***"
_SECRET = re.compile(r"token|secret|passw|passphrase|pwd|credential|auth|(^|_)key|key$", re.IGNORECASE)
_SHORT = 4
"""Shorter values are not hidden: masking every `1` would leave nothing to read."""


class BuildLog:
    """Of one build. `arguments` are its build arguments; those whose names promise a secret are never shown."""

    def __init__(self, job: Job, image: str, arguments: Mapping[str, str]) -> None:
        self._job = job
        self._image = image
        hidden = sorted(
            {value for name, value in arguments.items() if _SECRET.search(name) and len(value) >= _SHORT},
            key=len, reverse=True,
        )
        self._hidden = re.compile("|".join(map(re.escape, hidden))) if hidden else None
        self._tail: deque[str] = deque(maxlen=_TAIL)

    def line(self, text: str) -> None:
        """One line of output; an empty one is left out."""
        shown = self._clean(text.rstrip())
        if shown.strip():
            self._tail.append(shown)
            self._job.output(shown)

    def progress(self, text: str, done: int = 0, total: int = 0) -> None:
        """The step that the build is at."""
        self._job.progress(self._clean(text), done, total)

    def failure(self, reason: str, hint: str = "") -> StepFailed:
        """The error for a build that failed, with its last lines."""
        shown = limited(self._clean(reason))
        message = f"the build of {self._image} failed{': ' + shown if shown else ''}"
        return StepFailed(message, hint=hint, detail="\n".join(self._tail))

    def _clean(self, text: str) -> str:
        return self._hidden.sub(_MASK, text) if self._hidden else text
