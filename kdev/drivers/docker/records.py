"""Objects that are only data, kept on the engine: one volume each. The content lies in the volume, its labels hold the
digest only. Written and read through a container that is never started."""

from __future__ import annotations

import io
import json
import tarfile
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kdev.drivers.docker import labels
from kdev.drivers.docker.client import Clients
from kdev.drivers.docker.errors import status_of, translated
from kdev.drivers.docker.pods import suppress_missing
from kdev.drivers.docker.sandbox import Sandboxes, tar_of
from kdev.errors import KdevError

_FOLDER = "record"
_FILE = "data.json"
_LARGEST = 16 << 20


class Records:
    """The data objects of one engine."""

    def __init__(self, clients: Clients, sandboxes: Sandboxes) -> None:
        self._clients = clients
        self._sandboxes = sandboxes

    def volumes(self, *wanted: str) -> list[dict[str, Any]]:
        """The volumes that carry kdev's mark and these labels."""
        with translated():
            found = self._clients.api().volumes(filters={"label": [f"{labels.MANAGED}=true", *wanted]})
        return list(found.get("Volumes") or ())

    def write(self, name: str, marks: Mapping[str, str], data: Mapping[str, bytes] | None) -> None:
        """Keep an object in the volume `name`, in the place of what was there. `data` None: its labels say all."""
        api = self._clients.api()
        self.remove(name)
        with translated():
            api.create_volume(name, driver="local", labels={**marks, labels.MANAGED: "true"})
        if data is None:
            return
        content = json.dumps({key: b64encode(value).decode() for key, value in data.items()}).encode()
        with self._scratch(name, marks) as container, translated():
            api.put_archive(container, f"/{_FOLDER}", tar_of([(_FILE, content, 0o600)]))

    def read(self, name: str) -> dict[str, bytes] | None:
        """What the volume `name` holds; None when there is no such object."""
        api = self._clients.api()
        try:
            with translated():
                marks = api.inspect_volume(name).get("Labels") or {}
        except KdevError as error:
            if status_of(error) != 404:
                raise
            return None
        with self._scratch(name, marks) as container:
            try:
                with translated():
                    chunks, _ = api.get_archive(container, f"/{_FOLDER}/{_FILE}")
                    archive = b"".join(chunks)[:_LARGEST]
            except KdevError as error:
                if status_of(error) != 404:  # 404: killed between making and filling it
                    raise
                return None
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            file = tar.extractfile(_FILE)
            rows = json.loads(file.read()) if file is not None else {}
        return {key: b64decode(value) for key, value in rows.items()}

    def remove(self, name: str) -> None:
        """The volume is gone; a missing one is fine."""
        with suppress_missing(), translated():
            self._clients.api().remove_volume(name, force=True)

    @contextmanager
    def _scratch(self, volume: str, marks: Mapping[str, str]) -> Iterator[str]:
        """A container that is never started, with the volume in it."""
        api = self._clients.api()
        kept = {key: marks[key] for key in (labels.PROJECT, labels.SESSION) if key in marks}
        with translated():
            made: str = api.create_container_from_config({
                "Image": self._sandboxes.image(),
                "Labels": {**kept, labels.MANAGED: "true", labels.ROLE: labels.SCRATCH},
                "HostConfig": {"Mounts": [{"Type": "volume", "Source": volume, "Target": f"/{_FOLDER}"}]},
            })["Id"]
        try:
            yield made
        finally:
            with suppress_missing(), translated():
                api.remove_container(made, force=True)
