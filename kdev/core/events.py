"""What happened, as frozen values: the runner tells them, reporters draw them, `-o json` writes them."""

from __future__ import annotations

from typing import NamedTuple

from kdev.core.step import Reason, Result, StepId


class RunStarted(NamedTuple):
    """A session began. `steps` are in an order in which they could run."""

    run: str
    pipeline: str
    project: str
    target: str
    steps: tuple[StepId, ...]


class Skipped(NamedTuple):
    """The step is up to date. `why` is a sentence part, e.g. "inputs equal, image present"."""

    step: StepId
    why: str


class Started(NamedTuple):
    """The step's action begins."""

    step: StepId
    reasons: tuple[Reason, ...]


class Output(NamedTuple):
    """One line that a step's action printed, without its newline and free of secrets.

    `source` names the container for logs ("pod/container") and is "" otherwise; `error` marks standard error.
    """

    step: StepId
    text: str
    source: str = ""
    error: bool = False


class Progress(NamedTuple):
    """How far a step is: `text` for people, `done` of `total` (0 = unknown) in the unit the text names."""

    step: StepId
    text: str
    done: int = 0
    total: int = 0


class Serving(NamedTuple):
    """A service is up. `detail` says what it offers, e.g. "127.0.0.1:8080 → web:8080"."""

    step: StepId
    detail: str


class Finished(NamedTuple):
    """The step succeeded. `changed` is False when its result equals the one before: the wave stops here."""

    step: StepId
    result: Result
    seconds: float
    changed: bool


class Failed(NamedTuple):
    """The step failed. `message`, `hint` and `detail` are a KdevError's."""

    step: StepId
    message: str
    hint: str
    detail: str
    seconds: float


class Blocked(NamedTuple):
    """The step cannot run because `by` failed."""

    step: StepId
    by: StepId


class Stopped(NamedTuple):
    """A running step was cancelled or a service stopped. `reasons` say why, and are empty at the session's end."""

    step: StepId
    reasons: tuple[Reason, ...] = ()


class Ready(NamedTuple):
    """Every step of the pipeline is up to date or serving; `seconds` since the start or the change."""

    seconds: float
    ran: int
    skipped: int


class Changed(NamedTuple):
    """Something outside changed: files were saved, a pod was replaced. `what` is for people."""

    what: tuple[str, ...]


class Notice(NamedTuple):
    """Something worth saying that is no failure. `level` is `info` or `warning`."""

    text: str
    level: str = "info"


class RunEnded(NamedTuple):
    """The session is over with this exit code."""

    exit_code: int
    ran: int
    skipped: int
    failed: int
    seconds: float


StepEvent = Skipped | Started | Output | Progress | Serving | Finished | Failed | Blocked | Stopped
Event = RunStarted | StepEvent | Ready | Changed | Notice | RunEnded
