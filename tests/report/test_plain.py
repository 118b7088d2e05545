"""The plain reporter: one line per event."""

from __future__ import annotations

import io

from kdev.core import events
from kdev.core.step import Result
from kdev.report.paint import Paint
from kdev.report.plain import Plain
from tests.report.stories import HOOK, SESSION, WEB, FakeClock, step, why


def told(*story: events.Event, paint: Paint | None = None) -> str:
    stream = io.StringIO()
    reporter = Plain(stream, FakeClock(), paint=paint)
    for event in story:
        reporter.tell(event)
    reporter.close()
    return stream.getvalue()


def test_a_session() -> None:
    assert told(*SESSION) == """\
dev shop on docker, 5 steps
build:api: up to date (inputs equal, image present)
build:web: start (input changed: web/Dockerfile)
build:web: | Step 1/2 : FROM busybox
build:web: layers 50 %
build:web: done in 2.1 s
hook:migrate: start (never ran)
hook:migrate: | migrating
forward:web: start (not running)
forward:web: serving 127.0.0.1:8080 → web:8080
logs:all: start (not running)
logs:all: serving web
hook:migrate: FAILED after 50 ms
  the command `./migrate` ended with exit code 3
  │ migrating
  hint: try again
deploy:shop: not run, hook:migrate failed
[web-7d/web] GET / 200
warning: pod web-7d restarted
changed: web/app.py
build:web: start (input changed: web/app.py)
build:web: done in 1.0 s, same result as before
ready in 1.2 s: 1 ran, 4 up to date, 2 serving
forward:web: stopped (pod replaced: web-7d)
logs:all: stopped
failed after 1 min 15 s: 2 ran, 1 up to date, 1 failed
  hook:migrate: the command `./migrate` ended with exit code 3
"""


def test_output_that_stands_right_above_is_not_repeated_with_the_failure() -> None:
    text = told(events.Output(HOOK, "one"), events.Output(HOOK, "two"),
                events.Failed(HOOK, "it failed", "", "one\ntwo", 1))
    assert text == "hook:migrate: | one\nhook:migrate: | two\nhook:migrate: FAILED after 1.0 s\n  it failed\n"


def test_output_that_others_interrupted_is_shown_again_with_the_failure() -> None:
    text = told(events.Output(HOOK, "one"), events.Output(WEB, "other"), events.Failed(HOOK, "it failed", "", "", 1))
    assert text.endswith("FAILED after 1.0 s\n  it failed\n  │ one\n")


def test_a_thousand_steps_that_are_up_to_date_are_only_counted() -> None:
    names = tuple(step(f"build:{number}") for number in range(1000))
    start = events.RunStarted("r", "build", "big", "docker", names)
    text = told(start, *(events.Skipped(name, "equal") for name in names), events.Ready(0.1, 0, 1000))
    assert text == "build big on docker, 1000 steps\nready in 0.1 s: 0 ran, 1000 up to date\n"


def test_progress_is_told_every_few_seconds() -> None:
    stream, clock = io.StringIO(), FakeClock()
    reporter = Plain(stream, clock)
    for tenth in range(120):
        clock.time = tenth / 10
        reporter.tell(events.Progress(WEB, "pulling", tenth, 120))
    assert stream.getvalue() == "build:web: pulling 0 %\nbuild:web: pulling 41 %\nbuild:web: pulling 83 %\n"


def test_containers_cannot_steer_the_terminal() -> None:
    evil = "\x1b[2J\x1b]0;title\x07red \x1b[31mtext\x1b[0m \x9b5A\x08bell\x07 \u202etrick"
    plain = told(events.Output(WEB, evil, "pod/c"))
    assert plain == "[pod/c] red text bell trick\n"
    coloured = told(events.Output(WEB, evil, "pod/c"), paint=Paint(True))
    assert "\x1b[31mtext\x1b[0m" in coloured
    assert "\x1b[2J" not in coloured
    assert "\x1b]" not in coloured


def test_a_step_that_succeeds_after_a_failure_is_not_listed_at_the_end() -> None:
    text = told(events.Failed(WEB, "it failed", "", "", 1), events.Started(WEB, why("failed before")),
                events.Finished(WEB, Result("x"), 1, True), events.RunEnded(0, 1, 0, 0, 3))
    assert text.endswith("done after 3.0 s: 1 ran, 0 up to date\n")


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_reader_that_has_gone_is_no_trouble() -> None:
    reporter = Plain(Broken(), FakeClock())
    for event in SESSION:
        reporter.tell(event)
    reporter.close()


def test_characters_that_the_stream_lacks_are_escaped() -> None:
    raw = io.BytesIO()
    reporter = Plain(io.TextIOWrapper(raw, encoding="ascii", write_through=True), FakeClock())
    reporter.tell(events.Serving(WEB, "a → b"))
    assert raw.getvalue() == b"build:web: serving a \\u2192 b\n"
