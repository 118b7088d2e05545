"""Which container `enter` and `attach` mean, off a terminal: one that is named or the only one; never a guess."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kdev.cli.options import Options
from kdev.cli.picking import pick_one
from kdev.core.actions import Deploy
from kdev.core.graph import Graph
from kdev.core.step import Role, Step, StepId
from kdev.core.workloads import Container, Pod
from kdev.errors import InputNeeded, KdevError, StepFailed, UsageError

DEPLOY = Step(StepId("deploy:web"), Role.EFFECT, Deploy("web", "dev", "render:web"))
PLAN = Graph([DEPLOY]).lower(project="p", pipeline="deploy")


def pod(name: str, *containers: str, phase: str = "Running") -> Pod:
    return Pod("dev", name, name, phase, "", (), tuple(Container(one, "x") for one in containers))


def picked(pods: list[Pod], **options: str) -> tuple[str, str]:
    target: Any = SimpleNamespace(pods=lambda namespace, labels, image: tuple(pods) if namespace == "dev" else ())
    found, container = pick_one(SimpleNamespace(options=Options(**options)), PLAN, target)  # type: ignore[arg-type]
    return found.name, container


@pytest.mark.parametrize(
    ("pods", "options", "expected"),
    [
        pytest.param([pod("a", "c")], {}, ("a", "c"), id="the only one"),
        pytest.param([pod("a", "c"), pod("b", "c", phase="Failed")], {}, ("a", "c"), id="the only one that runs"),
        pytest.param([pod("a", "c"), pod("b", "c")], {"pod": "b"}, ("b", "c"), id="a named pod"),
        pytest.param([pod("a", "c", "d")], {"container": "d"}, ("a", "d"), id="a named container"),
    ],
)
def test_what_can_be_told_is_taken(pods: list[Pod], options: dict[str, str], expected: tuple[str, str]) -> None:
    assert picked(pods, **options) == expected


@pytest.mark.parametrize(
    ("pods", "options", "error", "message"),
    [
        pytest.param([], {}, StepFailed, "no running pod", id="none"),
        pytest.param([pod("a", "c"), pod("b", "c")], {}, InputNeeded, "several pods: a, b", id="several pods"),
        pytest.param([pod("a", "c", "d")], {}, InputNeeded, "several containers: c, d", id="several containers"),
        pytest.param([pod("a", "c")], {"container": "nope"}, UsageError, "no container nope", id="no such container"),
        pytest.param([pod("a", "c")], {"label_selector": "x"}, UsageError, "KEY=VALUE", id="no labels"),
        pytest.param([pod("a", "c")], {"image": "web"}, UsageError, "no such image", id="no such image"),
    ],
)
def test_what_cannot_be_told_is_an_error_that_names_the_flag(
    pods: list[Pod], options: dict[str, str], error: type[KdevError], message: str
) -> None:
    with pytest.raises(error, match=message):
        picked(pods, **options)
