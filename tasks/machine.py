"""What this machine is and what may be done to it. Knows no task; every command that changes the machine goes through
`apt_install` or `started`, which say what they do before they do it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class Missing(Exception):
    """Something must be installed or started by the user; the text says what and how."""


def say(text: str) -> None:
    """One line for the person at the terminal. On stderr, so that a task's result can be piped."""
    print(f"inv: {text}", file=sys.stderr, flush=True)


def cache() -> Path:
    """Where what is made once is kept, outside the checkout: XDG_CACHE_HOME/kdev or ~/.cache/kdev."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = Path(base) / "kdev"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def allowed(question: str) -> bool:
    """May this machine be changed? KDEV_ALLOW_INSTALL=1 and CI=true say yes, KDEV_ALLOW_INSTALL=0 no, else a terminal
    is asked."""
    leave = os.environ.get("KDEV_ALLOW_INSTALL", "").lower()
    if leave in {"1", "true", "yes"}:
        return True
    if leave in {"0", "false", "no"}:
        return False
    if os.environ.get("CI") == "true":
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print(f"inv: {question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def has_apt() -> bool:
    return shutil.which("apt-get") is not None


def run(argv: Sequence[str], **options: object) -> subprocess.CompletedProcess[str]:
    """Run and raise CalledProcessError when it fails. Output goes to stderr unless captured by the caller."""
    options.setdefault("stdout", sys.stderr)
    return subprocess.run(list(argv), check=True, text=True, **options)  # type: ignore[call-overload,no-any-return]


def output_of(argv: Sequence[str]) -> str | None:
    """Standard output of a command, stripped; None when it is not there or fails."""
    try:
        return subprocess.run(list(argv), check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def installed(package: str) -> bool:
    """Is this Debian package installed?"""
    return output_of(["dpkg-query", "-W", "-f=${db:Status-Status}", package]) == "installed"


def offered_by_apt(package: str) -> bool:
    """Does this Debian have the package?"""
    policy = output_of(["apt-cache", "policy", package]) or ""
    return "Candidate:" in policy and "Candidate: (none)" not in policy


def apt_install(packages: Iterable[str], why: str, *, asked: bool = False) -> None:
    """Install what is missing of `packages`. Raises Missing, with the command to type, when that is not allowed.

    `asked`: leave for exactly this was given already.
    """
    missing = [package for package in packages if not (has_apt() and installed(package))]
    if not missing:
        return
    names = " ".join(missing)
    if not has_apt():
        raise Missing(f"{why} needs {names} (Debian's package names) and there is no apt-get here; install it yourself")
    if not is_root():
        raise Missing(f"{why} needs packages that are missing; install them: sudo apt-get install {names}")
    if not asked and not allowed(f"install with apt-get, for {why}: {names}?"):
        raise Missing(
            f"{why} needs packages that are missing: {names}\n"
            f"  install them: apt-get install {names}\n"
            "  or let ./inv do it: KDEV_ALLOW_INSTALL=1"
        )
    say(f"installing with apt-get, for {why}: {names}")
    # Debian starts a service as it installs it. Without systemd, runlevel 1 tells the packages' scripts not to: what
    # was not started by `engine.up` could not be stopped by `engine.down`.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    run(["apt-get", "update", "-q"], env=environment)
    run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing], env=environment)
