"""What must hold for any Dockerfile: the override changes nothing else, and is what a reader then finds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kdev.errors import ConfigError, Problem
from kdev.spec.dockerfile import command, override
from kdev.spec.dockerfile_parse import Stage, parse

WORDS = st.tuples() | st.lists(st.text(max_size=6), max_size=3).map(tuple)
ROWS = st.sampled_from(
    [
        "", "# a comment", "  # indented", "USER u", "RUN a \\", "  b", "RUN a \\\\", "RUN a `", "\\", "` ",
        "RUN <<EOF cat", "EOF", "RUN <<-'X Y'", "\tX Y", "COPY <<A <<B /", "A", "B", "FROM b AS second", "FROM first",
        "ONBUILD RUN <<EOF", 'CMD ["x"]', "ENTRYPOINT e", "ENV A=1 \\", "FROM c",
        "RUN [\"<<EOF\"]", "\x0c", "LABEL a=\u2028",
    ]
)
HEADS = st.sampled_from(["", "# escape=`", "# escape=\\", "# syntax=docker/dockerfile:1", "\ufeff# escape=`", "# c"])


@st.composite
def dockerfiles(draw: st.DrawFn) -> str:
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    rows = [draw(HEADS), draw(st.sampled_from(["FROM a AS first", "FROM a"])), *draw(st.lists(ROWS, max_size=12))]
    return newline.join(rows) + draw(st.sampled_from(["", newline]))


def readable(text: str) -> bool:
    try:
        parse(text)
    except ConfigError:
        return False
    return True


@given(dockerfiles().filter(readable), WORDS, WORDS | st.none(), st.data())
def test_an_override_is_found_where_it_was_put_and_nothing_else_changes(
    text: str, entrypoint: tuple[str, ...], cmd: tuple[str, ...] | None, data: st.DataObject
) -> None:
    before = parse(text)
    number = data.draw(st.integers(0, len(before.stages) - 1))
    changed = override(text, str(number), entrypoint, cmd)
    after = parse(changed)

    found = command(changed, str(number))
    assert found.entrypoint == entrypoint
    if cmd is not None:
        assert found.cmd == cmd

    assert len(after.stages) == len(before.stages)
    for old, new in zip(before.stages, after.stages, strict=True):
        added = (1 + (cmd is not None)) if old.number == number else 0
        kept = new.instructions[: len(new.instructions) - added]
        assert [(i.name, i.rest, i.heredocs) for i in kept] == [(i.name, i.rest, i.heredocs) for i in old.instructions]

    last = (before.stages[number].instructions or (before.stages[number].at,))[-1]
    head = text[: last.end]
    if last.dangling >= 0:
        head = head[: last.dangling] + head[last.dangling + 1 :]
    assert changed.startswith(head)
    assert changed.endswith(text[last.end :])


@given(st.text())
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    problems: tuple[Problem, ...] = ()
    stages: tuple[Stage, ...] = ()
    try:
        stages = parse(text).stages
    except ConfigError as error:
        problems = error.problems
    assert bool(stages) != bool(problems)
    assert all(problem.at for problem in problems)
