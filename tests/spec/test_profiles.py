"""Profiles change the raw configuration, before variables and upgrades."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from kdev.spec.nodes import MapNode, plain_tree
from kdev.spec.patches import Missing, change, find, parse_path
from kdev.spec.source import parse
from tests.spec.project import load_text, problems_of, shown

TREE = """\
images:
  web: {image: a/web, tag: one}
  api.v1: {image: a/api}
deployments:
- name: web
  flags: [x, y]
- name: api
"""


def patched(op: str, path: str, value: str = "new", origin: str = "") -> Any:
    """TREE's values after one patch, as a profile does it."""
    text = f"version: v1beta3\nvars: []\nprofiles:\n- name: p\n  patches:\n  - op: {op}\n    path: {path!r}\n"
    text += f"    from: {origin!r}\n" if origin else f"    value: {value}\n"
    from kdev.spec.problems import Problems
    from kdev.spec.profiles import apply_profile
    from kdev.spec.read import Reader
    from kdev.spec.versions.v1beta3 import SCHEMA

    problems = Problems()
    root = parse((text + TREE).encode(), "devspace.yaml").root
    assert isinstance(root, MapNode)
    only = MapNode(root.at, {"version": root.entries["version"], "profiles": root.entries["profiles"]})
    row = Reader(problems).record(SCHEMA, only, root.at)
    result = apply_profile(root, row.rows("profiles"), "p", problems)
    problems.stop()
    return plain_tree(result.without("version", "vars", "profiles"))


def expected(**changes: Any) -> Any:
    content = plain_tree(parse(TREE.encode(), "t").root)  # type: ignore[arg-type]
    return {**content, **changes}


IMAGES = {"web": {"image": "a/web", "tag": "one"}, "api.v1": {"image": "a/api"}}
WEB = {"name": "web", "flags": ["x", "y"]}
API = {"name": "api"}


@pytest.mark.parametrize(
    ("patch", "changes"),
    [
        pytest.param(
            ("replace", "images.web.tag"),
            {"images": {**IMAGES, "web": {"image": "a/web", "tag": "new"}}},
            id="replace, dotted",
        ),
        pytest.param(
            ("replace", "/images/api.v1/image"),
            {"images": {**IMAGES, "api.v1": {"image": "new"}}},
            id="replace, JSON pointer",
        ),
        pytest.param(("replace", "/images/api.v1"), {"images": {**IMAGES, "api.v1": "new"}}, id="a key with a dot"),
        pytest.param(("replace", "deployments[1].name"), {"deployments": [WEB, {"name": "new"}]}, id="replace, index"),
        pytest.param(
            ("replace", "deployments.name=api.name"),
            {"deployments": [WEB, {"name": "new"}]},
            id="replace, item with a value",
        ),
        pytest.param(
            ("add", "images.web.dockerfile"),
            {"images": {**IMAGES, "web": {"image": "a/web", "tag": "one", "dockerfile": "new"}}},
            id="add a key",
        ),
        pytest.param(
            ("add", "images.web.tag"),
            {"images": {**IMAGES, "web": {"image": "a/web", "tag": "new"}}},
            id="add over a key",
        ),
        pytest.param(("add", "hooks", "[1]"), {"hooks": [1]}, id="add a section"),
        pytest.param(
            ("add", "deployments", "{name: new}"),
            {"deployments": [WEB, API, {"name": "new"}]},
            id="add to a list appends",
        ),
        pytest.param(
            ("add", "deployments[0]", "{name: new}"),
            {"deployments": [{"name": "new"}, WEB, API]},
            id="add at an index inserts",
        ),
        pytest.param(
            ("add", "/deployments/2", "{name: new}"),
            {"deployments": [WEB, API, {"name": "new"}]},
            id="add behind the last index",
        ),
        pytest.param(
            ("add", "/deployments/-", "{name: new}"), {"deployments": [WEB, API, {"name": "new"}]}, id="add at the end"
        ),
        pytest.param(
            ("add", "deployments[0].flags"),
            {"deployments": [{**WEB, "flags": ["x", "y", "new"]}, API]},
            id="add to an inner list",
        ),
        pytest.param(
            ("remove", "images.web.tag"), {"images": {**IMAGES, "web": {"image": "a/web"}}}, id="remove a key"
        ),
        pytest.param(("remove", "deployments[0]"), {"deployments": [API]}, id="remove an item"),
        pytest.param(("remove", "deployments.name=api"), {"deployments": [WEB]}, id="remove an item by value"),
        pytest.param(
            ("move", "images.web.tag", "", "images.web.image"),
            {"images": {**IMAGES, "web": {"tag": "a/web"}}},
            id="move",
        ),
        pytest.param(
            ("copy", "images.copy", "", "images.web"), {"images": {**IMAGES, "copy": IMAGES["web"]}}, id="copy"
        ),
        pytest.param(
            ("copy", "deployments", "", "deployments[1]"), {"deployments": [WEB, API, API]}, id="copy into a list"
        ),
        pytest.param(("test", "images.web.tag", "one"), {}, id="test"),
        pytest.param(("test", "deployments[0].flags", "[x, y]"), {}, id="test of a tree"),
    ],
)
def test_a_patch_changes_exactly_its_place(patch: tuple[str, ...], changes: dict[str, Any]) -> None:
    assert patched(*patch) == expected(**changes)


def test_a_patch_changes_one_use_of_an_anchor_alone() -> None:
    root = parse(b"a: &x {k: 1}\nb: *x\n", "t").root
    assert root is not None
    changed = change(root, parse_path("a.k"), "remove", None)
    assert plain_tree(changed) == {"a": {}, "b": {"k": 1}}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("images.wbe", "there is no `images.wbe`"),
        ("images.web.tag.x", "there is no `images.web.tag.x`: `images.web.tag` is a single value"),
        ("deployments[2]", "`2` is no index of a list with 2 items"),
        ("deployments.x", "`x` is no index of a list with 2 items"),
        ("deployments.name=x", "`deployments` has no item with `name: x`"),
        ("/deployments/-", "`-` is the place behind a list's end: there is nothing"),
        ("deployments[99999999999999999999]", "`99999999999999999999` is no index of a list with 2 items"),
    ],
)
def test_a_path_that_fits_nowhere_says_where_it_ends(path: str, message: str) -> None:
    root = parse(TREE.encode(), "t").root
    assert root is not None
    with pytest.raises(Missing) as caught:
        find(root, parse_path(path))
    assert caught.value.message == message


CONFIG = """\
version: v1beta3
images:
  web: {image: "a/${X}"}
profiles:
- name: live
  patches:
  - op: PATCH
"""


@pytest.mark.parametrize(
    ("patch", "problem", "hint"),
    [
        (
            "{op: replace, path: images.wbe.image, value: x}",
            "7:25 `profiles[0].patches[0]`: there is no `images.wbe`",
            "did you mean `web`?",
        ),
        ("{op: remove, path: dev}", "7:24 `profiles[0].patches[0]`: there is no `dev`", None),
        ("{op: move, path: images.x, from: images.y}", "7:38 `profiles[0].patches[0]`: there is no `images.y`", None),
        ("{op: copy, path: images.x}", "7:5 `profiles[0].patches[0]`: `copy` needs `from`", None),
        (
            "{op: test, path: images.web.image, value: z}",
            "7:22 `profiles[0].patches[0]`: `images.web.image` is not what `test` expects",
            None,
        ),
        ("{op: remove, path: .}", "7:24 `profiles[0].patches[0]`: the path leads nowhere", None),
        ("{op: add, path: images.web.nope, value: x}", "7:38 `images.web.nope` is no known key", None),
        (
            "{op: replace, path: version, value: v1beta9}",
            "7:41 `version` must be one of `v1beta3`, not `v1beta9`",
            None,
        ),
    ],
)
def test_a_patch_that_does_not_work_is_a_problem_at_its_path(
    tmp_path: Path, patch: str, problem: str, hint: str | None
) -> None:
    found = problems_of(tmp_path, CONFIG.replace("op: PATCH", patch), profile="live", variables={"X": "x"})
    assert [shown(one) for one in found] == [problem]
    if hint is not None:
        assert found[0].hint == hint


def test_an_unknown_profile_names_the_ones_there_are(tmp_path: Path) -> None:
    text = "version: v1beta3\nprofiles: [{name: staging}, {name: live}]\n"
    [problem] = problems_of(tmp_path, text, profile="production")
    assert (shown(problem), problem.hint) == ("2:1 there is no profile `production`", "profiles are: `staging`, `live`")
    [problem] = problems_of(tmp_path, text, profile="stagin")
    assert problem.hint == "did you mean `staging`?"
    [problem] = problems_of(tmp_path, "version: v1beta3\n", profile="x")
    assert (problem.message, problem.hint) == ("there is no profile `x`", "profiles are: none")


def test_replace_takes_the_place_of_whole_sections_and_then_patches_are_applied(tmp_path: Path) -> None:
    text = """\
        version: v1beta3
        images:
          web: {image: a/web}
          api: {image: a/api}
        dev: {logs: {showLast: 5}}
        profiles:
        - name: p
          replace: {images: {one: {image: "b/${X}"}}}
          patches:
          - {op: add, path: images.one.tag, value: ${X}}
        """.replace("value: ${X}", 'value: "${X}"')
    project = load_text(tmp_path, text, profile="p", variables={"X": "1"}).project
    assert [(image.name, image.image, image.tag) for image in project.images] == [("one", "b/1", "1")]
    assert project.dev.logs.show_last == 5


def test_what_is_missing_in_the_configuration_may_come_from_the_profile(tmp_path: Path) -> None:
    text = """\
        version: v1beta3
        images: {web: {}}
        profiles:
        - name: p
          patches:
          - {op: add, path: images.web.image, value: a/web}
        """
    assert load_text(tmp_path, text, profile="p").project.images[0].image == "a/web"
    [problem] = problems_of(tmp_path, text)
    assert shown(problem) == "2:10 `images.web.image` is missing"


def test_a_broken_profiles_section_is_told_together_with_the_rest(tmp_path: Path) -> None:
    text = "version: v1beta3\nnope: 1\nprofiles: [{name: p, patches: [{op: x, path: a}]}]\n"
    found = [shown(one) for one in problems_of(tmp_path, text, profile="p")]
    assert found[0] == "2:1 `nope` is no known key"
    assert "`profiles[0].patches[0].op` must be one of" in found[1]


def test_copies_of_copies_end_before_they_fill_the_memory(tmp_path: Path) -> None:
    patches = "".join(f"  - {{op: copy, from: images, path: images.c{n}}}\n" for n in range(64))
    text = f"version: v1beta3\nimages: {{web: {{image: a}}}}\nprofiles:\n- name: p\n  patches:\n{patches}"
    started = time.process_time()
    found = problems_of(tmp_path, text, profile="p")
    assert any("makes the configuration too large or too deep" in one.message for one in found)
    assert time.process_time() - started < 20
