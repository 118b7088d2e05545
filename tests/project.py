"""A project in a folder, and the real `kdev` run in it: `Project(tmp_path / "shop").write({…}).run("build")`.

Runs with a HOME of its own, no colours and JSON output, and takes back what it made: see `clean_up`.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
TOKEN = f"t{secrets.token_hex(3)}"
"""Part of the name of every project and namespace of this test run, so that its leftovers can be told from others'."""

Event = dict[str, Any]
SERVICES = frozenset({"forward", "reverse-forward", "sync", "logs", "terminal", "attach", "open"})


def kind(step: str) -> str:
    """`build` of `dep/platform::build:rates`."""
    return step.rpartition("::")[2].partition(":")[0]


@dataclass(frozen=True)
class Completed:
    """A command that ended."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def events(self) -> list[Event]:
        return [json.loads(line) for line in self.out.splitlines() if line.startswith("{")]

    @property
    def ran(self) -> set[str]:
        """The steps that were executed, services left out."""
        return executed(self.events)

    @property
    def skipped(self) -> dict[str, str]:
        """Step → why it was skipped."""
        return {event["step"]: event["why"] for event in self.events if event["event"] == "skipped"}

    @property
    def failed(self) -> dict[str, str]:
        """Step → what went wrong."""
        return {event["step"]: event["message"] for event in self.events if event["event"] == "failed"}

    def reasons(self, step: str) -> list[str]:
        """The sentences for why `step` ran, [] when it did not."""
        return [
            reason["text"]
            for event in self.events
            if event["event"] == "started" and event["step"] == step
            for reason in event["reasons"]
        ]

    def ok(self) -> Self:
        """Itself, when it succeeded; else an AssertionError that shows everything it printed."""
        assert self.code == 0, self.describe()
        return self

    def describe(self) -> str:
        return f"kdev {' '.join(self.argv)} → {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


def executed(events: Iterable[Event]) -> set[str]:
    """The steps that began in these events, services left out."""
    return {e["step"] for e in events if e["event"] == "started" and kind(e["step"]) not in SERVICES}


class Running:
    """A command that runs, `kdev run dev` as a rule. Its events are read as they come."""

    def __init__(self, process: subprocess.Popen[str], argv: tuple[str, ...]) -> None:
        self.process = process
        self.argv = argv
        self.events: list[Event] = []
        self.err = ""
        self._changed = threading.Condition()
        self._readers = [threading.Thread(target=read, daemon=True) for read in (self._read_out, self._read_err)]
        for reader in self._readers:
            reader.start()

    def _read_out(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            if line.startswith("{"):
                with self._changed:
                    self.events.append(json.loads(line))
                    self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def _read_err(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.err += line

    def mark(self) -> int:
        """A place in the stream of events, for `since`."""
        with self._changed:
            return len(self.events)

    def since(self, mark: int) -> list[Event]:
        with self._changed:
            return self.events[mark:]

    def wait(self, matches: Callable[[Event], bool], *, since: int = 0, timeout: float = 60) -> Event:
        """The first event from `since` on that matches. AssertionError when there is none in time or kdev ended."""
        end = time.monotonic() + timeout
        at = since
        with self._changed:
            while True:
                while at < len(self.events):
                    if matches(self.events[at]):
                        return self.events[at]
                    at += 1
                ended = self.process.poll() is not None and not self._readers[0].is_alive()
                left = end - time.monotonic()
                assert not ended, self.describe(f"ended with code {self.process.returncode} before the event came")
                assert left > 0, self.describe(f"the event did not come in {timeout} s")
                self._changed.wait(min(left, 0.5))

    def ready(self, *, since: int = 0, timeout: float = 90) -> Event:
        """Wait until every step is up to date or serving."""
        return self.wait(lambda event: event["event"] == "ready", since=since, timeout=timeout)

    def quiet(self, seconds: float, *, since: int) -> list[Event]:
        """What was executed from `since` on, once no step has begun or ended for `seconds`."""
        telling = {"started", "finished", "failed", "ready", "changed"}
        seen = -1
        while seen != (now := sum(1 for event in self.since(since) if event["event"] in telling)):
            seen = now
            time.sleep(seconds)
        return self.since(since)

    def stop(self, number: int = signal.SIGINT, timeout: float = 20) -> int:
        """Signal it, wait until it has ended; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(self.describe(f"did not end within {timeout} s after signal {number}")) from None
        finally:
            for reader in self._readers:
                reader.join(5)
            for stream in (self.process.stdout, self.process.stderr, self.process.stdin):
                if stream:
                    stream.close()
        return code

    def describe(self, what: str) -> str:
        told = "\n".join(json.dumps(event) for event in self.events[-40:])
        return f"kdev {' '.join(self.argv)} {what}\n--- the last events\n{told}\n--- stderr\n{self.err}"


@dataclass
class Project:
    """A folder with a devspace.yaml. Its name is the folder's, so give `root` a name that starts with TOKEN or use
    `Project.at`. Each project has a namespace of its own."""

    root: Path
    home: Path
    namespace: str
    sessions: list[Running] = field(default_factory=list)

    @classmethod
    def at(cls, folder: Path, name: str = "project", example: str = "") -> Project:
        """A new project under `folder`; with `example` a copy of that one, its local ports replaced by free ones."""
        unique = f"{TOKEN}-{name}-{secrets.token_hex(2)}"
        project = cls(folder / unique, folder / f"{unique}.home", unique)
        project.home.mkdir(parents=True)
        if example:
            shutil.copytree(EXAMPLES / example, project.root, ignore=shutil.ignore_patterns(".kdev", "__pycache__"))
            project.write({"devspace.yaml": with_free_ports(project.read("devspace.yaml"))})
            project.rename_images()
        else:
            project.root.mkdir()
        return project

    @property
    def repository(self) -> str:
        """What the repositories of this project's images begin with; nobody else's do."""
        return self.root.name

    def rename_images(self) -> None:
        """Give the images of an example repositories of our own, in every file that names them."""
        first = re.search(r"^ +image: ([^/\s]+)/", self.read("devspace.yaml"), re.MULTILINE)
        assert first
        for path in self.root.rglob("*.yaml"):
            text = path.read_text()
            path.write_text(text.replace(f"image: {first[1]}/", f"image: {self.repository}/"))

    def image_references(self) -> list[str]:
        """The images of this project that the engine holds, newest first."""
        return docker("images", "--format", "{{.Repository}}:{{.Tag}}", f"{self.repository}/*").split()

    def write(self, files: Mapping[str, str | bytes | None]) -> Self:
        """Write files by their path in the project; None deletes one."""
        for name, content in files.items():
            path = self.root / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return self

    def read(self, name: str) -> str:
        return (self.root / name).read_text()

    def edit(self, name: str, old: str, new: str) -> Self:
        """Replace `old`, which must be there, by `new`."""
        text = self.read(name)
        assert old in text, f"{name} does not hold {old!r}"
        return self.write({name: text.replace(old, new)})

    def environment(self, **more: str) -> dict[str, str]:
        """What kdev gets as its environment: a HOME of its own, and of ours only what leads to Docker and programs."""
        kept = {name: os.environ[name] for name in ("PATH", "DOCKER_HOST", "DOCKER_CONFIG") if name in os.environ}
        own = {"HOME": str(self.home), "NO_COLOR": "1", "PYTHONPATH": str(ROOT), "TERM": "dumb", "LC_ALL": "C.UTF-8"}
        return kept | own | more

    def argv(self, argv: Iterable[str], *, json_output: bool) -> list[str]:
        words = list(argv)
        flags = ["-n", self.namespace] if words and words[0] not in {"init", "completion"} else []
        if json_output:
            flags += ["-o", "json"]
        return [sys.executable, "-m", "kdev", *words[:1], *flags, *words[1:]]

    def run(
        self,
        *argv: str,
        json_output: bool = True,
        timeout: float = 120,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: str = "",
    ) -> Completed:
        """Run `kdev ARGV` and wait for its end. It has no terminal."""
        done = subprocess.run(
            self.argv(argv, json_output=json_output),
            cwd=cwd or self.root,
            env=self.environment(**(env or {})),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return Completed(argv, done.returncode, done.stdout, done.stderr)

    def start(self, *argv: str, env: Mapping[str, str] | None = None) -> Running:
        """Start `kdev ARGV` and leave it running; `clean_up` stops it."""
        process = subprocess.Popen(
            self.argv(argv, json_output=True),
            cwd=self.root,
            env=self.environment(**(env or {})),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running = Running(process, argv)
        self.sessions.append(running)
        return running

    def clean_up(self) -> None:
        """Stop what runs, purge, and remove the images that were built here. Safe to call twice."""
        for session in self.sessions:
            if session.process.poll() is None:
                session.stop(signal.SIGKILL)
        self.sessions.clear()
        if (self.root / "devspace.yaml").is_file() and (self.root / ".kdev").is_dir():
            self.run("purge", json_output=False)
        force_away(self.root.name)


def with_free_ports(text: str) -> str:
    """A devspace.yaml whose local ports are free ones; the ports in the containers stay."""

    def replace(found: re.Match[str]) -> str:
        indent, port, remote = found.group(1), found.group(2), found.group(3) or ""
        return f"{indent}- port: {free_port()}\n{remote or f'{indent}  remotePort: {port}' + chr(10)}"

    return re.sub(r"^( *)- port: (\d+)\n( *remotePort: \d+\n)?", replace, text, flags=re.MULTILINE)


def local_ports(project: Project) -> list[int]:
    """The local ports of a devspace.yaml, in the order in which they are written."""
    return [int(port) for port in re.findall(r"^ *- port: (\d+)$", project.read("devspace.yaml"), re.MULTILINE)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def docker(*argv: str) -> str:
    """A command of the docker client; its standard output, whatever its exit code."""
    return subprocess.run(["docker", *argv], capture_output=True, text=True).stdout.strip()


def labelled(prefix: str = "") -> dict[str, set[str]]:
    """Everything on the engine that carries kdev's label, by kind; with `prefix` only projects that begin so."""
    found: dict[str, set[str]] = {}
    form = '{{.ID}} {{.Label "kdev.dev/project"}}'
    for name, argv in {
        "container": ["ps", "--all", "--no-trunc"],
        "network": ["network", "ls", "--no-trunc"],
        "volume": ["volume", "ls"],
    }.items():
        shown = form.replace(".ID", ".Name") if name == "volume" else form
        lines = docker(*argv, "--filter", "label=kdev.dev/managed=true", "--format", shown).splitlines()
        pairs = (line.partition(" ")[::2] for line in lines)
        found[name] = {identity for identity, project in pairs if project.startswith(prefix)}
    return found


def force_away(project: str) -> None:
    """Remove whatever a failed test left on the engine for `project`, after kdev's own purge had its chance."""
    left = labelled(project)
    for identity in left["container"]:
        docker("rm", "--force", "--volumes", identity)
    for identity in left["network"]:
        docker("network", "rm", identity)
    for identity in left["volume"]:
        docker("volume", "rm", "--force", identity)
    for image in docker("images", "--format", "{{.Repository}}:{{.Tag}}", f"{project}/*").split():
        docker("image", "rm", "--force", image)
