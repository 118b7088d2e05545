"""What each run did with each step, and why: the memory behind `kdev why` and `kdev history`. Pruned, never judged."""

from __future__ import annotations

import marshal
import sqlite3
from contextlib import suppress
from typing import NamedTuple

from kdev.core.step import Reason, ReasonKind, StepId
from kdev.state.store import Row, Store

KEPT_RUNS = 100
KEPT_NOTES = 100_000
"""Bounds over all runs; the oldest runs go first, the last one always stays."""

_COLUMNS = "run, step, verdict, reasons, detail, seconds, at"


class Run(NamedTuple):
    """One session. Times are Unix seconds; `ended` is 0 and `exit_code` -1 while it runs, or when it was killed."""

    run: str
    pipeline: str
    target: str
    started: float
    ended: float = 0.0
    exit_code: int = -1


class Note(NamedTuple):
    """What became of a step in a run. `verdict` is `ran`, `skipped`, `failed`, `blocked` or `stopped`.

    `detail` is a sentence: why it was skipped, or how it failed.
    """

    run: str
    step: StepId
    verdict: str
    reasons: tuple[Reason, ...] = ()
    detail: str = ""
    seconds: float = 0.0
    at: float = 0.0


class History:
    """Runs and notes of one project. Notes are kept back until `flush` or `end`, so a no-op run writes once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pending: list[Note] = []
        self._number = 0

    def begin(self, run: Run) -> None:
        """A run starts; what is over the bounds is forgotten."""

        def work(db: sqlite3.Connection) -> None:
            db.execute("INSERT OR REPLACE INTO runs VALUES (?,?,?,?,?,?)", run)
            _prune(db)

        self._store.write(work)

    def note(self, note: Note) -> None:
        """Remember what became of a step."""
        self._pending.append(note)

    def flush(self) -> None:
        """Write the notes so far, e.g. when something failed."""
        if self._pending:
            self._store.write(self._write_pending)

    def end(self, run: str, exit_code: int, at: float) -> None:
        """The run is over; its notes are on disk when this returns."""

        def work(db: sqlite3.Connection) -> None:
            self._write_pending(db)
            db.execute("UPDATE runs SET ended=?, exit_code=? WHERE run=?", (at, exit_code, run))

        self._store.write(work)

    def runs(self, limit: int = 20) -> list[Run]:
        """The last runs, newest first."""
        rows = self._store.rows(
            "SELECT run, pipeline, target, started, ended, exit_code FROM runs ORDER BY started DESC, run DESC LIMIT ?",
            (limit,),
        )
        return [Run(*row) for row in rows]

    def of_run(self, run: str) -> list[Note]:
        """The notes of a run, in the order in which they were made."""
        self.flush()
        rows = self._store.rows(f"SELECT {_COLUMNS} FROM notes WHERE run=? ORDER BY number", (run,))
        return [_note(row) for row in rows]

    def of_step(self, step: StepId, limit: int = 20) -> list[Note]:
        """The last notes about a step, newest first."""
        self.flush()
        rows = self._store.rows(
            f"SELECT {_COLUMNS} FROM notes WHERE step=? ORDER BY at DESC, number DESC LIMIT ?", (step, limit)
        )
        return [_note(row) for row in rows]

    def _write_pending(self, db: sqlite3.Connection) -> None:
        rows = []
        for note in self._pending:
            self._number += 1
            rows.append((note.run, note.step, self._number, note.verdict, _pack(note.reasons), *note[4:]))
        db.executemany("INSERT OR REPLACE INTO notes VALUES (?,?,?,?,?,?,?,?)", rows)
        self._pending.clear()


def _prune(db: sqlite3.Connection) -> None:
    sizes = db.execute(
        "SELECT runs.run, count(notes.number) FROM runs LEFT JOIN notes ON notes.run=runs.run "
        "GROUP BY runs.run ORDER BY runs.started DESC, runs.run DESC"
    ).fetchall()
    total = 0
    for position, (run, size) in enumerate(sizes):
        total += size
        if position and (position >= KEPT_RUNS or total > KEPT_NOTES):
            db.execute("DELETE FROM notes WHERE run=?", (run,))
            db.execute("DELETE FROM runs WHERE run=?", (run,))


def _pack(reasons: tuple[Reason, ...]) -> bytes:
    return marshal.dumps([(reason.kind.value, reason.subject, reason.detail) for reason in reasons], 2)


def _note(row: Row) -> Note:
    run, step, verdict, packed, detail, seconds, at = row
    reasons: tuple[Reason, ...] = ()
    with suppress(ValueError, EOFError, TypeError):
        reasons = tuple(Reason(ReasonKind(kind), subject, more) for kind, subject, more in marshal.loads(packed))
    return Note(run, StepId(step), verdict, reasons, detail, seconds, at)
