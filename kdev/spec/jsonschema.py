"""The JSON Schema of a config version, for editors: made from the same records that the loader reads by."""

from __future__ import annotations

import json
from typing import Any

from kdev.spec.schema import Anything, Bool, Field, Int, ListOf, MapOf, Record, Text, Type, records
from kdev.spec.versions.table import VERSIONS

_VARIABLE = {"type": "string", "pattern": r"\$\{[A-Za-z0-9_.-]+\}"}


def json_schema(version: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the config version called `version`; KeyError when there is none."""
    schema = VERSIONS[version].schema
    definitions = {_name(name): _record(record) for name, record in records(schema).items() if record is not schema}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"devspace.yaml {version}",
        **_record(schema),
        "$defs": dict(sorted(definitions.items())),
    }


def schema_text(version: str) -> str:
    """The file that schemas/ holds for `version`."""
    return json.dumps(json_schema(version), indent=2, ensure_ascii=False) + "\n"


def _name(record: str) -> str:
    return record.replace(" ", "-")


def _record(record: Record) -> dict[str, Any]:
    fields = [field for field in record.fields if not field.internal]
    properties = {name: _field(field) for field in fields for name in (field.name, *field.aliases)}
    required = [field.name for field in fields if field.required]
    result: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**result, "required": required} if required else result


def _field(field: Field) -> dict[str, Any]:
    result = _type(field.type)
    if not field.required:
        result = _or_null(result)
    if field.doc:
        result = {"description": field.doc, **result}
    return result if field.default is None else {**result, "default": field.default}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema`, or nothing at all: a key without a value counts as absent."""
    if "enum" in schema:
        return {"enum": [*schema["enum"], None]}
    if isinstance(schema.get("type"), list):
        return {**schema, "type": sorted({*schema["type"], "null"})}
    if "type" in schema:
        return {**schema, "type": [schema["type"], "null"]}
    if "anyOf" in schema:
        return {"anyOf": [*schema["anyOf"], {"type": "null"}]}
    return {"anyOf": [schema, {"type": "null"}]} if schema else schema


def _type(kind: Type) -> dict[str, Any]:
    if isinstance(kind, Record):
        return {"$ref": f"#/$defs/{_name(kind.name)}"}
    if isinstance(kind, ListOf):
        return {"type": "array", "items": _type(kind.item)}
    if isinstance(kind, MapOf):
        return {"type": "object", "additionalProperties": _type(kind.value)}
    if isinstance(kind, Anything):
        return {"type": "object"} if kind.mapping else {}
    if isinstance(kind, Int):
        return {"anyOf": [{"type": "integer", "minimum": kind.least, "maximum": kind.most}, _VARIABLE]}
    if isinstance(kind, Bool):
        return {"anyOf": [{"type": "boolean"}, _VARIABLE]}
    return _text(kind)


def _text(kind: Text) -> dict[str, Any]:
    if kind.choices:
        return {"enum": list(kind.choices)}
    types = ["boolean", "number", "string"]
    return {"type": [*types, "null"] if kind.nullable else types}
