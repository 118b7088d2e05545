"""`kdev enter`: a shell, or a command, in a container. Its exit code becomes kdev's."""

from __future__ import annotations

from kdev.cli.options import Options
from kdev.cli.picking import pick_one
from kdev.cli.reporting import plain_screen
from kdev.cli.workshop import Workshop
from kdev.drivers.terminal import SHELL, converse
from kdev.runner.cancel import Cancellation


def main(options: Options) -> int:
    """Join the terminal and the program. Needs no lock: it disturbs no session."""
    workshop = Workshop(options._replace(pipeline="deploy"), read_only=True)
    try:
        plan = workshop.compiled().plan
        screen = plain_screen()
        target = workshop.table(plan.project, screen).target
        pod, container = pick_one(workshop, plan, target)
        cancel = Cancellation()
        process = target.exec(
            pod, container, options.arguments or SHELL, tty=screen.is_tty, workdir=options.workdir, cancel=cancel
        )
        return converse(process, screen, cancel, tty=screen.is_tty)
    finally:
        workshop.close()
