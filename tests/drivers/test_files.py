"""What counts as a change of Files and BuildContext inputs, and what does not."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from kdev.core.inputs import BuildContext, Files, changed_paths
from kdev.drivers.files import FileObserver
from kdev.errors import KdevError
from kdev.state.folder import StateFolder
from kdev.state.statcache import StatCache

CONTEXT = BuildContext("context", ".", "Dockerfile")
SOURCES = Files("sources", ("src/**",))


def observer_of(root: Path, *, read_only: bool = False) -> FileObserver:
    """One with the cache that an earlier run left."""
    return FileObserver(str(root), StatCache.load(StateFolder(str(root), read_only=read_only)))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    write(project, "Dockerfile", "FROM scratch\n")
    write(project, "src/main.py", "print('hello')\n")
    write(project, "src/pkg/mod.py", "x = 1\n")
    write(project, "src/pkg/data.bin", "0123456789")
    (project / "src" / "empty").mkdir()
    (project / "src" / "link").symlink_to("main.py")
    write(project, "notes.txt", "not a source\n")
    return project


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def age(root: Path) -> None:
    """Make every file older than the moment in which a stamp proves nothing."""
    for path in root.rglob("*"):
        os.utime(path, (1_600_000_000, 1_600_000_000), follow_symlinks=False)


def same_size_same_mtime(root: Path) -> None:
    before = (root / "src/main.py").stat()
    write(root, "src/main.py", "print('HELLO')\n")
    os.utime(root / "src/main.py", ns=(before.st_atime_ns, before.st_mtime_ns))


def retarget(root: Path) -> None:
    (root / "src/link").unlink()
    (root / "src/link").symlink_to("pkg/mod.py")


CHANGES = [
    pytest.param(lambda root: write(root, "src/main.py", "print('bye')\n"), ["src/main.py"], id="an edit"),
    pytest.param(same_size_same_mtime, ["src/main.py"], id="an edit of the same size with the mtime put back"),
    pytest.param(lambda root: (root / "src/main.py").chmod(0o755), ["src/main.py"], id="chmod +x"),
    pytest.param(lambda root: write(root, "src/new.py", ""), ["src/new.py"], id="a new empty file"),
    pytest.param(lambda root: (root / "src/main.py").unlink(), ["src/main.py"], id="a deleted file"),
    pytest.param(retarget, ["src/link"], id="a retargeted link"),
    pytest.param(lambda root: (root / "src/more").mkdir(), ["src/more"], id="a new empty folder"),
    pytest.param(lambda root: (root / "src/empty").rmdir(), ["src/empty"], id="a removed empty folder"),
    pytest.param(lambda root: (root / "src/pkg").chmod(0o700), ["src/pkg"], id="a folder's mode"),
    pytest.param(
        lambda root: (root / "src/pkg").rename(root / "src/package"),
        ["src/package", "src/package/data.bin", "src/package/mod.py", "src/pkg", "src/pkg/data.bin", "src/pkg/mod.py"],
        id="a renamed folder",
    ),
    pytest.param(
        lambda root: (shutil.move(root / "src/main.py", root / "src/a"), shutil.move(root / "src/a", root / "src/b")),
        ["src/b", "src/main.py"],
        id="a renamed file",
    ),
    pytest.param(lambda root: write(root, "src/pkg/deep/er/x", ""), [
        "src/pkg/deep", "src/pkg/deep/er", "src/pkg/deep/er/x"], id="a file in new folders"),
]


@pytest.mark.parametrize("wanted", [pytest.param(CONTEXT, id="context"), pytest.param(SOURCES, id="files")])
@pytest.mark.parametrize(("change", "paths"), CHANGES)
@pytest.mark.parametrize("fresh", [pytest.param(True, id="next run"), pytest.param(False, id="same run")])
def test_a_change_is_seen_and_named(
    root: Path, wanted: Files | BuildContext, change: Callable[[Path], object], paths: list[str], fresh: bool
) -> None:
    age(root)
    cache = StatCache.load(StateFolder(str(root)))
    observer = FileObserver(str(root), cache)
    before = observer.observe(wanted)
    old = observer.listing(before.digest)
    cache.save()

    change(root)

    observer = observer_of(root) if fresh else observer
    after = observer.observe(wanted)
    assert after.digest != before.digest
    changed = changed_paths(old, observer.listing(after.digest))
    # A link to a changed file is named too where its content counts.
    assert [path for path in changed if path != "src/link" or path in paths] == paths


@pytest.mark.parametrize("wanted", [pytest.param(CONTEXT, id="context"), pytest.param(SOURCES, id="files")])
def test_equal_contents_and_modes_are_no_change(root: Path, wanted: Files | BuildContext, tmp_path: Path) -> None:
    before = observer_of(root).observe(wanted)

    age(root)
    assert observer_of(root).observe(wanted) == before
    write(root, "src/main.py", (root / "src/main.py").read_text())
    (root / "src/main.py").rename(root / "src/away")
    (root / "src/away").rename(root / "src/main.py")
    assert observer_of(root).observe(wanted) == before

    shutil.copytree(root, tmp_path / "elsewhere", symlinks=True)
    assert observer_of(tmp_path / "elsewhere").observe(wanted) == before


def test_two_edits_within_one_tick_of_the_clock_are_told_apart(root: Path) -> None:
    cache = StatCache.load(StateFolder(str(root)))
    observer = FileObserver(str(root), cache)
    digests = set()
    stamp = (root / "src/main.py").stat()
    for text in ("print('aaaaa')\n", "print('bbbbb')\n", "print('ccccc')\n"):
        # Written in place, so size, inode and mtime are equal; and ctime is as coarse as the kernel's tick.
        with open(root / "src/main.py", "r+") as stream:
            stream.write(text)
        os.utime(root / "src/main.py", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        digests.add(observer.observe(CONTEXT).digest)
    assert len(digests) == 3


def test_an_unchanged_old_file_is_not_opened_again(root: Path) -> None:
    age(root)
    cache = StatCache.load(StateFolder(str(root)))
    # A ctime cannot be put back, so the clock is put forward.
    before = FileObserver(str(root), cache, now=lambda: 2_000_000_000_000_000_000).observe(CONTEXT)
    cache.save()

    script = (
        "import sys\n"
        "from kdev.core.inputs import BuildContext\n"
        "from kdev.drivers.files import FileObserver\n"
        "from kdev.state.folder import StateFolder\n"
        "from kdev.state.statcache import StatCache\n"
        "root = sys.argv[1]\n"
        "observer = FileObserver(root, StatCache.load(StateFolder(root)))\n"
        "opened = []\n"
        "sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == 'open' else None)\n"
        "print(observer.observe(BuildContext('context', '.', 'Dockerfile')).digest)\n"
        "print(*[path for path in opened if '/src/' in path])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(root)], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    assert done.stdout.splitlines() == [before.digest, ""]


def test_pipes_sockets_and_kdevs_own_folders_never_count(root: Path) -> None:
    before = observer_of(root).observe(CONTEXT)

    os.mkfifo(root / "src/pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(root / "src")  # a socket's path has room for 100 bytes only
        try:
            listening.bind("sock")
        finally:
            os.chdir("/")
        write(root, ".devspace/cache.yaml", "x")
        write(root, "src/.kdev/state", "x")
        assert observer_of(root).observe(CONTEXT) == before


def test_links_are_not_walked_through(root: Path, tmp_path: Path) -> None:
    write(tmp_path, "outside/secret", "one")
    (root / "src/out").symlink_to(tmp_path / "outside")
    (root / "src/loop").symlink_to(".")
    observer = observer_of(root)
    before = observer.observe(CONTEXT)

    write(tmp_path, "outside/secret", "two")

    assert observer.observe(CONTEXT) == before
    listed = [path for path in observer.listing(before.digest) if path.startswith(("src/out", "src/loop"))]
    assert sorted(listed) == ["src/loop", "src/out"]


def test_a_link_to_a_file_is_read_by_who_reads_files_and_copied_by_who_builds(root: Path, tmp_path: Path) -> None:
    write(tmp_path, "shared.yaml", "a: 1")
    (root / "src/shared.yaml").symlink_to(tmp_path / "shared.yaml")
    observer = observer_of(root)
    built, read = observer.observe(CONTEXT), observer.observe(SOURCES)

    write(tmp_path, "shared.yaml", "a: 2")

    assert observer.observe(CONTEXT) == built
    assert observer.observe(SOURCES) != read


def test_names_that_are_not_utf8_survive(root: Path) -> None:
    with open(os.fsencode(root) + b"/src/caf\xe9", "w") as stream:
        stream.write("x")
    cache = StatCache.load(StateFolder(str(root)))
    observer = FileObserver(str(root), cache)
    entry = observer.observe(CONTEXT)
    cache.save()

    assert "src/caf\udce9" in observer.listing(entry.digest)
    assert observer_of(root).observe(CONTEXT) == entry


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root, to become somebody else")
def test_what_may_not_be_read_is_an_entry_of_its_own() -> None:
    with tempfile.TemporaryDirectory() as place:  # pytest's own folders are closed to others
        root = Path(place)
        write(root, "src/main.py", "x")
        write(root, "src/shut/y.py", "y")
        root.chmod(0o755)
        readable = observer_of(root, read_only=True).observe(SOURCES)
        (root / "src/main.py").chmod(0)
        (root / "src/shut").chmod(0)
        os.seteuid(65534)
        try:
            observer = observer_of(root, read_only=True)
            entry = observer.observe(SOURCES)
        finally:
            os.seteuid(0)

    assert entry != readable
    assert observer.listing(entry.digest) == {"src/main.py": "unreadable", "src/shut": "unreadable"}


# -- globs ------------------------------------------------------------------------------------------------------------

TREE = [
    "a.yaml", "b.yml", "c.txt", "k8s/app.yaml", "k8s/db.yml", "k8s/sub/svc.yaml", "k8s/sub/note.md",
    "charts/x/Chart.yaml", "charts/x/templates/d.yaml", "charts/y/Chart.yaml", ".hidden/z.yaml",
    "we[i]rd/f.yaml", "sp ace/{g}.yaml",
]


@pytest.mark.parametrize(
    ("patterns", "matched"),
    [
        pytest.param(["a.yaml"], {"a.yaml"}, id="a name"),
        pytest.param(["./a.yaml"], {"a.yaml"}, id="a name with a dot before"),
        pytest.param(["*.yaml"], {"a.yaml"}, id="a star stays in its folder"),
        pytest.param(["*.y{a,}ml"], {"a.yaml", "b.yml"}, id="alternatives"),
        pytest.param(["{a,b}.{yaml,yml}", "c.*"], {"a.yaml", "b.yml", "c.txt"}, id="alternatives of alternatives"),
        pytest.param(["{a,{b,c}}.y*ml"], {"a.yaml", "b.yml"}, id="alternatives in alternatives"),
        pytest.param(["?.yaml"], {"a.yaml"}, id="a question mark"),
        pytest.param(["[!b-z].y*"], {"a.yaml"}, id="a negated class"),
        pytest.param(["k8s/*.yaml"], {"k8s/app.yaml"}, id="in a folder"),
        pytest.param(["k8s/**/*.yaml"], {"k8s/app.yaml", "k8s/sub/svc.yaml"}, id="in a folder and below"),
        pytest.param(["k8s"], {"k8s/app.yaml", "k8s/db.yml", "k8s/sub/svc.yaml", "k8s/sub/note.md"}, id="a folder"),
        pytest.param(["k8s/sub/"], {"k8s/sub/svc.yaml", "k8s/sub/note.md"}, id="a folder with a slash"),
        pytest.param(["charts/*/templates"], {"charts/x/templates/d.yaml"}, id="a folder behind a star"),
        pytest.param(["charts/*"], set(), id="a star does not go into folders"),
        pytest.param(["**/Chart.yaml"], {"charts/x/Chart.yaml", "charts/y/Chart.yaml"}, id="at any depth"),
        pytest.param(["**/sub/**"], {"k8s/sub/svc.yaml", "k8s/sub/note.md"}, id="below a folder at any depth"),
        pytest.param([r"we\[i\]rd/*"], {"we[i]rd/f.yaml"}, id="escaped brackets"),
        pytest.param(["sp ace/{g}.yaml"], {"sp ace/{g}.yaml"}, id="a brace without a comma is a letter"),
        pytest.param([".hidden/*"], {".hidden/z.yaml"}, id="hidden folders count"),
        pytest.param(["k8s/../a.yaml"], {"a.yaml"}, id="paths are cleaned"),
    ],
)
def test_globs_match_what_they_say(tmp_path: Path, patterns: list[str], matched: set[str]) -> None:
    for path in TREE:
        write(tmp_path, path, path)
    observer = observer_of(tmp_path, read_only=True)

    listing = observer.listing(observer.observe(Files("files", tuple(patterns))).digest)

    assert {path for path in listing if (tmp_path / path).is_file()} == matched


def test_everything_matches_everything(tmp_path: Path) -> None:
    for path in TREE:
        write(tmp_path, path, path)
    observer = observer_of(tmp_path, read_only=True)

    listing = observer.listing(observer.observe(Files("files", ("**",))).digest)

    assert {path for path in listing if (tmp_path / path).is_file()} == set(TREE)


def test_a_missing_file_is_an_entry_and_its_appearance_a_change(tmp_path: Path) -> None:
    wanted = Files("env", (".env",))
    observer = observer_of(tmp_path)
    before = observer.observe(wanted)
    assert observer.listing(before.digest) == {".env": "missing"}

    write(tmp_path, ".env", "A=1")

    after = observer.observe(wanted)
    assert changed_paths(observer.listing(before.digest), observer.listing(after.digest)) == [".env"]


def test_an_empty_folder_is_not_a_missing_one(tmp_path: Path) -> None:
    wanted = Files("files", ("gen/**",))
    missing = observer_of(tmp_path).observe(wanted)
    (tmp_path / "gen").mkdir()
    assert observer_of(tmp_path).observe(wanted) != missing


def test_files_above_the_project_are_found(tmp_path: Path) -> None:
    write(tmp_path, "shared/a.yaml", "1")
    (tmp_path / "project").mkdir()
    observer = observer_of(tmp_path / "project")
    before = observer.observe(Files("files", ("../shared/*.yaml",)))
    assert list(observer.listing(before.digest)) == ["../shared/a.yaml"]

    write(tmp_path, "shared/a.yaml", "2")

    assert observer.observe(Files("files", ("../shared/*.yaml",))) != before


# -- build contexts ---------------------------------------------------------------------------------------------------


def test_an_ignored_file_does_not_count_and_the_ignore_file_does(root: Path) -> None:
    write(root, ".dockerignore", "notes.txt\n")
    observer = observer_of(root)
    before = observer.observe(CONTEXT)

    write(root, "notes.txt", "changed")
    assert observer.observe(CONTEXT) == before

    write(root, ".dockerignore", "src\n")
    after = observer.observe(CONTEXT)
    assert "src/main.py" not in observer.listing(after.digest)
    assert ".dockerignore" in changed_paths(observer.listing(before.digest), observer.listing(after.digest))


def test_the_dockerfile_and_the_ignore_file_count_even_when_ignored_or_outside(root: Path) -> None:
    write(root, "src/.dockerignore", "*\n")
    write(root, "docker/Dockerfile.dev", "FROM scratch\n")
    observer = observer_of(root)
    context = BuildContext("context", "src", "docker/Dockerfile.dev")
    before = observer.observe(context)

    write(root, "docker/Dockerfile.dev", "FROM busybox\n")
    after = observer.observe(context)
    assert changed_paths(observer.listing(before.digest), observer.listing(after.digest)) == ["docker/Dockerfile.dev"]

    write(root, "src/.dockerignore", "*\n\n")
    assert observer.observe(context) != after


def test_an_ignore_file_named_after_the_dockerfile_goes_first(root: Path) -> None:
    write(root, ".dockerignore", "src\n")
    write(root, "Dockerfile.dockerignore", "notes.txt\n")
    observer = observer_of(root)

    listing = observer.listing(observer.observe(CONTEXT).digest)

    assert "src/main.py" in listing
    assert "notes.txt" not in listing


def test_extra_excludes_come_after_the_file_and_have_the_last_word(root: Path) -> None:
    write(root, ".dockerignore", "*.txt\n!notes.txt\n")
    observer = observer_of(root)
    context = BuildContext("context", ".", "Dockerfile", extra_excludes=("notes.txt", "src/pkg"))

    listing = observer.listing(observer.observe(context).digest)

    assert "notes.txt" not in listing
    assert "src/pkg/mod.py" not in listing
    assert "src/main.py" in listing


def test_the_way_to_a_file_that_comes_back_is_sent_with_it(root: Path) -> None:
    write(root, ".dockerignore", "*\n!src/pkg/mod.py\n")
    observer = observer_of(root)

    assert [path for path, _ in observer.contents(CONTEXT)] == ["src", "src/pkg", "src/pkg/mod.py"]


def test_a_broken_ignore_file_is_named_with_its_line(root: Path) -> None:
    write(root, ".dockerignore", "ok\n[a\n")
    with pytest.raises(KdevError, match=r"^\.dockerignore: .*'\[a'"):
        observer_of(root).observe(CONTEXT)


# -- many looks -------------------------------------------------------------------------------------------------------


def test_while_held_only_what_is_invalidated_is_read_again(root: Path) -> None:
    observer = observer_of(root)
    with observer.held():
        before = observer.observe(CONTEXT)
        write(root, "src/main.py", "print('bye')\n")
        write(root, "notes.txt", "changed\n")
        assert observer.observe(CONTEXT) == before

        observer.invalidate(["src/main.py"])
        after = observer.observe(CONTEXT)
        assert changed_paths(observer.listing(before.digest), observer.listing(after.digest)) == ["src/main.py"]

        observer.invalidate()
        assert "notes.txt" in changed_paths(
            observer.listing(after.digest), observer.listing(observer.observe(CONTEXT).digest)
        )
    write(root, "src/main.py", "again\n")
    assert observer.observe(CONTEXT) not in (before, after)


def test_an_invalidated_folder_stands_for_all_below_it(root: Path) -> None:
    observer = observer_of(root)
    with observer.held():
        before = observer.observe(CONTEXT)
        write(root, "src/pkg/mod.py", "x = 2\n")
        write(root, "src/pkg/new/deep.py", "")
        observer.invalidate(["src"])
        after = observer.observe(CONTEXT)
    assert changed_paths(observer.listing(before.digest), observer.listing(after.digest)) == [
        "src/pkg/mod.py", "src/pkg/new", "src/pkg/new/deep.py",
    ]


def test_a_dry_run_leaves_no_trace_in_the_project(root: Path) -> None:
    before = sorted((str(path), path.lstat().st_mtime_ns) for path in (root, *root.rglob("*")))
    cache = StatCache.load(StateFolder(str(root), read_only=True))
    FileObserver(str(root), cache).observe(CONTEXT)
    cache.save()
    assert sorted((str(path), path.lstat().st_mtime_ns) for path in (root, *root.rglob("*"))) == before


@pytest.mark.parametrize(
    ("wanted", "path", "touched"),
    [
        pytest.param(CONTEXT, "src/main.py", True, id="a file"),
        pytest.param(CONTEXT, "src/gone/by/now", True, id="a path that is not there"),
        pytest.param(CONTEXT, "src", True, id="a folder"),
        pytest.param(CONTEXT, ".", True, id="the project"),
        pytest.param(CONTEXT, "notes.txt", False, id="an ignored file"),
        pytest.param(CONTEXT, "logs/today/x", False, id="something in an ignored folder"),
        pytest.param(CONTEXT, ".kdev/state.db", False, id="kdev's own"),
        pytest.param(CONTEXT, ".dockerignore", True, id="the ignore file"),
        pytest.param(CONTEXT, "Dockerfile.dockerignore", True, id="an ignore file that may come"),
        pytest.param(BuildContext("c", "src", "docker/D"), "docker/D", True, id="a Dockerfile outside"),
        pytest.param(BuildContext("c", "src", "docker/D"), "docker/other", False, id="something beside it"),
        pytest.param(SOURCES, "src/pkg/mod.py", True, id="a matched file"),
        pytest.param(SOURCES, "src", True, id="the folder of a pattern"),
        pytest.param(SOURCES, "notes.txt", False, id="another file"),
        pytest.param(Files("f", ("k8s/*/x.yaml",)), "k8s/a", True, id="a folder on the way"),
        pytest.param(Files("f", ("k8s/*/x.yaml",)), "k8s/a/b", False, id="a file beside the way"),
        pytest.param(Files("f", (".env",)), ".env", True, id="a plain file"),
        pytest.param(Files("f", ("../shared/*.yaml",)), "../shared/a.yaml", True, id="above the project"),
    ],
)
def test_changes_are_mapped_to_inputs(root: Path, wanted: Files | BuildContext, path: str, touched: bool) -> None:
    write(root, ".dockerignore", "*.txt\nlogs\n")
    assert observer_of(root).touches(wanted, path) is touched
