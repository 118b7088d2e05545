"""What is printed and logged when a command ends with an error."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback

from kdev import __version__
from kdev.cli.colours import paint_for
from kdev.cli.options import Options
from kdev.errors import ConfigError, KdevError, StateError
from kdev.report.problems import bug, describe
from kdev.state.folder import StateFolder


def report(error: KdevError, options: Options) -> None:
    """An expected error: text on stderr; with `-o json` one object on stdout as well."""
    if options.output == "json":
        document = {"event": "error", "message": error.message, "hint": error.hint, "exit_code": error.exit_code}
        if isinstance(error, ConfigError):
            document["problems"] = [
                {"at": str(p.at) if p.at else "", "message": p.message, "hint": p.hint} for p in error.problems
            ]
        print(json.dumps(document))
    print(describe(error, paint_for(sys.stderr)), file=sys.stderr)


def report_bug(error: BaseException, options: Options) -> None:
    """Something unexpected: a short message, and the traceback in a log file."""
    text = "".join(traceback.format_exception(error))
    head = f"kdev {__version__}, Python {sys.version.split()[0]}, {sys.platform}\n"
    log = ""
    try:
        folder = StateFolder(os.path.abspath(options.directory or "."), read_only=options.dry_run)
        name = time.strftime("bug-%Y%m%d-%H%M%S.log")
        if os.path.isdir(folder.path):
            folder.write((head + text).encode("utf-8", "replace"), "logs", name)
            log = os.path.join(folder.path, "logs", name) if not folder.read_only else ""
    except StateError:
        log = ""
    if not log:
        print(text, file=sys.stderr)
    print(bug(error, log, paint_for(sys.stderr)), file=sys.stderr)
