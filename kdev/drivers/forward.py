"""Forward: local ports that lead into a pod. A pair of threads per connection; a pod that has gone is found again.

Listens where the action says and nowhere else. Slow readers slow down their own connection only.
"""

from __future__ import annotations

import errno
import ipaddress
import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from kdev.core import actions
from kdev.core.ports import Connection, Job, PodFinder, Target
from kdev.core.step import Reason, Result
from kdev.core.workloads import Pod
from kdev.drivers.listening import owner_of
from kdev.drivers.pods import choose, image_of
from kdev.errors import Cancelled, KdevError, StepFailed

_CHUNK = 65536
_BACKLOG = 128
_LINGER = 60.0
_MOST = 512
"""Connections at one time, of one forward; further ones wait in the backlog."""


class ForwardDriver:
    """Meets core.ports.Driver for actions.Forward."""

    def __init__(self, target: Target, finder: PodFinder) -> None:
        self._target = target
        self._finder = finder

    def run(self, action: actions.Forward, job: Job) -> Result:
        """Blocks until cancelled. StepFailed when a port is taken, or when there will be no pod."""
        with ExitStack() as stack:
            # Ports first: that one is taken is known at once, while the pod may take minutes.
            listeners = {stack.enter_context(listening(action.bind, local)): remote for local, remote in action.ports}
            route = _Route(self._target, action, job, self._finder.find_pod(action.selector, job))
            if not is_loopback(action.bind):
                job.notice(f"{job.step} listens on {action.bind}: other machines can reach it", level="warning")
            job.serving(", ".join(f"{_address(listener)} → {route.pod.name}:{remote}"
                                  for listener, remote in listeners.items()))
            _accept(listeners, route, job)
        raise Cancelled

    def verify(self, action: actions.Forward, result: Result) -> tuple[Reason, ...]:
        return ()


class _Route:
    """From accepted connections to the pod, whichever it is now."""

    def __init__(self, target: Target, action: actions.Forward, job: Job, pod: Pod) -> None:
        self._target = target
        self._selector = action.selector
        self._job = job
        self._room = threading.BoundedSemaphore(_MOST)
        self._finding = threading.Lock()
        self.pod = pod

    def take(self, client: socket.socket, port: int) -> None:
        """Serve the connection on a thread of its own; waits while there are too many."""
        while not self._room.acquire(timeout=0.2):
            if self._job.cancel.triggered:
                client.close()
                return
        threading.Thread(target=self._serve, args=(client, port), daemon=True, name=f"{self._job.step} link").start()

    def _serve(self, client: socket.socket, port: int) -> None:
        try:
            with client:
                remote = self._dial(port)
                try:
                    carry(client, remote, self._job)
                finally:
                    remote.close()
        except Cancelled:
            pass
        except KdevError as error:
            self._job.output(f"connection to {self.pod.name}:{port} failed: {error.message}", error=True)
        finally:
            self._room.release()

    def _dial(self, port: int) -> Connection:
        pod = self.pod
        try:
            return self._target.dial(pod, port, self._job.cancel)
        except KdevError:
            fresh = self._look_again(pod)
            if fresh.uid == pod.uid:
                raise
            return self._target.dial(fresh, port, self._job.cancel)

    def _look_again(self, old: Pod) -> Pod:
        with self._finding:
            if self.pod.uid == old.uid:
                image = image_of(self._selector, self._job)
                pods = self._target.pods(self._selector.namespace, dict(self._selector.labels), image)
                choice = choose(pods, self._selector, image, container_needed=False)
                if choice.pod and not choice.hopeless:
                    self.pod = choice.pod
            return self.pod


def _accept(listeners: dict[socket.socket, int], route: _Route, job: Job) -> None:
    """Until cancelled. One thread waits for all listeners: a blocked accept cannot be woken portably."""
    wake, waker = socket.socketpair()
    with wake, waker, selectors.DefaultSelector() as ready:
        for listener in listeners:
            listener.setblocking(False)
            ready.register(listener, selectors.EVENT_READ, listener)
        ready.register(wake, selectors.EVENT_READ)
        with job.cancel.closing(lambda: shut(waker)):
            while not job.cancel.triggered:
                for key, _ in ready.select():
                    if key.data is None:  # cancelled
                        return
                    try:
                        client, _ = key.data.accept()
                    except OSError:
                        # The client left before it was served, or we are out of descriptors: it must not end the rest.
                        job.cancel.wait(0.02)
                        continue
                    client.setblocking(True)
                    route.take(client, listeners[key.data])


def carry(client: socket.socket, remote: Connection, job: Job) -> None:
    """Bytes both ways until both sides have finished, or one of them breaks, or the job is cancelled."""

    def cut() -> None:
        shut(client)
        remote.close()

    def upward() -> None:
        try:
            while data := client.recv(_CHUNK):
                remote.send(data)
            remote.finish()
        except (OSError, KdevError, Cancelled):
            cut()

    with job.cancel.closing(cut):
        sender = threading.Thread(target=upward, daemon=True, name=f"{job.step} up")
        sender.start()
        try:
            while data := remote.recv(_CHUNK):
                client.sendall(data)
            with suppress(OSError):
                client.shutdown(socket.SHUT_WR)
        except (OSError, KdevError, Cancelled):
            cut()
        # A client may go on sending after the pod has finished; one that just stays is not waited for.
        sender.join(_LINGER)
        cut()
        sender.join()


@contextmanager
def listening(bind: str, port: int) -> Iterator[socket.socket]:
    """A listening socket on exactly this address. StepFailed, naming who has the port, when it is taken."""
    family, _, _, _, address = socket.getaddrinfo(bind, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen(_BACKLOG)
        except OSError as error:
            raise _refused(error, bind, port) from error
        yield listener


def is_loopback(bind: str) -> bool:
    """Whether only this machine can reach `bind`."""
    try:
        return ipaddress.ip_address(bind).is_loopback
    except ValueError:
        return bind == "localhost"


def shut(connected: socket.socket) -> None:
    """Make every call that blocks on this socket return. Its owner closes it."""
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


def _refused(error: OSError, bind: str, port: int) -> StepFailed:
    if error.errno == errno.EADDRINUSE:
        owner = owner_of(port)
        by = f" by {owner}" if owner else ""
        return StepFailed(f"port {port} on {bind} is in use{by}", hint="stop it, or forward another local port")
    if error.errno == errno.EACCES:
        return StepFailed(f"port {port} on {bind} needs more rights", hint="forward a local port above 1023")
    return StepFailed(f"cannot listen on {bind}:{port}: {error.strerror}")


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
