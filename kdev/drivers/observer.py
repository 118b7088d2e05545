"""core.ports.Observer over files, engine, tools and pods. Lean: what needs an SDK is asked through a callable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from kdev.core.inputs import (
    BaseImage,
    BuildContext,
    EachRun,
    Entry,
    Environment,
    Files,
    Input,
    Login,
    Pods,
    Secret,
    Setting,
    TargetIdentity,
    Tool,
    digest_of,
)
from kdev.core.step import Result, StepId
from kdev.drivers.files import FileObserver


class Answers(NamedTuple):
    """Who knows what a file cannot tell. Each gives a digest or a short text; "" for unknown."""

    base_image: Callable[[str, str], str]
    tool: Callable[[str], str]
    pods: Callable[[Pods, Mapping[StepId, Result]], Entry]
    target: Callable[[], str]
    login: Callable[[str], str]
    secret: Callable[[str], str]
    environment: Callable[[str], str]


class Observing:
    """One entry per input. Its name says what kind it is: `config:`, `files:`, `image:`, `tool:`, `pod:`, …"""

    def __init__(self, files: FileObserver, answers: Answers, run: str) -> None:
        self._files = files
        self._answers = answers
        self._run = run

    def observe(self, inputs: Sequence[Input], needs: Mapping[StepId, Result]) -> tuple[Entry, ...]:
        """One entry for each input, in order."""
        return tuple(self._entry(wanted, needs) for wanted in inputs)

    def listing(self, digest: str) -> Mapping[str, str]:
        """path → digest behind a listed entry."""
        return self._files.listing(digest)

    def invalidate(self, paths: Iterable[str] | None) -> None:
        """These paths may have changed; anything may have for None."""
        self._files.invalidate(paths)

    def _entry(self, wanted: Input, needs: Mapping[StepId, Result]) -> Entry:
        answers = self._answers
        match wanted:
            case Setting():
                return Entry(f"config:{wanted.name}", wanted.digest)
            case Files() | BuildContext():
                entry = self._files.observe(wanted)
                return entry._replace(name=f"files:{entry.name}")
            case BaseImage():
                name = f"{wanted.reference} for {wanted.platform}" if wanted.platform else wanted.reference
                return Entry(f"image:{name}", answers.base_image(wanted.reference, wanted.platform))
            case Tool():
                return Entry(f"tool:{wanted.name}", digest_of(answers.tool(wanted.name)))
            case Pods():
                return answers.pods(wanted, needs)
            case TargetIdentity():
                return Entry("target:identity", digest_of(answers.target()))
            case EachRun():
                return Entry(f"run:{wanted.name}", digest_of(self._run))
            case Login():
                return Entry(f"login:{wanted.repository}", digest_of(answers.login(wanted.repository)))
            case Environment():
                return Entry(f"env:{wanted.name}", answers.environment(wanted.name))
            case Secret():
                return Entry(f"secret:{wanted.name}", answers.secret(wanted.value))

