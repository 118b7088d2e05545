"""Colour: whether there is any, the few styles kdev uses, and a stable colour per log source.

Reads no environment: whether to colour is worked out from values handed in.
"""

from __future__ import annotations

import zlib

_CODES = {"red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36", "dim": "2", "bold": "1"}
_SOURCES = ("36", "33", "35", "32", "34", "96", "93", "95", "92", "94")
STATES = {"run": "yellow", "may": "cyan", "skip": "green"}
"""The style of each verdict of a plan."""


def use_colour(*, is_tty: bool, no_color: str = "", term: str = "") -> bool:
    """Colours only on a terminal that has them. `no_color` and `term` are those variables' values, "" when unset."""
    return is_tty and not no_color and term != "dumb"


class Paint:
    """Styles text, or leaves it alone when `on` is False."""

    def __init__(self, on: bool) -> None:
        self.on = on

    def __call__(self, style: str, text: str) -> str:
        """`text` in one of the styles red, green, yellow, blue, cyan, dim, bold."""
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if self.on and text else text

    def source(self, name: str, text: str) -> str:
        """`text` in the colour of the log source `name`: the same in every session and on every machine."""
        if not self.on or not text:
            return text
        return f"\x1b[{_SOURCES[zlib.crc32(name.encode('utf-8', 'replace')) % len(_SOURCES)]}m{text}\x1b[0m"
