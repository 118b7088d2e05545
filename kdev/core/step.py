"""Step: one node of the graph. What it asks for and needs, what its fingerprint is made of, what it left behind."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, NewType

from kdev.core.actions import Action
from kdev.core.inputs import Entry, Input

StepId = NewType("StepId", str)
"""`kind:name`; in a dependency project `dep/name::kind:name`."""


class Role(StrEnum):
    """How a step is judged and kept (design: value, effect and service steps)."""

    VALUE = "value"  # a function of its inputs: its results are kept and reused, and it may be cancelled
    EFFECT = "effect"  # changes the world: what it left is looked at again before it is skipped
    SERVICE = "service"  # runs until it is stopped


class Step(NamedTuple):
    """One idempotent node.

    `needs` must be up to date first, and their results are inputs. `after` are steps that only come earlier when both
    are there: their results are no inputs and their failure does not stop this one. `pool` bounds how many such steps
    run at once ("" for no bound). `at` is the place in the configuration, `file:line:column`.
    """

    id: StepId
    role: Role
    action: Action
    needs: tuple[StepId, ...] = ()
    after: tuple[StepId, ...] = ()
    inputs: tuple[Input, ...] = ()
    pool: str = ""
    at: str = ""


class Result(NamedTuple):
    """What a step gave. Who needs it sees `digest`: an equal digest means that nothing changed for them.

    `values` are small named outputs that are kept in the journal. `blob` is a large text that is never kept on disk
    (rendered objects hold secrets); it is None in a result read from the journal, and made again when needed.
    """

    digest: str
    values: tuple[tuple[str, str], ...] = ()
    blob: str | None = None

    def value(self, name: str) -> str:
        """The value called `name`; KeyError when there is none."""
        return dict(self.values)[name]


class Trace(NamedTuple):
    """What a step last succeeded with. `seconds` is how long it took, `finished` a Unix time, `run` the session."""

    step: StepId
    fingerprint: str
    entries: tuple[Entry, ...]
    result: Result
    seconds: float
    finished: float
    run: str


class ReasonKind(StrEnum):
    """Why a step runs. The sentence for each is in report/explain.py."""

    NEVER_RAN = "never ran"
    INPUT_CHANGED = "input changed"  # subject: path or input name
    CONFIG_CHANGED = "config changed"  # subject: configuration key
    UPSTREAM_CHANGED = "upstream result changed"  # subject: step id
    RESULT_GONE = "result gone"  # subject: what is missing
    DRIFTED = "drifted"  # subject: object, detail: field
    FORCED = "forced"  # subject: the flag
    POD_REPLACED = "pod replaced"  # subject: pod
    NOT_RUNNING = "not running"  # a service that is not alive
    FAILED_BEFORE = "failed before"  # subject: what went wrong


class Reason(NamedTuple):
    """Why a step runs: a kind, what it is about, and a detail when there is more to say."""

    kind: ReasonKind
    subject: str = ""
    detail: str = ""
