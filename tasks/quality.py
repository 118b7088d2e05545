"""check, test, lock, clean: what people and CI run."""

from __future__ import annotations

import shutil
import sys

from invoke import Context, Exit, task

from tasks.machine import ROOT, run, say


@task
def check(_: Context) -> None:
    """Lint, types and import contracts."""
    failed = []
    for name, argv in (
        ("ruff", ["ruff", "check", "."]),
        ("mypy", ["mypy"]),
        ("lint-imports", ["lint-imports"]),
    ):
        say(" ".join(argv))
        try:
            run([f"{sys.prefix}/bin/{argv[0]}", *argv[1:]], cwd=ROOT)
        except Exception:  # noqa: BLE001
            failed.append(name)
    if failed:
        raise Exit(f"check failed: {', '.join(failed)}", code=1)


@task
def test(_: Context) -> None:
    """The tests."""
    run([sys.executable, "-m", "pytest"], cwd=ROOT, stdout=None)


@task
def lock(_: Context) -> None:
    """Resolve pyproject.toml's dependencies anew into requirements.lock. Needs uv."""
    header = (ROOT / "requirements.lock").read_text().splitlines()[0]
    made = run(
        [
            "uv", "pip", "compile", "--universal", "--upgrade", "--fork-strategy", "fewest", "--python-version", "3.11",
            "--no-header", "--no-annotate", "--group", "dev", "--quiet", "pyproject.toml",
        ],
        cwd=ROOT,
        stdout=-1,
    ).stdout
    (ROOT / "requirements.lock").write_text(f"{header}\n{made}")


@task
def clean(_: Context) -> None:
    """Remove what the tools left in this folder: caches and build output. Not .venv."""
    for pattern in (".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", "build", "dist", "*.egg-info"):
        for path in ROOT.glob(pattern):
            shutil.rmtree(path, ignore_errors=True)
