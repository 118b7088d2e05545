"""Who listens on a local TCP port already: a help for people, so not knowing is an answer too."""

from __future__ import annotations

import os
import shutil
import subprocess

_LISTEN = "0A"


def owner_of(port: int) -> str:
    """E.g. `nginx (pid 812)`; "" when it cannot be known, for instance another user's process."""
    if os.path.exists("/proc/net/tcp"):
        return _from_proc(port)
    return _from_lsof(port)


def _from_proc(port: int) -> str:
    sockets = {f"socket:[{inode}]" for inode in _inodes(port)}
    for pid in filter(str.isdigit, os.listdir("/proc")) if sockets else ():
        try:
            held = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
            if held & sockets:
                with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as comm:
                    return f"{comm.read().strip()} (pid {pid})"
        except OSError:  # it ended meanwhile, or is not ours to look at
            continue
    return ""


def _inodes(port: int) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table, encoding="ascii") as lines:
                rows = [line.split() for line in lines][1:]
        except OSError:
            continue
        found |= {row[9] for row in rows if row[3] == _LISTEN and int(row[1].rsplit(":", 1)[1], 16) == port}
    return found - {"0"}


def _from_lsof(port: int) -> str:
    lsof = shutil.which("lsof")
    if not lsof:
        return ""
    command = [lsof, "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpc"]
    try:
        text = subprocess.run(command, capture_output=True, text=True, timeout=2, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    fields = {line[0]: line[1:] for line in text.splitlines() if line}
    return f"{fields['c']} (pid {fields['p']})" if {"c", "p"} <= fields.keys() else ""
