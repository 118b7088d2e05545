from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import hatch_build
from tests.agent.client import Agent


def test_nothing_is_compiled_twice(program: Path) -> None:
    before = program.stat()
    assert hatch_build.build() is False
    assert program.stat() == before or program.stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.slow
def test_the_wheel_carries_both_programs_and_no_sources(program: Path, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(argv, cwd=hatch_build.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if name.startswith("kdev/agent/bin/")}
        assert archive.read(f"kdev/agent/bin/{program.name}") == program.read_bytes()
    assert found == {"kdev/agent/bin/kdev-agent-linux-amd64", "kdev/agent/bin/kdev-agent-linux-arm64"}


def memory(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def test_memory_stays_small_with_many_files(here: Agent, root: Path) -> None:
    for folder in range(20):
        (root / f"folder-{folder}").mkdir()
        for file in range(500):
            (root / f"folder-{folder}/file-{file}").touch()
    here.watch()
    for _ in range(3):
        assert len(here.scan(digests=True)) == 10_020
    assert memory(here.process.pid) < 15 * 2**20 + 200 * 10_020
