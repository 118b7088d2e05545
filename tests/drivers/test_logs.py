"""Logs: every line once, across restarts and replaced pods."""

from __future__ import annotations

from kdev.core.actions import Logs
from kdev.core.inputs import PodSelector
from kdev.core.step import Result
from kdev.core.workloads import Pod
from kdev.drivers.logs import LogsDriver
from tests.drivers.loopback import LoopbackTarget, Running, container, eventually, pod
from tests.fakes.job import FakeJob

WEB = PodSelector("dev", (("app", "web"),))
POD = pod("web-1")


def texts(job: FakeJob) -> list[str]:
    return [text for text, _, _ in job.outputs]


def reading(target: LoopbackTarget, of: Pod, container: str = "web") -> bool:
    return target.stream(of, container).readers == 1


def test_the_last_lines_and_then_what_comes() -> None:
    target = LoopbackTarget(POD)
    for number in range(10):
        target.stream(POD).say(f"{number}", f"old {number}")
    with Running(LogsDriver(target), Logs((WEB,), 3), FakeJob()) as running:
        eventually(lambda: len(running.job.outputs) == 3)
        target.stream(POD).say("91", "new", error=True)
        eventually(lambda: len(running.job.outputs) == 4)
    assert running.job.outputs == [
        ("old 7", "web-1/web", False), ("old 8", "web-1/web", False), ("old 9", "web-1/web", False),
        ("new", "web-1/web", True),
    ]
    assert running.job.details == ["web"]
    assert running.was_cancelled()


def test_a_restarted_container_is_read_on_without_gap_or_double_line() -> None:
    target = LoopbackTarget(POD)
    stream = target.stream(POD)
    stream.say("1", "one")
    with Running(LogsDriver(target), Logs((WEB,), 50), FakeJob()) as running:
        eventually(lambda: texts(running.job) == ["one"])
        target.change(POD._replace(containers=(container(state="waiting", reason="CrashLoopBackOff"),)))
        stream.end()
        eventually(lambda: stream.readers == 0)
        stream.say("2", "between")
        target.change(POD._replace(containers=(container(restarts=1),)))
        eventually(lambda: texts(running.job) == ["one", "between"])
        stream.say("3", "after")
        eventually(lambda: len(running.job.outputs) == 3)
    assert texts(running.job) == ["one", "between", "after"]


def test_a_stream_that_breaks_is_resumed() -> None:
    target = LoopbackTarget(POD)
    stream = target.stream(POD)
    with Running(LogsDriver(target), Logs((WEB,), 50), FakeJob()) as running:
        for number in range(3):
            stream.say(f"{number}", f"line {number}")
            eventually(lambda number=number: len(running.job.outputs) == number + 1)
            stream.end()
            eventually(lambda: reading(target, POD) and not stream.ended)
    assert texts(running.job) == ["line 0", "line 1", "line 2"]


def test_a_log_that_cannot_be_read_at_first_is_read_from_the_same_place_later() -> None:
    target = LoopbackTarget(POD)
    target.refusals = 1
    for number in range(10):
        target.stream(POD).say(f"{number}", f"old {number}")
    with Running(LogsDriver(target), Logs((WEB,), 2), FakeJob()) as running:
        eventually(lambda: len(running.job.outputs) >= 2 and reading(target, POD))
    assert texts(running.job) == ["old 8", "old 9"]


def test_a_pod_that_comes_later_is_shown_from_its_first_line() -> None:
    target, fresh = LoopbackTarget(POD), pod("web-2", created="2027")
    for number in range(5):
        target.stream(fresh).say(f"{number}", f"start {number}")
    with Running(LogsDriver(target), Logs((WEB,), 2), FakeJob()) as running:
        target.change(POD, fresh)
        eventually(lambda: len(running.job.outputs) == 5)
        target.change(fresh)
        target.stream(POD).end()
        target.stream(fresh).say("9", "more")
        eventually(lambda: len(running.job.outputs) == 6)
    assert {source for _, source, _ in running.job.outputs} == {"web-2/web"}


def test_all_containers_of_several_selectors_are_read_and_init_containers_are_not() -> None:
    app = pod("app", container("a"), container("b"), container("setup", init=True, state="terminated"))
    db = pod("db", container("db", image="db:1"), labels=(("app", "db"),))
    target = LoopbackTarget(app, db)
    job = FakeJob(results={"build:db": Result("d", (("reference", "db:1"),))})
    with Running(LogsDriver(target), Logs((WEB, PodSelector("dev", image_step="build:db"))), job) as running:
        eventually(lambda: reading(target, app, "a") and reading(target, app, "b") and reading(target, db, "db"))
        target.stream(app, "setup").say("1", "never")
        target.stream(db, "db").say("1", "hello")
        eventually(lambda: job.outputs == [("hello", "db/db", False)])
    assert running.job.details == ["a, b, db"]


def test_one_named_container() -> None:
    app = pod("app", container("a"), container("b"))
    target = LoopbackTarget(app)
    with Running(LogsDriver(target), Logs((WEB._replace(container="b"),)), FakeJob()) as running:
        eventually(lambda: reading(target, app, "b"))
        assert not reading(target, app, "a")
    assert running.job.details == ["b"]


def test_a_container_that_has_not_started_is_waited_for() -> None:
    pending = POD._replace(phase="Pending", containers=(container(state="waiting", reason="ContainerCreating"),))
    target = LoopbackTarget(pending)
    target.stream(POD).say("1", "first")
    with Running(LogsDriver(target), Logs((WEB,)), FakeJob()) as running:
        assert running.job.outputs == []
        target.change(POD)
        eventually(lambda: texts(running.job) == ["first"])


def test_no_pod_at_all_is_no_failure() -> None:
    with Running(LogsDriver(LoopbackTarget()), Logs((WEB,)), FakeJob()) as running:
        assert running.job.details == ["waiting for app=web"]
    assert running.was_cancelled()
