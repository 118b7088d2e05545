"""Every flag's value as one frozen value, and the table of commands. On the way of every start: keep it lean."""

from __future__ import annotations

from typing import NamedTuple


class Options(NamedTuple):
    """What the command line said. Names are those of the flags; see arguments.py for their meaning."""

    command: str = ""
    pipeline: str = ""
    directory: str = ""
    config: str = ""
    profile: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    namespace: str = ""
    target: str = "docker"
    output: str = "text"
    force_build: bool = False
    force_deploy: bool = False
    force: tuple[str, ...] = ()
    interactive: bool = False
    terminal: bool | None = None
    dry_run: bool = False
    detailed_exitcode: bool = False
    exit_when_ready: bool = False
    skip_pipeline: bool = False
    skip_build: bool = False
    skip_push: bool = False
    push: bool = False
    images: tuple[str, ...] = ()
    deployments: tuple[str, ...] = ()
    skip_dependency: tuple[str, ...] = ()
    build_sequential: bool = False
    max_concurrent_builds: int = 0
    timeout: int = 120
    portforwarding: bool = True
    sync: bool = True
    verbose_sync: bool = False
    builder: str = "auto"
    plain: bool = False
    arguments: tuple[str, ...] = ()
    format: str = "tree"
    file: str = ""
    container: str = ""
    pod: str = ""
    label_selector: str = ""
    image: str = ""
    workdir: str = ""
    follow: bool = False
    lines: int = 200
    limit: int = 20
    yes: bool = False


TARGETS = ("docker",)
PIPELINES = ("dev", "deploy", "build", "purge")

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("kdev.cli.run", "run a pipeline (dev, deploy, build, purge) or one of the project's own commands"),
    "dev": ("kdev.cli.run", "short for `run dev`: build, deploy, then forward, sync and tail until stopped"),
    "deploy": ("kdev.cli.run", "short for `run deploy`: build and deploy what changed, wait until it is ready"),
    "build": ("kdev.cli.run", "short for `run build`: build the images whose inputs changed"),
    "purge": ("kdev.cli.run", "short for `run purge`: delete what kdev made for this project"),
    "plan": ("kdev.cli.run", "what a run would do and why, without doing it (`run … --dry-run`)"),
    "graph": ("kdev.cli.graph", "draw the steps of a pipeline"),
    "why": ("kdev.cli.why", "why a step ran, or would run now"),
    "history": ("kdev.cli.history", "the last runs"),
    "status": ("kdev.cli.status", "what runs, and who holds the project"),
    "enter": ("kdev.cli.enter", "a shell, or a command, in a container"),
    "attach": ("kdev.cli.attach", "this terminal on a container's main process; Ctrl-P Ctrl-Q leaves"),
    "logs": ("kdev.cli.logs", "the output of the project's containers"),
    "init": ("kdev.cli.init", "write a devspace.yaml from the Dockerfile and manifests that are here"),
    "completion": ("kdev.cli.completion", "a completion script for bash, zsh or fish"),
}
"""Command → the module whose `main(options)` runs it, and a line of help."""
