"""What a step asks for, as data. Their meaning is in drivers/; here nothing runs.

Every field is a str, int, bool, None or a tuple of such, so an action can be kept in the compiled plan and compared.
Paths are POSIX and relative to the project root unless said otherwise.
"""

from __future__ import annotations

from typing import NamedTuple

from kdev.core.inputs import PodSelector

Pairs = tuple[tuple[str, str], ...]
"""A sorted mapping, as (key, value) pairs."""


class EnsureNamespace(NamedTuple):
    """The namespace exists: a Kubernetes Namespace, or a network on the Docker Engine."""

    namespace: str


class Override(NamedTuple):
    """The Dockerfile's text with entrypoint, cmd and further instructions put at the end of the target stage.

    `entrypoint` and `cmd`: None leaves the Dockerfile's own, () clears it. Result: blob = the new text.
    """

    image: str
    dockerfile: str
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    instructions: tuple[str, ...] = ()
    target: str = ""


class Build(NamedTuple):
    """An image from a Dockerfile. Result: digest = image id; values `reference` (repository:tag), `image_id`.

    `override` is the id of the step that gives the Dockerfile text, "" to use `dockerfile` as it is. `tags` empty means
    one tag by content (`kdev-<12 hex>`). `builder` is `auto`, `buildkit` or `engine`. `secrets`, `ssh`, `cache_from`,
    `cache_to` hold `docker buildx build` values and demand BuildKit. In `build_args` None means "take it from my
    environment", as Docker does.
    """

    image: str
    repository: str
    context: str
    dockerfile: str
    tags: tuple[str, ...] = ()
    override: str = ""
    target: str = ""
    network: str = ""
    platform: str = ""
    build_args: tuple[tuple[str, str | None], ...] = ()
    secrets: tuple[str, ...] = ()
    ssh: tuple[str, ...] = ()
    cache_from: tuple[str, ...] = ()
    cache_to: tuple[str, ...] = ()
    extra_args: tuple[str, ...] = ()
    ignore_file: str = ""
    builder: str = "auto"


class CustomBuild(NamedTuple):
    """An image made by the user's own command; argv = command, args, image_flag, reference, append_args.

    Result as for Build. The tag is handed to the command, so it is made from the inputs when none is configured.
    """

    image: str
    repository: str
    command: str
    args: tuple[str, ...] = ()
    append_args: tuple[str, ...] = ()
    image_flag: str = ""
    tags: tuple[str, ...] = ()
    cwd: str = "."


class Push(NamedTuple):
    """The image of `build` is in its registry. Result: digest = repository digest; value `reference`."""

    image: str
    build: str
    repository: str


class Render(NamedTuple):
    """Kubernetes objects from manifests, with image references replaced.

    `images` are (repository, id of the build or push step) pairs; a reference to the repository, whatever its tag,
    becomes that step's `reference`. Containers of a repository in `held` do not run their app (`-i`), so their probes,
    which would never succeed, are left out. Result: blob = JSON list of objects, digest = digest of that list.
    """

    deployment: str
    manifests: tuple[str, ...]
    namespace: str
    images: Pairs = ()
    replace_images: bool = True
    held: tuple[str, ...] = ()


class Deploy(NamedTuple):
    """The objects of `render` are applied, and objects that left it are pruned. Result: `refs` = JSON list."""

    deployment: str
    namespace: str
    render: str
    force: bool = False


class Ready(NamedTuple):
    """Every workload of the deployment is ready."""

    deployment: str
    namespace: str
    deploy: str
    timeout: int = 120


class Hook(NamedTuple):
    """A command of the user's, run on this machine without a shell, in `cwd`."""

    command: str
    args: tuple[str, ...] = ()
    cwd: str = "."
    env: Pairs = ()


class Forward(NamedTuple):
    """Local ports lead into the pod. `ports` are (local, remote) pairs; `bind` is a loopback address."""

    selector: PodSelector
    ports: tuple[tuple[int, int], ...]
    bind: str = "127.0.0.1"


class Sync(NamedTuple):
    """`local` (a folder, relative) and `remote` (a folder in the container, "." for its working directory) are kept
    equal. Excludes are gitignore patterns. `initial` is a strategy of reference/devspace.md §4.9, by its name.
    Bandwidth is in KiB/s, 0 for no limit.
    """

    selector: PodSelector
    local: str = "."
    remote: str = "."
    excludes: tuple[str, ...] = ()
    download_excludes: tuple[str, ...] = ()
    upload_excludes: tuple[str, ...] = ()
    initial: str = "preferLocal"
    wait_initial: bool = False
    upload_limit: int = 0
    download_limit: int = 0


class Logs(NamedTuple):
    """The log lines of every container that matches one of `selectors`, from `last` lines back and onwards."""

    selectors: tuple[PodSelector, ...]
    last: int = 50


class Terminal(NamedTuple):
    """A shell, or `command`, in the container, on the user's terminal."""

    selector: PodSelector
    command: tuple[str, ...] = ()
    workdir: str = ""


class Open(NamedTuple):
    """`url` is opened in the browser once it answers."""

    url: str


Action = (
    EnsureNamespace | Override | Build | CustomBuild | Push | Render | Deploy | Ready | Hook
    | Forward | Sync | Logs | Terminal | Open
)
ACTIONS: dict[str, type[Action]] = {
    kind.__name__: kind
    for kind in (
        EnsureNamespace, Override, Build, CustomBuild, Push, Render, Deploy, Ready, Hook,
        Forward, Sync, Logs, Terminal, Open,
    )
}
