"""Where the value of a ${VARIABLE} comes from: flags, predefined, earlier answers, environment, questions. Remembers
everything it read, and keeps secret answers apart. Refuses to guess: what nobody can answer becomes InputNeeded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from kdev.errors import InputNeeded, Mark
from kdev.spec.files import Files
from kdev.spec.predefined import CLOUD, GIT_COMMIT, VOLATILE, git_commit, volatile_value
from kdev.spec.problems import Problems, listed
from kdev.spec.read import Row
from kdev.spec.settings import Question, Settings


@dataclass(frozen=True, slots=True)
class Definition:
    """One entry of `vars`. `env_default`: an unset variable of source `env` takes the default (from v1beta3 on)."""

    name: str
    at: Mark | None = None
    source: str = "all"
    question: str = ""
    default: str = ""
    options: tuple[str, ...] = ()
    pattern: str = ""
    message: str = ""
    password: bool = False
    env_default: bool = True


def definition(row: Row, *, newest: bool) -> Definition:
    """A row of `vars`; `newest` tells v1beta3 from v1beta2."""
    return Definition(
        name=row.text("name"),
        at=row.at,
        source=row.text("source"),
        question=row.text("question"),
        default=row.text("default"),
        options=row.texts("options"),
        pattern=row.text("validationPattern"),
        message=row.text("validationMessage"),
        password=newest and row.flag("password"),
        env_default=newest,
    )


class Variables:
    """Resolves each name once. `answers`, `environment` and `volatile` say afterwards what was used."""

    def __init__(
        self, definitions: Iterable[Definition], settings: Settings, files: Files, problems: Problems
    ) -> None:
        self._definitions: dict[str, Definition] = {}
        self._settings, self._files, self._problems = settings, files, problems
        self._values: dict[str, str] = {}
        self._missing: dict[str, Definition] = {}
        self.environment: dict[str, str] = {}
        self.answers: dict[str, str] = {}
        self.volatile = False
        for one in definitions:
            if one.name in self._definitions:
                problems.warn(one.at, f"the variable `{one.name}` is defined twice; the first one counts")
            self._definitions.setdefault(one.name, one)

    def value(self, name: str, at: Mark) -> str:
        """The value of `name`, used at `at`. "" stands for one that could not be had; `finish` raises for those."""
        if name not in self._values:
            self._values[name] = self._resolve(name, at)
            definition = self._definitions.get(name)
            if definition is not None and definition.password and self._values[name]:
                self._problems.secrets.append(self._values[name])
        return self._values[name]

    def finish(self) -> None:
        """Raise InputNeeded when values are missing that nobody could be asked for."""
        if self._missing:
            names = list(self._missing)
            first = self._missing[names[0]]
            what = f"the variable {listed(names)} needs a value" if len(names) == 1 else (
                f"the variables {listed(names)} need values")
            detail = f"{first.name}: {first.question}" if first.question else ""
            flags = " ".join(f"--var {name}=…" for name in names)
            raise InputNeeded(what, hint=f"give it with {flags}", detail=detail)

    def _resolve(self, name: str, at: Mark) -> str:
        if name in self._settings.variables:
            return self._given(self._settings.variables[name], name, "--var")
        predefined = self._predefined(name.upper(), at)
        if predefined is not None:
            return predefined
        known = self._definitions.get(name) or Definition(name)
        # An answer that the configuration no longer allows is asked for again.
        if name in self._settings.answers and known.source != "env" and not known.password and not self._refused(
            known, self._settings.answers[name]
        ):
            return self._settings.answers[name]
        if known.source != "input":
            for variable in (f"DEVSPACE_VAR_{name.upper()}", name):
                value = self._settings.environment.get(variable, "")
                self.environment[variable] = value
                if value:
                    return self._given(value, name, f"the environment variable {variable}")
        if known.source == "env":
            if known.default and known.env_default:
                return known.default
            self._problems.add(at, f"the environment variable `{name}` is not set", f"set it, or use --var {name}=…")
            return ""
        return self._asked(known, at)

    def _given(self, value: str, name: str, source: str) -> str:
        refused = self._refused(self._definitions.get(name) or Definition(name), value)
        if refused:
            # DevSpace checks answers only, so projects may rely on other values from the environment.
            self._problems.warn(self._definitions[name].at, f"the value of `{name}` from {source} is not allowed "
                                f"here: {refused}")
        return value

    def _predefined(self, name: str, at: Mark) -> str | None:
        if name in VOLATILE:
            self.volatile = True
            return volatile_value(name)
        if name == GIT_COMMIT:
            commit = git_commit(self._files.root, self._files.text)
            if commit is None:
                self._problems.add(at, f"`{name}` has no value: this folder is in no git repository with a commit",
                                   f"use --var {name}=…")
            return commit or ""
        if CLOUD.fullmatch(name):
            self._problems.add(at, f"`{name}` came from DevSpace's cloud service, which is no more",
                               f"use --var {name}=…, or put a variable of your own in its place")
            return ""
        return None

    def _asked(self, known: Definition, at: Mark) -> str:
        ask = self._settings.ask
        if ask is None:
            if not known.default:
                self._missing[known.name] = known
            return known.default
        question = Question(
            name=known.name,
            text=known.question or f"Please enter a value for {known.name}",
            default=known.default,
            options=known.options,
            validation_pattern=known.pattern,
            validation_message=known.message,
            secret=known.password,
        )
        answer = ask(question)
        refused = self._refused(known, answer)
        if refused:
            self._problems.add(at, f"the answer for `{known.name}` is not allowed: {refused}")
            return ""
        if not known.password:
            self.answers[known.name] = answer
        return answer

    def _refused(self, known: Definition, value: str) -> str:
        """Why `value` is no answer to `known`; "" when it is one. Options win over a pattern."""
        if known.options:
            return "" if value in known.options else f"it is one of {listed(known.options)}"
        if not known.pattern:
            return ""
        try:
            fits = re.search(known.pattern, value) is not None
        except (re.error, RecursionError, OverflowError):
            self._problems.warn(known.at, f"the validationPattern of `{known.name}` is no regular expression that "
                                "kdev can read, so nothing is checked")
            return ""
        return "" if fits else known.message or f"it must match `{known.pattern}`"
