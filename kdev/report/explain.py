"""Reasons as sentences. The words of ReasonKind are turned into text here and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence

from kdev.core.plan import Verdict
from kdev.core.step import Reason, ReasonKind, Trace

_SHOWN = 3


def sentence(reason: Reason) -> str:
    """One reason, e.g. `input changed: web/Dockerfile (added)` or `forced by -b`."""
    subject = reason.subject
    detail = reason.detail
    match reason.kind:
        case ReasonKind.FORCED:
            text = f"forced by {subject}" if subject else "forced"
            return f"{text} ({detail})" if detail else text
        case ReasonKind.DRIFTED:
            return " ".join(part for part in (f"drifted: {subject}", detail) if part)
        case ReasonKind.NEVER_RAN:
            return f"never ran: {subject}" if subject else "never ran"
    text = f"{reason.kind.value}: {subject}" if subject else reason.kind.value
    return f"{text} ({detail})" if detail else text


def summary(reasons: Sequence[Reason], *, limit: int = _SHOWN) -> str:
    """All reasons on one line: those of one kind together, at most `limit` of each named, the others counted."""
    kinds: dict[str, list[Reason]] = {}
    for reason in reasons:
        kinds.setdefault(reason.kind, []).append(reason)
    return "; ".join(_together(same, limit) for same in kinds.values())


def _together(same: list[Reason], limit: int) -> str:
    head, *rest = (sentence(reason) for reason in same)
    prefix = f"{same[0].kind.value}: "
    if not rest:
        return head
    named = [head, *(text.removeprefix(prefix) for text in rest[: limit - 1])]
    more = len(same) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def duration(seconds: float) -> str:
    """For people: `40 ms`, `2.1 s`, `3 min 05 s`, `1 h 02 min`."""
    if seconds < 0.0995:
        return f"{max(0, round(seconds * 1000))} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def ago(seconds: float) -> str:
    """For people: `just now`, `12 s ago`, `3 min ago`, `2 days ago`."""
    if seconds < 1:
        return "just now"
    for size, unit in ((86400, "day"), (3600, "h"), (60, "min")):
        count = int(seconds // size)
        if count:
            return f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''} ago"
    return f"{int(seconds)} s ago"


def count(number: int, noun: str) -> str:
    """`1 step`, `2 steps`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def why(verdict: Verdict, latest: Trace | None, now: float, waits_for: Sequence[str] = ()) -> str:
    """The answer to `kdev why STEP`, several lines.

    `latest` is the step's last success, `now` a Unix time, `waits_for` the steps on whose results a `may` depends.
    """
    head = {
        "run": f"{verdict.step} will run:",
        "may": f"{verdict.step} may run:",
        "skip": f"{verdict.step} is up to date:",
    }[verdict.verdict]
    lines = [sentence(reason) for reason in verdict.reasons]
    if verdict.verdict == "may" and waits_for:
        lines.append(f"it runs if the result of {' or '.join(waits_for)} changes")
    if verdict.verdict == "skip":
        lines.append("every input is what it was at the last success, and its result is still there")
    if latest is not None:
        took = duration(latest.seconds)
        lines.append(f"last success {ago(now - latest.finished)}, it took {took} (run {latest.run})")
    return "\n".join([head, *(f"  {line}" for line in lines)])
