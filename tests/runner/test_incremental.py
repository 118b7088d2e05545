"""Random graphs, random edits: what runs is what must, and nothing else; plans keep their promise; reasons are true."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from kdev.core.events import Failed, RunEnded, Skipped, Started
from kdev.core.graph import Graph
from kdev.core.inputs import Entry, digest_of, fingerprint
from kdev.core.plan import Plan, Verdict
from kdev.core.step import ReasonKind, Role, StepId
from kdev.runner.foresee import foresee_plan
from kdev.runner.judge import Judge, Wishes
from kdev.runner.outside import Mode, Outside
from kdev.runner.session import Session
from tests.fakes.world import SCREEN, MemoryJournal, StillClock, Telling, World, step


def run(world: World, journal: MemoryJournal, plan: Plan, wishes: Wishes | None = None) -> tuple[int, Telling]:
    """One session over the plan; the exit code and everything that was told."""
    told = Telling()
    outside = Outside(world, journal, Telling(), world, told, SCREEN, StillClock())
    judge = Judge(world, journal, world, wishes or Wishes({}))
    world.ran.clear()
    code = Session(plan, judge, outside, Mode(stay=False, pools={"build": 2}), "r").run()
    return code, told


def foreseen(world: World, journal: MemoryJournal, plan: Plan) -> list[Verdict]:
    return foresee_plan(plan, Judge(world, journal, world, Wishes({})), journal)


class Naive:
    """The reference: walks the graph in order and remembers, per step, every input digest it ever succeeded with."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.seen: dict[str, dict[str, str]] = {}
        self.last: dict[str, str] = {}

    def run(self, plan: Plan) -> tuple[set[str], dict[str, str]]:
        """(what must run, every step's result) for the world as it is. A failing step runs and gives nothing."""
        results: dict[str, str] = {}
        ran: set[str] = set()
        for one in plan.steps:
            if any(need not in results for need in one.needs):
                continue
            name = str(one.id)
            entries = [Entry(f"files:{name}", digest_of(self.world.files.get(name, "")))]
            entries += [Entry(f"step:{need}", results[need]) for need in one.needs]
            mark = fingerprint(entries)
            known = self.seen.setdefault(name, {})
            if one.role is Role.VALUE:
                fresh = mark in known
            else:
                fresh = self.last.get(name) == mark and self.world.made.get(name) == known.get(mark)
            if not fresh:
                ran.add(name)
                if name in self.world.failing:
                    continue
                known[mark] = self.world.digest(name, mark)
                self.last[name] = mark
            results[name] = known[mark]
        return ran, results


@st.composite
def graphs(draw: st.DrawFn) -> Plan:
    count = draw(st.integers(1, 8))
    steps = []
    for number in range(count):
        earlier = [f"s{i}" for i in range(number)]
        needs = draw(st.lists(st.sampled_from(earlier), max_size=3, unique=True)) if earlier else []
        after = draw(st.lists(st.sampled_from(earlier), max_size=1)) if earlier else []
        role = draw(st.sampled_from([Role.VALUE, Role.EFFECT]))
        steps.append(step(f"s{number}", needs, role=role, pool=draw(st.sampled_from(["", "build"])), after=after))
    return Graph(steps).lower(project="p", pipeline="dev")


Edit = tuple[str, int, int]
one_edit = st.tuples(st.sampled_from(["file", "gone", "fail", "heal"]), st.integers(0, 7), st.integers(0, 2))
edits = st.lists(st.lists(one_edit, max_size=3), min_size=1, max_size=5)


def apply(world: World, changes: Sequence[Edit], count: int) -> None:
    for kind, number, value in changes:
        name = f"s{number % count}"
        if kind == "file":
            world.files[name] = str(value)
        elif kind == "gone":
            world.made.pop(name, None)
        elif kind == "fail":
            world.failing.add(name)
        else:
            world.failing.discard(name)


@settings(max_examples=150, deadline=None)
@given(plan=graphs(), rounds=edits, coarse=st.sets(st.integers(0, 7)))
def test_after_any_edits_exactly_the_minimal_set_runs_and_the_result_is_that_of_a_clean_run(
    plan: Plan, rounds: list[list[Edit]], coarse: set[int]
) -> None:
    world, journal = World(), MemoryJournal()
    world.coarse = {f"s{number}" for number in coarse}
    naive = Naive(world)
    for changes in [[], *rounds]:
        apply(world, changes, len(plan.steps))
        made = dict(world.made)
        must, results = naive.run(plan)
        world.made = made
        code, told = run(world, journal, plan)
        assert set(world.ran) == must
        assert len(world.ran) == len(must), "a step ran twice"
        latest = {str(s.id): journal.latest(s.id) for s in plan.steps}
        assert {name: latest[name].result.digest for name in results} == results  # type: ignore[union-attr]
        assert (code == 0) == (set(results) == {str(s.id) for s in plan.steps})
        assert isinstance(told.events[-1], RunEnded)


@settings(max_examples=150, deadline=None)
@given(plan=graphs(), rounds=edits, coarse=st.sets(st.integers(0, 7)))
def test_a_plan_is_a_promise_and_changes_nothing(plan: Plan, rounds: list[list[Edit]], coarse: set[int]) -> None:
    world, journal = World(), MemoryJournal()
    world.coarse = {f"s{number}" for number in coarse}
    for changes in [[], *rounds]:
        apply(world, changes, len(plan.steps))
        before = (dict(world.made), {k: list(v) for k, v in journal.traces.items()})
        verdicts = {str(v.step): v.verdict for v in foreseen(world, journal, plan)}
        assert (world.made, journal.traces) == before
        run(world, journal, plan)
        will = {name for name, verdict in verdicts.items() if verdict == "run"}
        may = {name for name, verdict in verdicts.items() if verdict == "may"}
        ran = set(world.ran)
        assert ran <= will | may
        if not world.failing:
            assert will <= ran


@settings(max_examples=100, deadline=None)
@given(plan=graphs(), rounds=edits)
def test_every_run_has_reasons_and_each_reason_is_true(plan: Plan, rounds: list[list[Edit]]) -> None:
    world, journal = World(), MemoryJournal()
    for changes in [[], *rounds]:
        apply(world, changes, len(plan.steps))
        before = {s.id: journal.latest(s.id) for s in plan.steps}
        _, told = run(world, journal, plan)
        for event in told.of(Started):
            assert isinstance(event, Started)
            assert event.reasons
            latest = before[event.step]
            now = {str(s.id): journal.latest(s.id) for s in plan.steps}
            for reason in event.reasons:
                if reason.kind is ReasonKind.NEVER_RAN:
                    assert latest is None
                elif reason.kind is ReasonKind.INPUT_CHANGED:
                    assert latest is not None
                    old = {e.name: e.digest for e in latest.entries}
                    assert old[f"files:{reason.subject}"] != digest_of(world.files.get(reason.subject, ""))
                elif reason.kind is ReasonKind.UPSTREAM_CHANGED:
                    assert latest is not None
                    old = {e.name: e.digest for e in latest.entries}
                    upstream = now[reason.subject]
                    assert upstream is not None
                    assert old[f"step:{reason.subject}"] != upstream.result.digest
                else:
                    assert reason.kind is ReasonKind.RESULT_GONE


def test_independent_branches_finish_when_one_fails() -> None:
    steps = [step("bad"), step("good"), step("behind", ["bad"]), step("also", ["good"])]
    plan = Graph(steps).lower(project="p", pipeline="x")
    world, journal = World(), MemoryJournal()
    world.failing.add("bad")
    code, told = run(world, journal, plan)
    assert code == 1
    assert sorted(world.ran) == ["also", "bad", "good"]
    assert [event.step for event in told.of(Failed)] == ["bad"]  # type: ignore[union-attr]
    assert journal.latest(StepId("also")) is not None


def test_a_second_run_says_of_every_step_that_it_is_up_to_date() -> None:
    plan = Graph([step("a"), step("b", ["a"], role=Role.EFFECT)]).lower(project="p", pipeline="x")
    world, journal = World(), MemoryJournal()
    run(world, journal, plan)
    code, told = run(world, journal, plan)
    assert code == 0
    assert world.ran == []
    assert [event.step for event in told.of(Skipped)] == ["a", "b"]  # type: ignore[union-attr]
