"""Everything wrong with a configuration, collected: problems that stop it and warnings that do not. Knows the text of
the files, so that each problem carries its line. Refuses to stop at the first.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from kdev.errors import ConfigError, Mark, Problem

_MOST = 100
# More are only counted: a wrong file of megabytes shall not take minutes to be told so.
_KEPT = 1000
_NAMES = 20
_LONGEST_LINE = 240


class Problems:
    """Problems and warnings of one load. `sources` maps a file's name to its lines; `secrets` are never shown."""

    def __init__(self) -> None:
        self.sources: dict[str, Sequence[str]] = {}
        self.secrets: list[str] = []
        self._problems: dict[Problem, None] = {}
        self._beyond = 0
        self._warnings: dict[tuple[str, int, int, str], None] = {}

    def __bool__(self) -> bool:
        return bool(self._problems)

    @property
    def plenty(self) -> bool:
        """Whether there are so many problems that nobody reads the hint of a further one."""
        return len(self._problems) >= _KEPT

    def add(self, at: Mark | None, message: str, hint: str = "") -> None:
        """Remember something that is wrong; the same thing twice counts once."""
        if self.plenty:
            self._beyond += 1
            return
        self._problems[Problem(at, message, hint, self._line(at))] = None

    def warn(self, at: Mark | None, message: str) -> None:
        """Remember something worth saying that stops nothing."""
        self._warnings[(at.file, at.line, at.column, message) if at else ("", 0, 0, message)] = None

    def stop(self) -> None:
        """Raise ConfigError when there is any problem."""
        if self._problems:
            found = (p._replace(message=self._shown(p.message), hint=self._shown(p.hint)) for p in self._problems)
            ordered = sorted(found, key=lambda p: (p.at or Mark("", 0, 0), p.message))
            shown = ordered[:_MOST]
            more = len(ordered) - len(shown) + self._beyond
            if more:
                shown.append(Problem(None, f"{more} more problems are not shown"))
            raise ConfigError(tuple(shown))

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings in the order of the files, each with its place."""
        return tuple(
            self._shown(f"{file}:{line}:{column}: {text}" if file else text)
            for file, line, column, text in sorted(self._warnings)
        )

    def _shown(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text

    def _line(self, at: Mark | None) -> str:
        lines = self.sources.get(at.file, ()) if at else ()
        return lines[at.line - 1][:_LONGEST_LINE] if at and at.line <= len(lines) else ""


def did_you_mean(word: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """`did you mean …?` for the known word nearest to `word`, "" when none is as near as `likeness` (0 to 1)."""
    names = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word[:80].lower(), names, n=1, cutoff=likeness)
    return f"did you mean `{names[near[0]]}`?" if near else ""


def listed(names: Iterable[str]) -> str:
    """`names` for a sentence: `a`, `b`; or `none`. Only the first of very many."""
    known = list(names)
    more = ["…"] if len(known) > _NAMES else []
    return ", ".join([f"`{name}`" for name in known[:_NAMES]] + more) or "none"
