"""images → override, build and push steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from kdev.compiler.request import Scope, join
from kdev.compiler.workloads import Scan, images_of
from kdev.core.actions import Build, CustomBuild, Override, Push
from kdev.core.inputs import BaseImage, BuildContext, EachRun, Environment, Files, Input, Login, Tool
from kdev.core.step import Role, Step, StepId
from kdev.errors import ConfigError, Problem
from kdev.spec import dockerfile as df
from kdev.spec import model


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """The step whose result is the image's reference: its push when there is one, else its build. `held`: under `-i`
    its containers run something else than the app."""

    name: str
    repository: str
    step: StepId
    held: bool = False


@dataclass(frozen=True, slots=True)
class Images:
    """What this section gives to the others. `problems` are those found on the way."""

    steps: tuple[Step, ...]
    built: Mapping[str, BuiltImage]
    problems: tuple[Problem, ...] = ()


def compile_images(scope: Scope, scans: tuple[Scan, ...]) -> Images:
    """Every image that is not disabled."""
    delivered = _delivered(scope, scans)
    steps: list[Step] = []
    built: dict[str, BuiltImage] = {}
    problems: list[Problem] = []
    for image in scope.workspace.project.images:
        if image.disabled:
            continue
        wanted = _as_wanted(image, scope)
        if isinstance(wanted.build, model.CustomBuild):
            made = [_custom(wanted, wanted.build, scope)]
        else:
            made, found = _from_dockerfile(wanted, scope, delivered.get(image.name, ()))
            problems += found
            if found:
                continue
        if scope.wish.push and not getattr(wanted.build, "skip_push", False):
            made.append(_push(wanted, made[-1], scope))
        steps += made
        held = scope.wish.interactive and wanted is not image
        built[image.name] = BuiltImage(image.name, image.image, made[-1].id, held)
    return Images(tuple(steps), built, tuple(problems))


def _as_wanted(image: model.Image, scope: Scope) -> model.Image:
    """The image as this pipeline builds it: with the overrides of `dev` where they apply."""
    if scope.wish.pipeline != "dev" or scope.workspace.name:
        return image
    dev = scope.workspace.project.dev
    for override in dev.overrides:
        if override.image == image.name and (override.always or scope.wish.interactive):
            return replace(
                image,
                entrypoint=image.entrypoint if override.entrypoint is None else override.entrypoint,
                cmd=image.cmd if override.cmd is None else override.cmd,
                dockerfile=override.dockerfile or image.dockerfile,
                context=override.context or image.context,
            )
    if scope.wish.interactive and not dev.overrides and image.name == interactive_image(scope):
        return replace(image, entrypoint=HOLD, cmd=())
    return image


HOLD = ("sh", "-c", "trap 'exit 0' TERM INT; while :; do sleep 3600 & wait $!; done")
"""What a container does under `-i` when the configuration does not say: nothing, and it ends at once when told to. (A
plain `sleep` as process 1 ignores SIGTERM, so every restart would wait out the grace period.)"""


def interactive_image(scope: Scope) -> str:
    """The image whose container the terminal opens, "" when the project has none."""
    project = scope.workspace.project
    if project.dev.terminal and project.dev.terminal.selector.image:
        return project.dev.terminal.selector.image
    return next((image.name for image in project.images if not image.disabled), "")


def _custom(image: model.Image, build: model.CustomBuild, scope: Scope) -> Step:
    key = f"images.{image.name}"
    inputs: list[Input] = [
        scope.setting(f"{key}.image", image.image),
        scope.setting(f"{key}.tag", image.tag),
        scope.setting(f"{key}.build.custom", (build.command, build.args, build.image_flag)),
    ]
    if build.on_change:
        patterns = tuple(map(scope.path, build.on_change))
        inputs.append(Files(f"onChange of {scope.id('build', image.name)}", patterns))
    else:
        inputs.append(EachRun(f"{key}.build.custom has no onChange"))
    action = CustomBuild(
        image=image.name,
        repository=image.image,
        command=build.command,
        args=build.args,
        image_flag=build.image_flag,
        tags=(image.tag,) if image.tag else (),
        cwd=scope.path("."),
    )
    at = scope.at(image.at)
    return Step(scope.id("build", image.name), Role.VALUE, action, inputs=tuple(inputs), pool="build", at=at)


def _from_dockerfile(
    image: model.Image, scope: Scope, syncs: Sequence[model.Sync]
) -> tuple[list[Step], list[Problem]]:
    build = image.build
    assert not isinstance(build, model.CustomBuild)
    dockerfile, context = scope.path(image.dockerfile), scope.path(image.context)
    text = scope.sources.read(dockerfile)
    if text is None:
        hint = f"create it, or say where it is with images.{image.name}.dockerfile"
        return [], [Problem(scope.mark(image.at), f"images.{image.name}: there is no {dockerfile}", hint)]
    arguments = {key: value for key, value in build.build_args if value is not None}
    try:
        bases = df.base_images(text, arguments, build.target, file=dockerfile)
    except ConfigError as error:
        return [], list(error.problems)
    override = _override(image, build.target, dockerfile, scope)
    candidates = (f"{dockerfile}.dockerignore", join(context, ".dockerignore"))
    action = Build(
        image=image.name,
        repository=image.image,
        context=context,
        dockerfile=dockerfile,
        tags=(image.tag,) if image.tag else (),
        override=override.id if override else "",
        target=build.target,
        network=build.network,
        build_args=build.build_args,
        ignore_file=next((path for path in candidates if scope.sources.read(path) is not None), ""),
        builder=scope.wish.builder,
    )
    inputs = (*_build_inputs(image, action, syncs, scope), *(BaseImage(base) for base in bases), Tool("builder"))
    needs = (override.id,) if override else ()
    step = Step(scope.id("build", image.name), Role.VALUE, action, needs, (), inputs, "build", scope.at(image.at))
    return [*((override,) if override else ()), step], []


def _build_inputs(image: model.Image, action: Build, syncs: Sequence[model.Sync], scope: Scope) -> tuple[Input, ...]:
    """What the configuration and the files say of a build."""
    key, step = f"images.{image.name}", scope.id("build", image.name)
    synced, reload = synced_paths(syncs, scope, action.context), _reload_patterns(image, scope)
    name = f"context of {step}{_apart(synced)}"
    return (
        scope.setting(f"{key}.image", image.image),
        scope.setting(f"{key}.tag", image.tag),
        scope.setting(f"{key}.build", (action.target, action.network, action.build_args)),
        *(Environment(name) for name, value in action.build_args if value is None),
        scope.setting(f"dev.sync for {image.name}", synced),
        BuildContext(name, action.context, action.dockerfile, action.ignore_file, synced),
        *((Files(f"autoReload of {step}", reload),) if reload and synced else ()),
    )


def _override(image: model.Image, target: str, dockerfile: str, scope: Scope) -> Step | None:
    if image.entrypoint is None and image.cmd is None:
        return None
    key = f"images.{image.name}"
    action = Override(image.name, dockerfile, image.entrypoint, image.cmd, (), target)
    inputs: tuple[Input, ...] = (
        Files(f"Dockerfile of {scope.id('build', image.name)}", (dockerfile,)),
        scope.setting(f"{key}.entrypoint", image.entrypoint),
        scope.setting(f"{key}.cmd", image.cmd),
        scope.setting(f"{key}.build.options.target", target),
    )
    return Step(scope.id("override", image.name), Role.VALUE, action, inputs=inputs, at=scope.at(image.at))


def _push(image: model.Image, build: Step, scope: Scope) -> Step:
    action = Push(image.name, build.id, image.image)
    inputs = (scope.setting(f"images.{image.name}.image", image.image), Login(image.image))
    at = scope.at(image.at)
    return Step(scope.id("push", image.name), Role.EFFECT, action, (build.id,), inputs=inputs, pool="push", at=at)


def _apart(synced: tuple[str, ...]) -> str:
    """Part of a context's name. What is looked at without the synced files is another thing than all of it: listings
    of the one say nothing about changes of the other."""
    return f" without {', '.join(pattern for pattern in synced if not pattern.startswith('!'))}" if synced else ""


def _delivered(scope: Scope, scans: tuple[Scan, ...]) -> dict[str, list[model.Sync]]:
    """Image → the syncs of `dev` that deliver into containers of it."""
    project = scope.workspace.project
    delivered: dict[str, list[model.Sync]] = {}
    if scope.wish.pipeline == "dev" and scope.wish.sync and not scope.workspace.name:
        repositories = {image.name: image.image for image in project.images}
        for sync in project.dev.sync:
            for name in images_of(sync.selector, scans, repositories):
                delivered.setdefault(name, []).append(sync)
    return delivered


def synced_paths(syncs: Sequence[model.Sync], scope: Scope, context: str) -> tuple[str, ...]:
    """Ignore patterns (relative to `context`) for what these syncs deliver.

    While a sync runs, a saved file reaches the container without a build, so it is no input of the build. What the
    sync does not upload stays one.
    """
    patterns: list[str] = []
    for sync in syncs:
        inside = _relative(scope.path(sync.local), context)
        if inside is None:
            continue
        patterns.append("**" if inside == "." else inside)
        prefix = "" if inside == "." else f"{inside}/"
        for excluded in (*sync.exclude_paths, *sync.upload_exclude_paths):
            if not excluded.startswith("!"):
                # gitignore: a pattern without a slash in front or in the middle matches at any depth.
                anchored = "/" in excluded.rstrip("/")
                patterns.append("!" + prefix + ("" if anchored else "**/") + excluded.strip("/"))
    return tuple(patterns)


def _reload_patterns(image: model.Image, scope: Scope) -> tuple[str, ...]:
    """dev.autoReload.paths that lie in the image's context: the user asks for a build when they change."""
    context = scope.path(image.context)
    paths = (scope.path(pattern) for pattern in scope.workspace.project.dev.auto_reload.paths)
    return tuple(path for path in paths if _relative(path, context) is not None)


def _relative(path: str, folder: str) -> str | None:
    """`path` as seen from `folder`, "." for the folder itself, None when it is outside."""
    if folder == "." and not path.startswith(".."):
        return path
    if path == folder or folder.startswith(path + "/") or path == ".":
        return "."
    return path[len(folder) + 1 :] if path.startswith(folder + "/") else None
