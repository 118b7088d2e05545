"""`kdev enter`: a shell, or a command, in a container. Its exit code becomes kdev's."""

from __future__ import annotations

from kdev.cli.options import Options
from kdev.cli.picking import chosen
from kdev.drivers.terminal import SHELL, converse
from kdev.runner.cancel import Cancellation


def main(options: Options) -> int:
    """Join the terminal and the program."""
    with chosen(options) as at:
        cancel, tty = Cancellation(), at.screen.is_tty
        argv = options.arguments or SHELL
        process = at.target.exec(at.pod, at.container, argv, tty=tty, workdir=options.workdir, cancel=cancel)
        return converse(process, at.screen, cancel, tty=tty)
