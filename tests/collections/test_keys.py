"""Keys in a store, and what they may spend, as several servers on it see them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
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
    table = store.open("._keys")
    table.change_info(lambda info: {**info, "keys": {**info["keys"], "later": later}})
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


class Clock:
    now_s = 6_000_000.0

    def __call__(self) -> float:
        return self.now_s


def test_what_a_key_spent_is_counted_by_all_together(two: tuple[Store, Store]) -> None:
    clock = Clock()
    here, there = (KeyLimits(store, clock) for store in two)
    one, other = KeyBudget(here, "ada", 100), KeyBudget(there, "ada", 100)
    one.check()
    one.spend(60)
    here.share()
    other.check()
    other.spend(39)
    there.share()
    other.check()
    other.spend(1)
    with pytest.raises(RateLimited, match="100 tokens a minute") as caught:
        other.check()
    assert caught.value.retry_after_s == 60
    there.share()
    one.check()  # it has not heard of it yet
    here.share()
    with pytest.raises(RateLimited):
        one.check()
    KeyBudget(here, "grace", 100).check()
    clock.now_s += 59
    with pytest.raises(RateLimited) as caught:
        one.check()
    assert caught.value.retry_after_s == 1
    clock.now_s += 1
    one.check()
    other.check()
    # Minutes that are over are let go of.
    for _ in range(3):
        one.spend(1)
        here.share()
        clock.now_s += 60
    assert len(two[0].open("._spent").info["spent"]) == 2


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


def test_whoever_has_no_limit_costs_the_store_nothing(tmp_path: Path) -> None:
    KeyLimits(opened("lance", str(tmp_path / "store"))).share()
    assert not (tmp_path / "store").exists()
