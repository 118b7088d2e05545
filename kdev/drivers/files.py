"""The file side of core.ports.Observer: what Files and BuildContext inputs are made of, by content and not by time.

A folder that did not change costs one comparison and one remembered digest for each input that it belongs to. Writes
nothing; the cache is saved by its owner.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import RLock
from typing import NamedTuple

from kdev.core.inputs import BuildContext, Entry, Files, digest_of
from kdev.drivers.globs import compile_globs
from kdev.drivers.ignore import BadPattern
from kdev.drivers.selection import ContextSelection, GlobSelection, Selection, join, selects
from kdev.drivers.tree import UNREADABLE, Tree, children
from kdev.errors import KdevError
from kdev.state.statcache import DirRecord, Memo, StatCache

_MISSING = "missing"
_UNREADABLE = "unreadable"
_KEPT_LISTINGS = 2
"""For each input: what is there now, and what was there before the step ran."""


class _Visit(NamedTuple):
    """A folder that a walk went through. `record` is None, and `digest` UNREADABLE, when it could not be opened."""

    path: str
    state: int
    included: bool
    mode: int
    record: DirRecord | None
    digest: bytes


class _Walk(NamedTuple):
    selection: Selection
    visits: list[_Visit]


class _Seen(NamedTuple):
    """What an entry was made of, for its listing: walks, and single files as listing lines."""

    walks: tuple[_Walk, ...]
    lines: tuple[tuple[str, str], ...]


class FileObserver:
    """Entries of Files and BuildContext inputs. `root` is the project's folder.

    Every observation looks at the disk again, unless the observer is told to `hold`. One thread at a time gets in.
    """

    def __init__(self, root: str, cache: StatCache, *, now: Callable[[], int] = time.time_ns) -> None:
        self._tree = Tree(root, cache, now)
        self._cache = cache
        self._lock = RLock()
        self._holding = False
        self._entries: dict[Files | BuildContext, Entry] = {}
        self._seen: dict[Files | BuildContext, dict[str, _Seen]] = {}
        self._contexts: dict[BuildContext, tuple[bytes, ContextSelection]] = {}

    def observe(self, wanted: Files | BuildContext) -> Entry:
        """The input's entry. Missing and unreadable files are part of it; KdevError for a broken ignore file."""
        with self._lock:
            if not self._holding:
                self._tree.forget()
                self._entries.clear()
            entry = self._entries.get(wanted)
            if entry is None:
                seen = self._context(wanted) if isinstance(wanted, BuildContext) else self._files(wanted)
                entry = self._entries[wanted] = self._entry(wanted, seen)
            return entry

    def listing(self, digest: str) -> Mapping[str, str]:
        """path → kind, mode and short digest, for an entry among the last two of its input; else {}."""
        with self._lock:
            for kept in self._seen.values():
                if digest in kept:
                    return self._list(kept[digest])
            return {}

    def contents(self, wanted: BuildContext) -> list[tuple[str, int]]:
        """(path, mode) of every folder, file and link that a builder is to be sent, folders before what is in them.

        Paths are relative to the project. The Dockerfile and the ignore file are there only when the rules let them
        through. KdevError for a broken ignore file.
        """
        with self._lock:
            if not self._holding:
                self._tree.forget()
            walk = self._context(wanted).walks[0]
            found: list[tuple[str, int]] = []
            for visit in _emitted(walk.visits):
                if visit.path != walk.selection.base:
                    found.append((visit.path, visit.mode))
                found += [(join(visit.path, name), mode) for name, mode, _ in _files_in(walk.selection, visit)]
            return found

    @contextmanager
    def held(self) -> Iterator[None]:
        """For the length of a `with`, what was read once is not read again: one moment's picture for many steps."""
        self.hold()
        try:
            yield
        finally:
            self.release()

    def hold(self) -> None:
        """From now on only what `invalidate` names is read again. For as long as a watcher reports every change."""
        with self._lock:
            self._tree.forget()
            self._entries.clear()
            self._holding = True

    def release(self) -> None:
        """Every observation looks at the disk again."""
        with self._lock:
            self._holding = False

    def invalidate(self, paths: Iterable[str] | None = None) -> None:
        """These may have changed, with everything below them; everything may have for None."""
        with self._lock:
            self._tree.forget(paths)
            self._entries.clear()

    def touches(self, wanted: Files | BuildContext, path: str) -> bool:
        """Can a change at `path` change the input's entry? Says yes too often rather than too seldom."""
        with self._lock:
            if isinstance(wanted, BuildContext):
                beside = (posixpath.normpath(wanted.dockerfile), *ignore_candidates(wanted))
                return path in beside or selects(self._context_selection(wanted), path)
            globs = [glob for pattern in wanted.patterns for glob in compile_globs(pattern)]
            return any(selects(GlobSelection(glob), path) for glob in globs)

    def _entry(self, wanted: Files | BuildContext, seen: _Seen) -> Entry:
        state = hashlib.sha256()
        for walk in seen.walks:
            for visit in _emitted(walk.visits):
                raw = os.fsencode(visit.path)
                state.update(b"%d:%s%o:%d:%s" % (len(raw), raw, visit.mode & 0o777, len(visit.digest), visit.digest))
            state.update(b"|")
        lines = [part for line in seen.lines for part in line]
        digest = digest_of("files", state.digest(), *lines)
        kept = self._seen.setdefault(wanted, {})
        kept.pop(digest, None)
        kept[digest] = seen
        while len(kept) > _KEPT_LISTINGS:
            del kept[next(iter(kept))]
        return Entry(wanted.name, digest, listed=True)

    def _list(self, seen: _Seen) -> dict[str, str]:
        listing = {path: _short(line) for path, line in seen.lines}
        for walk in seen.walks:
            for visit in _emitted(walk.visits):
                if visit.path != walk.selection.base:
                    listing[visit.path] = f"d{visit.mode & 0o777:o}"
                if visit.record is None:
                    listing[visit.path] = _UNREADABLE
                    continue
                for name, mode, index in _files_in(walk.selection, visit):
                    listing[join(visit.path, name)] = _short(self._row(walk.selection, visit, index, name, mode))
        return listing

    def _files(self, wanted: Files) -> _Seen:
        walks: list[_Walk] = []
        lines: dict[str, str] = {}
        for glob in sorted({glob for pattern in wanted.patterns for glob in compile_globs(pattern)}, key=str):
            if not glob.parts and (line := self._line(glob.base)) is not None:
                lines[glob.base] = line
            else:
                selection = GlobSelection(glob)
                walks.append(_Walk(selection, self._walk(selection)))
        return _Seen(tuple(walks), tuple(sorted(lines.items())))

    def _context(self, wanted: BuildContext) -> _Seen:
        try:
            selection = self._context_selection(wanted)
            walk = _Walk(selection, self._walk(selection))
        except BadPattern as error:
            raise KdevError(
                f"{self._ignore_file(wanted)[0]}: Docker does not accept the pattern {str(error)!r}",
                hint="brackets must be closed, and a backslash or `!` needs something behind it",
            ) from error
        beside = {posixpath.normpath(wanted.dockerfile), *ignore_candidates(wanted)}
        return _Seen((walk,), tuple((path, self._line(path) or "folder") for path in sorted(beside)))

    def _context_selection(self, wanted: BuildContext) -> ContextSelection:
        """With the ignore file as it is now. Kept while that stays, so its rules are compiled once."""
        rules = self._ignore_file(wanted)[1]
        known = self._contexts.get(wanted)
        if known is None or known[0] != rules:
            known = self._contexts[wanted] = (rules, ContextSelection(wanted, rules))
        return known[1]

    def _ignore_file(self, wanted: BuildContext) -> tuple[str, bytes]:
        """(path, bytes) of the ignore file that applies now; the first candidate and b"" when there is none."""
        candidates = ignore_candidates(wanted)
        for path in candidates:
            try:
                with open(self._tree.path(path), "rb") as stream:
                    return path, stream.read()
            except OSError:
                continue
        return candidates[-1], b""

    def _line(self, path: str) -> str | None:
        """A single file for the listing; None when it is a folder."""
        found = self._tree.file(path)
        if found is None:
            return None if os.path.isdir(self._tree.path(path)) else _MISSING
        mode, digest = found
        return _describe(mode, digest)

    def _walk(self, selection: Selection) -> list[_Visit]:
        """Every folder that the selection goes through, from the top down, in the order of names."""
        memos = self._cache.memo(selection.key)
        visits: list[_Visit] = []
        # The base counts by being there; its own mode is nobody's business.
        stack = [(selection.base, selection.start, True, 0)]
        while stack:
            path, state, included, mode = stack.pop()
            try:
                record = self._tree.folder(path)
            except (FileNotFoundError, NotADirectoryError):
                continue  # gone since its parent was read, or never there
            except OSError:
                visits.append(_Visit(path, state, included, mode, None, UNREADABLE))
                continue
            memo = memos.get(path)
            if memo is None or memo[0] != record.generation:
                memo = self._select(selection, path, state, record)
                if memo[0]:
                    memos[path] = memo
                    self._cache.dirty = True
            visits.append(_Visit(path, state, included, mode, record, memo[1]))
            stack += [(join(path, name), after, taken, bits) for name, after, taken, bits in reversed(memo[2])]
        return visits

    def _select(self, selection: Selection, path: str, state: int, record: DirRecord) -> Memo:
        """What is selected in one folder. Generation 0, which no record has, when it must not be remembered."""
        visit = _Visit(path, state, True, 0, record, b"")
        rows = hashlib.sha256()
        empty = True
        generation = record.generation
        folders = []
        for name, mode, index in children(record):
            if stat.S_ISDIR(mode):
                included, leads_on, after = selection.enter(path, name, state)
                if included or leads_on:
                    folders.append((name, after, included, mode))
            elif _is_file(mode) and selection.takes(path, name, state):
                if stat.S_ISLNK(mode) and selection.follows_links:
                    generation = 0  # what it leads to may change while this folder does not
                raw = os.fsencode(name)
                row = self._row(selection, visit, index, name, mode).encode()
                rows.update(b"%d:%s%d:%s" % (len(raw), raw, len(row), row))
                empty = False
        return generation, b"" if empty else rows.digest(), tuple(folders)

    def _row(self, selection: Selection, visit: _Visit, index: int, name: str, mode: int) -> str:
        """Kind, mode and content of a file in a visited folder, as text."""
        assert visit.record is not None
        row = _describe(mode, self._tree.digest(visit.path, visit.record, index, name))
        if stat.S_ISLNK(mode) and selection.follows_links:
            target = self._tree.file(join(visit.path, name))
            row += f">{_describe(*target) if target else _MISSING}"
        return row


def ignore_candidates(context: BuildContext) -> tuple[str, ...]:
    """Where the ignore file of a build may be, by precedence: the first that is there applies, alone."""
    names = [f"{context.dockerfile}.dockerignore", f"{context.root}/.dockerignore"]
    if context.ignore_file:
        names.insert(0, context.ignore_file)
    return tuple(dict.fromkeys(posixpath.normpath(name) for name in names))


def _emitted(visits: list[_Visit]) -> list[_Visit]:
    """The folders that count: selected ones, and those on the way to something that is."""
    if all(visit.included for visit in visits):
        return visits
    needed: set[str] = set()
    emitted = []
    for visit in reversed(visits):
        if visit.included or visit.digest or visit.path in needed:
            emitted.append(visit)
            needed.add(posixpath.dirname(visit.path))
    return emitted[::-1]


def _files_in(selection: Selection, visit: _Visit) -> Iterator[tuple[str, int, int]]:
    """(name, mode, index) of what is selected in one folder, but for folders."""
    for name, mode, index in children(visit.record) if visit.record else ():
        if _is_file(mode) and selection.takes(visit.path, name, visit.state):
            yield name, mode, index


def _is_file(mode: int) -> bool:
    """Pipes, sockets and devices never count."""
    return stat.S_ISREG(mode) or stat.S_ISLNK(mode)


def _describe(mode: int, digest: bytes) -> str:
    if digest == UNREADABLE:
        return _UNREADABLE
    # A link's own mode means nothing, and differs between systems.
    return f"l:{digest.hex()}" if stat.S_ISLNK(mode) else f"f{mode & 0o7777:o}:{digest.hex()}"


def _short(row: str) -> str:
    """A row for a listing: still different for what is different, a third as long."""
    kind, colon, _ = row.partition(":")
    return f"{kind}:{hashlib.sha256(row.encode()).hexdigest()[:16]}" if colon else row
