"""Writes a configuration into a folder and loads it; the outcome is either a Project or the problems, as short text."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kdev.errors import ConfigError, Mark, Problem
from kdev.spec.load import Loaded, Settings, load

CONFIGS = Path(__file__).parent / "configs"


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write `files` below `folder`, which is made; text is dedented."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).encode())
    return folder


def load_text(folder: Path, text: str | bytes, **settings: Any) -> Loaded:
    """Load `text` as devspace.yaml in `folder`."""
    return load(write(folder, {"devspace.yaml": text}), Settings(**settings))


def problems_of(folder: Path, text: str | bytes | None = None, **settings: Any) -> list[Problem]:
    """The problems that loading gives; fails when there are none."""
    if text is not None:
        write(folder, {"devspace.yaml": text})
    try:
        loaded = load(folder, Settings(**settings))
    except ConfigError as error:
        return list(error.problems)
    raise AssertionError(f"no problem: {loaded.project}")


def shown(problem: Problem) -> str:
    """`line:column message`, with the file in front when it is not devspace.yaml."""
    at = problem.at
    if at is None:
        return problem.message
    place = f"{at.line}:{at.column}"
    return f"{place if at.file == 'devspace.yaml' else f'{at.file}:{place}'} {problem.message}"


def as_lines(value: Any, path: str = "") -> list[str]:
    """Every leaf of frozen values as `path = repr`, one per line: a golden text that shows what changed."""
    if isinstance(value, Mark):
        return [f"{path} = {value}"]
    if dataclasses.is_dataclass(value):
        head = [f"{path}: {type(value).__name__}"] if path else []
        return head + [
            line
            for field in dataclasses.fields(value)
            for line in as_lines(getattr(value, field.name), f"{path}.{field.name}" if path else field.name)
        ]
    if isinstance(value, tuple | list) and value and not all(isinstance(item, str) for item in value):
        return [line for index, item in enumerate(value) for line in as_lines(item, f"{path}[{index}]")]
    if isinstance(value, dict) and value:
        return [line for key, item in value.items() for line in as_lines(item, f"{path}.{key}")]
    return [f"{path} = {value!r}"]
