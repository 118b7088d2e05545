"""The last rows of a terminal, redrawn in place, with lasting lines written above them.

Knows escape sequences and widths; what the rows say is none of its business. Not safe for threads: its owner locks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kdev.report.clean import clip, width

_ERASE_BELOW = "\x1b[J"


class Region:
    """`size` gives (columns, rows) now."""

    def __init__(self, size: Callable[[], tuple[int, int]]) -> None:
        self._size = size
        self._drawn: list[str] = []
        self._columns = 0

    def draw(self, above: Sequence[str], rows: Sequence[str]) -> str:
        """What to write: `above` for good, then `rows` in place of the rows before. "" when nothing differs."""
        columns, height = self._size()
        # One column stays free: a row that fills the line makes some terminals wrap and some not.
        shown = [clip(row, columns - 1) for row in rows[: max(1, height - 1)]]
        if not above and shown == self._drawn and columns == self._columns:
            return ""
        parts = [self._back(columns), *(f"{line}\n" for line in above)]
        # The cursor stays visible, at the end: a session that is killed must not leave a terminal without one.
        parts.append("\n".join(shown))
        self._drawn, self._columns = shown, columns
        return "".join(parts)

    def _back(self, columns: int) -> str:
        """To the first drawn row, erasing from there. A terminal that became narrower has wrapped rows."""
        if not self._drawn:
            return ""
        tall = sum(max(1, -(-width(row) // max(1, columns))) for row in self._drawn)
        up = f"\x1b[{tall - 1}A" if tall > 1 else ""
        return f"\r{up}{_ERASE_BELOW}"
