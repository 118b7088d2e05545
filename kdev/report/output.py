"""Where a reporter writes: a text stream that may break, be slow or know few characters. Writing never raises."""

from __future__ import annotations

from typing import TextIO


class Output:
    """Writes whole pieces of text. After the reader has gone (`kdev … | head`) it says nothing more."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._gone = False

    def write(self, text: str) -> None:
        """Write and flush `text`. What the stream's encoding lacks is shown as an escape."""
        if self._gone or not text:
            return
        try:
            self._put(text)
        except (OSError, ValueError):
            self._gone = True

    def _put(self, text: str) -> None:
        try:
            self._stream.write(text)
        except UnicodeEncodeError:
            encoding = getattr(self._stream, "encoding", None) or "ascii"
            self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        self._stream.flush()
