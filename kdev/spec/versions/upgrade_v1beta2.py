"""v1beta2 → v1beta3 on nodes. Keeps the meaning: what v1beta3 cannot say goes into its internal fields, and each such
change is told as a warning.
"""

from __future__ import annotations

from collections.abc import Callable

from kdev.errors import Mark
from kdev.spec.nodes import Entry, ListNode, MapNode, Node, Scalar
from kdev.spec.problems import Problems


def upgrade(root: MapNode, notes: Problems) -> MapNode:
    """The same configuration as v1beta3. `root` has passed v1beta2's own check."""
    root = root.with_entry("version", Scalar(root.place("version"), "v1beta3"))
    if root.value("cluster") is not None:
        notes.warn(root.place("cluster"), "`cluster` ends with v1beta2: it still counts here, but use "
                   "--kube-context and -n when you move to v1beta3")
    for section, change in (("images", _image), ("deployments", _deployment), ("dependencies", _dependency)):
        value = root.value(section)
        if value is not None:
            root = root.with_entry(section, _each(value, change))
    dev = root.value("dev")
    old = dev if isinstance(dev, MapNode) else MapNode(root.place("dev"), {})
    return root.with_entry("dev", _dev(old, root.place("dev"), notes), root.place("dev"))


def _each(node: Node, change: Callable[[MapNode], MapNode]) -> Node:
    if isinstance(node, ListNode):
        return ListNode(node.at, tuple(change(item) if isinstance(item, MapNode) else item for item in node.items))
    if isinstance(node, MapNode):
        return MapNode(node.at, {
            key: Entry(entry.at, change(entry.value) if isinstance(entry.value, MapNode) else entry.value)
            for key, entry in node.entries.items()
        })
    return node


def _image(image: MapNode) -> MapNode:
    if image.value("createPullSecret") is not None:
        return image
    return image.with_entry("createPullSecret", Scalar(image.at, "false"))


def _deployment(deployment: MapNode) -> MapNode:
    helm = deployment.value("helm")
    if not isinstance(helm, MapNode):
        return deployment
    return deployment.with_entry("helm", helm.renamed("devSpaceValues", "replaceImageTags"))


def _dependency(dependency: MapNode) -> MapNode:
    return dependency.renamed("config", "profile")


def _dev(dev: MapNode, at: Mark, notes: Problems) -> MapNode:
    selectors = _selectors(dev)
    changes = {"ports": lambda item: _ports(item, selectors), "sync": lambda item: _sync(item, selectors)}
    for section, change in changes.items():
        value = dev.value(section)
        if value is not None:
            dev = dev.with_entry(section, _each(value, change))
    interactive = MapNode(at, {})
    overrides = dev.value("overrideImages")
    if isinstance(overrides, ListNode):
        place = dev.place("overrideImages")
        notes.warn(place, "`dev.overrideImages` is `dev.interactive.images` in v1beta3, which counts only with a "
                   "terminal; here it counts in every dev, as in v1beta2")
        images = tuple(_override(item, notes) for item in overrides.items if isinstance(item, MapNode))
        interactive = interactive.with_entry("images", ListNode(place, images), place)
    interactive = _terminal(dev, interactive, selectors, notes)
    if dev.value("selectors") is not None:
        notes.warn(dev.place("selectors"), "`dev.selectors` ends with v1beta2: each use has got the selector's labels")
    dev = dev.without("overrideImages", "terminal", "selectors")
    return dev.with_entry("interactive", interactive, interactive.at)


def _ports(item: MapNode, selectors: dict[str, MapNode]) -> MapNode:
    # A forward leads to a pod: the selector's container says nothing about it.
    return _inlined(item, selectors).without("containerName")


def _sync(item: MapNode, selectors: dict[str, MapNode]) -> MapNode:
    # 3.5 always downloads what only the container has; v1beta3 must be told to.
    return _inlined(item, selectors).with_entry("downloadOnInitialSync", Scalar(item.at, "true"))


def _override(override: MapNode, notes: Problems) -> MapNode:
    for key in ("dockerfile", "context"):
        if override.value(key) is not None:
            notes.warn(override.place(key), f"`{key}` of an image override ends with v1beta2: it still counts here, "
                       "but use a profile when you move to v1beta3")
    entrypoint = override.value("entrypoint")
    override = override.with_entry("always", Scalar(override.at, "true"))
    # Without an entrypoint 3.5 leaves the Dockerfile's own; its upgrade to v1beta3 would clear it.
    if not isinstance(entrypoint, ListNode) or not entrypoint.items:
        return override.without("entrypoint")
    return override.with_entry("entrypoint", ListNode(entrypoint.at, entrypoint.items[:1])).with_entry(
        "cmd", ListNode(entrypoint.at, entrypoint.items[1:]), override.place("entrypoint")
    )


def _terminal(dev: MapNode, interactive: MapNode, selectors: dict[str, MapNode], notes: Problems) -> MapNode:
    terminal = dev.value("terminal")
    if not isinstance(terminal, MapNode):
        terminal = MapNode(interactive.at, {})
        default = Scalar(interactive.at, "true")
    else:
        interactive = MapNode(dev.place("terminal"), interactive.entries)
        notes.warn(interactive.at, "`dev.terminal` is `dev.interactive` in v1beta3")
        disabled = terminal.value("disabled")
        default = _negated(disabled) if isinstance(disabled, Scalar) else Scalar(interactive.at, "true")
    interactive = interactive.with_entry("defaultEnabled", default, interactive.at)
    target = terminal.without("disabled")
    if len(selectors) == 1 and target.value("selector") is None and target.value("labelSelector") is None:
        # A single selector is the default for terminals.
        name = next(iter(selectors))
        target = target.with_entry("selector", Scalar(target.at, name, quoted=True))
    target = _inlined(target, selectors)
    return interactive.with_entry("terminal", target, target.at) if target.entries else interactive


def _negated(flag: Scalar) -> Scalar:
    words = ("false", "f", "0", "n", "no", "off")
    return Scalar(flag.at, "true" if flag.text.lower() in words else "false")


def _selectors(dev: MapNode) -> dict[str, MapNode]:
    listed = dev.value("selectors")
    found: dict[str, MapNode] = {}
    for item in listed.items if isinstance(listed, ListNode) else ():
        name = item.value("name") if isinstance(item, MapNode) else None
        if isinstance(item, MapNode) and isinstance(name, Scalar):
            found.setdefault(name.text, item)
    return found


def _inlined(user: MapNode, selectors: dict[str, MapNode]) -> MapNode:
    """`user` with what its named selector says, in place of the name; what it says itself wins."""
    name = user.value("selector")
    user = user.without("selector")
    if not isinstance(name, Scalar) or name.text not in selectors:
        return user
    for key, entry in selectors[name.text].entries.items():
        if key != "name" and user.value(key) is None:
            user = user.with_entry(key, entry.value, entry.at)
    return user
