"""v1beta2 keeps its meaning: what v1beta3 says otherwise, or cannot say, still counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdev.spec.model import Dev, HelmDeploy, Selector, Sync, Terminal
from tests.spec.project import load_text

V2 = "version: v1beta2\nimages: {web: {image: a/web}}\n"


def dev(tmp_path: Path, text: str) -> Dev:
    return load_text(tmp_path, V2 + text).project.dev


def terminal(tmp_path: Path, text: str) -> Terminal:
    found = dev(tmp_path, text).terminal
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "enabled"),
    [
        pytest.param("", True, id="no dev at all"),
        pytest.param("dev: {}\n", True, id="no terminal"),
        pytest.param("dev: {terminal: {}}\n", True, id="an empty terminal"),
        pytest.param("dev: {terminal: {disabled: false}}\n", True, id="not disabled"),
        pytest.param("dev: {terminal: {disabled: true}}\n", False, id="disabled"),
        pytest.param("dev: {terminal: {disabled: on}}\n", False, id="disabled in YAML 1.1"),
        pytest.param("dev: {terminal: {disabled: No}}\n", True, id="not disabled in YAML 1.1"),
    ],
)
def test_v1beta2_opens_a_terminal_unless_it_is_disabled(tmp_path: Path, text: str, enabled: bool) -> None:
    assert terminal(tmp_path, text).enabled is enabled


def test_a_disabled_terminal_may_come_from_a_variable(tmp_path: Path) -> None:
    text = V2 + "dev:\n  terminal:\n    disabled: ${OFF}\n"
    for value, enabled in (("t", False), ("1", False), ("true", False), ("F", True), ("0", True)):
        found = load_text(tmp_path, text, variables={"OFF": value}).project.dev.terminal
        assert found is not None
        assert found.enabled is enabled, value


def test_the_only_selector_is_the_terminals(tmp_path: Path) -> None:
    one = "dev:\n  selectors:\n  - {name: a, labelSelector: {x: y}, containerName: c, namespace: n}\n"
    assert terminal(tmp_path, one).selector == Selector("", (("x", "y"),), "c", "n")
    assert terminal(tmp_path, one + "  - {name: b, labelSelector: {z: y}}\n").selector == Selector()
    own = terminal(tmp_path, one + "  terminal: {labelSelector: {own: '1'}}\n")
    assert own.selector == Selector("", (("own", "1"),))


def test_what_a_user_of_a_selector_says_itself_wins(tmp_path: Path) -> None:
    text = """\
dev:
  selectors: [{name: a, labelSelector: {x: y}, containerName: c, namespace: n}]
  sync:
  - {selector: a, containerName: own}
  - {selector: a, namespace: own, labelSelector: {z: z}}
  ports: [{selector: a, forward: [{port: 1}]}]
"""
    found = dev(tmp_path, text)
    assert [sync.selector for sync in found.sync] == [
        Selector("", (("x", "y"),), "own", "n"),
        Selector("", (("z", "z"),), "c", "own"),
    ]
    assert found.ports[0].selector == Selector("", (("x", "y"),), "", "n")


@pytest.mark.parametrize(
    ("override", "entrypoint", "cmd"),
    [
        pytest.param(
            "{name: web, entrypoint: [sleep, '9', x]}", ("sleep",), ("9", "x"), id="the first is the entrypoint"
        ),
        pytest.param("{name: web, entrypoint: [sleep]}", ("sleep",), (), id="one element clears the command"),
        pytest.param("{name: web, entrypoint: []}", None, None, id="an empty one changes nothing"),
        pytest.param("{name: web, dockerfile: ./D, context: ./c/}", None, None, id="none changes nothing"),
    ],
)
def test_an_override_splits_its_entrypoint_and_counts_in_every_dev(
    tmp_path: Path, override: str, entrypoint: tuple[str, ...] | None, cmd: tuple[str, ...] | None
) -> None:
    [found] = dev(tmp_path, f"dev: {{overrideImages: [{override}]}}\n").overrides
    assert (found.image, found.always, found.entrypoint, found.cmd) == ("web", True, entrypoint, cmd)
    if "dockerfile" in override:
        assert (found.dockerfile, found.context) == ("D", "c")


def test_sync_of_v1beta2_keeps_what_only_the_container_has_without_a_warning(tmp_path: Path) -> None:
    project = load_text(tmp_path, V2 + "dev: {sync: [{labelSelector: {a: b}}]}\n").project
    assert [sync.initial for sync in project.dev.sync] == ["preferLocal"]
    assert project.warnings == ()


@pytest.mark.parametrize(
    ("written", "initial", "warned"),
    [
        ("", "preferLocal", True),
        ("downloadOnInitialSync: true", "preferLocal", False),
        ("downloadOnInitialSync: false", "mirrorLocal", False),
    ],
)
def test_the_initial_sync_of_v1beta3(tmp_path: Path, written: str, initial: str, warned: bool) -> None:
    entry = f"{{labelSelector: {{a: b}}, {written}}}" if written else "{labelSelector: {a: b}}"
    project = load_text(tmp_path, f"version: v1beta3\ndev: {{sync: [{entry}, {entry}]}}\n").project
    assert [sync.initial for sync in project.dev.sync] == [initial, initial]
    assert len(project.warnings) == warned
    assert all(type(sync) is Sync for sync in project.dev.sync)


def test_defaults_and_names_that_changed_keep_their_meaning(tmp_path: Path) -> None:
    text = (
        V2
        + """\
deployments:
- {name: a, helm: {chart: {name: x}, devSpaceValues: false}}
- {name: b, helm: {chart: {name: x}}}
dependencies: [{source: {path: x}, config: staging}]
cluster: {kubeContext: ctx, namespace: ns}
"""
    )
    project = load_text(tmp_path, text).project
    tags = [one.deploy.replace_image_tags for one in project.deployments if isinstance(one.deploy, HelmDeploy)]
    assert (project.images[0].create_pull_secret, tags) == (False, [False, True])
    assert (
        load_text(tmp_path, text.replace("a/web", "a/web, createPullSecret: true")).project.images[0].create_pull_secret
    )
    assert load_text(tmp_path, "version: v1beta3\nimages: {a: {image: b}}\n").project.images[0].create_pull_secret
    assert project.dependencies[0].profile == "staging"
    assert (project.kube_context, project.namespace) == ("ctx", "ns")


def test_every_key_that_v1beta3_drops_or_changes_is_a_warning(tmp_path: Path) -> None:
    text = (
        V2
        + """\
cluster: {namespace: ns}
dev:
  overrideImages: [{name: web, dockerfile: D, context: c}]
  terminal: {disabled: true}
  selectors: [{name: a, labelSelector: {a: b}}]
"""
    )
    warnings = load_text(tmp_path, text).project.warnings
    assert [warning.split("`")[1] for warning in warnings] == [
        "cluster",
        "dev.overrideImages",
        "dockerfile",
        "context",
        "dev.terminal",
        "dev.selectors",
    ]
    assert [warning.split(": ")[0] for warning in warnings] == [
        f"devspace.yaml:{place}" for place in ("3:1", "5:3", "5:32", "5:47", "6:3", "7:3")
    ]
