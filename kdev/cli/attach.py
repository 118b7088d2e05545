"""`kdev attach`: this terminal on the main process of a container. Ctrl-P Ctrl-Q leaves it running."""

from __future__ import annotations

from kdev.cli.options import Options
from kdev.cli.picking import pick_one
from kdev.cli.reporting import plain_screen
from kdev.cli.workshop import Workshop
from kdev.drivers.terminal import converse
from kdev.runner.cancel import Cancellation


def main(options: Options) -> int:
    """Until the process ends, with its exit code, or until the user leaves (0). Needs no lock."""
    workshop = Workshop(options._replace(pipeline="deploy"), read_only=True)
    try:
        plan = workshop.compiled().plan
        screen = plain_screen()
        target = workshop.table(plan.project, screen).target
        pod, name = pick_one(workshop, plan, target)
        tty = any(container.tty for container in pod.containers if container.name == name)
        cancel = Cancellation()
        process = target.attach(pod, name, cancel=cancel)
        return converse(process, screen, cancel, tty=tty, detachable=True)
    finally:
        workshop.close()
