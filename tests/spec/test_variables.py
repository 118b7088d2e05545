"""Where the values of variables come from, what they become, and what is remembered about them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from kdev.errors import InputNeeded
from kdev.spec.load import Question
from tests.spec.project import load_text, problems_of, shown, write

V3 = "version: v1beta3\n"


def values(tmp_path: Path, text: str, **settings: Any) -> dict[str, Any]:
    """The helm values that `text` becomes, with `settings`."""
    lines = "".join(f"      {line}\n" for line in text.splitlines())
    whole = f"{V3}deployments:\n- name: a\n  helm:\n    chart: {{name: x}}\n    values:\n{lines}"
    result = load_text(tmp_path, whole, **settings).project.deployments[0].deploy
    return result.values  # type: ignore[union-attr, no-any-return]


def no_answer(question: Question) -> str:
    raise AssertionError(f"asked for {question.name}")


ORDER = [
    pytest.param(("all", {}, {}, {}, ""), id="nothing: the default"),
    pytest.param(("all", {}, {}, {"X": "env"}, "env"), id="environment"),
    pytest.param(("all", {}, {}, {"X": "env", "DEVSPACE_VAR_X": "own"}, "own"), id="DEVSPACE_VAR_ before the name"),
    pytest.param(("all", {}, {"X": "old"}, {"X": "env"}, "old"), id="an earlier answer before the environment"),
    pytest.param(("all", {"X": "flag"}, {"X": "old"}, {"X": "env"}, "flag"), id="--var before everything"),
    pytest.param(("env", {}, {"X": "old"}, {"X": "env"}, "env"), id="source env takes no answers"),
    pytest.param(("env", {}, {}, {"X": ""}, ""), id="an empty variable counts as unset"),
    pytest.param(("input", {}, {"X": "old"}, {"X": "env"}, "old"), id="source input takes answers"),
    pytest.param(("input", {}, {}, {"X": "env"}, ""), id="source input never takes the environment"),
]


@pytest.mark.parametrize("case", ORDER)
def test_values_are_taken_in_order(tmp_path: Path, case: tuple[Any, ...]) -> None:
    source, flags, answers, environment, expected = case
    text = f"{V3}vars: [{{name: X, source: {source}, default: fallback}}]\ncommands: [{{name: a, command: '${{X}}'}}]\n"
    loaded = load_text(tmp_path, text, variables=flags, answers=answers, environment=environment)
    assert loaded.project.commands[0].command == (expected or "fallback")


def test_a_variable_is_asked_for_once_and_the_answer_is_kept(tmp_path: Path) -> None:
    asked: list[Question] = []

    def ask(question: Question) -> str:
        asked.append(question)
        return "two"

    text = (
        V3
        + """\
vars:
- {name: X, source: input, question: Which?, default: one, options: [one, two], validationPattern: z}
images: {a: {image: "a/${X}", tag: "${X}"}}
"""
    )
    loaded = load_text(tmp_path, text, ask=ask)
    assert asked == [Question("X", "Which?", "one", ("one", "two"), "z")]
    assert (loaded.project.images[0].image, loaded.answers) == ("a/two", {"X": "two"})
    assert load_text(tmp_path, text, ask=no_answer, answers=loaded.answers).answers == {}


def test_an_undefined_variable_is_asked_for_by_its_name(tmp_path: Path) -> None:
    asked: list[Question] = []
    load_text(tmp_path, V3 + "commands: [{name: a, command: '${MINE}'}]\n", ask=lambda q: asked.append(q) or "x")
    assert asked == [Question("MINE", "Please enter a value for MINE")]


def test_only_variables_that_are_used_in_the_final_configuration_are_asked_for(tmp_path: Path) -> None:
    text = (
        V3
        + """\
vars: [{name: UNUSED, source: input}, {name: "${NEVER}", default: "${NOR_THIS}", question: "${OR_THIS}"}]
images: {web: {image: "a/${REPLACED}"}}
profiles:
- name: p
  patches: [{op: replace, path: images.web.image, value: a/fixed}]
- name: other
  patches: [{op: replace, path: images.web.image, value: "a/${OTHER}"}]
"""
    )
    assert load_text(tmp_path, text, profile="p", ask=no_answer).project.images[0].image == "a/fixed"


def test_nobody_is_asked_for_a_configuration_that_is_wrong_anyway(tmp_path: Path) -> None:
    found = problems_of(tmp_path, V3 + "images: {web: {image: '${X}', nope: 1}}\n", ask=no_answer)
    assert [shown(one) for one in found] == ["2:31 `images.web.nope` is no known key"]


def test_without_anybody_to_ask_every_missing_variable_is_named_with_its_flag(tmp_path: Path) -> None:
    text = (
        V3
        + "vars: [{name: C, default: c}, {name: A, question: Which?}]\ncommands: [{name: a, command: '${A}${B}${C}'}]\n"
    )
    with pytest.raises(InputNeeded) as caught:
        load_text(tmp_path, text)
    assert caught.value.message == "the variables `A`, `B` need values"
    assert caught.value.hint == "give it with --var A=… --var B=…"
    assert caught.value.detail == "A: Which?"


def test_an_unset_variable_of_source_env_is_a_problem_where_it_is_used(tmp_path: Path) -> None:
    found = problems_of(
        tmp_path, V3 + "vars: [{name: X, source: env}]\nimages: {a: {image: 'a/${X}'}}\n", ask=no_answer
    )
    assert [shown(one) for one in found] == ["3:21 the environment variable `X` is not set"]
    assert found[0].hint == "set it, or use --var X=…"


def test_in_v1beta2_source_env_takes_no_default(tmp_path: Path) -> None:
    write(tmp_path, {"devspace-vars.yaml": "- {name: X, source: env, default: d}\n"})
    found = problems_of(tmp_path, "version: v1beta2\nimages: {a: {image: 'a/${X}'}}\n")
    assert [shown(one) for one in found] == ["2:21 the environment variable `X` is not set"]


TYPED = [
    pytest.param("v: ${X}", "80", 80, id="an unquoted variable with a number is a number"),
    pytest.param("v: ${X}", "true", True, id="an unquoted variable with a boolean is a boolean"),
    pytest.param("v: ${X}", "-5", -5, id="a negative number"),
    pytest.param("v: ${X}", "t", "t", id="t is text"),
    pytest.param("v: ${X}", "1.5", "1.5", id="a float is text"),
    pytest.param("v: ${X}", "007", "007", id="leading zeros are kept"),
    pytest.param("v: ${X}", "0x1f", "0x1f", id="hexadecimal is text"),
    pytest.param("v: ${X}", "~", "~", id="no null out of a variable"),
    pytest.param('v: "${X}"', "80", "80", id="quoted stays text"),
    pytest.param("v: '${X}'", "true", "true", id="single-quoted stays text"),
    pytest.param("v: |-\n  ${X}", "80", "80", id="a block stays text"),
    pytest.param("v: 8${X}", "80", "880", id="a part of a text stays text"),
    pytest.param("v: ${X}${X}", "8", "88", id="two variables stay text"),
    pytest.param("v: $${X}", "8", "${X}", id="an escape"),
    pytest.param("v: a $$${X} b", "8", "a $${X} b", id="one dollar is taken away"),
    pytest.param("v: $X $(X) ${X:-y} ${}", "8", "$X $(X) ${X:-y} ${}", id="what is no variable stays"),
    pytest.param("v: ${X}", "${X} $${X}", "${X} $${X}", id="values are not filled again"),
    pytest.param("'${X}': 1\nv: a", "8", "a", id="keys are not filled"),
    pytest.param('v: "a: ${X}"', "{b: [", "a: {b: [", id="a value is never read as YAML"),
]


@pytest.mark.parametrize(("text", "given", "expected"), TYPED)
def test_a_filled_value_keeps_what_its_quotes_say(tmp_path: Path, text: str, given: str, expected: Any) -> None:
    found = values(tmp_path, text, variables={"X": given})["v"]
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_a_field_that_wants_a_number_or_a_boolean_takes_a_variable_quoted_or_not(tmp_path: Path, quote: str) -> None:
    text = f"{V3}dev:\n  logs:\n    showLast: {quote}${{N}}{quote}\n    disabled: {quote}${{B}}{quote}\n"
    logs = load_text(tmp_path, text, variables={"N": "7", "B": "t"}).project.dev.logs
    assert (logs.show_last, logs.disabled) == (7, True)


def test_a_filled_value_of_the_wrong_type_is_a_problem_where_it_is_written(tmp_path: Path) -> None:
    found = problems_of(tmp_path, V3 + "dev:\n  logs:\n    showLast: ${N}\n", variables={"N": "many"})
    assert [shown(one) for one in found] == ["4:15 `dev.logs.showLast` must be a whole number, not `many`"]


def test_a_password_is_secret_is_asked_for_as_such_and_never_kept(tmp_path: Path) -> None:
    text = V3 + "vars: [{name: P, password: true, source: input}]\ncommands: [{name: a, command: 'login ${P}'}]\n"
    asked: list[Question] = []
    loaded = load_text(tmp_path, text, ask=lambda q: asked.append(q) or "hunter2", answers={"P": "old"})
    assert asked[0].secret
    assert (loaded.answers, loaded.project.secrets) == ({}, ("hunter2",))
    assert load_text(tmp_path, text, variables={"P": "flag"}).project.secrets == ("flag",)


def test_a_secret_is_not_shown_in_problems(tmp_path: Path) -> None:
    text = V3 + "vars: [{name: P, password: true}]\ndev:\n  logs:\n    showLast: ${P}\n"
    [problem] = problems_of(tmp_path, text, variables={"P": "hunter2"})
    assert problem.message == "`dev.logs.showLast` must be a whole number, not `***`"


def test_an_answer_that_is_not_allowed_is_a_problem_and_an_earlier_one_is_asked_for_again(tmp_path: Path) -> None:
    text = (
        V3 + "vars: [{name: X, source: input, validationPattern: '^a+$', validationMessage: only a}]\n"
        "images: {a: {image: '${X}'}}\n"
    )
    found = problems_of(tmp_path, text, ask=lambda question: "b")
    assert [shown(one) for one in found] == ["3:21 the answer for `X` is not allowed: only a"]
    loaded = load_text(tmp_path, text, ask=lambda question: "aa", answers={"X": "old"})
    assert loaded.answers == {"X": "aa"}


def test_a_value_from_outside_that_is_not_among_the_options_is_a_warning(tmp_path: Path) -> None:
    text = V3 + "vars: [{name: X, options: [a, b]}]\nimages: {a: {image: '${X}'}}\n"
    [warning] = load_text(tmp_path, text, environment={"X": "c"}).project.warnings
    assert warning == (
        "devspace.yaml:2:8: the value of `X` from the environment variable X is not allowed here: "
        "it is one of `a`, `b`"
    )


@pytest.mark.parametrize("pattern", ["(", r"\pL", "[a"])
def test_a_pattern_that_is_none_is_a_warning(tmp_path: Path, pattern: str) -> None:
    text = f"{V3}vars: [{{name: X, validationPattern: '{pattern}'}}]\nimages: {{a: {{image: '${{X}}'}}}}\n"
    loaded = load_text(tmp_path, text, ask=lambda question: "x")
    assert "is no regular expression" in loaded.project.warnings[0]


def test_what_was_read_from_the_environment_is_told(tmp_path: Path) -> None:
    text = V3 + "commands: [{name: a, command: '${A} ${B}'}]\n"
    loaded = load_text(tmp_path, text, environment={"A": "1", "HOME": "/x", "DEVSPACE_VAR_B": "2"})
    assert loaded.environment == {"DEVSPACE_VAR_A": "", "A": "1", "DEVSPACE_VAR_B": "2"}


@pytest.mark.parametrize(("name", "pattern"), [("DEVSPACE_RANDOM", "[a-z0-9]{6}"), ("devspace_timestamp", "[0-9]{10}")])
def test_chance_and_time_make_a_load_volatile(tmp_path: Path, name: str, pattern: str) -> None:
    import re

    loaded = load_text(tmp_path, V3 + f"images: {{a: {{image: x/a, tag: 'a-${{{name}}}'}}, b: {{image: x/b}}}}\n")
    assert re.fullmatch(f"a-{pattern}", loaded.project.images[0].tag)
    assert loaded.volatile
    assert not load_text(tmp_path, V3).volatile


@pytest.mark.parametrize(
    "name", ["DEVSPACE_USERNAME", "DEVSPACE_SPACE", "devspace_space_namespace", "DEVSPACE_SPACE_DOMAIN1"]
)
def test_what_only_the_cloud_knew_is_a_problem_unless_it_is_given(tmp_path: Path, name: str) -> None:
    text = V3 + f"commands: [{{name: a, command: '${{{name}}}'}}]\n"
    [problem] = problems_of(tmp_path, text, ask=no_answer)
    assert shown(problem) == f"2:31 `{name.upper()}` came from DevSpace's cloud service, which is no more"
    assert load_text(tmp_path, text, variables={name: "x"}).project.commands[0].command == "x"


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_the_git_commit_is_read_from_a_branch_a_packed_branch_a_detached_head_and_a_worktree(tmp_path: Path) -> None:
    text = V3 + "images: {a: {image: x/a, tag: '${DEVSPACE_GIT_COMMIT}'}}\n"
    repository = tmp_path / "repository"
    write(repository / "sub", {"devspace.yaml": text})
    git(repository, "init", "-q", "-b", "main")
    [problem] = problems_of(repository / "sub")
    assert shown(problem).endswith("this folder is in no git repository with a commit")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "first")
    commit = git(repository, "rev-parse", "HEAD")[:8]
    git(repository, "worktree", "add", "-q", "-b", "other", str(tmp_path / "worktree"))

    def tag(folder: Path) -> str:
        return load_text(folder, text).project.images[0].tag

    assert tag(repository / "sub") == commit
    loaded = load_text(repository / "sub", text)
    assert not loaded.volatile
    assert {"../.git/HEAD", "../.git/refs/heads/main"} <= loaded.files.keys()
    git(repository, "pack-refs", "--all")
    assert tag(repository / "sub") == commit
    git(repository, "checkout", "-q", "--detach")
    assert tag(repository / "sub") == commit
    assert tag(tmp_path / "worktree" / "sub") == commit


def test_outside_of_git_there_is_no_commit(tmp_path: Path) -> None:
    [problem] = problems_of(tmp_path, V3 + "images: {a: {image: x/a, tag: '${DEVSPACE_GIT_COMMIT}'}}\n")
    assert problem.hint == "use --var DEVSPACE_GIT_COMMIT=…"
