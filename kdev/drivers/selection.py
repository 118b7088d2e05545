"""Which paths of the project an input means: globs, or a build context behind its ignore file.

Knows names and rules, and an ignore file's bytes when given them; reads nothing. What kdev and DevSpace keep in a
project never counts.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Protocol

from kdev.core.inputs import BuildContext, digest_of
from kdev.drivers.globs import Glob
from kdev.drivers.ignore import NOTHING, DockerIgnore, docker_lines

OWN_FOLDERS = frozenset((".kdev", ".devspace"))


class Selection(Protocol):
    """A walk's guide. `state` is what it needs to know in a folder; it depends on the folder's path alone."""

    @property
    def key(self) -> str:
        """Equal keys select equally, in this process and the next."""

    @property
    def base(self) -> str:
        """The folder to start in, relative to the project."""

    @property
    def start(self) -> int:
        """The state in `base`."""

    @property
    def follows_links(self) -> bool:
        """Is a link to a file read (its reader opens it), or is the link itself the thing (it is copied)?"""

    def enter(self, path: str, name: str, state: int) -> tuple[bool, bool, int]:
        """For a folder: (is it selected itself, can anything inside be, the state in it)."""

    def takes(self, path: str, name: str, state: int) -> bool:
        """Is this file selected? `path` and `state` are its folder's."""


class GlobSelection:
    """What one glob matches below its base."""

    follows_links = True

    def __init__(self, glob: Glob) -> None:
        self._glob = glob
        self.base = glob.base
        self.start = glob.start
        texts = ["**" if part is None else part.pattern for part in glob.parts]
        self.key = digest_of("glob", glob.base, str(int(glob.below)), *texts)

    def enter(self, path: str, name: str, state: int) -> tuple[bool, bool, int]:
        """See Selection."""
        after = 0 if name in OWN_FOLDERS else self._glob.step(state, name)
        return self._glob.accepts(after), self._glob.leads_on(after), after

    def takes(self, path: str, name: str, state: int) -> bool:
        """See Selection."""
        return self._glob.accepts(self._glob.step(state, name))


class ContextSelection:
    """What a builder is sent of a context. Raises ignore.BadPattern, at first use, for rules that Docker refuses."""

    follows_links = False
    start = NOTHING

    def __init__(self, context: BuildContext, ignore: bytes) -> None:
        self.base = posixpath.normpath(context.root)
        self._ignore = ignore
        self._extra = context.extra_excludes
        self.key = digest_of("context", self.base, ignore, *context.extra_excludes)

    @cached_property
    def rules(self) -> DockerIgnore:
        """Compiled when something has to be judged: an unchanged tree never needs them."""
        return DockerIgnore([*docker_lines(self._ignore), *self._extra])

    def enter(self, path: str, name: str, state: int) -> tuple[bool, bool, int]:
        """See Selection."""
        if name in OWN_FOLDERS:
            return False, False, state
        inside = self._inside(path, name)
        excluded, after = self.rules.judge(inside, state)
        return not excluded, not excluded or self.rules.may_keep_below(inside), after

    def takes(self, path: str, name: str, state: int) -> bool:
        """See Selection."""
        return not self.rules.judge(self._inside(path, name), state)[0]

    def _inside(self, path: str, name: str) -> str:
        """The path as the rules see it, relative to the context."""
        if path == self.base:
            return name
        return f"{path}/{name}" if self.base == "." else f"{path[len(self.base) + 1:]}/{name}"


class FolderSelection:
    """A whole folder, as it is copied: everything but what `hides` (path relative to it, is it a folder?) says."""

    base = "."
    start = 0
    key = "folder"
    follows_links = False

    def __init__(self, hides: Callable[[str, bool], bool]) -> None:
        self._hides = hides

    def enter(self, path: str, name: str, state: int) -> tuple[bool, bool, int]:
        """See Selection."""
        seen = name not in OWN_FOLDERS and not self._hides(join(path, name), True)
        return seen, seen, state

    def takes(self, path: str, name: str, state: int) -> bool:
        """See Selection."""
        return not self._hides(join(path, name), False)


def selects(selection: Selection, path: str) -> bool:
    """Can a change at `path` (a file or a folder, there or gone) change what is selected?"""
    inside = below(selection.base, path)
    if inside is None:
        return False
    state, at = selection.start, selection.base
    names: Sequence[str] = inside.split("/") if inside else ()
    for position, name in enumerate(names):
        included, leads_on, after = selection.enter(at, name, state)
        if position == len(names) - 1:
            return included or leads_on or (name not in OWN_FOLDERS and selection.takes(at, name, state))
        if not leads_on:
            return False
        at, state = join(at, name), after
    return True


def below(base: str, path: str) -> str | None:
    """`path` relative to `base`; "" for the base itself or a folder above it; None when it lies elsewhere."""
    if base == "." and not path.startswith("../"):
        return "" if path == "." else path
    if path == base or base.startswith(path + "/") or path == ".":
        return ""
    return path[len(base) + 1 :] if path.startswith(base + "/") else None


def join(folder: str, name: str) -> str:
    """A path relative to the project, without a leading `./`."""
    return name if folder == "." else f"{folder}/{name}"
