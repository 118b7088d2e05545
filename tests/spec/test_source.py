"""Text that is YAML is read as Go reads it; text that is not gets one clear problem with its place."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from kdev.errors import ConfigError, Mark
from kdev.spec.nodes import ListNode, MapNode, Scalar, plain_tree
from kdev.spec.source import DEEPEST, MOST_BYTES, parse

FILE = "devspace.yaml"


def read(text: str | bytes, *, pure: bool = False) -> Any:
    root = parse(text if isinstance(text, bytes) else text.encode(), FILE, pure=pure).root
    return None if root is None else plain_tree(root)


@pytest.fixture(params=[pytest.param(False, id="C"), pytest.param(True, id="Python")])
def pure(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("", None, id="an empty file"),
        pytest.param("# only a comment\n", None, id="only a comment"),
        pytest.param(b"\xef\xbb\xbfa: 1\n", {"a": 1}, id="a byte order mark"),
        pytest.param("a: 1\r\nb:\r\n- x\r\n", {"a": 1, "b": ["x"]}, id="CRLF"),
        pytest.param("a: é日本\n", {"a": "é日本"}, id="beyond ASCII"),
        pytest.param("---\na: 1\n", {"a": 1}, id="a document start"),
        pytest.param(
            "a: [yes, on, no, true, False]\n", {"a": ["yes", "on", "no", True, False]}, id="YAML 1.2 booleans"
        ),
        pytest.param("a: [~, null, '']\n", {"a": [None, None, ""]}, id="nulls"),
        pytest.param("a: [0644, 0x1f, 0b11, 1_000, -5, 08]", {"a": [420, 31, 3, 1000, -5, 8]}, id="whole numbers"),
        pytest.param("a: [1.5, 1e3, .5, 12:30, 1.2.3]", {"a": [1.5, 1000.0, 0.5, "12:30", "1.2.3"]}, id="floats"),
        pytest.param("a: [.inf, .nan, 1e999]", {"a": [".inf", ".nan", "1e999"]}, id="what JSON cannot hold stays text"),
        pytest.param(
            "a: '1'\nb: \"true\"\nc: !!str 3\nd: ! 4\n", {"a": "1", "b": "true", "c": "3", "d": "4"}, id="quoted"
        ),
        pytest.param("a: |\n  1\nb: >-\n  2\n", {"a": "1\n", "b": "2"}, id="block scalars are text"),
        pytest.param("a: &x {b: 1}\nc: *x\n", {"a": {"b": 1}, "c": {"b": 1}}, id="anchor and alias"),
        pytest.param(
            "x: &x {a: 1, b: 2}\ny: &y {c: 3, a: 9}\nz:\n  b: 5\n  <<: [*x, *y]\n",
            {"x": {"a": 1, "b": 2}, "y": {"c": 3, "a": 9}, "z": {"b": 5, "a": 1, "c": 3}},
            id="merge keys: own values, then the first mapping",
        ),
        pytest.param("x: {'<<': 1}\n", {"x": {"<<": 1}}, id="a quoted merge key is a key"),
        pytest.param("1: a\ntrue: b\n", {"1": "a", "true": "b"}, id="keys are text"),
        pytest.param(f"a: {'9' * 5000}\n", {"a": "9" * 5000}, id="endless digits stay text"),
        pytest.param(
            "a: [x:1, http://y:80/z, {b: c:d}]", {"a": ["x:1", "http://y:80/z", {"b": "c:d"}]}, id="inner colons"
        ),
        pytest.param("a: 2001-12-14\n", {"a": "2001-12-14"}, id="dates are text"),
    ],
)
def test_yaml_is_read_alike_by_both_parsers(text: str | bytes, value: Any, pure: bool) -> None:
    assert read(text, pure=pure) == value


def test_every_node_knows_its_place(pure: bool) -> None:
    root = parse("é: x\nlist:\n  - one\n  - {a: 'b'}\n".encode(), FILE, pure=pure).root
    assert isinstance(root, MapNode)
    items = root.value("list")
    assert isinstance(items, ListNode)
    assert root.place("list") == Mark(FILE, 2, 1)
    assert root.value("é") == Scalar(Mark(FILE, 1, 4), "x")
    assert [item.at for item in items.items] == [Mark(FILE, 3, 5), Mark(FILE, 4, 5)]
    assert items.items[1] == MapNode(Mark(FILE, 4, 5), {"a": (Mark(FILE, 4, 6), Scalar(Mark(FILE, 4, 9), "b", True))})


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)

BROKEN = [
    pytest.param(b"a: \xff\n", "1:4", "the byte 0xff is no UTF-8", id="not UTF-8"),
    pytest.param("a: 1\nb: é\xe9".encode() + b"\xe9\n", "2:6", "the byte 0xe9 is no UTF-8", id="Latin-1 further on"),
    pytest.param("a: 1".encode("utf-16"), "1:1", "the file is UTF-16", id="UTF-16"),
    pytest.param("a: 1\nb: \x07\n", "2:4", "the control character U+0007 is not allowed", id="a control character"),
    pytest.param("a: \x00\n", "1:4", "the control character U+0000 is not allowed", id="NUL"),
    pytest.param("a:\n\tb: 1\n", "2:1", "a tab cannot indent YAML", id="a tab"),
    pytest.param(
        "a: [x-${VAR}]\n", "1:8", "a variable inside `[…]` or `{…}` must be quoted", id="a variable in a list"
    ),
    pytest.param(
        "a: {b: ${VAR}}\n", "1:9", "a variable inside `[…]` or `{…}` must be quoted", id="a variable in a map"
    ),
    pytest.param("a: [x\nb: 1\n", None, "a `[…]` or `{…}` is not closed, or lacks a comma", id="an open bracket"),
    pytest.param("a: 'x\n", None, "a quote is opened and never closed", id="an open quote"),
    pytest.param("a: b: c\n", "1:5", "a `:` where no key can be", id="a colon in a value"),
    pytest.param("a: 1\n b: 2\n", "2:3", "a `:` where no key can be", id="a key that is indented too far"),
    pytest.param("a: @x\n", "1:4", "a value cannot start with `@`", id="a reserved character"),
    pytest.param("a: 1\nb\nc: 2\n", None, "a line that is no `key: value`", id="a line without a colon"),
    pytest.param("a:\n  b: 1\n c: 2\n", None, "the indentation does not fit", id="a dedent to nowhere"),
    pytest.param("a: 1\n---\nb: 2\n", "2:1", "a second YAML document starts here", id="two documents"),
    pytest.param("a: 1\nb: 2\na: 3\n", "3:1", "the key `a` is there twice", id="a duplicate key"),
    pytest.param("a: *b\n", "1:4", "`*b` refers to an anchor that is not defined", id="an unknown alias"),
    pytest.param("a: &a [*a]\n", "1:8", "`*a` refers to itself", id="an alias inside itself"),
    pytest.param("{a: b}: c\n", "1:1", "a key must be text", id="a mapping as a key"),
    pytest.param("${X}: 1\n? {a: b}\n: 1\n", "2:3", "a key must be text", id="a complex key"),
    pytest.param("a: !ruby/object x\n", "1:4", "the YAML tag `!ruby/object` is not understood", id="a foreign tag"),
    pytest.param("a: !!binary aGk=\n", "1:4", "the YAML tag `!!binary` is not understood", id="binary"),
    pytest.param("<<: 1\n", "1:5", "`<<` takes a mapping", id="a merge of no mapping"),
    pytest.param("[" * 5000, f"1:{DEEPEST + 1}", f"nested more than {DEEPEST} levels deep", id="deep nesting"),
    pytest.param("- " * 5000, f"1:{2 * DEEPEST + 1}", f"nested more than {DEEPEST} levels deep", id="deep lists"),
    pytest.param(BOMB, None, "the aliases expand to more than 1,000,000 values", id="a YAML bomb"),
]


@pytest.mark.parametrize(("text", "place", "message"), BROKEN)
def test_text_that_is_no_yaml_gives_its_place_and_what_is_meant(
    text: str | bytes, place: str | None, message: str, pure: bool
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text, pure=pure)
    [problem] = caught.value.problems
    assert message in problem.message
    assert problem.at is not None
    if place is not None:
        assert str(problem.at) == f"{FILE}:{place}"


def test_a_duplicate_key_names_both_places_and_all_of_them_are_told() -> None:
    with pytest.raises(ConfigError) as caught:
        read("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n")
    assert [(str(p.at), p.hint, p.source) for p in caught.value.problems] == [
        (f"{FILE}:4:3", f"first at {FILE}:3:3; remove one of them", "  c: 2"),
        (f"{FILE}:5:1", f"first at {FILE}:1:1; remove one of them", "a: 3"),
    ]


def test_a_deep_tree_through_aliases_is_refused() -> None:
    text = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 3 * DEEPEST))
    with pytest.raises(ConfigError, match="1 problem") as caught:
        read(text)
    assert "levels deep through aliases" in caught.value.problems[0].message


def test_ten_megabytes_are_read_and_more_than_the_limit_is_refused() -> None:
    line = "- some text that is long enough to be a line of ten megabytes of text, as a data file may be\n"
    text = (line * (10 * 1024 * 1024 // len(line))).encode()
    started = time.process_time()
    root = parse(text, FILE).root
    assert isinstance(root, ListNode)
    assert len(root.items) == text.count(b"\n")
    assert time.process_time() - started < 20
    with pytest.raises(ConfigError) as caught:
        parse(b"a" * (MOST_BYTES + 1), FILE)
    assert caught.value.problems[0].message == "the file is larger than 16 MiB"


def test_too_many_values_are_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(b"- \n" * 1_000_001, FILE)
    assert re.search("more than 1,000,000 values", caught.value.problems[0].message)
