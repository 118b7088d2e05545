"""gitignore rules, by git's documentation and against git itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kdev.sync.gitignore import GitIgnore, gitignore_lines


@pytest.mark.parametrize(
    ("rules", "excluded", "kept"),
    [
        pytest.param(["*.o"], ["a.o", "b/c/a.o"], ["a.oo"], id="a name at any depth"),
        pytest.param(["/a.o"], ["a.o"], ["b/a.o"], id="a leading slash ties to the top"),
        pytest.param(["doc/x"], ["doc/x"], ["a/doc/x"], id="so does a slash in the middle"),
        pytest.param(["build/"], ["build/", "a/build/", "a/build/x"], ["build"], id="a trailing slash means folders"),
        pytest.param(["**/foo"], ["foo", "a/b/foo"], ["foob"], id="leading stars"),
        pytest.param(["foo/**"], ["foo/a", "foo/a/b"], ["foo/", "b/foo/x"], id="trailing stars"),
        pytest.param(["a/**/b"], ["a/b", "a/x/b", "a/x/y/b"], ["a/xb", "b"], id="stars in the middle"),
        pytest.param(["a**b"], ["ab", "axb", "c/axb"], ["a/b"], id="stars in a name are one star"),
        pytest.param(["*.txt", "!keep.txt"], ["a.txt"], ["keep.txt", "d/keep.txt"], id="brought back"),
        pytest.param(["d", "!d/keep"], ["d/", "d/keep"], ["e"], id="not below an excluded folder"),
        pytest.param(["d/*", "!d/keep"], ["d/a"], ["d/", "d/keep"], id="but when only its contents are excluded"),
        pytest.param(["# note", r"\#a", r"\!b", ""], ["#a", "!b"], ["# note", "b"], id="comments and escaped marks"),
        pytest.param(["a  ", r"b\ "], ["a", "b "], ["a  ", "b"], id="spaces at the end"),
        pytest.param(["[a-c]?.[!x]"], ["b1.y"], ["d1.y", "b1.x", "b.y"], id="classes"),
        pytest.param(["a**/**"], ["a", "ab/c"], ["b/a"], id="stars right behind a plain start count as a part"),
        pytest.param(["***/a"], ["a", "b/c/a"], ["b"], id="three stars are two"),
        pytest.param(["[b-a]"], ["b", "c/b"], ["a"], id="a range the wrong way round is its first character"),
        pytest.param(["[[:digit:]]*"], ["1a"], ["a1"], id="classes by name"),
        pytest.param(["a[", "b\\"], [], ["a[", "b\\", "a", "b"], id="broken rules match nothing"),
        pytest.param(["/*", "!/src", "/src/*", "!/src/a"], ["x", "src/b"], ["src/", "src/a"], id="an allow list"),
    ],
)
def test_rules_exclude_what_git_excludes(rules: list[str], excluded: list[str], kept: list[str]) -> None:
    ignore = GitIgnore(rules)

    # A slash at the end of a path says that it is a folder.
    assert [path for path in (*excluded, *kept) if ignore.match(path.rstrip("/"), path.endswith("/"))] == excluded


def test_a_file_is_read_into_lines() -> None:
    assert gitignore_lines(b"\xef\xbb\xbfa\r\nb \ncaf\xe9") == ["a", "b ", "caf\udce9"]


PATHS = [
    "a", "b/a", "b/c/a", "ab/x.txt", "ab/y.log", "b/c/x.txt", "d/e/f/g.txt", "d/e/x.log", "x.txt", "y.log", "#a", "!b",
    "[x]", "a b", "d/ab", "b/ab/x.txt", "a.b/c.d", "z/z/z",
]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    root = tmp_path_factory.mktemp("repository")
    for path in PATHS:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("")
    subprocess.run(["git", "init", "-q", str(root)], check=True, env=_environment())
    return root


_PARTS = st.sampled_from(
    ["a", "b", "ab", "c", "d", "e", "*", "**", "?", "a*", "*.txt", "*.log", "**b", "a**", "[ab]", "[!a]", "[^b]*",
     "x.?xt", r"\a", r"\#a", "[[]x]", "a b", "[", "[]a]", "[a-", "***", "z", "[[:alpha:]]", "[b-a]"]
)
_RULE = st.tuples(
    st.sampled_from(["", "", "!", "\\"]), st.sampled_from(["", "", "/"]),
    st.lists(_PARTS, min_size=1, max_size=3).map("/".join), st.sampled_from(["", "", "/", " ", "\\ ", "/**"]),
).map("".join)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules=st.lists(_RULE, min_size=1, max_size=4))
def test_the_verdicts_are_gits(repository: Path, rules: list[str]) -> None:
    (repository / ".gitignore").write_text("\n".join(rules) + "\n")
    folders = {str(Path(path).parent) for path in PATHS if "/" in path} | {"b", "d", "d/e", "z"}
    asked = sorted({*PATHS, *folders})
    done = subprocess.run(
        ["git", "check-ignore", "--no-index", "-z", "--stdin"], cwd=repository, input="\0".join(asked) + "\0",
        text=True, capture_output=True, env=_environment(), check=False,
    )
    assert done.returncode in (0, 1), done.stderr

    ignore = GitIgnore(rules)

    ours = [path for path in asked if ignore.match(path, path in folders)]
    assert ours == done.stdout.split("\0")[:-1]


def _environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
