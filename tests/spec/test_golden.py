"""A full configuration of each version, and what it becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdev.spec.jsonschema import json_schema, schema_text
from kdev.spec.load import Settings, load
from kdev.spec.nodes import Node, plain_tree
from kdev.spec.read import walk
from kdev.spec.schema import records
from kdev.spec.source import parse
from kdev.spec.versions import v1beta2
from kdev.spec.versions.table import VERSIONS
from tests.spec.project import CONFIGS, as_lines, write

GOLDEN = Path(__file__).parent / "golden"
SCHEMAS = Path(__file__).parents[2] / "schemas"
SETTINGS = {
    "environment": {"STAGE": "dev"},
    "variables": {"PORT": "80"},
    "ask": lambda question: "t-secret",
}


def tree(name: str) -> Node:
    root = parse((CONFIGS / name).read_bytes(), name).root
    assert root is not None
    return root


@pytest.mark.parametrize(
    ("version", "profile"),
    [
        pytest.param("v1beta2", "", id="v1beta2"),
        pytest.param("v1beta3", "", id="v1beta3"),
        pytest.param("v1beta3", "live", id="v1beta3-with-a-profile"),
    ],
)
def test_a_full_configuration_becomes_the_project_of_the_golden_file(
    tmp_path: Path, version: str, profile: str
) -> None:
    folder = write(tmp_path / "shop", {"devspace.yaml": (CONFIGS / f"full-{version}.yaml").read_bytes()})
    loaded = load(folder, Settings(profile=profile, **SETTINGS))
    lines = "\n".join(as_lines(loaded)).replace(str(folder), "ROOT") + "\n"
    name = f"{version}-{profile}.txt" if profile else f"{version}.txt"
    assert lines == (GOLDEN / name).read_text()


@pytest.mark.parametrize("version", VERSIONS)
def test_every_key_of_a_schema_is_written_in_its_full_configuration(version: str) -> None:
    schema = VERSIONS[version].schema
    known = {
        (record.name, field.name)
        for record in records(schema).values()
        for field in record.fields
        if not field.internal
    }
    used = set(walk(schema, tree(f"full-{version}.yaml")))
    assert used == known
    assert len(known) > 140


def test_every_key_of_the_files_beside_v1beta2_is_written_in_their_full_configuration() -> None:
    known = {
        (record.name, field.name)
        for kind in (v1beta2.CONFIGS, v1beta2.VARS_SOURCE)
        for record in records(kind).values()
        for field in record.fields
    }
    root = tree("full-configs.yaml")
    used = set(walk(v1beta2.CONFIGS, root))
    for entry in root.entries.values():
        used |= set(walk(v1beta2.VARS_SOURCE, entry.value.entries["vars"].value))
        used |= set(walk(v1beta2.VARS, entry.value.entries["vars"].value))
    assert used == known


@pytest.mark.parametrize("version", VERSIONS)
def test_the_json_schema_file_is_the_one_that_the_code_gives(version: str) -> None:
    path = SCHEMAS / f"{version}.json"
    renew = (
        f"from kdev.spec.jsonschema import schema_text; open({str(path.name)!r}, 'w').write(schema_text({version!r}))"
    )
    assert path.read_text(encoding="utf-8") == schema_text(version), f"renew it in schemas/: python -c {renew!r}"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_json_schema_accepts_the_full_configuration_and_refuses_unknown_keys(version: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json_schema(version)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    content = plain_tree(tree(f"full-{version}.yaml"))
    # The schema says what editors should offer; `no` for false is read but not offered.
    if version == "v1beta2":
        content["images"]["web"]["build"]["disabled"] = False
    assert [error.message for error in validator.iter_errors(content)] == []
    assert list(validator.iter_errors({**content, "imagess": {}}))
    assert list(validator.iter_errors({**content, "version": "v1"}))
