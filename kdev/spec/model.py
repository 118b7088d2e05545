"""The one internal model behind every config version. Frozen; every value knows where it was written (`at`).

Names are those of the newest config version where it has one. Paths are POSIX, as written, relative to `Project.root`.
Sources: reference/devspace.md §1 (v1beta2, v1beta3).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kdev.errors import Mark


@dataclass(frozen=True, slots=True)
class DockerBuild:
    """images.*.build.docker (and no builder named at all)."""

    target: str = ""
    network: str = ""
    build_args: tuple[tuple[str, str | None], ...] = ()
    skip_push: bool = False
    prefer_minikube: bool = True
    disable_fallback: bool = False


@dataclass(frozen=True, slots=True)
class KanikoBuild:
    """images.*.build.kaniko."""

    target: str = ""
    network: str = ""
    build_args: tuple[tuple[str, str | None], ...] = ()
    cache: bool = True
    snapshot_mode: str = "time"
    flags: tuple[str, ...] = ()
    namespace: str = ""
    insecure: bool = False
    pull_secret: str = ""


@dataclass(frozen=True, slots=True)
class CustomBuild:
    """images.*.build.custom. `on_change` globs; empty means: run the command every time."""

    command: str
    args: tuple[str, ...] = ()
    image_flag: str = ""
    on_change: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Image:
    """One entry of images. `image` is the repository without a tag; `tag` "" means a tag by content.

    `entrypoint`/`cmd`: None = the Dockerfile's own, () = cleared.
    """

    name: str
    image: str
    at: Mark
    tag: str = ""
    dockerfile: str = "Dockerfile"
    context: str = "."
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    create_pull_secret: bool = True
    disabled: bool = False
    build: DockerBuild | KanikoBuild | CustomBuild = field(default_factory=DockerBuild)


@dataclass(frozen=True, slots=True)
class KubectlDeploy:
    """deployments[].kubectl."""

    manifests: tuple[str, ...]
    kustomize: bool = False
    flags: tuple[str, ...] = ()
    cmd_path: str = "kubectl"
    replace_image_tags: bool = True


@dataclass(frozen=True, slots=True)
class HelmDeploy:
    """deployments[].helm. `values` is the raw tree (dicts, lists, scalars) with variables filled."""

    chart_name: str
    chart_version: str = ""
    chart_repo: str = ""
    chart_username: str = ""
    chart_password: str = ""
    wait: bool = False
    rollback: bool = False
    force: bool = False
    timeout: int = 180
    tiller_namespace: str = ""
    replace_image_tags: bool = True
    values_files: tuple[str, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ComponentDeploy:
    """deployments[].component. `values` is the checked tree of the component chart, without `options`."""

    values: dict[str, Any]
    wait: bool = False
    rollback: bool = False
    force: bool = False
    timeout: int = 180
    tiller_namespace: str = ""
    replace_image_tags: bool = True


@dataclass(frozen=True, slots=True)
class Deployment:
    """One entry of deployments, in list order. `namespace` "" = the default namespace."""

    name: str
    at: Mark
    deploy: KubectlDeploy | HelmDeploy | ComponentDeploy
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Selector:
    """Which pod and container. `image` is a key of images; `labels` a sorted mapping; both may be empty."""

    image: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    container: str = ""
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class PortMapping:
    """`local` on this machine leads to `remote` in the pod."""

    local: int
    remote: int
    at: Mark
    bind_address: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Ports:
    """One entry of dev.ports."""

    selector: Selector
    forward: tuple[PortMapping, ...]
    at: Mark


@dataclass(frozen=True, slots=True)
class Sync:
    """One entry of dev.sync. Bandwidth in KiB/s, 0 = unlimited. `initial` as in reference/devspace.md §4.9."""

    selector: Selector
    at: Mark
    local: str = "."
    remote: str = "."
    wait_initial_sync: bool = False
    exclude_paths: tuple[str, ...] = ()
    download_exclude_paths: tuple[str, ...] = ()
    upload_exclude_paths: tuple[str, ...] = ()
    upload_limit: int = 0
    download_limit: int = 0
    initial: str = "mirrorLocal"


@dataclass(frozen=True, slots=True)
class Terminal:
    """The terminal that `dev` opens. `enabled` is the config's default; `-i` turns it on as well."""

    enabled: bool
    at: Mark
    selector: Selector = field(default_factory=Selector)
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Logs:
    """dev.logs. `images` empty = every image of the project."""

    disabled: bool = False
    show_last: int = 50
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageOverride:
    """An image as `dev` builds it: always (`always`, v1beta2 dev.overrideImages), or with `-i` (dev.interactive)."""

    image: str
    at: Mark
    always: bool
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    dockerfile: str = ""
    context: str = ""


@dataclass(frozen=True, slots=True)
class AutoReload:
    """dev.autoReload: further paths, and the deployments and images whose own files are watched."""

    paths: tuple[str, ...] = ()
    deployments: tuple[str, ...] = ()
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dev:
    """What `dev` adds to a deploy."""

    ports: tuple[Ports, ...] = ()
    sync: tuple[Sync, ...] = ()
    terminal: Terminal | None = None
    logs: Logs = field(default_factory=Logs)
    open: tuple[str, ...] = ()
    overrides: tuple[ImageOverride, ...] = ()
    auto_reload: AutoReload = field(default_factory=AutoReload)


@dataclass(frozen=True, slots=True)
class Dependency:
    """One entry of dependencies. Exactly one of `git` and `path`. `profile`: a profile or named config of it."""

    at: Mark
    git: str = ""
    path: str = ""
    sub_path: str = ""
    branch: str = ""
    tag: str = ""
    revision: str = ""
    profile: str = ""
    skip_build: bool = False
    ignore_dependencies: bool = False
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Hook:
    """A command of the user's. `event` is `before` or `after`; `what` `images` or `deployments`; `which` `all` or one.

    A hook that names several times or things is several of these.
    """

    command: str
    at: Mark
    args: tuple[str, ...] = ()
    event: str = "after"
    what: str = "deployments"
    which: str = "all"


@dataclass(frozen=True, slots=True)
class Command:
    """One entry of commands (`kdev run NAME`): a POSIX shell script."""

    name: str
    command: str
    at: Mark


@dataclass(frozen=True, slots=True)
class Project:
    """Everything that a configuration says, with variables filled and the profile applied.

    `name` is the folder's name, made safe for labels. `root` is absolute. `warnings` are things worth saying that
    stop nothing. `secrets` are the values that must never be shown (answers to password questions).
    """

    name: str
    version: str
    root: str
    images: tuple[Image, ...] = ()
    deployments: tuple[Deployment, ...] = ()
    dev: Dev = field(default_factory=Dev)
    dependencies: tuple[Dependency, ...] = ()
    hooks: tuple[Hook, ...] = ()
    commands: tuple[Command, ...] = ()
    kube_context: str = ""
    namespace: str = ""
    warnings: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
