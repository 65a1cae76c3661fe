from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedder.cache import MemoryCache, cache_keys
from embedder.types import KnownVector, Prompt

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def known(seed: int, dimensions: int = 8) -> KnownVector:
    vector = np.random.default_rng(seed).standard_normal(dimensions, dtype=np.float32)
    return KnownVector(vector, prompt_tokens=seed, truncated=False)


@given(texts, texts, texts, texts, texts, texts)
def test_different_triples_have_different_keys(a: str, b: str, c: str, x: str, y: str, z: str) -> None:
    first = cache_keys(a, Prompt(b), [c])
    second = cache_keys(x, Prompt(y), [z])
    assert (first == second) == ((a, b, c) == (x, y, z))


def test_parts_cannot_run_into_each_other() -> None:
    keys = {
        cache_keys("f", Prompt("query: "), ["text"])[0],
        cache_keys("f", Prompt(""), ["query: text"])[0],
        cache_keys("fq", Prompt("uery: "), ["text"])[0],
        cache_keys("f", Prompt("query: ", "query"), ["text"])[0],
        cache_keys("f", Prompt("query: "), [(116, 101)])[0],
        cache_keys("f", Prompt("query: "), [(116, 101, 0)])[0],
    }
    assert len(keys) == 6


def test_returns_what_was_put_and_nobody_can_change_it() -> None:
    cache = MemoryCache(10_000)
    entry = known(1)
    cache.put(b"k", entry)
    entry.vector[:] = 0
    found = cache.get(b"k")
    assert found is not None
    assert np.array_equal(found.vector, known(1).vector)
    with pytest.raises(ValueError, match="read-only"):
        found.vector[0] = 1
    assert cache.get(b"other") is None


def test_is_bounded_in_bytes_and_drops_the_least_recently_used() -> None:
    cache = MemoryCache(5 * (8 * 4 + 400))
    for number in range(5):
        cache.put(bytes([number]), known(number))
    assert cache.get(bytes([0])) is not None
    cache.put(bytes([9]), known(9))
    assert cache.held_bytes <= 5 * (8 * 4 + 400)
    assert cache.get(bytes([1])) is None
    assert cache.get(bytes([0])) is not None


def test_zero_bytes_keep_nothing() -> None:
    cache = MemoryCache(0)
    cache.put(b"k", known(1))
    assert cache.get(b"k") is None


def test_accounts_for_at_least_the_memory_it_takes() -> None:
    cache = MemoryCache(100_000_000)
    tracemalloc.start()
    try:
        for number in range(2_000):
            cache.put(number.to_bytes(32, "big"), known(number, 384))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert cache.held_bytes > 0.9 * taken
