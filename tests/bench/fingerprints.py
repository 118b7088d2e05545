"""Fingerprinting 20,000 files: cold (every file read) and with the stat cache (every file stat-ed)."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from kdev.core.inputs import BuildContext, Entry
from kdev.drivers.files import FileObserver
from kdev.state.folder import StateFolder
from kdev.state.statcache import StatCache
from tests.bench.measure import figure, medians, milliseconds, write_files

FILES = 20_000


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="kdev-bench-") as scratch:
        root = Path(scratch)
        write_files(root / "src", FILES)
        (root / "Dockerfile").write_text("FROM scratch\n")
        time.sleep(0.1)  # past the racy moment in which a file's stamp proves nothing yet

        def observe() -> Entry:
            stats = StatCache.load(StateFolder(str(root)))
            found = FileObserver(str(root), stats).observe(BuildContext("context", ".", "Dockerfile"))
            stats.save()
            return found

        cold = milliseconds(observe)
        before = observe()
        warm = medians({"warm": observe}, 7)["warm"]
        assert observe() == before
    figure(f"fingerprint of {FILES} files, every file read", cold, "ms")
    figure(f"fingerprint of {FILES} files, stat cache", warm, "ms")


if __name__ == "__main__":
    main()
