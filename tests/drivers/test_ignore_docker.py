"""Our reading of .dockerignore files against the engine's: what arrives in an image of `COPY . /`."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from kdev.core.inputs import BuildContext
from kdev.drivers.files import FileObserver
from kdev.state.folder import StateFolder
from kdev.state.statcache import StatCache

pytestmark = pytest.mark.docker

PATHS = [
    "Dockerfile", "README.md", "README-secret.md", "CHANGES.md", "main.go", "main.got", ".env", ".hidden/file",
    "a b/c d",
    "temp", "tempa", "tempab", "docs/README.md", "docs/a.txt", "docs/deep/b.txt", "docs/deep/er/c.txt", "src/main.py",
    "src/test/main_test.py", "src/pkg/__pycache__/x.pyc", "src/pkg/mod.py", "node_modules/x/package.json",
    "node_modules/x/keep/this.txt", "node_modules/y/index.js", "weird/[x].txt", "weird/star*.txt", "weird/a|b.txt",
    "weird/plus+.txt", "weird/br{a,b}.txt", "weird/caret^.txt", "weird/par(en).txt", "weird/do$.txt",
    "weird/ümlaut.txt",
    "weird/tilde~", "weird/#hash", "weird/!bang", "a/b/c/d/e.txt", "a/b/x.txt", "ab/x.txt", "a.b/x.txt", "build/out.o",
    "build/keep/me.o", "x.d/y.d/z.d",
]

IGNORES = [
    pytest.param("", id="no rules"),
    pytest.param("*.md\n!README.md\n", id="a file comes back"),
    pytest.param("*.md\n!README*.md\nREADME-secret.md\n", id="the last rule wins"),
    pytest.param("docs\n!docs/README.md\n", id="a file below an excluded folder"),
    pytest.param("docs/\n!docs/deep/\n", id="a folder below an excluded folder"),
    pytest.param("/docs/*\n!/docs/deep/er/c.txt\n", id="rooted, with slashes"),
    pytest.param("**/*.txt\n", id="every depth"),
    pytest.param("*/*.txt\n", id="one folder down"),
    pytest.param("*/*/*.txt\n", id="two folders down"),
    pytest.param("temp?\n", id="a question mark"),
    pytest.param("*\n!src\n", id="an allow list"),
    pytest.param("**\n!src/pkg\n!a/b/x.txt\n", id="an allow list of deep paths"),
    pytest.param("docs/*.txt\n!docs\n", id="a rule that brings back the folder"),
    pytest.param("a\n", id="a folder by name"),
    pytest.param("a*\n", id="a prefix"),
    pytest.param("a**\n", id="a prefix across folders"),
    pytest.param("**b\n", id="a suffix across folders"),
    pytest.param("**/__pycache__\n**/node_modules\n", id="folders at any depth"),
    pytest.param("src/**\n", id="everything below"),
    pytest.param("src/**/main*\n", id="somewhere below"),
    pytest.param("weird/[[]x].txt\nweird/star\\*.txt\n", id="quoted signs"),
    pytest.param("weird/a|b.txt\nweird/*+.txt\nweird/*.{txt}\n", id="signs of regexes"),
    pytest.param("weird/par(*).txt\nweird/do$*\n", id="more signs of regexes"),
    pytest.param("weird/[^a-p]*\n", id="a negated class"),
    pytest.param("# note\n#\n\n  docs  \n ! docs/a.txt \n\t\n", id="comments and blanks"),
    pytest.param("\ufeffdocs\r\n*.md\r\n", id="a byte order mark and line ends of Windows"),
    pytest.param("./docs/../src\n.//a//b/\n", id="paths that have to be cleaned"),
    pytest.param("x.d\n!x.d/*/z.d\n", id="a wildcard on the way back"),
    pytest.param("Dockerfile\n.dockerignore\n", id="the files of the build itself"),
    pytest.param(".*\n", id="dot files"),
    pytest.param("../outside\n/\n.\n", id="the root and above"),
    pytest.param("weird/\\#hash\nweird/\\!bang\n", id="escaped marks"),
]

# The classic builder opens an excluded folder only for `!` rules that name it literally; BuildKit, and we, for all.
ONLY_BUILDKIT = {"x.d\n!x.d/*/z.d\n"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("context")
    for path in PATHS:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    (root / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    return root


@pytest.fixture
def image() -> Iterator[str]:
    name = f"kdev-test-ignore:{uuid.uuid4().hex[:12]}"
    yield name
    subprocess.run(["docker", "rmi", "-f", name], capture_output=True, check=False)


@pytest.mark.parametrize("rules", IGNORES)
def test_the_selected_files_are_those_that_arrive_in_the_image(project: Path, image: str, rules: str) -> None:
    (project / ".dockerignore").write_bytes(rules.encode())

    selected, arrived = _selected(project), _arrived(project, image)

    if rules in ONLY_BUILDKIT and not _has_buildx():
        assert arrived < selected
    else:
        assert arrived == selected


def _selected(root: Path) -> set[str]:
    observer = FileObserver(str(root), StatCache(StateFolder(str(root), read_only=True)))
    contents = observer.contents(BuildContext("context", ".", "Dockerfile"))
    return {path for path, mode in contents if not stat.S_ISDIR(mode)}


def _arrived(root: Path, image: str) -> set[str]:
    environment = {**os.environ, "DOCKER_BUILDKIT": "1" if _has_buildx() else "0"}
    build = ["docker", "build", "-q", "--no-cache", "-t", image, str(root)]
    subprocess.run(build, check=True, capture_output=True, env=environment)
    create = ["docker", "create", image, "none"]
    made = subprocess.run(create, check=True, capture_output=True, text=True).stdout.strip()
    try:
        exported = subprocess.run(["docker", "export", made], check=True, capture_output=True).stdout
    finally:
        subprocess.run(["docker", "rm", "-f", made], check=True, capture_output=True)
    # The engine adds mount points of its own to every container.
    own = ("dev/", "proc/", "sys/", "etc/", ".dockerenv")
    with tarfile.open(fileobj=io.BytesIO(exported)) as tar:
        return {member.name for member in tar if not member.isdir() and not member.name.startswith(own)}


def _has_buildx() -> bool:
    return subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False).returncode == 0
