"""Errors as people read them."""

from __future__ import annotations

import pytest

from kdev import errors
from kdev.errors import ConfigError, KdevError, Mark, Problem, StepFailed, TargetError, UsageError
from kdev.report.paint import Paint
from kdev.report.problems import bug, describe


def test_all_problems_are_shown_in_the_order_of_the_file_with_line_and_caret() -> None:
    error = ConfigError((
        Problem(Mark("devspace.yaml", 112, 5), 'unknown key "imgae" in images.web', 'did you mean "image"?',
                "    imgae: registry.example/web"),
        Problem(None, 'no deployment is called "wbe"'),
        Problem(Mark("devspace.yaml", 7, 10), "expected a list of strings, got a number", "", "    cmd: 12"),
    ))
    assert describe(error) == (
        "devspace.yaml:7:10: expected a list of strings, got a number\n"
        "    7 │     cmd: 12\n"
        "      │          ^^\n"
        "\n"
        'devspace.yaml:112:5: unknown key "imgae" in images.web\n'
        "  112 │     imgae: registry.example/web\n"
        "      │     ^^^^^\n"
        '  hint: did you mean "image"?\n'
        "\n"
        'configuration: no deployment is called "wbe"\n'
        "\n"
        "3 problems in the configuration"
    )


@pytest.mark.parametrize(
    ("source", "column", "expected"),
    [
        pytest.param("\tkey: x", 2, ("    key: x", "    ^^^"), id="a tab is four columns wide"),
        pytest.param("名前: x", 5, ("名前: x", "      ^"), id="wide characters take two columns"),
        pytest.param("a: \x1b[2Jb", 4, ("a: b", "   ^"), id="control sequences are taken out"),
        pytest.param("key:", 99, ("key:", "    ^"), id="a column behind the end stands at the end"),
        pytest.param("key: x\r", 6, ("key: x", "     ^"), id="the end of a CRLF line"),
    ],
)
def test_the_caret_stands_below_its_character(source: str, column: int, expected: tuple[str, str]) -> None:
    lines = describe(ConfigError((Problem(Mark("f", 1, column), "wrong", "", source),))).split("\n")
    assert (lines[1].removeprefix("  1 │ "), lines[2].removeprefix("    │ ")) == expected


def test_a_very_long_line_is_cut_around_the_caret() -> None:
    source = "x" * 5000 + " WRONG " + "y" * 5_000_000
    _, shown, caret, *_ = describe(ConfigError((Problem(Mark("f", 1, 5002), "wrong", "", source),))).split("\n")
    assert len(shown) < 200
    assert shown[caret.index("^") :].startswith("WRONG")


def test_hundreds_of_problems_are_counted() -> None:
    text = describe(ConfigError(tuple(Problem(Mark("f", line, 1), "wrong") for line in range(1, 201))))
    assert text.count(": wrong") == 50
    assert "… and 150 more" in text
    assert text.endswith("200 problems in the configuration")


def test_a_failed_step_shows_the_end_of_its_output_and_what_to_do() -> None:
    assert describe(StepFailed("it failed\nin two lines", hint="try\nagain", detail="one\n\x1b]0;x\x07two\n")) == (
        "error: it failed\n  in two lines\n  │ one\n  │ two\n  hint: try\n        again"
    )


@pytest.mark.parametrize(
    ("error", "head"), [(UsageError("no"), "usage error: no"), (TargetError("no"), "target error: no")]
)
def test_the_kind_of_trouble_is_named(error: KdevError, head: str) -> None:
    assert describe(error) == head


def test_every_kind_of_error_can_be_described() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, KdevError)]
    assert len(kinds) > 8
    for kind in kinds:
        what = (Problem(None, "MESSAGE"),) if issubclass(kind, ConfigError) else "MESSAGE"
        error = kind(what, hint="HINT")
        assert "MESSAGE" in describe(error)
        assert "HINT" in describe(error)
        assert 0 < kind.exit_code < 256


def test_colours_are_optional() -> None:
    error = StepFailed("it failed", hint="try again")
    assert "\x1b" not in describe(error)
    assert "\x1b[31m" in describe(error, Paint(True))


def test_something_unexpected_is_a_bug_with_a_log_file() -> None:
    assert bug(ValueError("boom\n" * 500), ".kdev/logs/x.log").count("\n") == 2
    assert ".kdev/logs/x.log" in bug(ValueError("boom"), ".kdev/logs/x.log")
    assert "log" not in bug(ValueError("boom"), "")
