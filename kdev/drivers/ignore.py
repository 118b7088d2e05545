"""Ignore rules as compiled regexes: .dockerignore as Docker's builders read it, and .gitignore as git reads it.

Knows patterns and paths only; never touches the disk. Paths are POSIX, relative to the folder that the rules belong to.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

NOTHING = 0
"""The `above` of a path at the top: no parent, so no rule has matched one."""

_BOM = b"\xef\xbb\xbf"
_WILD = frozenset("*?[]\\")
_ANYTHING = "[\\0-\\U0010ffff]*"
# Docker means to quote `{`, `|` and `}` in a pattern with wildcards, and fails to: they keep their meaning in regexes.
_UNQUOTED = frozenset("^{}")
# A backslash before a letter reaches Go's regexp package as it is; these are the ones that it knows too.
_GO_CLASSES = frozenset("dDsSwWaftnrvbBA")


class BadPattern(ValueError):
    """A line that Docker refuses the whole build for. str() is the line."""


class _Run(NamedTuple):
    """Neighbouring rules of one direction: the first match among them decides, so one regex stands for all."""

    keeps: bool
    match: re.Pattern[str]


class DockerIgnore:
    """The rules of one .dockerignore.

    Rules are rooted and the last one that matches wins. A rule that matched a folder also holds for what is below it,
    so verdicts are asked for from the top down: `judge` wants what it gave for the parent. There Docker's builders
    remember less than their documentation says (a `!` rule that was of no use for a folder is not carried down to its
    files), and so does this.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        rules = [_parse(line) for line in lines if line.strip()]
        self._runs: list[_Run] = []
        self._reincludes = [_segments(pattern) for keeps, pattern in rules if keeps]
        for keeps, patterns in _grouped(rules):
            joined = "|".join(f"(?:{_docker_regex(pattern)})" for pattern in patterns)
            self._runs.append(_Run(keeps, _compiled(joined)))

    def judge(self, path: str, above: int = NOTHING) -> tuple[bool, int]:
        """(is `path` excluded, the `above` for what is inside it)."""
        excluded = False
        carried = 0
        bit = 1
        for keeps, pattern in self._runs:
            if above & bit or (keeps == excluded and pattern.match(path)):
                carried |= bit
                excluded = not keeps
            bit <<= 1
        return excluded, carried

    def excludes(self, path: str) -> bool:
        """Is `path` excluded, judged from the top down."""
        excluded, above = False, NOTHING
        for end in [*(i for i, char in enumerate(path) if char == "/"), len(path)]:
            excluded, above = self.judge(path[:end], above)
        return excluded

    def may_keep_below(self, folder: str) -> bool:
        """Can a `!` rule match anything inside this excluded folder? If not, nobody needs to look inside."""
        parts = folder.split("/")
        return any(_reaches(segments, parts) for segments in self._reincludes)


def docker_lines(data: bytes) -> list[str]:
    """The rules in a .dockerignore's bytes: no comments, no blank lines, cleaned, `!` kept."""
    rules = []
    for raw in data.removeprefix(_BOM).split(b"\n"):
        line = raw.decode("utf-8", "surrogateescape")
        if line.startswith("#"):
            continue
        line = line.strip()
        if not line:
            continue
        keeps = line.startswith("!")
        pattern = line[1:].strip() if keeps else line
        if pattern:
            pattern = _clean(pattern)
            if len(pattern) > 1 and pattern.startswith("/"):
                pattern = pattern[1:]
        rules.append("!" + pattern if keeps else pattern)
    return rules


def _parse(line: str) -> tuple[bool, str]:
    pattern = _clean(line.strip())
    keeps = pattern.startswith("!")
    if keeps:
        pattern = pattern[1:]
        if not pattern:
            raise BadPattern(line)
    _check(pattern)
    return keeps, pattern


def _clean(path: str) -> str:
    """Go's filepath.Clean: as normpath, but two leading slashes are one."""
    cleaned = posixpath.normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned


def _grouped(rules: list[tuple[bool, str]]) -> Iterator[tuple[bool, list[str]]]:
    """Neighbours of one direction together."""
    group: list[str] = []
    direction = False
    for keeps, pattern in rules:
        if group and keeps != direction:
            yield direction, group
            group = []
        direction = keeps
        group.append(pattern)
    if group:
        yield direction, group


def _docker_regex(pattern: str) -> str:
    """The pattern as a regex that must match a whole path."""
    if _WILD.isdisjoint(pattern):
        return re.escape(pattern)
    if _WILD.isdisjoint(pattern.replace("**", "", 1)):
        # These two never become a regex in Docker, so nothing else in them has a meaning.
        if pattern.startswith("**"):
            name = pattern[2:]
            bare = f"|{re.escape(name[1:])}" if name.startswith("/") else ""
            return f"{_ANYTHING}{re.escape(name)}{bare}"
        if pattern.endswith("**"):
            return re.escape(pattern[:-2]) + _ANYTHING
    branches = [""]
    for piece in _docker_pieces(pattern):
        if piece == "|":
            branches.append("")
        else:
            branches[-1] += piece
    # Only the first branch of an unquoted `|` is tied to the path's start, and only the last one to its end.
    return f"{_ANYTHING}|{_ANYTHING}".join(branches)


def _docker_pieces(pattern: str) -> Iterator[str]:
    """The regex of a pattern, bit by bit; an unquoted "|" comes alone."""
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*" and pattern.startswith("*", at):
            at += 1
            if pattern.startswith("/", at):
                at += 1
            yield "(?:.*/)?" if at < len(pattern) else ".*"
        elif char == "*":
            yield "[^/]*"
        elif char == "?":
            yield "[^/]"
        elif char == "[":
            end = _class_end(pattern, at)
            yield _bracket(pattern[at:end])
            at = end + 1
        elif char == "\\":
            yield _escaped(pattern, at)
            at += 1
        else:
            yield char if char == "|" or char in _UNQUOTED else re.escape(char)


def _compiled(regex: str) -> re.Pattern[str]:
    try:
        return re.compile(rf"(?:{regex})\Z", re.ASCII)
    except re.error as error:
        raise BadPattern(regex) from error


def _escaped(pattern: str, at: int) -> str:
    char = pattern[at]
    if char.isascii() and char.isalnum():
        if char not in _GO_CLASSES:
            raise BadPattern(pattern)
        return "\\" + char
    return re.escape(char)


def _class_end(pattern: str, at: int) -> int:
    """Index of the bracket that closes a class whose content starts at `at`."""
    while pattern[at] != "]":
        at += 2 if pattern[at] == "\\" else 1
    return at


def _bracket(content: str) -> str:
    """A class as Python's re reads it: brackets and doubled signs inside are plain in Go's."""
    negated = content.startswith("^")
    pieces = []
    at = int(negated)
    while at < len(content):
        low, at = _class_char(content, at)
        if content.startswith("-", at):
            high, at = _class_char(content, at + 1)
            if low > high:
                raise BadPattern(content)
            pieces.append(f"{re.escape(low)}-{re.escape(high)}")
        else:
            pieces.append(re.escape(low))
    return f"[{'^' if negated else ''}{''.join(pieces)}]"


def _class_char(content: str, at: int) -> tuple[str, int]:
    if content[at] == "\\":
        at += 1
    return content[at], at + 1


def _check(pattern: str) -> None:
    """Go's filepath.Match must accept it: classes closed and not empty, ranges whole, no backslash at the end."""
    at = 0
    while at < len(pattern):
        if pattern[at] == "\\":
            at += 1
            if at == len(pattern):
                raise BadPattern(pattern)
        elif pattern[at] == "[":
            at = _checked_class(pattern, at + 1)
        at += 1


def _checked_class(pattern: str, at: int) -> int:
    """Index of the closing bracket."""
    if pattern.startswith("^", at):
        at += 1
    empty = True
    while empty or not pattern.startswith("]", at):
        at = _checked_char(pattern, at)
        if pattern.startswith("-", at):
            at = _checked_char(pattern, at + 1)
        empty = False
    return at


def _checked_char(pattern: str, at: int) -> int:
    if at >= len(pattern) or pattern[at] in "-]":
        raise BadPattern(pattern)
    if pattern[at] == "\\":
        at += 1
    if at + 1 >= len(pattern):
        raise BadPattern(pattern)
    return at + 1


def _segments(pattern: str) -> list[re.Pattern[str] | None]:
    """One regex per path part; None from where on anything may match (`**`, and what is hard to tell)."""
    segments: list[re.Pattern[str] | None] = []
    if "|" in pattern and not _WILD.isdisjoint(pattern):
        return [None]
    for part in pattern.split("/"):
        if "**" in part or any(char in "\\[{^" for char in part):
            segments.append(None)
            break
        segments.append(_compiled(_docker_regex(part)))
    return segments


def _reaches(segments: list[re.Pattern[str] | None], parts: list[str]) -> bool:
    """Can the pattern match something that has `parts` as its first ones, and more?"""
    for segment, part in zip(segments, parts, strict=False):
        if segment is None:
            return True
        if not segment.match(part):
            return False
    return len(segments) > len(parts)
