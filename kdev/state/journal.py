"""The traces on disk: the latest of each step, and earlier successes by fingerprint. Meets core.ports.Journal.

Rows are marshal blobs of plain tuples: no import, 3 us a row. They hold no blob of a result (rendered objects have
secrets) and no listing but those of latest traces.
"""

from __future__ import annotations

import gc
import marshal
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from kdev.core.inputs import Entry
from kdev.core.step import Result, StepId, Trace
from kdev.state.store import Store

KEPT = 50
"""Earlier successes kept for each step, the newest."""

# Readable by every Python that kdev runs on; later formats add only back references.
_FORMAT = 2


class Journal:
    """Traces of one project. One thread. Raises StateError when the state cannot be read or written."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._latest: dict[StepId, Trace] | None = None

    def latest(self, step: StepId) -> Trace | None:
        """What the step last succeeded with."""
        return self._known().get(step)

    def all_latest(self) -> dict[StepId, Trace]:
        """The latest trace of every step."""
        return dict(self._known())

    def _known(self) -> dict[StepId, Trace]:
        """Read at once and kept: a run asks for nearly every step, and one by one takes three times as long."""
        if self._latest is None:
            bodies = [body for (body,) in self._store.rows("SELECT body FROM latest")]
            # Ten thousand traces are a quarter of a million objects, none of them garbage: collecting doubles the time.
            collecting = gc.isenabled()
            gc.disable()
            try:
                self._latest = {trace.step: trace for trace in _decode_all(bodies)}
            finally:
                if collecting:
                    gc.enable()
        return self._latest

    def find(self, step: StepId, fingerprint: str) -> Trace | None:
        """An earlier success with exactly these inputs, among the last KEPT."""
        latest = self.latest(step)
        if latest is None or latest.fingerprint == fingerprint:
            return latest
        return _first(
            self._store.rows("SELECT body FROM traces WHERE step=? AND fingerprint=?", (step, fingerprint))
        )

    def history(self, step: StepId) -> Sequence[Trace]:
        """Every success that is kept, oldest first."""
        rows = self._store.rows("SELECT body FROM traces WHERE step=? ORDER BY finished, fingerprint", (step,))
        return _decode_all([body for (body,) in rows])

    def record(self, trace: Trace, listings: Mapping[str, Mapping[str, str]]) -> None:
        """Durable when it returns. `listings` are those of the trace's listed entries, by digest."""
        body = _encode(trace)
        wanted = {entry.digest for entry in trace.entries if entry.listed and entry.digest in listings}

        def work(db: sqlite3.Connection) -> None:
            step = trace.step
            db.execute("INSERT OR REPLACE INTO latest VALUES (?,?)", (step, body))
            db.execute(
                "INSERT OR REPLACE INTO traces VALUES (?,?,?,?)", (step, trace.fingerprint, trace.finished, body)
            )
            db.execute(
                "DELETE FROM traces WHERE step=?1 AND fingerprint NOT IN "
                "(SELECT fingerprint FROM traces WHERE step=?1 ORDER BY finished DESC LIMIT ?2)",
                (step, KEPT),
            )
            self._relist(db, step, wanted, listings)

        self._store.write(work)
        if self._latest is not None:
            self._latest[trace.step] = trace

    def listing(self, digest: str) -> Mapping[str, str]:
        """path → digest behind a listed entry of some latest trace; {} when it is not known any more."""
        for (body,) in self._store.rows("SELECT body FROM listings WHERE digest=?", (digest,)):
            with suppress(ValueError, EOFError, TypeError):
                found = marshal.loads(body)
                return found if isinstance(found, dict) else {}
        return {}

    def forget(self, step: StepId) -> None:
        """As if the step had never run."""

        def work(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM latest WHERE step=?", (step,))
            db.execute("DELETE FROM traces WHERE step=?", (step,))
            self._relist(db, step, set(), {})

        self._store.write(work)
        if self._latest is not None:
            self._latest.pop(step, None)

    def keep_only(self, steps: set[StepId]) -> None:
        """Forget every step that is not among `steps`, those of the whole compiled configuration."""
        for step in sorted(self._known().keys() - steps):
            self.forget(step)

    def _relist(
        self, db: sqlite3.Connection, step: StepId, wanted: set[str], listings: Mapping[str, Mapping[str, str]]
    ) -> None:
        """The step's latest trace now refers to `wanted`; listings that no step refers to any more go."""
        before = {digest for (digest,) in db.execute("SELECT digest FROM listed WHERE step=?", (step,))}
        for digest in before - wanted:
            db.execute("DELETE FROM listed WHERE step=? AND digest=?", (step, digest))
            db.execute(
                "DELETE FROM listings WHERE digest=?1 AND NOT EXISTS (SELECT 1 FROM listed WHERE digest=?1)", (digest,)
            )
        for digest in wanted - before:
            db.execute("INSERT INTO listed VALUES (?,?)", (step, digest))
            if not db.execute("SELECT 1 FROM listings WHERE digest=?", (digest,)).fetchone():
                body = marshal.dumps(dict(listings[digest]), _FORMAT)
                db.execute("INSERT INTO listings VALUES (?,?)", (digest, body))


def _encode(trace: Trace) -> bytes:
    """Plain tuples: marshal refuses subclasses, and NamedTuples are."""
    return marshal.dumps(
        (
            str(trace.step),
            trace.fingerprint,
            tuple(tuple(entry) for entry in trace.entries),
            trace.result.digest,
            tuple(tuple(pair) for pair in trace.result.values),
            trace.seconds,
            trace.finished,
            trace.run,
        ),
        _FORMAT,
    )


def _decode(body: bytes) -> Trace | None:
    """None for a row that is no trace: the step then runs once more."""
    with suppress(ValueError, EOFError, TypeError):
        return _trace(marshal.loads(body))
    return None


def _decode_all(bodies: list[bytes]) -> list[Trace]:
    """Every row that is a trace. Rows put end to end are one marshal list, and that loads in a third of the time."""
    with suppress(ValueError, EOFError, TypeError):
        rows = marshal.loads(b"[" + len(bodies).to_bytes(4, "little") + b"".join(bodies))
        return [_trace(row) for row in rows]
    return [trace for trace in map(_decode, bodies) if trace is not None]


def _trace(row: tuple[Any, ...]) -> Trace:
    step, fingerprint, entries, digest, values, seconds, finished, run = row
    result = tuple.__new__(Result, (digest, values, None))
    return tuple.__new__(
        Trace, (step, fingerprint, tuple(map(_as_entry, entries)), result, seconds, finished, run)
    )


# What the types' constructors do, without their Python frames: half the time of ten thousand traces.
_as_entry = partial(tuple.__new__, Entry)


def _first(rows: list[tuple[Any, ...]]) -> Trace | None:
    return _decode(rows[0][0]) if rows else None
