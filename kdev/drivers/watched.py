"""The folders that inputs look into, and what was in them: compared with the disk, it says what changed.

The watcher's second leg. Events only hint at where to look; a hint that got lost is found by looking everywhere.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterable, Set

from kdev.core.inputs import BuildContext, Files
from kdev.drivers.files import ignore_candidates
from kdev.drivers.globs import compile_globs
from kdev.drivers.selection import ContextSelection, FolderSelection, GlobSelection, Selection, join

Inputs = Iterable[Files | BuildContext | FolderSelection]
Guides = tuple[tuple[Selection, int], ...]
"""The selections that look into a folder, each with its state there."""

Contents = dict[str, int]
"""Name → stamp of what is in a folder. Odd for a folder, even for anything else."""


class WatchedTree:
    """`root` is the project's real path; every other path is relative to it, POSIX. For one thread."""

    def __init__(self, root: str, inputs: Inputs) -> None:
        self.root = root
        self._inputs = tuple(inputs)
        self._known: dict[str, Contents] = {}
        self._guides: dict[str, Guides] = {}
        self._names: dict[str, set[str]] = {}
        self._links: dict[str, set[str]] = {}

    @property
    def folders(self) -> Set[str]:
        """Those to watch, each without what is below it."""
        return self._known.keys()

    def path(self, path: str) -> str:
        """Where it is on this machine."""
        return posixpath.normpath(f"{self.root}/{path}")

    def relative(self, path: str) -> str:
        """The other way round."""
        if path.startswith(self.root + "/"):
            return path[len(self.root) + 1 :]
        return os.path.relpath(path, self.root).replace(os.sep, "/")

    def rebuild(self, inputs: Inputs | None = None) -> set[str]:
        """Look at everything anew, for other inputs when given; what is not as before."""
        if inputs is not None:
            self._inputs = tuple(inputs)
        before = self._known
        self._known, self._guides, self._names, self._links = {}, {}, {}, {}
        self._route(".")
        for selection in self._selections():
            self._route(selection.base)
            mine = self._guides.get(selection.base, ())
            self._guides[selection.base] = (*mine, (selection, selection.start))
        self._walk()
        for folder in self._names.keys() - self._known.keys():
            self._look(folder)
        changed = set(before.keys() ^ self._known.keys())
        for folder in before.keys() & self._known.keys():
            changed |= _differences(folder, before[folder], self._known[folder])
        return self._with_links(changed)

    def reread(self, folders: Iterable[str] | None = None) -> tuple[set[str], bool]:
        """(what changed in these folders, or in all; whether that asks for a rebuild)."""
        changed: set[str] = set()
        rebuild = False
        for folder in list(self._known if folders is None else folders):
            before = self._known.get(folder)
            if before is None:
                continue
            self._look(folder)
            different = _differences(folder, before, self._known.get(folder, {}))
            changed |= different
            rebuild = rebuild or folder not in self._known or any(map(self._shapes, different))
        return self._with_links(changed), rebuild

    def wants(self, path: str) -> bool:
        """Does an input look at what is, or was, at this path? Links to it count."""
        folder, name = posixpath.dirname(path) or ".", posixpath.basename(path)
        return self._wanted(folder, name, is_folder=True) or self._wanted(folder, name, is_folder=False)

    def _selections(self) -> Iterable[Selection]:
        found: dict[str, Selection] = {}
        for wanted in self._inputs:
            if isinstance(wanted, BuildContext):
                candidates = ignore_candidates(wanted)
                for path in (posixpath.normpath(wanted.dockerfile), *candidates):
                    self._route(path)
                rules = next((rules for rules in map(self._bytes, candidates) if rules is not None), b"")
                context = ContextSelection(wanted, rules)
                found[context.key] = context
            elif isinstance(wanted, FolderSelection):
                found[wanted.key] = wanted
            else:
                for pattern in wanted.patterns:
                    for glob in map(GlobSelection, compile_globs(pattern)):
                        found[glob.key] = glob
        return found.values()

    def _bytes(self, path: str) -> bytes | None:
        try:
            with open(self.path(path), "rb") as stream:
                return stream.read()
        except OSError:
            return None

    def _route(self, path: str) -> None:
        """Everything on the way to `path`, and the project itself: any of it may come and go."""
        while path != "." and posixpath.basename(path) != "..":
            folder = posixpath.dirname(path) or "."
            self._names.setdefault(folder, set()).add(posixpath.basename(path))
            path = folder
        self._names.setdefault(path, set())
        self._names.setdefault("..", set()).add(posixpath.basename(self.root))

    def _walk(self) -> None:
        """Look into every folder that a guide leads to."""
        todo = list(self._guides)
        while todo:
            folder = todo.pop()
            self._look(folder)
            for name, stamp in self._known.get(folder, {}).items():
                if stamp & 1:
                    led = self._led(folder, name)
                    path = join(folder, name)
                    mine = self._guides.get(path, ())
                    new = tuple(guide for guide in led if guide not in mine)
                    if new:
                        self._guides[path] = (*mine, *new)
                        todo.append(path)

    def _led(self, folder: str, name: str) -> Guides:
        steps = ((selection, selection.enter(folder, name, state)) for selection, state in self._guides[folder])
        return tuple((selection, after) for selection, (_, leads_on, after) in steps if leads_on)

    def _look(self, folder: str) -> None:
        """Read what is in a folder now; forget it when it cannot be read."""
        found: Contents = {}
        try:
            with os.scandir(self.path(folder)) as entries:
                for entry in entries:
                    is_folder = entry.is_dir(follow_symlinks=False)
                    if self._wanted(folder, entry.name, is_folder=is_folder):
                        found[entry.name] = self._stamp(folder, entry, is_folder)
        except OSError:
            self._known.pop(folder, None)
            return
        self._known[folder] = found

    def _wanted(self, folder: str, name: str, *, is_folder: bool) -> bool:
        if name in self._names.get(folder, ()):
            return True
        guides = self._guides.get(folder, ())
        if is_folder:
            return any(any(selection.enter(folder, name, state)[:2]) for selection, state in guides)
        return any(selection.takes(folder, name, state) for selection, state in guides)

    def _stamp(self, folder: str, entry: os.DirEntry[str], is_folder: bool) -> int:
        try:
            info = entry.stat(follow_symlinks=False)
            if is_folder:
                return hash((info.st_ino, info.st_mode)) | 1
            target = self._follow(folder, entry.name) if stat.S_ISLNK(info.st_mode) else None
        except OSError:
            return 0
        return hash((info.st_mode, info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino, target)) & ~1

    def _follow(self, folder: str, name: str) -> tuple[int, int, int] | None:
        """The stamp of what a link leads to, which is watched from now on; None when its readers copy the link."""
        followed = name in self._names.get(folder, ()) or any(
            selection.follows_links and selection.takes(folder, name, state)
            for selection, state in self._guides.get(folder, ())
        )
        if not followed:
            return None
        link = join(folder, name)
        target = os.path.realpath(self.path(link))
        relative = self.relative(target)
        self._links.setdefault(relative, set()).add(link)
        self._names.setdefault(posixpath.dirname(relative) or ".", set()).add(posixpath.basename(relative))
        info = os.stat(target)
        return info.st_ino, info.st_mtime_ns, info.st_size

    def _shapes(self, path: str) -> bool:
        """Did this change what is to be watched? Folders and links do, and what inputs name (ignore files, bases)."""
        folder, name = posixpath.dirname(path) or ".", posixpath.basename(path)
        if name in self._names.get(folder, ()) or folder == "..":
            return True
        stamp = self._known.get(folder, {}).get(name)
        return path in self._known or (stamp is not None and bool(stamp & 1)) or os.path.islink(self.path(path))

    def _with_links(self, paths: set[str]) -> set[str]:
        """With the links that lead to them; the project, seen from above, is "."."""
        project = f"../{posixpath.basename(self.root)}"
        named = {"." if path in (project, "..") else path for path in paths}
        return named | {link for path in paths for link in self._links.get(path, ())}


def _differences(folder: str, before: Contents, after: Contents) -> set[str]:
    """The paths that came, went, or have another stamp."""
    if before == after:
        return set()
    return {join(folder, name) for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
