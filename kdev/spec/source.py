"""Text of a YAML file in, nodes with places out. Iterative over the parser's events, so neither depth nor aliases can
exhaust anything. Refuses other encodings than UTF-8, several documents, duplicate keys and what expands too far.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

import yaml
from yaml import events as ev
from yaml.error import YAMLError

from kdev.errors import ConfigError, Mark, Problem
from kdev.spec.nodes import Entry, ListNode, MapNode, Node, Scalar
from kdev.spec.syntax import encoding_problem, syntax_problem

MOST_BYTES = 16 * 1024 * 1024
MOST_NODES = 1_000_000
DEEPEST = 100
# Where the parser breaks lines, so that its line numbers index our lines.
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_KINDS = ("str", "int", "float", "bool", "null", "map", "seq", "merge")
_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in _KINDS)
_TEXT_TAGS = frozenset(("tag:yaml.org,2002:str", "!"))


class Document(NamedTuple):
    """A parsed file: its root node (None for an empty one) and its lines."""

    root: Node | None
    lines: tuple[str, ...]


def parse(data: bytes, file: str, *, pure: bool = False) -> Document:
    """Parse `data`, named `file` in every mark. Raises ConfigError. `pure` keeps to the parser written in Python."""
    if len(data) > MOST_BYTES:
        raise ConfigError((Problem(Mark(file, 1, 1), f"the file is larger than {MOST_BYTES // 1024**2} MiB"),))
    data = data.removeprefix(b"\xef\xbb\xbf")
    problem = encoding_problem(data, file)
    if problem is not None:
        raise ConfigError((problem,))
    lines = tuple(_BREAK.split(data.decode("utf-8")))
    builder = _Builder(file, lines)
    try:
        for event in _events(data, pure=pure):
            builder.take(event)
    except (YAMLError, ValueError) as error:
        raise ConfigError((*builder.problems, syntax_problem(error, lines, file))) from error
    if builder.problems:
        raise ConfigError(tuple(builder.problems))
    return Document(builder.root, lines)


def _events(data: bytes, *, pure: bool) -> Iterator[Any]:
    # Only PyYAML's parser is used, none of its YAML 1.1 typing: its libyaml 0.2.5 reads `[http://x, a:b]`, which the
    # 0.1.7 in ruamel.yaml's C part refuses. Without the C part the same events come from Python, much slower.
    fast = yaml.__with_libyaml__ and not pure
    yield from yaml.parse(data, Loader=yaml.CSafeLoader if fast else yaml.SafeLoader)


class _Built(NamedTuple):
    node: Node
    size: int  # nodes, aliases counted as often as they are used
    height: int


class _Frame:
    """A collection that is still open."""

    __slots__ = ("anchor", "at", "entries", "height", "is_map", "items", "key", "merges", "size")

    def __init__(self, at: Mark, anchor: str | None, *, is_map: bool) -> None:
        self.at, self.anchor, self.is_map = at, anchor, is_map
        self.items: list[Node] = []
        self.entries: dict[str, Entry] = {}
        self.merges: list[MapNode] = []
        self.key: Scalar | None = None
        self.size = self.height = 1


class _Builder:
    def __init__(self, file: str, lines: tuple[str, ...]) -> None:
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._file, self._lines = file, lines
        self._frames: list[_Frame] = []
        self._anchors: dict[str, _Built | None] = {}
        self._documents = 0
        self._count = 0

    def take(self, event: Any) -> None:
        """Feed one event of the parser. Raises ConfigError when going on makes no sense."""
        kind = type(event)
        if kind is ev.ScalarEvent:
            self._check_tag(event)
            quoted = bool(event.style) or _tag(event) in _TEXT_TAGS
            self._place(_Built(Scalar(self._mark(event), event.value, quoted), 1, 1), event.anchor)
        elif kind is ev.MappingStartEvent or kind is ev.SequenceStartEvent:
            self._open(event, is_map=kind is ev.MappingStartEvent)
        elif kind is ev.MappingEndEvent or kind is ev.SequenceEndEvent:
            frame = self._frames.pop()
            self._place(_Built(self._close(frame), frame.size, frame.height), frame.anchor)
        elif kind is ev.AliasEvent:
            self._alias(event)
        elif kind is ev.DocumentStartEvent:
            self._documents += 1
            if self._documents > 1:
                self._fail(event, "a second YAML document starts here", "keep one document in this file")

    def _mark(self, event: Any) -> Mark:
        start = event.start_mark
        return Mark(self._file, start.line + 1, start.column + 1)

    def _problem(self, at: Mark, message: str, hint: str = "") -> Problem:
        return Problem(at, message, hint, self._lines[at.line - 1][:240] if at.line <= len(self._lines) else "")

    def _fail(self, event: Any, message: str, hint: str = "") -> NoReturn:
        raise ConfigError((*self.problems, self._problem(self._mark(event), message, hint)))

    def _check_tag(self, event: Any) -> None:
        tag = _tag(event)
        if tag is not None and tag != "!" and tag not in _TAGS:
            short = tag.replace("tag:yaml.org,2002:", "!!")
            self._fail(event, f"the YAML tag `{short[:60]}` is not understood", "write a plain value")

    def _open(self, event: Any, *, is_map: bool) -> None:
        self._check_tag(event)
        if len(self._frames) >= DEEPEST:
            self._fail(event, f"nested more than {DEEPEST} levels deep")
        if event.anchor:
            self._anchors[event.anchor] = None
        self._frames.append(_Frame(self._mark(event), event.anchor, is_map=is_map))

    def _close(self, frame: _Frame) -> Node:
        if not frame.is_map:
            return ListNode(frame.at, tuple(frame.items))
        for merged in frame.merges:
            for key, entry in merged.entries.items():
                frame.entries.setdefault(key, entry)
        return MapNode(frame.at, frame.entries)

    def _alias(self, event: Any) -> None:
        built = self._anchors.get(event.anchor)
        if built is None:
            known = event.anchor in self._anchors
            what = "itself" if known else "an anchor that is not defined"
            self._fail(event, f"`*{event.anchor[:60]}` refers to {what}")
        if built.height + len(self._frames) > DEEPEST:
            self._fail(event, f"nested more than {DEEPEST} levels deep through aliases")
        self._count += built.size
        if self._count > MOST_NODES:
            self._fail(event, f"the aliases expand to more than {MOST_NODES:,} values")
        node = built.node
        # Problems about an alias's use point to the use, not to the anchor; collections keep their own places.
        self._place(built._replace(node=node._replace(at=self._mark(event))), None, from_alias=True)

    def _place(self, built: _Built, anchor: str | None, *, from_alias: bool = False) -> None:
        if anchor:
            self._anchors[anchor] = built
        self._count += not from_alias
        if self._count > MOST_NODES:
            raise ConfigError((self._problem(built.node.at, f"more than {MOST_NODES:,} values in one file"),))
        if not self._frames:
            self.root = built.node
            return
        frame = self._frames[-1]
        frame.size += built.size
        frame.height = max(frame.height, built.height + 1)
        if not frame.is_map:
            frame.items.append(built.node)
        elif frame.key is None:
            self._key(frame, built.node)
        else:
            self._value(frame, frame.key, built.node)
            frame.key = None

    def _key(self, frame: _Frame, node: Node) -> None:
        if not isinstance(node, Scalar):
            raise ConfigError((*self.problems, self._problem(
                node.at, "a key must be text", "a value that starts with `{` or `[` must be quoted")))
        frame.key = node

    def _value(self, frame: _Frame, key: Scalar, node: Node) -> None:
        if key.text == "<<" and not key.quoted:
            merged = node.items if isinstance(node, ListNode) else (node,)
            for one in merged:
                if isinstance(one, MapNode):
                    frame.merges.append(one)
                else:
                    self.problems.append(self._problem(one.at, "`<<` takes a mapping, or a list of mappings"))
            return
        first = frame.entries.get(key.text)
        if first is not None:
            self.problems.append(self._problem(
                key.at, f"the key `{key.text[:60]}` is there twice", f"first at {first.at}; remove one of them"))
            return
        frame.entries[key.text] = Entry(key.at, node)


def _tag(event: Any) -> str | None:
    tag = event.tag
    return None if tag is None else str(tag)
