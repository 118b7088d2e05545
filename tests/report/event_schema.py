"""The JSON Schema of `-o json`, made from the event types. `python -m tests.report.event_schema` writes the file."""

from __future__ import annotations

import json
import types
import typing
from pathlib import Path
from typing import Any

from kdev.core import events
from kdev.core.step import Reason, ReasonKind, Result, StepId
from kdev.report.jsonl import name_of

FILE = Path(__file__).parents[2] / "schemas" / "events.schema.json"
KINDS: tuple[type, ...] = typing.get_args(events.Event)


def schema() -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "kdev events",
        "description": "One object per line, as `kdev -o json` writes them to standard output.",
        "oneOf": [{"$ref": f"#/$defs/{name_of(kind)}"} for kind in KINDS] + [{"$ref": "#/$defs/error"}],
        "$defs": {
            **{name_of(kind): _event(kind) for kind in KINDS},
            "error": _ERROR,
            "reason": _REASON,
            "result": _RESULT,
        },
    }


def _event(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    properties = {
        "event": {"const": name_of(kind)},
        "time": {"type": "number", "description": "Unix time in seconds"},
        **{field: _type(hints[field]) for field in kind._fields},
    }
    doc = " ".join((kind.__doc__ or "").split())
    return {
        "type": "object",
        "description": doc,
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _type(hint: Any) -> dict[str, Any]:
    if typing.get_origin(hint) is tuple:
        return {"type": "array", "items": _type(typing.get_args(hint)[0])}
    if isinstance(hint, types.UnionType):
        raise TypeError(f"no schema for {hint}")
    return {
        str: {"type": "string"},
        StepId: {"type": "string"},
        int: {"type": "integer"},
        bool: {"type": "boolean"},
        float: {"type": "number"},
        Reason: {"$ref": "#/$defs/reason"},
        Result: {"$ref": "#/$defs/result"},
    }[hint]


def _object(description: str, properties: dict[str, Any], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


_TEXT = {"type": "string"}
_REASON = _object(
    "Why a step runs. `text` is the whole sentence.",
    {"kind": {"enum": [kind.value for kind in ReasonKind]}, "subject": _TEXT, "detail": _TEXT, "text": _TEXT},
)
_RESULT = _object(
    "What a step gave. Equal digests mean that nothing changed for the steps that need it.",
    {"digest": _TEXT, "values": {"type": "object", "additionalProperties": _TEXT}},
)
_ERROR = _object(
    "kdev could not begin, or ended early: the configuration, the target or the command line is wrong.",
    {
        "event": {"const": "error"},
        "message": _TEXT,
        "hint": _TEXT,
        "exit_code": {"type": "integer"},
        "problems": {
            "type": "array",
            "items": _object(
                "One thing wrong in the configuration. `at` is file:line:column, empty when there is no such place.",
                {"at": _TEXT, "message": _TEXT, "hint": _TEXT},
            ),
        },
    },
    optional=("problems",),
)


def dumped() -> str:
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(dumped(), encoding="utf-8")
