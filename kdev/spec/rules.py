"""What must hold between the values of a configuration: one-of choices, names that lead somewhere, ports and names that
do not collide. Each version lists its rules; they read rows of that version, so messages use the file's own keys.
"""

from __future__ import annotations

from collections.abc import Iterable

from kdev.errors import Mark
from kdev.spec.nodes import MapNode, Scalar
from kdev.spec.problems import Problems, did_you_mean, listed
from kdev.spec.read import Row


def check_v1beta2(root: Row, problems: Problems) -> None:
    """Everything that v1beta2 demands beyond its schema."""
    _check_both(root, problems)
    dev = root.row("dev")
    if dev is None:
        return
    images = root.table("images")
    selectors = dev.rows("selectors")
    _doubles(selectors, "selector", problems, stops=False)
    names = [row.text("name") for row in selectors]
    for row in dev.rows("overrideImages"):
        _known(row, "name", images, "image", problems)
    users = [*dev.rows("ports"), *dev.rows("sync")]
    for row in users:
        _placed(row, ("selector", "labelSelector"), problems)
    terminal = dev.row("terminal")
    for row in users if terminal is None else [*users, terminal]:
        _known(row, "selector", names, "selector", problems)


def check_v1beta3(root: Row, problems: Problems) -> None:
    """Everything that v1beta3 demands beyond its schema."""
    _check_both(root, problems)
    _doubles(root.rows("commands"), "command", problems, stops=False)
    _doubles(root.rows("profiles"), "profile", problems, stops=False)
    dev = root.row("dev")
    if dev is None:
        return
    images = root.table("images")
    for row in (*dev.rows("ports"), *dev.rows("sync")):
        _placed(row, ("imageName", "labelSelector"), problems)
        _known(row, "imageName", images, "image", problems)
    interactive = dev.row("interactive")
    if interactive is not None:
        for row in interactive.rows("images"):
            _known(row, "name", images, "image", problems)
        terminal = interactive.row("terminal")
        if terminal is not None:
            _known(terminal, "imageName", images, "image", problems)
    logs = dev.row("logs")
    if logs is not None:
        _all_known(logs, "images", images, "image", problems)


def _check_both(root: Row, problems: Problems) -> None:
    _images(root.table("images"), problems)
    deployments = root.rows("deployments")
    _doubles(deployments, "deployment", problems)
    for row in deployments:
        _deployment(row, problems)
    names = [row.text("name") for row in deployments]
    for row in root.rows("dependencies"):
        _dependency(row, problems)
    for row in root.rows("hooks"):
        _hook(row, list(root.table("images")), names, problems)
    dev = root.row("dev")
    if dev is not None:
        _ports(dev.rows("ports"), problems)
        reload = dev.row("autoReload")
        if reload is not None:
            _all_known(reload, "images", root.table("images"), "image", problems)
            _all_known(reload, "deployments", names, "deployment", problems)


def _images(images: dict[str, Row], problems: Problems) -> None:
    first: dict[str, Row] = {}
    for row in images.values():
        text = row.text("image")
        repository, tag = split_tag(text)
        if tag and not open_text(text):
            hint = "" if tag.startswith("sha256:") else f'write `image: {repository}` and `tag: "{tag}"`'
            problems.add(row.place("image"), f"`{row.path}.image` holds a tag; it takes the repository alone", hint)
        build = row.row("build")
        if build is not None:
            builders = [key for key in ("custom", "kaniko", "docker") if key in build]
            if len(builders) > 1:
                problems.warn(build.at, f"`{build.path}` names several builders; only `{builders[0]}` is used")
        if not repository or (build is not None and build.flag("disabled")):
            continue
        key = canonical_repository(repository)
        if key in first:
            problems.add(row.place("image"), f"`{row.path}` and `{first[key].path}` have the same repository "
                         f"`{repository}`", f"the first is at {first[key].place('image')}; use two repositories")
        first.setdefault(key, row)


def _deployment(row: Row, problems: Problems) -> None:
    kinds = [kind for kind in ("component", "helm", "kubectl") if kind in row]
    written = [kind for kind in ("component", "helm", "kubectl") if kind in row.node.entries]
    if not kinds and not any(row.node.value(kind) is not None for kind in written):
        problems.add(row.at, f"`{row.path}` deploys nothing", "add `kubectl`, `helm` or `component`")
    if len(kinds) > 1:
        problems.warn(row.at, f"`{row.path}` has {listed(kinds)}; only `{kinds[0]}` is used")


def _dependency(row: Row, problems: Problems) -> None:
    source = row.row("source")
    if source is None:
        return
    git, path = source.text("git"), source.text("path")
    if not git and not path:
        problems.add(source.at, f"`{source.path}` says neither `git` nor `path`", "add one of them")
    if git and path:
        problems.add(source.key_place("path"), f"`{source.path}` has both `git` and `path`", "remove one of them")


def _hook(row: Row, images: list[str], deployments: list[str], problems: Problems) -> None:
    when = row.row("when")
    events = [] if when is None else [event for key in ("before", "after") if (event := when.row(key))]
    uses = [(event, key) for event in events for key in ("images", "deployments") if event.text(key)]
    if not uses:
        problems.warn(row.at, f"`{row.path}` says no `when`, so it never runs")
    for event, key in uses:
        known = images if key == "images" else deployments
        for name in split_names(event.text(key)):
            if name != "all" and not open_text(name) and name not in known:
                problems.warn(event.place(key), f"`{event.path}.{key}` names `{name}`, which is none of "
                              f"{listed(known)}: this never runs")


def _ports(entries: list[Row], problems: Problems) -> None:
    taken: list[tuple[int, str, Row]] = []
    for row in (forward for entry in entries for forward in entry.rows("forward")):
        port, address = row.number("port"), row.text("bindAddress")
        for other_port, other_address, other in taken:
            if port and port == other_port and _overlap(address, other_address):
                problems.add(row.place("port"), f"local port {port} is used twice",
                             f"first at {other.place('port')}; give one of them another `port`")
                break
        taken.append((port, address, row))


def _overlap(one: str, other: str) -> bool:
    if any(address in ("", "0.0.0.0", "::", "[::]") for address in (one, other)):
        return True
    return one.replace("localhost", "127.0.0.1") == other.replace("localhost", "127.0.0.1")


def _placed(row: Row, keys: tuple[str, str], problems: Problems) -> None:
    if not any(_given(row, key) for key in keys):
        problems.add(row.at, f"`{row.path}` does not say which pod", f"add `{keys[0]}` or `{keys[1]}`")


def _given(row: Row, key: str) -> bool:
    node = row.node.value(key)
    if isinstance(node, MapNode):
        return bool(node.entries)
    # A value of the wrong type is told about already.
    return node is not None and not (isinstance(node, Scalar) and not node.text)


def _doubles(rows: Iterable[Row], what: str, problems: Problems, *, stops: bool = True) -> None:
    first: dict[str, Mark] = {}
    for row in rows:
        name = row.text("name")
        if name in first and name:
            if stops:
                problems.add(row.place("name"), f"two {what}s are called `{name}`",
                             f"the first is at {first[name]}; rename one of them")
            else:
                problems.warn(row.place("name"), f"two {what}s are called `{name}`; the first counts: {first[name]}")
        first.setdefault(name, row.place("name"))


def _known(row: Row, key: str, names: Iterable[str], what: str, problems: Problems) -> None:
    _lookup(row.text(key), row.place(key), f"{row.path}.{key}", (what, list(names)), problems)


def _all_known(row: Row, key: str, names: Iterable[str], what: str, problems: Problems) -> None:
    for text, at in row.placed_texts(key):
        _lookup(text, at, f"{row.path}.{key}", (what, list(names)), problems)


def _lookup(text: str, at: Mark, path: str, target: tuple[str, list[str]], problems: Problems) -> None:
    what, names = target
    if text and text not in names and not open_text(text):
        problems.add(at, f"`{path}` names the {what} `{text[:60]}`, which is not there",
                     did_you_mean(text, names) or f"{what}s are: {listed(names)}")


def open_text(text: str) -> bool:
    """Whether variables may still have to be put into `text`, so that nothing can be said about it."""
    return "${" in text


def split_names(text: str) -> list[str]:
    """The names in a comma-separated list."""
    return [name for part in text.split(",") if (name := part.strip())]


def split_tag(image: str) -> tuple[str, str]:
    """Repository and tag (or digest) of an image reference; the tag is "" when there is none."""
    repository, at, digest = image.partition("@")
    if at:
        return repository, digest
    folder, slash, last = image.rpartition("/")
    name, _, tag = last.partition(":")
    return folder + slash + name, tag


def canonical_repository(repository: str) -> str:
    """`repository` without what may be left out for Docker Hub."""
    return repository.removeprefix("docker.io/").removeprefix("index.docker.io/").removeprefix("library/")
