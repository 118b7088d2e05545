"""Three-way reconciliation: what was agreed, what each side holds now → what to do on each side. Pure.

A path that only one side changed follows that side. Both changed to the same: agreed. Both changed differently: a
conflict, settled by the strategy, with the losing content named so that it can be kept first. A folder exists as long
as anything in it does; a folder against a file or link is decided as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from kdev.sync.entry import LOCAL, REMOTE, Change, Conflict, Entry, Kind, Pair, Problem, Side, opposite, same
from kdev.sync.rules import Guard, Rules, Strategy
from kdev.sync.tree import Tree, parent_of

Entries = Tree[Entry]
Base = Tree[Pair]
_NEVER = Pair(None, None)
_GUARD = Guard()


class Sides(NamedTuple):
    """Everything that is known. `base` is what was agreed; with `first`, nothing ever was."""

    base: Base
    local: Entries
    remote: Entries
    first: bool = False

    def on(self, side: Side) -> Entries:
        """The tree of that side."""
        return self.local if side == LOCAL else self.remote


class Plan(NamedTuple):
    """`changes` are in order: deletions from the leaves up, then the rest from the top down. `agreed` are pairs that
    hold already, without any change; None forgets the path."""

    changes: tuple[Change, ...]
    agreed: tuple[tuple[str, Pair | None], ...]
    conflicts: tuple[Conflict, ...]
    problems: tuple[Problem, ...]


def reconcile(sides: Sides, rules: Rules, dirty: Iterable[str] | None = None, *, guard: Guard = _GUARD) -> Plan:
    """What to do about the paths in `dirty` and all below them, or about everything for None."""
    work = _Work(sides, rules)
    for path in [""] if dirty is None else sorted(_tops(sides, dirty)):
        work.visit(path)
    return work.plan(guard)


def _tops(sides: Sides, dirty: Iterable[str]) -> set[str]:
    """Where deciding must start: the path itself, or the first folder above it that is not a folder on both sides."""
    tops = set()
    for path in dirty:
        top, at = path, parent_of(path)
        while at:
            if not (_is_folder(sides.local.get(at)) and _is_folder(sides.remote.get(at))):
                top = at
            at = parent_of(at)
        tops.add(top)
    return {top for top in tops if not any(above in tops for above in _above(top))}


def _above(path: str) -> Iterable[str]:
    while path:
        path = parent_of(path)
        yield path


class _Work:
    def __init__(self, sides: Sides, rules: Rules) -> None:
        self._sides = sides
        self._rules = rules
        self._changes: list[Change] = []
        self._agreed: list[tuple[str, Pair | None]] = []
        self._conflicts: list[Conflict] = []
        self._problems: list[Problem] = []

    def plan(self, guard: Guard) -> Plan:
        changes = self._changes
        for side in (LOCAL, REMOTE):
            gone = sum(_is_file(change.old) for change in changes if change.side == side and change.new is None)
            total = sum(_is_file(entry) for _, entry in self._sides.on(side).items()) if gone > guard.files // 2 else 0
            if self._rules.strategy.mirrored != opposite(side) and guard.refuses(gone, total):
                changes = [change for change in changes if change.side != side or change.new is not None]
                self._problems.append(Problem(".", f"{gone} of {total} files would be deleted; nothing is deleted "
                                                   f"unless the other side is mirrored", side))
        if self._rules.folds_case:
            changes = self._without_collisions(changes)
        removals = sorted((change for change in changes if change.new is None), key=_path, reverse=True)
        others = sorted((change for change in changes if change.new is not None), key=_path)
        return Plan((*removals, *others), tuple(self._agreed), tuple(self._conflicts), tuple(self._problems))

    # -- one path and all below it --------------------------------------------------------------------------------

    def visit(self, path: str) -> tuple[bool, bool]:
        """(is anything at `path` locally afterwards, remotely)."""
        local, remote = self._sides.local.get(path), self._sides.remote.get(path)
        if path and self._untouchable(path, local, remote):
            return local is not None, remote is not None
        if not path:
            return self._children(path)
        if _is_folder(local) or _is_folder(remote):
            if local is not None and remote is not None and local.kind is not remote.kind:
                return self._clash(path, local, remote)
            return self._folder(path, local, remote)
        return self._leaf(path, local, remote)

    def _untouchable(self, path: str, local: Entry | None, remote: Entry | None) -> bool:
        for side, entry in ((LOCAL, local), (REMOTE, remote)):
            if entry is not None and entry.kind is Kind.UNKNOWN:
                self._problems.append(Problem(path, "cannot be read", side))
                return True
            if entry is not None and entry.kind is Kind.OTHER:
                self._problems.append(Problem(path, "is neither a file, a folder nor a link", side))
                return True
        return False

    def _children(self, path: str) -> tuple[bool, bool]:
        sides = self._sides
        here = there = False
        for child in sorted(sides.local.names(path) | sides.remote.names(path) | sides.base.names(path)):
            one, other = self.visit(child)
            here, there = here or one, there or other
        return here, there

    def _folder(self, path: str, local: Entry | None, remote: Entry | None) -> tuple[bool, bool]:
        """At least one side has a folder, the other has one too or nothing."""
        here, there = self._children(path)
        if local is not None and remote is not None:
            self._agree(path, local, remote)
            return True, True
        side = LOCAL if local is not None else REMOTE
        entry = local or remote
        assert entry is not None
        wanted = self._lone(path, side, entry)
        kept_here, needed_there = (here, there) if side == LOCAL else (there, here)
        if needed_there or wanted == "copy":
            self._change(opposite(side), path, entry)
            return True, True
        if wanted == "delete" and not kept_here:
            self._change(side, path, None)
            return False, False
        self._agree(path, local, remote)
        return side == LOCAL, side == REMOTE

    def _leaf(self, path: str, local: Entry | None, remote: Entry | None) -> tuple[bool, bool]:
        """Files, links and nothing."""
        self._forget_below(path)
        if same(local, remote):
            self._agree(path, local, remote)
            return local is not None, remote is not None
        if local is None or remote is None:
            return self._leaf_alone(path, local, remote)
        pair = self._pair(path)
        news_here, news_there = not same(local, pair.local), not same(remote, pair.remote)
        if news_here and news_there:
            self._settle(path, local, remote)
        elif news_here or news_there:
            source = LOCAL if news_here else REMOTE
            if not self._send(path, source):
                self._agree(path, local, remote)
        return True, True

    def _leaf_alone(self, path: str, local: Entry | None, remote: Entry | None) -> tuple[bool, bool]:
        """On one side only."""
        side = LOCAL if local is not None else REMOTE
        entry = local or remote
        assert entry is not None
        wanted = self._lone(path, side, entry)
        pair = self._pair(path)
        both = not same(local, pair.local) and not same(remote, pair.remote)
        if both and not self._sides.first:
            losers = ((path, entry),) if wanted == "delete" else ()
            winner = {"delete": opposite(side), "copy": side}.get(wanted, "")
            self._conflicts.append(Conflict(path, local, remote, winner, losers))  # type: ignore[arg-type]
        if wanted == "copy":
            self._change(opposite(side), path, entry)
            return True, True
        if wanted == "delete":
            self._change(side, path, None)
            return False, False
        self._agree(path, local, remote)
        return side == LOCAL, side == REMOTE

    def _lone(self, path: str, side: Side, entry: Entry) -> str:
        """What becomes of an entry that the other side has not: `copy`, `delete` or `leave`."""
        rules, other = self._rules, opposite(side)
        can_copy = not rules.blocked(path, entry, other)
        can_delete = not rules.blocked(path, entry, side)
        if self._sides.first:
            if rules.strategy is Strategy.DISABLED:
                return "leave"
            wants_delete = rules.strategy.mirrored == other and can_delete
        else:
            pair = self._pair(path)
            changed, went = not same(entry, pair.on(side)), pair.on(other) is not None
            if not changed and not went:
                return "leave"
            wants_delete = went and (not changed or rules.strategy.mirrored == other)
            if wants_delete and not can_delete:
                return "leave"
        if wants_delete:
            return "delete"
        return "copy" if can_copy else "leave"

    def _settle(self, path: str, local: Entry, remote: Entry) -> None:
        """Both sides have a file or link here, different ones, and neither is what was agreed."""
        first, strategy = self._sides.first, self._rules.strategy
        winner = None if first and strategy is Strategy.DISABLED else strategy.winner(local, remote)
        if winner is not None and not self._send(path, winner):
            winner = None
        losers = ()
        if winner is None:
            self._agree(path, local, remote)
        elif not (first and strategy.mirrored):
            loser = self._sides.on(opposite(winner)).get(path)
            losers = _worth_keeping(((path, loser),), self._sides.on(winner))  # type: ignore[assignment,arg-type]
        if not first or losers:
            self._conflicts.append(Conflict(path, local, remote, winner or "", losers, first))

    # -- a folder against a file or link --------------------------------------------------------------------------

    def _clash(self, path: str, local: Entry, remote: Entry) -> tuple[bool, bool]:
        news_here, news_there = self._news(path, LOCAL), self._news(path, REMOTE)
        self._forget_below(path)
        conflict = news_here and news_there
        winner: Side | None
        if conflict:
            disabled = self._sides.first and self._rules.strategy is Strategy.DISABLED
            winner = None if disabled else self._rules.strategy.winner(local, remote)
        elif news_here or news_there:
            winner = LOCAL if news_here else REMOTE
        else:
            return True, True
        paths = sorted({*self._sides.local.below(path), *self._sides.remote.below(path)})
        if winner is not None:
            loser = opposite(winner)
            trees = self._sides.on(loser), self._sides.on(winner)
            if any(self._rules.blocked(at, tree.get(at), loser) for at in paths for tree in trees if at in tree):
                self._problems.append(Problem(path, "is a folder on one side only, and holds what is excluded", loser))
                winner = None
        if winner is None:
            for at in paths:
                self._agreed.append((at, Pair(self._sides.local.get(at), self._sides.remote.get(at))))
            if conflict and not self._sides.first:
                self._conflicts.append(Conflict(path, local, remote, ""))
            return True, True
        if not self._replace(path, winner):
            return True, True
        if conflict:
            tree = self._sides.on(opposite(winner))
            files = tuple((at, entry) for at in tree.below(path) if (entry := tree.get(at)) is not None)
            losers = _worth_keeping(files, self._sides.on(winner))
            if not (self._sides.first and self._rules.strategy.mirrored):
                self._conflicts.append(Conflict(path, local, remote, winner, losers, self._sides.first))
        return True, True

    def _replace(self, path: str, winner: Side) -> bool:
        """The losing side gets the winner's tree. False, with a problem, when it holds what must not be touched."""
        loser = opposite(winner)
        old, new = self._sides.on(loser), self._sides.on(winner)
        for side, tree in ((loser, old), (winner, new)):
            for at in tree.below(path):
                if self._untouchable(at, *((tree.get(at), None) if side == LOCAL else (None, tree.get(at)))):
                    return False
        for at in old.below(path):
            if at != path and at not in new:
                self._change(loser, at, None)
        for at in new.below(path):
            entry = new.get(at)
            assert entry is not None
            self._change(loser, at, entry)
        return True

    def _news(self, path: str, side: Side) -> bool:
        """Did that side change anything from `path` downwards?"""
        tree, base = self._sides.on(side), self._sides.base
        for at in {*tree.below(path), *base.below(path)}:
            pair = base.get(at)
            if not same(tree.get(at), pair.on(side) if pair else None):
                return True
        return False

    # -- results --------------------------------------------------------------------------------------------------

    def _pair(self, path: str) -> Pair:
        return self._sides.base.get(path) or _NEVER

    def _send(self, path: str, source: Side) -> bool:
        """The other side gets what `source` has, unless that direction is blocked."""
        entry, to = self._sides.on(source).get(path), opposite(source)
        if self._rules.blocked(path, entry, to):
            return False
        self._change(to, path, entry)
        return True

    def _change(self, side: Side, path: str, new: Entry | None) -> None:
        self._changes.append(Change(side, path, self._sides.on(side).get(path), new))

    def _agree(self, path: str, local: Entry | None, remote: Entry | None) -> None:
        pair = Pair(local, remote) if local is not None or remote is not None else None
        if pair != self._sides.base.get(path):
            self._agreed.append((path, pair))

    def _forget_below(self, path: str) -> None:
        """What was agreed below, and is on no side any more, must not pass for deleted when a folder comes back."""
        sides = self._sides
        for child in sides.base.names(path):
            for at in sides.base.below(child):
                if at not in sides.local and at not in sides.remote:
                    self._agreed.append((at, None))

    def _without_collisions(self, changes: list[Change]) -> list[Change]:
        """Without new local paths that this disk cannot tell from others."""
        taken: dict[str, str] = {}
        for path, _ in self._sides.local.items():
            taken.setdefault(path.casefold(), path)
        kept = []
        for change in sorted(changes, key=_path):
            if change.side == LOCAL and change.new is not None and change.old is None:
                other = taken.setdefault(change.path.casefold(), change.path)
                if other != change.path:
                    why = f"differs from {other} only in upper and lower case, which this disk does not keep apart"
                    self._problems.append(Problem(change.path, why, LOCAL))
                    continue
            kept.append(change)
        return kept


def nothing_left(base: Base, tree: Entries, side: Side) -> bool:
    """Is nothing that was agreed there any more: no file at its path or, as content, at another, no folder that is
    the very same one?

    A folder that was removed, made anew or mounted afresh looks so. Taking it for a deletion of everything would empty
    the other side too, below the guard's size without a word. Not seen: a folder made anew with the same folders in it
    and none of the files, on a file system that gives them the same inode numbers again.
    """
    contents = set()
    for path, pair in base.items():
        was, now = pair.on(side), tree.get(path)
        if was is None:
            continue
        if now is not None and (was.kind is not Kind.FOLDER or (now.kind is was.kind and now.inode == was.inode != 0)):
            return False
        if was.kind is not Kind.FOLDER:
            contents.add((was.kind, was.digest, was.target))
    # Files of no content are alike everywhere: they prove nothing.
    return bool(contents) and not any(
        (entry.kind, entry.digest, entry.target) in contents for _, entry in tree.items()
        if entry.kind is Kind.LINK or entry.size
    )


def _worth_keeping(found: tuple[tuple[str, Entry], ...], winner: Entries) -> tuple[tuple[str, Entry], ...]:
    """Files and links whose content the winner does not have at the same path."""
    return tuple(
        (path, entry)
        for path, entry in found
        if entry.kind in (Kind.FILE, Kind.LINK) and not _same_content(entry, winner.get(path))
    )


def _same_content(one: Entry, other: Entry | None) -> bool:
    return other is not None and one.kind is other.kind and one.digest == other.digest and one.target == other.target


def _is_folder(entry: Entry | None) -> bool:
    return entry is not None and entry.kind is Kind.FOLDER


def _is_file(entry: Entry | None) -> bool:
    return entry is not None and entry.kind is Kind.FILE


def _path(change: Change) -> str:
    return change.path
