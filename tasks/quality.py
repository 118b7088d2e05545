"""check, test, bench, lock, clean: what people and CI run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig

from invoke import Context, Exit, task

from tasks.engine import bring_up
from tasks.images import BUSYBOX, PYTHON, ensure_buildx, ensure_images
from tasks.machine import ROOT, Missing, apt_install, has_apt, run, say

AGENT = ROOT / "kdev/agent"
# What the tests use beside the engine: a real registry, its password file, and images made from scratch.
TEST_PACKAGES = ("docker-registry", "apache2-utils")


@task
def check(_: Context) -> None:
    """Lint, types, import contracts, and the agent's own checks. Runs all of them, then says which failed."""
    checks = [
        ("ruff", [tool("ruff"), "check", "."], ROOT),
        ("mypy", [tool("mypy")], ROOT),
        ("imports", [tool("lint-imports"), "--no-logo"], ROOT),
    ]
    if (AGENT / "go.mod").is_file():
        checks += [("go vet", [go(), "vet", "./..."], AGENT), ("gofmt", [go("gofmt"), "-l", "."], AGENT)]
    failed = []
    for name, argv, folder in checks:
        done = subprocess.run(argv, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        # gofmt lists what it would change and succeeds all the same.
        bad = done.returncode != 0 or (name == "gofmt" and done.stdout.strip())
        say(f"{name}: {'failed' if bad else 'fine'}")
        if bad:
            failed.append(name)
            print(done.stdout, file=sys.stderr)
    if failed:
        raise Exit(f"inv: check failed: {', '.join(failed)}", code=1)


@task(
    help={
        "fast": "leave out what takes more than ten seconds or needs the engine",
        "only": "a file, a folder or an expression of pytest's -k",
        "shared": "others use this Docker Engine meanwhile: only this run's own leftovers count",
    }
)
def test(_: Context, fast: bool = False, only: str = "", shared: bool = False) -> None:
    """The tests, with everything they need: a Docker Engine, base images, a registry, the build plugin."""
    argv = [sys.executable, "-m", "pytest"]
    if fast:
        argv += ["-m", "not docker and not slow"]
    else:
        try:
            bring_up()
            ensure_images(BUSYBOX, PYTHON)
            prepare()
        except Missing as missing:
            raise Exit(f"inv: {missing}", code=69) from None
        argv += [] if shared else ["--alone"]
    if only:
        argv += [only] if (ROOT / only.partition("::")[0]).exists() else ["-k", only]
    code = subprocess.run(argv, cwd=ROOT).returncode
    if code:
        raise Exit(code=code)


def prepare() -> None:
    """What some tests skip without: where it cannot be had, they say so in the summary."""
    try:
        if has_apt():
            apt_install(TEST_PACKAGES, "the tests that push to a registry")
        ensure_buildx()
    except Missing as missing:
        say(f"{missing}\n  the tests that need it are skipped")


@task
def lock(_: Context) -> None:
    """Resolve pyproject.toml's dependencies anew into requirements.lock. Needs uv (`pip install uv`)."""
    place = ROOT / "requirements.lock"
    header = place.read_text().splitlines()[0]
    argv = [
        "uv", "pip", "compile", "--universal", "--upgrade", "--fork-strategy", "fewest", "--python-version", "3.11",
        "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links", "--quiet", "--group", "dev",
        "pyproject.toml",
    ]  # fmt: skip
    made = run(argv, cwd=ROOT, stdout=subprocess.PIPE).stdout
    place.write_text(f"{header}\n{made}")


@task
def clean(_: Context) -> None:
    """Remove what the tools left in this folder: caches and build output. Not .venv."""
    caches = (".hypothesis", ".import_linter_cache", ".mypy_cache", ".pytest_cache", ".ruff_cache")
    for name in (*caches, "build", "dist"):
        shutil.rmtree(ROOT / name, ignore_errors=True)
    for folder in [path for path in ROOT.rglob("__pycache__") if ".venv" not in path.parts]:
        shutil.rmtree(folder, ignore_errors=True)


def tool(name: str) -> str:
    return os.path.join(sys.prefix, "bin", name)


def go(program: str = "go") -> str:
    """A program of the Go toolchain that the environment carries."""
    return os.path.join(sysconfig.get_path("purelib"), "go", "bin", program)
