"""Which files make up a configuration, and where a project begins."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from kdev.errors import ConfigError
from kdev.spec.load import Settings, find_root, load
from kdev.spec.paths import glob_path, label_name, posix_path
from tests.spec.project import CONFIGS, problems_of, shown, write

BASE = """\
version: v1beta2
images:
  web: {image: a/web, tag: one}
  api: {image: a/api}
hooks: [{command: base, when: {after: {images: all}}}]
"""
OVERRIDE = """\
images:
  api: {tag: two}
  new: {image: a/new}
hooks: [{command: over, when: {after: {images: all}}}]
dev: ~
"""
NAMED = {
    "devspace-configs.yaml": (CONFIGS / "full-configs.yaml").read_text(),
    "base.yaml": BASE,
    "override.yaml": OVERRIDE,
    "vars.yaml": "- {name: TAG, default: from-vars}\n",
}


def images(folder: Path, **settings: Any) -> dict[str, str]:
    loaded = load(folder, Settings(**settings))
    return {image.name: f"{image.image}:{image.tag}" for image in loaded.project.images}


def test_the_default_config_is_merged_with_its_overrides_and_variables(tmp_path: Path) -> None:
    write(tmp_path, NAMED)
    loaded = load(tmp_path, Settings())
    assert {one.name: f"{one.image}:{one.tag}" for one in loaded.project.images} == {
        "web": "a/web:from-vars",
        "api": "a/api:two",
        "new": "a/new:",
    }
    assert [hook.command for hook in loaded.project.hooks] == ["over"]
    assert set(loaded.files) == {"devspace.yaml", "devspace-configs.yaml", "base.yaml", "override.yaml", "vars.yaml"}
    assert loaded.files["devspace.yaml"] == ""
    assert loaded.files["base.yaml"] == hashlib.sha256(BASE.encode()).hexdigest()
    assert loaded.project.images[2].at.file == "override.yaml"


def test_another_config_is_chosen_by_its_name_or_as_a_profile(tmp_path: Path) -> None:
    write(tmp_path, NAMED)
    assert images(tmp_path, config_name="inline") == {"web": "inline/web:one"}
    assert images(tmp_path, profile="inline") == {"web": "inline/web:one"}
    [problem] = problems_of(tmp_path, config_name="inlin")
    assert shown(problem) == "devspace-configs.yaml:2:1 there is no config `inlin` in devspace-configs.yaml"
    assert problem.hint == "did you mean `inline`?"


def test_named_configs_win_over_a_devspace_yaml_of_v1beta2(tmp_path: Path) -> None:
    write(tmp_path, {**NAMED, "devspace.yaml": BASE})
    assert images(tmp_path)["web"] == "a/web:from-vars"


def test_named_configs_do_not_count_beside_a_devspace_yaml_of_v1beta3(tmp_path: Path) -> None:
    write(tmp_path, {**NAMED, "devspace.yaml": "version: v1beta3\nimages: {x: {image: x}}\n"})
    loaded = load(tmp_path, Settings())
    assert [image.name for image in loaded.project.images] == ["x"]
    assert loaded.project.warnings == (
        "devspace-configs.yaml:2:1: devspace-configs.yaml does not count: devspace.yaml is v1beta3",
    )


def test_named_configs_of_v1beta3_are_told_to_become_profiles(tmp_path: Path) -> None:
    write(tmp_path, {"devspace-configs.yaml": "default: {config: {data: {version: v1beta3}}}\n"})
    [problem] = problems_of(tmp_path)
    assert problem.message == "devspace-configs.yaml belongs to v1beta2, and the config `default` is v1beta3"
    assert problem.hint == "write one devspace.yaml with `profiles`"


def test_the_variables_file_counts_when_there_are_no_named_configs(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "devspace.yaml": "version: v1beta2\nimages: {web: {image: a, tag: '${TAG}'}}\n",
            "devspace-vars.yaml": "- {name: TAG, default: x}\n",
        },
    )
    assert images(tmp_path) == {"web": "a:x"}


@pytest.mark.parametrize(
    ("configs", "expected"),
    [
        pytest.param("- a\n", "1:1 the file must hold a mapping, not a list", id="a list"),
        pytest.param("default: {config: {}}\n", "1:11 `default.config` says neither `path` nor `data`", id="nothing"),
        pytest.param(
            "default: {config: {path: a, data: {}}}\n", "1:11 `default.config` says both `path` and `data`", id="both"
        ),
        pytest.param("default: {config: {path: gone.yaml}}\n", "1:26 there is no file gone.yaml", id="no such file"),
        pytest.param("default: {conf: {path: a}}\n", "1:11 `default.conf` is no known key", id="an unknown key"),
        pytest.param(
            "default: {config: {data: {version: v1beta2}}, vars: [{nme: A}]}\n",
            "1:55 `vars[0].nme` is no known key",
            id="an unknown key in vars",
        ),
        pytest.param(
            "default: {config: {data: {version: v1beta2}}, vars: {}}\n",
            "1:53 `vars` says neither `path` and `data`",
            id="empty vars",
        ),
        pytest.param(
            "default: {config: {data: {version: v1beta2}}, overrides: [{data: {version: v1beta1}}]}\n",
            "1:76 an override of a v1beta2 config cannot be `v1beta1`",
            id="an override of another version",
        ),
        pytest.param(
            "default: {config: {data: {version: v1beta2}}, overrides: [{data: {imagess: 1}}]}\n",
            "1:67 `imagess` is no known key",
            id="an unknown key in an override",
        ),
    ],
)
def test_wrong_named_configs_are_problems_with_places(tmp_path: Path, configs: str, expected: str) -> None:
    write(tmp_path, {"devspace-configs.yaml": configs})
    found = [shown(one) for one in problems_of(tmp_path)]
    assert f"devspace-configs.yaml:{expected}" in found


def test_a_profile_of_a_v1beta2_file_is_a_problem(tmp_path: Path) -> None:
    [problem] = problems_of(tmp_path, "version: v1beta2\n", profile="live")
    assert shown(problem).startswith("1:1 there is no `live`: profiles start with v1beta3")
    assert images(write(tmp_path, {"devspace.yaml": "version: v1beta2\n"}), config_name="default") == {}


def test_a_folder_without_configuration_says_what_makes_one(tmp_path: Path) -> None:
    [problem] = problems_of(tmp_path)
    assert (problem.message, problem.hint) == ("there is no devspace.yaml here", "`kdev init` writes one")


def test_another_file_can_be_the_configuration(tmp_path: Path) -> None:
    write(tmp_path, {"other.yaml": "version: v1beta3\nimages: {x: {image: x}}\n", "devspace.yaml": "nonsense"})
    loaded = load(tmp_path, Settings(config_file="sub/other.yaml"))
    assert set(loaded.files) == {"other.yaml"}
    assert loaded.project.images[0].at.file == "other.yaml"


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "devspace.yaml").mkdir()
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, Settings())
    assert caught.value.problems[0].message == "devspace.yaml cannot be read: Is a directory"


def test_the_root_is_the_nearest_folder_with_a_configuration(tmp_path: Path) -> None:
    deep = tmp_path / "project" / "a" / "b"
    deep.mkdir(parents=True)
    nowhere = tmp_path / "nowhere"
    assert find_root(deep, home=nowhere) is None
    write(tmp_path / "project", {"devspace-configs.yaml": "", "config/dev.yaml": ""})
    assert find_root(deep, home=nowhere) == tmp_path / "project"
    write(deep.parent, {"devspace.yaml": ""})
    assert find_root(deep, home=nowhere) == deep.parent
    assert find_root(deep, "config/dev.yaml", home=nowhere) == tmp_path / "project" / "config"
    assert find_root(deep, str(tmp_path / "project/config/dev.yaml"), home=nowhere) == tmp_path / "project" / "config"


def test_the_home_folder_is_passed_over_on_the_way_up(tmp_path: Path) -> None:
    write(tmp_path, {"devspace.yaml": "", "home/devspace.yaml": ""})
    (tmp_path / "home" / "work").mkdir()
    assert find_root(tmp_path / "home" / "work", home=tmp_path / "home") == tmp_path


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("shop", "shop"),
        ("My Shop_2", "my-shop-2"),
        ("..x..", "x"),
        ("", "project-e3b0c442"),
        ("日本", "project-77d1de3f"),
        ("a" * 64, f"{'a' * 54}-ffe054fe"),
    ],
)
def test_a_projects_name_is_its_folders_made_safe_for_labels(folder: str, name: str) -> None:
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:8]
    assert label_name(folder) == (f"{name.rpartition('-')[0]}-{digest}" if digest in label_name(folder) else name)
    assert len(label_name(folder)) <= 63


@pytest.mark.parametrize(
    ("written", "read"),
    [("./a/", "a"), ("a//b/../c", "a/c"), (".\\a\\b", "a/b"), ("", "."), ("../x", "../x"), ("/x", "/x")],
)
def test_paths_are_normalised_and_posix(written: str, read: str) -> None:
    assert posix_path(written) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [("./a/**/*.js", "a/**/*.js"), ("kube/", "kube"), ("https://x//y/", "https://x//y/"), ("a\\*b", "a\\*b")],
)
def test_globs_keep_urls_and_quoting(written: str, read: str) -> None:
    assert glob_path(written) == read
