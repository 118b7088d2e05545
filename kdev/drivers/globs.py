"""Glob patterns as configuration files use them: `*`, `?`, `[..]`, `{a,b}`, and `**` for any number of folders.

A pattern is walked along a tree part by part, so a folder that cannot lead to a match is never opened. A pattern whose
last part is a plain name means, when that is a folder, everything below it.
"""

from __future__ import annotations

import posixpath
import re
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

_MAGIC = re.compile(r"[*?\[{\\]")
_MOST_ALTERNATIVES = 256


class Glob(NamedTuple):
    """`base` is the folder to start from, `parts` what follows (None is `**`); no parts: a path without wildcards.

    `below`: what the whole pattern matches includes everything below it.
    """

    base: str
    parts: tuple[re.Pattern[str] | None, ...]
    below: bool

    @property
    def start(self) -> int:
        """The state in `base`: a bit for each part that may come next."""
        return self._close(1)

    def step(self, state: int, name: str) -> int:
        """The state after going to `name`; 0 when nothing there can match."""
        after = 0
        for index, part in enumerate(self.parts):
            if state >> index & 1:
                if part is None:
                    after |= 1 << index
                elif part.match(name):
                    after |= 2 << index
        everything = 2 << len(self.parts)
        if state & everything:
            after |= everything
        return self._close(after)

    def accepts(self, state: int) -> bool:
        """Does the path that led to this state match?"""
        return bool(state >> len(self.parts))

    def leads_on(self, state: int) -> bool:
        """Can anything below the folder that led to this state match?"""
        return bool(state & ~(1 << len(self.parts)))

    def _close(self, state: int) -> int:
        for index, part in enumerate(self.parts):
            if part is None and state >> index & 1:
                state |= 2 << index  # `**` may stand for no folder at all
        if self.below and state >> len(self.parts) & 1:
            state |= 2 << len(self.parts)
        return state


@lru_cache(maxsize=512)
def compile_globs(pattern: str) -> tuple[Glob, ...]:
    """The pattern's alternatives, as globs. Paths are relative to the project; `.` is the project itself."""
    if not _MAGIC.search(pattern):
        return (Glob(posixpath.normpath(pattern) if pattern else ".", (), True),)
    return tuple(_compile(alternative) for alternative in sorted(set(_alternatives(pattern))))


def _compile(pattern: str) -> Glob:
    slash = pattern.endswith("/")
    pattern = posixpath.normpath(pattern) if pattern else "."
    names = pattern.split("/")
    plain = 0
    while plain < len(names) and not _MAGIC.search(names[plain]):
        plain += 1
    base = "/".join(names[:plain]) or "."
    rest = names[plain:]
    parts = tuple(None if name == "**" else re.compile(_part(name) + r"\Z", re.DOTALL) for name in rest)
    below = slash or not rest or not _MAGIC.search(rest[-1])
    return Glob(base, parts, below)


def _part(name: str) -> str:
    pieces = []
    at = 0
    while at < len(name):
        char = name[at]
        at += 1
        if char == "*":
            pieces.append("[^/]*")
        elif char == "?":
            pieces.append("[^/]")
        elif char == "[" and (end := _bracket_end(name, at)) > 0:
            pieces.append(_bracket(name[at:end]))
            at = end + 1
        elif char == "\\" and at < len(name):
            pieces.append(re.escape(name[at]))
            at += 1
        else:
            pieces.append(re.escape(char))
    return "".join(pieces)


def _bracket_end(name: str, at: int) -> int:
    """Index of the closing bracket; -1 when the opening one stands for itself."""
    first = at + 1 if name[at : at + 1] in ("!", "^") else at
    return name.find("]", first + 1)


def _bracket(content: str) -> str:
    negated = content[0] in "!^"
    body = re.sub(r"([\\\[\]^&~|])", r"\\\1", content[negated:])
    try:
        re.compile(f"[{body}]")
    except re.error:
        return re.escape(f"[{content}]")  # e.g. a range from z to a: no such class, so plain text
    return f"(?!/)[^{body}]" if negated else f"[{body}]"


def _alternatives(pattern: str) -> list[str]:
    """`{a,b}` written out, also nested; a brace without its partner stands for itself."""
    done: list[str] = []
    todo = [pattern]
    while todo and len(todo) + len(done) <= _MOST_ALTERNATIVES:
        current = todo.pop()
        choice = _first_choice(current)
        if choice is None:
            done.append(current)
            continue
        start, end, options = choice
        todo += [current[:start] + option + current[end:] for option in options]
    return done + todo


def _first_choice(pattern: str) -> tuple[int, int, list[str]] | None:
    """(start, end, options) of the first brace that is closed and has a comma."""
    for start, char in enumerate(pattern):
        if char != "{" or (start and pattern[start - 1] == "\\"):
            continue
        depth = 0
        cuts = [start]
        for at in range(start, len(pattern)):
            if pattern[at] == "{":
                depth += 1
            elif pattern[at] == "," and depth == 1:
                cuts.append(at)
            elif pattern[at] == "}":
                depth -= 1
                if depth == 0:
                    cuts.append(at)
                    if len(cuts) > 2:
                        options = [pattern[one + 1 : two] for one, two in pairwise(cuts)]
                        return start, at + 1, options
                    break
    return None
