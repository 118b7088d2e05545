"""argv → Options. One small parser per command, made only for the command at hand."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from kdev import __version__
from kdev.cli.options import COMMANDS, PIPELINES, TARGETS, Options
from kdev.errors import UsageError

GRAPH_FORMATS = ("tree", "dot", "mermaid", "json", "svg")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        raise UsageError(message, hint=f"see `{self.prog} --help`")


def _formatter(prog: str) -> argparse.HelpFormatter:
    """argparse makes one for every argument; left to find the width itself, it imports shutil with its compressors."""
    try:
        width = os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        width = 100
    return argparse.HelpFormatter(prog, width=min(width, 120) - 2)


def parse(argv: Sequence[str]) -> Options | str:
    """The options, or a text to print and be done with. Raises UsageError."""
    command, rest = _command(argv)
    if command in ("", "-h", "--help", "help"):
        return overview()
    if command in ("--version", "version"):
        return f"kdev {__version__}"
    if command not in COMMANDS:
        near = import_module("difflib").get_close_matches(command, COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else "see `kdev --help`"
        raise UsageError(f"there is no command {command!r}", hint=hint)
    parser = parser_for(command)
    if any(word in ("-h", "--help") for word in _before_dashes(rest)):
        return parser.format_help().rstrip()
    given = vars(parser.parse_args(rest))
    return _options(command, given)


def _command(argv: Sequence[str]) -> tuple[str, list[str]]:
    """The first word that is a command, with the global flags before it moved behind it."""
    words = list(argv)
    taking = {"-C", "-n", "-p", "--config", "--profile", "--namespace", "--var", "--target", "-o"}
    index = 0
    while index < len(words) and words[index].startswith("-") and words[index] not in ("-h", "--help", "--version"):
        index += 2 if words[index] in taking else 1
    if index >= len(words):
        return "", []
    return words[index], words[:index] + words[index + 1 :]


def _before_dashes(words: list[str]) -> list[str]:
    return words[: words.index("--")] if "--" in words else words


def overview() -> str:
    """What `kdev --help` prints."""
    width = max(map(len, COMMANDS))
    lines = ["make for developing inside Kubernetes", "", "usage: kdev COMMAND [flags]", ""]
    lines += [f"  {name.ljust(width)}  {text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join([*lines, "", "`kdev COMMAND --help` explains a command's flags."])


def parser_for(command: str) -> argparse.ArgumentParser:
    """The parser of one command."""
    parser = _Parser(
        prog=f"kdev {command}", description=COMMANDS[command][1], formatter_class=_formatter, allow_abbrev=False
    )
    _common(parser)
    if command in ("run", "plan"):
        parser.add_argument("pipeline", metavar="PIPELINE", help="dev, deploy, build, purge, or a project's command")
        parser.add_argument("arguments", nargs="*", metavar="ARG", help="for a command of the project")
    elif command == "graph":
        parser.add_argument("pipeline", nargs="?", default="dev", choices=PIPELINES[:3], help="default: dev")
        parser.add_argument("--format", default="tree", choices=GRAPH_FORMATS, help="default: tree")
        parser.add_argument("--file", default="", metavar="PATH", help="write the picture there")
    elif command == "why":
        parser.add_argument("arguments", nargs="*", metavar="STEP", help="e.g. build:web; default: all of the last run")
        parser.add_argument("--limit", type=int, default=5, help="how many past runs to tell of")
        parser.add_argument("--pipeline", default="", choices=PIPELINES[:3], help="judge as this pipeline would")
    elif command == "history":
        parser.add_argument("--limit", type=int, default=20, help="how many runs")
    elif command in ("enter", "attach", "logs"):
        _picking(parser, command)
    elif command == "init":
        parser.add_argument("--yes", "-y", action="store_true", help="ask nothing, take what was found")
        parser.add_argument("--file", default="devspace.yaml", metavar="PATH", help="default: devspace.yaml")
    elif command == "completion":
        parser.add_argument("arguments", nargs=1, choices=("bash", "zsh", "fish"), metavar="SHELL")
    if command in (*PIPELINES, "run", "plan", "graph"):
        _pipeline(parser)
    return parser


def _common(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("everywhere")
    add = group.add_argument
    add("-C", dest="directory", default="", metavar="DIR", help="as if started in DIR")
    add("--config", default="", metavar="PATH", help="another configuration file than devspace.yaml")
    add("-p", "--profile", default="", metavar="NAME", help="apply this profile (v1beta2: this named config)")
    add("--var", action="append", default=[], metavar="NAME=VALUE", help="set a variable; repeatable")
    add("-n", "--namespace", default="", help="the default namespace")
    add("--target", default="docker", choices=TARGETS, help="where steps act")
    add("-o", "--output", default="text", choices=("text", "json"), help="json: one object per line")
    add("--plain", action="store_true", help="plain lines, also on a terminal")


def _switch(add: Callable[..., object], *names: str, help: str) -> None:
    add(*names, action="store_true", help=help)


def _pipeline(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what runs")
    add = group.add_argument
    _switch(add, "-b", "--force-build", help="build every image, changed or not")
    _switch(add, "-d", "--force-deploy", help="deploy everything, changed or not")
    add("--force", nargs="+", action="extend", default=[], metavar="STEP", help="run these steps, changed or not")
    add("--images", help="only these images", default="", metavar="A,B")
    add("--deployments", help="only these deployments", default="", metavar="A,B")
    add("--skip-dependency", help="leave these dependencies out", default="", metavar="A,B")
    _switch(add, "-x", "--skip-pipeline", help="dev: only forward, sync and tail; build and deploy nothing")
    _switch(add, "--skip-build", help="use the images that were built last")
    _switch(add, "--skip-push", help="do not push, even where a push is needed")
    _switch(add, "--push", help="push to the registry even where the target does not need it")
    group = parser.add_argument_group("how")
    add = group.add_argument
    _switch(add, "--dry-run", help="print the plan and change nothing")
    _switch(add, "--detailed-exitcode", help="with --dry-run: 0 nothing to do, 2 changes")
    _switch(add, "--exit-when-ready", help="dev: bring everything up, check it, stop the services")
    _switch(add, "--build-sequential", help="one image after the other")
    add("--max-concurrent-builds", type=int, default=0, metavar="N", help="default: the number of cores")
    add("--builder", default="auto", choices=("auto", "buildkit", "engine"), help="default: BuildKit where it is there")
    add("--timeout", type=int, default=120, metavar="SECONDS", help="how long a deployment may take to become ready")
    _switch(add, "--wait", help="accepted; kdev always waits until deployments are ready")
    group = parser.add_argument_group("dev")
    add = group.add_argument
    _switch(add, "-i", "--interactive", help="start the containers with a shell instead of the app, and open it")
    add("--terminal", type=_truth, nargs="?", const=True, default=None, metavar="BOOL", help="a terminal, or logs")
    add("--portforwarding", type=_truth, default=True, metavar="BOOL", help="default: true")
    add("--sync", type=_truth, default=True, metavar="BOOL", help="default: true")
    _switch(add, "--verbose-sync", help="print each synced file")


def _picking(parser: argparse.ArgumentParser, command: str) -> None:
    add = parser.add_argument
    add("-c", "--container", default="", help="the container, when there are several")
    add("--pod", default="", help="the pod")
    add("-l", "--label-selector", default="", metavar="K=V,…", help="pods with these labels")
    add("--image", default="", metavar="NAME", help="pods that run this image of the configuration")
    if command == "enter":
        add("--workdir", default="", metavar="DIR", help="the folder to start in")
        add("arguments", nargs=argparse.REMAINDER, metavar="COMMAND", help="instead of a shell")
    elif command == "logs":
        add("-f", "--follow", action="store_true", help="go on printing")
        add("--lines", type=int, default=200, help="how many lines back")


def _options(command: str, given: dict[str, object]) -> Options:
    given["command"] = "run" if command == "plan" else command
    if command == "plan":
        given["dry_run"] = True
    if command in PIPELINES:
        given["pipeline"] = command
    given["variables"] = tuple(map(_pair, _words(given.pop("var"))))
    for name in ("images", "deployments", "skip_dependency"):
        if name in given:
            given[name] = tuple(part for part in str(given[name]).split(",") if part)
    for name in ("force", "arguments"):
        if name in given:
            given[name] = tuple(word for word in _words(given[name]) if word != "--" or name == "force")
    given.pop("wait", None)
    options = Options(**given)  # type: ignore[arg-type]
    if options.skip_build and options.force_build:
        raise UsageError("--skip-build and --force-build exclude each other")
    if options.detailed_exitcode and not options.dry_run:
        raise UsageError("--detailed-exitcode belongs to --dry-run")
    return options


def _words(value: object) -> list[str]:
    return [str(word) for word in value] if isinstance(value, (list, tuple)) else []


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise UsageError(f"--var {text}: expected NAME=VALUE")
    return name, value


def _truth(text: str) -> bool:
    if text.lower() in ("true", "1", "yes", "on"):
        return True
    if text.lower() in ("false", "0", "no", "off"):
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
