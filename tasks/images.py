"""images, buildx: the base images and the build plugin that examples and tests use.

Pulled where a registry answers. Where none does, made here from what this machine and Debian's packages offer, under
the ordinary names, and kept in the cache folder so that it happens once. Says what each image really holds.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from invoke import Context, Exit, task

from tasks.machine import Missing, apt_install, cache, has_apt, output_of, run, say

BUSYBOX = "busybox:1.36"
PYTHON = "python:3.12-slim"
PULL_SECONDS = 40
PYTHONS_3_12 = ("/usr/local/bin/python3.12", "/usr/bin/python3.12", "/opt/homebrew/bin/python3.12")
LEFT_OUT = {"test", "tests", "idlelib", "lib2to3", "tkinter", "turtledemo", "ensurepip", "site-packages", "__pycache__"}


@task
def images(_: Context) -> None:
    """The base images busybox:1.36 and python:3.12-slim are here: pulled, or made locally where no registry answers."""
    try:
        ensure_images(BUSYBOX, PYTHON)
    except Missing as missing:
        raise Exit(f"inv: {missing}", code=69) from None


@task
def buildx(_: Context) -> None:
    """docker buildx is here: the installed plugin, or Debian's in the cache folder (prints its DOCKER_CONFIG)."""
    config = ensure_buildx()
    print(config or "docker buildx is installed")


def ensure_images(*names: str) -> None:
    """Raises Missing when an image can be neither pulled nor made."""
    registry_answers = True
    for name in names:
        if output_of(["docker", "image", "inspect", "-f", "{{.Id}}", name]):
            say(f"{name}: here")
            continue
        kept = cache() / "images" / f"{name.replace(':', '-')}.tar"
        if kept.is_file() and output_of(["docker", "load", "-q", "-i", str(kept)]) is not None:
            say(f"{name}: loaded from {kept}")
            continue
        registry_answers = registry_answers and pull(name)
        if registry_answers:
            continue
        say(f"{name}: no registry answers; making it here")
        kept.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="kdev-image-") as scratch:
            root = Path(scratch) / "root"
            command = {BUSYBOX: busybox, PYTHON: python}[name](root)
            import_root(root, name, command)
        run(["docker", "save", "-o", str(kept), name])


def pull(name: str) -> bool:
    say(f"{name}: pulling")
    try:
        subprocess.run(["docker", "pull", "-q", name], check=True, capture_output=True, timeout=PULL_SECONDS)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return False
    return True


def import_root(root: Path, name: str, command: str) -> None:
    """Make the image `name` from a root file system."""
    tar = root.parent / "root.tar"
    with tarfile.open(tar, "w") as archive:
        archive.add(root, arcname=".", filter=owned_by_root)
    run(["docker", "import", "--change", f"CMD {command}", "--change", "ENV PATH=/usr/local/bin:/usr/bin:/bin:/sbin",
         str(tar), name], stdout=subprocess.DEVNULL)


def owned_by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Everything belongs to root in the image, whoever made it."""
    return entry.replace(uid=0, gid=0, uname="root", gname="root", deep=False)


def skeleton(root: Path) -> None:
    top = ["bin", "dev", "etc", "home", "proc", "root", "sbin", "sys", "tmp"]
    for folder in [*top, "usr/bin", "usr/local/bin", "var/tmp"]:
        (root / folder).mkdir(parents=True)
    for folder in ("tmp", "var/tmp"):
        (root / folder).chmod(0o1777)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
    (root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")


def put_busybox(root: Path) -> str:
    """Debian's static busybox and its applets in /bin; returns its version."""
    program = root / "bin/busybox"
    with tempfile.TemporaryDirectory(prefix="kdev-deb-") as scratch:
        unpack(download("busybox-static", Path(scratch)), Path(scratch) / "content")
        shutil.copy(Path(scratch) / "content/bin/busybox", program)
    listed = subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout
    for applet in listed.split():
        if not (program.parent / applet).exists():
            (program.parent / applet).symlink_to("busybox")
    version = re.search(r"BusyBox v(\S+)", output_of([str(program)]) or "")
    return version.group(1) if version else "of an unknown version"


def put_libraries(binary: Path, root: Path) -> None:
    """The shared libraries that `binary` is linked with, and the loader."""
    for library in re.findall(r"(/\S+) \(0x", output_of(["ldd", str(binary)]) or ""):
        # The loader has a fixed place; everything else is found in /lib through the default search path.
        place = library if "/ld-linux" in library else f"/lib/{Path(library).name}"
        destination = root / place.lstrip("/")
        if not destination.exists():
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, destination)


def busybox(root: Path) -> str:
    skeleton(root)
    version = put_busybox(root)
    say(f"{BUSYBOX}: made from Debian's busybox-static; note that this is busybox {version}")
    return '["sh"]'


def python(root: Path) -> str:
    """A Python 3.12 of this machine where there is one, else Debian's python3, whatever its version."""
    found = find_python_3_12()
    if found:
        skeleton(root)
        put_busybox(root)
        put_python(found, root)
        version = output_of([found, "-c", "import platform; print(platform.python_version())"])
        say(f"{PYTHON}: made from this machine's Python {version} and busybox; it has no pip and no apt")
        return '["python3"]'
    apt_install(["debootstrap"], f"making {PYTHON} without a registry")
    suite = output_of(["sh", "-c", ". /etc/os-release && echo $VERSION_CODENAME"])
    if not suite:
        raise Missing(f"{PYTHON} cannot be made here; pull it, or tag an image of yours with that name")
    run(["debootstrap", "--variant=minbase", "--include=python3", suite, str(root)], stdout=subprocess.DEVNULL)
    shutil.rmtree(root / "var/cache/apt", ignore_errors=True)
    (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    version = next((root / "usr/bin").glob("python3.[0-9]*")).name
    say(f"{PYTHON}: no Python 3.12 here; made from Debian {suite}. Note that python3 in it is {version}, not 3.12")
    return '["python3"]'


def find_python_3_12() -> str:
    places = [*PYTHONS_3_12, shutil.which("python3.12") or ""]
    places += [str(path) for path in Path.home().glob(".pyenv/versions/3.12*/bin/python3.12")]
    # A shim prints the real program; only that one has its library beside it.
    ask = "import sys; sys.version_info[:2] == (3, 12) and print(sys.executable)"
    for place in places:
        real = place and output_of([place, "-c", ask])
        if real:
            return real
    return ""


def put_python(program: str, root: Path) -> None:
    """The interpreter, its library without tests, and the shared libraries they are linked with."""
    stdlib = Path(output_of([program, "-c", "import os; print(os.path.dirname(os.__file__))"]) or "")
    target = root / "usr/local/lib" / stdlib.name

    def left_out(_: str, names: list[str]) -> set[str]:
        return {name for name in names if name in LEFT_OUT or name.startswith("config-")}

    shutil.copytree(stdlib, target, symlinks=True, ignore=left_out)
    (target / "site-packages").mkdir()
    copy = root / "usr/local/bin/python3.12"
    shutil.copy(Path(program).resolve(), copy)
    for name in ("python3", "python"):
        (copy.parent / name).symlink_to("python3.12")
    for binary in (Path(program).resolve(), *(stdlib / "lib-dynload").glob("*.so")):
        put_libraries(binary, root)


def download(package: str, folder: Path, *options: str) -> Path:
    """Fetch a Debian package into `folder` without installing it."""
    if not has_apt():
        raise Missing(f"{package} comes from Debian's packages and there is no apt-get here")
    run(["apt-get", "-qq", *options, "download", package], cwd=folder, stderr=subprocess.DEVNULL)
    return next(folder.glob(f"{package}_*.deb"))


def unpack(deb: Path, folder: Path) -> None:
    run(["dpkg-deb", "-x", str(deb), str(folder)])


def ensure_buildx() -> str:
    """"" when the docker client has the plugin, else a DOCKER_CONFIG folder that holds Debian's. Raises Missing."""
    if output_of(["docker", "buildx", "version"]):
        return ""
    config = cache() / "docker-config"
    plugin = config / "cli-plugins/docker-buildx"
    if plugin.is_file():
        return str(config)
    mirror = next(iter((output_of(["apt-get", "indextargets", "--format", "$(REPO_URI)"]) or "").split()), "")
    if not mirror:
        raise Missing("docker buildx is missing; install the plugin (on Debian trixie and later: docker-buildx)")
    say("docker buildx is missing; fetching Debian trixie's plugin into the cache folder (13 MB), not installing it")
    with tempfile.TemporaryDirectory(prefix="kdev-buildx-") as scratch:
        base = Path(scratch)
        for name in ("lists/partial", "archives/partial"):
            (base / name).mkdir(parents=True)
        keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
        (base / "sources.list").write_text(f"deb [signed-by={keyring}] {mirror} trixie main\n")
        # A list, a cache and a source of its own: the machine's apt is not touched.
        options = [
            "-o", f"Dir::Etc::sourcelist={base}/sources.list", "-o", "Dir::Etc::sourceparts=-",
            "-o", f"Dir::State::lists={base}/lists", "-o", f"Dir::Cache={base}", "-o", "Acquire::Languages=none",
            "-o", "APT::Sandbox::User=",  # it may not be able to read a private folder
        ]
        run(["apt-get", "-qq", *options, "update"])
        unpack(download("docker-buildx", base, *options), base / "x")
        plugin.parent.mkdir(parents=True, exist_ok=True)
        draft = plugin.with_suffix(".new")
        shutil.copy(base / "x/usr/libexec/docker/cli-plugins/docker-buildx", draft)
        draft.chmod(0o755)
        draft.replace(plugin)
    return str(config)
