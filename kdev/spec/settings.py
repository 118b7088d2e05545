"""What crosses the room's door besides the Project: what the caller says and is asked, and what a load depended on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kdev.spec.model import Project


@dataclass(frozen=True, slots=True)
class Question:
    """A variable that must be asked for."""

    name: str
    text: str
    default: str = ""
    options: tuple[str, ...] = ()
    validation_pattern: str = ""
    validation_message: str = ""
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line and the environment say. `answers` are those of earlier runs (never of secret questions).

    `ask` is None when nobody can be asked: then defaults count, and InputNeeded names what has none. An `ask` that
    raises InputNeeded itself gets no such second chance.
    """

    profile: str = ""
    config_file: str = ""
    config_name: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict)
    ask: Callable[[Question], str] | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """A project, and everything it was made from, so that a compiled plan can be known to be still good.

    `files`: path relative to the root → SHA-256 of its bytes, "" for a file that was looked for and is not there.
    `environment`: the variables that were read, and their values ("" for unset). `answers` are new ones to keep.
    `volatile`: the result depends on time or chance and must not be reused.
    """

    project: Project
    files: Mapping[str, str]
    environment: Mapping[str, str]
    answers: Mapping[str, str]
    volatile: bool = False
