"""Which files make up the configuration: devspace.yaml, or for v1beta2 a named one of devspace-configs.yaml with its
overrides and variables. Decides the version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kdev.errors import Mark
from kdev.spec.files import Files
from kdev.spec.nodes import Entry, MapNode, Node, Scalar, excerpt, is_null, kind_of
from kdev.spec.problems import Problems, did_you_mean, listed
from kdev.spec.read import Reader, Row
from kdev.spec.root import CONFIG, CONFIGS
from kdev.spec.settings import Settings
from kdev.spec.variables import Definition, definition
from kdev.spec.versions import v1beta2
from kdev.spec.versions.table import NEWER, NEWEST, OLDER, VERSIONS, Version

VARS = "devspace-vars.yaml"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The raw configuration, its version, and the variables that came from outside of it."""

    root: MapNode
    version: Version
    definitions: tuple[Definition, ...] = ()


def choose(files: Files, settings: Settings, problems: Problems) -> Chosen:
    """Read the files of the root. Raises ConfigError when there is no readable configuration of a known version."""
    main_name = settings.config_file.replace("\\", "/").rpartition("/")[2] or CONFIG
    main = files.document(files.root / main_name)
    configs = None if settings.config_file else files.document(files.root / CONFIGS)
    if main is None and configs is None:
        problems.add(None, f"there is no {main_name} here", "`kdev init` writes one")
        problems.stop()
    name = settings.config_name or settings.profile
    if main is not None:
        root = _mapping(main, problems)
        version = version_of(root, problems)
        if configs is None or version.name != v1beta2.NAME:
            if configs is not None:
                problems.warn(configs.at, f"{CONFIGS} does not count: {main_name} is {version.name}")
            return _single(root, version, name, files, problems)
    assert configs is not None
    return _named(configs, name or "default", files, problems, alone=main is None)


def version_of(root: MapNode, problems: Problems) -> Version:
    """The version that `root` says. Raises ConfigError when it says none, or one that this build does not read."""
    written = root.value("version")
    reads = f"this build reads {listed(VERSIONS)}"
    if written is None:
        problems.add(root.place("version"), "`version` is missing", f"add `version: {NEWEST.name}` as the first line")
    elif not isinstance(written, Scalar):
        problems.add(written.at, f"`version` must be text, not {kind_of(written)}", reads)
    elif written.text in VERSIONS:
        return VERSIONS[written.text]
    elif written.text in NEWER:
        problems.add(written.at, f"the config version `{written.text}` is newer than what this build reads", reads)
    elif written.text in OLDER:
        problems.add(written.at, f"the config version `{written.text}` is older than what this build reads", reads)
    else:
        hint = did_you_mean(written.text, VERSIONS)
        problems.add(written.at, f"the config version `{excerpt(written.text)}` is not known", hint or reads)
    problems.stop()
    raise AssertionError("a problem was added")


def _mapping(node: Node, problems: Problems) -> MapNode:
    if not isinstance(node, MapNode):
        problems.add(node.at, f"the file must hold a mapping, not {kind_of(node)}", "it starts with `version: …`")
        problems.stop()
    assert isinstance(node, MapNode)
    return node


def _single(root: MapNode, version: Version, name: str, files: Files, problems: Problems) -> Chosen:
    if version.name != v1beta2.NAME:
        return Chosen(root, version)
    if name not in ("", "default"):
        problems.add(root.place("version"), f"there is no `{name}`: profiles start with v1beta3, and named configs of "
                     f"v1beta2 are in {CONFIGS}")
    variables = files.document(files.root / VARS)
    return Chosen(root, version, () if variables is None else _definitions(variables, problems))


def _named(configs: Node, name: str, files: Files, problems: Problems, *, alone: bool) -> Chosen:
    reader = Reader(problems)
    table: Any = reader.value(v1beta2.CONFIGS, configs, configs.at, "")
    problems.stop()
    row: Row | None = table.get(name)
    if row is None:
        problems.add(configs.at, f"there is no config `{name}` in {CONFIGS}",
                     did_you_mean(name, table) or f"configs are: {listed(table)}")
        problems.stop()
    assert row is not None
    base = _mapping(_source(row.row("config"), files, problems), problems)
    version = version_of(base, problems)
    if version.name != v1beta2.NAME:
        what = f"{CONFIGS} belongs to v1beta2, and the config `{name}` is {version.name}"
        hint = f"write one {CONFIG} with `profiles`" if alone else f"remove {CONFIGS}"
        problems.add(base.place("version"), what, hint)
        problems.stop()
    for override in row.rows("overrides"):
        other = _mapping(_source(override, files, problems), problems)
        stated = other.value("version")
        if isinstance(stated, Scalar) and stated.text != version.name:
            problems.add(stated.at, f"an override of a {version.name} config cannot be `{excerpt(stated.text)}`",
                         "leave `version` out")
        base = merged(base, other.without("version"))
    variables = row.node.value("vars")
    return Chosen(base, version, _variables(variables, files, problems))


def _source(row: Row | None, files: Files, problems: Problems) -> Node:
    """The node that a `path` or `data` gives."""
    assert row is not None
    path, data = row.text("path"), row.node.value("data")
    if bool(path) == (data is not None):
        said = "both `path` and `data`" if path else "neither `path` nor `data`"
        problems.add(row.at, f"`{row.path}` says {said}", "it takes one of them")
        problems.stop()
    if data is not None:
        return data
    return _file(path, row.place("path"), files, problems)


def _file(path: str, at: Mark, files: Files, problems: Problems) -> Node:
    node = files.document(files.root / path.replace("\\", "/"))
    if node is None:
        problems.add(at, f"there is no file {excerpt(path)}", "paths are relative to the folder of this file")
        problems.stop()
    assert node is not None
    return node


def _variables(node: Node | None, files: Files, problems: Problems) -> tuple[Definition, ...]:
    if not isinstance(node, MapNode):
        return () if node is None else _definitions(node, problems)
    row = Reader(problems).record(v1beta2.VARS_SOURCE, node, node.at, "vars")
    problems.stop()
    path, data = row.text("path"), node.value("data")
    if bool(path) == (data is not None):
        problems.add(node.at, f"`vars` says {'both' if path else 'neither'} `path` and `data`", "it takes one of them")
        problems.stop()
    if data is None:
        data = _file(path, row.place("path"), files, problems)
    return _definitions(data, problems)


def _definitions(node: Node, problems: Problems) -> tuple[Definition, ...]:
    rows: Any = Reader(problems).value(v1beta2.VARS, node, node.at, "vars")
    problems.stop()
    return tuple(definition(row, newest=False) for row in rows)


def merged(base: MapNode, over: MapNode) -> MapNode:
    """`base` with `over` laid on it: mappings merge, everything else is replaced, null changes nothing."""
    entries = dict(base.entries)
    for key, entry in over.entries.items():
        old = base.value(key)
        if is_null(entry.value):
            continue
        if isinstance(old, MapNode) and isinstance(entry.value, MapNode):
            entries[key] = Entry(base.place(key), merged(old, entry.value))
        else:
            entries[key] = entry
    return MapNode(base.at, entries)
