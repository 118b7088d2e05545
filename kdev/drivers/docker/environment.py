"""A container's environment from its spec: literal values, ConfigMaps, Secrets, fields of the pod, `$(NAME)`. Pure."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from kdev.errors import StepFailed

Data = Mapping[tuple[str, str], Mapping[str, bytes]]
"""(kind, name) → what a ConfigMap or Secret holds."""

_KINDS = {
    "configMapRef": "ConfigMap", "configMapKeyRef": "ConfigMap", "secretRef": "Secret", "secretKeyRef": "Secret",
}
_ENTRY = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
_REFERENCE = re.compile(r"\$(\$|\(([A-Za-z_.-][A-Za-z0-9_.-]*)\))")


def data_of(manifest: Mapping[str, Any]) -> dict[str, bytes]:
    """What a ConfigMap or Secret holds. StepFailed when a value is no base64."""
    name = f"{manifest['kind']}/{manifest['metadata']['name']}"
    data: dict[str, bytes] = {}
    encoded = manifest.get("data") if manifest["kind"] == "Secret" else manifest.get("binaryData")
    for key, value in (encoded or {}).items():
        try:
            data[key] = base64.b64decode(str(value), validate=False)
        except (binascii.Error, ValueError) as error:
            raise StepFailed(f"{name}: the value of {key} is no base64") from error
    plain = manifest.get("stringData") if manifest["kind"] == "Secret" else manifest.get("data")
    for key, value in (plain or {}).items():
        data[key] = str(value).encode()
    return data


def expand(text: str, values: Mapping[str, str]) -> str:
    """`$(NAME)` replaced where NAME is known; `$$` is a dollar sign. Everything else stays as it is."""

    def one(match: re.Match[str]) -> str:
        if match.group(1) == "$":
            return "$"
        return values.get(match.group(2), match.group(0))

    return _REFERENCE.sub(one, text)


def is_entry(path: str) -> bool:
    """Whether a field's path names one label or annotation of the pod."""
    return _ENTRY.fullmatch(path) is not None


def pod_fields(labels: Mapping[str, str], annotations: Mapping[str, str]) -> dict[str, str]:
    """The fields that labels and annotations are: each of them, and all together as the lines of a file."""
    fields: dict[str, str] = {}
    for name, entries in (("metadata.labels", labels), ("metadata.annotations", annotations)):
        fields |= {f"{name}['{key}']": value for key, value in entries.items()}
        lines = [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in sorted(entries.items())]
        fields[name] = "\n".join(lines)
    return fields


def field(path: str, fields: Mapping[str, str]) -> str:
    """What a field of the pod holds; a label or annotation that is not there is empty."""
    return fields.get(path, "") if is_entry(path) else fields[path]


def file_fields(volume: Mapping[str, Any]) -> list[str]:
    """The paths of the pod's fields that a volume has as files."""
    sources = (volume, *((volume.get("projected") or {}).get("sources") or ()))
    return [str((item.get("fieldRef") or {}).get("fieldPath", ""))
            for source in sources for item in (source.get("downwardAPI") or {}).get("items") or ()]


def environment(container: Mapping[str, Any], fields: Mapping[str, str], data: Data) -> dict[str, str]:
    """The variables of a container, in order. `fields` are the pod's own (`metadata.name`, `status.podIP`…).

    StepFailed for a reference that leads nowhere and is not optional.
    """
    values: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        for kind, key in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
            if key in source:
                found = _source(kind, source[key], data, container)
                values.update({source.get("prefix", "") + name: _text(value) for name, value in found.items()})
    for variable in container.get("env") or ():
        name = variable["name"]
        if "valueFrom" not in variable or variable["valueFrom"] is None:
            values[name] = expand(_plain(variable.get("value")), values)
            continue
        value = _value_from(variable["valueFrom"], fields, data, container)
        if value is not None:
            values[name] = value
    return values


def references(containers: Sequence[Mapping[str, Any]], volumes: Sequence[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """(kind, name) of every ConfigMap and Secret that containers and volumes name."""
    found: set[tuple[str, str]] = set()
    for container in containers:
        sources: list[Any] = [*(container.get("envFrom") or ())]
        sources += [variable.get("valueFrom") or {} for variable in container.get("env") or ()]
        for source in sources:
            for key, value in source.items():
                if key in _KINDS and value:
                    found.add((_KINDS[key], value["name"]))
    for volume in volumes:
        for item in (volume, *((volume.get("projected") or {}).get("sources") or ())):
            if item.get("configMap"):
                found.add(("ConfigMap", item["configMap"]["name"]))
            if item.get("secret"):
                found.add(("Secret", item["secret"].get("secretName") or item["secret"].get("name", "")))
    return found


def _value_from(
    source: Mapping[str, Any], fields: Mapping[str, str], data: Data, container: Mapping[str, Any]
) -> str | None:
    if "fieldRef" in source:
        return field(source["fieldRef"]["fieldPath"], fields)
    kind = "ConfigMap" if "configMapKeyRef" in source else "Secret"
    reference = source["configMapKeyRef" if kind == "ConfigMap" else "secretKeyRef"]
    found = _source(kind, reference, data, container)
    key = reference["key"]
    if key in found:
        return _text(found[key])
    if reference.get("optional"):
        return None
    raise StepFailed(f"container {container['name']} wants key {key} of {kind}/{reference['name']}, which has none")


def _source(kind: str, reference: Mapping[str, Any], data: Data, container: Mapping[str, Any]) -> Mapping[str, bytes]:
    found = data.get((kind, reference["name"]))
    if found is None and not reference.get("optional"):
        raise StepFailed(f"container {container['name']} wants {kind}/{reference['name']}, which does not exist")
    return found or {}


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
