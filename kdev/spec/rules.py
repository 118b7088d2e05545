"""What must hold between the values of a configuration: one-of choices, names that lead somewhere, ports and names that
do not collide. Each version lists its rules; they read rows of that version, so messages use the file's own keys.
"""

from __future__ import annotations

from collections.abc import Iterable

from kdev.errors import Mark
from kdev.spec.nodes import MapNode, Scalar, excerpt
from kdev.spec.problems import Problems, did_you_mean, listed
from kdev.spec.read import Row


def check_v1beta2(root: Row, problems: Problems) -> None:
    """Everything that v1beta2 demands beyond its schema."""
    _check_both(root, problems)
    dev = root.row("dev")
    if dev is None:
        return
    images = _Names("image", root.table("images"), problems)
    selectors = dev.rows("selectors")
    _doubles(selectors, "selector", problems, stops=False)
    names = _Names("selector", [row.text("name") for row in selectors], problems)
    for row in dev.rows("overrideImages"):
        images.need(row, "name")
    users = [*dev.rows("ports"), *dev.rows("sync")]
    for row in users:
        _placed(row, ("selector", "labelSelector"), problems)
    terminal = dev.row("terminal")
    for row in users if terminal is None else [*users, terminal]:
        names.need(row, "selector")


def check_v1beta3(root: Row, problems: Problems) -> None:
    """Everything that v1beta3 demands beyond its schema."""
    _check_both(root, problems)
    _doubles(root.rows("commands"), "command", problems, stops=False)
    _doubles(root.rows("profiles"), "profile", problems, stops=False)
    dev = root.row("dev")
    if dev is None:
        return
    images = _Names("image", root.table("images"), problems)
    for row in (*dev.rows("ports"), *dev.rows("sync")):
        _placed(row, ("imageName", "labelSelector"), problems)
        images.need(row, "imageName")
    interactive = dev.row("interactive")
    if interactive is not None:
        for row in interactive.rows("images"):
            images.need(row, "name")
        terminal = interactive.row("terminal")
        if terminal is not None:
            images.need(terminal, "imageName")
    logs = dev.row("logs")
    if logs is not None:
        images.need_all(logs, "images")


def _check_both(root: Row, problems: Problems) -> None:
    _images(root.table("images"), problems)
    deployments = root.rows("deployments")
    _doubles(deployments, "deployment", problems)
    for row in deployments:
        _deployment(row, problems)
    names = _Names("deployment", [row.text("name") for row in deployments], problems)
    images = _Names("image", root.table("images"), problems)
    for row in root.rows("dependencies"):
        _dependency(row, problems)
    for row in root.rows("hooks"):
        _hook(row, images, names, problems)
    dev = root.row("dev")
    if dev is not None:
        _ports(dev.rows("ports"), problems)
        reload = dev.row("autoReload")
        if reload is not None:
            images.need_all(reload, "images")
            names.need_all(reload, "deployments")


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


def _hook(row: Row, images: _Names, deployments: _Names, problems: Problems) -> None:
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
                              f"{known}: this never runs")


def _ports(entries: list[Row], problems: Problems) -> None:
    taken: dict[int, dict[str, Row]] = {}
    for row in (forward for entry in entries for forward in entry.rows("forward")):
        port, address = row.number("port"), _address(row.text("bindAddress"))
        others = taken.setdefault(port, {})
        # All addresses of the machine hold every single one.
        other = others.get(address) or others.get("") or (next(iter(others.values()), None) if not address else None)
        if port and other is not None:
            problems.add(row.place("port"), f"local port {port} is used twice",
                         f"first at {other.place('port')}; give one of them another `port`")
        others.setdefault(address, row)


def _address(written: str) -> str:
    """One spelling for each local address; "" for all of them."""
    return {"0.0.0.0": "", "::": "", "[::]": "", "localhost": "127.0.0.1"}.get(written, written)


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


class _Names:
    """The names that a reference may use, and what they are names of."""

    def __init__(self, what: str, names: Iterable[str], problems: Problems) -> None:
        self._what, self._names, self._problems = what, dict.fromkeys(names), problems

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def __str__(self) -> str:
        return listed(self._names)

    def need(self, row: Row, key: str) -> None:
        """The text under `key` is one of the names, or empty."""
        self._look(row.text(key), row.place(key), f"{row.path}.{key}")

    def need_all(self, row: Row, key: str) -> None:
        """Each text of the list under `key` is one of the names."""
        for text, at in row.placed_texts(key):
            self._look(text, at, f"{row.path}.{key}")

    def _look(self, text: str, at: Mark, path: str) -> None:
        if not text or text in self._names or open_text(text):
            return
        near = "" if self._problems.plenty else did_you_mean(text, self._names)
        self._problems.add(at, f"`{path}` names the {self._what} `{excerpt(text)}`, which is not there",
                           near or f"{self._what}s are: {self}")


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
