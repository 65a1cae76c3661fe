"""The sums behind `benchmarks.explorer`: stages of a map, shares of a peer's time, trustworthiness."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.explorer.__main__ import made, stored
from benchmarks.explorer.browser import Mark
from benchmarks.explorer.material import jittered, map_texts
from benchmarks.explorer.parts import with_stored_peer
from benchmarks.explorer.quality import trustworthiness
from benchmarks.explorer.verdict import stages

OF = {"cpu": "a processor", "commit": "abc", "date": "today"}
MACHINE: dict[str, Any] = {"packages": {}, "cores": 2, "load_before": 0, "system": "", "python": "", **OF}


def test_a_mark_is_what_the_map_says_it_has_painted() -> None:
    assert Mark.of("umap-15-0.1-42 5000", 1500.0) == Mark("umap", 5000, 1.5)
    assert Mark.of("pca 1", 0.0) == Mark("pca", 1, 0.0)


def test_stages_are_counted_from_the_beginning_and_never_from_what_was_there_before() -> None:
    marks = [
        Mark("umap", 3000, 1.0),  # the sample that was on screen
        Mark("pca", 512, 11.0),
        Mark("pca", 5000, 14.0),
        Mark("umap", 5000, 20.0),
    ]
    found = stages(marks, since_s=10.0, texts=5000)
    assert found == {"first_s": 1.0, "first_points": 512, "all_s": 4.0, "umap_s": 10.0}
    assert stages([marks[0], marks[3]], since_s=10.0, texts=5000)["all_s"] is None


def figures_of_a_file(ours: float, theirs: float) -> dict[str, Any]:
    stage = {"first_s": ours / 10, "first_points": 512, "all_s": ours / 2, "umap_s": ours}
    served = {"served_s": theirs, "cpu_s": 1.0}
    return {"texts": 5000, "tokens": [85_000], "ours": [stage], "atlas": [served], "of": OF}


def test_shares_of_the_peers_time_are_held_to_a_quarter_and_a_twentieth() -> None:
    kept = made({"file": figures_of_a_file(20.0, 100.0)}, {}, MACHINE)
    assert [line.figure for line in kept.headlines] == ["0.200", "0.020"]
    assert all(line.kept for line in kept.headlines)
    assert kept.rows[0][0].startswith("5,000 texts from a CSV to a painted UMAP map")
    assert kept.rows[0][4].startswith("17.0 tokens each")
    missed = made({"file": figures_of_a_file(60.0, 100.0)}, {}, MACHINE)
    assert [line.kept for line in missed.headlines] == [False, False]
    alone = made({"file": figures_of_a_file(60.0, 100.0) | {"atlas": []}}, {}, MACHINE)
    assert not alone.headlines, "a goal against a peer that was not started is neither kept nor missed"


def test_the_share_is_the_median_of_the_rounds_own_shares() -> None:
    rounds = [figures_of_a_file(*pair) for pair in ((10.0, 100.0), (30.0, 100.0), (24.0, 80.0))]
    figures = rounds[0] | {
        side: [one for figure in rounds for one in figure[side]] for side in ("ours", "atlas", "tokens")
    }
    assert made({"file": figures}, {}, MACHINE).headlines[0].figure == "0.300"


def test_the_short_form_takes_the_peers_time_from_the_stored_result() -> None:
    known = figures_of_a_file(20.0, 100.0) | {"of": OF | {"date": "2026-11-25T08:00:00Z"}}
    short = figures_of_a_file(20.0, 0.0) | {"atlas": []}
    (line, _) = made({"file": with_stored_peer(short, known)}, {}, MACHINE).headlines
    assert (line.figure, line.peer) == ("0.200", "Embedding Atlas 100.0 s (stored, 2026-11-25)")
    assert with_stored_peer(short, {}) == short
    assert with_stored_peer(known, known) is known, "a peer that was started is the one compared with"


def test_times_of_their_own_limit_and_of_the_api() -> None:
    stage = {"first_s": 0.3, "first_points": 200, "all_s": None, "umap_s": 1.2}
    paint = {"from_navigation_s": 5.0, "live_s": 6.0, "from_value_s": 2.0, "drawn_as": "scattergl"}
    large = {"points": 50_000, "painted": [paint], "idle_s": [0.01] * 20, "busy_s": [0.01] * 10 + [0.03] * 10}
    result = made(
        {
            "paste": {"texts": 200, "ours": [stage], "of": OF},
            "click": {"points": 20_000, "clicks_s": [0.05] * 18 + [0.2] * 2, "of": OF},
            "large": large | {"of": OF},
        },
        {},
        MACHINE,
    )
    kept = {line.work: (line.figure, line.kept) for line in result.headlines}
    assert list(kept.values()) == [
        ("1.20 s", True),
        ("50 ms", True),
        ("200 ms", False),
        ("2.00 s", True),
        ("5.00 s", False),
        ("3.00 times", False),
    ]


def test_a_part_that_failed_is_a_missed_limit_and_others_stay(tmp_path: Path) -> None:
    result = made({"file": figures_of_a_file(20.0, 100.0)}, {"click": "TimeoutError: no dot"}, MACHINE)
    assert ("click was measured (TimeoutError: no dot)", False) in result.limits
    result.store(tmp_path)
    path = tmp_path / "explorer.json"
    assert set(stored(path, "a processor")) == {"file"}
    assert stored(path, "another processor") == {}, "ratios depend on the processor"
    assert stored(tmp_path / "none.json", "a processor") == {}
    assert json.loads(path.read_text())["figures"]["file"]["of"]["commit"] == "abc"


def test_trustworthiness_is_scikit_learns() -> None:
    from sklearn.manifold import trustworthiness as reference

    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(700, 24)).astype(np.float32)
    layouts = [vectors[:, :2], rng.normal(size=(700, 2)).astype(np.float32)]
    ours = trustworthiness(vectors, layouts)
    theirs = [reference(vectors, points, n_neighbors=15, metric="cosine") for points in layouts]
    assert ours == pytest.approx(theirs, abs=1e-5)  # float32 rounds ranks of near ties
    assert ours[0] > ours[1] + 0.01


def test_jittered_vectors_are_the_real_ones_first_and_then_near_them() -> None:
    rng = np.random.default_rng(6)
    real = rng.normal(size=(40, 384)).astype(np.float32)
    real /= np.linalg.norm(real, axis=1, keepdims=True)
    many = jittered(real, 100)
    np.testing.assert_allclose(many[:40], real, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(many, axis=1), 1.0, rtol=1e-5)
    own = (many[40:80] * real).sum(axis=1)
    assert (own > 0.9).all()
    assert (own < 0.96).all()


@pytest.mark.model
def test_rounds_are_of_other_texts_of_seventeen_tokens() -> None:
    from benchmarks.corpus import lengths_tokens

    one, other = map_texts(2000, seed=1), map_texts(2000, seed=2)
    assert len(set(one)) == 2000
    assert one != other
    assert 16 <= lengths_tokens(one).mean() <= 18
