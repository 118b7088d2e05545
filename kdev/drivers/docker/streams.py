"""The streams of one container, for the target: programs, logs, connections, files. Each has a client of its own."""

from __future__ import annotations

from urllib.parse import quote

from kdev.core.ports import Cancellation
from kdev.drivers.docker.client import Clients, streaming
from kdev.drivers.docker.dialing import dial
from kdev.drivers.docker.errors import status_of
from kdev.drivers.docker.exec_stream import attach_process, exec_process
from kdev.drivers.docker.logs_stream import read_logs
from kdev.errors import StepFailed

__all__ = ["attach_process", "dial", "exec_process", "put_files", "read_logs"]

_NOT_FOUND = 404


def put_files(clients: Clients, container_id: str, folder: str, tar: bytes, cancel: Cancellation) -> None:
    """Unpack `tar` into an existing folder of a container, running or not. StepFailed when it is not there."""
    api = clients.fresh()
    try:
        with streaming(
            api, "PUT", f"/containers/{quote(container_id, safe='')}/archive", cancel,
            params={"path": folder, "noOverwriteDirNonDir": "1"}, data=tar,
            headers={"Content-Type": "application/x-tar"},
        ) as response:
            response.raw.read()
    except StepFailed as error:
        if status_of(error) == _NOT_FOUND:
            raise StepFailed(f"cannot put files into {folder}: {error.message}") from error
        raise
    finally:
        api.close()
