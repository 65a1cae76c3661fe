from __future__ import annotations

import numpy as np

from embedder.analysis import pca_2d
from embedder.types import ModelInfo
from ui.session import Dataset, Sessions

INFO = ModelInfo("m", 4, 64, "f", "test", True)


def dataset(n: int = 3) -> Dataset:
    vectors = np.eye(n, 4, dtype=np.float32)
    texts = [f"text {i}" for i in range(n)]
    return Dataset("d", texts, {}, vectors, np.ones(n, dtype=np.int64), frozenset(), INFO, pca_2d(vectors))


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_visitor_finds_their_own_session_and_nobody_elses() -> None:
    sessions = Sessions(60)
    sessions.of("a").put(sessions.of("a").begin(), dataset())
    assert sessions.of("a").dataset is not None
    assert sessions.of("b").dataset is None
    assert sessions.of("a", "somebody who logged in").dataset is None


def test_who_went_quiet_is_forgotten() -> None:
    clock = Clock()
    sessions = Sessions(60, clock=clock)
    quiet = sessions.of("quiet")
    clock.now_s = 30
    awake = sessions.of("awake")
    clock.now_s = 70
    assert sessions.of("awake") is awake
    assert len(sessions) == 1
    assert sessions.of("quiet") is not quiet


def test_number_and_bytes_are_bounded_and_the_newest_stays() -> None:
    sessions = Sessions(60, max_sessions=3)
    for name in range(10):
        sessions.of(str(name))
    assert len(sessions) == 3

    big = dataset(4)
    sessions = Sessions(60, max_bytes=2 * big.held_bytes)
    for name in "abcd":
        session = sessions.of(name)
        session.put(session.begin(), big)
    sessions.tidy()
    assert len(sessions) == 2
    assert sessions.of("d").dataset is big


def test_a_client_cannot_make_long_keys() -> None:
    sessions = Sessions(60)
    assert sessions.of("x" * 10_000) is sessions.of("x" * 128)


def test_only_the_newest_load_is_shown() -> None:
    session = Sessions(60).of("a")
    first, second = session.begin(), session.begin()
    new, old = dataset(2), dataset(3)
    assert session.put(second, new)
    assert not session.put(first, old)
    assert session.dataset is new
