"""Logs: the lines of every container that the selectors mean, across restarts and replaced pods.

No gap and no double line: a container is read on from the time of the last line that was seen of it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress

from kdev.core import actions
from kdev.core.inputs import PodSelector
from kdev.core.ports import Job, Scope, Target
from kdev.core.step import Reason, Result
from kdev.core.workloads import Container, Pod
from kdev.drivers.pods import describe, image_of, same_image
from kdev.errors import Cancelled, KdevError

_LOOK_AGAIN = 5.0
_NOT_SOONER = 0.5


class LogsDriver:
    """Meets core.ports.Driver for actions.Logs."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def run(self, action: actions.Logs, job: Job) -> Result:
        """Blocks until cancelled. Containers may come and go, so there being none is no failure."""
        with job.cancel.scope() as scope:
            followers = _Followers(self._target, action, job, scope)
            for selector in {selector.namespace: selector for selector in action.selectors}.values():
                threading.Thread(target=followers.watch, args=(selector.namespace,), daemon=True,
                                 name=f"{job.step} watch").start()
            names = followers.look(first=True)
            job.serving(", ".join(names) or f"waiting for {', '.join(map(describe, action.selectors))}")
            with job.cancel.closing(followers.wake.set):
                while not job.cancel.triggered:
                    followers.wake.wait(_LOOK_AGAIN)
                    followers.wake.clear()
                    # A stream that ends at once must not be reopened in a tight loop.
                    job.cancel.wait(_NOT_SOONER if followers.ended_early else 0)
                    followers.look()
        raise Cancelled

    def verify(self, action: actions.Logs, result: Result) -> tuple[Reason, ...]:
        return ()


class _Seen:
    """What was read of one container: up to which time, of which incarnation, and whether somebody reads now.

    Of what ran before this session only the `last` lines are shown; what starts later is shown whole (None).
    """

    def __init__(self, last: int | None) -> None:
        self.last = last
        self.time = ""
        self.restarts = -1
        self.reading = False


class _Followers:
    """One thread per container that is being read. `look` starts what should be read and is not."""

    def __init__(self, target: Target, action: actions.Logs, job: Job, scope: Scope) -> None:
        self._target = target
        self._action = action
        self._job = job
        self._scope = scope
        self._seen: dict[tuple[str, str], _Seen] = {}
        self.wake = threading.Event()
        self.ended_early = False

    def watch(self, namespace: str) -> None:
        with suppress(Cancelled):
            while not self._scope.triggered:
                # `look` goes on without it every few seconds, and meets the trouble itself.
                with suppress(KdevError):
                    for _ in self._target.watch(namespace, self._scope):
                        self.wake.set()
                self._scope.wait(_LOOK_AGAIN)

    def look(self, *, first: bool = False) -> list[str]:
        """Read every matching container that has something new; returns the names of those that match."""
        self.ended_early = False
        found: dict[tuple[str, str], tuple[Pod, Container]] = {}
        for selector in self._action.selectors:
            found.update(self._matching(selector))
        for key, (pod, container) in found.items():
            seen = self._seen.setdefault(key, _Seen(self._action.last if first else None))
            anew = container.restarts != seen.restarts
            readable = container.state != "waiting" or container.restarts > 0
            if not seen.reading and readable and (anew or container.state == "running"):
                seen.reading, seen.restarts = True, container.restarts
                threading.Thread(target=self._follow, args=(pod, container.name, seen), daemon=True,
                                 name=f"{self._job.step} {pod.name}/{container.name}").start()
        for key in self._seen.keys() - found.keys():
            if not self._seen[key].reading:
                del self._seen[key]
        return sorted({container.name for _, container in found.values()})

    def _matching(self, selector: PodSelector) -> dict[tuple[str, str], tuple[Pod, Container]]:
        image = image_of(selector, self._job)
        try:
            pods = self._target.pods(selector.namespace, dict(selector.labels), image)
        except KdevError as error:
            self._job.progress(f"waiting for {describe(selector)}: {error.message}")
            return {}
        return {(pod.uid, container.name): (pod, container)
                for pod in pods for container in _meant(pod.containers, selector, image)}

    def _follow(self, pod: Pod, container: str, seen: _Seen) -> None:
        source = f"{pod.name}/{container}"
        try:
            lines = self._target.logs(
                pod, container, last=seen.last, since=seen.time, follow=True, cancel=self._scope
            )
            for line in lines:
                seen.time, seen.last = line.time, None
                self._job.output(line.text, source=source, error=line.error)
            seen.last = None
        except (KdevError, Cancelled):
            # Not started yet, or gone: whatever is the matter, the next look sees it, and reads again if it can.
            seen.restarts = -1
        finally:
            self.ended_early = True
            seen.reading = False
            if not self._scope.triggered:
                self.wake.set()


def _meant(containers: Sequence[Container], selector: PodSelector, image: str) -> list[Container]:
    own = [container for container in containers if not container.init]
    if selector.container:
        return [container for container in own if container.name == selector.container]
    if image:
        return [container for container in own if same_image(container.image, image)]
    return own


