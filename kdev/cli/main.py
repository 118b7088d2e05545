"""argv → command → exit code. The one error boundary of the program."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from kdev.cli.arguments import parse
from kdev.cli.options import COMMANDS, Options
from kdev.errors import EXIT_BUG, EXIT_INTERRUPTED, EXIT_OK, KdevError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Expected errors become text and their own exit code; anything else is a bug, logged."""
    options = Options()
    # A large plan is a million objects, none of them garbage: collecting them takes a third of a no-op run.
    gc.set_threshold(100_000, 50, 50)
    try:
        parsed = parse(sys.argv[1:] if argv is None else argv)
        if isinstance(parsed, str):
            print(parsed)
            return EXIT_OK
        options = parsed
        code: int = import_module(COMMANDS[options.command][0]).main(options)
        return code
    except KdevError as error:
        import_module("kdev.cli.trouble").report(error, options)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; Python must not complain about that when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except Exception as error:  # noqa: BLE001 - the boundary: a bug gets a short message, a log file and its own code
        import_module("kdev.cli.trouble").report_bug(error, options)
        return EXIT_BUG

