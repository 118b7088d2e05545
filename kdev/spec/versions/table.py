"""The one table of config versions: its schema, its own checks, and the step to the next version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kdev.spec.nodes import MapNode
from kdev.spec.problems import Problems
from kdev.spec.read import Row
from kdev.spec.rules import check_v1beta2, check_v1beta3
from kdev.spec.schema import Record
from kdev.spec.versions import v1beta2, v1beta3
from kdev.spec.versions.upgrade_v1beta2 import upgrade as upgrade_v1beta2


@dataclass(frozen=True, slots=True)
class Version:
    """A config version. `upgrade` leads to the next entry of the table; None for the newest."""

    name: str
    schema: Record
    check: Callable[[Row, Problems], None]
    upgrade: Callable[[MapNode, Problems], MapNode] | None = None


VERSIONS: Mapping[str, Version] = {
    version.name: version
    for version in (
        Version(v1beta2.NAME, v1beta2.SCHEMA, check_v1beta2, upgrade_v1beta2),
        Version(v1beta3.NAME, v1beta3.SCHEMA, check_v1beta3),
    )
}
"""Oldest first."""

NEWEST = tuple(VERSIONS.values())[-1]
SCHEMAS = {name: version.schema for name, version in VERSIONS.items()}

OLDER = ("v1alpha1", "v1alpha2", "v1alpha3", "v1alpha4", "v1beta1")
NEWER = ("v1beta4", "v1beta5", "v1beta6", "v1beta7", "v1beta8", "v1beta9", "v1beta10", "v1beta11", "v2beta1")


def upgraded(version: Version, root: MapNode, notes: Problems) -> MapNode:
    """`root` of `version`, taken step by step to the newest version. What changes its meaning is told to `notes`."""
    steps = list(VERSIONS.values())
    for step in steps[steps.index(version) :]:
        if step.upgrade is not None:
            root = step.upgrade(root, notes)
    return root
