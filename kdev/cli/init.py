"""`kdev init`: a devspace.yaml from the Dockerfiles and manifests that are here. Never overwrites one."""

from __future__ import annotations

import os
import posixpath
from dataclasses import dataclass

from kdev.cli.options import Options
from kdev.errors import EXIT_OK, ConfigError, Problem, UsageError
from kdev.spec import dockerfile, manifests
from kdev.spec.dockerfile_parse import parse
from kdev.spec.dockerfile_words import flags, split
from kdev.spec.manifests import Document

_SKIPPED = {".git", ".kdev", ".devspace", ".venv", "node_modules", "vendor", "target", "dist", "build"}
_DEEPEST = 3
_LOCAL_PORT_OFFSET = 8000
"""Below 1024 a port needs root on this machine, so the local end is moved up."""


@dataclass(frozen=True)
class Found:
    """What a folder holds. `dockerfiles` and `manifests` are POSIX paths relative to it."""

    root: str
    dockerfiles: tuple[str, ...]
    manifests: tuple[str, ...]
    documents: tuple[Document, ...]


@dataclass(frozen=True)
class NewImage:
    """An image for the configuration, with the port it serves on (0: none known), and the folder that its Dockerfile
    copies and where to (() for none): that is what a sync can deliver."""

    name: str
    repository: str
    dockerfile: str
    port: int
    copied: tuple[str, ...]


def main(options: Options) -> int:
    """Write the file. UsageError when it exists, ConfigError when there is nothing to make it from."""
    root = os.path.abspath(options.directory or ".")
    path = os.path.join(root, options.file)
    if os.path.exists(path):
        raise UsageError(f"{options.file} exists already", hint="edit it, or write another with --file PATH")
    found = look(root)
    if not found.dockerfiles and not found.manifests:
        problem = Problem(None, f"there is no Dockerfile and no manifest in {root}", "kdev needs at least one of them")
        raise ConfigError((problem,))
    text = configuration(found)
    with open(path, "x", encoding="utf-8") as file:
        file.write(text)
    print(f"wrote {options.file}: {len(found.dockerfiles)} image(s), {len(found.manifests)} manifest(s)")
    print("next: `kdev plan dev` shows what would run, `kdev dev` runs it")
    return EXIT_OK


def look(root: str) -> Found:
    """Dockerfiles and manifests, at most a few folders deep; what no Kubernetes object is in is no manifest."""
    dockerfiles: list[str] = []
    paths: list[str] = []
    documents: list[Document] = []
    for folder, folders, files in os.walk(root):
        inside = os.path.relpath(folder, root).replace(os.sep, "/")
        depth = 0 if inside == "." else inside.count("/") + 1
        deeper = (name for name in folders if name not in _SKIPPED and not name.startswith("."))
        folders[:] = sorted(deeper) if depth < _DEEPEST else []
        for name in sorted(files):
            path = name if inside == "." else f"{inside}/{name}"
            if name == "Dockerfile":
                dockerfiles.append(path)
            elif name.endswith((".yaml", ".yml")):
                held = _objects(os.path.join(folder, name), path)
                if held:
                    paths.append(path)
                    documents += held
    return Found(root, tuple(dockerfiles), tuple(paths), tuple(documents))


def configuration(found: Found) -> str:
    """The text of a v1beta3 devspace.yaml."""
    images = [_image(found, path) for path in found.dockerfiles]
    lines = ["version: v1beta3", ""]
    if images:
        lines.append("images:")
        for image in images:
            lines += [f"  {image.name}:", f"    image: {image.repository}"]
            context = os.path.dirname(image.dockerfile)
            if context:
                lines += [f"    dockerfile: {image.dockerfile}", f"    context: {context}"]
        lines.append("")
    if found.manifests:
        lines += ["deployments:", f"- name: {_name(os.path.basename(found.root))}", "  kubectl:", "    manifests:"]
        lines += [f"    - {path}" for path in found.manifests]
        lines.append("")
    return "\n".join([*lines, *_dev(images)])


def _dev(images: list[NewImage]) -> list[str]:
    lines: list[str] = []
    served = [image for image in images if image.port]
    if served:
        lines += ["dev:", "  ports:"]
        taken: set[int] = set()
        for image in served:
            local = image.port if image.port >= 1024 else image.port + _LOCAL_PORT_OFFSET
            while local in taken:
                local += 1
            taken.add(local)
            lines += [f"  - imageName: {image.name}", "    forward:", f"    - port: {local}"]
            if local != image.port:
                lines.append(f"      remotePort: {image.port}")
    copied = [image for image in images if image.copied]
    if copied:
        lines += [*([] if lines else ["dev:"]), "  sync:"]
        for image in copied:
            folder, remote = image.copied
            lines += [f"  - imageName: {image.name}", f"    localSubPath: {folder}", f"    containerPath: {remote}"]
            lines += ["    downloadOnInitialSync: true", "    excludePaths:", "    - .git/", "    - Dockerfile"]
    return [*lines, ""] if lines else lines


def _image(found: Found, path: str) -> NewImage:
    """The image of a Dockerfile: the manifest's name for it where one can be told, else one after its folder."""
    folder = os.path.dirname(path)
    name = _name(os.path.basename(folder or found.root))
    with open(os.path.join(found.root, path), encoding="utf-8", errors="replace") as file:
        text = file.read()
    repository, port = name, 0
    for document in found.documents:
        for container, used in manifests.pod_containers(document.content).items():
            if name in (container, used.rpartition("/")[2]) or len(found.dockerfiles) == 1:
                repository, port = used, manifests.container_port(document.content, container)
                break
    exposed = dockerfile.exposed_ports(text, file=path)
    copied = _copied(found.root, folder, text, path)
    return NewImage(name, repository, path, port or (exposed[0] if exposed else 0), copied)


def _copied(root: str, folder: str, text: str, path: str) -> tuple[str, ...]:
    """(local folder, folder in the container) of the last stage's first COPY of a folder; () when there is none."""
    parsed = parse(text, path)
    workdir = "/"
    for one in parsed.stages[-1].instructions:
        options, rest = flags(one.rest, parsed.escape)
        words = split(rest, parsed.escape)
        if one.name == "WORKDIR" and words:
            workdir = posixpath.join(workdir, words[0])
        if one.name == "COPY" and len(words) == 2 and "from" not in dict(options):
            source, target = posixpath.normpath(posixpath.join(folder, words[0])), posixpath.join(workdir, words[1])
            # To copy into / is to mix with the image's own files: no place for a sync.
            if os.path.isdir(os.path.join(root, source)) and posixpath.normpath(target) != "/" and "$" not in rest:
                return source, posixpath.normpath(target)
    return ()


def _objects(path: str, shown: str) -> list[Document]:
    """The objects of a file, [] when it is something else: any YAML may lie around."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
        return [one for one in manifests.parse(text, shown) if "apiVersion" in one.content]
    except (ConfigError, OSError):
        return []


def _name(text: str) -> str:
    """A name that Kubernetes accepts."""
    return "".join(char if char.isalnum() else "-" for char in text.lower()).strip("-") or "app"
