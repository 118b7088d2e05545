"""Puts kdev's agent into a container, once per container and version, wherever it can be written to and run.

Knows where to look and how to be sure; what the agent does there is not its business.
"""

from __future__ import annotations

import io
import platform
import tarfile
from contextlib import suppress
from typing import NamedTuple

from kdev import agent
from kdev.core.ports import Cancellation, Process, Target
from kdev.core.workloads import Pod
from kdev.errors import KdevError, StepFailed

FOLDERS = ("/tmp", "/dev/shm", "/var/tmp", "/root", ".", "/")
"""Tried in this order. `.` is the working directory of the container."""

_MOST_WORDS = 4096


class Place(NamedTuple):
    """A container to put the agent into."""

    target: Target
    pod: Pod
    container: str


def agent_in(place: Place, cancel: Cancellation) -> str:
    """The agent's path in the container; put there when it is not there yet.

    Raises StepFailed, with what was tried, when there is no place for it; whatever the target raises when it is gone.
    """
    tried = []
    for folder in FOLDERS:
        why = ""
        for arch in _architectures():
            path = f"{folder}/{_name(arch)}".replace("//", "/")
            if not _not_there(place, path, arch, cancel):
                return path
            why = _put(place, folder, arch, cancel)
            if why:
                break  # the other program would not fit either
            why = _not_there(place, path, arch, cancel)
            if not why:
                return path
        tried.append(f"{folder}: {why}")
    raise StepFailed(
        f"{place.pod} has no place in container {place.container} for a program of kdev",
        hint="mount an emptyDir volume at /tmp, without noexec", detail="\n".join(tried),
    )


def ask(process: Process, most: int = _MOST_WORDS) -> tuple[int, bytes, bytes]:
    """(exit code, stdout, stderr) of a program that says little."""
    said = {1: b"", 2: b""}
    try:
        process.close_stdin()
        while True:
            stream, data = process.read(most)
            if not stream:
                return process.exit_code(), said[1], said[2]
            said[stream] = (said[stream] + data)[:most]
    finally:
        process.close()


def _architectures() -> list[str]:
    """The likely one first: most clusters and engines run on what the developer's machine runs on."""
    first = agent.ARCHITECTURES[0]
    with suppress(KdevError):
        first = agent.architecture(platform.machine())
    return sorted(agent.ARCHITECTURES, key=lambda arch: arch != first)


def _name(arch: str) -> str:
    return f".kdev-agent-{agent.digest(arch)[:12]}"


def _not_there(place: Place, path: str, arch: str, cancel: Cancellation) -> str:
    """Why the agent cannot be run from `path`, "" when it can. The file says itself whether it is whole."""
    try:
        code, said, words = ask(place.target.exec(place.pod, place.container, [path, "version"], cancel=cancel))
    except StepFailed as error:
        return error.message
    if code == 0 and agent.digest(arch).encode() in said.split():
        return ""
    return words.decode("utf-8", "replace").strip()[:200] or f"exit code {code}"


def _put(place: Place, folder: str, arch: str, cancel: Cancellation) -> str:
    """Why the agent cannot be put into `folder`, "" when it was."""
    try:
        if folder == ".":
            folder = _working_folder(place, cancel)
            if not folder:
                return "the working directory is not known"
        place.target.put_files(place.pod, place.container, folder, _archive(arch), cancel)
    except KdevError as error:
        cancel.check()
        return error.message
    return ""


def _working_folder(place: Place, cancel: Cancellation) -> str:
    """Asked of `pwd`, "" where there is none: images without any program have a writable /tmp or nothing."""
    try:
        code, said, _ = ask(place.target.exec(place.pod, place.container, ["pwd"], cancel=cancel))
    except StepFailed:
        return ""
    folder = said.decode("utf-8", "replace").strip()
    return folder if code == 0 and folder.startswith("/") else ""


def _archive(arch: str) -> bytes:
    data, program = io.BytesIO(), agent.binary(arch)
    with tarfile.open(fileobj=data, mode="w") as archive:
        member = tarfile.TarInfo(_name(arch))
        member.size, member.mode = len(program), 0o755
        archive.addfile(member, io.BytesIO(program))
    return data.getvalue()
