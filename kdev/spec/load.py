"""The door of the room: a folder and the answers to its questions in, a Project out."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from kdev.errors import InputNeeded
from kdev.spec.configs import Chosen, choose
from kdev.spec.expand import expand
from kdev.spec.files import Files
from kdev.spec.model import HelmDeploy, Project
from kdev.spec.nodes import MapNode, Node
from kdev.spec.problems import Problems
from kdev.spec.profiles import apply_profile
from kdev.spec.project import project_of
from kdev.spec.read import Reader, Row
from kdev.spec.root import find_root as root_of
from kdev.spec.schema import Record
from kdev.spec.settings import Loaded, Question, Settings
from kdev.spec.variables import Definition, Variables, definition
from kdev.spec.versions.table import NEWEST, SCHEMAS, Version, upgraded

__all__ = ["Loaded", "Question", "Settings", "find_root", "load"]

# Sections that say how the configuration is made; variables are not looked for in them.
_ABOUT_ITSELF = ("version", "vars", "profiles")


def find_root(start: Path, config_file: str = "", *, home: Path | None = None) -> Path | None:
    """`kdev.spec.root.find_root` on paths; `home` is the user's own folder when unset."""
    found = root_of(str(start), str(home or Path("~").expanduser()), config_file)
    return None if found is None else Path(found)


def load(root: Path, settings: Settings) -> Loaded:
    """Read, expand and check the configuration in `root`. Of `settings.config_file` only the last part counts: `root`
    is its folder.

    Raises ConfigError with every problem, InputNeeded for a question that nobody can answer.
    """
    problems = Problems()
    files = Files(Path(os.path.abspath(root)), problems)
    chosen = choose(files, settings, problems)
    tree = _profiled(chosen, settings, problems)
    # Nobody is asked anything for a configuration that is wrong anyway.
    row = _checked(chosen.version, tree, problems)
    problems.stop()
    variables = Variables(_definitions(chosen, row), settings, files, problems)
    filled = _filled(tree, variables, problems)
    problems.stop()
    variables.finish()
    if filled is not tree:
        _checked(chosen.version, filled, problems)
        problems.stop()
    project = _project(chosen.version, filled, files.root, problems)
    return Loaded(
        project=replace(
            project, warnings=problems.warnings, secrets=tuple(sorted({*problems.secrets, *_passwords(project)}))
        ),
        files=files.digests,
        environment=variables.environment,
        answers=variables.answers,
        volatile=variables.volatile,
    )


def _checked(version: Version, tree: MapNode, problems: Problems) -> Row:
    reader = Reader(problems, SCHEMAS, version=version.name)
    row = reader.record(version.schema, tree, tree.at)
    version.check(row, problems)
    return row


def _profiled(chosen: Chosen, settings: Settings, problems: Problems) -> MapNode:
    fields = {field.name for field in chosen.version.schema.fields}
    if "profiles" not in fields or not settings.profile:
        return chosen.root
    about = Record("configuration", tuple(field for field in chosen.version.schema.fields if field.name == "profiles"))
    only = MapNode(chosen.root.at, {key: entry for key, entry in chosen.root.entries.items() if key == "profiles"})
    row = Reader(problems, SCHEMAS, version=chosen.version.name).record(about, only, chosen.root.at)
    if problems:
        # The patches cannot be trusted; show what else is wrong together with them.
        _checked(chosen.version, chosen.root, problems)
        problems.stop()
    tree = apply_profile(chosen.root, row.rows("profiles"), settings.profile, problems)
    if problems:
        _checked(chosen.version, chosen.root, problems)
    problems.stop()
    return tree


def _definitions(chosen: Chosen, row: Row) -> list[Definition]:
    own = [definition(one, newest=True) for one in row.rows("vars")] if "vars" in row else []
    return [*chosen.definitions, *own]


def _filled(tree: MapNode, variables: Variables, problems: Problems) -> MapNode:
    content = tree.without(*_ABOUT_ITSELF)
    try:
        filled: Node = expand(content, variables)
    except InputNeeded:
        # What else is wrong is of more use than a question that the next run asks again.
        problems.stop()
        raise
    if filled is content:
        return tree
    assert isinstance(filled, MapNode)
    return MapNode(tree.at, {key: filled.entries.get(key, entry) for key, entry in tree.entries.items()})


def _project(version: Version, tree: MapNode, root: Path, problems: Problems) -> Project:
    newest = upgraded(version, tree, problems)
    row = Reader(problems, SCHEMAS, version=NEWEST.name, internal=True).record(NEWEST.schema, newest, newest.at)
    problems.stop()
    return project_of(row, root, version.name, problems)


def _passwords(project: Project) -> set[str]:
    return {
        one.deploy.chart_password
        for one in project.deployments
        if isinstance(one.deploy, HelmDeploy) and one.deploy.chart_password
    }
