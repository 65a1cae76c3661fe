from __future__ import annotations

import json
from typing import Any

import numpy as np

from embedder.analysis import pca_2d
from embedder.types import ModelInfo
from ui.datasets import MAX_LAYOUTS, Dataset, Datasets
from ui.map import shown
from ui.page import what_was_there
from ui.session import Sessions

INFO = ModelInfo("m", 4, 64, "f", "test", True)


def dataset(n: int = 3) -> Dataset:
    vectors = np.eye(n, 4, dtype=np.float32)
    texts = [f"text {i}" for i in range(n)]
    return Dataset("d", texts, {}, vectors, np.ones(n, dtype=np.int64), frozenset(), INFO, pca_2d(vectors))


def sessions_of(**options: Any) -> Sessions:
    return Sessions(60, Datasets(60), **options)


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_visitor_finds_their_own_session_and_nobody_elses() -> None:
    sessions = sessions_of()
    sessions.of("a").put(sessions.of("a").begin(), dataset())
    assert sessions.of("a").dataset is not None
    assert sessions.of("b").dataset is None
    assert sessions.of("a", "somebody who logged in").dataset is None


def test_after_cancel_a_visitor_has_their_own_layout_and_not_that_of_another() -> None:
    sessions, shared = sessions_of(), dataset()
    one, other = sessions.of("a"), sessions.of("b")
    for session, key in ((one, "pca"), (other, "umap-3d")):
        session.put(session.begin(), shared)
        shared.workings.newest = key
        session.saw(shown(shared))
    _, _, value = what_was_there(one)
    assert json.loads(value)["layout"] == "pca"
    assert what_was_there(one)[2] != value, "the page is not told anew"
    assert json.loads(what_was_there(other)[2])["layout"] == "umap-3d"
    new = sessions.of("c")
    new.put(new.begin(), shared)
    assert json.loads(what_was_there(new)[2])["layout"] == "umap-3d"


def test_who_went_quiet_is_forgotten() -> None:
    clock = Clock()
    sessions = sessions_of(clock=clock)
    quiet = sessions.of("quiet")
    clock.now_s = 30
    awake = sessions.of("awake")
    clock.now_s = 70
    assert sessions.of("awake") is awake
    assert len(sessions) == 1
    assert sessions.of("quiet") is not quiet


def test_the_number_is_bounded() -> None:
    sessions = sessions_of(max_sessions=3)
    for name in range(10):
        sessions.of(str(name))
    assert len(sessions) == 3


def test_datasets_are_bounded_in_bytes_and_the_newest_stays() -> None:
    big = dataset(4)
    datasets = Datasets(60, max_bytes=2 * big.held_bytes)
    kept = [dataset(4) for _ in range(4)]
    for one in kept:
        datasets.put(one)
    assert [datasets.get(one.id) for one in kept] == [None, None, *kept[2:]]


def test_a_dataset_expires_when_nobody_looks_at_it() -> None:
    clock = Clock()
    datasets = Datasets(60, clock=clock)
    seen, unseen = dataset(), dataset()
    datasets.put(seen)
    datasets.put(unseen)
    clock.now_s = 50
    assert datasets.get(seen.id) is seen
    clock.now_s = 100
    assert datasets.get(seen.id) is seen
    assert datasets.get(unseen.id) is None
    assert datasets.get(None) is None


def test_ids_cannot_be_guessed() -> None:
    ids = {dataset().id for _ in range(100)}
    assert len(ids) == 100
    assert all(len(one) >= 22 for one in ids), "128 bits and more"


def test_a_client_cannot_make_long_keys() -> None:
    sessions = sessions_of()
    assert sessions.of("x" * 10_000) is sessions.of("x" * 128)


def test_only_the_newest_load_is_shown() -> None:
    session = sessions_of().of("a")
    first, second = session.begin(), session.begin()
    new, old = dataset(2), dataset(3)
    assert session.put(second, new)
    assert not session.put(first, old)
    assert session.dataset is new


def test_layouts_of_a_dataset_are_bounded_and_the_first_stays() -> None:
    shared = dataset(4)
    assert shared.first_layout == "pca"
    for number in range(30):
        shared.add_layout(f"umap-{number}", shared.flat)
    assert len(shared.workings.layouts) == MAX_LAYOUTS
    assert shared.first_layout == "umap-0"
    assert shared.workings.newest == "umap-29"
