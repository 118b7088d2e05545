"""The rules of ARCHITECTURE.md that a machine can check."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import kdev
from kdev import errors
from tests.project import ROOT

MODULES = sorted((ROOT / "kdev").rglob("*.py"))
MODULE_LINES = 400
FUNCTION_LINES = 50
PARAMETERS = 5
DRAWERS = {"base", "common", "helper", "helpers", "misc", "shared", "structs", "types", "util", "utils"}

# Each costs more to import than a run with nothing to do may take.
HEAVY = {
    "asyncio", "concurrent.futures", "dataclasses", "docker", "http.client", "inspect", "kubernetes", "logging",
    "networkx", "pathlib", "pathspec", "requests", "rich", "ruamel", "subprocess", "tarfile", "tempfile",
    "typing_extensions", "urllib", "watchfiles", "yaml",
}  # fmt: skip
HOT = [
    "kdev.errors", "kdev.core.actions", "kdev.core.events", "kdev.core.inputs", "kdev.core.plan", "kdev.core.step",
    "kdev.core.scheduler", "kdev.core.workloads", "kdev.state.journal", "kdev.drivers.files", "kdev.cli.main",
]  # fmt: skip


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tracked() -> list[Path]:
    """Every file that git would commit, and that is text."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    ).stdout  # fmt: skip
    return [path for name in listed.split(b"\0") if name and (path := ROOT / os.fsdecode(name)).is_file()]


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_a_module_is_small_and_says_what_it_is(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MODULE_LINES
    doc = ast.get_docstring(ast.parse(text))
    assert doc, "no docstring"
    assert path.stem not in DRAWERS


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_a_function_is_small_and_takes_few_positional_parameters(path: Path) -> None:
    too_big = []
    for function in functions(ast.parse(path.read_text())):
        lines = (function.end_lineno or 0) - function.lineno + 1
        names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
        parameters = len(names) - (names[:1] in (["self"], ["cls"]))
        if lines > FUNCTION_LINES or parameters > PARAMETERS:
            too_big.append(f"{function.name}, line {function.lineno}: {lines} lines, {parameters} parameters")
    assert not too_big


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_nothing_is_left_unfinished(path: Path) -> None:
    found = re.findall(r"NotImplementedError|\bTODO\b|\bFIXME\b|\bXXX\b", path.read_text())
    assert not found


def test_the_core_neither_opens_nor_prints() -> None:
    """An import contract cannot see the built-ins."""
    calls = [
        f"{named(path)}:{node.lineno} {node.func.id}"
        for path in MODULES
        if "core" in path.parts or "compiler" in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"open", "print", "input"}
    ]
    assert not calls


def test_the_import_contracts_hold() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_tests_do_not_patch_kdevs_own_names() -> None:
    own = Path(__file__).name
    found = [
        f"{named(path)}:{number}"
        for path in (ROOT / "tests").rglob("*.py")
        if path.name != own
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r"mock\.patch|monkeypatch\.setattr\(\s*[\"']?kdev", line)
    ]
    assert not found


def test_the_tree_holds_no_path_of_a_machine_and_no_registry() -> None:
    registries = ["deb" + ".debian.org", "py" + "pi.org", "pythonhosted" + ".org", "registry-1.docker" + ".io"]
    paths = [str(ROOT), *([str(Path.home())] if len(Path.home().parts) > 2 else [])]
    pattern = re.compile("|".join(map(re.escape, [*registries, *paths])))
    found = []
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{named(path)}: {match.group()}" for match in pattern.finditer(text) if path != Path(__file__)]
    assert not found


def kdev_errors() -> list[type[errors.KdevError]]:
    for module in pkgutil.walk_packages(kdev.__path__, "kdev."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)

    def below(kind: type[errors.KdevError]) -> Iterator[type[errors.KdevError]]:
        yield kind
        for one in kind.__subclasses__():
            yield from below(one)

    return list(below(errors.KdevError))


def test_every_expected_error_says_what_it_is_and_has_a_code_of_the_table() -> None:
    table = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    assert [kind.__name__ for kind in kdev_errors() if kind.exit_code not in table] == []
    assert [kind.__name__ for kind in kdev_errors() if not inspect.getdoc(kind)] == []


def test_the_readme_lists_every_exit_code() -> None:
    readme = (ROOT / "README.md").read_text()
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", readme, re.MULTILINE)}
    assert listed == {value for name, value in vars(errors).items() if name.startswith("EXIT_")}


@pytest.mark.parametrize("module", HOT)
def test_a_module_of_the_no_op_path_imports_nothing_heavy(module: str) -> None:
    assert heavy_imports(f"import {module}") == set()


def test_help_imports_nothing_heavy() -> None:
    assert heavy_imports("import sys; sys.argv = ['kdev', '--help']; from kdev.cli.main import main; main()") == set()


def heavy_imports(code: str) -> set[str]:
    """Which heavy modules are loaded after `code` that a bare interpreter has not."""
    show = "import sys; print('\\n@' + ' '.join(sys.modules))"
    loaded = []
    for program in (show, f"{code}\n{show}"):
        done = subprocess.run(
            [sys.executable, "-S", "-c", program],
            capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}, check=True,
        )  # fmt: skip
        loaded.append(set(done.stdout.rpartition("@")[2].split()))
    return {name for name in loaded[1] - loaded[0] if any(name == one or name.startswith(f"{one}.") for one in HEAVY)}


def test_every_dependency_is_imported_and_every_import_is_a_dependency() -> None:
    names = {"pyyaml": "yaml", "websocket-client": "websocket"}
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    declared = {re.split(r"[\[<>=~! ]", line)[0].lower() for line in metadata}
    imported = {
        name.partition(".")[0]
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        for name in imports_of(node)
    }
    foreign = imported - set(sys.stdlib_module_names) - {"kdev"}
    assert foreign <= {names.get(name, name) for name in declared}
    # kubernetes waits for its target; invoke runs tasks.py.
    assert {names.get(name, name) for name in declared} - foreign <= {"kubernetes", "invoke"}


def imports_of(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [node.module or ""]
    return []
