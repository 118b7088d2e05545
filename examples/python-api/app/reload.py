"""Run a Python program and start it anew whenever a .py file beside it changes: `python3 reload.py PROGRAM`."""

import pathlib
import signal
import subprocess
import sys
import time

FOLDER = pathlib.Path(__file__).parent


def snapshot():
    """What the sources look like. Compared for equality: a synced file may well get an older time."""
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in FOLDER.rglob("*.py")}


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    seen = snapshot()
    process = subprocess.Popen([sys.executable, *sys.argv[1:]], cwd=FOLDER)
    try:
        while True:
            time.sleep(0.3)
            try:
                now = snapshot()
            except FileNotFoundError:  # a file went away between listing and looking: look again
                continue
            if now != seen:
                print("changed:", ", ".join(sorted(p.name for p in {*now, *seen} if now.get(p) != seen.get(p))))
                seen = now
                process.terminate()
                process.wait()
                process = subprocess.Popen([sys.executable, *sys.argv[1:]], cwd=FOLDER)
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
