"""The real agent as a local process, and its stdin and stdout as a Stream."""

from __future__ import annotations

import os
import platform
import subprocess
from contextlib import suppress
from pathlib import Path

from kdev import agent


def program(folder: Path) -> str:
    """The built agent for this machine, as a file in `folder`."""
    path = folder / "kdev-agent"
    path.write_bytes(agent.binary(agent.architecture(platform.machine())))
    path.chmod(0o755)
    return str(path)


class AgentProcess:
    """Meets sync.wiring.Stream."""

    def __init__(self, command: str, root: Path) -> None:
        self.process = subprocess.Popen([command, "serve", str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, bufsize=0)
        self.sent = 0

    def read(self, size: int) -> bytes:
        assert self.process.stdout is not None
        return os.read(self.process.stdout.fileno(), size)

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.sent += len(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self.process.stdin.fileno(), view):]

    def close(self) -> None:
        with suppress(OSError):
            self.process.kill()

    def end(self) -> None:
        """After `close`: nothing is left of it."""
        self.close()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
