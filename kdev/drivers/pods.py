"""Which pod and container a service works with: the newest running one that its selector means.

Choosing is a pure function of a list of pods; only TargetPodFinder looks and waits.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple

from kdev.core.inputs import Entry, Pods, PodSelector
from kdev.core.ports import Cancellation, Job, Target
from kdev.core.workloads import Container, Pod
from kdev.errors import Cancelled, KdevError, StepFailed

HOPELESS = frozenset({
    "CrashLoopBackOff", "CreateContainerConfigError", "CreateContainerError", "ErrImageNeverPull", "ErrImagePull",
    "ImagePullBackOff", "InvalidImageName", "RunContainerError",
})
"""Reasons of a waiting container that do not go away by waiting."""
NO_POD = "none"
_LOG_LINES = 20
_LOOK_AGAIN = 2.0


class Choice(NamedTuple):
    """A pod and container, or why there is none yet. `hopeless` says that waiting for this pod will not help."""

    pod: Pod | None = None
    container: str = ""
    why: str = ""
    hopeless: bool = False
    broken: Container | None = None


def choose(pods: Iterable[Pod], selector: PodSelector, image: str = "", *, container_needed: bool = True) -> Choice:
    """The newest running pod among `pods`, and its container. `image` is the reference behind `selector.image_step`.

    Raises StepFailed when pods run, but the selector does not say which of their containers is meant.
    """
    alive = sorted((pod for pod in pods if not pod.terminating and pod.phase != "Succeeded"),
                   key=lambda pod: (pod.created, pod.name), reverse=True)
    running = [pod for pod in alive if pod.phase == "Running"]
    if len(running) > 1 and not selector.labels and not image:
        names = ", ".join(pod.name for pod in running)
        raise StepFailed(f"several pods run in namespace {selector.namespace}: {names}",
                         hint="say which one is meant with a label selector or an image")
    for pod in running:
        container = container_of(pod, selector, image, needed=container_needed)
        if container is None or container.state == "running":
            return Choice(pod, container.name if container else "")
    return _why_none(alive)


def container_of(pod: Pod, selector: PodSelector, image: str = "", *, needed: bool = True) -> Container | None:
    """The container that `selector` means: the only one, the named one, or the first that runs `image`.

    Raises StepFailed when there is no such container; None when it is not clear and not `needed` either.
    """
    containers = [container for container in pod.containers if not container.init]
    if len(containers) == 1:
        return containers[0]
    names = ", ".join(container.name for container in containers)
    if selector.container:
        named = [container for container in containers if container.name == selector.container]
        if not named:
            raise StepFailed(f"{pod} has no container {selector.container}", hint=f"it has {names}")
        return named[0]
    if image:
        for container in containers:
            if same_image(container.image, image):
                return container
    if needed:
        raise StepFailed(f"{pod} has several containers: {names}",
                         hint="name one with containerName, or with -c on the command line")
    return None


def same_image(one: str, other: str) -> bool:
    """Whether two references name one image: `web:1` is `docker.io/library/web:1`."""
    return _full(one) == _full(other)


def entry_for(wanted: Pods, pods: Iterable[Pod], image: str = "") -> Entry:
    """The `Pods` input's entry: uid and restart count of the pod that a service would choose, NO_POD without one."""
    selector = wanted.selector
    name = f"pod:{describe(selector)}"
    try:
        choice = choose(pods, selector, image, container_needed=False)
    except StepFailed:
        return Entry(name, NO_POD)
    if choice.pod is None or choice.hopeless:
        return Entry(name, NO_POD)
    restarts = sum(container.restarts for container in choice.pod.containers
                   if choice.container in ("", container.name))
    return Entry(name, f"{choice.pod.uid}/{restarts}")


def describe(selector: PodSelector) -> str:
    """For people, and as the name of an input: `app=web`, or the image's step, with the container when one is named."""
    what = ",".join(f"{key}={value}" for key, value in selector.labels) or selector.image_step or "any pod"
    return f"{what}/{selector.container}" if selector.container else what


def image_of(selector: PodSelector, job: Job) -> str:
    """The image reference that the selector's build step gave, "" when it selects by labels only."""
    return job.result(selector.image_step).value("reference") if selector.image_step else ""


class TargetPodFinder:
    """Meets core.ports.PodFinder. Gives up after `timeout` seconds without a running pod."""

    def __init__(self, target: Target, *, timeout: float = 120.0) -> None:
        self._target = target
        self._timeout = timeout

    def find(self, selector: PodSelector, job: Job) -> tuple[Pod, str]:
        """(pod, container). StepFailed with the pod's own reason when there will be none."""
        choice = self._wait(selector, job, container_needed=True)
        assert choice.pod is not None
        return choice.pod, choice.container

    def find_pod(self, selector: PodSelector, job: Job) -> Pod:
        """The pod alone."""
        choice = self._wait(selector, job, container_needed=False)
        assert choice.pod is not None
        return choice.pod

    def _wait(self, selector: PodSelector, job: Job, *, container_needed: bool) -> Choice:
        image = image_of(selector, job)

        def look() -> Choice:
            pods = self._target.pods(selector.namespace, dict(selector.labels), image)
            choice = choose(pods, selector, image, container_needed=container_needed)
            if choice.hopeless:
                raise self._failure(choice, job.cancel)
            return choice

        choice = look()
        if choice.pod is not None:
            return choice
        wake, late = threading.Event(), threading.Event()

        def give_up() -> None:
            late.set()
            wake.set()

        timer = threading.Timer(self._timeout, give_up)
        timer.daemon = True
        with job.cancel.scope() as scope, job.cancel.closing(wake.set):
            threading.Thread(target=self._watch, args=(selector.namespace, scope, wake), daemon=True).start()
            timer.start()
            try:
                while not late.is_set():
                    job.progress(f"waiting for {describe(selector)}: {choice.why}")
                    # A change between the look and the start of the watch would go unseen, so it looks again by itself.
                    wake.wait(_LOOK_AGAIN)
                    wake.clear()
                    job.cancel.check()
                    choice = look()
                    if choice.pod is not None:
                        return choice
            finally:
                timer.cancel()
        raise StepFailed(f"no running pod for {describe(selector)} in namespace {selector.namespace}: {choice.why}")

    def _watch(self, namespace: str, cancel: Cancellation, wake: threading.Event) -> None:
        # When the watch breaks, the next look meets the same trouble and says so.
        with suppress(KdevError, Cancelled):
            for _ in self._target.watch(namespace, cancel):
                wake.set()

    def _failure(self, choice: Choice, cancel: Cancellation) -> StepFailed:
        detail = ""
        if choice.pod is not None and choice.broken is not None and choice.broken.restarts:
            with suppress(KdevError):  # its words are a help, not the failure
                lines = self._target.logs(choice.pod, choice.broken.name, last=_LOG_LINES, cancel=cancel)
                detail = "\n".join(line.text for line in lines)
        return StepFailed(choice.why, detail=detail)


def _why_none(alive: Sequence[Pod]) -> Choice:
    if not alive:
        return Choice(why="there is no such pod")
    newest = alive[0]
    for container in newest.containers:
        if container.state == "waiting" and container.reason in HOPELESS:
            why = f"{newest} cannot run: container {container.name}: {container.reason}"
            return Choice(newest, why=why, hopeless=True, broken=container)
    if newest.phase in ("Failed", "Unknown"):
        broken = next((item for item in newest.containers if item.exit_code), None)
        how = f": container {broken.name} ended with exit code {broken.exit_code}" if broken else ""
        return Choice(newest, why=f"{newest} is {newest.phase}{how}", hopeless=True, broken=broken)
    waiting = next((item.reason for item in newest.containers if item.state != "running" and item.reason), "")
    return Choice(why=f"{newest} is {newest.phase}" + (f" ({waiting})" if waiting else ""))


def _full(reference: str) -> str:
    first, slash, rest = reference.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        first, rest = "docker.io", reference
    if first == "index.docker.io":
        first = "docker.io"
    if first == "docker.io" and "/" not in rest:
        rest = f"library/{rest}"
    tagged = "@" in rest or ":" in rest.rsplit("/", 1)[-1]
    return f"{first}/{rest}" if tagged else f"{first}/{rest}:latest"
