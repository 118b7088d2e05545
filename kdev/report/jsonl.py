"""One JSON object per event and line, as schemas/events.schema.json says. A result's blob is never written."""

from __future__ import annotations

import json
from typing import Any, TextIO

from kdev.core.events import Event
from kdev.core.ports import Clock
from kdev.core.step import Reason, Result
from kdev.report.explain import sentence
from kdev.report.output import Output


class JsonLines:
    """Meets core.ports.Reporter."""

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        self._out = Output(stream)
        self._clock = clock

    def tell(self, event: Event) -> None:
        # Everything beyond ASCII is escaped: the line is safe in any encoding and on any terminal.
        self._out.write(json.dumps(document(event, self._clock.now()), separators=(",", ":")) + "\n")

    def close(self) -> None:
        """Every line is flushed as it is written."""


def document(event: Event, time: float) -> dict[str, Any]:
    """An event as JSON types: its name in snake case, the Unix time in seconds, its fields."""
    return {"event": name_of(type(event)), "time": round(time, 3), **_fields(event)}


def name_of(kind: type) -> str:
    """`RunStarted` → `run_started`."""
    return "".join("_" + char.lower() if char.isupper() else char for char in kind.__name__).lstrip("_")


def reason_document(reason: Reason) -> dict[str, str]:
    """A reason with its sentence, so that nobody has to word it again."""
    return {"kind": reason.kind.value, "subject": reason.subject, "detail": reason.detail, "text": sentence(reason)}


def _fields(value: Any) -> dict[str, Any]:
    return {field: _plain(getattr(value, field)) for field in value._fields}


def _plain(value: Any) -> Any:
    if isinstance(value, Reason):
        return reason_document(value)
    if isinstance(value, Result):
        return {"digest": value.digest, "values": dict(value.values)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
