"""Every kind of mistake, with its place, its line and what is probably meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.spec.project import load_text, problems_of, shown

HEAD2 = "version: v1beta2\n"
HEAD3 = "version: v1beta3\n"
IMAGES = "images:\n  web: {image: a/web}\n"

MISTAKES = [
    # version
    pytest.param(
        "images: {}\n", ["1:1 `version` is missing"], "add `version: v1beta3` as the first line", id="no version"
    ),
    pytest.param("version:\n", ["1:1 `version` is missing"], None, id="an empty version"),
    pytest.param(
        "version: v1beta33\n",
        ["1:10 the config version `v1beta33` is not known"],
        "did you mean `v1beta3`?",
        id="a misspelt version",
    ),
    pytest.param(
        "version: v2beta1\nx: 1\n",
        ["1:10 the config version `v2beta1` is newer than what this build reads"],
        "this build reads `v1beta2`, `v1beta3`",
        id="a newer version",
    ),
    pytest.param(
        "version: v1alpha2\n",
        ["1:10 the config version `v1alpha2` is older than what this build reads"],
        None,
        id="an older version",
    ),
    pytest.param(
        "version: [v1beta3]\n", ["1:10 `version` must be text, not a list"], None, id="a version that is a list"
    ),
    pytest.param("- a\n", ["1:1 the file must hold a mapping, not a list"], None, id="a file that is a list"),
    pytest.param("text\n", ["1:1 the file must hold a mapping, not `text`"], None, id="a file that is text"),
    pytest.param("", ["1:1 devspace.yaml is empty"], None, id="an empty file"),
    # unknown keys
    pytest.param(HEAD3 + "imagess: {}\n", ["2:1 `imagess` is no known key"], "did you mean `images`?", id="a typo"),
    pytest.param(
        HEAD3 + "images:\n  web:\n    image: a/b\n    build:\n      dokcer: {}\n",
        ["6:7 `images.web.build.dokcer` is no known key"],
        "did you mean `docker`?",
        id="a typo deep inside",
    ),
    pytest.param(
        HEAD3 + "cluster: {namespace: x}\n",
        ["2:1 `cluster` is no known key"],
        "it is a key of v1beta2, and this file is v1beta3",
        id="a key of another version",
    ),
    pytest.param(
        HEAD2 + "vars: []\n",
        ["2:1 `vars` is no known key"],
        "it is a key of v1beta3, and this file is v1beta2",
        id="a key of a later version",
    ),
    pytest.param(
        HEAD3 + "images: {web: {image: a/b, target: x}}\n",
        ["2:28 `images.web.target` is no known key"],
        "it is a key of `build options`",
        id="a key in the wrong place",
    ),
    pytest.param(
        HEAD3 + "images: {web: {image: a/b, zzzzz: x}}\n",
        ["2:28 `images.web.zzzzz` is no known key"],
        "known here: `image`, `tag`, `dockerfile`, `context`, `createPullSecret`, `build`, `entrypoint`, `cmd`",
        id="a key from nowhere",
    ),
    pytest.param(
        HEAD3 + "dev: {interactive: {images: [{name: web, always: true}]}}\n" + IMAGES,
        ["2:42 `dev.interactive.images[0].always` is no known key"],
        None,
        id="a key that only upgrades write",
    ),
    pytest.param(
        HEAD3 + "images:\n  a: {image: x/a, build: {custom: {command: c, args: [], flags: []}}}\n",
        ["3:58 `images.a.build.custom.flags` and `args` are the same key"],
        "remove one",
        id="both spellings",
    ),
    # types
    pytest.param(HEAD3 + "images: []\n", ["2:9 `images` must be a mapping, not a list"], None, id="list for mapping"),
    pytest.param(
        HEAD3 + "deployments: {}\n", ["2:14 `deployments` must be a list, not a mapping"], None, id="map for list"
    ),
    pytest.param(HEAD3 + "deployments: x\n", ["2:14 `deployments` must be a list, not `x`"], None, id="text for list"),
    pytest.param(
        HEAD3 + "images: {web: x}\n", ["2:15 `images.web` must be a mapping, not `x`"], None, id="text for record"
    ),
    pytest.param(HEAD3 + "images: {web: }\n", ["2:10 `images.web` is empty"], None, id="an empty image"),
    pytest.param(
        HEAD3 + "images: {web: {image: [a]}}\n",
        ["2:23 `images.web.image` must be text, not a list"],
        None,
        id="list for text",
    ),
    pytest.param(
        HEAD3 + IMAGES + "dev:\n  ports:\n  - imageName: web\n    forward: [{port: '8080'}]\n",
        ["7:22 `dev.ports[0].forward[0].port` must be a whole number, not `8080`"],
        "remove the quotes",
        id="a quoted number",
    ),
    pytest.param(
        HEAD3 + IMAGES + "dev:\n  ports:\n  - imageName: web\n    forward: [{port: 70000}]\n",
        ["7:22 `dev.ports[0].forward[0].port` must be a number from 1 to 65535, not `70000`"],
        None,
        id="a port out of range",
    ),
    pytest.param(
        HEAD3 + IMAGES + "dev:\n  logs: {disabled: maybe, showLast: many}\n",
        [
            "5:20 `dev.logs.disabled` must be true or false, not `maybe`",
            "5:37 `dev.logs.showLast` must be a whole number, not `many`",
        ],
        None,
        id="two wrong scalars",
    ),
    pytest.param(
        HEAD3 + IMAGES + "dev: {logs: {disabled: 'true'}}\n",
        ["4:24 `dev.logs.disabled` must be true or false, not `true`"],
        "remove the quotes",
        id="a quoted boolean",
    ),
    pytest.param(
        HEAD3 + "commands:\n- name: a\n  command: b\n-\n", ["5:2 `commands[1]` is empty"], None, id="an empty list item"
    ),
    pytest.param(
        HEAD3 + "hooks: [{command: a, args: [x, ~]}]\n",
        ["2:32 `hooks[0].args[1]` is empty"],
        None,
        id="null in a list of texts",
    ),
    pytest.param(
        HEAD3 + "vars:\n- {name: A, source: file}\n",
        ["3:21 `vars[0].source` must be one of `all`, `env`, `input`, not `file`"],
        None,
        id="no such choice",
    ),
    pytest.param(
        HEAD3 + "deployments:\n- name: a\n  helm: {chart: {name: x}, values: [1]}\n",
        ["4:36 `deployments[0].helm.values` must be a mapping, not a list"],
        None,
        id="values that are a list",
    ),
    pytest.param(
        HEAD3 + IMAGES + "dev: {ports: [{labelSelector: {a: }, forward: []}]}\n",
        ["4:32 `dev.ports[0].labelSelector.a` is empty"],
        'write "" for an empty text',
        id="a label without value",
    ),
    # required
    pytest.param(
        HEAD3 + "images: {web: {}}\n",
        ["2:10 `images.web.image` is missing"],
        "Repository without a tag.",
        id="an image without image",
    ),
    pytest.param(
        HEAD2 + "images: {web: {image: }}\n", ["2:16 `images.web.image` is empty"], None, id="an empty image name"
    ),
    pytest.param(
        HEAD3 + "images: {web: {image: a/b, build: {custom: {}}}}\n",
        ["2:36 `images.web.build.custom.command` is missing"],
        None,
        id="custom without a command",
    ),
    pytest.param(
        HEAD3 + "deployments:\n- kubectl: {manifests: [a]}\n",
        ["3:3 `deployments[0].name` is missing"],
        None,
        id="a deployment without a name",
    ),
    pytest.param(
        HEAD3 + "deployments:\n- name: a\n  kubectl: {}\n",
        ["4:3 `deployments[0].kubectl.manifests` is missing"],
        None,
        id="kubectl without manifests",
    ),
    pytest.param(
        HEAD3 + "deployments:\n- name: a\n  helm: {chart: {name: ''}}\n",
        ["4:18 `deployments[0].helm.chart.name` is empty"],
        None,
        id="helm without a chart's name",
    ),
    pytest.param(
        HEAD3 + "deployments:\n- name: a\n  helm: {wait: true}\n",
        ["4:3 `deployments[0].helm.chart` is missing"],
        None,
        id="helm without a chart",
    ),
    pytest.param(
        HEAD3 + "hooks: [{args: [a]}]\n", ["2:9 `hooks[0].command` is missing"], None, id="a hook without command"
    ),
    pytest.param(
        HEAD3 + "commands:\n- command: x\n- name: y\n",
        ["3:3 `commands[0].name` is missing", "4:3 `commands[1].command` is missing"],
        None,
        id="commands",
    ),
    pytest.param(
        HEAD3 + "profiles:\n- patches: [{op: add}, {path: a}, {op: jump, path: a}]\n",
        [
            "3:3 `profiles[0].name` is missing",
            "3:13 `profiles[0].patches[0].path` is missing",
            "3:24 `profiles[0].patches[1].op` is missing",
            "3:40 `profiles[0].patches[2].op` must be one of `add`, `remove`, `replace`, `move`, `copy`, `test`, "
            "not `jump`",
        ],
        None,
        id="profiles",
    ),
    pytest.param(
        HEAD3 + "dependencies:\n- profile: x\n",
        ["3:3 `dependencies[0].source` is missing"],
        None,
        id="a dependency without source",
    ),
    pytest.param(
        HEAD2 + "dev:\n  selectors: [{labelSelector: {a: b}}]\n",
        ["3:15 `dev.selectors[0].name` is missing"],
        None,
        id="a selector without name",
    ),
    pytest.param(
        HEAD2 + "dev:\n  overrideImages: [{entrypoint: [a]}]\n",
        ["3:20 `dev.overrideImages[0].name` is missing"],
        None,
        id="an override without name",
    ),
    pytest.param(
        HEAD3 + "dev:\n  interactive: {images: [{cmd: [a]}]}\n",
        ["3:26 `dev.interactive.images[0].name` is missing"],
        None,
        id="an interactive image without name",
    ),
    pytest.param(
        HEAD3 + IMAGES + "dev: {open: [{}], ports: [{imageName: web}]}\n",
        ["4:14 `dev.open[0].url` is missing", "4:27 `dev.ports[0].forward` is missing"],
        None,
        id="open without url, ports without forward",
    ),
]


@pytest.mark.parametrize(("text", "expected", "hint"), MISTAKES)
def test_a_mistake_has_a_place_and_says_what_is_expected(
    tmp_path: Path, text: str, expected: list[str], hint: str | None
) -> None:
    found = problems_of(tmp_path, text)
    assert [shown(problem) for problem in found] == expected
    if hint is not None:
        assert found[0].hint == hint
    for problem in found:
        assert problem.at is not None
        lines = text.splitlines()
        assert problem.source == (lines[problem.at.line - 1] if lines else "")


def test_all_problems_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """\
        version: v1beta3
        dev:
          sync: [{}]
          logs: {images: [nowhere]}
        images:
          web: {image: "a/web:1.0", dokerfile: x}
        deployments:
        - name: a
        - name: a
          kubectl: {manifests: x}
    """
    assert [shown(problem) for problem in problems_of(tmp_path, text)] == [
        "3:10 `dev.sync[0]` does not say which pod",
        "4:19 `dev.logs.images` names the image `nowhere`, which is not there",
        "6:16 `images.web.image` holds a tag; it takes the repository alone",
        "6:29 `images.web.dokerfile` is no known key",
        "8:3 `deployments[0]` deploys nothing",
        "9:9 two deployments are called `a`",
        "10:24 `deployments[1].kubectl.manifests` must be a list, not `x`",
    ]


def test_very_many_problems_are_cut_short(tmp_path: Path) -> None:
    found = problems_of(tmp_path, "version: v1beta3\n" + "".join(f"key{n}: 1\n" for n in range(1000)))
    assert len(found) == 101
    assert found[-1].message == "900 more problems are not shown"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        pytest.param("1.0", "1.0", id="a float"),
        pytest.param("0755", "0755", id="an octal number"),
        pytest.param("true", "true", id="a boolean"),
        pytest.param("'x'", "x", id="quoted text"),
        pytest.param("~", "", id="null counts as absent"),
    ],
)
def test_text_is_taken_as_it_is_written(tmp_path: Path, written: str, read: str) -> None:
    loaded = load_text(tmp_path, f"version: v1beta3\nimages: {{web: {{image: a/b, tag: {written}}}}}\n")
    assert loaded.project.images[0].tag == read


@pytest.mark.parametrize(("word", "value"), [("yes", True), ("Off", False), ("TRUE", True), ("n", False)])
def test_booleans_may_be_the_words_of_yaml_1_1_where_one_is_wanted(tmp_path: Path, word: str, value: bool) -> None:
    loaded = load_text(tmp_path, f"version: v1beta3\ndev: {{logs: {{disabled: {word}}}}}\n")
    assert loaded.project.dev.logs.disabled is value


@pytest.mark.parametrize(
    "empty", ["version: v1beta3\n", "version: v1beta3\nimages:\ndeployments: ~\ndev:\nhooks: []\n"]
)
def test_empty_sections_count_as_absent(tmp_path: Path, empty: str) -> None:
    project = load_text(tmp_path, empty).project
    assert (project.images, project.deployments, project.hooks, project.warnings) == ((), (), (), ())
