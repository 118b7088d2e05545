"""The developers' commands, run as a developer runs them. Nothing here imports them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import ROOT


def invoke(*argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`./inv ARGV` without its own set-up, which this Python has had."""
    kept = {name: value for name, value in os.environ.items() if name not in {"CI", "KDEV_ALLOW_INSTALL"}}
    return subprocess.run(
        [sys.executable, "-m", "invoke", *argv],
        cwd=ROOT, env=kept | environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip


def test_every_task_is_listed_with_a_line_of_help() -> None:
    done = invoke("--list")
    assert done.returncode == 0, done.stderr
    for name in ("demo", "test", "check", "bench", "images", "engine.up", "engine.down", "engine.status"):
        assert f"\n  {name} " in done.stdout


def test_a_bare_machine_gets_routes_then_packages_then_the_engine() -> None:
    told = invoke("engine.up", "--dry-run", "--bare").stderr
    order = ["blackhole route", "install with apt-get: docker.io iptables", "start dockerd"]
    places = [told.index(part) for part in order]
    assert places == sorted(places)
    assert "would" in told


def test_an_engine_that_is_named_and_does_not_answer_is_not_replaced() -> None:
    done = invoke("engine.up", DOCKER_HOST="unix:///nowhere.sock")
    assert done.returncode == 69
    assert "DOCKER_HOST is unix:///nowhere.sock" in done.stderr


def test_nothing_is_installed_or_started_without_leave(tmp_path: Path) -> None:
    """As root without an engine, with no terminal to ask on: it says what it would do, and does not."""
    if os.geteuid() != 0 or sys.platform != "linux" or not shutil.which("apt-get"):
        pytest.skip("the question is only asked as root on Debian")
    fake = tmp_path / "docker"
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = invoke("engine.up", PATH=path, HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path), KDEV_ALLOW_INSTALL="0")
    assert done.returncode == 69
    assert "would" in done.stderr
    assert "KDEV_ALLOW_INSTALL=1" in done.stderr
    assert not (tmp_path / "kdev/engine/done.json").exists()


def test_down_stops_nothing_that_it_did_not_start(tmp_path: Path) -> None:
    done = invoke("engine.down", XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 0
    assert "nothing to stop" in done.stderr


FAKE_DOCKERD = """\
#!/bin/bash
# Answers for as long as it runs, and takes its pid file away when it is told to stop.
while [ $# -gt 0 ]; do [ "$1" = --pidfile ] && pidfile=$2; shift; done
echo $$ > "$pidfile"
exec -a dockerd bash -c 'trap "rm -f $HERE/answers $1; exit" TERM; touch $HERE/answers; while :; do sleep 0.05; done' \
    x "$pidfile"
"""


def test_an_engine_that_was_started_here_is_stopped_and_its_routes_taken_back(tmp_path: Path) -> None:
    """With stand-ins for dockerd, docker and ip: no real engine is started or stopped."""
    if os.geteuid() != 0 or sys.platform != "linux" or os.path.isdir("/run/systemd/system"):
        pytest.skip("without systemd and as root, dockerd is started directly")
    programs = {
        "dockerd": FAKE_DOCKERD,
        "docker": '#!/bin/sh\n[ -e "$HERE/answers" ] && echo 20.10\n',
        "ip": '#!/bin/sh\ncase "$*" in *show*) ;; *) echo "$*" >> "$HERE/ip.log" ;; esac\n',
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "XDG_CACHE_HOME": str(tmp_path), "HERE": str(tmp_path)}
    up = invoke("engine.up", KDEV_ALLOW_INSTALL="1", **environment)
    try:
        assert up.returncode == 0, up.stderr
        pid = int((tmp_path / "kdev/engine/dockerd.pid").read_text())
        assert f"pid {pid}" in invoke("engine.status", **environment).stdout
        again = invoke("engine.up", **environment)
        assert "use the Docker Engine" in again.stderr
        assert "start dockerd" not in again.stderr
    finally:
        down = invoke("engine.down", **environment)
    assert down.returncode == 0, down.stderr
    # Dead, or a zombie that nobody has waited for: either has no command line.
    assert not os.path.exists(f"/proc/{pid}") or Path(f"/proc/{pid}/cmdline").read_bytes() == b""
    assert not (tmp_path / "kdev/engine/done.json").exists()
    added = [line.split()[3] for line in (tmp_path / "ip.log").read_text().splitlines() if "replace blackhole" in line]
    taken = [line.split()[3] for line in (tmp_path / "ip.log").read_text().splitlines() if "del blackhole" in line]
    assert added == taken == ["172.17.0.0/16", "172.30.0.0/16"]
    assert "nothing to stop" in invoke("engine.down", **environment).stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What `./inv` looks at, and an environment that says it is made from exactly that."""
    for name in ("inv", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def inv(checkout: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "./inv"], cwd=checkout, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        env={"PATH": environment.pop("PATH", os.environ["PATH"]), "HOME": str(checkout), **environment},
    )  # fmt: skip


def test_inv_says_which_package_is_missing_when_there_is_no_python(checkout: Path) -> None:
    tools = checkout / "tools"
    tools.mkdir()
    for name in ("dirname", "cat", "cksum", "find", "sort", "id", "head", "sed", "grep", "rm"):
        (tools / name).symlink_to(shutil.which(name) or name)
    script = (checkout / "inv").read_text()
    for place in ("/usr/bin/python3", "/usr/local/bin/python3", "/opt/homebrew/bin/python3"):
        script = script.replace(place, "/nowhere/python3")
    (checkout / "inv").write_text(script)
    done = inv(checkout, PATH=str(tools))
    assert done.returncode == 69
    assert "Python 3.11 to 3.14 is needed" in done.stderr
    assert "apt-get install python3 python3-venv" in done.stderr


def test_inv_names_the_venv_package_of_a_python_without_it(checkout: Path) -> None:
    tools = checkout / "tools"
    tools.mkdir()
    python = tools / "python3"
    # Debian's python3 without python3-venv: everything works but these two modules.
    python.write_text(
        '#!/bin/sh\ncase "$*" in *ensurepip*) exit 1 ;; *sys.exit*) exit 0 ;; *) echo python3.11-venv ;; esac\n'
    )
    python.chmod(0o755)
    script = (checkout / "inv").read_text()
    for place in ("/usr/bin/python3", "/usr/local/bin/python3", "/opt/homebrew/bin/python3"):
        script = script.replace(place, "/nowhere/python3")
    script = script.replace("python3.13 python3.12 python3.11 python3.14", "")
    (checkout / "inv").write_text(script)
    done = inv(checkout, PATH=f"{tools}:/usr/bin:/bin", KDEV_ALLOW_INSTALL="0")
    assert done.returncode == 69
    assert "apt-get install python3.11-venv" in done.stderr


def test_inv_needs_no_home_and_sets_nothing_up_twice() -> None:
    if not (ROOT / ".venv/packages.stamp").exists():
        pytest.skip("these tests do not run in the environment that ./inv makes")
    bare = {"PATH": os.environ["PATH"]}
    for _ in range(2):
        done = subprocess.run(["/bin/sh", str(ROOT / "inv")], cwd="/", capture_output=True, text=True, env=bare)
    assert done.returncode == 0, done.stderr
    assert "installing" not in done.stderr
    assert "engine.up" in done.stdout
