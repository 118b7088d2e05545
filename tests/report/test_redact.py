"""Secrets do not reach any reporter."""

from __future__ import annotations

import base64
import io
import json
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdev.core import events
from kdev.core.step import Reason, ReasonKind, Result
from kdev.report.jsonl import JsonLines
from kdev.report.redact import MASK, Redacting, Redactor
from tests.report.stories import WEB, FakeClock

SECRET = 'p@ss "word"/ü'


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param(SECRET, id="as it is"),
        pytest.param(json.dumps(SECRET), id="in JSON"),
        pytest.param(json.dumps(SECRET, ensure_ascii=False), id="in JSON with its characters"),
        pytest.param(urllib.parse.quote(SECRET), id="in a path"),
        pytest.param(urllib.parse.quote_plus(SECRET), id="in a query"),
        pytest.param(base64.b64encode(SECRET.encode()).decode(), id="in base64"),
    ],
)
def test_a_secret_is_found_in_every_usual_form(shown: str) -> None:
    assert Redactor([SECRET]).text(f"before {shown} after").replace('"', "") == f"before {MASK} after"


def test_each_line_of_a_secret_of_several_lines_is_one() -> None:
    redactor = Redactor(["-----BEGIN KEY-----\n  abcdef\nghijkl\n"])
    assert redactor.text("read: abcdef, then ghijkl.") == f"read: {MASK}, then {MASK}."


def test_the_longer_of_two_overlapping_secrets_goes_whole() -> None:
    assert Redactor(["token", "token-12345"]).text("x token-12345 token") == f"x {MASK} {MASK}"


def test_a_short_secret_goes_where_it_stands_alone() -> None:
    assert Redactor(["dev"]).text("password dev, devspace.yaml") == f"password {MASK}, devspace.yaml"


def test_no_secret_no_change() -> None:
    assert Redactor(["", "  "]).text("a  b") == "a  b"


def test_a_reporter_behind_it_sees_no_secret_in_any_field() -> None:
    stream = io.StringIO()
    reporter = Redacting(JsonLines(stream, FakeClock()), Redactor(["hunter22"]))
    reporter.tell(events.Output(WEB, "login hunter22", "pod/hunter22"))
    reporter.tell(events.Started(WEB, (Reason(ReasonKind.DRIFTED, "x", "hunter22"),)))
    reporter.tell(events.Finished(WEB, Result("d", (("password", "hunter22"),)), 1, True))
    reporter.tell(events.Failed(WEB, "hunter22", "hunter22", "a\nhunter22", 1))
    reporter.tell(events.Changed(("hunter22",)))
    reporter.close()
    assert "hunter22" not in stream.getvalue()
    assert stream.getvalue().count(MASK) == 9
    assert '"kind":"drifted"' in stream.getvalue()


@given(st.lists(st.text(min_size=4, max_size=12), max_size=3), st.text(max_size=10), st.text(max_size=10))
def test_no_long_secret_is_left_in_any_text(secrets: list[str], before: str, after: str) -> None:
    redactor = Redactor(secrets)
    text = redactor.text(before.join([*secrets, after, *secrets]))
    for secret in secrets:
        if secret.strip() and set(secret) != {"*"}:
            assert secret not in text
