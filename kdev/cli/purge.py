"""`kdev purge`: delete exactly what carries this project's labels, and forget that it was made."""

from __future__ import annotations

import json

from kdev.cli.options import Options
from kdev.cli.reporting import plain_screen
from kdev.cli.workshop import Workshop
from kdev.core.workloads import ObjectRef
from kdev.errors import EXIT_CHANGES, EXIT_OK
from kdev.runner.cancel import Cancellation


def main(options: Options) -> int:
    """Delete, or with --dry-run list what would be deleted."""
    workshop = Workshop(options._replace(pipeline="deploy"), read_only=options.dry_run)
    try:
        if options.dry_run:
            return _purge(workshop)
        with workshop.lock():
            return _purge(workshop)
    finally:
        workshop.close()


def _purge(workshop: Workshop) -> int:
    plan = workshop.compiled().plan
    target = workshop.table(plan.project, plain_screen()).target
    refs = target.owned(plan.project)
    if workshop.options.dry_run:
        _show(workshop.options, refs, "would delete")
        return EXIT_CHANGES if refs and workshop.options.detailed_exitcode else EXIT_OK
    target.delete(refs, Cancellation())
    for step in plan.steps:
        if step.id.rpartition("::")[2].startswith(("deploy:", "ready:", "namespace:", "hook:")):
            workshop.journal.forget(step.id)
    _show(workshop.options, refs, "deleted")
    return EXIT_OK


def _show(options: Options, refs: tuple[ObjectRef, ...], verb: str) -> None:
    if options.output == "json":
        objects = [{"kind": ref.kind, "namespace": ref.namespace, "name": ref.name} for ref in refs]
        print(json.dumps({"event": verb.replace(" ", "_"), "objects": objects}))
        return
    for ref in refs:
        print(f"{verb} {ref} in {ref.namespace}" if ref.namespace else f"{verb} {ref}")
    if not refs:
        print("there is nothing of this project to delete")
