"""Every error kdev expects: what is wrong, where, what to do, and the exit code. Wording happens in report/."""

from __future__ import annotations

from typing import NamedTuple

# The one table of exit codes (README, "Exit codes"). A terminal step ends kdev with the remote program's own code.
EXIT_OK = 0
EXIT_FAILED = 1  # a step failed, or `analyze` found something wrong
EXIT_CHANGES = 2  # `--dry-run --detailed-exitcode`: there is something to do
EXIT_USAGE = 64  # a flag or an argument is wrong
EXIT_CONFIG = 65  # devspace.yaml or a file it names is wrong
EXIT_TARGET = 69  # the engine or the cluster cannot be reached or refused us
EXIT_BUG = 70  # unexpected; the log file holds the traceback
EXIT_STATE = 73  # .kdev cannot be written
EXIT_LOCKED = 75  # another session holds the project
EXIT_INPUT = 78  # a question needs an answer and nobody can be asked
EXIT_INTERRUPTED = 130


class Mark(NamedTuple):
    """A place in a file. `file` is a POSIX path relative to the project; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Problem(NamedTuple):
    """One thing wrong with what the user wrote. `source` is the offending line's text, without its newline."""

    at: Mark | None
    message: str
    hint: str = ""
    source: str = ""


class KdevError(Exception):
    """An expected error. `message` says what is wrong, `hint` what to do; `exit_code` is from the table above."""

    exit_code = EXIT_FAILED

    def __init__(self, message: str, *, hint: str = "", detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.detail = detail


class UsageError(KdevError):
    """A flag or argument cannot be used so."""

    exit_code = EXIT_USAGE


class ConfigError(KdevError):
    """The configuration is wrong. Carries every problem found, not the first."""

    exit_code = EXIT_CONFIG

    def __init__(self, problems: tuple[Problem, ...], *, hint: str = "") -> None:
        count = len(problems)
        super().__init__(f"{count} problem{'s' * (count != 1)} in the configuration", hint=hint)
        self.problems = problems


class InputNeeded(KdevError):
    """A question must be answered and there is no terminal to ask on. The hint names the flag that answers it."""

    exit_code = EXIT_INPUT


class StepFailed(KdevError):
    """A step did its work and the work failed. `detail` holds the end of its output, already free of secrets."""


class TargetError(KdevError):
    """The Docker Engine, the cluster or a registry cannot be reached, or it refused."""

    exit_code = EXIT_TARGET


class Unsupported(ConfigError):
    """The target cannot run something that the manifests ask for. Each problem names the field and its line."""


class StateError(KdevError):
    """The state directory cannot be read or written."""

    exit_code = EXIT_STATE


class LockedError(KdevError):
    """Another session holds this project."""

    exit_code = EXIT_LOCKED


class Cancelled(Exception):
    """Raised out of a blocking call after its Cancellation was triggered."""
