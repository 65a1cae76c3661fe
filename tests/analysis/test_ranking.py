from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from embedder.analysis.contrast import WordCounts, contrasted
from embedder.analysis.ranking import (
    RRF_K,
    KeywordIndex,
    diversified,
    fused,
    hybrid,
    matching,
    places,
    ranked,
)
from embedder.analysis.similarity import blend
from embedder.errors import InvalidInput

TEXTS = [
    "the cat sat on the mat",
    "a dog and a CAT",
    "nothing of the kind",
    "東京は晴れ",
    "Straße nach Köln",
    "",
]


def test_rare_words_and_short_texts_count_more() -> None:
    index = KeywordIndex(
        ["common rare", "common word", "common thing", "rare and many many other words here"]
    )
    scores = index.scores("common rare")
    assert np.argmax(scores) == 0
    assert index.scores("rare")[0] > index.scores("rare")[3] > 0
    assert index.scores("rare")[1] == 0


def test_words_are_folded_and_chinese_and_japanese_are_read_by_character() -> None:
    index = KeywordIndex(TEXTS)
    assert np.flatnonzero(index.scores("Cat")).tolist() == [0, 1]
    assert np.flatnonzero(index.scores("京")).tolist() == [3]
    assert np.flatnonzero(index.scores("STRASSE")).tolist() == [4]


@pytest.mark.parametrize("query", ["", "   ", "...", "zebra", "🍕"])
def test_what_no_text_has_scores_nothing(query: str) -> None:
    assert not KeywordIndex(TEXTS).scores(query).any()
    assert not KeywordIndex([]).scores(query).any()
    assert not KeywordIndex(["", "!"]).scores(query).any()


@given(st.lists(st.text(max_size=30), max_size=20), st.text(max_size=20))
def test_any_texts_and_any_query_give_a_finite_score_each(texts: list[str], query: str) -> None:
    scores = KeywordIndex(texts).scores(query)
    assert scores.shape == (len(texts),)
    assert np.isfinite(scores).all()
    assert (scores >= 0).all()


def test_patterns() -> None:
    assert matching(TEXTS, r"\bcat\b").tolist() == [0, 1]
    assert matching(TEXTS, r"^$").tolist() == [5]
    with pytest.raises(InvalidInput, match="no regular expression"):
        matching(TEXTS, "(")


def test_a_pattern_that_never_ends_is_ended() -> None:
    started_s = time.monotonic()
    with pytest.raises(InvalidInput, match="takes longer"):
        matching(["a" * 5000 + "!"] * 50, r"(a|aa)+$", limit_s=0.3)
    assert time.monotonic() - started_s < 5


def test_fusion_is_the_papers_sum() -> None:
    scores = fused([np.array([2, 0]), np.array([0])], 4)
    expected = [1 / (RRF_K + 2) + 1 / (RRF_K + 1), 0, 1 / (RRF_K + 1), 0]
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


@given(arrays(np.float32, st.integers(0, 20), elements=st.sampled_from([-1.0, 0.0, 0.5, 2.0])))
def test_rows_are_ranked_by_score_and_of_equal_ones_the_first_comes_first(scores: np.ndarray) -> None:
    expected = sorted(range(len(scores)), key=lambda row: (-scores[row], row))
    assert ranked(scores).tolist() == expected
    assert ranked(scores, above=0.0).tolist() == [row for row in expected if scores[row] > 0]


@given(
    st.integers(1, 20).flatmap(
        lambda n: st.tuples(*[arrays(np.float32, n, elements=st.floats(0, 9, width=32))] * 2)
    ),
    st.integers(1, 25),
)
def test_a_hybrid_score_is_of_the_best_in_meaning_and_of_those_that_share_a_word(
    scores: tuple[np.ndarray, np.ndarray], most: int
) -> None:
    meaning, words = scores
    found = hybrid(meaning, words, most=most)
    for row in range(len(meaning)):
        ranks = [ranked(meaning).tolist().index(row)]
        ranks += [ranked(words).tolist().index(row)] if words[row] > 0 else []
        expected = sum(1 / (RRF_K + 1 + rank) for rank in ranks if rank < most)
        assert found[row] == pytest.approx(expected, rel=1e-5)


def test_a_direction_towards_some_and_away_from_others() -> None:
    east, north = np.array([[1.0, 0]]), np.array([[0, 1.0]])
    np.testing.assert_allclose(
        blend(np.concatenate([east, north]), np.empty((0, 2))), [[0.5**0.5] * 2], atol=1e-6
    )
    np.testing.assert_allclose(blend(east, north), [[0.5**0.5, -(0.5**0.5)]], atol=1e-6)
    np.testing.assert_allclose(blend(np.empty((0, 2)), north * 9), [[0, -1]], atol=1e-6)
    with pytest.raises(ValueError, match="no example"):
        blend(np.empty((0, 2)), np.empty((0, 2)))


def test_what_is_special_is_more_than_chance_would_make_it() -> None:
    kinds = ["fruit"] * 20 + ["car"] * 80
    selected = np.arange(0, 24)  # all the fruit and four cars
    found = contrasted(kinds, selected)
    (only,) = found.special
    assert found.common == [("fruit", 20, 20), ("car", 4, 80)]
    assert found.others == 0
    assert (only.name, only.selected, only.total) == ("fruit", 20, 20)
    assert only.z > 3
    rng = np.random.default_rng(0)
    by_chance = contrasted(kinds, rng.permutation(100)[:30]).special
    assert not [value for value in by_chance if value.z > 3]
    texts = ["ripe apple in a tree" if kind == "fruit" else "fast engine on a road" for kind in kinds]
    words = {word.name for word in WordCounts(texts).special(selected)}
    assert words == {"ripe", "apple", "tree"}


@pytest.mark.parametrize("selected", [[], list(range(6))])
def test_nothing_is_special_of_none_or_all(selected: list[int]) -> None:
    rows = np.array(selected, dtype=np.int64)
    assert contrasted(list("aabbcc"), rows).special == []
    assert WordCounts(TEXTS).special(rows) == []


def test_the_commonest_values_of_a_selection_are_counted_and_the_others_told() -> None:
    values = [str(row % 7) for row in range(70)]
    selected = np.array([*range(0, 70, 7), 1, 8, 2])  # all ten "0", two "1", one "2"
    found = contrasted(values, selected, count=2)
    assert found.common == [("0", 10, 10), ("1", 2, 10)]
    assert found.others == 1
    assert contrasted(values, np.array([], dtype=np.int64)).common == []


def test_weights_of_a_fusion_count_each_ranking() -> None:
    rankings = [np.array([0, 1]), np.array([1, 2])]
    assert np.argmax(fused(rankings, 3)) == 1
    np.testing.assert_allclose(fused(rankings, 3, [2.0, 0.0]), [2 / 61, 2 / 62, 0], rtol=1e-6)
    with pytest.raises(ValueError, match="shorter"):
        fused(rankings, 3, [1.0])


@given(st.integers(1, 12), st.integers(0, 15), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_diverse_rows_are_chosen_once_and_as_relevance_and_likeness_say(
    n: int, k: int, diversity: float, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    vectors, worth = generator.standard_normal((n, 3)), generator.random(n)
    chosen = diversified(worth, vectors, k, diversity)
    assert len(chosen) == min(k, n) == len(set(chosen.tolist()))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for place, row in enumerate(chosen):
        left = [other for other in range(n) if other not in chosen[:place]]
        nearest = (unit @ unit[chosen[:place]].T).max(axis=1) if place else np.zeros(n)
        marginal = (1 - diversity) * worth - diversity * nearest
        assert marginal[row] >= marginal[left].max() - 1e-5


def test_no_diversity_is_the_order_of_relevance_and_all_of_it_avoids_copies() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1], [-1, 0]])
    worth = [0.9, 0.8, 0.2, 0.1]
    assert diversified(worth, vectors, 4, 0).tolist() == [0, 1, 2, 3]
    assert diversified(worth, vectors, 2, 0.5).tolist()[0] == 0
    assert diversified(worth, vectors, 2, 0.9).tolist()[1] == 3
    for wrong in (-0.1, 1.1):
        with pytest.raises(ValueError, match="Diversity"):
            diversified(worth, vectors, 2, wrong)
    with pytest.raises(ValueError, match="relevances"):
        diversified([1.0], vectors, 2, 0.5)


@given(st.lists(st.text(max_size=3)))
def test_places_of_words_rise_without_regard_to_case_and_blanks_have_none(words: list[str]) -> None:
    found = places(words).tolist()
    folded = [word.casefold().strip() for word in words]
    known = sorted({*folded} - {""})
    assert found == [known.index(word) if word else -1 for word in folded]


@given(st.lists(st.sampled_from([-1.5, 0.0, 2.0, 20240131.0, 20240132.0, float("nan")])))
def test_places_of_numbers_rise_and_what_is_none_has_none(numbers: list[float]) -> None:
    known = sorted({number for number in numbers if number == number})
    expected = [known.index(number) if number == number else -1 for number in numbers]
    assert places(np.array(numbers)).tolist() == expected
    whole = [int(number) for number in numbers if number == number]
    assert places(np.array(whole, dtype=np.int64)).tolist() == [sorted({*whole}).index(one) for one in whole]
