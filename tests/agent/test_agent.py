from __future__ import annotations

import hashlib
import os
import stat
import struct
import subprocess
import time
from pathlib import Path

import pytest

from kdev import agent
from kdev.errors import KdevError
from tests.agent.client import (
    ABSENT,
    ANYHOW,
    CANCEL,
    CHANGED,
    CHMOD,
    COMMIT,
    DATA,
    END,
    EXPECT,
    HASH,
    INPUT,
    MALFORMED,
    MISSING,
    MKDIR,
    NOT_EMPTY,
    PING,
    PONG,
    READ,
    REFUSED,
    REMOVE,
    SCAN,
    SYMLINK,
    UNSUPPORTED,
    WATCH,
    WRITE,
    Agent,
    Refusal,
    entries,
    rules,
    take_text,
    text,
)

OLD = 1_600_000_000_123_456_789


def refused(code: int):  # type: ignore[no-untyped-def]
    return pytest.raises(Refusal, match=rf"^{code}:")


def settled(path: Path) -> Path:
    """Wait until a change of `path` can no longer be called racy."""
    end = time.monotonic() + 5
    while time.time_ns() - path.lstat().st_ctime_ns < 80_000_000 and time.monotonic() < end:
        time.sleep(0.01)
    return path


def test_the_program_says_its_protocol_and_its_own_digest(program: Path) -> None:
    said = subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout.split()
    arch = program.name.rpartition("-")[2]
    assert said[:2] == ["kdev-agent", "1"]
    assert said[3] == hashlib.sha256(program.read_bytes()).hexdigest() == agent.digest(arch)


def test_both_architectures_are_built_static_and_small(program: Path) -> None:
    for arch, machine in (("amd64", 62), ("arm64", 183)):
        elf = agent.binary(arch)
        assert len(elf) < 3_000_000
        assert struct.unpack_from("<H", elf, 18) == (machine,)
        assert b"/lib64/ld-linux" not in elf


@pytest.mark.parametrize(
    ("machine", "arch"), [("x86_64", "amd64"), ("amd64", "amd64"), ("aarch64", "arm64"), ("ARM64\n", "arm64")]
)
def test_machines_are_known_by_all_their_names(machine: str, arch: str) -> None:
    assert agent.architecture(machine) == arch


def test_another_machine_is_an_error_that_names_it() -> None:
    with pytest.raises(KdevError, match="riscv64"):
        agent.architecture("riscv64")


def test_welcome_tells_who_and_where(program: Path, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (real / "Name").touch()
    (tmp_path / "link").symlink_to(real)
    one = Agent(program, tmp_path / "link")
    protocol, flags, uid = struct.unpack_from(">HBI", one.welcome)
    _, rest = take_text(one.welcome[7:])
    digest, rest = take_text(rest)
    root, rest = take_text(rest)
    assert (protocol, flags, uid, rest) == (1, 0, os.geteuid(), b"")
    assert digest.decode() == hashlib.sha256(program.read_bytes()).hexdigest()
    assert root == os.fsencode(real)
    assert one.close() == 0


def test_a_missing_root_is_made_when_asked_for_and_else_an_error(program: Path, tmp_path: Path) -> None:
    with refused(MISSING):
        Agent(program, tmp_path / "a/b")
    one = Agent(program, tmp_path / "a/b", hello=b"\0\1\1")
    assert (tmp_path / "a/b").is_dir()
    assert one.close() == 0


def test_another_protocol_is_refused(program: Path, root: Path) -> None:
    with refused(UNSUPPORTED):
        Agent(program, root, hello=b"\0\2\0and more")


@pytest.mark.parametrize(
    "raw", [b"\xff\xff\xff\xff", b"\0\0\0\4", b"GET / HTTP/1.1\r\n", b"\0\0\0\5\x02\0\0\0\1"],
    ids=["too-long", "too-short", "not-the-protocol", "no-hello"],
)
def test_a_stream_that_is_not_the_protocol_ends_the_agent(program: Path, root: Path, raw: bytes) -> None:
    one = Agent(program, root, hello=b"")
    one.send(raw)
    assert one.close() == 65


def test_ping_comes_back(here: Agent) -> None:
    assert here.call(PING, b"abc") == [(PONG, b"abc")]


def test_scan_lists_kinds_in_order_and_leaves_folders_out(here: Agent, root: Path) -> None:
    (root / "a/node_modules/deep").mkdir(parents=True)
    (root / "a/z").write_bytes(b"12345")
    (root / "a/z").chmod(0o640)
    (root / "build/x").mkdir(parents=True)
    (root / "a/build").mkdir()
    (root / "link").symlink_to("/etc/passwd")
    os.mkfifo(root / "pipe")
    found = here.scan("", "node_modules", "/build")
    assert [(e.kind, e.path) for e in found] == [
        ("d", "a"), ("d", "a/build"), ("x", "a/node_modules"), ("f", "a/z"), ("x", "build"), ("l", "link"),
        ("o", "pipe"),
    ]
    by_path = {e.path: e for e in found}
    info = (root / "a/z").stat()
    assert by_path["a/z"][2:7] == (0o640, 5, info.st_mtime_ns, info.st_ctime_ns, info.st_ino)
    assert by_path["link"].extra == b"/etc/passwd"
    assert [e.path for e in here.scan("a")] == ["a/build", "a/node_modules", "a/node_modules/deep", "a/z"]
    assert [e.path for e in here.scan("a/z")] == ["a/z"]
    with refused(MISSING):
        here.scan("nothing")


def test_scan_and_hash_give_digests(here: Agent, root: Path) -> None:
    (root / "one").write_bytes(b"one")
    (root / "big").write_bytes(os.urandom(3_000_000))
    digests = {name: hashlib.sha256((root / name).read_bytes()).digest() for name in ("one", "big")}
    settled(root / "big")
    assert {e.path: e.extra for e in here.scan(digests=True)} == digests
    found = here.hash("one", "nothing", "big")
    assert [(e.kind, e.extra, e.racy) for e in found] == [
        ("f", digests["one"], False), ("", b"", False), ("f", digests["big"], False),
    ]


def test_a_file_changed_just_now_is_racy(here: Agent, root: Path) -> None:
    (root / "new").write_bytes(b"x")
    os.utime(root / "new", ns=(OLD, OLD))
    (found,) = here.hash("new")
    assert found.racy


def test_read_gives_the_content_and_the_entry(here: Agent, root: Path) -> None:
    content = os.urandom(1_300_001)
    (root / "big").write_bytes(content)
    (root / "empty").touch()
    read, entry = here.read("big")
    assert read == content
    assert entry.size == len(content)
    assert here.read("empty")[0] == b""


def test_write_makes_parents_and_keeps_mode_and_time(here: Agent, root: Path) -> None:
    entry = here.write("x/y/z", b"content", ABSENT, mode=0o751, mtime=OLD)
    path = root / "x/y/z"
    info = path.stat()
    assert path.read_bytes() == b"content"
    assert (stat.S_IMODE(info.st_mode), info.st_mtime_ns) == (0o751, OLD)
    assert (entry.mode, entry.mtime, entry.size, entry.inode) == (0o751, OLD, 7, info.st_ino)
    assert stat.S_IMODE((root / "x").stat().st_mode) == 0o755
    assert os.listdir(root / "x/y") == ["z"]
    again = here.write("x/y/z", b"more", entry.expect)
    assert (path.read_bytes(), again.mode) == (b"more", 0o644)


@pytest.mark.parametrize("change", ["content", "mode", "gone", "folder", "link", "other-file"])
def test_what_changed_meanwhile_is_not_overwritten_or_removed(here: Agent, root: Path, change: str) -> None:
    path = root / "file"
    entry = here.write("file", b"agreed", mtime=OLD)
    if change == "content":
        path.write_bytes(b"theirs")
        os.utime(path, ns=(OLD, OLD))
    elif change == "mode":
        path.chmod(0o600)
    elif change == "other-file":
        other = root / "other"
        other.write_bytes(b"theirs")
        os.utime(other, ns=(OLD, OLD))
        other.replace(path)
    else:
        path.unlink()
        if change == "folder":
            path.mkdir()
        if change == "link":
            path.symlink_to("nowhere")
    before = [(e.kind, e.path, e.inode) for e in here.scan(digests=True)]
    with refused(CHANGED):
        here.write("file", b"ours", entry.expect)
    with refused(MISSING if change == "gone" else CHANGED):
        here.change(REMOVE, text("file") + entry.expect)
    with refused(CHANGED):
        here.change(SYMLINK, text("file") + entry.expect + text("x"))
    with refused(CHANGED):
        here.change(CHMOD, text("file") + entry.expect + b"\1\xff")
    assert [(e.kind, e.path, e.inode) for e in here.scan(digests=True)] == before


def test_a_file_that_must_not_be_there_is_not_overwritten(here: Agent, root: Path) -> None:
    (root / "file").write_bytes(b"theirs")
    with refused(CHANGED):
        here.write("file", b"ours", ABSENT)
    with refused(CHANGED):
        here.change(SYMLINK, text("file") + ABSENT + text("x"))
    with refused(CHANGED):
        here.change(MKDIR, text("file") + ABSENT + b"\1\xed")
    assert (root / "file").read_bytes() == b"theirs"
    assert os.listdir(root) == ["file"]


def test_zero_ctime_and_inode_are_not_compared(here: Agent, root: Path) -> None:
    entry = here.write("file", b"agreed", mtime=OLD)
    loose = EXPECT.pack(ord("f"), 6, OLD, 0, 0)
    (root / "file").chmod(0o600)
    assert here.write("file", b"ours", loose).size == 4
    assert entry.size == 6


def streamed(path: str, size: int, expect: bytes = ANYHOW) -> bytes:
    return b"\1" + text(path) + expect + struct.pack(">HqQ", 0o600, 0, size)


def test_a_large_file_comes_in_pieces_between_other_requests(here: Agent, root: Path) -> None:
    content = os.urandom(3_500_000)
    number = here.ask(WRITE, streamed("big", len(content)))
    for at in range(0, len(content), 1 << 20):
        here.ask(DATA, content[at : at + (1 << 20)], number)
        here.write("small", b"x")
    assert not (root / "big").exists()
    assert sorted(e.path for e in here.scan()) == ["small"], "drafts do not show"
    here.ask(COMMIT, b"", number)
    ((kind, raw),) = here.answer(number)
    assert kind == END
    assert entries(raw)[0].size == len(content)
    assert (root / "big").read_bytes() == content


@pytest.mark.parametrize("how", ["cancel", "short", "long", "end-of-stream", "changed"])
def test_a_file_that_does_not_come_whole_leaves_nothing(program: Path, root: Path, how: str) -> None:
    one = Agent(program, root)
    number = one.ask(WRITE, streamed("dir/file", 10, ABSENT))
    one.ask(DATA, b"12345", number)
    if how == "cancel":
        one.ask(CANCEL, b"", number)
    elif how == "short":
        one.ask(COMMIT, b"", number)
    elif how == "long":
        one.ask(DATA, b"1234567", number)
        one.ask(COMMIT, b"", number)
    elif how == "changed":
        one.call(PING)
        (root / "dir/file").write_bytes(b"theirs")
        one.ask(DATA, b"67890", number)
        one.ask(COMMIT, b"", number)
    if how != "end-of-stream":
        with pytest.raises(Refusal):
            one.answer(number)
        assert one.call(PING, b"still here") == [(PONG, b"still here")]
    assert one.close() == 0
    assert os.listdir(root / "dir") == (["file"] if how == "changed" else [])


def test_5000_small_writes_in_flight_take_under_three_seconds(here: Agent, root: Path) -> None:
    """The best of three, because the machine has other work."""
    times: list[float] = []
    head = ANYHOW + struct.pack(">Hq", 0o644, OLD)
    while len(times) < 3 and min(times, default=3.0) >= 3:
        began = time.monotonic()
        path = f"t{len(times)}"
        asked = [here.frame(WRITE, b"\2" + text(f"{path}/d{n % 50}/f{n}") + head + b"%d" % n) for n in range(5000)]
        here.send(b"".join(raw for _, raw in asked))
        for number, _ in asked:
            here.answer(number)
        times.append(time.monotonic() - began)
        assert sum(len(files) for _, _, files in os.walk(root / path)) == 5000
        assert (root / path / "d49/f4999").read_bytes() == b"4999"
    assert min(times) < 3, times


def test_changes_are_done_in_the_order_they_were_asked_for(here: Agent, root: Path) -> None:
    head = ABSENT + struct.pack(">Hq", 0o644, 0)
    asked = [
        here.ask(MKDIR, text("a") + ABSENT + b"\1\xed"),
        here.ask(WRITE, b"\0" + text("a/b") + head + b"1"),
        here.ask(REMOVE, text("a/b") + ANYHOW),
        here.ask(REMOVE, text("a") + ANYHOW),
        here.ask(WRITE, b"\0" + text("a") + head + b"2"),
        here.ask(READ, text("a")),
    ]
    assert [here.answer(number)[0] for number in asked][-1] == (0x91, b"2")
    assert (root / "a").read_bytes() == b"2"


def test_folders_links_modes_and_removal(here: Agent, root: Path) -> None:
    made = here.change(MKDIR, text("a/b") + ABSENT + struct.pack(">H", 0o750))
    assert (made.kind, made.mode) == ("d", 0o750)
    link = here.change(SYMLINK, text("a/l") + ABSENT + text("../../x"))
    assert (link.kind, link.extra, os.readlink(root / "a/l")) == ("l", b"../../x", "../../x")
    link = here.change(SYMLINK, text("a/l") + link.expect + text("b"))
    assert os.readlink(root / "a/l") == "b"
    file = here.write("a/f", b"x")
    assert here.change(CHMOD, text("a/f") + file.expect + struct.pack(">H", 0o711)).mode == 0o711
    with refused(REFUSED):
        here.change(CHMOD, text("a/l") + link.expect + struct.pack(">H", 0o777))
    with refused(NOT_EMPTY):
        here.change(REMOVE, text("a") + ANYHOW)
    for path in ("a/f", "a/l", "a/b", "a"):
        assert here.change(REMOVE, text(path) + ANYHOW).kind == ""
    assert os.listdir(root) == []
    assert here.change(REMOVE, text("a/b") + ABSENT).kind == ""


HOSTILE = ["..", "../x", "a/../../x", "/etc/passwd", "a//b", "a/", "./a", "a/.", "nul\0", "x" * 256, "y/" * 2048 + "z"]


@pytest.mark.parametrize("path", HOSTILE, ids=[f"{n}" for n in range(len(HOSTILE))])
def test_a_path_that_leads_out_is_refused_by_every_request(here: Agent, root: Path, path: str) -> None:
    for kind, payload in (
        (SCAN, b"\0" + text(path) + rules()), (HASH, b"\0\0\0\1" + text(path)), (READ, text(path)),
        (WRITE, b"\0" + text(path) + ANYHOW + bytes(10)), (MKDIR, text(path) + ANYHOW + b"\1\xed"),
        (SYMLINK, text(path) + ANYHOW + text("x")), (REMOVE, text(path) + ANYHOW),
        (CHMOD, text(path) + ANYHOW + b"\1\xed"), (WATCH, text(path) + rules()),
    ):
        with refused(INPUT):
            here.call(kind, payload)
    assert os.listdir(root.parent) == ["root"]
    assert os.listdir(root) == []


def test_no_request_follows_a_link_out_of_the_tree(here: Agent, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    secret = outside / "secret"
    secret.write_bytes(b"secret")
    (root / "out").symlink_to(outside)
    (root / "file").symlink_to(secret)
    for path in ("out/secret", "file"):
        with refused(REFUSED):
            here.read(path)
    with refused(REFUSED):
        here.scan("out/secret")
    with refused(REFUSED):
        here.write("out/new", b"x")
    with refused(REFUSED):
        here.change(REMOVE, text("out/secret") + ANYHOW)
    with refused(REFUSED):
        here.change(MKDIR, text("out/a/b") + ANYHOW + b"\1\xed")
    found = here.hash("out/secret", "file", "file/x")
    assert [(e.kind, e.extra) for e in found] == [("", b""), ("l", os.fsencode(secret)), ("", b"")]
    here.write("file", b"ours")
    assert secret.read_bytes() == b"secret"
    assert (root / "file").read_bytes() == b"ours"
    assert os.listdir(outside) == ["secret"]


def test_devices_and_pipes_are_neither_opened_nor_replaced(here: Agent, root: Path) -> None:
    os.mkfifo(root / "pipe")
    for ask in (lambda: here.read("pipe"), lambda: here.write("pipe", b""),
                lambda: here.change(REMOVE, text("pipe") + ANYHOW),
                lambda: here.change(CHMOD, text("pipe") + ANYHOW + b"\1\xed")):
        with refused(REFUSED):
            ask()
    assert [e.extra for e in here.hash("pipe")] == [b""]
    assert stat.S_ISFIFO((root / "pipe").lstat().st_mode)


def test_malformed_payloads_and_unknown_types_do_not_end_the_stream(here: Agent) -> None:
    for kind in (SCAN, HASH, READ, WRITE, MKDIR, SYMLINK, REMOVE, CHMOD, WATCH):
        with refused(MALFORMED):
            here.call(kind, b"\0")
    with refused(UNSUPPORTED):
        here.call(0x47)
    with refused(MALFORMED):
        here.call(PING, bytes(65))
    assert here.call(PING) == [(PONG, b"")]


def test_watch_tells_changes_new_folders_and_what_is_gone(here: Agent, root: Path) -> None:
    (root / "old").mkdir()
    (root / "old/file").write_bytes(b"1")
    (root / "skip").mkdir()
    number = here.watch("", "skip")
    (root / "old/file").write_bytes(b"12")
    (root / "new/deep/er").mkdir(parents=True)
    (root / "new/deep/er/f").write_bytes(b"3")
    (root / "skip/no").write_bytes(b"4")
    here.told(number, lambda t: t.get("old/file") and t["old/file"].size == 2 and t.get("new/deep/er/f"))
    (root / "new/deep/er/g").write_bytes(b"5")
    here.told(number, lambda t: "new/deep/er/g" in t)
    (root / "new").rename(root / "moved")
    found = here.told(number, lambda t: "moved/deep/er/g" in t and t["new"].kind == "")
    (root / "moved/deep/er/g").unlink()
    found = here.told(number, lambda t: t["moved/deep/er/g"].kind == "")
    assert "skip/no" not in found
    here.ask(CANCEL, b"", number)
    with refused(10):
        here.answer(number)


def test_watch_ends_when_its_folder_goes(here: Agent, root: Path) -> None:
    (root / "a").mkdir()
    number = here.watch("a")
    (root / "a").rmdir()
    with refused(MISSING):
        here.answer(number)


def test_a_missing_program_says_how_to_build_it() -> None:
    with pytest.raises(KdevError, match="not built for"):
        agent.binary("../../etc/passwd")
