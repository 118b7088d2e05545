"""Plan: the graph as frozen arrays. Decide: a step, what was seen of its inputs, and its traces → run or skip, and why.

Deciding writes nothing and looks at nothing; what was seen is handed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kdev.core.inputs import UNKNOWN, Entry, digest_of
from kdev.core.step import Reason, ReasonKind, Result, Role, Step, StepId, Trace


class Plan(NamedTuple):
    """A compiled graph. Indices are positions in `steps`, which stand in an order in which they could run.

    `needs[i]`, `after[i]` are what comes before step i; `dependents[i]` every j with i in needs[j] or after[j].
    """

    project: str
    pipeline: str
    steps: tuple[Step, ...]
    needs: tuple[tuple[int, ...], ...]
    after: tuple[tuple[int, ...], ...]
    dependents: tuple[tuple[int, ...], ...]

    @classmethod
    def of(
        cls,
        project: str,
        pipeline: str,
        steps: tuple[Step, ...],
        needs: tuple[tuple[int, ...], ...],
        after: tuple[tuple[int, ...], ...],
    ) -> Plan:
        dependents: list[list[int]] = [[] for _ in steps]
        for index in range(len(steps)):
            for before in {*needs[index], *after[index]}:
                dependents[before].append(index)
        return cls(project, pipeline, steps, needs, after, tuple(map(tuple, dependents)))

    def positions(self) -> dict[StepId, int]:
        """Step id → its position in `steps`."""
        return {step.id: number for number, step in enumerate(self.steps)}


class Seen(NamedTuple):
    """What was observed of a step: the entries of its own inputs, and the results of its needs by step id."""

    entries: tuple[Entry, ...]
    needs: Mapping[StepId, Result]

    def all(self) -> tuple[Entry, ...]:
        """Own entries and upstream results together: what the fingerprint is over."""
        return (*self.entries, *(Entry(f"step:{step}", result.digest) for step, result in self.needs.items()))


class Decision(NamedTuple):
    """Run with these reasons, or skip (no reasons) with the result of an earlier success."""

    reasons: tuple[Reason, ...]
    trace: Trace | None = None

    @property
    def runs(self) -> bool:
        return bool(self.reasons)


class Verdict(NamedTuple):
    """A line of a dry run. `verdict` is `run` (will), `may` (waits for an upstream result) or `skip`."""

    step: StepId
    verdict: str
    reasons: tuple[Reason, ...] = ()


_KINDS = {
    "config": ReasonKind.CONFIG_CHANGED,
    "step": ReasonKind.UPSTREAM_CHANGED,
    "pod": ReasonKind.POD_REPLACED,
}


def differences(old: Sequence[Entry], new: Sequence[Entry]) -> tuple[Reason, ...]:
    """One reason per entry that was altered, in the order of `new`. () when they are equal.

    An entry that is there on one side only comes with a changed configuration, which says more: it is named only when
    there is nothing else to name.
    """
    before = {entry.name: entry.digest for entry in old}
    after = {entry.name: entry.digest for entry in new}
    altered = [name for name in after if name in before and before[name] != after[name]]
    return tuple(_reason(name) for name in altered or sorted(before.keys() ^ after.keys()))


def _reason(name: str) -> Reason:
    prefix, _, subject = name.partition(":")
    return Reason(_KINDS.get(prefix, ReasonKind.INPUT_CHANGED), subject)


def decide(
    step: Step,
    seen: Seen,
    latest: Trace | None,
    match: Trace | None,
    *,
    forced: Reason | None = None,
    gone: Sequence[Reason] = (),
) -> Decision:
    """Whether a value or effect step runs.

    `latest` is its last success, `match` a success with exactly the inputs now seen (for an effect step only the last
    one counts, since the world remembers only that). `gone` says why the result of `match` no longer stands.
    """
    if forced:
        return Decision((forced,))
    if match is None:
        if latest is None:
            return Decision((Reason(ReasonKind.NEVER_RAN),))
        return Decision(differences(latest.entries, seen.all()) or (Reason(ReasonKind.NEVER_RAN),))
    if gone:
        return Decision(tuple(gone))
    return Decision((), match)


def usable(step: Step, latest: Trace | None, match: Trace | None) -> Trace | None:
    """The trace that may stand for a run of `step` now: any in history for a value, only the latest for an effect."""
    if step.role is Role.VALUE or match is None or latest is None:
        return match if step.role is Role.VALUE else None
    return match if match.fingerprint == latest.fingerprint else None


def settled_entries(before: Sequence[Entry], after: Sequence[Entry]) -> tuple[Entry, ...] | None:
    """The entries to record for a run, or None when an input changed while it ran and nothing may be recorded.

    `before` and `after` are of the same inputs in the same order. An input that could not be known before (a base image
    that the build itself pulled) is taken from after.
    """
    if any(old.digest not in (UNKNOWN, new.digest) for old, new in zip(before, after, strict=True)):
        return None
    return tuple(after)


def foresee(step: Step, own: Sequence[Entry], history: Sequence[Trace]) -> Verdict:
    """A dry run's word on a step whose upstream will run or may run. `history` holds the traces that may stand for a
    run of it, newest last.

    It says `run` only when no result of the upstream could spare the run: an effect whose own inputs changed since its
    last success, or a value whose own inputs were never seen with any upstream result.
    """
    if not history:
        return Verdict(step.id, "run", (Reason(ReasonKind.NEVER_RAN),))
    if any(_own(trace.entries) == _own(own) for trace in history):
        return Verdict(step.id, "may")
    return Verdict(step.id, "run", differences(_own(history[-1].entries), _own(own)))


def _own(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    return tuple(sorted(entry for entry in entries if not entry.name.startswith("step:")))


def priorities(plan: Plan, seconds: Sequence[float]) -> list[float]:
    """For each step the length of the longest chain that starts with it, in seconds: the critical path goes first."""
    result = list(seconds)
    for index in range(len(plan.steps) - 1, -1, -1):
        result[index] += max((result[later] for later in plan.dependents[index]), default=0.0)
    return result


def identity(plan: Plan) -> str:
    """A digest of everything the plan says, for comparing two compilations of one configuration."""
    return digest_of(repr(plan))
