"""Every rule of the reconciliation as named cases, and the properties that hold for all trees."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdev.sync.entry import LOCAL, REMOTE, Kind, Pair, same
from kdev.sync.reconcile import Plan, Sides, reconcile
from kdev.sync.rules import Rules, Strategy
from kdev.sync.tree import Tree, parent_of
from tests.sync.trees import DIR, OTHER, UNKNOWN, Shorthand, short, sides

LATER = [
    pytest.param({"a": "1"}, {"a": "1"}, {"a": "1"}, "", "", id="nothing changed"),
    pytest.param({"a": "1"}, {"a": "2"}, {"a": "1"}, ">a", "", id="a local edit is sent"),
    pytest.param({"a": "1"}, {"a": "1"}, {"a": "2"}, "<a", "", id="a remote edit is fetched"),
    pytest.param({"a": "1"}, {"a": "1!"}, {"a": "1"}, ">a", "", id="a mode alone is a change"),
    pytest.param({"a": "1@1"}, {"a": "1@2"}, {"a": "1@1"}, "", "", id="a touch is no change"),
    pytest.param({"a": "1"}, {"a": "2"}, {"a": "2"}, "", "", id="both made the same edit"),
    pytest.param({"a": "1"}, {}, {"a": "1"}, "->a", "", id="a local deletion is followed"),
    pytest.param({"a": "1"}, {"a": "1"}, {}, "-<a", "", id="a remote deletion is followed"),
    pytest.param({"a": "1"}, {}, {}, "", "", id="both deleted"),
    pytest.param({}, {"a": "1"}, {}, ">a", "", id="a new local file"),
    pytest.param({}, {}, {"a": "1"}, "<a", "", id="a new remote file"),
    pytest.param({"a": "1"}, {"a": "2"}, {"a": "3"}, ">a", "a:local:a", id="both edited: local preferred, remote kept"),
    pytest.param({}, {"a": "2"}, {"a": "3"}, ">a", "a:local:a", id="both created: local preferred, remote kept"),
    pytest.param({"a": "1"}, {"a": "1!"}, {"a": "1"}, ">a", "", id="executable bit"),
    pytest.param({"a": "1"}, {"a": "2!"}, {"a": "2"}, ">a", "a:local:", id="modes differ: no content is lost"),
    pytest.param({"a": "1"}, {}, {"a": "2"}, "<a", "a:remote:", id="a change beats a deletion here"),
    pytest.param({"a": "1"}, {"a": "2"}, {}, ">a", "a:local:", id="a change beats a deletion there"),
    pytest.param({"l": "->x"}, {"l": "->y"}, {"l": "->x"}, ">l", "", id="a link is retargeted"),
    pytest.param({"l": "1"}, {"l": "->x"}, {"l": "1"}, ">l", "", id="a file becomes a link"),
    pytest.param({}, {"d": DIR}, {}, ">d", "", id="an empty folder is sent"),
    pytest.param({}, {"d": DIR, "d/a": "1"}, {}, ">d >d/a", "", id="a folder is sent before what is in it"),
    pytest.param({"d": DIR, "d/a": "1"}, {}, {"d": DIR, "d/a": "1"}, "->d/a ->d", "", id="a folder goes last"),
    pytest.param(
        {"d": DIR, "d/a": "1", "d/b": "1"}, {"d": DIR, "d/a": "2", "d/b": "1"}, {}, "-<d/b >d >d/a", "d/a:local:",
        id="an edit in a folder deleted there brings the folder back"),
    pytest.param(
        {"d": DIR, "d/a": "1"}, {"d": DIR, "d/a": "1", "d/n": "1"}, {}, "-<d/a >d >d/n", "",
        id="a new file in a folder deleted there brings the folder back"),
    pytest.param({"d": DIR, "d/a": "1"}, {"d": "x"}, {"d": DIR, "d/a": "1"}, "->d/a >d", "", id="folder to file"),
    pytest.param({"d": "x"}, {"d": DIR, "d/a": "1"}, {"d": "x"}, ">d >d/a", "", id="a file becomes a folder"),
    pytest.param(
        {"d": DIR, "d/a": "1"}, {"d": "x"}, {"d": DIR, "d/a": "2"}, "->d/a >d", "d:local:d/a",
        id="a folder edited there became a file here"),
    pytest.param(
        {"d": DIR, "d/a": "1"}, {"d": DIR, "d/a": "2"}, {"d": "x"}, ">d >d/a", "d:local:d",
        id="a folder edited here became a file there"),
    pytest.param({"d": DIR, "d/a": "1", "d/b": "1"}, {"d": DIR, "d/b": "1"}, {"d": "x"}, ">d >d/b", "d:local:d",
                 id="what was deleted in a disputed folder stays deleted"),
    pytest.param({}, {"s": OTHER}, {}, "", "", id="a socket is left alone"),
    pytest.param({"d": DIR, "d/a": "1"}, {"d": UNKNOWN}, {"d": DIR, "d/a": "1"}, "", "",
                 id="what cannot be read is not deleted"),
]


def _conflicts(plan: Plan) -> str:
    return " ".join(f"{c.path}:{c.winner}:{','.join(path for path, _ in c.losers)}" for c in plan.conflicts)


def _changes(plan: Plan) -> str:
    return " ".join(short(change) for change in plan.changes)


@pytest.mark.parametrize(("before", "local", "remote", "changes", "conflicts"), LATER)
def test_changes_since_the_last_agreement(
    before: Shorthand, local: Shorthand, remote: Shorthand, changes: str, conflicts: str
) -> None:
    plan = reconcile(sides(before, local, remote), Rules())
    assert (_changes(plan), _conflicts(plan)) == (changes, conflicts)


LOCAL_ONLY, REMOTE_ONLY, DIFFER = ({"a": "1"}, {}), ({}, {"a": "1"}), ({"a": "1@2"}, {"a": "2@1"})
FIRST = [
    ("mirrorLocal", ">a", "->a", ">a"),
    ("mirrorRemote", "-<a", "<a", "<a"),
    ("preferLocal", ">a", "<a", ">a"),
    ("preferRemote", ">a", "<a", "<a"),
    ("preferNewest", ">a", "<a", ">a"),
    ("keepAll", ">a", "<a", ""),
    ("disabled", "", "", ""),
]


@pytest.mark.parametrize(("strategy", "local_only", "remote_only", "differ"), FIRST, ids=[row[0] for row in FIRST])
def test_the_first_sync_follows_its_strategy(strategy: str, local_only: str, remote_only: str, differ: str) -> None:
    rules = Rules(Strategy(strategy))
    found = [_changes(reconcile(sides(None, *case), rules)) for case in (LOCAL_ONLY, REMOTE_ONLY, DIFFER)]
    assert found == [local_only, remote_only, differ]


def test_the_newest_wins_whichever_side_it_is_on() -> None:
    plan = reconcile(sides(None, {"a": "1@1"}, {"a": "2@2"}), Rules(Strategy.PREFER_NEWEST))
    assert _changes(plan) == "<a"


def test_equally_new_files_are_left_alone() -> None:
    plan = reconcile(sides(None, {"a": "1@1"}, {"a": "2@1"}), Rules(Strategy.PREFER_NEWEST))
    assert _changes(plan) == ""


def test_a_first_sync_keeps_what_it_overwrites_unless_it_mirrors() -> None:
    prefer = reconcile(sides(None, *DIFFER), Rules(Strategy.PREFER_LOCAL))
    mirror = reconcile(sides(None, *DIFFER), Rules(Strategy.MIRROR_LOCAL))
    assert (_conflicts(prefer), _conflicts(mirror)) == ("a:local:a", "")


def test_a_mirror_deletes_even_what_was_changed_and_keeps_it() -> None:
    plan = reconcile(sides({"a": "1"}, {}, {"a": "2"}), Rules(Strategy.MIRROR_LOCAL))
    assert (_changes(plan), _conflicts(plan)) == ("->a", "a:local:a")


def test_a_difference_that_was_left_standing_is_not_reported_again() -> None:
    rules = Rules(Strategy.KEEP_ALL)
    given_sides = sides({"a": "0"}, {"a": "1"}, {"a": "2"})
    plan = reconcile(given_sides, rules)
    assert _conflicts(plan) == "a::"
    for path, pair in plan.agreed:
        given_sides.base.put(path, pair)
    assert reconcile(given_sides, rules) == Plan((), (), (), ())


EXCLUDED = [
    pytest.param({}, {"a": "1"}, {}, "", "upload", id="an upload-excluded file is not sent"),
    pytest.param({"a": "1"}, {}, {"a": "1"}, "", "upload", id="an upload-excluded file is not deleted there"),
    pytest.param({"a": "1"}, {"a": "1"}, {"a": "2"}, "<a", "upload", id="an upload-excluded file is fetched"),
    pytest.param({"a": "1"}, {"a": "1"}, {}, "-<a", "upload", id="an upload-excluded file may go here"),
    pytest.param({}, {}, {"a": "1"}, "", "download", id="a download-excluded file is not fetched"),
    pytest.param({"a": "1"}, {"a": "1"}, {}, "", "download", id="a download-excluded file is not deleted here"),
    pytest.param({"a": "1"}, {"a": "2"}, {"a": "1"}, ">a", "download", id="a download-excluded file is sent"),
    pytest.param({"a": "1"}, {"a": "2"}, {"a": "3"}, "", "upload", id="a conflict whose way is blocked is left alone"),
    pytest.param({"a": DIR, "a/x": "1"}, {"a": "f"}, {"a": DIR, "a/x": "1"}, "", "upload",
                 id="an upload-excluded folder is not replaced there"),
]


@pytest.mark.parametrize(("before", "local", "remote", "changes", "direction"), EXCLUDED)
def test_an_exclude_is_invisible_in_its_direction(
    before: Shorthand, local: Shorthand, remote: Shorthand, changes: str, direction: str
) -> None:
    rules = Rules(upload=["a"]) if direction == "upload" else Rules(download=["a"])
    assert _changes(reconcile(sides(before, local, remote), rules)) == changes


@pytest.mark.parametrize(("strategy", "direction", "local", "remote", "changes"), [
    pytest.param("mirrorLocal", "upload", {}, {"a": "1"}, "<a", id="mirrorLocal fetches what it must not delete"),
    pytest.param("mirrorRemote", "download", {"a": "1"}, {}, ">a", id="mirrorRemote sends what it must not delete"),
])
def test_a_mirror_never_deletes_excludes(
    strategy: str, direction: str, local: Shorthand, remote: Shorthand, changes: str
) -> None:
    rules = Rules(Strategy(strategy), upload=["a"] if direction == "upload" else [],
                  download=["a"] if direction == "download" else [])
    assert _changes(reconcile(sides(None, local, remote), rules)) == changes


def _files(count: int) -> dict[str, str]:
    return {f"f{index:02}": "1" for index in range(count)}


@pytest.mark.parametrize(("strategy", "had", "left", "deleted"), [
    pytest.param("preferLocal", 30, 0, 0, id="everything: refused"),
    pytest.param("preferLocal", 30, 14, 0, id="more than half: refused"),
    pytest.param("preferLocal", 30, 15, 15, id="half: believed"),
    pytest.param("preferLocal", 20, 0, 20, id="a small tree: believed"),
    pytest.param("mirrorLocal", 30, 0, 30, id="asked for"),
    pytest.param("mirrorRemote", 30, 0, 0, id="a mirror of the other side"),
])
def test_a_big_deletion_needs_a_mirror(strategy: str, had: int, left: int, deleted: int) -> None:
    plan = reconcile(sides(_files(had), _files(left), _files(had)), Rules(Strategy(strategy)))
    assert len(plan.changes) == deleted
    assert [problem.path for problem in plan.problems] == ([] if deleted else ["."])


def test_names_that_this_disk_cannot_tell_apart_are_reported() -> None:
    plan = reconcile(sides({}, {"readme": "1"}, {"README": "2"}), Rules(folds_case=True))
    assert _changes(plan) == ">readme"
    assert [problem.path for problem in plan.problems] == ["README"]


def test_only_what_may_have_changed_is_looked_at() -> None:
    given_sides = sides({"a": "1", "b": "1"}, {"a": "2", "b": "2"}, {"a": "1", "b": "1"})
    assert _changes(reconcile(given_sides, Rules(), ["a"])) == ">a"


def test_a_change_deep_in_a_new_folder_brings_the_folder() -> None:
    given_sides = sides({}, {"d": DIR, "d/e": DIR, "d/e/a": "1"}, {})
    assert _changes(reconcile(given_sides, Rules(), ["d/e/a"])) == ">d >d/e >d/e/a"


# -- for all trees ------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "d", "d/a", "d/b", "d/e", "d/e/a"])
LEAVES = st.sampled_from(["1", "2", "3!", "->x", DIR])


@st.composite
def some_tree(draw: st.DrawFn) -> dict[str, str]:
    wanted = draw(st.dictionaries(NAMES, LEAVES, max_size=7))
    found: dict[str, str] = {}
    for path in sorted(wanted):
        parent = parent_of(path)
        while parent:
            found[parent] = DIR
            parent = parent_of(parent)
        found[path] = wanted[path]
    for path in sorted(found):
        if any(below.startswith(path + "/") for below in found):
            found[path] = DIR
    return found


def _apply(given_sides: Sides, plan: Plan) -> None:
    for path, pair in plan.agreed:
        given_sides.base.put(path, pair)
    for change in plan.changes:
        tree = given_sides.on(change.side)
        assert tree.get(change.path) == change.old
        if change.new is None or change.new.kind is not Kind.FOLDER:
            assert not tree.names(change.path), "a folder must be empty before it goes"
        if change.new is not None and parent_of(change.path):
            parent = tree.get(parent_of(change.path))
            assert parent is not None
            assert parent.kind is Kind.FOLDER
        tree.put(change.path, change.new)
        given_sides.base.put(change.path, Pair(change.new, change.new) if change.new else None)


@settings(max_examples=1000)
@given(st.none() | some_tree(), some_tree(), some_tree(), st.sampled_from(Strategy))
def test_a_plan_can_be_carried_out_makes_both_equal_and_loses_nothing(
    before: dict[str, str] | None, local: dict[str, str], remote: dict[str, str], strategy: Strategy
) -> None:
    given_sides = sides(before, local, remote)
    had = {(side, path, entry) for side in (LOCAL, REMOTE) for path, entry in given_sides.on(side).items()}
    plan = reconcile(given_sides, Rules(strategy))
    _apply(given_sides, plan)
    if strategy not in (Strategy.DISABLED, Strategy.KEEP_ALL, Strategy.PREFER_NEWEST):
        assert _content(given_sides.local) == _content(given_sides.remote)
    again = reconcile(given_sides._replace(first=False), Rules(strategy))
    assert again.changes == ()
    assert again.conflicts == ()
    kept = {(path, entry) for conflict in plan.conflicts for path, entry in conflict.losers}
    first_mirror = before is None and strategy.mirrored is not None
    for _, path, entry in had:
        if entry.kind is Kind.FOLDER or first_mirror:
            continue
        alive = any(_like(tree.get(path), entry) for tree in (given_sides.local, given_sides.remote))
        agreed = before is not None and any(_like(tree.get(path), entry) for tree in [sides(before, before, {}).local])
        assert alive or agreed or (path, entry) in kept


def _like(one: object, other: object) -> bool:
    return one is not None and (one.kind, one.digest, one.target) == (other.kind, other.digest, other.target)  # type: ignore[attr-defined]


def _content(tree: Tree) -> dict[str, object]:  # type: ignore[type-arg]
    return {path: entry._replace(mtime_ns=0) for path, entry in tree.items()}


@given(some_tree(), some_tree(), some_tree())
def test_looking_at_everything_piece_by_piece_is_looking_at_everything(
    before: dict[str, str], local: dict[str, str], remote: dict[str, str]
) -> None:
    given_sides = sides(before, local, remote)
    dirty = sorted({*before, *local, *remote})
    assert reconcile(given_sides, Rules(), dirty) == reconcile(given_sides, Rules())


def test_equal_is_judged_by_content() -> None:
    found = sides(None, {"a": "1@1"}, {"a": "1@2"})
    assert same(found.local.get("a"), found.remote.get("a"))
