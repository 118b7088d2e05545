"""Reasons and times as people read them."""

from __future__ import annotations

import pytest

from kdev.core.plan import Verdict
from kdev.core.step import Reason, ReasonKind, Result, Trace
from kdev.report.explain import ago, count, duration, sentence, summary, why
from tests.report.stories import WEB

K = ReasonKind


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        pytest.param(Reason(K.NEVER_RAN), "never ran", id="never ran"),
        pytest.param(Reason(K.INPUT_CHANGED, "web/Dockerfile"), "input changed: web/Dockerfile", id="input"),
        pytest.param(Reason(K.INPUT_CHANGED, "a.py", "added"), "input changed: a.py (added)", id="input with detail"),
        pytest.param(Reason(K.CONFIG_CHANGED, "images.web.tag"), "config changed: images.web.tag", id="config"),
        pytest.param(Reason(K.UPSTREAM_CHANGED, "build:web"), "upstream result changed: build:web", id="upstream"),
        pytest.param(Reason(K.RESULT_GONE, "image web:1"), "result gone: image web:1", id="gone"),
        pytest.param(Reason(K.RESULT_GONE), "result gone", id="gone without a subject"),
        pytest.param(Reason(K.DRIFTED, "Deployment/web", "spec.replicas"), "drifted: Deployment/web spec.replicas",
                     id="drifted"),
        pytest.param(Reason(K.FORCED, "-b"), "forced by -b", id="forced"),
        pytest.param(Reason(K.POD_REPLACED, "web-7d"), "pod replaced: web-7d", id="pod"),
        pytest.param(Reason(K.NOT_RUNNING), "not running", id="service"),
        pytest.param(Reason(K.FAILED_BEFORE, "exit code 3"), "failed before: exit code 3", id="failed"),
    ],
)
def test_every_reason_is_a_sentence(reason: Reason, text: str) -> None:
    assert sentence(reason) == text


def test_every_kind_of_reason_names_its_subject() -> None:
    for kind in K:
        assert "SUBJECT" in sentence(Reason(kind, "SUBJECT")), kind


def test_reasons_of_one_kind_stand_together_and_many_are_counted() -> None:
    reasons = [Reason(K.INPUT_CHANGED, f"f{number}") for number in range(5)]
    reasons.insert(2, Reason(K.CONFIG_CHANGED, "images.web"))
    assert summary(reasons) == "input changed: f0, f1, f2 and 2 more; config changed: images.web"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 ms"), (0.0401, "40 ms"), (0.0994, "99 ms"), (0.0996, "0.1 s"), (2.14, "2.1 s"), (59.94, "59.9 s"),
     (59.96, "1 min 00 s"), (125, "2 min 05 s"), (3599.6, "1 h 00 min"), (3720, "1 h 02 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "just now"), (0.5, "just now"), (12, "12 s ago"), (200, "3 min ago"), (7200, "2 h ago"),
     (86400, "1 day ago"), (200000, "2 days ago")],
)
def test_times_ago(seconds: float, text: str) -> None:
    assert ago(seconds) == text


def test_one_step_and_several_steps() -> None:
    assert (count(1, "step"), count(2, "step")) == ("1 step", "2 steps")


TRACE = Trace(WEB, "f" * 64, (), Result("x"), 2.1, 880.0, "r7")


def test_why_a_step_runs() -> None:
    verdict = Verdict(WEB, "run", (Reason(K.INPUT_CHANGED, "web/app.py"), Reason(K.CONFIG_CHANGED, "images.web.tag")))
    assert why(verdict, TRACE, 1000.0) == (
        "build:web will run:\n"
        "  input changed: web/app.py\n"
        "  config changed: images.web.tag\n"
        "  last success 2 min ago, it took 2.1 s (run r7)"
    )


def test_why_a_step_may_run() -> None:
    assert why(Verdict(WEB, "may"), None, 0, ["override:web"]) == (
        "build:web may run:\n  it runs if the result of override:web changes"
    )


def test_why_a_step_is_skipped() -> None:
    text = why(Verdict(WEB, "skip"), TRACE, 1000.0)
    assert text.startswith("build:web is up to date:\n  every input is what it was")
