"""Makes and removes one pod: its sandbox, volumes and containers. Which pods there should be is decided elsewhere."""

from __future__ import annotations

import json
import threading
import uuid
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from docker.utils import version_lt

from kdev.core.ports import Job
from kdev.drivers.docker import labels, observed, probes
from kdev.drivers.docker.client import Clients, streaming
from kdev.drivers.docker.containers import Place, container_config, grace
from kdev.drivers.docker.environment import Data, environment, pod_fields
from kdev.drivers.docker.errors import status_of, translated
from kdev.drivers.docker.sandbox import Sandboxes, tar_of
from kdev.drivers.docker.volumes import Layout, by_folder, lay_out
from kdev.errors import KdevError, StepFailed

CLAIMED = "claim"
"""The fingerprint of every claim's volume."""
_NEW_FOLDER = 0o755
_KNOWS_SUBPATH = "1.45"


@dataclass(frozen=True)
class Wanted:
    """A pod that is to be. `marks` are the labels that all its parts carry; `aliases` its names beside its own,
    `ports` its named ports as JSON."""

    namespace: str
    name: str
    spec: Mapping[str, Any]
    labels: Mapping[str, str]
    marks: Mapping[str, str]
    data: Data
    aliases: tuple[str, ...] = ()
    ports: str = "{}"
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Made:
    """A pod that was made and is not started yet: the ids of its init containers in turn, and of its containers."""

    name: str
    init: list[str]
    main: list[str]


class Pods:
    """Makes and removes pods on one engine."""

    def __init__(self, clients: Clients, sandboxes: Sandboxes) -> None:
        self._clients = clients
        self._sandboxes = sandboxes

    def make(self, wanted: Wanted, job: Job) -> Made:
        """Everything of the pod exists and its sandbox runs; nothing else is started. Raises StepFailed.

        Its images are there: see `pull`.
        """
        api, uid = self._clients.api(), uuid.uuid4().hex[:16]
        marks = {**wanted.marks, labels.POD: wanted.name, labels.UID: uid, labels.MANAGED: "true",
                 labels.NAMESPACE: wanted.namespace, labels.GRACE: str(grace(wanted.spec)),
                 labels.POD_LABELS: json.dumps(dict(wanted.labels), sort_keys=True),
                 labels.RESTART: wanted.spec.get("restartPolicy") or "Always"}
        fields = {
            "metadata.name": wanted.name, "metadata.namespace": wanted.namespace, "metadata.uid": uid,
            "spec.nodeName": "docker", "spec.serviceAccountName": wanted.spec.get("serviceAccountName") or "default",
            **pod_fields(wanted.labels, wanted.annotations),
        }  # fmt: skip
        layout = lay_out(wanted.spec, wanted.namespace, uid, fields, wanted.data)
        self._claims(layout)
        with translated():
            for name, options in layout.volumes.items():
                api.create_volume(name, driver="local", driver_opts=options or None,
                                  labels={**marks, labels.ROLE: labels.POD_VOLUME})
            sandbox = self._sandbox(wanted, marks, layout)
            api.start(sandbox)
            folders = layout.folders + [one for one in layout.claim_folders if self._untouched(sandbox, one[0], job)]
            if folders or layout.files:
                api.put_archive(sandbox, "/", tar_of(layout.files, folders))
            address = _address(api.inspect_container(sandbox), wanted.namespace)
        fields |= {"status.podIP": address, "status.podIPs": address, "status.hostIP": address}
        init = [self._container(wanted, one, Place(marks, sandbox, self._placed(layout.mounts[one["name"]]),
                                                   environment(one, fields, wanted.data), init=True), layout, number)
                for number, one in enumerate(wanted.spec.get("initContainers") or ())]
        main = [self._container(wanted, one, Place(marks, sandbox, self._placed(layout.mounts[one["name"]]),
                                                   environment(one, fields, wanted.data)), layout, number)
                for number, one in enumerate(wanted.spec["containers"])]
        return Made(wanted.name, init, main)

    def start(self, container: str) -> None:
        """Start a container. StepFailed says why the engine cannot."""
        with translated():
            self._clients.api().start(container)

    def _claims(self, layout: Layout) -> None:
        for name, claim in layout.claims.items():
            try:
                with translated():
                    self._clients.api().inspect_volume(name)
            except KdevError as error:
                if status_of(error) != 404:
                    raise
                raise StepFailed(f"a volume wants PersistentVolumeClaim/{claim}, which does not exist") from error

    def _untouched(self, sandbox: str, folder: str, job: Job) -> bool:
        """Whether a folder of a claim is not there yet, or as the engine made it. A program's own mode and owner stay:
        PostgreSQL does not start on data that everybody may write."""
        try:
            with streaming(self._clients.api(), "HEAD", f"/containers/{sandbox}/archive", job.cancel,
                           params={"path": f"/{folder}"}) as answer:  # fmt: skip
                stat = json.loads(b64decode(answer.headers["X-Docker-Container-Path-Stat"]))
        except KdevError as error:
            if status_of(error) != 404:
                raise
            return True
        return int(stat["mode"]) & 0o777 == _NEW_FOLDER and folder.count("/") == 1

    def _placed(self, mounts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Mounts as this engine takes them."""
        api = self._clients.api()
        old = version_lt(api.api_version, _KNOWS_SUBPATH)
        with translated():
            return [by_folder(mount, api.inspect_volume(mount["Source"])["Mountpoint"])
                    if old and "Subpath" in mount.get("VolumeOptions", ()) else dict(mount) for mount in mounts]

    def pull(self, spec: Mapping[str, Any], job: Job) -> None:
        """The images of a pod's spec are on the engine when this returns. StepFailed when one cannot be had."""
        api = self._clients.api()
        for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
            image, policy = container["image"], container.get("imagePullPolicy")
            job.cancel.check()
            try:
                with translated():
                    api.inspect_image(image)
                if policy != "Always":
                    continue
            except KdevError as error:
                if status_of(error) != 404:
                    raise
                if policy == "Never":
                    raise StepFailed(f"container {container['name']}: ErrImageNeverPull: there is no image {image} "
                                     "on the engine") from error
            self._fetch(image, container["name"], policy == "Always", job)

    def _fetch(self, image: str, container: str, have_it: bool, job: Job) -> None:
        job.progress(f"pulling {image}")
        name, tag = (image, None) if "@" in image or ":" in image.rpartition("/")[2] else (image, "latest")
        api = self._clients.fresh()
        try:
            with job.cancel.closing(api.close), translated():
                for line in api.pull(name, tag=tag, stream=True, decode=True):
                    job.cancel.check()
                    if "error" in line:
                        raise StepFailed(str(line["error"])[:600])
        except KdevError as error:
            job.cancel.check()
            # What was built here has no registry behind it; `Always` means the newest, and this is it.
            if have_it:
                job.notice(f"{image} was not pulled, the image on the engine is used: {error.message}")
                return
            raise StepFailed(f"container {container}: ErrImagePull: {image} cannot be pulled: {error.message}",
                             hint="is the image's name right, and is it built by an image in devspace.yaml?") from error
        finally:
            api.close()

    def _sandbox(self, wanted: Wanted, marks: Mapping[str, str], layout: Layout) -> str:
        network = labels.network_name(wanted.namespace)
        hosts = [f"{name}:{entry['ip']}" for entry in wanted.spec.get("hostAliases") or ()
                 for name in entry.get("hostnames") or ()]
        body: dict[str, Any] = {
            "Image": self._sandboxes.image(),
            "Hostname": (wanted.spec.get("hostname") or wanted.name)[:63],
            "Labels": {**marks, labels.ROLE: labels.SANDBOX, labels.SPEC: wanted.ports},
            "Healthcheck": probes.sandbox_health(wanted.spec["containers"]) or {"Test": ["NONE"]},
            "HostConfig": {"NetworkMode": network, "IpcMode": "shareable", "ExtraHosts": hosts,
                           # A sandbox that came back would have another network than its pod's containers.
                           "RestartPolicy": {"Name": "no"}, "Mounts": layout.sandbox_mounts,
                           "Sysctls": {"net.ipv4.ip_unprivileged_port_start": "0"}},
            "NetworkingConfig": {"EndpointsConfig": {network: {"Aliases": [wanted.name, *wanted.aliases]}}},
        }  # fmt: skip
        created: str = self._clients.api().create_container_from_config(
            body, name=labels.name_of(wanted.namespace, f"{wanted.name}.pod"))["Id"]
        return created

    def _container(
        self, wanted: Wanted, spec: Mapping[str, Any], place: Place, layout: Layout, number: int
    ) -> str:
        api, name = self._clients.api(), spec["name"]
        marks = {**place.labels, labels.ROLE: labels.INIT if place.init else labels.MAIN, labels.CONTAINER: name,
                 labels.SPEC: f"{number:03}"}
        body = container_config(spec, wanted.spec, replace(place, labels=marks))
        with translated():
            created: str = api.create_container_from_config(
                body, name=labels.name_of(wanted.namespace, wanted.name, name))["Id"]
            if own := layout.own_files.get(name):
                api.put_archive(created, "/", tar_of(own))
        return created

    # -- removing ---------------------------------------------------------------------------------------------------

    def retire(self, found: Sequence[observed.Row]) -> None:
        """Take the names of a pod away, so that it counts as terminating and another may have them. At once."""
        for row in sorted(found, key=lambda one: one["Labels"].get(labels.ROLE) != labels.SANDBOX):
            name = f"{labels.GONE}{row['Id'][:12]}"
            if f"/{name}" in row["Names"]:  # by a run that was killed then; the engine refuses to do it again
                continue
            with suppress_missing(), translated():
                self._clients.api().rename(row["Id"], name)

    def remove(self, found: Sequence[observed.Row]) -> None:
        """Stop a pod's containers, all at one time, within its grace period; then remove them and its volumes."""
        uids = {row["Labels"].get(labels.UID) for row in found}
        workers = [threading.Thread(target=self._stop, args=(row,), daemon=True)
                   for row in found if row["Labels"].get(labels.ROLE) == labels.MAIN and row["State"] != "created"]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        for row in sorted(found, key=lambda one: one["Labels"].get(labels.ROLE) == labels.SANDBOX):
            self.remove_container(row["Id"])
        for uid in uids - {None}:
            self._remove_volumes(f"{labels.UID}={uid}")

    def remove_container(self, container_id: str) -> None:
        """Kill and remove it; a missing one is fine."""
        with suppress_missing(), translated():
            self._clients.api().remove_container(container_id, force=True, v=True)

    def _stop(self, row: observed.Row) -> None:
        # What cannot be stopped is killed when it is removed, and that says what went wrong.
        with suppress(KdevError), translated():
            api = self._clients.fresh()
            try:
                api.stop(row["Id"], timeout=int(row["Labels"].get(labels.GRACE, "10")))
            finally:
                api.close()

    def _remove_volumes(self, *wanted: str) -> None:
        api = self._clients.api()
        with translated():
            found = api.volumes(filters={"label": [f"{labels.MANAGED}=true", *wanted]}).get("Volumes") or ()
        for volume in found:
            with suppress_missing(), translated():
                api.remove_volume(volume["Name"])


class suppress_missing:
    """What is not there any more, or is being removed by somebody else, is what was wanted."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, KdevError):
            return False
        return status_of(error) == 404 or (status_of(error) == 409 and "already in progress" in error.message)


def claim_marks(namespace: str, claim: str, marks: Mapping[str, str]) -> dict[str, str]:
    """The labels of a claim's volume. What is in it is the user's, so its digest never changes."""
    kept = {key: marks[key] for key in (labels.PROJECT, labels.SESSION, labels.OWNER) if key in marks}
    return {**kept, labels.MANAGED: "true", labels.NAMESPACE: namespace, labels.ROLE: labels.CLAIM,
            labels.OBJECT: f"PersistentVolumeClaim/{claim}", labels.API_VERSION: "v1", labels.FINGERPRINT: CLAIMED}


def sandbox_id(found: Iterable[observed.Row]) -> str:
    """The container id of the pod's sandbox among the pod's rows; "" when there is none."""
    return next((row["Id"] for row in found if row["Labels"].get(labels.ROLE) == labels.SANDBOX), "")


def _address(details: Mapping[str, Any], namespace: str) -> str:
    networks = details["NetworkSettings"]["Networks"]
    return str((networks.get(labels.network_name(namespace)) or {}).get("IPAddress") or "")
