"""The state table: every event in every state is either a legal move or no move, and nothing is ever lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdev.core.graph import Graph
from kdev.core.plan import Plan
from kdev.core.scheduler import MOVES, SETTLED, Block, Check, Command, Confirm, Run, Scheduler, State, Stop
from kdev.core.step import Reason, ReasonKind, Role
from tests.fakes.world import step

WHY = (Reason(ReasonKind.NEVER_RAN),)


def scheduler(*names: str, role: Role = Role.VALUE, **more: object) -> Scheduler:
    """A chain of steps, each needing the one before."""
    steps = [step(name, names[i - 1 : i] if i else (), role=role) for i, name in enumerate(names)]
    plan = Graph(steps).lower(project="p", pipeline="x")
    return Scheduler(plan, {}, [1.0] * len(names), **more)  # type: ignore[arg-type]


class Walk:
    """Drives a scheduler at random, as a world would: answers every command, in any order, with any outcome."""

    def __init__(self, plan: Plan, data: st.DataObject) -> None:
        self.plan = plan
        self.data = data
        self.scheduler = Scheduler(plan, {"build": 1}, [1.0] * len(plan.steps))
        self.open: list[Command] = []
        self.live: set[int] = set()  # steps with a worker

    def follow(self, commands: list[Command]) -> None:
        for command in commands:
            if isinstance(command, Run):
                assert command.step not in self.live, "two workers for one step"
                self.live.add(command.step)
            if not isinstance(command, Block):
                self.open.append(command)
        running = [step for step in (self.plan.steps[i] for i in self.live) if step.role is not Role.SERVICE]
        assert sum(step.pool == "build" for step in running) <= 1, "the pool has one place"

    def answer(self) -> None:
        index = self.data.draw(st.integers(0, len(self.open) - 1))
        command = self.open.pop(index)
        one = command.step
        draw = self.data.draw
        if isinstance(command, Check):
            kind = draw(st.sampled_from(["run", "skip", "unreadable"]))
            if kind == "unreadable":
                self.follow(self.scheduler.unreadable(one))
            else:
                self.follow(self.scheduler.checked(one, WHY if kind == "run" else (), "same"))
        elif isinstance(command, Confirm):
            self.follow(self.scheduler.confirmed(one, draw(st.booleans())))
        elif isinstance(command, Run):
            self._ran(one, draw)
        elif isinstance(command, Stop) and one in self.live:
            self.open = [c for c in self.open if not (isinstance(c, (Run, Stop)) and c.step == one)]
            self.live.discard(one)
            self.follow(self.scheduler.ended(one))

    def _ran(self, one: int, draw: Callable[..., object]) -> None:
        if one not in self.live:
            return
        service = self.plan.steps[one].role is Role.SERVICE
        kind = draw(st.sampled_from(["ok", "fail"]))
        if service and kind == "ok" and not self.scheduler.alive(one):
            self.follow(self.scheduler.serving(one, "up"))
            return  # it lives on
        self.live.discard(one)
        if kind == "fail":
            self.follow(self.scheduler.failed(one))
        else:
            digest = str(draw(st.integers(0, 1)))
            self.follow(self.scheduler.finished(one, digest, outdated=bool(draw(st.booleans()))))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    steps = []
    for number in range(draw(st.integers(1, 6))):
        earlier = [f"s{i}" for i in range(number)]
        needs = draw(st.lists(st.sampled_from(earlier), max_size=2, unique=True)) if earlier else []
        after = draw(st.lists(st.sampled_from(earlier), max_size=1)) if earlier else []
        role, pool = draw(st.sampled_from(list(Role))), draw(st.sampled_from(["", "build"]))
        steps.append(step(f"s{number}", needs, role=role, after=after, pool=pool))
    return Graph(steps).lower(project="p", pipeline="x")


@settings(max_examples=400, deadline=None)
@given(plan=plans(), data=st.data())
def test_any_order_of_answers_and_changes_keeps_to_the_table_and_comes_to_rest(plan: Plan, data: st.DataObject) -> None:
    walk = Walk(plan, data)
    walk.follow(walk.scheduler.start())
    for _ in range(data.draw(st.integers(0, 30))):
        if walk.open and data.draw(st.booleans()):
            walk.answer()
        elif data.draw(st.booleans()):
            walk.follow(walk.scheduler.touched([data.draw(st.integers(0, len(plan.steps) - 1))]))
        elif dying := [i for i in walk.live if walk.scheduler.alive(i) and not any(c.step == i for c in walk.open)]:
            walk.live.discard(dying[0])
            walk.follow(walk.scheduler.failed(dying[0]))
    settle(walk)
    assert walk.scheduler.idle
    assert all(state in SETTLED for state in walk.scheduler.states)


def settle(walk: Walk) -> None:
    """Answer everything in the friendliest way until nothing is open."""
    for _ in range(2000):
        if not walk.open:
            return
        command = walk.open.pop(0)
        one = command.step
        if isinstance(command, Check):
            walk.follow(walk.scheduler.checked(one, (), "same"))
        elif isinstance(command, Confirm):
            walk.follow(walk.scheduler.confirmed(one, False))
        elif one in walk.live and isinstance(command, Run):
            if walk.plan.steps[one].role is Role.SERVICE:
                walk.follow(walk.scheduler.serving(one, "up"))
            else:
                walk.live.discard(one)
                walk.follow(walk.scheduler.finished(one, "same"))
        elif one in walk.live and isinstance(command, Stop):
            walk.open = [c for c in walk.open if not (isinstance(c, Run) and c.step == one)]
            walk.live.discard(one)
            walk.follow(walk.scheduler.ended(one))
    raise AssertionError("it never comes to rest")


def test_every_state_is_in_the_table_and_can_be_left() -> None:
    assert set(MOVES) == set(State)
    assert all(MOVES.values())


def test_a_change_during_a_check_is_looked_at_again() -> None:
    one = scheduler("a")
    assert one.start() == [Check(0)]
    assert one.touched([0]) == []
    assert one.checked(0, (), "x") == [Check(0)]


def test_an_equal_result_stops_the_wave() -> None:
    two = scheduler("a", "b")
    two.start()
    two.checked(0, (), "x")
    two.checked(1, (), "y")
    assert two.touched([0]) == [Check(0)]
    assert two.checked(0, WHY) == [Run(0, WHY)]
    assert two.finished(0, "x") == [], "b sees the result it saw before"
    assert two.idle


def test_a_different_result_moves_on() -> None:
    two = scheduler("a", "b")
    two.start()
    two.checked(0, (), "x")
    two.checked(1, (), "y")
    two.touched([0])
    two.checked(0, WHY)
    assert two.finished(0, "z") == [Check(1)]


@pytest.mark.parametrize(
    ("role", "stops"),
    [pytest.param(Role.VALUE, True, id="a build is cancelled"), pytest.param(Role.EFFECT, False, id="a deploy is not")],
)
def test_an_edit_under_a_running_step(role: Role, stops: bool) -> None:
    one = scheduler("a", role=role)
    one.start()
    one.checked(0, WHY)
    assert one.touched([0]) == [Confirm(0)]
    assert one.confirmed(0, True) == ([Stop(0, ())] if stops else [])
    follow = one.ended(0) if stops else one.finished(0, "x")
    assert follow == [Check(0)], "the edit is not lost"


def test_an_edit_that_changes_no_content_leaves_a_running_build_alone() -> None:
    one = scheduler("a")
    one.start()
    one.checked(0, WHY)
    one.touched([0])
    assert one.confirmed(0, False) == []
    assert one.finished(0, "x") == []
    assert one.idle


def test_a_service_stays_alive_while_what_it_needs_is_rebuilt_to_the_same() -> None:
    steps = [step("a"), step("f", ["a"], role=Role.SERVICE)]
    both = Scheduler(Graph(steps).lower(project="p", pipeline="x"), {}, [1.0, 1.0])
    both.start()
    both.checked(0, (), "x")
    both.checked(1, WHY)
    both.serving(1, "up")
    both.touched([0])
    both.checked(0, WHY)
    assert both.finished(0, "x") == []
    assert both.alive(1)


def test_a_service_whose_inputs_differ_is_stopped_and_started_with_the_same_reasons() -> None:
    one = scheduler("f", role=Role.SERVICE)
    one.start()
    one.checked(0, WHY)
    one.serving(0, "up")
    one.touched([0])
    replaced = (Reason(ReasonKind.POD_REPLACED, "web"),)
    assert one.checked(0, replaced) == [Stop(0, replaced)]
    assert one.ended(0) == [Run(0, replaced)]


def test_a_failed_step_blocks_those_behind_it_and_is_tried_again_at_its_next_change() -> None:
    two = scheduler("a", "b")
    two.start()
    two.checked(0, WHY)
    assert two.failed(0) == [Block(1, 0)]
    assert two.idle
    assert two.touched([0]) == [Check(0)]
    assert two.checked(0, WHY) == [Run(0, WHY)]
    assert two.finished(0, "x") == [Check(1)]


def test_the_longest_chain_goes_first_when_places_are_few() -> None:
    steps = [step(name, pool="build") for name in ("first", "short", "long")]
    three = Scheduler(Graph(steps).lower(project="p", pipeline="x"), {"build": 1}, [1.0, 1.0, 9.0])
    three.start()
    assert three.checked(0, WHY) == [Run(0, WHY)]
    assert three.checked(1, WHY) == three.checked(2, WHY) == []
    assert three.finished(0, "x") == [Run(2, WHY)]
    assert three.finished(2, "x") == [Run(1, WHY)]


def test_a_service_that_dies_is_a_failure_and_comes_back_when_tried_again() -> None:
    one = scheduler("f", role=Role.SERVICE)
    one.start()
    one.checked(0, WHY)
    one.serving(0, "up")
    one.failed(0)
    assert one.states == [State.FAILED]
    assert one.touched([0]) == [Check(0)]


def test_after_closing_nothing_new_is_started() -> None:
    two = scheduler("a", "b")
    two.start()
    two.checked(0, WHY)
    assert two.close() == [Stop(0, ())]
    assert two.finished(0, "x") == []
