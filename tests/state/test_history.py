"""Runs and what they did with each step: kept in order, pruned, written once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kdev.core.step import Reason, ReasonKind, StepId
from kdev.state import history as history_module
from kdev.state.folder import StateFolder
from kdev.state.history import History, Note, Run
from kdev.state.store import Store

BUILD = StepId("build:web")
REASONS = (Reason(ReasonKind.INPUT_CHANGED, "src/a.py"), Reason(ReasonKind.FORCED, "-b", "twice"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(StateFolder(str(tmp_path)))
    yield opened
    opened.close()


def test_a_run_is_remembered_with_its_notes(store: Store) -> None:
    history = History(store)
    run = Run("r1", "dev", "docker", 100.0)
    ran = Note("r1", BUILD, "ran", REASONS, "", 2.5, 101.0)
    skipped = Note("r1", StepId("deploy:web"), "skipped", (), "inputs equal", 0.0, 102.0)
    history.begin(run)
    history.note(ran)
    history.note(skipped)
    history.end("r1", 0, 103.0)

    again = History(store)
    assert again.runs() == [run._replace(ended=103.0, exit_code=0)]
    assert again.of_run("r1") == [ran, skipped]
    assert again.of_step(BUILD) == [ran]


def test_a_run_that_was_killed_has_no_end(store: Store) -> None:
    History(store).begin(Run("r1", "dev", "docker", 100.0))
    assert History(store).runs()[0].exit_code == -1


def test_the_newest_come_first(store: Store) -> None:
    history = History(store)
    for number in range(5):
        history.begin(Run(f"r{number}", "dev", "docker", 100.0 + number))
        history.note(Note(f"r{number}", BUILD, "ran", at=100.0 + number))
        history.end(f"r{number}", 0, 101.0 + number)

    assert [run.run for run in history.runs(2)] == ["r4", "r3"]
    assert [note.run for note in history.of_step(BUILD, 3)] == ["r4", "r3", "r2"]


def test_two_notes_about_one_step_in_one_run_are_both_kept(store: Store) -> None:
    history = History(store)
    history.begin(Run("r1", "dev", "docker", 1.0))
    history.note(Note("r1", BUILD, "failed", REASONS, "exit code 1", 1.0, 2.0))
    history.flush()
    history.note(Note("r1", BUILD, "ran", REASONS, "", 1.0, 3.0))
    history.flush()
    assert [note.verdict for note in history.of_step(BUILD)] == ["ran", "failed"]


def test_old_runs_are_forgotten_with_their_notes(store: Store) -> None:
    history = History(store)
    for number in range(history_module.KEPT_RUNS + 3):
        history.begin(Run(f"r{number}", "dev", "docker", float(number)))
        history.note(Note(f"r{number}", BUILD, "ran", at=float(number)))
        history.end(f"r{number}", 0, number + 0.5)

    runs = history.runs(1000)
    assert len(runs) == history_module.KEPT_RUNS
    assert {note.run for note in history.of_step(BUILD, 1000)} == {run.run for run in runs}
