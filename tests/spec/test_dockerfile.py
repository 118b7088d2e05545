"""What kdev reads of a Dockerfile, and the override, as tables of texts."""

from __future__ import annotations

import pytest

from kdev.errors import ConfigError
from kdev.spec.dockerfile import Command, base_images, command, exposed_ports, override
from kdev.spec.dockerfile_parse import parse


def lines(*rows: str) -> str:
    return "".join(f"{row}\n" for row in rows)


@pytest.mark.parametrize(
    ("text", "instructions"),
    [
        pytest.param("FROM a\nrun  x  y\n", [("FROM", "a"), ("RUN", "x  y")], id="names in any case"),
        pytest.param("FROM a\nRUN x \\\n  y\n", [("FROM", "a"), ("RUN", "x   y")], id="a continuation"),
        pytest.param("FROM a\nRUN x \\  \n y\n", [("FROM", "a"), ("RUN", "x  y")], id="spaces behind the mark"),
        pytest.param("FROM a\r\nRUN x \\\r\n y\r\n", [("FROM", "a"), ("RUN", "x  y")], id="CRLF"),
        pytest.param("FROM a\nRUN x \\\n # c \\\n\n y\n", [("FROM", "a"), ("RUN", "x  y")],
                     id="comments and blanks inside"),
        pytest.param("FROM a\nRUN x \\\\\nRUN y\n", [("FROM", "a"), ("RUN", "x \\\\"), ("RUN", "y")],
                     id="two marks are none"),
        pytest.param("# escape=`\nFROM a\nRUN x `\n y \\\n", [("FROM", "a"), ("RUN", "x  y \\")], id="another mark"),
        pytest.param("# a=b\n#ESCAPE = `\nFROM a\nRUN x `\n y\n", [("FROM", "a"), ("RUN", "x  y")],
                     id="unknown directive first"),
        pytest.param("\n# escape=`\nFROM a\nRUN x `\n", [("FROM", "a"), ("RUN", "x `")], id="a directive too late"),
        pytest.param("\ufeffFROM a\n", [("FROM", "a")], id="a byte order mark"),
        pytest.param("FROM a\nRUN x\x0by\u2028z\n", [("FROM", "a"), ("RUN", "x\x0by\u2028z")],
                     id="only newlines end a line"),
        pytest.param("FROM a\nRUN <<EOF\nFROM b\nEOF\nRUN y", [("FROM", "a"), ("RUN", "<<EOF"), ("RUN", "y")],
                     id="a heredoc"),
        pytest.param(
            'FROM a\nRUN <<-"A B" cat\n\tx\n\tA B\nUSER u\n', [("FROM", "a"), ("RUN", '<<-"A B" cat'), ("USER", "u")],
            id="a quoted end word, tabs dropped",
        ),
        pytest.param(
            "FROM a\nCOPY <<A <<B /x/\n1\nA\n2\nB\nUSER u\n", [("FROM", "a"), ("COPY", "<<A <<B /x/"), ("USER", "u")],
            id="two heredocs in a line",
        ),
        pytest.param(
            "FROM a\nONBUILD RUN <<E\nFROM b\nE\n", [("FROM", "a"), ("ONBUILD", "RUN <<E")],
            id="a heredoc behind ONBUILD",
        ),
        pytest.param("FROM a\nRUN x<<E\nUSER u\n", [("FROM", "a"), ("RUN", "x<<E"), ("USER", "u")],
                     id="no heredoc: inside a word"),
        pytest.param('FROM a\nRUN ["x", "<<E"]\nUSER u\n', [("FROM", "a"), ("RUN", '["x", "<<E"]'), ("USER", "u")],
                     id="no heredoc: JSON form"),
        pytest.param("FROM a\nENV X <<E\nUSER u\n", [("FROM", "a"), ("ENV", "X <<E"), ("USER", "u")],
                     id="no heredoc: ENV"),
        pytest.param("FROM a\nRUN x \\\n", [("FROM", "a"), ("RUN", "x")], id="the end cuts an instruction off"),
    ],
)
def test_instructions_are_those_that_docker_reads(text: str, instructions: list[tuple[str, str]]) -> None:
    found = [one for stage in parse(text).stages for one in (stage.at, *stage.instructions)]
    assert [(one.name, one.rest) for one in found] == instructions


def test_heredoc_contents_are_kept_with_their_names() -> None:
    run = parse("FROM a\nRUN <<-A <<B\n\tone\n\tA\n\ttwo\nB\n").stages[0].instructions[0]
    assert run.heredocs == (("A", "one\n"), ("B", "\ttwo\n"))


BUILD = lines(
    "ARG VERSION=1.36",
    "ARG FLAVOUR",
    "FROM --platform=$BUILDPLATFORM busybox:${VERSION} AS Build",
    "COPY --from=tools:2 /a /a",
    "FROM build AS test",
    "RUN --mount=type=bind,from=fixtures:1,target=/f x",
    "FROM scratch",
    "COPY --from=build /a /a",
    "COPY --from=1 /b /b",
    "FROM alpine${FLAVOUR:+-$FLAVOUR} AS app",
    "COPY --chown=1:1 --from=BUILD /a /a",
)


@pytest.mark.parametrize(
    ("target", "arguments", "images"),
    [
        pytest.param("build", {}, ("busybox:1.36", "tools:2"), id="a stage and its --from"),
        pytest.param("BUILD", {"VERSION": "2"}, ("busybox:2", "tools:2"), id="a build argument"),
        pytest.param("test", {}, ("busybox:1.36", "fixtures:1", "tools:2"), id="through another stage, and a mount"),
        pytest.param("2", {}, ("busybox:1.36", "fixtures:1", "tools:2"), id="stages by number, scratch is none"),
        pytest.param("", {}, ("alpine", "busybox:1.36", "tools:2"), id="the last stage"),
        pytest.param("app", {"FLAVOUR": "slim", "OTHER": "x"}, ("alpine-slim", "busybox:1.36", "tools:2"),
                     id="${A:+x}"),
    ],
)
def test_base_images_are_those_that_the_target_reaches(
    target: str, arguments: dict[str, str], images: tuple[str, ...]
) -> None:
    assert base_images(BUILD, arguments, target) == images


@pytest.mark.parametrize(
    ("text", "images"),
    [
        pytest.param("FROM a:${V:-1}", ("a:1",), id="a default for an unset one"),
        pytest.param("ARG V=\nFROM a:${V:-1}${V-2}", ("a:1",), id="empty is not unset"),
        pytest.param("ARG V=x\nARG W=$V-y\nFROM a:$W", ("a:x-y",), id="one ARG uses another"),
        pytest.param('ARG V="q r" W=2\nFROM a:$W', ("a:2",), id="several in one ARG, quoted"),
        pytest.param("ARG V=v1.2.3\nFROM a:${V#v}", ("a:1.2.3",), id="a prefix taken off"),
        pytest.param("ARG V=1.2.3\nFROM a:${V%.*}-${V%%.*}", ("a:1.2-1",), id="a suffix taken off, short and long"),
        pytest.param("ARG V=a/b/c\nFROM ${V/b/x}:${V//\\//-}", ("a/x/c:a-b-c",), id="replaced, once and everywhere"),
        pytest.param("FROM a-${TARGETARCH}", (), id="only the builder knows"),
        pytest.param("FROM a\nFROM a AS a\nFROM a", ("a",), id="a stage that is called like its image"),
        pytest.param("FROM a AS x\nFROM b AS x2\nCOPY --from=7 / /", ("7", "b"),
                     id="a number that is no stage is an image"),
        pytest.param("FROM a\nONBUILD COPY --from=b / /", ("a", "b"), id="ONBUILD"),
        pytest.param("FROM SCRATCH\nRUN x", (), id="scratch in any case"),
        pytest.param("FROM r.io:5000/a/b@sha256:00", ("r.io:5000/a/b@sha256:00",), id="a digest"),
    ],
)
def test_from_is_expanded_as_the_builder_does(text: str, images: tuple[str, ...]) -> None:
    assert base_images(text) == images


@pytest.mark.parametrize(
    ("before", "target", "after"),
    [
        pytest.param("FROM a\n", "", "FROM a\n+\n", id="one stage"),
        pytest.param("FROM a", "", "FROM a\n+", id="no newline at the end, and none added"),
        pytest.param("FROM a\r\nUSER u\r\n", "", "FROM a\r\nUSER u\r\n+\r\n", id="CRLF"),
        pytest.param("FROM a\r\nUSER u", "", "FROM a\r\nUSER u\r\n+", id="CRLF without the last"),
        pytest.param("FROM a AS x\n# c\n\nFROM b\n", "x", "FROM a AS x\n+\n# c\n\nFROM b\n", id="comments stay behind"),
        pytest.param("FROM a\nFROM b\n", "0", "FROM a\n+\nFROM b\n", id="by number"),
        pytest.param("FROM r.io/a_b/c:1 AS x_y.z\nFROM b\n", "X_Y.Z", "FROM r.io/a_b/c:1 AS x_y.z\n+\nFROM b\n",
                     id="names that devspace could not find"),
        pytest.param("FROM a\nRUN <<E\nx\nE\nFROM b\n", "0", "FROM a\nRUN <<E\nx\nE\n+\nFROM b\n",
                     id="behind a heredoc"),
        pytest.param("FROM a\nRUN <<E\nx\nE", "", "FROM a\nRUN <<E\nx\nE\n+", id="a heredoc ends the file"),
        pytest.param("FROM a\nRUN x \\\n # c\n  y\n\n", "", "FROM a\nRUN x \\\n # c\n  y\n+\n\n",
                     id="behind a continuation"),
        pytest.param("FROM a\nRUN x \\\n\n# c\n", "", "FROM a\nRUN x \n\n# c\n+\n",
                     id="a mark that leads nowhere goes"),
        pytest.param("FROM a\nRUN x \\", "", "FROM a\nRUN x \n+", id="also as the last byte"),
        pytest.param("# escape=`\nFROM a\nRUN x `\n", "", "# escape=`\nFROM a\nRUN x \n+\n", id="and another mark"),
        pytest.param("FROM a\nONBUILD ENTRYPOINT x\n", "", "FROM a\nONBUILD ENTRYPOINT x\n+\n",
                     id="ONBUILD is no entrypoint"),
    ],
)
def test_an_override_goes_to_the_end_of_its_stage(before: str, target: str, after: str) -> None:
    assert override(before, target, ("x",)) == after.replace("+", 'ENTRYPOINT ["x"]')


@pytest.mark.parametrize(
    ("entrypoint", "cmd", "instructions", "added"),
    [
        pytest.param(("sh", "-c"), ("a b",), (), ['ENTRYPOINT ["sh", "-c"]', 'CMD ["a b"]'], id="both"),
        pytest.param(None, ("x",), (), ['CMD ["x"]'], id="cmd alone"),
        pytest.param((), None, (), ["ENTRYPOINT []"], id="cleared"),
        pytest.param((), (), (), ["ENTRYPOINT []", "CMD []"], id="both cleared"),
        pytest.param(('a"b\\c',), None, (), ['ENTRYPOINT ["a\\"b\\\\c"]'], id="quotes and backslashes"),
        pytest.param(("a\nb\u2028ü",), None, (), ['ENTRYPOINT ["a\\nb\\u2028\\u00fc"]'],
                     id="newlines and beyond ASCII"),
        pytest.param(None, None, ("USER root", "RUN x"), ["USER root", "RUN x"], id="instructions"),
        pytest.param(("x",), None, ("USER root",), ["USER root", 'ENTRYPOINT ["x"]'], id="instructions first"),
        pytest.param(None, None, (), [], id="nothing"),
    ],
)
def test_what_is_added_is_encoded(
    entrypoint: tuple[str, ...] | None, cmd: tuple[str, ...] | None, instructions: tuple[str, ...], added: list[str]
) -> None:
    assert override("FROM a\n", "", entrypoint, cmd, instructions) == lines("FROM a", *added)


@pytest.mark.parametrize(
    ("text", "target", "line", "message", "hint"),
    [
        pytest.param("FROM a AS build\nFROM b\n", "biuld", 2, "there is no stage 'biuld'", "did you mean 'build'?",
                     id="a typo"),
        pytest.param("FROM a\nFROM b\n", "2", 2, "there is no stage '2'", "only numbers, 0 to 1",
                     id="a number too high"),
        pytest.param("FROM a AS x\nFROM b\nFROM c AS X\n", "x", 3, "ambiguous: lines 1 and 3", "",
                     id="two of one name"),
        pytest.param("# c\nRUN x\nFROM a\n", "", 2, "RUN comes before the first FROM", "", id="before FROM"),
        pytest.param("# only this\n", "", 1, "there is no FROM", "", id="no FROM"),
        pytest.param("", "", 1, "there is no FROM", "", id="an empty file"),
        pytest.param("FROM a\nRUN <<E\nx\n", "", 2, "the heredoc E is never ended", "add a line with E alone",
                     id="a heredoc"),
        pytest.param("# escape=x\nFROM a\n", "", 1, "the escape character cannot be 'x'", "", id="an escape"),
        pytest.param("FROM a b\n", "", 1, "FROM needs an image", "", id="FROM with two words"),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, target: str, line: int, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        override(text, target, ("x",), file="web/Dockerfile")
    (problem,) = caught.value.problems
    assert problem.at is not None
    assert (problem.at.file, problem.at.line) == ("web/Dockerfile", line)
    assert message in problem.message
    assert hint in problem.hint
    assert problem.source == (text.split("\n")[line - 1])


@pytest.mark.parametrize("word", ["${V", "${V:x}", "${V:?is needed}", "${}", "'a", '"a'])
def test_an_expression_that_docker_refuses_names_its_line(word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        base_images(f"ARG X=1\nFROM a\nFROM b:{word}\n")
    assert caught.value.problems[0].at is not None
    assert caught.value.problems[0].at.line == 3


def test_ports_are_those_of_the_stage_and_what_it_is_made_from() -> None:
    text = lines(
        "ARG OUT=9000",
        "FROM a AS base",
        "EXPOSE 80 443/tcp 53/udp",
        "FROM base",
        "ARG OUT",
        "ARG PORT=8080",
        "ENV ADMIN 8081",
        "ENV A=1 B=$PORT",
        "EXPOSE $B/tcp ${ADMIN} $OUT 3000-3002 80",
        "FROM c AS other",
        "EXPOSE 1",
    )
    assert exposed_ports(text, {}, "1") == (80, 443, 8080, 8081, 9000, 3000, 3001, 3002)
    assert exposed_ports(text, {"PORT": "99"}, "1")[2] == 99
    assert exposed_ports(text) == (1,)


@pytest.mark.parametrize("port", ["x", "0", "70000", "-1", "1-x"])
def test_what_is_no_port_is_left_out(port: str) -> None:
    assert exposed_ports(f"FROM a\nEXPOSE {port}\n") == ()


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        pytest.param((), Command(None, None), id="nothing said"),
        pytest.param(('CMD ["a"]', 'ENTRYPOINT ["e"]'), Command(("e",), ("a",)), id="both in one stage"),
        pytest.param(("CMD a $B",), Command(None, ("/bin/sh", "-c", "a $B")), id="shell form"),
        pytest.param(('SHELL ["bash", "-ec"]', "CMD a"), Command(None, ("bash", "-ec", "a")), id="another shell"),
        pytest.param(('CMD ["a"]', "FROM base0", 'ENTRYPOINT ["e"]'), Command(("e",), None),
                     id="a new entrypoint forgets"),
        pytest.param(('ENTRYPOINT ["e"]', "FROM base0", 'CMD ["b"]'), Command(("e",), ("b",)), id="a new cmd does not"),
        pytest.param(('ENTRYPOINT ["e"]', "ENTRYPOINT []"), Command((), None), id="cleared"),
        pytest.param(("CMD ['a']",), Command(None, ("/bin/sh", "-c", "['a']")), id="no JSON is a shell's"),
    ],
)
def test_the_command_is_what_the_stage_starts(rows: tuple[str, ...], found: Command) -> None:
    assert command(lines("FROM a AS base0", *rows)) == found
