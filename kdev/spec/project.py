"""Rows of the newest version → the Project: images, deployments, dependencies, hooks, commands. Nothing is checked here
any more.
"""

from __future__ import annotations

from pathlib import Path

from kdev.spec.dev import dev_of
from kdev.spec.model import (
    Command,
    ComponentDeploy,
    CustomBuild,
    Dependency,
    Deployment,
    DockerBuild,
    HelmDeploy,
    Hook,
    Image,
    KanikoBuild,
    KubectlDeploy,
    Project,
)
from kdev.spec.paths import glob_path, label_name, posix_path
from kdev.spec.problems import Problems
from kdev.spec.read import Row
from kdev.spec.rules import split_names


def project_of(root: Row, folder: Path, version: str, problems: Problems) -> Project:
    """The project that `root`, a row of the newest version, describes. Warnings and secrets are added by the caller."""
    cluster = root.row("cluster")
    return Project(
        name=label_name(folder.name),
        version=version,
        root=str(folder),
        images=tuple(_image(name, row) for name, row in root.table("images").items()),
        deployments=tuple(_deployment(row) for row in root.rows("deployments")),
        dev=dev_of(root, problems),
        dependencies=tuple(_dependency(row) for row in root.rows("dependencies")),
        hooks=tuple(hook for row in root.rows("hooks") for hook in _hooks(row)),
        commands=tuple(Command(row.text("name"), row.text("command"), row.at) for row in root.rows("commands")),
        kube_context="" if cluster is None else cluster.text("kubeContext"),
        namespace="" if cluster is None else cluster.text("namespace"),
    )


def _image(name: str, row: Row) -> Image:
    build = row.row("build")
    return Image(
        name=name,
        image=row.text("image"),
        at=row.at,
        tag=row.text("tag"),
        dockerfile=posix_path(row.text("dockerfile")),
        context=posix_path(row.text("context")),
        entrypoint=row.texts("entrypoint") if "entrypoint" in row else None,
        cmd=row.texts("cmd") if "cmd" in row else None,
        create_pull_secret=row.flag("createPullSecret"),
        disabled=build is not None and build.flag("disabled"),
        build=DockerBuild() if build is None else _build(build),
    )


def _build(build: Row) -> DockerBuild | KanikoBuild | CustomBuild:
    custom, kaniko, docker = build.row("custom"), build.row("kaniko"), build.row("docker")
    if custom is not None:
        return CustomBuild(
            command=custom.text("command"),
            args=custom.texts("flags"),
            image_flag=custom.text("imageFlag"),
            on_change=tuple(map(glob_path, custom.texts("onChange"))),
        )
    used = kaniko or docker
    if used is None:
        return DockerBuild()
    options = used.row("options")
    target = "" if options is None else options.text("target")
    network = "" if options is None else options.text("network")
    build_args = () if options is None else options.pairs("buildArgs")
    if kaniko is not None:
        return KanikoBuild(
            target=target,
            network=network,
            build_args=build_args,
            cache=kaniko.flag("cache"),
            snapshot_mode=kaniko.text("snapshotMode"),
            flags=kaniko.texts("flags"),
            namespace=kaniko.text("namespace"),
            insecure=kaniko.flag("insecure"),
            pull_secret=kaniko.text("pullSecret"),
        )
    return DockerBuild(
        target=target,
        network=network,
        build_args=build_args,
        skip_push=used.flag("skipPush"),
        prefer_minikube=used.flag("preferMinikube"),
        disable_fallback=used.flag("disableFallback"),
    )


def _deployment(row: Row) -> Deployment:
    return Deployment(row.text("name"), row.at, _deploy(row), row.text("namespace"))


def _deploy(row: Row) -> KubectlDeploy | HelmDeploy | ComponentDeploy:
    component, helm, kubectl = row.row("component"), row.row("helm"), row.row("kubectl")
    if component is not None:
        return _component(component)
    if helm is not None:
        return _helm(helm)
    assert kubectl is not None
    return KubectlDeploy(
        manifests=tuple(map(glob_path, kubectl.texts("manifests"))),
        kustomize=kubectl.flag("kustomize"),
        flags=kubectl.texts("flags"),
        cmd_path=kubectl.text("cmdPath"),
        replace_image_tags=kubectl.flag("replaceImageTags"),
    )


def _component(row: Row) -> ComponentDeploy:
    values = row.plain()
    values.pop("options", None)
    options = row.row("options")
    if options is None:
        return ComponentDeploy(values)
    return ComponentDeploy(
        values,
        wait=options.flag("wait"),
        rollback=options.flag("rollback"),
        force=options.flag("force"),
        timeout=options.number("timeout"),
        tiller_namespace=options.text("tillerNamespace"),
        replace_image_tags=options.flag("replaceImageTags"),
    )


def _helm(row: Row) -> HelmDeploy:
    chart = row.row("chart")
    assert chart is not None
    return HelmDeploy(
        chart_name=chart.text("name"),
        chart_version=chart.text("version"),
        chart_repo=chart.text("repo"),
        chart_username=chart.text("username"),
        chart_password=chart.text("password"),
        wait=row.flag("wait"),
        rollback=row.flag("rollback"),
        force=row.flag("force"),
        timeout=row.number("timeout"),
        tiller_namespace=row.text("tillerNamespace"),
        replace_image_tags=row.flag("replaceImageTags"),
        values_files=tuple(posix_path(path) for path in row.texts("valuesFiles")),
        values=row.tree("values") or {},
    )


def _dependency(row: Row) -> Dependency:
    source = row.row("source")
    assert source is not None
    path = source.text("path")
    return Dependency(
        at=row.at,
        git=source.text("git"),
        path=posix_path(path, ""),
        sub_path=source.text("subPath"),
        branch=source.text("branch"),
        tag=source.text("tag"),
        revision=source.text("revision"),
        profile=row.text("profile"),
        skip_build=row.flag("skipBuild"),
        ignore_dependencies=row.flag("ignoreDependencies"),
        namespace=row.text("namespace"),
    )


def _hooks(row: Row) -> list[Hook]:
    """One hook for each time that `when` names."""
    when = row.row("when")
    found: list[Hook] = []
    for event in ("before", "after") if when is not None else ():
        times = when.row(event) if when is not None else None
        for what in ("images", "deployments") if times is not None else ():
            names = split_names(times.text(what)) if times is not None else []
            found += (
                Hook(row.text("command"), row.at, row.texts("args"), event=event, what=what, which=which)
                for which in (["all"] if "all" in names else names)
            )
    return found
