"""The little shell language inside Dockerfile instructions: words, flags, quotes, `$VAR` and `${VAR…}`.

Pure text in, text out. It runs nothing and knows no instruction.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

Lookup = Callable[[str], str | None]
"""The value of a variable, None when it is not set."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?\-$!]")


class BadWord(ValueError):
    """An expression that Docker refuses; str() says what is wrong with it."""


def expand(word: str, lookup: Lookup, escape: str = "\\") -> str:
    """`word` with its variables filled in and its quotes and escapes resolved. Raises BadWord."""
    text, _ = _Expander(word, lookup, escape).until("")
    return text


def split(text: str, escape: str = "\\") -> list[str]:
    """The words of `text`, with their quotes and escapes still in them."""
    return [text[start:end] for start, end in _spans(text, escape)]


def flags(text: str, escape: str = "\\") -> tuple[list[tuple[str, str]], str]:
    """The `--name=value` words in front (value "" when there is none), and what comes after them."""
    found: list[tuple[str, str]] = []
    end = 0
    for start, stop in _spans(text, escape):
        word = _unquoted(text[start:stop], escape)
        if not word.startswith("--"):
            return found, text[start:]
        end = stop
        if word == "--":
            break
        name, _, value = word[2:].partition("=")
        found.append((name, value))
    return found, text[end:].lstrip()


def _spans(text: str, escape: str) -> Iterator[tuple[int, int]]:
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        start, quote = at, ""
        while at < len(text) and (quote or not text[at].isspace()):
            char = text[at]
            if char == escape and quote != "'":
                at += 1  # whatever follows belongs to the word
            elif quote:
                quote = "" if char == quote else quote
            elif char in "'\"":
                quote = char
            at += 1
        yield start, min(at, len(text))


def _unquoted(word: str, escape: str) -> str:
    # A flag is unquoted but never expanded: `$` stands for itself.
    text, quote, at = "", "", 0
    while at < len(word):
        char = word[at]
        if char == escape and quote != "'" and at + 1 < len(word):
            at += 1
            text += word[at]
        elif quote and char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        else:
            text += char
        at += 1
    return text


class _Expander:
    """One pass over a word. `at` is the next character."""

    def __init__(self, word: str, lookup: Lookup, escape: str) -> None:
        self.word = word
        self.lookup = lookup
        self.escape = escape
        self.at = 0

    def until(self, stop: str) -> tuple[str, bool]:
        """Text up to one of the characters in `stop` (consumed) or the end; True when `stop` was met."""
        text = ""
        while self.at < len(self.word):
            char = self.word[self.at]
            if stop and char in stop:
                self.at += 1
                return text, True
            if char == "'":
                end = self.word.find("'", self.at + 1)
                if end < 0:
                    raise BadWord("a single quote is never closed")
                text += self.word[self.at + 1 : end]
                self.at = end + 1
            elif char == '"':
                self.at += 1
                text += self._double_quoted()
            else:
                text += self._char()
        return text, False

    def _double_quoted(self) -> str:
        text = ""
        while self.at < len(self.word):
            char = self.word[self.at]
            if char == '"':
                self.at += 1
                return text
            following = self.word[self.at + 1 : self.at + 2]
            if char == self.escape and following not in ('"', "$", self.escape):
                text += char
                self.at += 1
            else:
                text += self._char()
        raise BadWord("a double quote is never closed")

    def _char(self) -> str:
        char = self.word[self.at]
        self.at += 1
        if char == self.escape:
            following = self.word[self.at : self.at + 1]
            self.at += 1
            return following or char
        return self._variable() if char == "$" else char

    def _variable(self) -> str:
        if self.word.startswith("{", self.at):
            self.at += 1
            return self._braced()
        match = _NAME.match(self.word, self.at)
        if not match:
            return "$"
        self.at = match.end()
        return self.lookup(match[0]) or ""

    def _braced(self) -> str:
        match = _NAME.match(self.word, self.at)
        if not match:
            raise BadWord("bad substitution")
        self.at = match.end()
        name, value = match[0], self.lookup(match[0])
        rest = self.word[self.at :]
        operator = next((known for known in _OPERATORS if rest.startswith(known)), "")
        if not operator:
            raise BadWord(f"unsupported modifier in ${{{name}{rest[:1]}…}}" if rest else f"${{{name} is never closed")
        self.at += len(operator)
        if operator == "}":
            return value or ""
        if operator in ("/", "//"):
            return _replaced(value or "", *self._pattern_and_text(), everywhere=operator == "//")
        word, closed = self.until("}")
        if not closed:
            raise BadWord(f"${{{name} is never closed")
        if operator[0] in "#%":
            return _trimmed(value or "", word, operator)
        there = bool(value) if operator[0] == ":" else value is not None
        kind = operator[-1]
        if kind == "-":
            return (value or "") if there else word
        if kind == "+":
            return word if there else ""
        if not there:
            raise BadWord(f"{name}: {word or 'is not set'}")
        return value or ""

    def _pattern_and_text(self) -> tuple[str, str]:
        pattern, _ = self.until("/")
        text, closed = self.until("}")
        if not closed:
            raise BadWord("bad substitution")
        return pattern, text


# Longest first: `:-` before `-`, `##` before `#`.
_OPERATORS = ("}", ":-", ":+", ":?", "-", "+", "?", "##", "#", "%%", "%", "//", "/")


def _glob(pattern: str, greedy: bool) -> str:
    star = ".*" if greedy else ".*?"
    return "".join(star if char == "*" else "." if char == "?" else re.escape(char) for char in pattern)


def _trimmed(value: str, pattern: str, operator: str) -> str:
    greedy = len(operator) == 2
    if operator[0] == "#":
        return re.sub(rf"\A{_glob(pattern, greedy)}", "", value, count=1, flags=re.DOTALL)
    # The shortest match at the end is found from the last start onwards, the longest from the first.
    compiled = re.compile(rf"{_glob(pattern, True)}\Z", re.DOTALL)
    starts = range(len(value) + 1) if greedy else range(len(value), -1, -1)
    return next((value[:start] for start in starts if compiled.match(value, start)), value)


def _replaced(value: str, pattern: str, text: str, *, everywhere: bool) -> str:
    return re.sub(_glob(pattern, True), lambda _: text, value, count=0 if everywhere else 1, flags=re.DOTALL)
