"""How paths and names of the configuration are written in the model: POSIX, normalised, safe for labels."""

from __future__ import annotations

import hashlib
import posixpath
import re

_LONGEST_LABEL = 63


def label_name(folder: str) -> str:
    """`folder` as a label value: lower case letters, digits and `-`; a digest keeps apart what would fall together."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.lower()).strip("-")
    if name and len(name) <= _LONGEST_LABEL and (folder.isascii() or not folder):
        return name
    digest = hashlib.sha256(folder.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{name[: _LONGEST_LABEL - 9].strip('-') or 'project'}-{digest}"


def posix_path(path: str, empty: str = ".") -> str:
    """A path as it is written, normalised: `/` between parts, no `./`, no doubled or final `/`; `empty` for ""."""
    return posixpath.normpath(path.replace("\\", "/")) if path else empty


def glob_path(path: str) -> str:
    """A glob, normalised; a backslash quotes there. A URL or kustomize reference stays: `//` means something in it."""
    return path if "//" in path or not path else posixpath.normpath(path)
