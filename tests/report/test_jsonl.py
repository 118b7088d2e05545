"""JSON lines: as the schema says, and nothing secret in them."""

from __future__ import annotations

import io
import json
import typing

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdev.core import events
from kdev.core.plan import Verdict
from kdev.core.step import Reason, ReasonKind, Result, StepId
from kdev.report import plan
from kdev.report.jsonl import JsonLines, document
from tests.report import event_schema
from tests.report.stories import SESSION, WEB, FakeClock, step

EVENTS = jsonschema.Draft202012Validator(json.loads(event_schema.FILE.read_text("utf-8")))
PLAN_FILE = event_schema.FILE.with_name("plan.schema.json")
TEXT = st.text(max_size=20)
REASONS = st.lists(st.builds(Reason, st.sampled_from(ReasonKind), TEXT, TEXT), max_size=3).map(tuple)
FIELDS = {
    "reasons": REASONS,
    "result": st.builds(Result, TEXT, st.lists(st.tuples(TEXT, TEXT), max_size=2).map(tuple), st.none() | TEXT),
    "steps": st.lists(TEXT, max_size=3).map(tuple),
    "what": st.lists(TEXT, max_size=3).map(tuple),
}
BY_TYPE = {
    str: TEXT, StepId: TEXT, int: st.integers(), bool: st.booleans(),
    float: st.floats(allow_nan=False, allow_infinity=False),
}
ANY_EVENT = st.one_of([
    st.builds(kind, **{
        field: FIELDS[field] if field in FIELDS else BY_TYPE[hint]
        for field, hint in typing.get_type_hints(kind).items()
    })
    for kind in event_schema.KINDS
])


def test_the_schema_in_the_repository_is_the_one_of_the_event_types() -> None:
    assert event_schema.FILE.read_text("utf-8") == event_schema.dumped()


def test_every_event_of_a_session_is_one_valid_line() -> None:
    stream = io.StringIO()
    reporter = JsonLines(stream, FakeClock(1234.56789))
    for event in SESSION:
        reporter.tell(event)
    reporter.close()
    lines = stream.getvalue().splitlines()
    assert len(lines) == len(SESSION)
    for line in lines:
        EVENTS.validate(json.loads(line))
    assert json.loads(lines[2]) == {
        "event": "started", "time": 1234.568, "step": "build:web",
        "reasons": [{"kind": "input changed", "subject": "web/Dockerfile", "detail": "",
                     "text": "input changed: web/Dockerfile"}],
    }


def test_the_blob_of_a_result_is_never_written() -> None:
    assert document(events.Finished(WEB, Result("d", (("a", "b"),), "SECRET"), 1, True), 0)["result"] == {
        "digest": "d", "values": {"a": "b"}
    }


@given(ANY_EVENT)
def test_any_event_survives_the_way_through_json(event: events.Event) -> None:
    stream = io.StringIO()
    JsonLines(stream, FakeClock(5)).tell(event)
    line = stream.getvalue()
    assert line.isascii()
    assert line.count("\n") == 1
    read = json.loads(line)
    assert read == json.loads(json.dumps(document(event, 5)))
    EVENTS.validate(read)
    for field, value in event._asdict().items():
        if isinstance(value, str | int | float):
            assert read[field] == value


def test_a_foreign_field_is_refused_by_the_schema() -> None:
    with pytest.raises(jsonschema.ValidationError):
        EVENTS.validate({**document(events.Ready(1, 2, 3), 0), "surprise": 1})


@pytest.mark.parametrize("extra", [{}, {"problems": [{"at": "f:1:2", "message": "m", "hint": ""}]}])
def test_an_error_before_the_run_has_its_own_kind(extra: dict[str, object]) -> None:
    EVENTS.validate({"event": "error", "message": "m", "hint": "h", "exit_code": 65, **extra})


A, B, C = step("build:a"), step("push:a"), step("build:b")
VERDICTS = (
    Verdict(A, "run", (Reason(ReasonKind.INPUT_CHANGED, "a.py"),)),
    Verdict(C, "skip"),
    Verdict(B, "may"),
)
NEEDS = {A: (), B: (A,), C: ()}


def test_a_plan_as_text() -> None:
    assert plan.text(VERDICTS, NEEDS) == (
        "will run    build:a  input changed: a.py\n"
        "up to date  build:b\n"
        "may run     push:a   if the result of build:a changes\n"
        "1 will run, 1 may run, 1 up to date"
    )


def test_a_plan_as_json_follows_its_schema() -> None:
    written = plan.document(VERDICTS, NEEDS, pipeline="dev", project="shop", target="docker")
    jsonschema.Draft202012Validator(json.loads(PLAN_FILE.read_text("utf-8"))).validate(json.loads(plan.dumps(written)))
    assert written["counts"] == {"run": 1, "may": 1, "skip": 1}
    assert written["steps"][2]["waits_for"] == ["build:a"]


def test_the_plan_schema_knows_the_same_reasons() -> None:
    known = json.loads(PLAN_FILE.read_text("utf-8"))["$defs"]["reason"]
    assert known == event_schema.schema()["$defs"]["reason"]
