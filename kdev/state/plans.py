"""Compiled plans kept between runs, as opaque bytes. Only a plan of exactly the asked key is ever given back."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress

from kdev.state.folder import StateFolder, seal, unseal

FOLDER = "plans"
KEPT = 16
"""Plans on disk: one for each pipeline, profile and variable set in use."""


class PlanCache:
    """`name` is what is asked for (pipeline, profiles…), `key` a digest of everything the plan was made from."""

    def __init__(self, folder: StateFolder) -> None:
        self._folder = folder

    def load(self, name: str, key: str) -> bytes | None:
        """The plan; None when there is none for this key, or it is torn."""
        return unseal(key, self._folder.read(FOLDER, _file(name)))

    def save(self, name: str, key: str, plan: bytes) -> None:
        """Put the plan in place of the one before."""
        # Not flushed to the platter: a torn one is seen by its digest, and made again.
        self._folder.write(seal(key, plan), FOLDER, _file(name), durable=False)
        if not self._folder.read_only:
            self._prune()

    def _prune(self) -> None:
        path = self._folder.file(FOLDER)
        with suppress(OSError):
            entries = sorted(os.scandir(path), key=lambda entry: entry.stat().st_mtime_ns, reverse=True)
            for entry in entries[KEPT:]:
                os.unlink(entry.path)


def _file(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:16]
