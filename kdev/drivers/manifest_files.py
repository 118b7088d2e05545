"""Which files a deployment's `manifests` mean: the same answer for compiling, watching and rendering."""

from __future__ import annotations

import os
from collections.abc import Sequence

from kdev.core.inputs import Files
from kdev.drivers.files import FileObserver

_SUFFIXES = (".yaml", ".yml", ".json")


def manifest_paths(files: FileObserver, root: str, patterns: Sequence[str]) -> list[str]:
    """The manifests that globs, folders and paths mean, relative to `root`, in the order written, without repeats.

    As kubectl does: of a folder the YAML and JSON files directly in it; a file that is named is taken whatever it is
    called.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        if os.path.isfile(os.path.join(root, pattern)):
            found[pattern] = None
            continue
        folder = pattern if os.path.isdir(os.path.join(root, pattern)) else None
        listing = files.listing(files.observe(Files("manifests", (pattern,))).digest)
        for path, what in sorted(listing.items()):
            direct = folder is None or os.path.dirname(path) == ("" if folder == "." else folder)
            if what[:1] in "fl" and path.endswith(_SUFFIXES) and direct:
                found[path] = None
    return list(found)
