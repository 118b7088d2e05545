"""The agent's real program on this machine, compiled when its sources have changed."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import hatch_build
from kdev import agent
from kdev.errors import KdevError
from tests.agent.client import Agent


@pytest.fixture(scope="session")
def program() -> Path:
    if sys.platform != "linux":
        pytest.skip("the agent is a Linux program")
    try:
        name = f"kdev-agent-linux-{agent.architecture(platform.machine())}"
    except KdevError as error:
        pytest.skip(str(error))
    if hatch_build.find_go():
        hatch_build.build()
    return hatch_build.PROGRAMS / name


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture
def here(program: Path, root: Path) -> Iterator[Agent]:
    """An agent on `root`. At the end it must leave in good order."""
    one = Agent(program, root)
    try:
        yield one
    finally:
        code = one.close()
    assert code == 0
