"""`kdev attach`: this terminal on the main process of a container. Ctrl-P Ctrl-Q leaves it running."""

from __future__ import annotations

from kdev.cli.options import Options
from kdev.cli.picking import chosen
from kdev.drivers.terminal import converse
from kdev.runner.cancel import Cancellation


def main(options: Options) -> int:
    """Until the process ends, with its exit code, or until the user leaves (0)."""
    with chosen(options) as at:
        cancel = Cancellation()
        tty = any(container.tty for container in at.pod.containers if container.name == at.container)
        process = at.target.attach(at.pod, at.container, cancel=cancel)
        return converse(process, at.screen, cancel, tty=tty, detachable=True)
