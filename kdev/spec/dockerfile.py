"""What kdev wants to know of a Dockerfile, and the one change it makes to one: another entrypoint for a stage.

Text in, text out; nothing is read, run or written. The parser is in dockerfile_parse, expansion in dockerfile_words.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from kdev.spec.dockerfile_parse import Dockerfile, Instruction, Stage, parse
from kdev.spec.dockerfile_words import BadWord, expand, flags, split

DEFAULT_SHELL = ("/bin/sh", "-c")
_AUTOMATIC = frozenset(
    f"{side}{part}" for side in ("TARGET", "BUILD") for part in ("PLATFORM", "OS", "ARCH", "VARIANT")
)
_MOST_PORTS = 100  # of one EXPOSE range; a range of thousands offers nothing to choose from


class Command(NamedTuple):
    """What a stage starts. None: the stage and the stages it is made from say nothing, so its base image decides."""

    entrypoint: tuple[str, ...] | None
    cmd: tuple[str, ...] | None


def override(
    text: str,
    target: str = "",
    entrypoint: tuple[str, ...] | None = None,
    cmd: tuple[str, ...] | None = None,
    instructions: tuple[str, ...] = (),
    *,
    file: str = "Dockerfile",
) -> str:
    """`text` with `instructions`, ENTRYPOINT and CMD added behind the last instruction of the stage `target` ("" for
    the last one, else its name or number). None leaves what is there, () clears it. All other bytes are kept.

    As Docker has it, an ENTRYPOINT also clears a CMD that comes from the base image, but not one of the same stage.
    Raises ConfigError naming file and line when the target is missing or ambiguous, or the file cannot be read.
    """
    dockerfile = parse(text, file)
    stage = _target(dockerfile, target)
    added = list(instructions)
    if entrypoint is not None:
        added.append(f"ENTRYPOINT {json.dumps(entrypoint)}")
    if cmd is not None:
        added.append(f"CMD {json.dumps(cmd)}")
    if not added:
        return text
    last = stage.instructions[-1] if stage.instructions else stage.at
    before, after = text[: last.end], text[last.end :]
    newline = "\r\n" if before.endswith("\r\n") or ("\r\n" in before and not before.endswith("\n")) else "\n"
    block = newline.join(added)
    if last.dangling >= 0:
        # The file ends within a continuation: what is added would become part of that instruction. Dropping the mark
        # that leads nowhere is the only way to end it, and changes nothing in it.
        before = before[: last.dangling] + before[last.dangling + 1 :]
    return f"{before}{block}{newline}{after}" if before.endswith("\n") else f"{before}{newline}{block}{after}"


def base_images(
    text: str, build_args: Mapping[str, str] | None = None, target: str = "", *, file: str = "Dockerfile"
) -> tuple[str, ...]:
    """The images from outside that the stage `target` is made of, sorted: those of FROM, COPY --from and RUN --mount
    in every stage that it reaches. Without `scratch`, and without names that only the builder can complete
    (`$TARGETARCH`). Raises ConfigError.
    """
    dockerfile = parse(text, file)
    lookup = _global_variables(dockerfile, build_args or {}).get
    found: set[str] = set()
    queue, seen = [_target(dockerfile, target).number], set[int]()
    while queue:
        number = queue.pop()
        if number in seen:
            continue
        seen.add(number)
        for name, numbered in _sources(dockerfile, dockerfile.stages[number], lookup):
            stage = _earlier(dockerfile, name, number, numbered=numbered)
            if stage is not None:
                queue.append(stage.number)
            elif name and name.lower() != "scratch":
                found.add(name)
    return tuple(sorted(found))


def exposed_ports(
    text: str, build_args: Mapping[str, str] | None = None, target: str = "", *, file: str = "Dockerfile"
) -> tuple[int, ...]:
    """The TCP ports that the stage and the stages it is made from EXPOSE, in order. Raises ConfigError."""
    dockerfile = parse(text, file)
    # An ARG without a value takes that of an ARG before the first FROM.
    outer = _global_variables(dockerfile, build_args or {})
    variables: dict[str, str] = {}
    ports: dict[int, None] = {}
    for stage in _chain(dockerfile, _target(dockerfile, target)):
        for one in stage.instructions:
            if one.name in ("ARG", "ENV"):
                _assign(dockerfile, one, variables, build_args or {}, outer)
            elif one.name == "EXPOSE":
                for word in split(one.rest, dockerfile.escape):
                    ports.update(dict.fromkeys(_ports(_expanded(dockerfile, one, word, variables.get))))
    return tuple(ports)


def command(text: str, target: str = "", *, file: str = "Dockerfile") -> Command:
    """What the stage starts, with shell forms wrapped in the stage's SHELL. Raises ConfigError."""
    dockerfile = parse(text, file)
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    shell: tuple[str, ...] = DEFAULT_SHELL
    for stage in _chain(dockerfile, _target(dockerfile, target)):
        own_cmd = False
        for one in stage.instructions:
            if one.name == "SHELL":
                shell = _json_form(one.rest) or shell
            elif one.name == "CMD":
                cmd, own_cmd = _command_form(one.rest, shell), True
            elif one.name == "ENTRYPOINT":
                entrypoint = _command_form(one.rest, shell)
                cmd = cmd if own_cmd else None
    return Command(entrypoint, cmd)


def _target(dockerfile: Dockerfile, target: str) -> Stage:
    """The stage that a name or number means; the last one for ""."""
    stages = dockerfile.stages
    if not target:
        return stages[-1]
    named = [stage for stage in stages if stage.name == target.lower()]
    if len(named) > 1:
        lines = " and ".join(str(stage.at.line) for stage in named)
        message = f"the target {target!r} is ambiguous: lines {lines} start a stage of that name"
        raise dockerfile.error(named[1].at.line, message)
    if named:
        return named[0]
    if target.isascii() and target.isdigit() and int(target) < len(stages):
        return stages[int(target)]
    names = [stage.name for stage in stages if stage.name]
    close = difflib.get_close_matches(target.lower(), names, 1)
    known = ", ".join(names) if names else f"only numbers, 0 to {len(stages) - 1}"
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise dockerfile.error(stages[-1].at.line, f"there is no stage {target!r}", f"{hint}stages: {known}")


def _earlier(dockerfile: Dockerfile, name: str, before: int, *, numbered: bool) -> Stage | None:
    """The stage that a name (or, where `numbered`, a number) means inside stage number `before`. The last one wins."""
    for stage in reversed(dockerfile.stages[:before]):
        if stage.name and stage.name == name.lower():
            return stage
    if numbered and name.isascii() and name.isdigit() and int(name) < before:
        return dockerfile.stages[int(name)]
    return None


def _chain(dockerfile: Dockerfile, stage: Stage) -> list[Stage]:
    """The stage behind all stages it is FROM, first one first."""
    lookup = _global_variables(dockerfile, {}).get
    chain = [stage]
    while True:
        name = _expanded(dockerfile, chain[0].at, chain[0].image, lookup)
        base = _earlier(dockerfile, name, chain[0].number, numbered=False)
        if base is None:
            return chain
        chain.insert(0, base)


def _sources(
    dockerfile: Dockerfile, stage: Stage, lookup: Callable[[str], str | None]
) -> Iterator[tuple[str, bool]]:
    """(stage or image, may it be a stage's number) of everything that a stage takes files from."""
    yield _expanded(dockerfile, stage.at, stage.image, lookup), False
    for one in stage.instructions:
        name, rest = one.name, one.rest
        if name == "ONBUILD":
            name, _, rest = rest.partition(" ")
        given, _ = flags(rest, dockerfile.escape)
        for flag, value in given:
            if flag == "from" and name.upper() in ("COPY", "ADD"):
                yield value, True
            elif flag == "mount" and name.upper() == "RUN":
                for field in value.split(","):
                    key, _, source = field.partition("=")
                    if key.strip().lower() == "from" and "$" not in source:
                        yield source, True


def _global_variables(dockerfile: Dockerfile, build_args: Mapping[str, str]) -> dict[str, str]:
    """What FROM may use: the ARGs before the first one, with the values that the build gives them."""
    variables: dict[str, str] = {}
    for one in dockerfile.arguments:
        _assign(dockerfile, one, variables, build_args)
    return variables


def _assign(
    dockerfile: Dockerfile, one: Instruction, variables: dict[str, str], build_args: Mapping[str, str],
    outer: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Let an ARG or ENV instruction act on `variables`. `outer` holds the ARGs from before the first FROM."""
    words = split(one.rest, dockerfile.escape)
    if one.name == "ENV" and words and "=" not in words[0]:
        variables[words[0]] = _expanded(dockerfile, one, one.rest[len(words[0]) :].strip(), variables.get)
        return
    for word in words:
        name, equals, value = word.partition("=")
        if one.name == "ARG" and name in build_args:
            variables[name] = build_args[name]
        elif equals:
            variables[name] = _expanded(dockerfile, one, value, variables.get)
        elif name in outer and one.name == "ARG":
            variables[name] = outer[name]


def _expanded(dockerfile: Dockerfile, one: Instruction, word: str, lookup: Callable[[str], str | None]) -> str:
    """`word` filled in; "" when it needs a variable that only the builder knows."""
    unknown: list[str] = []

    def known(name: str) -> str | None:
        value = lookup(name)
        if value is None and name in _AUTOMATIC:
            unknown.append(name)
        return value

    try:
        text = expand(word, known, dockerfile.escape)
    except BadWord as error:
        raise dockerfile.error(one.line, f"cannot read {word!r}: {error}") from error
    return "" if unknown else text


def _ports(word: str) -> Iterator[int]:
    port, _, protocol = word.partition("/")
    first, _, last = port.partition("-")
    if protocol.lower() in ("", "tcp") and first.isdigit() and (not last or last.isdigit()):
        low, high = int(first), int(last or first)
        yield from (one for one in range(low, min(high, low + _MOST_PORTS - 1) + 1) if 0 < one < 65536)


def _json_form(rest: str) -> tuple[str, ...] | None:
    try:
        found = json.loads(rest)
    except ValueError:
        return None
    if isinstance(found, list) and all(isinstance(word, str) for word in found):
        return tuple(found)
    return None


def _command_form(rest: str, shell: tuple[str, ...]) -> tuple[str, ...]:
    parsed = _json_form(rest)
    return parsed if parsed is not None else (*shell, rest) if rest else ()
