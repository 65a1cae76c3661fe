from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedder.analysis import cosine_similarity
from embedder.analysis.explain import (
    MAX_PARTS,
    contributions,
    left_out,
    parts_of,
    pieces_of,
    shared_words,
    word_key,
)


def words(text: str) -> list[str]:
    return [piece.text for piece in pieces_of(text) if piece.is_word]


@given(st.text())
def test_pieces_make_up_the_text(text: str) -> None:
    assert "".join(piece.text for piece in pieces_of(text)) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It's so sunny — outside!", ["It's", "so", "sunny", "outside"]),
        ("état-major, 3.14 und naïve", ["état-major", "3.14", "und", "naïve"]),
        ("我爱北京", ["我", "爱", "北", "京"]),
        ("カメラを買う", ["カメラ", "を", "買", "う"]),
        ("วันนี้อากาศดีมาก 2", ["วัน", "นี้", "อากาศ", "ดี", "มาก", "2"]),
        ("مرحبا بالعالم", ["مرحبا", "بالعالم"]),
        ("a 👩‍🚀🐶 b", ["a", "👩‍🚀", "🐶", "b"]),
        (" \n…", []),
        ("", []),
    ],
)
def test_words_of_many_scripts(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_shared_words_set_case_aside() -> None:
    left, right = pieces_of("The CAT sat; ﬁne"), pieces_of("a cat, fine, the end")
    assert shared_words(left, right) == {"the", "cat", "fine"}
    assert word_key("STRASSE") == word_key("straße")


@given(
    st.lists(st.sampled_from(["alpha", "beta", "我", "🐶", "x1"]), max_size=300), st.integers(1, MAX_PARTS)
)
def test_every_word_is_left_out_once(tokens: list[str], most: int) -> None:
    pieces = pieces_of(" ".join(tokens))
    parts = parts_of(pieces, most)
    assert len(parts) <= most
    left = [place for part in parts for place in part if pieces[place].is_word]
    assert left == [place for place, piece in enumerate(pieces) if piece.is_word]
    for part in parts:
        rest = left_out(pieces, part)
        gone = [pieces[place].text for place in part if pieces[place].is_word]
        assert len(words(rest)) == len(tokens) - len(gone)
        assert "  " not in rest


def test_what_a_part_adds_is_the_cosine_that_is_lost_with_it() -> None:
    rng = np.random.default_rng(3)
    whole, other, without = rng.normal(size=8), rng.normal(size=8), rng.normal(size=(5, 8))
    cosine = float(cosine_similarity(whole[None], other[None])[0, 0])
    found = contributions(cosine, without, other)
    expected = [cosine - row @ other / np.linalg.norm(row) / np.linalg.norm(other) for row in without]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert contributions(cosine, np.empty((0, 8)), other).shape == (0,)
