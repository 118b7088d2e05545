"""A Target in memory: pods become ready at once unless told otherwise, and nothing really runs."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kdev.core.inputs import digest_of
from kdev.core.ports import Cancellation, Connection, Job, Manifest, Process
from kdev.core.step import Reason, ReasonKind
from kdev.core.workloads import Container, LogLine, ObjectRef, Pod
from kdev.errors import Mark, Problem, StepFailed, Unsupported

COUNTED = ("Deployment", "StatefulSet")
WORKLOADS = (*COUNTED, "DaemonSet", "Job", "Pod")
KINDS = (*WORKLOADS, "Service", "ConfigMap", "Secret", "PersistentVolumeClaim", "Namespace")


class Pipe:
    """A Connection and a Process that says `answer` and then ends. What was written is kept."""

    def __init__(self, answer: bytes = b"", code: int = 0) -> None:
        self.answer = bytearray(answer)
        self.code = code
        self.written = bytearray()
        self.sizes: list[tuple[int, int]] = []
        self.closed = threading.Event()

    def recv(self, size: int) -> bytes:
        data = bytes(self.answer[:size])
        del self.answer[:size]
        return data

    def read(self, size: int) -> tuple[int, bytes]:
        data = self.recv(size)
        return (1, data) if data else (0, b"")

    def send(self, data: bytes) -> None:
        self.written += data

    write = send

    def finish(self) -> None: ...

    close_stdin = finish

    def resize(self, columns: int, rows: int) -> None:
        self.sizes.append((columns, rows))

    def exit_code(self) -> int:
        return self.code

    def close(self) -> None:
        self.closed.set()


@dataclass
class Applied:
    """An object that the fake holds."""

    owner: str
    digest: str
    manifest: Manifest
    pods: list[Pod] = field(default_factory=list)


class FakeTarget:
    """Meets core.ports.Target. `broken` maps an image to the reason why its containers never get ready."""

    name = "fake"

    def __init__(self, *, project: str = "test", broken: Mapping[str, str] | None = None) -> None:
        self.project = project
        self.broken = dict(broken or {})
        self.namespaces: set[str] = set()
        self.objects: dict[tuple[str, str, str], Applied] = {}
        self.answers: dict[tuple[str, ...], Pipe] = {}
        self.printed: dict[str, list[LogLine]] = {}
        self.put: list[tuple[str, str, bytes]] = []
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()
        self._tellings = 0

    def identity(self) -> str:
        return "fake-1"

    def ensure_namespace(self, namespace: str, cancel: Cancellation) -> None:
        cancel.check()
        self.namespaces.add(namespace)

    def check(self, objects: Sequence[Manifest]) -> None:
        problems = []
        for one in objects:
            if one["kind"] not in KINDS:
                file, _, line = str((one["metadata"].get("annotations") or {}).get("kdev.dev/at", "")).rpartition(":")
                problems.append(Problem(Mark(file, int(line or 1), 1), f"{one['kind']} cannot be run"))
        if problems:
            raise Unsupported(tuple(problems))

    def apply(
        self, owner: str, namespace: str, objects: Sequence[Manifest], job: Job, *, force: bool = False
    ) -> tuple[ObjectRef, ...]:
        job.cancel.check()
        self.namespaces.add(namespace)
        configs = [one for one in objects if one["kind"] in ("ConfigMap", "Secret")]
        refs = []
        for one in objects:
            where = one["metadata"].get("namespace") or namespace
            key = (where, one["kind"], one["metadata"]["name"])
            digest = digest_of(json.dumps([one, configs if one["kind"] in WORKLOADS else ()], sort_keys=True))
            known = self.objects.get(key)
            if known is None or known.digest != digest or force or known.owner != owner:
                self.objects[key] = Applied(owner, digest, one, self._pods(one, where, known, digest, force))
            refs.append(ObjectRef(one["apiVersion"], one["kind"], where, one["metadata"]["name"], digest))
        kept = {(ref.namespace, ref.kind, ref.name) for ref in refs}
        for key in [key for key, one in self.objects.items() if one.owner == owner and key not in kept]:
            del self.objects[key]
        self.tell()
        return tuple(refs)

    def _pods(self, manifest: Manifest, namespace: str, known: Applied | None, digest: str, force: bool) -> list[Pod]:
        if manifest["kind"] not in WORKLOADS:
            return []
        count = int(manifest["spec"].get("replicas", 1)) if manifest["kind"] in COUNTED else 1
        kept = []
        if known is not None and not force and template(known.manifest) == template(manifest):
            kept = known.pods[:count]
        return kept + [self._pod(manifest, namespace) for _ in range(count - len(kept))]

    def _pod(self, manifest: Manifest, namespace: str) -> Pod:
        number = next(self._numbers)
        spec = template(manifest)
        containers = tuple(
            Container(one["name"], one["image"], "waiting" if one["image"] in self.broken else "running",
                      one["image"] not in self.broken, 3 if one["image"] in self.broken else 0,
                      reason="CrashLoopBackOff" if one["image"] in self.broken else "")
            for one in spec["spec"]["containers"]
        )  # fmt: skip
        return Pod(namespace, f"{manifest['metadata']['name']}-{number}", f"uid-{number}", "Running",
                   f"2026-01-01T00:00:00.{number:09}Z", tuple(sorted((spec["metadata"].get("labels") or {}).items())),
                   containers)

    def delete(self, refs: Sequence[ObjectRef], cancel: Cancellation) -> None:
        cancel.check()
        for ref in refs:
            self.objects.pop((ref.namespace, ref.kind, ref.name), None)
            if ref.kind == "Namespace":
                self.namespaces.discard(ref.name)
        self.tell()

    def owned(self, project: str) -> tuple[ObjectRef, ...]:
        if project != self.project:
            return ()
        found = [ObjectRef(one.manifest["apiVersion"], kind, namespace, name, one.digest)
                 for (namespace, kind, name), one in self.objects.items()]
        return (*found, *(ObjectRef("v1", "Namespace", "", name) for name in sorted(self.namespaces)))

    def drift(self, refs: Sequence[ObjectRef]) -> tuple[Reason, ...]:
        reasons = []
        for ref in refs:
            known = self.objects.get((ref.namespace, ref.kind, ref.name))
            if known is None:
                reasons.append(Reason(ReasonKind.RESULT_GONE, str(ref)))
            elif known.digest != ref.digest:
                reasons.append(Reason(ReasonKind.DRIFTED, str(ref), "spec"))
        return tuple(reasons)

    def wait_ready(self, refs: Sequence[ObjectRef], timeout: int, job: Job) -> None:
        job.cancel.check()
        for ref in refs:
            known = self.objects.get((ref.namespace, ref.kind, ref.name))
            for pod in known.pods if known else ():
                for container in pod.containers:
                    if container.image in self.broken:
                        raise StepFailed(f"{ref} will not be ready: container {container.name} is in CrashLoopBackOff",
                                         detail=self.broken[container.image])

    def pods(self, namespace: str, labels: Mapping[str, str], image: str = "") -> tuple[Pod, ...]:
        found = [pod for one in list(self.objects.values()) for pod in one.pods
                 if pod.namespace == namespace and labels.items() <= dict(pod.labels).items()
                 and (not image or any(container.image == image for container in pod.containers))]
        return tuple(sorted(found, key=lambda pod: pod.created, reverse=True))

    def tell(self) -> None:
        """Wake every watch: something changed."""
        with self._changed:
            self._tellings += 1
            self._changed.notify_all()

    def watch(self, namespace: str, cancel: Cancellation) -> Iterator[None]:
        seen = self._tellings
        yield
        while True:
            with cancel.closing(self.tell), self._changed:
                while self._tellings == seen:
                    self._changed.wait()
                seen = self._tellings
            cancel.check()
            yield

    def exec(
        self, pod: Pod, container: str, argv: Sequence[str], *, tty: bool = False, workdir: str = "",
        cancel: Cancellation,
    ) -> Process:
        cancel.check()
        return self.answers.get(tuple(argv)) or Pipe(code=127)

    def attach(self, pod: Pod, container: str, *, cancel: Cancellation) -> Process:
        cancel.check()
        return Pipe()

    def logs(
        self, pod: Pod, container: str, *, last: int | None = None, since: str = "", follow: bool = False,
        cancel: Cancellation,
    ) -> Iterator[LogLine]:
        lines = [line for line in self.printed.get(container, []) if line.time > since]
        yield from lines if last is None else lines[len(lines) - min(last, len(lines)):]

    def dial(self, pod: Pod, port: int, cancel: Cancellation) -> Connection:
        cancel.check()
        return Pipe(b"hello")

    def put_files(self, pod: Pod, container: str, folder: str, tar: bytes, cancel: Cancellation) -> None:
        cancel.check()
        self.put.append((container, folder, tar))

    def close(self) -> None:
        self.tell()


def template(manifest: Manifest) -> Manifest:
    """What a workload's pods are made from."""
    return manifest if manifest["kind"] == "Pod" else manifest["spec"]["template"]  # type: ignore[no-any-return]
