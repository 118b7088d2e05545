"""The small files of the state folder: the key, compiled plans, the stat cache. All whole or not there."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdev.errors import StateError
from kdev.state.folder import StateFolder, seal, unseal
from kdev.state.key import SecretKey
from kdev.state.plans import KEPT, PlanCache
from kdev.state.statcache import StatCache


def folder(root: Path, *, read_only: bool = False) -> StateFolder:
    return StateFolder(str(root), read_only=read_only)


# -- the key ----------------------------------------------------------------------------------------------------------


def test_the_digest_is_hmac_sha256_under_a_key_that_stays(tmp_path: Path) -> None:
    digest = SecretKey(folder(tmp_path)).digest("password", b"s3cret")

    path = tmp_path / ".kdev/key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert digest == hmac.digest(path.read_bytes(), b"8:password6:s3cret", "sha256").hex()
    assert SecretKey(folder(tmp_path)).digest("password", "s3cret") == digest
    assert digest != hashlib.sha256(b"8:password6:s3cret").hexdigest()


def test_two_projects_have_two_keys(tmp_path: Path) -> None:
    assert SecretKey(folder(tmp_path / "a")).digest("x") != SecretKey(folder(tmp_path / "b")).digest("x")


def test_parts_are_told_apart(tmp_path: Path) -> None:
    key = SecretKey(folder(tmp_path))
    assert len({key.digest("ab", "c"), key.digest("a", "bc"), key.digest("abc")}) == 3


def test_read_only_uses_the_key_and_makes_none(tmp_path: Path) -> None:
    SecretKey(folder(tmp_path, read_only=True)).digest("x")
    assert list(tmp_path.iterdir()) == []
    digest = SecretKey(folder(tmp_path)).digest("x")
    assert SecretKey(folder(tmp_path, read_only=True)).digest("x") == digest


def test_a_damaged_key_is_said_and_not_replaced(tmp_path: Path) -> None:
    SecretKey(folder(tmp_path)).digest("x")
    (tmp_path / ".kdev/key").write_bytes(b"short")
    with pytest.raises(StateError, match="damaged"):
        SecretKey(folder(tmp_path)).digest("x")
    assert (tmp_path / ".kdev/key").read_bytes() == b"short"


# -- sealed bytes and plans -------------------------------------------------------------------------------------------


@given(key=st.text(max_size=10), other=st.text(max_size=10), payload=st.binary(max_size=50), cut=st.integers(0, 200))
def test_only_the_whole_bytes_with_the_same_key_open(key: str, other: str, payload: bytes, cut: int) -> None:
    sealed = seal(key, payload)

    assert unseal(key, sealed) == payload
    assert unseal(other, sealed) == (payload if other == key else None)
    if cut < len(sealed):
        assert unseal(key, sealed[:cut]) is None
        assert unseal(key, sealed[:cut] + bytes([sealed[cut] ^ 1]) + sealed[cut + 1 :]) is None
    assert unseal(key, None) is None


def test_a_plan_is_given_back_for_its_key_only(tmp_path: Path) -> None:
    plans = PlanCache(folder(tmp_path))
    assert plans.load("dev", "k1") is None
    plans.save("dev", "k1", b"plan 1")
    plans.save("build", "k1", b"plan 2")

    again = PlanCache(folder(tmp_path))
    assert again.load("dev", "k1") == b"plan 1"
    assert again.load("build", "k1") == b"plan 2"
    assert again.load("dev", "k2") is None
    again.save("dev", "k2", b"plan 3")
    assert again.load("dev", "k1") is None
    assert again.load("dev", "k2") == b"plan 3"


def test_a_bounded_number_of_plans_is_kept(tmp_path: Path) -> None:
    plans = PlanCache(folder(tmp_path))
    for number in range(KEPT + 5):
        plans.save(f"plan {number}", "k", b"x")
    assert len(list((tmp_path / ".kdev/plans").iterdir())) == KEPT


def test_read_only_reads_plans_and_writes_none(tmp_path: Path) -> None:
    PlanCache(folder(tmp_path)).save("dev", "k", b"x")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    plans = PlanCache(folder(tmp_path, read_only=True))
    assert plans.load("dev", "k") == b"x"
    plans.save("dev", "k", b"y")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


# -- the stat cache ---------------------------------------------------------------------------------------------------


def filled(root: Path) -> StatCache:
    cache = StatCache(folder(root))
    cache.put("src", "a\0b", bytes(80), bytes(64), 5)
    cache.files["Dockerfile"] = (bytes(40), bytes(32))
    cache.memo("key")["src"] = (1, b"d" * 32, (("sub", 3, True, 0o40755),))
    return cache


def test_the_stat_cache_comes_back_as_it_was(tmp_path: Path) -> None:
    filled(tmp_path).save()

    cache = StatCache.load(folder(tmp_path))
    record = cache.record("src")
    assert record is not None
    assert (record.generation, record.names, bytes(record.stamps)) == (1, "a\0b", bytes(80))
    assert cache.files == {"Dockerfile": (bytes(40), bytes(32))}
    assert cache.memo("key") == {"src": (1, b"d" * 32, (("sub", 3, True, 0o40755),))}
    assert not cache.dirty
    assert cache.put("new", "", b"", b"", 0).generation == 2


@pytest.mark.parametrize(
    "data", [pytest.param(b"", id="empty"), pytest.param(b"rubbish" * 100, id="rubbish"), pytest.param(None, id="torn")]
)
def test_a_damaged_stat_cache_is_an_empty_one(tmp_path: Path, data: bytes | None) -> None:
    filled(tmp_path).save()
    path = tmp_path / ".kdev/files.cache"
    path.write_bytes(path.read_bytes()[:-1] if data is None else data)

    assert StatCache.load(folder(tmp_path)).record("src") is None


def test_folders_that_were_not_asked_for_stay_and_gone_ones_go(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    cache.put("docs", "c", bytes(40), bytes(32), 5)
    cache.save()

    cache = StatCache.load(folder(tmp_path))
    cache.drop("docs")
    cache.save()

    cache = StatCache.load(folder(tmp_path))
    assert cache.record("src") is not None
    assert cache.record("docs") is None


def test_memos_of_another_generation_are_not_saved(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    cache.put("src", "a", bytes(40), bytes(32), 6)
    cache.save()
    assert StatCache.load(folder(tmp_path)).memo("key") == {}


def test_nothing_new_writes_nothing(tmp_path: Path) -> None:
    filled(tmp_path).save()
    before = (tmp_path / ".kdev/files.cache").stat().st_mtime_ns
    cache = StatCache.load(folder(tmp_path))
    cache.record("src")
    cache.save()
    assert (tmp_path / ".kdev/files.cache").stat().st_mtime_ns == before
