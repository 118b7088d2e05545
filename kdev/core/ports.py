"""What the core and the runner demand of the outside world, as Protocols. Adapters are in drivers/, report/, state/.

One rule for every call that can block: it takes a Cancellation, registers a closer that makes the blocked call return,
and raises errors.Cancelled afterwards. Every failure is a KdevError; nothing of an SDK leaks out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from kdev.core.actions import Action
from kdev.core.events import Event
from kdev.core.inputs import Entry, Input, PodSelector
from kdev.core.step import Reason, Result, StepId, Trace
from kdev.core.workloads import LogLine, ObjectRef, Pod

ActionT_contra = TypeVar("ActionT_contra", contravariant=True)
Manifest = Mapping[str, Any]
"""One Kubernetes object as parsed from YAML or JSON. The only place where untyped data passes the door."""


class Cancellation(Protocol):
    """A flag that is raised once, and the closers that unblock whoever is blocked when it is."""

    @property
    def triggered(self) -> bool: ...

    def check(self) -> None:
        """Raise errors.Cancelled when triggered."""

    def closing(self, closer: Callable[[], None]) -> AbstractContextManager[None]:
        """For the length of a `with`: `closer` is called, from another thread, when the flag is raised.

        Called at once when it is raised already. A closer must not block, and may be called while nothing blocks.
        """

    def wait(self, seconds: float) -> bool:
        """Sleep for `seconds` or until triggered; True when triggered."""

    def scope(self) -> AbstractContextManager[Scope]:
        """For the length of a `with`: a Cancellation that is raised with this one, by its holder, or by the end."""


class Scope(Cancellation, Protocol):
    """A Cancellation whose holder may raise it, to stop what it started itself."""

    def trigger(self) -> None: ...


class Screen(Protocol):
    """The user's terminal, lent to one step at a time. Only steps that talk with a person use it."""

    @property
    def is_tty(self) -> bool: ...

    def borrow(self) -> AbstractContextManager[None]:
        """Raw mode, with the live view silent, for the length of a `with`; the mode before is restored in any case."""

    def read(self, cancel: Cancellation) -> bytes:
        """What was typed; b"" at the end of input. Blocks."""

    def write(self, data: bytes, *, error: bool = False) -> None:
        """To standard output, or to standard error."""

    def size(self) -> tuple[int, int]:
        """(columns, rows)."""

    def on_resize(self, call: Callable[[int, int], None]) -> AbstractContextManager[None]: ...


class Job(Protocol):
    """What a driver gets beside its action: the results it may use, and the ways to report."""

    @property
    def step(self) -> StepId: ...

    @property
    def cancel(self) -> Cancellation: ...

    @property
    def screen(self) -> Screen: ...

    def result(self, step: str) -> Result:
        """The result of a step that this one needs."""

    def blob(self, step: str) -> str:
        """The blob of a needed value step's result; made again when the journal only had its digest."""

    def fingerprint(self) -> str:
        """The fingerprint of this step's inputs, 64 hex digits; content tags and labels are made from it."""

    def output(self, text: str, *, source: str = "", error: bool = False) -> None:
        """One line for people."""

    def progress(self, text: str, done: int = 0, total: int = 0) -> None: ...

    def notice(self, text: str, *, level: str = "info") -> None: ...

    def serving(self, detail: str) -> None:
        """A service step is up. Called once; whoever waits for this step goes on now."""


class Driver(Protocol[ActionT_contra]):
    """What an action type means."""

    def run(self, action: ActionT_contra, job: Job) -> Result:
        """Do it. A service blocks here until cancelled, and raises Cancelled then; returning means it ended itself."""

    def verify(self, action: ActionT_contra, result: Result) -> Sequence[Reason]:
        """Why `result` no longer stands in the world (gone, drifted); () when it does. One cheap request that writes
        nothing."""


class Drivers(Protocol):
    """The one table of drivers. Loads a driver on first use."""

    def driver(self, action: Action) -> Driver[Any]: ...

    def verify(self, action: Action, result: Result) -> Sequence[Reason]:
        """As Driver.verify, through the leanest module that can answer."""

    def forget(self) -> None:
        """The world may have changed: ask again instead of using what was fetched for the last checks."""


class Observer(Protocol):
    """Reads the inputs of steps. Writes nothing but its own caches."""

    def observe(self, inputs: Sequence[Input], needs: Mapping[StepId, Result]) -> tuple[Entry, ...]:
        """One entry for each input, in order. Missing files are entries too. `needs` are the results of the steps that
        the inputs may speak of."""

    def listing(self, digest: str) -> Mapping[str, str]:
        """path → digest behind a listed entry that this observer returned; {} when it is not known any more."""

    def invalidate(self, paths: Iterable[str] | None) -> None:
        """These paths (relative to the project) may have changed, anything may have for None: look at them again."""


class Journal(Protocol):
    """The traces on disk."""

    def latest(self, step: StepId) -> Trace | None: ...

    def find(self, step: StepId, fingerprint: str) -> Trace | None:
        """An earlier success with exactly these inputs, however long ago."""

    def history(self, step: StepId) -> Sequence[Trace]:
        """Every success that is kept, oldest first."""

    def record(self, trace: Trace, listings: Mapping[str, Mapping[str, str]]) -> None:
        """Durable when it returns. `listings` are those of the trace's listed entries, by digest."""

    def listing(self, digest: str) -> Mapping[str, str]: ...

    def forget(self, step: StepId) -> None: ...


class Chronicle(Protocol):
    """What happened in the sessions, for `kdev why` and `kdev history`."""

    def tell(self, event: Event) -> None:
        """Keep what is worth keeping of an event. Durable at the next `flush`."""

    def flush(self) -> None: ...


class Reporter(Protocol):
    """Draws what happens. Never raises, never blocks for long."""

    def tell(self, event: Event) -> None: ...

    def close(self) -> None: ...


class Connection(Protocol):
    """A two-way byte stream to a port inside a pod."""

    def recv(self, size: int) -> bytes:
        """At most `size` bytes; b"" when the other side has finished sending."""

    def send(self, data: bytes) -> None:
        """All of `data`, blocking while the other side is slow."""

    def finish(self) -> None:
        """No more will be sent; receiving goes on (half-close)."""

    def close(self) -> None: ...


class Process(Protocol):
    """A program running in a container. With a tty, stderr is empty and all output is on stdout."""

    def read(self, size: int) -> tuple[int, bytes]:
        """(1 for stdout or 2 for stderr, data); (0, b"") at the end of output."""

    def write(self, data: bytes) -> None: ...

    def close_stdin(self) -> None: ...

    def resize(self, columns: int, rows: int) -> None: ...

    def exit_code(self) -> int:
        """Waits for the end."""

    def close(self) -> None:
        """Cut the stream. Safe from any thread; blocked calls return."""


class Target(Protocol):
    """Where steps act: a kube context, or the local Docker Engine. One contract suite covers every adapter."""

    @property
    def name(self) -> str:
        """`docker` or `kubernetes`."""

    def identity(self) -> str:
        """Which engine or cluster this is: equal for the same one, whatever it is called."""

    def ensure_namespace(self, namespace: str, cancel: Cancellation) -> None: ...

    def check(self, objects: Sequence[Manifest]) -> None:
        """Raise errors.Unsupported naming every field that this target cannot run."""

    def apply(
        self, owner: str, namespace: str, objects: Sequence[Manifest], job: Job, *, force: bool = False
    ) -> tuple[ObjectRef, ...]:
        """Make the world match `objects`, and delete what `owner` (a deployment's step id) applied before and is gone.

        Unchanged objects are not touched. Returns a reference per object, with the digest of what was applied.
        """

    def delete(self, refs: Sequence[ObjectRef], cancel: Cancellation) -> None:
        """Delete these and wait until they are gone. Missing ones are fine."""

    def owned(self, project: str) -> tuple[ObjectRef, ...]:
        """Everything kdev made for the project, by label."""

    def drift(self, refs: Sequence[ObjectRef]) -> tuple[Reason, ...]:
        """RESULT_GONE or DRIFTED for each reference that is no longer as applied. One cheap request."""

    def wait_ready(self, refs: Sequence[ObjectRef], timeout: int, job: Job) -> None:
        """Until every workload among `refs` is ready; StepFailed with the pod's own reason (its last log lines, its
        exit code, the probe's answer) as soon as waiting has become hopeless, or after `timeout` seconds."""

    def pods(self, namespace: str, labels: Mapping[str, str], image: str = "") -> tuple[Pod, ...]:
        """Pods that carry `labels` and, when given, run a container of `image` (repository:tag); newest first."""

    def watch(self, namespace: str, cancel: Cancellation) -> Iterator[None]:
        """Yields whenever pods of the namespace came, went, restarted or changed readiness. Resumes by itself."""

    def exec(
        self, pod: Pod, container: str, argv: Sequence[str], *, tty: bool = False, workdir: str = "",
        cancel: Cancellation,
    ) -> Process: ...

    def attach(self, pod: Pod, container: str, *, cancel: Cancellation) -> Process: ...

    def logs(
        self, pod: Pod, container: str, *, last: int | None = None, since: str = "", follow: bool = False,
        cancel: Cancellation,
    ) -> Iterator[LogLine]:
        """Lines, oldest first. `since` is the timestamp of the last line seen (RFC 3339); lines at or before it are
        left out."""

    def dial(self, pod: Pod, port: int, cancel: Cancellation) -> Connection: ...

    def put_files(self, pod: Pod, container: str, folder: str, tar: bytes, cancel: Cancellation) -> None:
        """Unpack `tar` into an existing folder of the container. Needs no program in the container where possible."""

    def close(self) -> None: ...


class PodFinder(Protocol):
    """Turns a PodSelector into a pod and container, the way every service does."""

    def find(self, selector: PodSelector, job: Job) -> tuple[Pod, str]:
        """(pod, container); waits until there is a running one. StepFailed when that is hopeless."""

    def find_pod(self, selector: PodSelector, job: Job) -> Pod:
        """The same for who needs no container: several containers and no name are no trouble then."""


class Clock(Protocol):
    def now(self) -> float:
        """Unix time, seconds."""
