"""Events that reporters are tried with, and the small parts around them."""

from __future__ import annotations

from kdev.core import events
from kdev.core.step import Reason, ReasonKind, Result, StepId


class FakeClock:
    """Meets core.ports.Clock; stands still until it is moved."""

    def __init__(self, time: float = 1000.0) -> None:
        self.time = time

    def now(self) -> float:
        return self.time


def step(name: str) -> StepId:
    return StepId(name)


def why(kind: str, subject: str = "", detail: str = "") -> tuple[Reason, ...]:
    return (Reason(ReasonKind(kind), subject, detail),)


WEB, API, HOOK = step("build:web"), step("build:api"), step("hook:migrate")
FORWARD, LOGS = step("forward:web"), step("logs:all")
SESSION: tuple[events.Event, ...] = (
    events.RunStarted("r1", "dev", "shop", "docker", (API, WEB, HOOK, FORWARD, LOGS)),
    events.Skipped(API, "inputs equal, image present"),
    events.Started(WEB, why("input changed", "web/Dockerfile")),
    events.Output(WEB, "Step 1/2 : FROM busybox"),
    events.Progress(WEB, "layers", 1, 2),
    events.Finished(WEB, Result("sha256:1", (("reference", "web:1"),), "never shown"), 2.14, True),
    events.Started(HOOK, why("never ran")),
    events.Output(HOOK, "migrating", error=True),
    events.Started(FORWARD, why("not running")),
    events.Serving(FORWARD, "127.0.0.1:8080 → web:8080"),
    events.Started(LOGS, why("not running")),
    events.Serving(LOGS, "web"),
    events.Failed(HOOK, "the command `./migrate` ended with exit code 3", "try again", "migrating", 0.05),
    events.Blocked(step("deploy:shop"), HOOK),
    events.Output(LOGS, "GET / 200", "web-7d/web"),
    events.Notice("pod web-7d restarted", "warning"),
    events.Changed(("web/app.py",)),
    events.Started(WEB, why("input changed", "web/app.py")),
    events.Finished(WEB, Result("sha256:1"), 1.0, False),
    events.Ready(1.25, 1, 4),
    events.Stopped(FORWARD, why("pod replaced", "web-7d")),
    events.Stopped(LOGS),
    events.RunEnded(1, 2, 1, 1, 75.0),
)
