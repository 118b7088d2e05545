"""Starts the containers of pods: init containers in turn, then the others. Nobody waits for an init container here.

The engine starts a failed init container again by itself, so how it fares is seen like everything else, by asking.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from kdev.drivers.docker import observed
from kdev.drivers.docker.client import Clients
from kdev.drivers.docker.pods import Made, Pods
from kdev.errors import KdevError, StepFailed

_SOON, _LATER = 0.05, 0.5


class Starting:
    """Brings pods up. `close` ends what is still going on."""

    def __init__(self, clients: Clients, pods: Pods) -> None:
        self._clients = clients
        self._pods = pods
        self._closed = threading.Event()

    def begin(self, made: Sequence[Made], reachable: Callable[[], None]) -> None:
        """Start pods. Those with init containers go on on their own, since these may wait for what is applied later;
        `reachable` is called before, since they may as well wait for what is applied now.

        StepFailed when a pod without init containers cannot start.
        """
        for pod in made:
            if not pod.init:
                self._start_main(pod)
        waiting = [pod for pod in made if pod.init]
        if waiting:
            reachable()
        for pod in waiting:
            threading.Thread(target=self._bring_up, args=(pod,), daemon=True, name=f"start {pod.name}").start()

    def close(self) -> None:
        """A pod that is not up by now stays as it is, and is made again by the next run."""
        self._closed.set()

    def _start_main(self, pod: Made) -> None:
        for container in pod.main:
            try:
                self._pods.start(container)
            except StepFailed as error:
                raise StepFailed(f"pod/{pod.name} cannot start: {error.message}") from error

    def _bring_up(self, pod: Made) -> None:
        # What goes wrong is on record at the engine, and waiting for readiness tells it.
        with suppress(KdevError):
            for container in pod.init:
                self._pods.start(container)
                if not self._through(container):
                    return
            self._start_main(pod)

    def _through(self, container: str) -> bool:
        """Wait for an init container to succeed; False when it is gone, will not be started again, or we are closed."""
        pause = _SOON
        while not self._closed.wait(pause):
            details = observed.inspect(self._clients, container)
            if details is None:
                return False
            state = details["State"]
            if not state["Running"] and not state.get("Restarting"):
                return bool(state["Status"] == "exited" and state["ExitCode"] == 0)
            pause = min(pause * 1.5, _LATER)
        return False
