"""Decisions about one step: the cases that a random walk meets too seldom."""

from __future__ import annotations

import pytest

from kdev.core.inputs import UNKNOWN, Entry
from kdev.core.plan import differences, settled_entries
from kdev.core.step import Reason, ReasonKind


def entries(**digests: str) -> tuple[Entry, ...]:
    return tuple(Entry(name.replace("__", ":"), digest) for name, digest in digests.items())


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        pytest.param(entries(a="1", b="2"), entries(a="1", b="2"), True, id="nothing changed"),
        pytest.param(entries(a="1"), entries(a="2"), False, id="an input changed meanwhile"),
        pytest.param(entries(a=UNKNOWN), entries(a="2"), True, id="pulled by the build itself"),
        pytest.param((Entry("a", "1"), Entry("a", "2")), (Entry("a", "1"), Entry("a", "2")), True, id="twins"),
        pytest.param((Entry("a", "1"), Entry("a", "2")), (Entry("a", "2"), Entry("a", "2")), False, id="one of two"),
    ],
)
def test_a_run_is_recorded_when_what_it_ran_on_still_stands(
    before: tuple[Entry, ...], after: tuple[Entry, ...], kept: bool
) -> None:
    assert settled_entries(before, after) == (after if kept else None)


@pytest.mark.parametrize(
    ("old", "new", "reasons"),
    [
        pytest.param(entries(config__a="1"), entries(config__a="1"), (), id="equal"),
        pytest.param(
            entries(config__a="1", files__b="1", step__c="1", pod__d="1"),
            entries(config__a="2", files__b="2", step__c="2", pod__d="2"),
            (
                Reason(ReasonKind.CONFIG_CHANGED, "a"),
                Reason(ReasonKind.INPUT_CHANGED, "b"),
                Reason(ReasonKind.UPSTREAM_CHANGED, "c"),
                Reason(ReasonKind.POD_REPLACED, "d"),
            ),
            id="each kind has its word",
        ),
        pytest.param(
            entries(config__sync="", files__all="1"),
            entries(config__sync="www", files__rest="2"),
            (Reason(ReasonKind.CONFIG_CHANGED, "sync"),),
            id="the setting says why the files are others",
        ),
        pytest.param(
            entries(files__old="1"), entries(files__new="1"),
            (Reason(ReasonKind.INPUT_CHANGED, "new"), Reason(ReasonKind.INPUT_CHANGED, "old")),
            id="nothing else to name",
        ),
    ],
)
def test_reasons_name_what_differs(
    old: tuple[Entry, ...], new: tuple[Entry, ...], reasons: tuple[Reason, ...]
) -> None:
    assert differences(old, new) == reasons
