"""Whether this process's streams get colours."""

from __future__ import annotations

import os

from kdev.report.paint import Paint, use_colour


def paint_for(stream: object) -> Paint:
    """Colours for a stream of this process."""
    is_tty = bool(getattr(stream, "isatty", lambda: False)())
    environment = os.environ
    return Paint(
        use_colour(is_tty=is_tty, no_color=environment.get("NO_COLOR", ""), term=environment.get("TERM", ""))
    )
