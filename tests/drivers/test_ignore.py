"""Docker's ignore rules, by the documentation's own examples and by the oddities of the builders' matcher."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdev.drivers.ignore import BadPattern, DockerIgnore, docker_lines


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        pytest.param(b"", [], id="an empty file has no rules"),
        pytest.param(b"# note\n\n  \nlogs\n", ["logs"], id="comments and blank lines are no rules"),
        pytest.param(b" # logs\n", ["# logs"], id="a comment starts in the first column"),
        pytest.param(b"\xef\xbb\xbf# note\na\n", ["a"], id="a byte order mark is skipped"),
        pytest.param(b"a\r\nb \t\r\n", ["a", "b"], id="line ends and blanks around a rule are trimmed"),
        pytest.param(b"/a/b/\n", ["a/b"], id="slashes at both ends go"),
        pytest.param(b"//a\n", ["a"], id="two leading slashes are one"),
        pytest.param(b"./a//b/../c\n", ["a/c"], id="paths are cleaned"),
        pytest.param(b"! /a/\n", ["!a"], id="a re-include is cleaned too, blanks behind the mark and all"),
        pytest.param(b"../a\n/../b\n", ["../a", "b"], id="nothing leads above the root of a rooted rule"),
        pytest.param(b"/\n.\n", ["/", "."], id="the root itself cannot be named"),
        pytest.param(b"caf\xe9\n", ["caf\udce9"], id="bytes that are not UTF-8 survive"),
    ],
)
def test_a_file_is_read_into_rules(data: bytes, lines: list[str]) -> None:
    assert docker_lines(data) == lines


@pytest.mark.parametrize(
    ("rules", "excluded", "kept"),
    [
        pytest.param(["*/temp*"], ["a/temp", "a/temporary.txt"], ["temp", "a/b/temp"], id="one folder down"),
        pytest.param(["*/*/temp*"], ["a/b/temporary.txt"], ["a/temp", "a/b/c/temp"], id="two folders down"),
        pytest.param(["temp?"], ["tempa", "tempb/x"], ["temp", "tempab", "a/tempb"], id="? is one character"),
        pytest.param(["**/*.go"], ["main.go", "a/b/main.go"], ["main.got"], id="** reaches the root too"),
        pytest.param(["*.md", "!README.md"], ["a.md"], ["README.md", "docs/a.md"], id="! brings back"),
        pytest.param(
            ["*.md", "!README*.md", "README-secret.md"], ["README-secret.md"], ["README-open.md"], id="the last wins"
        ),
        pytest.param(
            ["*.md", "README-secret.md", "!README*.md"], ["a.md"], ["README-secret.md"], id="also when it brings back"
        ),
        pytest.param(["docs"], ["docs", "docs/a", "docs/b/c"], ["a/docs", "docsx"], id="a folder takes all below"),
        pytest.param(["docs/*", "!docs/README.md"], ["docs/a"], ["docs/README.md"], id="a file below comes back"),
        pytest.param(["docs", "!docs/README.md"], ["docs", "docs/a"], ["docs/README.md"], id="so does one of a folder"),
        pytest.param(["**", "!src", "!src/**"], ["a", "b/c"], ["src", "src/a/b"], id="an allow list"),
        pytest.param(["*", "!src"], ["a", "b/c"], ["src/a/b"], id="a re-included folder takes all below"),
        pytest.param(["a/**"], ["a/b", "a/b/c"], ["a"], id="what is below, but not the folder"),
        pytest.param(["a**"], ["a", "ab", "a/b"], ["b"], id="** at the end of a name crosses folders"),
        pytest.param(["**b"], ["b", "ab", "c/ab"], ["bc"], id="** at the start of a name crosses folders"),
        pytest.param(["a**b"], ["ab", "a/b", "ax/b"], ["axb"], id="** inside a name must end at a slash"),
        pytest.param(["[a-c].x"], ["a.x", "c.x/y"], ["d.x"], id="a range"),
        pytest.param(["[^a]x"], ["bx", "/x"], ["ax"], id="a negated class takes a slash"),
        pytest.param(["[!a]x"], ["!x", "ax"], ["bx"], id="! negates nothing in a class"),
        pytest.param([r"a\*"], ["a*"], ["ab"], id="an escaped star"),
        pytest.param(["a.b", "x+y", "(z)", "d$"], ["a.b", "x+y", "(z)", "d$"], ["aXb", "xxy", "z"], id="plain signs"),
        pytest.param(["a|b*"], ["ax", "xb"], ["xa"], id="an unquoted bar beside a star"),
        pytest.param(["a|b"], ["a|b"], ["a", "b"], id="a bar without a star"),
        pytest.param(["*.{js,ts}"], ["x.{js,ts}"], ["x.js"], id="braces are no alternatives"),
        pytest.param(
            ["docs/*.txt", "!docs"], ["docs/a.txt"], ["docs/b.md"], id="a ! that the folder did not need ends there"
        ),
        pytest.param([".", "/", "../a"], [], ["a", "b/c"], id="the root and what is above it cannot be excluded"),
        pytest.param(["a "], ["a/b"], ["a "], id="blanks around a rule do not count"),
        pytest.param(["caf\udce9*"], ["caf\udce9.txt"], ["cafe.txt"], id="names that are not UTF-8"),
    ],
)
def test_rules_exclude_what_docker_excludes(rules: list[str], excluded: list[str], kept: list[str]) -> None:
    ignore = DockerIgnore(rules)

    assert [path for path in (*excluded, *kept) if ignore.excludes(path)] == excluded


@pytest.mark.parametrize("rule", ["!", "[", "a[", "[]a]", "[-x]", "[x-]", "[^bc", "a\\", "[z-a]*", "*\\"])
def test_a_rule_that_docker_refuses_is_refused(rule: str) -> None:
    with pytest.raises(BadPattern):
        DockerIgnore([rule])


@pytest.mark.parametrize(
    ("rules", "folder", "worth_a_look"),
    [
        pytest.param(["node_modules"], "node_modules", False, id="nothing is ever brought back"),
        pytest.param(["node_modules", "!*.md"], "node_modules", False, id="a rule for the top level only"),
        pytest.param(["a", "!a/b/c"], "a", True, id="on the way"),
        pytest.param(["a", "!a/b/c"], "a/x", False, id="beside the way"),
        pytest.param(["a", "!**/keep"], "a/x/y", True, id="a rule that goes anywhere"),
        pytest.param(["a", "!*/b"], "a", True, id="a wildcard on the way"),
    ],
)
def test_an_excluded_folder_is_opened_only_when_something_below_can_come_back(
    rules: list[str], folder: str, worth_a_look: bool
) -> None:
    assert DockerIgnore(rules).may_keep_below(folder) is worth_a_look


_NAMES = st.sampled_from(["a", "b", "ab", "a.b", ".x", "a|b", "^a", "d e"])
_PATHS = st.lists(_NAMES, min_size=1, max_size=4).map("/".join)
_PARTS = st.sampled_from(
    ["a", "b", "*", "**", "?", "a*", "**a", "a**", "[ab]", "[^a]", "*.*", r"\*", "a|b*", "^a*", ".x"]
)
_PATTERNS = st.lists(_PARTS, min_size=1, max_size=3).map("/".join)
_RULES = st.lists(st.tuples(st.sampled_from(["", "!"]), _PATTERNS).map("".join), max_size=5)


@given(rules=_RULES, path=_PATHS)
def test_what_is_below_a_folder_that_is_not_opened_is_excluded(rules: list[str], path: str) -> None:
    ignore = DockerIgnore(rules)
    names = path.split("/")

    for depth in range(1, len(names)):
        folder = "/".join(names[:depth])
        if ignore.excludes(folder) and not ignore.may_keep_below(folder):
            assert ignore.excludes(path)
