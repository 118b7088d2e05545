"""A Dockerfile's text → its instructions and stages, with the place of each. Reads as Docker's own parser does.

Parser directives, continuations, comments inside them, heredocs. It judges no instruction and changes no byte.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from kdev.errors import ConfigError, Mark, Problem
from kdev.spec.dockerfile_words import BadWord, expand, flags, split


class Instruction(NamedTuple):
    """One instruction. `name` is upper case, `rest` the joined text after it, `heredocs` (name, content) pairs.

    `line` counts from 1; `start` and `end` are offsets in the text: its first character, and the one after its last
    line's newline. `dangling` is the offset of a continuation that the end of the file cut off, or -1.
    """

    name: str
    rest: str
    line: int
    start: int
    end: int
    heredocs: tuple[tuple[str, str], ...] = ()
    dangling: int = -1


class Stage(NamedTuple):
    """FROM and what follows it. `image` and `platform` as written; `name` in lower case, "" without AS."""

    number: int
    name: str
    image: str
    platform: str
    at: Instruction
    instructions: tuple[Instruction, ...]

    @property
    def label(self) -> str:
        return self.name or str(self.number)


class Dockerfile(NamedTuple):
    """A parsed Dockerfile. `arguments` are the ARG instructions before the first FROM."""

    file: str
    text: str
    escape: str
    syntax: str
    arguments: tuple[Instruction, ...]
    stages: tuple[Stage, ...]

    def error(self, line: int, message: str, hint: str = "") -> ConfigError:
        """The error for `line`."""
        return wrong(self.file, self.text, line, message, hint)


def parse(text: str, file: str = "Dockerfile") -> Dockerfile:
    """Read `text`; newlines as they are in the file. `file` is only named in errors. Raises ConfigError."""
    directives, escape = _directives(text, file)
    reader = _Reader(text, file, escape)
    arguments: list[Instruction] = []
    stages: list[tuple[Instruction, list[Instruction]]] = []
    for instruction in reader.instructions():
        if instruction.name == "FROM":
            stages.append((instruction, []))
        elif stages:
            stages[-1][1].append(instruction)
        elif instruction.name == "ARG":
            arguments.append(instruction)
        else:
            raise wrong(file, text, instruction.line, f"{instruction.name} comes before the first FROM")
    if not stages:
        raise wrong(file, text, 1, "there is no FROM instruction")
    return Dockerfile(
        file, text, escape, directives.get("syntax", ""), tuple(arguments),
        tuple(_stage(i, at, found, reader) for i, (at, found) in enumerate(stages)),
    )


def wrong(file: str, text: str, line: int, message: str, hint: str = "") -> ConfigError:
    """The error for one line of `text`."""
    lines: list[str] = _LINE.findall(text)
    source = lines[line - 1].rstrip("\r\n") if 0 < line <= len(lines) else ""
    return ConfigError((Problem(Mark(file, line, 1), message, hint, source),))


# Only \n ends a line: other separators that str.splitlines knows are ordinary characters to Docker.
_LINE = re.compile(r"[^\n]*\n|[^\n]+\Z")
_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*\Z")
_SPACE = " \t\v\f\r"


def _directives(text: str, file: str) -> tuple[dict[str, str], str]:
    """The parser directives on the first lines, and the escape character."""
    found: dict[str, str] = {}
    for number, line in enumerate(_LINE.findall(text.removeprefix("\ufeff")), 1):
        match = _DIRECTIVE.match(line.strip())
        if not match:
            break
        name = match[1].lower()
        if name not in ("escape", "syntax", "check"):
            continue
        if name in found:
            raise wrong(file, text, number, f"the parser directive `{name}` is there twice")
        found[name] = match[2]
        if name == "escape" and match[2] not in ("\\", "`"):
            raise wrong(file, text, number, f"the escape character cannot be {match[2]!r}", "use \\ or `")
    return found, found.get("escape", "\\")


class _Reader:
    """Walks over the lines of one text."""

    def __init__(self, text: str, file: str, escape: str) -> None:
        self.text = text
        self.file = file
        self.escape = escape
        self.lines = _LINE.findall(text)
        self.number = 0  # of lines taken
        self.offset = 0  # behind the last line taken
        mark = re.escape(escape)
        # Two escape characters at the end are one that stands for itself, and no continuation.
        self.continued = re.compile(rf"(?:(?<=[^{mark}])|\A){mark}[ \t]*\Z")

    def instructions(self) -> list[Instruction]:
        """All of them, in order."""
        found: list[Instruction] = []
        while self.number < len(self.lines):
            instruction = self._next()
            if instruction:
                found.append(instruction)
        return found

    def _take(self) -> str:
        line: str = self.lines[self.number]
        self.number += 1
        self.offset += len(line)
        return line

    def _next(self) -> Instruction | None:
        start = self.offset
        number = self.number + 1
        raw = self._take()
        first = raw.removeprefix("\ufeff") if number == 1 else raw
        line = first.rstrip("\r\n").lstrip()
        if not line or line.startswith("#"):
            return None
        joined, cut = self._without_mark(line)
        while cut >= 0 and self.number < len(self.lines):
            line = self._take().rstrip("\r\n")
            if not line.strip() or line.lstrip().startswith("#"):
                continue  # Docker passes over these and goes on with the instruction
            piece, cut = self._without_mark(line)
            joined += piece
        name, _, rest = re.sub(r"\s+", " ", joined.strip(), count=1).partition(" ")
        if not name:
            return None
        heredocs = tuple(self._heredoc(one, number) for one in _heredocs(name, rest))
        return Instruction(name.upper(), rest.strip(), number, start, self.offset, heredocs, cut)

    def _without_mark(self, line: str) -> tuple[str, int]:
        """(the line without its continuation mark, the mark's offset in the text or -1). `line` was taken last."""
        match = self.continued.search(line)
        if not match:
            return line, -1
        physical = self.lines[self.number - 1]
        return line[: match.start()], self.offset - len(physical) + physical.rindex(self.escape)

    def _heredoc(self, found: tuple[str, bool], number: int) -> tuple[str, str]:
        name, chomp = found
        content = ""
        while self.number < len(self.lines):
            line = self._take()
            end = line.rstrip("\r\n")
            if (end.lstrip("\t") if chomp else end) == name:
                return name, content
            content += line.lstrip("\t") if chomp else line
        raise wrong(self.file, self.text, number, f"the heredoc {name} is never ended", f"add a line with {name} alone")


_HEREDOC = re.compile(r"\d*<<(-?)([^<]+)\Z")


def _heredocs(name: str, rest: str) -> list[tuple[str, bool]]:
    """(end word, are leading tabs dropped) of each heredoc that an instruction opens."""
    if name.upper() == "ONBUILD":
        name, _, rest = re.sub(r"\s+", " ", rest.strip(), count=1).partition(" ")
    _, arguments = flags(rest)
    if name.upper() not in ("RUN", "COPY", "ADD") or arguments.startswith("["):
        return []
    found = []
    for word in split(rest):
        match = _HEREDOC.match(word)
        if match:
            try:
                found.append((expand(match[2], lambda variable: f"${variable}"), bool(match[1])))
            except BadWord:
                continue  # then it is the shell's business
    return found


def _stage(number: int, at: Instruction, found: list[Instruction], reader: _Reader) -> Stage:
    given, rest = flags(at.rest, reader.escape)
    words = rest.split()
    if not (len(words) == 1 or (len(words) == 3 and words[1].upper() == "AS")):
        raise wrong(reader.file, reader.text, at.line, "FROM needs an image, and may have AS and a name")
    name = words[2].lower() if len(words) == 3 else ""
    return Stage(number, name, words[0], dict(given).get("platform", ""), at, tuple(found))
