"""Dependencies from git: cloned once into the user's cache, never into the project, and never pulled unasked."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping

from kdev.core.inputs import digest_of
from kdev.errors import ConfigError, Mark, Problem
from kdev.spec.model import Dependency

_TIMEOUT = 600


def fetch(dependency: Dependency, at: Mark, *, environment: Mapping[str, str], home: str) -> str:
    """The absolute folder of a clone at the wanted branch, tag or revision. ConfigError when git cannot make it.

    The same source is cloned once for all projects of the user; a clone that is there is used as it is.
    """
    wanted = dependency.tag or dependency.branch or dependency.revision
    cache = environment.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")
    folder = os.path.join(cache, "kdev", "dependencies", digest_of(dependency.git, wanted)[:16], _name(dependency.git))
    if os.path.isdir(folder):
        return folder
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(folder)) as fresh:
        clone = os.path.join(fresh, "clone")
        branch = ("--branch", dependency.tag or dependency.branch) if dependency.tag or dependency.branch else ()
        # `--` ends the options: a source that begins with a dash must not become one.
        _git(("clone", "--quiet", *branch, "--", dependency.git, clone), dependency, at, environment)
        if dependency.revision:
            words = ("-C", clone, "checkout", "--quiet", "--detach", dependency.revision, "--")
            _git(words, dependency, at, environment)
        try:
            os.rename(clone, folder)
        except OSError:
            if not os.path.isdir(folder):  # else another kdev was quicker
                raise
    return folder


def _git(words: tuple[str, ...], dependency: Dependency, at: Mark, environment: Mapping[str, str]) -> None:
    # Off a terminal git must fail instead of asking for a password.
    quiet = {**environment, "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            ["git", *words], capture_output=True, text=True, timeout=_TIMEOUT, env=quiet, check=False, errors="replace"
        )
        trouble = done.stderr.strip().splitlines()[-1:] if done.returncode else []
    except (OSError, subprocess.TimeoutExpired) as error:
        trouble = [str(error)]
    if trouble:
        source = _without_password(dependency.git)
        message = f"dependencies: {source} cannot be fetched: {_without_password(trouble[0])}"
        raise ConfigError((Problem(at, message, f"try `git clone {source}`"),))


def _without_password(text: str) -> str:
    return re.sub(r"(\w+://)[^/@\s]+@", r"\1", text)


def _name(url: str) -> str:
    """The last part of a clone URL, as git names the folder."""
    return re.sub(r"[^\w.-]", "-", url.rstrip("/").rpartition("/")[2].removesuffix(".git")) or "dependency"
