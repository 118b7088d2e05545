"""Whatever a file holds: a Project, or an error that says where. Never a traceback, never without end."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kdev.errors import ConfigError, InputNeeded
from kdev.spec.load import Loaded, Question, Settings, load
from tests.spec.project import CONFIGS

FULL = [(CONFIGS / f"full-{version}.yaml").read_text() for version in ("v1beta2", "v1beta3")]
CONFIGS_FILE = (CONFIGS / "full-configs.yaml").read_text()
LINES = sorted({line for text in FULL for line in text.splitlines()})
WORDS = st.sampled_from(
    [
        "${X}",
        "$${X}",
        "${DEVSPACE_RANDOM}",
        "${",
        "&a ",
        "*a",
        "<<: *a",
        "- ",
        ": ",
        "? ",
        "|",
        ">-",
        "'",
        '"',
        "{",
        "}",
        "[",
        "]",
        ",",
        "~",
        "null",
        "true",
        "0x",
        "-",
        "!!str ",
        "!x ",
        "\t",
        "\n",
        "  ",
        "#",
        "%",
        "@",
        "`",
        "version: v1beta2",
        "version: v1beta3",
        "\x00",
        "\ufeff",
        "\u2028",
        "\x85",
        "é",
        "\\",
        "99999999999999999999999",
        "1e999",
        "..",
        "/",
    ]
)
SECONDS = 10


def outcome(files: dict[str, bytes], chosen: Settings) -> Loaded | ConfigError | InputNeeded:
    """What loading gives; every problem must have a message, and a place that can be."""
    started = time.process_time()
    found = loaded_or_error(files, chosen)
    assert time.process_time() - started < SECONDS
    if isinstance(found, InputNeeded):
        assert found.hint
    if isinstance(found, ConfigError):
        assert found.problems
        assert all(problem.message for problem in found.problems)
        assert all(problem.at.line >= 1 and problem.at.column >= 1 for problem in found.problems if problem.at)
    return found


def loaded_or_error(files: dict[str, bytes], chosen: Settings) -> Loaded | ConfigError | InputNeeded:
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            (Path(folder) / name).write_bytes(data)
        try:
            return load(Path(folder), chosen)
        except (ConfigError, InputNeeded) as error:
            return error


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b'version: v1beta3\nimages: {a: {image: "\\ud800"}}')
@example(b'version: v1beta3\nimages: {a: {image: "\\0"}}')
@example(b"\xff\xfe")
@settings(max_examples=300, deadline=None)
def test_any_bytes_give_a_project_or_an_error(data: bytes) -> None:
    outcome({"devspace.yaml": data}, Settings())


@st.composite
def mutations(draw: st.DrawFn, text: str) -> str:
    """`text` with a few places cut, doubled, or overwritten by what means something in YAML or to the loader."""
    lines = text.splitlines()
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        kind = draw(st.sampled_from(["cut", "double", "indent", "word", "swap", "foreign"]))
        if kind == "cut" and len(lines) > 1:
            del lines[at : at + draw(st.integers(1, 5))]
        elif kind == "double":
            lines.insert(at, lines[at])
        elif kind == "indent":
            lines[at] = " " * draw(st.integers(0, 8)) + lines[at].lstrip()
        elif kind == "word":
            column = draw(st.integers(0, len(lines[at])))
            lines[at] = lines[at][:column] + draw(WORDS) + lines[at][column + draw(st.integers(0, 3)) :]
        elif kind == "swap":
            key, colon, _ = lines[at].partition(":")
            lines[at] = f"{key}{colon} {draw(WORDS)}"
        else:
            lines.insert(at, draw(st.sampled_from(LINES)))
        lines = lines or [""]
    return "\n".join(lines)


@pytest.mark.parametrize("ask", [None, lambda question: question.default or "7"], ids=["nobody", "somebody"])
@given(data=st.data())
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_mutation_of_a_full_configuration_gives_a_project_or_an_error(data: st.DataObject, ask: object) -> None:
    text = data.draw(st.sampled_from(FULL).flatmap(mutations))
    chosen = Settings(
        profile=data.draw(st.sampled_from(["", "live"])),
        variables=data.draw(st.sampled_from([{}, {"X": "1", "STAGE": "dev"}, {"PORT": "${X}"}])),
        environment=data.draw(st.sampled_from([{}, {"PORT": "80", "STAGE": "live"}])),
        ask=ask,  # type: ignore[arg-type]
    )
    outcome({"devspace.yaml": text.encode("utf-8", "surrogatepass")}, chosen)


@given(mutations(CONFIGS_FILE), mutations("- name: TAG\n  default: x\n  options: [x, y]\n"))
@settings(max_examples=150, deadline=None)
def test_any_mutation_of_the_files_beside_it_gives_a_project_or_an_error(configs: str, variables: str) -> None:
    files = {
        "devspace-configs.yaml": configs.encode("utf-8", "surrogatepass"),
        "vars.yaml": variables.encode("utf-8", "surrogatepass"),
        "base.yaml": b"version: v1beta2\nimages: {web: {image: a}}\n",
        "override.yaml": b"images: {web: {tag: x}}\n",
    }
    outcome(files, Settings(ask=lambda question: question.default or "x"))


PATHS = st.lists(
    st.sampled_from(
        ["images", "web", "dev", "ports", "[0]", "0", "-", "[9]", "name=app", "deployments", "~1", "", "a b"]
    ),
    max_size=5,
).flatmap(lambda steps: st.sampled_from([".".join(steps), "/" + "/".join(steps)]))
PATCHES = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]), "path": PATHS},
    optional={"from": PATHS, "value": st.sampled_from(["x", "{a: b}", "[1]", "~", "${X}"])},
)


@given(st.lists(PATCHES, max_size=8))
@settings(max_examples=250, deadline=None)
def test_any_patches_give_a_project_or_an_error(patches: list[dict[str, str]]) -> None:
    lines = "".join(
        "  - "
        + "\n    ".join(f"{key}: {value if key == 'value' else repr(value)}" for key, value in patch.items())
        + "\n"
        for patch in patches
    )
    text = FULL[1].replace("- name: live\n", f"- name: fuzz\n  patches:\n{lines}- name: live\n")
    found = outcome({"devspace.yaml": text.encode()}, Settings(profile="fuzz", ask=lambda question: "t-x"))
    assert isinstance(found, Loaded | ConfigError)


def test_a_question_that_raises_input_needed_reaches_the_caller(tmp_path: Path) -> None:
    def ask(question: Question) -> str:
        raise InputNeeded(question.name, hint="--var")

    (tmp_path / "devspace.yaml").write_text("version: v1beta3\nimages: {a: {image: '${X}'}}\n")
    with pytest.raises(InputNeeded, match="X"):
        load(tmp_path, Settings(ask=ask))
