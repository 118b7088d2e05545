"""A build context as a tar, for the Engine API: exactly the paths that Docker's own client would send.

The Dockerfile goes in under a name of its own when it is not simply one of the files (it was changed in memory, lies
elsewhere, or is ignored); the engine is told, through the ignore file, to take it out again after reading it.
"""

from __future__ import annotations

import io
import os
import posixpath
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO

from kdev.core.actions import Build
from kdev.core.inputs import BuildContext
from kdev.drivers.files import FileObserver
from kdev.errors import StepFailed

IGNORE = ".dockerignore"
OWN_DOCKERFILE = ".kdev.Dockerfile"


@contextmanager
def packed(root: str, files: FileObserver, action: Build, dockerfile: bytes) -> Iterator[tuple[IO[bytes], str]]:
    """(the tar, rewound; the name of the Dockerfile in it). StepFailed naming a file that cannot be read."""
    wanted = BuildContext("sent", action.context, action.dockerfile, action.ignore_file)
    paths = dict(files.contents(wanted))
    inside = _relative(action.dockerfile, action.context)
    plain = not action.override and inside is not None and action.dockerfile in paths
    with TemporaryFile(prefix="kdev-context-") as spool:
        with tarfile.open(fileobj=spool, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for path, _ in paths.items():
                name = _relative(path, action.context)
                if name is not None and not (name == IGNORE and not plain):
                    _add(tar, root, path, name)
            if not plain:
                _add_bytes(tar, OWN_DOCKERFILE, dockerfile)
                _add_bytes(tar, IGNORE, _ignore(root, action, paths))
        spool.seek(0)
        yield spool, inside if plain and inside is not None else OWN_DOCKERFILE


def _ignore(root: str, action: Build, paths: dict[str, int]) -> bytes:
    """What the engine shall drop after reading: our Dockerfile, and this file unless the user's own was to be sent."""
    own = posixpath.normpath(posixpath.join(action.context, IGNORE))
    if own in paths and action.ignore_file in ("", own):
        with open(os.path.join(root, own), "rb") as file:
            return file.read().rstrip(b"\n") + f"\n{OWN_DOCKERFILE}\n".encode()
    return f"{OWN_DOCKERFILE}\n{IGNORE}\n".encode()


def _add(tar: tarfile.TarFile, root: str, path: str, name: str) -> None:
    source = os.path.join(root, path)
    try:
        entry = tar.gettarinfo(source, name)
        # Owner and group are this machine's, not the image's.
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        if entry.isreg():
            with open(source, "rb") as file:
                tar.addfile(entry, file)
        else:
            entry.type = tarfile.SYMTYPE if entry.issym() else entry.type
            tar.addfile(entry)
    except OSError as error:
        raise StepFailed(f"{path} cannot be read: {error.strerror or error}") from error


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mode = 0o644
    tar.addfile(entry, io.BytesIO(content))


def _relative(path: str, folder: str) -> str | None:
    """`path` as seen from `folder`; None when it is outside."""
    found = posixpath.relpath(path, folder)
    return None if found == ".." or found.startswith("../") else found
