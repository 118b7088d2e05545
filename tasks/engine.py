"""engine.up, engine.down, engine.status: a Docker Engine on this machine.

Uses the engine that answers. Only where none does, and only with leave, Debian's own is installed and started; what was
started here is written down under the cache folder, and `down` stops exactly that.
"""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from invoke import Context, Exit, task

from tasks.machine import (
    Missing,
    allowed,
    apt_install,
    cache,
    has_apt,
    is_root,
    offered_by_apt,
    output_of,
    run,
    say,
)

SOCKET = "/var/run/docker.sock"
PACKAGES = ("docker.io", "iptables", "iproute2", "ca-certificates")
# From trixie on the client and the build plugin are packages of their own.
CLIENT_PACKAGES = ("docker-cli", "docker-buildx")
BRIDGE = "172.17.0.0/16"  # Docker's default bridge
POOL = "172.30.0.0/16"  # the networks that kdev makes, one per namespace; so the ranges in use are known beforehand
START_SECONDS = 60
STOP_SECONDS = 30
CAP_SYS_RESOURCE = 24

OOM_WRAPPER = """#!{python}
# Root without CAP_SYS_RESOURCE may not lower a process's OOM score, and runc dies when a container asks for it.
import json, os, sys

arguments = sys.argv[1:]
if "create" in arguments or "run" in arguments:
    bundle = arguments[arguments.index("--bundle") + 1] if "--bundle" in arguments else "."
    path = os.path.join(bundle, "config.json")
    with open(path) as file:
        config = json.load(file)
    if config.get("process", {{}}).get("oomScoreAdj", 0) < 0:
        config["process"]["oomScoreAdj"] = 0
        with open(path, "w") as file:
            json.dump(config, file)
os.execv({runc!r}, ["runc", *arguments])
"""


class Facts(NamedTuple):
    """What decides how an engine comes up; gathered once, so that the decision can be read without a machine."""

    answers: str  # the address of an engine that answers, "" for none
    docker_host: str
    root: bool
    apt: bool
    installed: bool
    systemd: bool
    may_lower_oom: bool
    free_ranges: tuple[str, ...]


class Act(NamedTuple):
    """One thing to do: what it is, for people, and how."""

    text: str
    do: Callable[[], None]


@task(help={"dry_run": "only say what would be done", "bare": "with --dry-run: as on a machine that has nothing yet"})
def up(_: Context, dry_run: bool = False, bare: bool = False) -> None:
    """A Docker Engine answers; one is installed and started where there is none and that is allowed."""
    try:
        bring_up(dry_run=dry_run, bare=bare)
    except Missing as missing:
        raise Exit(f"inv: {missing}", code=69) from None


@task
def down(_: Context) -> None:
    """Stop the engine that engine.up started, and take back what it added. Leaves any other engine alone."""
    take_down()


@task
def status(_: Context) -> None:
    """Which engine answers, and whether engine.up started it."""
    where = answering()
    if not where:
        print("no Docker Engine answers; start one: ./inv engine.up")
        raise Exit(code=1)
    pid = started_pid()
    origin = f"started by engine.up, pid {pid}" if pid else "not started by engine.up"
    print(f"Docker Engine {output_of(['docker', 'version', '-f', '{{.Server.Version}}'])} at {where}, {origin}")


def bring_up(*, dry_run: bool = False, bare: bool = False) -> bool:
    """True when an engine was started here, False when one answered already. Raises Missing."""
    facts = gather(bare=dry_run and bare)
    acts = decide(facts)
    if not (dry_run or facts.answers):
        say("no Docker Engine answers. To have one, ./inv would:")
        for act in acts:
            say(f"  {act.text}")
        if not allowed("do that?"):
            raise Missing("no Docker Engine answers; start one, or let ./inv do the above: KDEV_ALLOW_INSTALL=1")
    for act in acts:
        say(f"would {act.text}" if dry_run else act.text)
        if not dry_run:
            act.do()
    if dry_run or facts.answers:
        return False
    where = answering()
    if not where:
        raise Missing("the Docker Engine was started and does not answer")
    say(f"Docker Engine answers at {where}; stop it with ./inv engine.down")
    return True


def gather(*, bare: bool = False) -> Facts:
    """The facts of this machine; `bare` pretends a Debian with root and nothing installed."""
    if bare:
        return Facts("", "", True, True, False, False, False, (BRIDGE, POOL))
    return Facts(
        answers=answering(),
        docker_host=os.environ.get("DOCKER_HOST", ""),
        root=is_root(),
        apt=has_apt(),
        installed=shutil.which("dockerd") is not None,
        systemd=os.path.isdir("/run/systemd/system"),
        may_lower_oom=has_capability(CAP_SYS_RESOURCE),
        free_ranges=tuple(cidr for cidr in (BRIDGE, POOL) if not in_use(cidr)),
    )


def decide(facts: Facts) -> list[Act]:
    """What to do, in order. Raises Missing when it cannot or may not be done here."""
    if facts.answers:
        return [Act(f"use the Docker Engine at {facts.answers}", lambda: None)]
    if facts.docker_host:
        raise Missing(f"DOCKER_HOST is {facts.docker_host} and no engine answers there; start it or unset DOCKER_HOST")
    if sys.platform != "linux":
        raise Missing("no Docker Engine answers; start Docker Desktop, OrbStack or Colima and try again")
    if not facts.root or not (facts.installed or facts.apt):
        raise Missing(
            "no Docker Engine answers; start it (sudo systemctl start docker) or install it "
            "(sudo apt-get install docker.io iptables); as root, ./inv engine.up does both"
        )
    acts = [
        # First of all: should a bridge vanish, packets for containers must not leave through the default route.
        Act(f"add a blackhole route for {cidr} (metric 9999)", lambda cidr=cidr: add_route(cidr))  # type: ignore[misc]
        for cidr in facts.free_ranges
    ]
    if not facts.installed:
        acts.append(Act(f"install with apt-get: {' '.join(PACKAGES)}", install))
    if facts.systemd:
        acts.append(Act("start docker.service", start_service))
        return acts
    if not facts.may_lower_oom:
        acts.append(Act("wrap runc, because this root may not lower OOM scores", write_wrapper))
    acts.append(Act("start dockerd and wait until it answers", lambda: start_dockerd(not facts.may_lower_oom)))
    return acts


def answering() -> str:
    """The address of the engine that the docker client would talk to, when it answers; "" when none does."""
    host = os.environ.get("DOCKER_HOST", "")
    if shutil.which("docker"):
        if output_of(["docker", "version", "-f", "{{.Server.Version}}"]) is None:
            return ""
        return host or output_of(["docker", "context", "inspect", "-f", "{{.Endpoints.docker.Host}}"]) or SOCKET
    import docker  # noqa: PLC0415 - 0.2 s, and only where there is no client program

    try:
        client = docker.DockerClient(base_url=host or f"unix://{SOCKET}", timeout=5)
        client.ping()
        client.close()
    except docker.errors.DockerException:
        return ""
    return host or f"unix://{SOCKET}"


def folder() -> Path:
    place = cache() / "engine"
    place.mkdir(mode=0o700, exist_ok=True)
    return place


def ledger() -> dict[str, Any]:
    """What engine.up did and engine.down takes back: `routes`, `service`, `bridge`."""
    try:
        content: dict[str, Any] = json.loads((folder() / "done.json").read_text())
    except (OSError, ValueError):
        return {}
    return content


def note(**done: object) -> None:
    """Written before the thing is done, so that a kill in between leaves nothing unknown behind."""
    draft = folder() / "done.json.new"
    draft.write_text(json.dumps({**ledger(), **done}))
    draft.replace(folder() / "done.json")


def in_use(cidr: str) -> bool:
    """Does this machine have an address in the range, or a route for it?"""
    network = ipaddress.ip_network(cidr)
    for line in (output_of(["ip", "-o", "-4", "addr", "show"]) or "").splitlines():
        if ipaddress.ip_interface(line.split()[3]).ip in network:
            return True
    return bool(output_of(["ip", "route", "show", "root", cidr]))


def add_route(cidr: str) -> None:
    if not shutil.which("ip"):
        install()
    note(routes=[*ledger().get("routes", []), cidr])
    run(["ip", "route", "replace", "blackhole", cidr, "metric", "9999"])


def install() -> None:
    """Install without starting: a service that an installation starts would be nobody's to stop."""
    more = [package for package in CLIENT_PACKAGES if offered_by_apt(package) and not shutil.which("docker")]
    apt_install([*PACKAGES, *more], "the Docker Engine", asked=True)


def start_service() -> None:
    note(service=True)
    run(["systemctl", "start", "docker"])
    wait_until(answering, START_SECONDS, "docker.service does not answer; see: journalctl -u docker")


def has_capability(bit: int) -> bool:
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("CapEff:"):
                return bool(int(line.split()[1], 16) >> bit & 1)
    except OSError:
        pass
    return True


def write_wrapper() -> None:
    wrapper = folder() / "runc-oom"
    runc = shutil.which("runc") or "/usr/sbin/runc"
    wrapper.write_text(OOM_WRAPPER.format(python=sys.executable, runc=runc))
    wrapper.chmod(0o755)


def dockerd_argv(wrapped: bool) -> list[str]:
    base = folder()
    argv = ["dockerd", "--host", f"unix://{SOCKET}", "--pidfile", str(base / "dockerd.pid")]
    argv += ["--default-address-pool", f"base={POOL},size=24"]
    if wrapped:
        argv += ["--add-runtime", f"runc-oom={base / 'runc-oom'}", "--default-runtime", "runc-oom"]
    return argv


def start_dockerd(wrapped: bool) -> None:
    note(bridge=not os.path.exists("/sys/class/net/docker0"))
    (folder() / "dockerd.pid").unlink(missing_ok=True)  # of an engine that is dead: started_pid() said so
    log = folder() / "dockerd.log"
    with log.open("wb") as file:
        # A session of its own: Ctrl-C at ./inv must not stop the engine that others may use by now.
        process = subprocess.Popen(
            dockerd_argv(wrapped), stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        )

    def answers_or_died() -> bool:
        if process.poll() is not None:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
            raise Missing(f"dockerd ended with code {process.returncode}; the end of {log}:\n{tail}")
        return bool(answering())

    wait_until(answers_or_died, START_SECONDS, f"dockerd does not answer; see {log}")


def wait_until(true: Callable[[], object], seconds: float, otherwise: str) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise Missing(otherwise)
        time.sleep(0.2)


def started_pid() -> int:
    """The pid of the dockerd that engine.up started, 0 when it does not run. A pid that was reused does not count."""
    try:
        pid = int((folder() / "dockerd.pid").read_text())
        name = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return 0
    return pid if name[0].endswith(b"dockerd") and os.fsencode(folder() / "dockerd.pid") in name else 0


def take_down() -> None:
    """Undo what the ledger says, newest first."""
    done = ledger()
    pid = started_pid()
    if not done and not pid:
        say("engine.up started nothing here; nothing to stop")
        return
    if pid:
        say(f"stopping dockerd (pid {pid})")
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not started_pid(), STOP_SECONDS, f"dockerd (pid {pid}) does not stop")
    if done.get("service"):
        say("stopping docker.service")
        run(["systemctl", "stop", "docker.service", "docker.socket"])
    if done.get("bridge") and os.path.exists("/sys/class/net/docker0"):
        say("removing the bridge docker0")
        run(["ip", "link", "delete", "docker0"])
    for cidr in done.get("routes", []):
        say(f"removing the blackhole route for {cidr}")
        output_of(["ip", "route", "del", "blackhole", cidr, "metric", "9999"])
    (folder() / "done.json").unlink(missing_ok=True)

