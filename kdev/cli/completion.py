"""`kdev completion`: a completion script, made from the parsers themselves so that it cannot miss a flag."""

from __future__ import annotations

import argparse

from kdev.cli.arguments import parser_for
from kdev.cli.options import COMMANDS, PIPELINES, Options
from kdev.errors import EXIT_OK


def main(options: Options) -> int:
    """Print the script for the shell that was named."""
    shells = {"bash": _bash, "zsh": _zsh, "fish": _fish}
    print(shells[options.arguments[0]]())
    return EXIT_OK


def words(command: str) -> list[str]:
    """What may follow `kdev COMMAND`: its flags, and the pipelines where one is expected."""
    flags = [flag for action in _actions(command) for flag in action.option_strings]
    takes_pipeline = command in ("run", "plan", "graph")
    return [*(PIPELINES if takes_pipeline else ()), *_choices(command), *sorted(flags)]


def _choices(command: str) -> list[str]:
    """The fixed words of a positional argument."""
    found = [action.choices for action in _actions(command) if not action.option_strings and action.choices]
    return [str(word) for choices in found for word in choices if word not in PIPELINES]


def _actions(command: str) -> list[argparse.Action]:
    return list(parser_for(command)._actions)


def _bash() -> str:
    cases = "\n".join(f"    {name}) words={' '.join(words(name))!r} ;;" for name in COMMANDS)
    return f"""# bash completion for kdev; use it with: source <(kdev completion bash)
_kdev() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} words command=${{COMP_WORDS[1]}}
  if [ "$COMP_CWORD" -le 1 ]; then
    words={' '.join(COMMANDS)!r}
  else
    case $command in
{cases}
    *) words= ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _kdev kdev"""


def _zsh() -> str:
    commands = "\n".join(f"    '{name}:{_quoted(text)}'" for name, (_, text) in COMMANDS.items())
    cases = "\n".join(f"    {name}) compadd -- {' '.join(words(name))} ;;" for name in COMMANDS)
    return f"""#compdef kdev
# zsh completion for kdev; use it with: source <(kdev completion zsh)
_kdev() {{
  local -a commands
  commands=(
{commands}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case $words[2] in
{cases}
  esac
  _files
}}
compdef _kdev kdev"""


def _fish() -> str:
    lines = ["# fish completion for kdev; use it with: kdev completion fish | source"]
    lines += [
        f"complete -c kdev -n __fish_use_subcommand -f -a {name} -d '{_quoted(text)}'"
        for name, (_, text) in COMMANDS.items()
    ]
    lines += [
        f"complete -c kdev -n '__fish_seen_subcommand_from {name}' -a '{' '.join(words(name))}'" for name in COMMANDS
    ]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return text.replace("'", "").replace(":", " ")
