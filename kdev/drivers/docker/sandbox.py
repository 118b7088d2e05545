"""What pods stand on: the namespace's network, and the image of the one program that sandboxes and Services run."""

from __future__ import annotations

import io
import tarfile
import threading
from typing import Any

from kdev import agent
from kdev.drivers.docker import labels
from kdev.drivers.docker.client import Clients
from kdev.drivers.docker.errors import status_of, translated
from kdev.errors import KdevError, TargetError

PROGRAM = "/kdev-agent"
REPOSITORY = "kdev-sandbox"
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class Sandboxes:
    """Makes sandbox images and networks, each once. Safe to share between threads."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._lock = threading.Lock()
        self._image = ""

    def image(self) -> str:
        """The reference of the sandbox image; made from kdev's own agent when the engine has none.

        Raises TargetError for an engine of an architecture that the agent is not built for.
        """
        with self._lock:
            if not self._image:
                api = self._clients.api()
                with translated():
                    machine = str(api.info().get("Architecture", ""))
                architecture = _ARCHITECTURES.get(machine)
                if architecture is None:
                    raise TargetError(f"kdev cannot run pods on an engine of architecture {machine or 'unknown'}")
                reference = f"{REPOSITORY}:{agent.digest(architecture)[:12]}"
                with translated():
                    known = api.images(name=reference)
                    if not known:
                        self._build(reference, agent.binary(architecture))
                self._image = reference
            return self._image

    def _build(self, reference: str, program: bytes) -> None:
        dockerfile = (
            f'FROM scratch\nCOPY kdev-agent {PROGRAM}\nENTRYPOINT ["{PROGRAM}"]\nCMD ["pause"]\n'
            f'LABEL {labels.MANAGED}="true"\n'
        )
        context = tar_of([("Dockerfile", dockerfile.encode(), 0o644), ("kdev-agent", program, 0o755)])
        for line in self._clients.api().build(
            fileobj=io.BytesIO(context), custom_context=True, tag=reference, rm=True, forcerm=True, decode=True
        ):
            if "error" in line:
                raise TargetError(f"the sandbox image cannot be made: {line['error']}")

    def ensure_network(self, namespace: str, project: str) -> None:
        """The network that is the namespace exists when this returns, whoever made it."""
        api, name = self._clients.api(), labels.network_name(namespace)
        with translated():
            if self.network(namespace) is not None:
                return
            try:
                api.create_network(
                    name, driver="bridge", check_duplicate=True,
                    labels={labels.MANAGED: "true", labels.PROJECT: project, labels.NAMESPACE: namespace},
                )
            except Exception:
                if self.network(namespace) is None:  # else somebody was faster
                    raise

    def network(self, namespace: str) -> dict[str, Any] | None:
        """The namespace's network as the engine tells it, None when there is none."""
        name = labels.network_name(namespace)
        with translated():
            found: list[dict[str, Any]] = self._clients.api().networks(names=[name])
        return next((network for network in found if network["Name"] == name), None)

    def remove_network(self, namespace: str) -> bool:
        """Remove the namespace's network unless somebody is on it, or it is not kdev's. True when it is gone."""
        network = self.network(namespace)
        if network is None:
            return True
        if (network.get("Labels") or {}).get(labels.MANAGED) != "true":
            return False
        try:
            with translated():
                self._clients.api().remove_network(network["Id"])
        except KdevError as error:
            if status_of(error) not in (403, 404, 409):
                raise
            return status_of(error) == 404
        return True


def tar_of(files: list[tuple[str, bytes, int]], folders: list[tuple[str, int, int]] | None = None) -> bytes:
    """A tar of files (path, content, mode) after folders (path, mode, group)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, mode, group in folders or ():
            entry = tarfile.TarInfo(path)
            entry.type, entry.mode, entry.gid = tarfile.DIRTYPE, mode, group
            archive.addfile(entry)
        for path, content, mode in files:
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()
