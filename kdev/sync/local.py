"""The side on this disk: a folder, with a memory of what it last held."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from kdev.sync.disk import Disk
from kdev.sync.endpoint import CHUNK, Outcome, PathTrouble, Seen, SideBroken, Source
from kdev.sync.entry import Change, Entry, Problem, Side, carries
from kdev.sync.rules import Rules
from kdev.sync.scan import Scanner
from kdev.sync.tree import Tree


class LocalEndpoint:
    """Meets Endpoint. `known` are entries from an earlier session: files that still look like them are not read.

    `side` is what this folder is called in problems: tests and local mirrors use two of these.
    """

    def __init__(self, root: str, rules: Rules, side: Side = "local", *, known: Tree[Entry] | None = None) -> None:
        if not os.path.isdir(root):
            raise SideBroken(f"{root} is no folder")
        self.root = os.path.realpath(root)
        self._side = side
        self._known: Tree[Entry] = known if known is not None else Tree()
        self._scanner = Scanner(self.root, rules)
        self._disk = Disk(self.root)

    def scan(self, paths: Iterable[str] | None = None) -> Iterator[Seen]:
        """See Endpoint."""
        wanted = [""] if paths is None else sorted(set(paths))
        for path in wanted:
            if path in ("", "."):
                top, items = "", self._scanner.everything(self._known.get)
            else:
                top, items = self._scanner.below(path, self._known.get)
            self._known.replace(top, items)
            yield Seen(top, items)

    def read(self, wanted: Sequence[tuple[str, Entry]]) -> Iterator[Iterator[bytes]]:
        """See Endpoint."""
        for path, entry in wanted:
            yield self._chunks(path, entry)

    def apply(self, changes: Sequence[Change], source: Source) -> Iterator[Outcome]:
        """See Endpoint."""
        contents = source.read([(change.path, change.new) for change in changes if carries(change) and change.new])
        for change in changes:
            content = next(contents) if carries(change) else None
            try:
                entry = self._disk.carry_out(change, content)
            except PathTrouble as trouble:
                problem = Problem(change.path, trouble.why, self._side)
                yield Outcome(change, None, problem, trouble.stale)
                continue
            self._known.put(change.path, entry)
            yield Outcome(change, entry)

    def close(self) -> None:
        """Nothing is held open."""

    def _chunks(self, path: str, entry: Entry) -> Iterator[bytes]:
        handle = self._disk.open(path, entry)
        try:
            while data := os.read(handle, CHUNK):
                yield data
        except OSError as error:
            raise PathTrouble(path, os.strerror(error.errno or 0)) from error
        finally:
            os.close(handle)
