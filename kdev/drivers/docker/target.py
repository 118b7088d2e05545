"""The local Docker Engine as a target: Kubernetes' objects run as containers, one network per namespace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from kdev.core.ports import Cancellation, Connection, Job, Manifest, Process
from kdev.core.step import Reason
from kdev.core.workloads import LogLine, ObjectRef, Pod
from kdev.drivers.docker import drift, fields, labels, observed, streams, waiting
from kdev.drivers.docker.applying import Applier, ref_of
from kdev.drivers.docker.client import Clients, json_lines, streaming
from kdev.drivers.docker.errors import translated
from kdev.drivers.docker.probe import Probe
from kdev.drivers.docker.sandbox import Sandboxes
from kdev.errors import Cancelled, KdevError, StepFailed

_SETTLE = 1.0
_PAUSE = 1.0
_EVENTS = ("create", "start", "die", "destroy", "rename", "restart", "stop", "health_status")


class DockerTarget:
    """Meets core.ports.Target."""

    name = "docker"

    def __init__(self, clients: Clients, probe: Probe, *, project: str, session: str) -> None:
        self._clients = clients
        self._probe = probe
        self._project = project
        self._sandboxes = Sandboxes(clients)
        self._applier = Applier(clients, self._sandboxes, {labels.PROJECT: project, labels.SESSION: session})

    def identity(self) -> str:
        """The engine's own id."""
        return self._probe.engine_id()

    def ensure_namespace(self, namespace: str, cancel: Cancellation) -> None:
        """A network of the namespace's name exists."""
        cancel.check()
        self._sandboxes.ensure_network(namespace, self._project)

    def check(self, objects: Sequence[Manifest]) -> None:
        """Raise Unsupported naming every field that an engine cannot run."""
        fields.check(objects)

    def apply(
        self, owner: str, namespace: str, objects: Sequence[Manifest], job: Job, *, force: bool = False
    ) -> tuple[ObjectRef, ...]:
        """See core.ports.Target. StepFailed when an image, an init container or a program cannot be run."""
        job.cancel.check()
        return self._applier.apply(owner, namespace, objects, job, force=force)

    def delete(self, refs: Sequence[ObjectRef], cancel: Cancellation) -> None:
        """They are gone when this returns, and so are namespaces that nothing is left in."""
        cancel.check()
        self._applier.delete(refs)
        for namespace in {ref.namespace for ref in refs if ref.namespace}:
            self._sandboxes.remove_network(namespace)

    def owned(self, project: str) -> tuple[ObjectRef, ...]:
        """Every object, claim and namespace that carries the project's label."""
        mine = f"{labels.PROJECT}={project}"
        found: dict[tuple[str, str, str], ObjectRef] = {}
        with translated():
            api = self._clients.api()
            volumes = api.volumes(filters={"label": [f"{labels.MANAGED}=true", mine]}).get("Volumes") or ()
            networks = api.networks(filters={"label": [f"{labels.MANAGED}=true", mine]})
        for thing in (*observed.rows(self._clients, mine), *volumes):
            ref = ref_of(thing["Labels"])
            if ref is not None:
                found[ref.kind, ref.namespace, ref.name] = ref
        for network in networks:
            namespace = network["Labels"].get(labels.NAMESPACE, "")
            found["Namespace", "", namespace] = ObjectRef("v1", "Namespace", "", namespace)
        return tuple(found[key] for key in sorted(found))

    def drift(self, refs: Sequence[ObjectRef]) -> tuple[Reason, ...]:
        """Through the probe, which remembers what it saw until it is told to forget."""
        return drift.drift(self._probe, refs)

    def wait_ready(self, refs: Sequence[ObjectRef], timeout: int, job: Job) -> None:
        """See core.ports.Target."""
        waiting.wait_ready(self._clients, refs, timeout, job)

    def pods(self, namespace: str, labels_: Mapping[str, str], image: str = "") -> tuple[Pod, ...]:
        """Newest first."""
        rows = observed.rows(self._clients, f"{labels.NAMESPACE}={namespace}", labels.UID)
        wanted = [row for row in rows if labels.matches(labels_, labels.pod_labels(row["Labels"]))]
        found = observed.pods_of(self._clients, wanted)
        if not image:
            return found
        name = full_name(image)
        return tuple(pod for pod in found if any(full_name(one.image) == name for one in pod.containers))

    def watch(self, namespace: str, cancel: Cancellation) -> Iterator[None]:
        """Yields at each of the engine's events about the namespace, and once whenever it had to connect again."""
        filters = labels.filters([f"{labels.MANAGED}=true", f"{labels.NAMESPACE}={namespace}"])
        query = {"filters": filters[:-1] + ',"type":["container"]}'}
        while True:
            cancel.check()
            api = self._clients.fresh()
            try:
                with streaming(api, "GET", "/events", cancel, params=query) as response:
                    yield  # what happened before the stream stood
                    for event in json_lines(response):
                        cancel.check()
                        if str(event.get("Action", "")).partition(":")[0] in _EVENTS:
                            yield
            except KdevError:
                if cancel.triggered:
                    raise Cancelled from None
            finally:
                api.close()
            cancel.wait(_PAUSE)

    # -- inside pods ------------------------------------------------------------------------------------------------

    def exec(
        self, pod: Pod, container: str, argv: Sequence[str], *, tty: bool = False, workdir: str = "",
        cancel: Cancellation,
    ) -> Process:
        """Run a program in a container."""
        found = self._container(pod, container)
        return streams.exec_process(self._clients, found, argv, tty=tty, workdir=workdir, cancel=cancel)

    def attach(self, pod: Pod, container: str, *, cancel: Cancellation) -> Process:
        """The container's own program."""
        return streams.attach_process(self._clients, self._container(pod, container), cancel=cancel)

    def logs(
        self, pod: Pod, container: str, *, last: int | None = None, since: str = "", follow: bool = False,
        cancel: Cancellation,
    ) -> Iterator[LogLine]:
        """Lines, oldest first."""
        found = self._container(pod, container)
        return streams.read_logs(self._clients, found, last=last, since=since, follow=follow, cancel=cancel)

    def dial(self, pod: Pod, port: int, cancel: Cancellation) -> Connection:
        """A stream to a port of the pod, published or not."""
        rows = self._rows(pod)
        sandbox = next((row for row in rows if row["Labels"].get(labels.ROLE) == labels.SANDBOX), None)
        if sandbox is None:
            raise StepFailed(f"{pod} is gone")
        network = sandbox["NetworkSettings"]["Networks"].get(labels.network_name(pod.namespace)) or {}
        return streams.dial(self._clients, sandbox["Id"], network.get("IPAddress") or "", port, cancel)

    def put_files(self, pod: Pod, container: str, folder: str, tar: bytes, cancel: Cancellation) -> None:
        """Unpack `tar` in a folder of the container."""
        streams.put_files(self._clients, self._container(pod, container), folder, tar, cancel)

    def close(self) -> None:
        """Give pods that are being stopped a moment. Clients belong to who made them."""
        with suppress(KdevError):
            self._applier.rollout.settle(_SETTLE)

    def _rows(self, pod: Pod) -> list[dict[str, Any]]:
        return observed.rows(self._clients, f"{labels.UID}={pod.uid}")

    def _container(self, pod: Pod, container: str) -> str:
        rows = self._rows(pod)
        if not rows:
            raise StepFailed(f"{pod} is gone")
        for row in rows:
            if row["Labels"].get(labels.CONTAINER) == container:
                return str(row["Id"])
        raise StepFailed(f"{pod} has no container {container}")


def full_name(reference: str) -> str:
    """An image reference as the engine understands it, with registry and tag."""
    first, slash, _ = reference.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        reference = f"docker.io/{reference}" if slash else f"docker.io/library/{reference}"
    tagged = "@" in reference or ":" in reference.rpartition("/")[2]
    return reference if tagged else f"{reference}:latest"
