"""gitignore rules as git reads them, compiled to regexes. Knows patterns and paths; never touches the disk.

Paths are POSIX, relative to the folder that the rules belong to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_POSIX = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "blank": r" \t", "cntrl": r"\x00-\x1f\x7f", "digit": "0-9",
    "graph": r"\x21-\x7e", "lower": "a-z", "print": r"\x20-\x7e", "punct": r"!-/:-@\[-`{-~", "space": r"\s",
    "upper": "A-Z", "xdigit": "0-9A-Fa-f",
}
_ANYTHING = "[\\0-\\U0010ffff]*"


class _Rule(NamedTuple):
    keeps: bool
    folders_only: bool
    regex: str


class _Run(NamedTuple):
    """Neighbouring rules of one direction; any match among them is the same verdict."""

    keeps: bool
    folder: re.Pattern[str]
    file: re.Pattern[str] | None


class GitIgnore:
    """The rules of one list. The last one that matches wins, but nothing comes back below an excluded folder."""

    def __init__(self, lines: Iterable[str]) -> None:
        rules = [rule for rule in map(_parse, lines) if rule is not None]
        # The last match wins, so the last run is asked first.
        self._runs = list(_grouped(rules))[::-1]

    def match(self, path: str, is_dir: bool = False) -> bool:
        """Is `path` excluded, by itself or with a folder above it?"""
        end = path.find("/")
        while end >= 0:
            if self.judge(path[:end], True):
                return True
            end = path.find("/", end + 1)
        return bool(self.judge(path, is_dir))

    def judge(self, path: str, is_dir: bool) -> bool | None:
        """The verdict on the path alone, for a walk that does not enter excluded folders: True for excluded, False for
        brought back, None when no rule speaks of it."""
        for keeps, folder, file in self._runs:
            pattern = folder if is_dir else file
            if pattern is not None and pattern.match(path):
                return not keeps
        return None


def gitignore_lines(data: bytes) -> list[str]:
    """The lines of an ignore file's bytes. A byte order mark and the line ends of Windows are no part of a rule."""
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    return [line.removesuffix("\r") for line in text.split("\n")]


def _grouped(rules: list[_Rule]) -> Iterator[_Run]:
    start = 0
    for end in range(1, len(rules) + 1):
        if end == len(rules) or rules[end].keeps != rules[start].keeps:
            group = rules[start:end]
            files = [rule.regex for rule in group if not rule.folders_only]
            yield _Run(group[0].keeps, _any_of([rule.regex for rule in group]), _any_of(files) if files else None)
            start = end


def _any_of(regexes: list[str]) -> re.Pattern[str]:
    return re.compile(f"(?:{'|'.join(regexes)})\\Z")


def _parse(line: str) -> _Rule | None:
    """None for a line that is no rule, or one that can match nothing."""
    pattern = _trimmed(line)
    if not pattern or pattern.startswith("#"):
        return None
    keeps = pattern.startswith("!")
    if keeps:
        pattern = pattern[1:]
    folders_only = pattern.endswith("/")
    if folders_only:
        pattern = pattern[:-1]
    anchored = "/" in pattern
    try:
        regex = _regex(pattern.removeprefix("/"))
        re.compile(regex)
    except (ValueError, re.error):
        return None
    if not pattern:
        return None
    return _Rule(keeps, folders_only, regex if anchored else f"(?:{_ANYTHING}/)?{regex}")


def _trimmed(line: str) -> str:
    """Without the spaces at its end, but for an escaped one."""
    kept = line.rstrip(" ")
    backslashes = len(kept) - len(kept.rstrip("\\"))
    return kept + " " if backslashes % 2 and len(kept) < len(line) else kept


def _regex(pattern: str) -> str:
    """ValueError for a pattern that git never matches: a class without an end, a lone backslash at the end."""
    pieces = []
    at = 0
    # git compares what stands before the first wildcard by itself: to stars right behind it a part begins there.
    plain = next((index for index, char in enumerate(pattern) if char in "*?[\\"), len(pattern))
    while at < len(pattern):
        char = pattern[at]
        if char == "*":
            end = at
            while pattern.startswith("*", end):
                end += 1
            begins = at == plain or pattern[at - 1] == "/"
            piece, at = _stars(pattern, at, end, begins)
            pieces.append(piece)
        elif char == "?":
            pieces.append("[^/]")
            at += 1
        elif char == "[":
            piece, at = _bracket(pattern, at + 1)
            pieces.append(piece)
        elif char == "\\":
            if at + 1 == len(pattern):
                raise ValueError(pattern)
            pieces.append(re.escape(pattern[at + 1]))
            at += 2
        else:
            pieces.append(re.escape(char))
            at += 1
    return "".join(pieces)


def _stars(pattern: str, at: int, end: int, begins: bool) -> tuple[str, int]:
    """(regex, where to go on): two or more stars cross folders only when they are a whole part of the path."""
    if not (begins and end - at >= 2 and (end == len(pattern) or pattern[end] == "/")):
        return "[^/]*", end
    if end == len(pattern):
        return _ANYTHING, end
    return f"(?:{_ANYTHING}/)?", end + 1


def _bracket(pattern: str, at: int) -> tuple[str, int]:
    """(regex, index after the closing bracket) of the class whose content starts at `at`."""
    negated = pattern[at : at + 1] in ("!", "^") and at < len(pattern)
    at += negated
    pieces: list[str] = []
    first = True
    while first or not pattern.startswith("]", at):
        first = False
        if pattern.startswith("[:", at) and (end := pattern.find(":]", at + 2)) >= 0:
            name = pattern[at + 2 : end]
            if name not in _POSIX:
                raise ValueError(pattern)
            pieces.append(_POSIX[name])
            at = end + 2
            continue
        low, at = _class_char(pattern, at)
        if pattern.startswith("-", at) and not pattern.startswith("-]", at):
            high, at = _class_char(pattern, at + 1)
            # A range the wrong way round is its first character.
            pieces.append(f"{re.escape(low)}-{re.escape(max(low, high))}")
        else:
            pieces.append(re.escape(low))
    body = "".join(pieces)
    if not body:
        return "[^/]" if negated else "(?!)", at + 1
    return f"(?!/)[{'^' if negated else ''}{body}]", at + 1


def _class_char(pattern: str, at: int) -> tuple[str, int]:
    if pattern.startswith("\\", at):
        at += 1
    if at >= len(pattern):
        raise ValueError(pattern)
    return pattern[at], at + 1
