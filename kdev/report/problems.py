"""The one place where errors become text: file:line:column, the line itself, a caret, what to do. All at once."""

from __future__ import annotations

import re

from kdev.errors import ConfigError, KdevError, LockedError, Problem, StateError, TargetError, UsageError
from kdev.report.clean import clean, width
from kdev.report.paint import Paint

_MOST = 50
_WINDOW = 100
_WORD = re.compile(r"[\w.$-]+|\S")
_KINDS: tuple[tuple[type[KdevError], str], ...] = (
    (UsageError, "usage"),
    (TargetError, "target"),
    (StateError, "state"),
    (LockedError, "locked"),
)


def describe(error: KdevError, paint: Paint | None = None) -> str:
    """What to print for an expected error, several lines, without a newline at the end."""
    paint = paint or Paint(False)
    if isinstance(error, ConfigError):
        return _config(error, paint)
    label = next((name for kind, name in _KINDS if isinstance(error, kind)), "")
    head = paint("red", f"{label} error:" if label else "error:")
    lines = [f"{head} {paint('bold', first)}" if not index else f"  {first}"
             for index, first in enumerate(_lines(error.message))]
    lines += detail_lines(error.detail, paint)
    lines += hint_lines(error.hint, paint)
    return "\n".join(lines)


def detail_lines(detail: str, paint: Paint) -> list[str]:
    """The end of a program's output, set off from kdev's own words."""
    return [f"  {paint('dim', '│')} {line}" for line in _lines(detail)] if detail.strip() else []


def hint_lines(hint: str, paint: Paint) -> list[str]:
    """What to do. Further lines of the hint are aligned with the first."""
    return [f"  {paint('cyan', 'hint:') if not index else '     '} {line}"
            for index, line in enumerate(_lines(hint))] if hint.strip() else []


def bug(error: BaseException, log_file: str, paint: Paint | None = None) -> str:
    """What to print when something unexpected happened. `log_file` holds the traceback, "" when it has none."""
    paint = paint or Paint(False)
    what = clean(f"{type(error).__name__}: {error}")[:300]
    lines = [f"{paint('red', 'unexpected error:')} {what}", "  This is a bug in kdev."]
    if log_file:
        lines.append(f"  The details are in {log_file}; please attach that file to a report.")
    return "\n".join(lines)


def _config(error: ConfigError, paint: Paint) -> str:
    problems = sorted(error.problems, key=_place)
    gutter = max((len(str(problem.at.line)) for problem in problems if problem.at), default=1)
    blocks = ["\n".join(_problem(problem, gutter, paint)) for problem in problems[:_MOST]]
    if len(problems) > _MOST:
        blocks.append(f"… and {len(problems) - _MOST} more")
    blocks.append("\n".join([paint("red", error.message), *hint_lines(error.hint, paint)]))
    return "\n\n".join(blocks)


def _place(problem: Problem) -> tuple[bool, str, int, int]:
    at = problem.at
    return (False, at.file, at.line, at.column) if at else (True, "", 0, 0)


def _problem(problem: Problem, gutter: int, paint: Paint) -> list[str]:
    message = _lines(problem.message)
    where = paint("bold", f"{problem.at}:") if problem.at else paint("bold", "configuration:")
    lines = [f"{where} {message[0]}", *(f"  {line}" for line in message[1:])]
    if problem.at and problem.source.strip():
        shown, before, under = _excerpt(problem.source, problem.at.column)
        bar = paint("dim", "│")
        lines.append(f"  {paint('dim', str(problem.at.line).rjust(gutter))} {bar} {shown}")
        lines.append(f"  {' ' * gutter} {bar} {' ' * before}{paint('red', '^' * under)}")
    return lines + hint_lines(problem.hint, paint)


def _excerpt(source: str, column: int) -> tuple[str, int, int]:
    """The part of a line around `column` (from 1) that fits, the columns before the caret, and the caret's length."""
    index = min(max(column - 1, 0), len(source))
    start = 0 if index < _WINDOW else index - _WINDOW // 2
    end = start + _WINDOW + 20
    head, tail = source[start:index], source[index:end]
    word = _WORD.match(tail)
    # Each part is cleaned for itself: the caret must stand below what is left after dangerous characters went.
    left, right = clean(head), clean(tail)
    prefix, suffix = "…" if start else "", "…" if len(source) > end else ""
    under = width(clean(word[0])) if word else 1
    return prefix + left + right + suffix, width(prefix + left), max(1, under)


def _lines(text: str) -> list[str]:
    return [clean(line) for line in text.strip("\n").split("\n")]
