"""The command line: what each flag becomes, and what is refused."""

from __future__ import annotations

import pytest

from kdev.cli.arguments import overview, parse, parser_for
from kdev.cli.completion import words
from kdev.cli.options import COMMANDS, Options
from kdev.errors import UsageError


def options(*argv: str) -> Options:
    parsed = parse(argv)
    assert isinstance(parsed, Options)
    return parsed


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        pytest.param(["run", "dev"], {"command": "run", "pipeline": "dev"}, id="a pipeline"),
        pytest.param(["dev"], {"pipeline": "dev"}, id="its short form"),
        pytest.param(["plan", "build"], {"command": "run", "pipeline": "build", "dry_run": True}, id="a plan"),
        pytest.param(["build", "-b", "-d"], {"force_build": True, "force_deploy": True}, id="short flags"),
        pytest.param(["dev", "--force", "build:web", "forward"], {"force": ("build:web", "forward")}, id="forced"),
        pytest.param(["dev", "--var", "A=1", "--var", "B=x=y"], {"variables": (("A", "1"), ("B", "x=y"))}, id="vars"),
        pytest.param(["-C", "a", "-p", "ci", "dev"], {"directory": "a", "profile": "ci"}, id="flags in front"),
        pytest.param(["dev", "--images", "a,b"], {"images": ("a", "b")}, id="lists by comma"),
        pytest.param(["dev", "--sync=false"], {"sync": False, "portforwarding": True}, id="bools"),
        pytest.param(["dev", "--terminal"], {"terminal": True}, id="a truth without a value"),
        pytest.param(["enter", "-c", "app", "ls", "-l"], {"container": "app", "arguments": ("ls", "-l")}, id="argv"),
        pytest.param(["run", "greet", "--", "-b"], {"pipeline": "greet", "arguments": ("-b",)}, id="arguments"),
        pytest.param(["why", "build:web"], {"arguments": ("build:web",)}, id="why"),
    ],
)
def test_flags_become_options(argv: list[str], expected: dict[str, object]) -> None:
    given = options(*argv)
    assert {name: getattr(given, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        pytest.param(["bild"], "there is no command 'bild'", id="unknown command"),
        pytest.param(["dev", "--var", "A"], "expected NAME=VALUE", id="variable without a value"),
        pytest.param(["dev", "-b", "--skip-build"], "exclude each other", id="contradiction"),
        pytest.param(["dev", "--detailed-exitcode"], "belongs to --dry-run", id="exit code without a plan"),
        pytest.param(["dev", "--sync=perhaps"], "neither true nor false", id="no truth"),
        pytest.param(["dev", "--nonsense"], "--nonsense", id="unknown flag"),
        pytest.param(["dev", "--timeout", "soon"], "invalid int value", id="no number"),
        pytest.param(["graph", "--format", "png"], "invalid choice", id="unknown format"),
    ],
)
def test_what_cannot_be_meant_is_refused(argv: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(argv)


def test_an_unknown_command_is_told_the_nearest_one() -> None:
    with pytest.raises(UsageError) as caught:
        parse(["bild"])
    assert caught.value.hint == "did you mean build?"


@pytest.mark.parametrize("argv", [["--help"], ["-h"], [], ["help"]])
def test_help_lists_every_command(argv: list[str]) -> None:
    text = parse(argv)
    assert text == overview()
    assert all(f"  {name} " in str(text) for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_its_flags(command: str) -> None:
    text = parse([command, "--help"])
    assert isinstance(text, str)
    flags = [action for action in parser_for(command)._actions if action.option_strings]
    assert all(action.help for action in flags), "a flag without a word about it"


@pytest.mark.parametrize("command", COMMANDS)
def test_completion_knows_every_flag(command: str) -> None:
    flags = {flag for action in parser_for(command)._actions for flag in action.option_strings}
    assert flags <= set(words(command))
