"""Keys in a store, and what they may spend, as several servers on it see them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from embedder.collections import Collections
from embedder.collections.key_limits import KeyBudget, KeyLimits
from embedder.collections.key_ring import KeyRing
from embedder.collections.keys import Keys, digest_of
from embedder.collections.store import Store
from embedder.errors import InvalidInput, KeysUnavailable, RateLimited, StoreFailed, TooLarge
from tests.collections.stores import new_place, opened

KINDS = ("lance", "postgres", "milvus")


@pytest.fixture(params=KINDS)
def two(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    """One empty store as two servers have it open."""
    place = new_place(request.param, request, tmp_path, shared=True)
    stores = opened(request.param, place), opened(request.param, place)
    yield stores
    for store in stores:
        store.close()


async def within(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while True:
            if condition():
                return
            await asyncio.sleep(0.05)


async def test_a_key_is_taken_and_refused_by_every_server(two: tuple[Store, Store]) -> None:
    here, there = two
    ring = KeyRing(there)
    async with ring.followed():
        assert not ring.closed
        assert ring.find(b"anything") is None
        sent, made = await asyncio.to_thread(Keys(here).add, "Ada", 500)
        await within(lambda: ring.find(sent.encode()) == made)
        assert ring.closed
        assert ring.find(sent[:-1].encode()) is None
        other, _ = await asyncio.to_thread(Keys(here).add, "Grace")
        await within(lambda: ring.find(other.encode()) is not None)
        assert ring.budget_of(other.encode()) is None
        await asyncio.to_thread(Keys(here).revoke, made.id)
        await within(lambda: ring.find(sent.encode()) is None)
        assert ring.find(other.encode()) is not None


async def test_a_server_without_its_last_key_stays_closed_until_they_are_forgotten(
    two: tuple[Store, Store],
) -> None:
    here, there = two
    _, made = Keys(here).add("Ada")
    Keys(here).revoke(made.id)
    ring = KeyRing(there)
    async with ring.followed():
        assert ring.closed
        Keys(here).forget()
        await within(lambda: not ring.closed)
    assert Keys(there).read() is None


def test_a_key_cannot_be_read_again(two: tuple[Store, Store]) -> None:
    here, there = two
    sent, made = Keys(here).add(" Ada ")
    assert len(sent) > 40
    assert sent not in repr(there.open("._keys").info)
    assert Keys(there).read() == [made]
    assert (made.name, made.digest, made.tokens_per_minute) == ("Ada", digest_of(sent.encode()), None)


async def test_keys_are_no_collection(two: tuple[Store, Store]) -> None:
    Keys(two[0]).add("Ada")
    assert await Collections(two[1], None).names() == []


def test_what_is_wrong_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = Keys(opened("lance", str(tmp_path)))
    for name in ("", " ", "x" * 65, "a\nb"):
        with pytest.raises(InvalidInput, match="name"):
            keys.add(name)
    with pytest.raises(InvalidInput, match="at least 1"):
        keys.add("Ada", 0)
    for _ in range(2):  # without any key, and with one
        with pytest.raises(InvalidInput, match="no key 'ffff'"):
            keys.revoke("ffff")
        keys.add("Ada")
    monkeypatch.setattr("embedder.collections.keys.MAX_KEYS", 2)
    with pytest.raises(TooLarge, match="Revoke one"):
        keys.add("Grace")


def test_what_another_version_wrote_opens_nothing_and_is_kept(tmp_path: Path) -> None:
    store = opened("lance", str(tmp_path))
    keys = Keys(store)
    _, made = keys.add("Ada")
    later = {"id": "later", "way": "unknown here"}
    damaged = {"id": "x", "name": "x", "digest": "no digest", "created": 1}
    table = store.open("._keys")
    table.change_info(lambda info: {**info, "keys": {**info["keys"], "later": later, "x": damaged}})
    assert keys.read() == [made]
    keys.add("Grace")
    assert store.open("._keys").info["keys"]["later"] == later
    table.write_info({"keys": 1})
    with pytest.raises(StoreFailed, match="tessera key forget"):
        keys.read()


class Away(Exception):
    pass


async def test_a_store_that_is_away_lets_nobody_in_by_its_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = opened("lance", str(tmp_path))
    sent, _ = Keys(store).add("Ada")
    is_away = True

    def open_it(name: str, there: Callable[[str], object] = store.open) -> object:
        if is_away:
            raise Away(sent)
        return there(name)

    monkeypatch.setattr(store, "open", open_it)
    ring = KeyRing(store)
    async with ring.followed():
        for asked in (lambda: ring.closed, lambda: ring.find(sent.encode())):
            with pytest.raises(KeysUnavailable, match="cannot read the keys"):
                asked()
        assert "Away" in caplog.text
        assert sent not in caplog.text
        is_away = False
        async with asyncio.timeout(10):
            while True:
                try:
                    assert ring.find(sent.encode())
                    break
                except KeysUnavailable:
                    await asyncio.sleep(0.05)
        # What was known is good for a while, not for ever.
        is_away = True
        await asyncio.sleep(1.5)
        assert ring.find(sent.encode())
        monkeypatch.setattr("embedder.collections.key_ring._TRUSTED_S", 0.5)
        with pytest.raises(KeysUnavailable):
            ring.find(sent.encode())


async def test_a_store_that_lost_its_keys_opens_nothing(tmp_path: Path) -> None:
    store = opened("lance", str(tmp_path))
    sent, _ = Keys(store).add("Ada")
    ring = KeyRing(store)
    async with ring.followed():
        store.drop("._keys")
        await asyncio.sleep(1.5)
        assert ring.closed
        assert ring.find(sent.encode())


async def test_a_share_that_fails_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = opened("lance", str(tmp_path))
    sent, _ = Keys(store).add("Ada", 100)

    def fails(self: KeyLimits) -> None:
        raise OSError("stale file handle")

    ring = KeyRing(store)
    with monkeypatch.context() as patch:
        patch.setattr(KeyLimits, "share", fails)
        async with ring.followed():
            await within(lambda: "OSError" in caplog.text)
            budget = ring.budget_of(sent.encode())
            assert budget is not None
            budget.spend(10_000)
            other, _ = await asyncio.to_thread(Keys(store).add, "Grace")
            await within(lambda: ring.find(other.encode()) is not None)
            patch.undo()
            await within(lambda: "._spent" in store.names())
    elsewhere = KeyRing(opened("lance", str(tmp_path)))
    async with elsewhere.followed():
        budget = elsewhere.budget_of(sent.encode())
        assert budget is not None

        def is_spent() -> bool:
            try:
                budget.check()
            except RateLimited:
                return True
            return False

        await within(is_spent)


def test_two_shares_at_once_count_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, clock = opened("lance", str(tmp_path)), Clock()
    limits = KeyLimits(store, clock)
    limits.spend("ada", 10, 100)
    limits.share()
    table = store.open("._spent")
    change = table.change_info
    monkeypatch.setattr(table, "change_info", lambda told: (time.sleep(0.3), change(told))[1])
    limits.spend("ada", 10, 100)
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(limits.share) for _ in range(2)]:
            done.result()
    assert store.open("._spent").info["levels"]["ada"][0] == 20


class Clock:
    now_s = 6_000_000.0

    def __call__(self) -> float:
        return self.now_s


def test_what_a_key_spent_is_counted_by_all_together(two: tuple[Store, Store]) -> None:
    clock = Clock()
    here, there = (KeyLimits(store, clock) for store in two)
    one, other = KeyBudget(here, "ada", 60), KeyBudget(there, "ada", 60)
    one.check()
    one.spend(40)
    here.share()
    other.check()
    there.share()
    other.spend(19)
    other.check()
    other.spend(1)
    with pytest.raises(RateLimited, match="60 tokens a minute") as caught:
        other.check()
    assert caught.value.retry_after_s == pytest.approx(1)
    there.share()
    one.check()  # it has not heard of it yet
    here.share()
    with pytest.raises(RateLimited):
        one.check()
    KeyBudget(here, "grace", 60).check()
    # What was spent drains, a token a second here.
    clock.now_s += 1
    one.check()
    other.check()
    # What passes the limit has to be waited for, on every server.
    one.spend(601)
    here.share()
    there.share()
    for budget in (one, other):
        with pytest.raises(RateLimited) as caught:
            budget.check()
        assert caught.value.retry_after_s == pytest.approx(601)
    # Also by whoever comes again after a pause in which nobody asked.
    clock.now_s += 300
    here.share()
    with pytest.raises(RateLimited):
        one.check()
    clock.now_s += 301
    for budget in (one, other):
        budget.check()
    # A clock that is behind drains nothing, and gives nothing back.
    clock.now_s -= 300
    with pytest.raises(RateLimited):
        one.check()
    # What has drained is not kept.
    clock.now_s += 10_000
    KeyBudget(here, "grace", 60).spend(1)
    here.share()
    assert list(two[0].open("._spent").info["levels"]) == ["grace"]


def test_nothing_that_was_spent_is_lost_while_the_store_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, clock = opened("lance", str(tmp_path)), Clock()
    limits = KeyLimits(store, clock)
    budget = KeyBudget(limits, "ada", 100)
    budget.spend(99)
    with monkeypatch.context() as patch:
        patch.setattr(store, "open", lambda name: (_ for _ in ()).throw(StoreFailed("away")))
        with pytest.raises(StoreFailed):
            limits.share()
    budget.check()
    budget.spend(1)
    limits.share()
    limits.share()
    with pytest.raises(RateLimited):
        budget.check()
    elsewhere = KeyLimits(opened("lance", str(tmp_path)), clock)
    budget = replace(budget, limits=elsewhere)
    budget.check()
    elsewhere.share()
    with pytest.raises(RateLimited):
        budget.check()


@pytest.mark.parametrize("told", [1, {"ada": 1}, {"ada": ["x", 1, 2]}, {"ada": [1, 2]}])
def test_levels_that_cannot_be_read_are_none(tmp_path: Path, told: object) -> None:
    store = opened("lance", str(tmp_path))
    store.create("._spent", 1, {"levels": told})
    limits = KeyLimits(store, Clock())
    limits.spend("ada", 100, 100)
    limits.share()
    with pytest.raises(RateLimited):
        limits.check("ada", 100)


def test_whoever_has_no_limit_costs_the_store_nothing(tmp_path: Path) -> None:
    KeyLimits(opened("lance", str(tmp_path / "store"))).share()
    assert not (tmp_path / "store").exists()
