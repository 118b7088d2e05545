"""Which pod and container a selector means."""

from __future__ import annotations

import threading

import pytest

from kdev.core.inputs import Pods, PodSelector
from kdev.core.step import Result
from kdev.core.workloads import Container, Pod
from kdev.drivers.pods import NO_POD, TargetPodFinder, choose, describe, entry_for, same_image
from kdev.errors import Cancelled, StepFailed
from tests.drivers.loopback import LoopbackTarget, container, eventually, pod
from tests.fakes.job import FakeJob

WEB = PodSelector("dev", (("app", "web"),))
OLD = pod("old", created="2026-01-01T00:00:00Z")
NEW = pod("new", created="2026-01-02T00:00:00Z")


def waiting(reason: str, **fields: int) -> Container:
    return container(state="waiting", ready=False, reason=reason, **fields)


@pytest.mark.parametrize(
    ("pods", "chosen"),
    [
        pytest.param([OLD, NEW], "new", id="the newest"),
        pytest.param([NEW, OLD], "new", id="the newest, whatever the order"),
        pytest.param([OLD, NEW._replace(phase="Pending")], "old", id="a pending one does not count yet"),
        pytest.param([OLD, NEW._replace(terminating=True)], "old", id="one that is going does not count"),
        pytest.param([OLD, NEW._replace(phase="Succeeded")], "old", id="a completed one does not count"),
        pytest.param([OLD, pod("new", waiting("CrashLoopBackOff"), created="2027")], "old", id="nor a broken one"),
        pytest.param([pod("new", container(init=True, name="i", state="terminated"), container())], "new",
                     id="an init container that is done"),
        pytest.param([], None, id="none"),
        pytest.param([NEW._replace(phase="Pending")], None, id="only a pending one"),
        pytest.param([pod("new", container(state="terminated"))], None, id="a container between two starts"),
    ],
)
def test_the_newest_running_pod_is_chosen(pods: list[Pod], chosen: str | None) -> None:
    choice = choose(pods, WEB)
    assert (choice.pod.name if choice.pod else None) == chosen
    assert not choice.hopeless


TWO = pod("two", container("app"), container("proxy", image="proxy:1"), container("setup", init=True))


@pytest.mark.parametrize(
    ("selector", "image", "expected"),
    [
        pytest.param(WEB._replace(container="proxy"), "", "proxy", id="by name"),
        pytest.param(WEB, "docker.io/library/proxy:1", "proxy", id="by image"),
        pytest.param(WEB._replace(container="app"), "proxy:1", "app", id="the name before the image"),
    ],
)
def test_a_container_among_several(selector: PodSelector, image: str, expected: str) -> None:
    assert choose([TWO], selector, image).container == expected


def test_the_only_container_is_meant_whatever_is_asked() -> None:
    assert choose([NEW], WEB._replace(container="other")).container == "web"


def test_several_containers_and_no_name_is_an_error_that_lists_them() -> None:
    with pytest.raises(StepFailed, match="app, proxy"):
        choose([TWO], WEB)


def test_a_name_that_no_container_has_is_an_error_that_lists_them() -> None:
    with pytest.raises(StepFailed) as failure:
        choose([TWO], WEB._replace(container="wbe"))
    assert "app, proxy" in failure.value.hint


def test_who_needs_no_container_is_not_asked_for_one() -> None:
    assert choose([TWO], WEB, container_needed=False).pod == TWO


def test_several_pods_and_no_selector_is_an_error_that_lists_them() -> None:
    assert choose([OLD], PodSelector("dev")).pod == OLD
    with pytest.raises(StepFailed, match="new, old"):
        choose([OLD, NEW], PodSelector("dev"))


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (pod("p", waiting("ErrImagePull"), phase="Pending"), "pod/p cannot run: container web: ErrImagePull"),
        (pod("p", waiting("CrashLoopBackOff", restarts=3)), "pod/p cannot run: container web: CrashLoopBackOff"),
        (pod("p", waiting("InvalidImageName"), phase="Pending"), "pod/p cannot run: container web: InvalidImageName"),
        (pod("p", container("setup", init=True, state="waiting", reason="ImagePullBackOff"), waiting("PodInitializing"),
             phase="Pending"), "pod/p cannot run: container setup: ImagePullBackOff"),
        (pod("p", container(state="terminated", reason="Error", exit_code=3), phase="Failed"),
         "pod/p is Failed: container web ended with exit code 3"),
    ],
)
def test_hopeless_pods_are_told_with_their_own_reason(broken: Pod, why: str) -> None:
    choice = choose([broken], WEB)
    assert (choice.hopeless, choice.why) == (True, why)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("web:1", "docker.io/library/web:1", True), ("web", "web:latest", True), ("a/web:1", "docker.io/a/web:1", True),
        ("index.docker.io/a/web:1", "a/web:1", True), ("web:1", "web:2", False), ("web:1", "localhost/web:1", False),
        ("localhost:5000/web", "localhost:5000/web:latest", True), ("web@sha256:ab", "web:latest", False),
    ],
)
def test_references_of_one_image(one: str, other: str, same: bool) -> None:
    assert same_image(one, other) is same


def test_the_entry_of_a_pod_changes_with_the_pod_and_with_a_restart() -> None:
    wanted = Pods(WEB)
    entries = [
        entry_for(wanted, pods)
        for pods in ([], [OLD], [NEW], [pod("new", container(restarts=1), created="2026-01-02")], [TWO],
                     [pod("p", waiting("ErrImagePull"), phase="Pending")])
    ]
    assert {entry.name for entry in entries} == {"pod:app=web"}
    assert [entry.digest for entry in entries] == [NO_POD, "uid-old/0", "uid-new/0", "uid-new/1", "uid-two/0", NO_POD]


def test_the_entry_counts_the_restarts_of_the_chosen_container_only() -> None:
    two = pod("p", container("app", restarts=1), container("proxy", restarts=5))
    assert entry_for(Pods(WEB._replace(container="app")), [two]).digest == "uid-p/1"
    assert entry_for(Pods(PodSelector("dev")), [OLD, NEW]).digest == NO_POD


def test_a_selector_in_words() -> None:
    assert describe(WEB._replace(container="app")) == "app=web/app"
    assert describe(PodSelector("dev", image_step="build:web")) == "build:web"
    assert describe(PodSelector("dev")) == "any pod"


def test_the_finder_asks_for_the_image_that_the_build_gave() -> None:
    target = LoopbackTarget(NEW)
    job = FakeJob(results={"build:web": Result("d", (("reference", "web:1"),))})
    assert TargetPodFinder(target).find(PodSelector("dev", image_step="build:web"), job) == (NEW, "web")
    assert target.asked == [("dev", {}, "web:1")]


def test_the_finder_waits_for_a_pod_and_says_for_what() -> None:
    target, job = LoopbackTarget(NEW._replace(phase="Pending")), FakeJob()
    found: list[Pod] = []
    thread = threading.Thread(target=lambda: found.append(TargetPodFinder(target).find_pod(WEB, job)))
    thread.start()
    eventually(lambda: bool(job.progresses))
    assert job.progresses[0][0] == "waiting for app=web: pod/new is Pending"
    target.change(NEW)
    thread.join(5)
    assert found == [NEW]


def test_the_finder_gives_up_after_its_time() -> None:
    with pytest.raises(StepFailed, match="no running pod for app=web in namespace dev: there is no such pod"):
        TargetPodFinder(LoopbackTarget(), timeout=0.01).find(WEB, FakeJob())


def test_the_finder_fails_at_once_when_waiting_is_hopeless_and_shows_the_last_lines() -> None:
    broken = pod("p", waiting("CrashLoopBackOff", restarts=2))
    target = LoopbackTarget(broken)
    target.stream(broken).say("1", "no such module")
    with pytest.raises(StepFailed, match="CrashLoopBackOff") as failure:
        TargetPodFinder(target).find(WEB, FakeJob())
    assert failure.value.detail == "no such module"


def test_the_finder_stops_when_cancelled() -> None:
    job = FakeJob()
    threading.Timer(0.05, job.cancel.trigger).start()
    with pytest.raises(Cancelled):
        TargetPodFinder(LoopbackTarget()).find(WEB, job)
