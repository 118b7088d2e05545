"""Questions to the person at the terminal. Off a terminal nobody is asked, and the error names the flag."""

from __future__ import annotations

import getpass
import re
import sys
from collections.abc import Callable

from kdev.spec.settings import Question


def asker(read_only: bool) -> Callable[[Question], str] | None:
    """A way to ask, or None when nobody can be asked: off a terminal, and in a dry run, which must not wait."""
    return None if read_only or not (sys.stdin.isatty() and sys.stderr.isatty()) else _ask


def _ask(question: Question) -> str:
    while True:
        answer = _read(question) or question.default
        if question.options and answer not in question.options:
            print(f"  please answer one of: {', '.join(question.options)}", file=sys.stderr)
        elif question.validation_pattern and not (question.options or re.search(question.validation_pattern, answer)):
            message = question.validation_message or f"the answer must match {question.validation_pattern}"
            print(f"  {message}", file=sys.stderr)
        else:
            return answer


def _read(question: Question) -> str:
    choices = f" ({', '.join(question.options)})" if question.options else ""
    default = f" [{question.default}]" if question.default else ""
    prompt = f"{question.text}{choices}{default}: "
    if question.secret:
        return getpass.getpass(prompt)
    print(prompt, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().rstrip("\n")
