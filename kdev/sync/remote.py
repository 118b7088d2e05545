"""The side behind a stream: a folder that the agent serves. Never hears of pods; believes nothing that it is told."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from kdev.sync import wire
from kdev.sync.endpoint import MAX_ENTRIES, Outcome, PathTrouble, Seen, SideBroken, Source
from kdev.sync.entry import Change, Entry, Kind, Problem, Side, carries
from kdev.sync.rules import Rules
from kdev.sync.tree import Tree, parent_of
from kdev.sync.wiring import Answers, Stream, Wiring

_READS = 32
_READ_BYTES = 8 << 20
_WRITES = 256
_INLINE = 256 << 10
_HASHES = 2000
_HASH_BYTES = 512 << 10


class Welcome(NamedTuple):
    """What the agent says of itself and of the folder."""

    folds_case: bool
    digest: str
    root: str


class RemoteEndpoint:
    """Meets Endpoint. `known` are entries from an earlier session with the same container.

    `on_broken` is called from another thread when the stream ends.
    """

    def __init__(
        self, stream: Stream, rules: Rules, *, known: Tree[Entry] | None = None,
        on_broken: Callable[[], None] | None = None,
    ) -> None:
        self._rules = rules
        self._known: Tree[Entry] = known if known is not None else Tree()
        self._wiring = Wiring(stream, on_broken)
        self._left_out = left_out(rules.lines)
        self.welcome = self._hello()

    def _hello(self) -> Welcome:
        frame = self._wiring.ask(wire.HELLO, wire.PROTOCOL.to_bytes(2, "big"), bytes((wire.MAKE_ROOT,))).next()
        if frame.kind != wire.WELCOME or len(frame.payload) < 7:
            why = wire.refusal(frame.payload).why if frame.kind == wire.ERROR else "it is no agent of ours"
            raise SideBroken(f"the agent cannot serve the folder: {why}")
        _, rest = wire.take_text(frame.payload[7:])
        digest, rest = wire.take_text(rest)
        root, _ = wire.take_text(rest)
        return Welcome(bool(frame.payload[2] & wire.FOLDS_CASE), wire.shown(digest), wire.shown(root))

    def watch(self, on_change: Callable[[set[str]], None], on_note: Callable[[str], None]) -> None:
        """Both are called from another thread. `on_change` gets paths to look at; from the time that it is told "",
        which means everything, nothing that changes is missed."""

        def take(frame: wire.Frame) -> None:
            if frame.kind == wire.ENTRIES:
                paths = {path for path, entry in wire.entries(frame.payload) if self._is_news(path, entry)}
                if paths:
                    on_change(paths)
            elif frame.kind == wire.RESCAN:
                on_change({wire.take_text(frame.payload)[0]})
            elif frame.kind == wire.NOTE:
                code, path, why = wire.refusal(frame.payload)
                if code == 0:
                    on_change({""})
                else:
                    on_note(f"{path or '.'}: {why}")
            elif frame.kind == wire.ERROR:
                raise SideBroken(f"the agent does not watch any more: {wire.refusal(frame.payload).why}")

        self._wiring.listen(take, wire.WATCH, wire.text(""), wire.texts(self._left_out, 2))

    def scan(self, paths: Iterable[str] | None = None) -> Iterator[Seen]:
        """See Endpoint."""
        wanted = [""] if paths is None else sorted(set(paths))
        if "" in wanted:
            yield self._remember("", self._listing(""))
            return
        for path, entry in zip(wanted, self._hashed(wanted), strict=True):
            items: list[tuple[str, Entry]] = []
            if entry is not None and not self._rules.invisible(path, entry.kind is Kind.FOLDER):
                items = [(path, entry), *(self._listing(path) if entry.kind is Kind.FOLDER else ())]
            yield self._remember(path, items)

    def read(self, wanted: Sequence[tuple[str, Entry]]) -> Iterator[Iterator[bytes]]:
        """See Endpoint. Asks ahead, as far as memory allows."""
        asked: deque[tuple[Answers, str, Entry]] = deque()
        ahead = 0
        position = 0
        while asked or position < len(wanted):
            while position < len(wanted) and len(asked) < _READS and (
                    not asked or ahead + wanted[position][1].size <= _READ_BYTES):
                path, entry = wanted[position]
                asked.append((self._wiring.ask(wire.READ, wire.text(path)), path, entry))
                ahead += entry.size
                position += 1
            answers, path, entry = asked.popleft()
            try:
                yield self._content(answers, path, entry)
            finally:
                self._wiring.drop(answers)
            ahead -= entry.size

    def apply(self, changes: Sequence[Change], source: Source) -> Iterator[Outcome]:
        """See Endpoint. Many are on their way at once; the agent does them in order."""
        contents = source.read([(change.path, change.new) for change in changes if carries(change) and change.new])
        sent: deque[tuple[Change, Answers | PathTrouble]] = deque()
        for change in changes:
            try:
                sent.append((change, self._order(change, next(contents) if carries(change) else iter(()))))
            except PathTrouble as trouble:
                sent.append((change, trouble))
            if len(sent) >= _WRITES:
                yield self._outcome(*sent.popleft())
        while sent:
            yield self._outcome(*sent.popleft())

    def close(self) -> None:
        """Cut the stream."""
        self._wiring.close()

    # -- looking --------------------------------------------------------------------------------------------------

    def _is_news(self, path: str, entry: Entry | None) -> bool:
        """By the reading thread: is this something else than what we know, or have just made ourselves?"""
        if self._rules.invisible(path, entry is not None and entry.kind is Kind.FOLDER):
            return False
        known = self._known.get(path)
        if entry is None or known is None:
            return known is not entry
        if entry.kind is Kind.FOLDER and known.kind is Kind.FOLDER:
            return False  # what is in it is told by itself
        return not _same_stamp(known, entry) or not entry.ctime_ns

    def _listing(self, path: str) -> Iterator[tuple[str, Entry]]:
        """Everything below `path`, with digests."""
        flags = 0 if self._known.names(path) else wire.WITH_DIGEST
        answers = self._wiring.ask(wire.SCAN, bytes((flags,)), wire.text(path), wire.texts(self._left_out, 2))
        hidden: set[str] = set()
        found: list[tuple[str, Entry]] = []
        for frame in answers:
            if frame.kind == wire.ERROR:
                self._refused(frame)
                return iter(())
            if frame.kind != wire.ENTRIES:
                continue
            for at, entry in wire.entries(frame.payload):
                if entry is None or not at or parent_of(at) in hidden or self._rules.hides(
                        at, entry.kind is Kind.FOLDER):
                    hidden.add(at)
                    continue
                found.append((at, entry))
            if len(found) > MAX_ENTRIES:
                raise SideBroken(f"the folder holds more than {MAX_ENTRIES} files")
        return iter(self._with_digests(found))

    def _refused(self, frame: wire.Frame) -> None:
        """The folder asked for may have gone meanwhile; anything else is the end."""
        refusal = wire.refusal(frame.payload)
        if refusal.code not in (wire.CHANGED, wire.MISSING, wire.REFUSED):
            raise SideBroken(f"the folder cannot be looked at: {refusal.why}")

    def _with_digests(self, found: list[tuple[str, Entry]]) -> list[tuple[str, Entry]]:
        unknown: list[str] = []
        for index, (path, entry) in enumerate(found):
            if entry.kind is Kind.FILE and not entry.digest:
                known = self._known.get(path)
                if known is not None and known.digest and entry.ctime_ns and _same_stamp(known, entry):
                    found[index] = (path, entry._replace(digest=known.digest))
                else:
                    unknown.append(path)
        if not unknown:
            return found
        hashed = dict(zip(unknown, self._hashed(unknown), strict=True))
        return [(path, now) for path, was in found if (now := hashed.get(path, was)) is not None]

    def _hashed(self, paths: Sequence[str]) -> list[Entry | None]:
        """What is at each path, with the digests of files."""
        found: list[Entry | None] = []
        for batch in _batches(paths):
            answers = self._wiring.ask(wire.HASH, wire.texts(batch, 4))
            got: list[tuple[str, Entry | None]] = []
            for frame in answers:
                if frame.kind == wire.ERROR:
                    raise SideBroken(f"files cannot be looked at: {wire.refusal(frame.payload).why}")
                if frame.kind == wire.ENTRIES:
                    got += wire.entries(frame.payload)
            if [path for path, _ in got] != list(batch):
                raise SideBroken("the agent answered for other paths than it was asked about")
            found += (
                Entry(Kind.UNKNOWN) if entry is not None and entry.kind is Kind.FILE and not entry.digest else entry
                for _, entry in got
            )
        return found

    def _remember(self, path: str, items: Iterable[tuple[str, Entry]]) -> Seen:
        seen = Seen(path, list(items))
        self._known.replace(path, seen.items)
        return seen

    # -- reading and changing -------------------------------------------------------------------------------------

    def _content(self, answers: Answers, path: str, entry: Entry) -> Iterator[bytes]:
        size = 0
        for frame in answers:
            if frame.kind == wire.ERROR:
                raise _trouble(path, frame)
            if frame.kind == wire.BYTES:
                size += len(frame.payload)
                if size > entry.size:
                    raise PathTrouble(path, "changed meanwhile", stale=True)
                yield frame.payload

    def _order(self, change: Change, content: Iterator[bytes]) -> Answers:
        """Tell the agent what to do. PathTrouble when the content cannot be had."""
        path, old, new = change.path, change.old, change.new
        if new is None:
            return self._wiring.ask(wire.REMOVE, wire.text(path), wire.expect(old))
        if old is not None and (old.kind is Kind.FOLDER) != (new.kind is Kind.FOLDER):
            # When this fails the next request meets something unexpected, and its answer says so.
            self._wiring.forget(self._wiring.ask(wire.REMOVE, wire.text(path), wire.expect(old)))
            old = None
        if new.kind is Kind.FOLDER:
            return self._wiring.ask(wire.MKDIR, wire.text(path), wire.expect(old), new.mode.to_bytes(2, "big"))
        if new.kind is Kind.LINK:
            return self._wiring.ask(wire.SYMLINK, wire.text(path), wire.expect(old), wire.text(new.target))
        if not carries(change):
            return self._wiring.ask(wire.CHMOD, wire.text(path), wire.expect(old), new.mode.to_bytes(2, "big"))
        if new.size > _INLINE:
            return self._write_in_pieces(path, old, new, content)
        data = b"".join(content)
        if len(data) != new.size:
            raise PathTrouble(path, "changed meanwhile", stale=True)
        return self._wiring.ask(wire.WRITE, wire.write_head(path, old, new, pieces=False), data)

    def _write_in_pieces(self, path: str, old: Entry | None, new: Entry, content: Iterator[bytes]) -> Answers:
        head = wire.write_head(path, old, new, pieces=True)
        answers = self._wiring.ask(wire.WRITE, head, new.size.to_bytes(8, "big"))
        size = 0
        try:
            for data in content:
                size += len(data)
                if size > new.size:
                    break
                self._wiring.send(wire.DATA, answers.number, data)
            if size != new.size:
                raise PathTrouble(path, "changed meanwhile", stale=True)
        except PathTrouble:
            self._wiring.drop(answers)
            raise
        self._wiring.send(wire.COMMIT, answers.number)
        return answers

    def _outcome(self, change: Change, answers: Answers | PathTrouble) -> Outcome:
        try:
            if isinstance(answers, PathTrouble):
                raise answers
            entry = self._result(change, answers.next())
        except PathTrouble as trouble:
            side: Side = "local" if isinstance(answers, PathTrouble) else "remote"
            return Outcome(change, None, Problem(change.path, trouble.why, side), trouble.stale)
        self._known.put(change.path, entry)
        return Outcome(change, entry)

    def _result(self, change: Change, frame: wire.Frame) -> Entry | None:
        if frame.kind == wire.ERROR:
            if change.new is None and wire.refusal(frame.payload).code == wire.NOT_EMPTY:
                return change.old
            raise _trouble(change.path, frame)
        if frame.kind != wire.END:
            raise SideBroken("the agent answered with what was not asked for")
        entry = next((entry for _, entry in wire.entries(frame.payload)), None)
        if entry is not None and entry.kind is Kind.FILE and change.new is not None:
            return entry._replace(digest=change.new.digest)
        return entry


def left_out(lines: Sequence[str]) -> list[str]:
    """Those gitignore lines that name folders plainly, as the agent's rules: it need not even look into them."""
    if any(line.startswith("!") for line in lines):
        return []
    found = []
    for line in lines:
        name = line.rstrip().rstrip("/")
        if not name or set(name) & set("*?[\\#"):
            continue
        found.append(name if "/" not in name else "/" + name.lstrip("/"))
    return found[:4096]


def _batches(paths: Sequence[str]) -> Iterator[Sequence[str]]:
    start = size = 0
    for index, path in enumerate(paths):
        size += 2 + len(path) * 4
        if index > start and (index - start >= _HASHES or size > _HASH_BYTES):
            yield paths[start:index]
            start, size = index, 2 + len(path) * 4
    if start < len(paths):
        yield paths[start:]


def _same_stamp(one: Entry, other: Entry) -> bool:
    return (one.kind, one.mode, one.size, one.mtime_ns, one.ctime_ns, one.inode, one.target) == (
        other.kind, other.mode, other.size, other.mtime_ns, other.ctime_ns, other.inode, other.target)


def _trouble(path: str, frame: wire.Frame) -> PathTrouble:
    refusal = wire.refusal(frame.payload)
    return PathTrouble(path, refusal.why or "refused by the agent", stale=refusal.code in (wire.CHANGED, wire.MISSING))
