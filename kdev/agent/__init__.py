"""The agent's built programs, one per architecture, as they lie in this package. Knows files, no engines."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from importlib import resources

from kdev.errors import KdevError

ARCHITECTURES = ("amd64", "arm64")
_MACHINES = {"x86_64": "amd64", "x86-64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def architecture(machine: str) -> str:
    """`amd64` or `arm64` for what `uname -m`, an engine or a node calls its machine. Raises KdevError for others."""
    found = _MACHINES.get(machine.strip().lower())
    if found is None:
        raise KdevError(
            f"kdev's agent does not run on {machine[:40]!r} machines",
            hint=f"it is built for Linux on {' and '.join(ARCHITECTURES)}",
        )
    return found


@cache
def binary(arch: str) -> bytes:
    """The program for `arch`, one of ARCHITECTURES. Raises KdevError when it has not been built."""
    if arch not in ARCHITECTURES:
        raise KdevError(f"kdev's agent is not built for {arch[:40]!r}")
    try:
        return (resources.files(__name__) / "bin" / f"kdev-agent-linux-{arch}").read_bytes()
    except OSError as error:
        raise KdevError(
            f"kdev's agent for {arch} is not there: {os.strerror(error.errno or 0)}",
            hint="it is compiled when kdev is installed; in a checkout: python hatch_build.py",
        ) from error


@cache
def digest(arch: str) -> str:
    """SHA-256 of that program, in hex. Raises as `binary` does."""
    return hashlib.sha256(binary(arch)).hexdigest()
