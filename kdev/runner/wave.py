"""What came of one change, or of the start: how many steps ran, how many were up to date."""

from __future__ import annotations


class Wave:
    """Counts for itself and for `total`. `told`: somebody waits to hear that it is through."""

    def __init__(self, total: Wave | None = None, *, told: bool = True) -> None:
        self.ran = 0
        self.skipped = 0
        self.told = told
        self._total = total

    def run(self) -> None:
        """A step ran."""
        self.ran += 1
        if self._total:
            self._total.run()

    def skip(self) -> None:
        """A step was up to date."""
        self.skipped += 1
        if self._total:
            self._total.skip()
