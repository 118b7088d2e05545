"""Rows of the newest version's `dev` → Dev: ports, sync, terminal, logs, overrides."""

from __future__ import annotations

import posixpath

from kdev.spec.model import (
    AutoReload,
    Dev,
    ImageOverride,
    Logs,
    PortMapping,
    Ports,
    Selector,
    Sync,
    Terminal,
)
from kdev.spec.paths import glob_path, posix_path
from kdev.spec.problems import Problems
from kdev.spec.read import Row

_KEEPS_REMOTE = (
    "files that only the container has are kept and downloaded at the first sync; DevSpace deletes them unless "
    "`downloadOnInitialSync: true` is set. Set it to true or false to say which you want"
)


def dev_of(root: Row, problems: Problems) -> Dev:
    """The `dev` section of `root`; defaults when there is none."""
    dev = root.row("dev")
    if dev is None:
        return Dev()
    interactive = dev.row("interactive")
    syncs = dev.rows("sync")
    unset = [row for row in syncs if "downloadOnInitialSync" not in row]
    if unset:
        problems.warn(unset[0].at, _KEEPS_REMOTE)
    return Dev(
        ports=tuple(_ports(row) for row in dev.rows("ports")),
        sync=tuple(_sync(row) for row in syncs),
        terminal=None if interactive is None else _terminal(interactive),
        logs=_logs(dev.row("logs")),
        open=tuple(row.text("url") for row in dev.rows("open")),
        overrides=() if interactive is None else tuple(_override(row) for row in interactive.rows("images")),
        auto_reload=_auto_reload(dev.row("autoReload")),
    )


def selector_of(row: Row, container: str = "") -> Selector:
    """The pod that `row` names, and its `container`."""
    labels = sorted((key, value or "") for key, value in row.pairs("labelSelector"))
    return Selector(row.text("imageName"), tuple(labels), container, row.text("namespace"))


def _ports(row: Row) -> Ports:
    forward = tuple(
        PortMapping(
            local=one.number("port"),
            remote=one.number("remotePort", one.number("port")),
            at=one.at,
            bind_address=one.text("bindAddress"),
        )
        for one in row.rows("forward")
    )
    return Ports(selector_of(row), forward, row.at)


def _sync(row: Row) -> Sync:
    limits = row.row("bandwidthLimits")
    mirror = "downloadOnInitialSync" in row and not row.flag("downloadOnInitialSync")
    return Sync(
        selector=selector_of(row, row.text("containerName")),
        at=row.at,
        local=posix_path(row.text("localSubPath")),
        remote=posixpath.normpath(row.text("containerPath")),
        wait_initial_sync=row.flag("waitInitialSync"),
        exclude_paths=row.texts("excludePaths"),
        download_exclude_paths=row.texts("downloadExcludePaths"),
        upload_exclude_paths=row.texts("uploadExcludePaths"),
        upload_limit=0 if limits is None else limits.number("upload"),
        download_limit=0 if limits is None else limits.number("download"),
        initial="mirrorLocal" if mirror else "preferLocal",
    )


def _terminal(interactive: Row) -> Terminal:
    terminal = interactive.row("terminal")
    enabled = interactive.flag("defaultEnabled")
    if terminal is None:
        return Terminal(enabled, interactive.at)
    selector = selector_of(terminal, terminal.text("containerName"))
    return Terminal(enabled, terminal.at, selector, terminal.texts("command"))


def _logs(row: Row | None) -> Logs:
    if row is None:
        return Logs()
    return Logs(row.flag("disabled"), row.number("showLast"), row.texts("images"))


def _override(row: Row) -> ImageOverride:
    return ImageOverride(
        image=row.text("name"),
        at=row.at,
        always=row.flag("always"),
        entrypoint=row.texts("entrypoint") if "entrypoint" in row else None,
        cmd=row.texts("cmd") if "cmd" in row else None,
        dockerfile=posix_path(row.text("dockerfile"), ""),
        context=posix_path(row.text("context"), ""),
    )


def _auto_reload(row: Row | None) -> AutoReload:
    if row is None:
        return AutoReload()
    return AutoReload(tuple(map(glob_path, row.texts("paths"))), row.texts("deployments"), row.texts("images"))
