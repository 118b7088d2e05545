"""Variables that are there without a definition: chance, time and the git commit. Reads git's own files, since starting
git costs more than reading them; knows nothing of the ones that DevSpace's cloud gave.
"""

from __future__ import annotations

import os
import re
import string
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath

CLOUD = re.compile(r"DEVSPACE_(USERNAME|SPACE|SPACE_NAMESPACE|SPACE_DOMAIN\d*)")
VOLATILE = frozenset(("DEVSPACE_RANDOM", "DEVSPACE_TIMESTAMP"))
GIT_COMMIT = "DEVSPACE_GIT_COMMIT"
_LETTERS = string.ascii_lowercase + string.digits
_HASH = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")

ReadText = Callable[[Path], str | None]
"""A file's text, None when there is no such file; it remembers that it was asked."""


def volatile_value(name: str) -> str:
    """A new value of one of VOLATILE."""
    if name == "DEVSPACE_TIMESTAMP":
        return str(int(time.time()))
    # Only a name that is not taken yet, no secret: the slight preference for some letters does no harm.
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in os.urandom(6))


def git_commit(folder: Path, read: ReadText) -> str | None:
    """The first 8 characters of the commit that is checked out around `folder`; None outside of git."""
    for parent in (folder, *folder.parents):
        dot_git = parent / ".git"
        if dot_git.is_dir():
            return _head(dot_git, dot_git, read)
        if dot_git.is_file():  # a worktree or a submodule
            target = (read(dot_git) or "").removeprefix("gitdir:").strip()
            own = parent / target
            shared = (read(own / "commondir") or "").strip()
            return _head(own, own / shared if shared else own, read)
    return None


def _head(own: Path, shared: Path, read: ReadText) -> str | None:
    head = (read(own / "HEAD") or "").strip()
    if not head.startswith("ref: "):
        return head[:8] if _HASH.fullmatch(head) else None
    reference = head.removeprefix("ref: ").strip()
    if ".." in PurePosixPath(reference).parts or reference.startswith("/"):
        return None
    commit = (read(own / reference) or read(shared / reference) or "").strip()
    if not commit:
        for line in (read(shared / "packed-refs") or "").splitlines():
            found, _, name = line.partition(" ")
            if name == reference:
                commit = found
    return commit[:8] if _HASH.fullmatch(commit) else None
