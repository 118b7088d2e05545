"""What is wrong with text that is no YAML, in words that help: encodings, control characters, tabs, quoting."""

from __future__ import annotations

import re
from typing import Any

from kdev.errors import Mark, Problem

_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"\x00\x00\xfe\xff": "UTF-32"}


def encoding_problem(data: bytes, file: str) -> Problem | None:
    """The first byte of `data` that is no UTF-8, or the first character that YAML forbids."""
    for bom, name in _BOMS.items():
        if data.startswith(bom):
            return Problem(Mark(file, 1, 1), f"the file is {name}", "save it as UTF-8")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        return Problem(
            _place(before, file), f"the byte 0x{data[error.start]:02x} is no UTF-8", "save the file as UTF-8"
        )
    match = _FORBIDDEN.search(text)
    if match is None:
        return None
    return Problem(
        _place(text[: match.start()], file), f"the control character U+{ord(match[0]):04X} is not allowed in YAML"
    )


def _place(before: str, file: str) -> Mark:
    lines = re.split("\r\n|[\n\r\x85\u2028\u2029]", before)
    return Mark(file, len(lines), len(lines[-1]) + 1)


def syntax_problem(error: Exception, lines: tuple[str, ...], file: str) -> Problem:
    """The parser's complaint as a Problem: where it stumbled, and what is usually meant."""
    mark: Any = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return Problem(Mark(file, 1, 1), f"not readable as YAML: {str(error)[:120]}")
    # The end of the file is shown as its last line: there is nothing to see behind it.
    line = min(mark.line, len(lines) - 1)
    column = mark.column if line == mark.line else len(lines[line])
    text = lines[line]
    message, hint = _explain(error, text, column)
    return Problem(Mark(file, line + 1, column + 1), message, hint, text[:240])


def _explain(error: Exception, text: str, column: int) -> tuple[str, str]:
    problem = str(getattr(error, "problem", "") or error)
    context = str(getattr(error, "context", "") or "")
    here = text[column : column + 1]
    if here == "{" and text[column - 1 : column] == "$":
        return (
            "a variable inside `[…]` or `{…}` must be quoted",
            'write the whole item in quotes, like ["a-${VAR}"]',
        )
    if ("\t" in text[: column + 1] and not text[: column + 1].strip()) or here == "\t":
        return "a tab cannot indent YAML", "use spaces"
    if "mapping values are not allowed" in problem:
        return "a `:` where no key can be", "quote the value if it holds `: `, or check the indentation"
    if "cannot start any token" in problem:
        return f"a value cannot start with `{here}`", "quote the value"
    if "quoted scalar" in context and "end of stream" in problem:
        return "a quote is opened and never closed", ""
    if "expected ','" in problem:
        return "a `[…]` or `{…}` is not closed, or lacks a comma", "quote values that hold `{`, `}`, `[`, `]` or `,`"
    if "expected ':'" in problem:
        return "a line that is no `key: value`", "check the indentation, or add the `:`"
    if "block" in context and ("block end" in problem or "expected key" in problem or "'-' indicator" in problem):
        return "the indentation does not fit the lines before", ""
    return f"not readable as YAML: {problem[:120]}", ""
