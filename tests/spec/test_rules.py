"""What must hold between the values of a configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdev.spec.rules import split_tag
from tests.spec.project import load_text, problems_of, shown

V2 = "version: v1beta2\n"
V3 = "version: v1beta3\n"
WEB = "images: {web: {image: a/web}}\n"

BROKEN = [
    pytest.param(
        V3 + "deployments:\n- name: a\n",
        ["3:3 `deployments[0]` deploys nothing"],
        "add `kubectl`, `helm` or `component`",
        id="a deployment of nothing",
    ),
    pytest.param(
        V3 + "deployments:\n- {name: a, kubectl: {manifests: [x]}}\n- {name: a, kubectl: {manifests: [x]}}\n",
        ["4:10 two deployments are called `a`"],
        "the first is at devspace.yaml:3:10; rename one of them",
        id="duplicate deployments",
    ),
    pytest.param(
        V3 + "images:\n  a: {image: docker.io/library/x}\n  b: {image: x}\n",
        ["4:14 `images.b` and `images.a` have the same repository `x`"],
        "the first is at devspace.yaml:3:14; use two repositories",
        id="duplicate repositories",
    ),
    pytest.param(
        V2 + "images:\n  a: {image: host:5000/x:1}\n",
        ["3:14 `images.a.image` holds a tag; it takes the repository alone"],
        'write `image: host:5000/x` and `tag: "1"`',
        id="a tag in image",
    ),
    pytest.param(
        V3 + f"images:\n  a: {{image: x@sha256:{'0' * 64}}}\n",
        ["3:14 `images.a.image` holds a tag; it takes the repository alone"],
        "",
        id="a digest in image",
    ),
    pytest.param(
        V3 + WEB + "dev: {sync: [{containerName: x}], ports: [{forward: []}]}\n",
        ["3:14 `dev.sync[0]` does not say which pod", "3:43 `dev.ports[0]` does not say which pod"],
        "add `imageName` or `labelSelector`",
        id="no pod in v1beta3",
    ),
    pytest.param(
        V2 + "dev: {sync: [{labelSelector: {}}]}\n",
        ["2:14 `dev.sync[0]` does not say which pod"],
        "add `selector` or `labelSelector`",
        id="no pod in v1beta2",
    ),
    pytest.param(
        V3 + WEB + "dev:\n  sync: [{imageName: wbe}]\n  interactive:\n    terminal: {imageName: x}\n"
        "    images: [{name: y}]\n  logs: {images: [web, z]}\n",
        [
            "4:22 `dev.sync[0].imageName` names the image `wbe`, which is not there",
            "6:27 `dev.interactive.terminal.imageName` names the image `x`, which is not there",
            "7:21 `dev.interactive.images[0].name` names the image `y`, which is not there",
            "8:24 `dev.logs.images` names the image `z`, which is not there",
        ],
        "did you mean `web`?",
        id="images that are not there",
    ),
    pytest.param(
        V3 + WEB + "dev: {autoReload: {images: [wob], deployments: [app]}}\n",
        [
            "3:29 `dev.autoReload.images` names the image `wob`, which is not there",
            "3:49 `dev.autoReload.deployments` names the deployment `app`, which is not there",
        ],
        "did you mean `web`?",
        id="autoReload of nothing",
    ),
    pytest.param(
        V2 + WEB + "dev: {overrideImages: [{name: api}]}\n",
        ["3:31 `dev.overrideImages[0].name` names the image `api`, which is not there"],
        "images are: `web`",
        id="overrideImages of nothing",
    ),
    pytest.param(
        V2 + "dev:\n  terminal: {selector: x}\n  sync: [{selector: ap}]\n  selectors: [{name: app}]\n",
        [
            "3:24 `dev.terminal.selector` names the selector `x`, which is not there",
            "4:21 `dev.sync[0].selector` names the selector `ap`, which is not there",
        ],
        "selectors are: `app`",
        id="selectors that are not there",
    ),
    pytest.param(
        V3 + WEB + "dev:\n  ports:\n  - imageName: web\n    forward: [{port: 80}, {port: 81}]\n"
        "  - imageName: web\n    forward: [{port: 80, bindAddress: localhost}]\n",
        ["8:22 local port 80 is used twice"],
        "first at devspace.yaml:6:22; give one of them another `port`",
        id="a local port twice",
    ),
    pytest.param(
        V2 + "dev:\n  ports:\n  - labelSelector: {a: b}\n    forward:\n    - {port: 80, bindAddress: 127.0.0.2}\n"
        "    - {port: 80, bindAddress: 0.0.0.0}\n",
        ["7:14 local port 80 is used twice"],
        None,
        id="a local port on all addresses",
    ),
    pytest.param(
        V3 + "dependencies:\n- source: {}\n- source: {git: a, path: b}\n",
        [
            "3:3 `dependencies[0].source` says neither `git` nor `path`",
            "4:20 `dependencies[1].source` has both `git` and `path`",
        ],
        "add one of them",
        id="dependencies",
    ),
]


@pytest.mark.parametrize(("text", "expected", "hint"), BROKEN)
def test_what_cannot_work_is_a_problem(tmp_path: Path, text: str, expected: list[str], hint: str | None) -> None:
    found = problems_of(tmp_path, text)
    assert [shown(problem) for problem in found] == expected
    if hint is not None:
        assert found[0].hint == hint


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            V3 + WEB + "dev:\n  ports:\n  - imageName: web\n    forward:\n    - {port: 80, bindAddress: 127.0.0.2}\n"
            "    - {port: 80, bindAddress: 127.0.0.3}\n",
            id="one port on two addresses",
        ),
        pytest.param(
            V3 + "images:\n  a: {image: x/a}\n  b: {image: x/a, build: {disabled: true}}\n",
            id="one repository, but disabled",
        ),
        pytest.param(V3 + "images: {a: {image: localhost:5000/x}}\n", id="a registry's port is no tag"),
        pytest.param(V3 + "deployments:\n- {name: a, component: {}}\n", id="an empty component"),
    ],
)
def test_what_can_work_is_accepted(tmp_path: Path, text: str) -> None:
    assert load_text(tmp_path, text).project.version == "v1beta3"


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        pytest.param(V3 + "hooks: [{command: a}]\n", "2:9: `hooks[0]` says no `when`, so it never runs", id="a hook"),
        pytest.param(
            V3 + WEB + "hooks: [{command: a, when: {before: {images: wob}}}]\n",
            "3:46: `hooks[0].when.before.images` names `wob`, which is none of `web`: this never runs",
            id="a hook of no image",
        ),
        pytest.param(
            V3 + "images: {a: {image: x, build: {docker: {}, kaniko: {}}}}\n",
            "2:24: `images.a.build` names several builders; only `kaniko` is used",
            id="two builders",
        ),
        pytest.param(
            V3 + "deployments:\n- {name: a, component: {}, kubectl: {manifests: [x]}}\n",
            "3:3: `deployments[0]` has `component`, `kubectl`; only `component` is used",
            id="two deploys",
        ),
        pytest.param(
            V3 + "commands: [{name: a, command: b}, {name: a, command: c}]\n",
            "2:42: two commands are called `a`; the first counts: devspace.yaml:2:19",
            id="two commands",
        ),
    ],
)
def test_what_has_no_effect_is_a_warning(tmp_path: Path, text: str, warning: str) -> None:
    assert load_text(tmp_path, text).project.warnings == (f"devspace.yaml:{warning}",)


@pytest.mark.parametrize(
    ("image", "repository", "tag"),
    [
        ("a", "a", ""),
        ("a:1", "a", "1"),
        ("h:5000/a", "h:5000/a", ""),
        ("h:5000/a/b:1.0", "h:5000/a/b", "1.0"),
        ("a@sha256:ff", "a", "sha256:ff"),
        ("a:1@sha256:ff", "a:1", "sha256:ff"),
    ],
)
def test_a_tag_is_told_from_a_port(image: str, repository: str, tag: str) -> None:
    assert split_tag(image) == (repository, tag)
