"""What the live view shows, and how it gets onto a terminal."""

from __future__ import annotations

import io
import re
import threading
import time

import pytest

from kdev.core import events
from kdev.core.step import Result
from kdev.report.board import Board
from kdev.report.clean import clip, width
from kdev.report.live import Live
from kdev.report.paint import Paint, use_colour
from kdev.report.region import Region
from tests.report.stories import FORWARD, HOOK, LOGS, SESSION, WEB, FakeClock, step, why


def board(*story: events.Event) -> Board:
    made = Board(Paint(False))
    for event in story:
        made.feed(event, 10.0)
    return made


def test_the_lasting_lines_of_a_session() -> None:
    assert "\n".join(board(*SESSION).take_lines()) == """\
dev shop on docker, 5 steps
✓ build:web      2.1 s  input changed: web/Dockerfile
● forward:web   127.0.0.1:8080 → web:8080
● logs:all      web
✗ hook:migrate failed after 50 ms
  the command `./migrate` ended with exit code 3
  │ migrating
  hint: try again
- deploy:shop   not run, hook:migrate failed
web-7d/web │ GET / 200
! pod web-7d restarted
↻ changed: web/app.py
✓ build:web      1.0 s  same result as before; input changed: web/app.py
✓ ready in 1.2 s: 1 ran, 4 up to date, 2 serving
○ forward:web   stopped  pod replaced: web-7d
failed after 1 min 15 s: 2 ran, 1 up to date, 1 failed
  hook:migrate: the command `./migrate` ended with exit code 3"""


def test_the_rows_show_what_runs_and_its_last_words() -> None:
    made = board(SESSION[0], events.Skipped(step("build:api"), "equal"), events.Started(WEB, why("never ran")),
                 events.Progress(WEB, "layers", 1, 2), events.Started(HOOK, why("never ran")),
                 events.Output(HOOK, "migrating"))
    assert made.busy
    assert made.rows(12.5, 24) == [
        "⠋ build:web      2.5 s  ━━━━━━━━╌╌╌╌╌╌╌╌ layers",
        "⠋ hook:migrate   2.5 s  migrating",
        "0 done  1 up to date  2.5 s",
    ]


def test_when_all_is_ready_the_row_names_what_is_served() -> None:
    made = board(SESSION[0], events.Started(FORWARD, ()), events.Serving(FORWARD, "127.0.0.1:8080 → web:8080"),
                 events.Ready(1, 1, 4))
    assert not made.busy
    assert made.rows(99, 24) == ["● forward:web 127.0.0.1:8080 → web:8080"]


def test_a_service_that_is_busy_says_with_what_until_it_is_done() -> None:
    made = board(events.Serving(FORWARD, "./web ↔ /app"), events.Progress(FORWARD, "sending 3 files", 1, 3))
    assert made.rows(10, 24) == ["● forward:web sending 3 files"]
    made.feed(events.Progress(FORWARD, "sending 3 files", 3, 3), 10)
    assert made.rows(10, 24) == ["● forward:web ./web ↔ /app"]


def test_a_failure_stays_in_sight() -> None:
    made = board(SESSION[0], events.Failed(HOOK, "it failed", "", "", 1))
    assert made.rows(10, 24) == ["✗ hook:migrate failed"]
    made.feed(events.Started(HOOK, ()), 10)
    assert "✗" not in made.rows(10, 24)[-1]


def test_many_running_steps_take_at_most_half_of_the_terminal() -> None:
    made = board(*(events.Started(step(f"build:{number}"), ()) for number in range(40)))
    rows = made.rows(10, 24)
    assert len(rows) == 12
    assert rows[-2] == "  … and 30 more"


def test_a_thousand_finished_steps_leave_few_lines() -> None:
    made = board(*(events.Finished(step(f"build:{number}"), Result("x"), 1, True) for number in range(1000)))
    assert len(made.take_lines()) == 31


def test_words_of_a_service_are_shown_and_those_of_a_step_only_when_it_fails() -> None:
    made = board(events.Output(WEB, "hidden"), events.Serving(LOGS, "x"), events.Output(LOGS, "lost the engine"))
    assert made.take_lines()[1:] == ["logs:all lost the engine"]


class Terminal(io.StringIO):
    """A small terminal: rows, a cursor, the sequences that Region uses."""

    def __init__(self, columns: int = 40) -> None:
        super().__init__()
        self.columns = columns
        self.rows = [""]
        self.row = 0
        self.writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        for piece in re.split(r"(\x1b\[\d*[AJ]|\r|\n)", text):
            if piece == "\n":
                self.row += 1
                self.rows[self.row :] = self.rows[self.row :] or [""]
            elif piece == "\r":
                continue  # every text that follows starts at the first column, after an erase
            elif piece == "\x1b[J":
                self.rows[self.row :] = [""]
            elif piece.startswith("\x1b["):
                self.row -= int(piece[2:-1])
            elif piece:
                assert self.rows[self.row] == ""
                self.rows[self.row] = piece
        return len(text)

    def size(self) -> tuple[int, int]:
        return self.columns, 10

    def shrink(self, columns: int) -> None:
        """Wrap rows that are too long, as terminals do."""
        self.columns = columns
        self.rows = [row[at : at + columns] for row in self.rows for at in range(0, max(1, len(row)), columns)]
        self.row = len(self.rows) - 1


def test_rows_are_replaced_and_lines_above_them_stay() -> None:
    terminal = Terminal()
    region = Region(terminal.size)
    terminal.write(region.draw(["one"], ["a", "b", "c"]))
    terminal.write(region.draw(["two"], ["d"]))
    terminal.write(region.draw([], ["e", "f"]))
    assert terminal.rows == ["one", "two", "e", "f"]
    terminal.write(region.draw(["three"], []))
    assert terminal.rows == ["one", "two", "three", ""]


def test_nothing_is_written_when_nothing_differs() -> None:
    terminal = Terminal()
    region = Region(terminal.size)
    terminal.write(region.draw([], ["a"]))
    assert region.draw([], ["a"]) == ""


def test_a_terminal_that_became_narrower_is_redrawn_without_remains() -> None:
    terminal = Terminal(40)
    region = Region(terminal.size)
    terminal.write(region.draw(["kept"], ["x" * 60, "y" * 30, "z"]))
    terminal.shrink(16)
    terminal.write(region.draw([], ["x" * 60, "y"]))
    assert terminal.rows == ["kept", "x" * 14 + "…", "y"]


@pytest.mark.parametrize(
    ("text", "columns", "cut"),
    [
        ("abc", 3, "abc"), ("abcd", 3, "ab…"), ("名前です", 5, "名前…"), ("名前です", 4, "名…"),
        ("\x1b[31mabcd\x1b[0m", 3, "\x1b[31mab…\x1b[0m"), ("\x1b[31mabc\x1b[0m", 3, "\x1b[31mabc\x1b[0m"),
        ("abc", 0, ""), ("e\u0301e\u0301", 2, "e\u0301e\u0301"),
    ],
)
def test_text_is_cut_by_columns(text: str, columns: int, cut: str) -> None:
    assert clip(text, columns) == cut
    assert width(cut) <= max(columns, 0)


def until(true: threading.Event, deadline: float = 5.0) -> None:
    assert true.wait(deadline)


class Watched(io.StringIO):
    """Tells when a text was written."""

    def __init__(self, wanted: str) -> None:
        super().__init__()
        self.wanted = wanted
        self.seen = threading.Event()

    def write(self, text: str) -> int:
        written = super().write(text)
        if self.wanted in self.getvalue():
            self.seen.set()
        return written


def test_the_live_view_draws_by_itself() -> None:
    stream = Watched("build:web")
    live = Live(stream, FakeClock(), lambda: (80, 24), paint=Paint(False))
    live.tell(SESSION[0])
    live.tell(events.Started(WEB, why("never ran")))
    until(stream.seen)
    live.close()


class Stuck(io.StringIO):
    """A terminal that was stopped (Ctrl-S) until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.blocked, self.go = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        self.blocked.set()
        assert self.go.wait(5)
        return super().write(text)


def test_a_terminal_that_does_not_take_anything_holds_up_nobody_who_tells() -> None:
    stream = Stuck()
    live = Live(stream, FakeClock(), lambda: (80, 24), paint=Paint(False))
    live.tell(SESSION[0])
    until(stream.blocked)
    for event in SESSION[1:]:
        live.tell(event)
    stream.go.set()
    live.close()
    assert stream.getvalue().endswith("ended with exit code 3\n")


def test_closing_writes_what_was_held_back_and_takes_the_rows_away() -> None:
    terminal = Terminal(80)
    live = Live(terminal, FakeClock(), terminal.size, paint=Paint(False))
    for event in SESSION:
        live.tell(event)
    live.close()
    live.tell(events.Notice("late"))
    live.close()
    assert terminal.rows[0] == "dev shop on docker, 5 steps"
    assert terminal.rows[-2:] == ["  hook:migrate: the command `./migrate` ended with exit code 3", ""]


def test_a_lent_terminal_is_left_alone() -> None:
    stream = io.StringIO()
    live = Live(stream, FakeClock(), lambda: (80, 24), paint=Paint(False))
    live.tell(events.Notice("before"))
    with live.silence():
        assert "before" in stream.getvalue()
        written = stream.getvalue()
        live.tell(events.Started(WEB, ()))
        for number in range(6000):
            live.tell(events.Notice(f"meanwhile {number}"))
        assert stream.getvalue() == written
        live.close()
        assert stream.getvalue() == written
    assert "meanwhile 5999" in stream.getvalue()
    assert "meanwhile 0\n" not in stream.getvalue()


def test_an_idle_view_uses_no_time() -> None:
    terminal = Terminal(80)
    live = Live(terminal, FakeClock(), terminal.size, paint=Paint(False))
    live.tell(events.Serving(FORWARD, "x"))
    live.tell(events.Ready(1, 1, 1))
    deadline = time.monotonic() + 5
    while "ready" not in "".join(terminal.rows) and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    writes = terminal.writes
    threading.Event().wait(0.5)
    assert terminal.writes == writes
    live.close()


@pytest.mark.parametrize(
    ("is_tty", "no_color", "term", "coloured"),
    [(True, "", "xterm", True), (True, "", "", True), (True, "1", "xterm", False), (True, "", "dumb", False),
     (False, "", "xterm", False)],
)
def test_when_there_are_colours(is_tty: bool, no_color: str, term: str, coloured: bool) -> None:
    assert use_colour(is_tty=is_tty, no_color=no_color, term=term) is coloured


def test_a_source_has_one_colour_and_sources_differ() -> None:
    paint = Paint(True)
    assert paint.source("web/a", "x") == paint.source("web/a", "x")
    assert len({paint.source(f"pod-{number}/c", "x") for number in range(50)}) > 5
    assert Paint(False).source("web", "x") == "x"
