"""A compiled plan: from the cache when nothing that shaped it changed, else made anew. The cached way stays lean."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

from kdev import __version__
from kdev.cli.options import Options
from kdev.core.codec import LAYOUT, decode, encode
from kdev.core.inputs import Files
from kdev.core.plan import Plan
from kdev.drivers.files import FileObserver
from kdev.state.key import SecretKey
from kdev.state.plans import PlanCache

_KEY = f"{__version__} {LAYOUT}"


class Shape(NamedTuple):
    """What a plan was made from: the files and globs that were looked at and their digest, and the environment
    variables that were read, each with a keyed digest of its value ("" for unset)."""

    patterns: tuple[str, ...]
    digest: str
    environment: Mapping[str, str]

    def files(self) -> Files:
        """The files and globs, as an input."""
        return Files("configuration", self.patterns)


class Compiled(NamedTuple):
    """A plan and what goes with it. It is not `reusable` when it depends on time or chance, or holds a secret."""

    plan: Plan
    shape: Shape
    warnings: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    answers: Mapping[str, str] = {}
    reusable: bool = True


class Cache:
    """Plans by what was asked for."""

    def __init__(self, plans: PlanCache, files: FileObserver, key: SecretKey) -> None:
        self._plans = plans
        self._files = files
        self._key = key

    def compiled(self, options: Options, compile_now: Callable[[], Compiled]) -> Compiled:
        """The plan for these options. Raises ConfigError and InputNeeded when it has to be made and cannot be."""
        name = self._name(options)
        found = self._load(name)
        if found is None:
            found = compile_now()
            if found.reusable:
                self._save(name, found)
        return found

    def fresh(self, shape: Shape) -> bool:
        """Whether everything that the plan was made from is as it was."""
        return self._files.observe(shape.files()).digest == shape.digest and all(
            environment_digest(self._key, variable) == digest for variable, digest in shape.environment.items()
        )

    def _name(self, options: Options) -> str:
        """What was asked for. Flags that only say how a run is shown or forced are left out."""
        asked = options._replace(
            command="", directory="", variables=(), output="", plain=False, dry_run=False, detailed_exitcode=False,
            force=(), force_build=False, force_deploy=False, exit_when_ready=False, verbose_sync=False,
            max_concurrent_builds=0, build_sequential=False, format="", file="", arguments=(), limit=0,
        )
        return self._key.digest(repr(asked), *(part for pair in sorted(options.variables) for part in pair))

    def _load(self, name: str) -> Compiled | None:
        data = self._plans.load(name, _KEY)
        if data is None:
            return None
        try:
            kept = json.loads(data)
            shape = Shape(tuple(kept["patterns"]), kept["digest"], kept["environment"])
            # Warnings were given when the plan was made; they come again when the configuration changes.
            return Compiled(decode(kept["plan"]), shape) if self.fresh(shape) else None
        except (ValueError, KeyError, TypeError, IndexError):
            return None  # another layout; the plan is made anew

    def _save(self, name: str, made: Compiled) -> None:
        document = {
            "patterns": list(made.shape.patterns),
            "digest": made.shape.digest,
            "environment": dict(made.shape.environment),
            "plan": encode(made.plan),
        }
        self._plans.save(name, _KEY, json.dumps(document, separators=(",", ":")).encode("utf-8", "surrogateescape"))


def environment_digest(key: SecretKey, variable: str) -> str:
    """A keyed digest of an environment variable's value, "" when it is unset."""
    value = os.environ.get(variable)
    return "" if value is None else key.digest(value)
