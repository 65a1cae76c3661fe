"""What is left of neighbourhoods: against a plain count, and where the answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedder.analysis import retention
from embedder.analysis.neighbours import Neighbours, nearest_neighbours
from embedder.analysis.retention import (
    CODINGS,
    as_bits,
    as_int8,
    cut_to,
    int8_codes,
    margin,
    mean_kept,
    shares_kept,
    true_neighbours,
    whole_truth,
    widths,
)
from embedder.analysis.similarity import unit_rows

CLOUDS = st.builds(
    lambda n, d, seed: np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32),
    st.integers(6, 60), st.integers(2, 24), st.integers(0, 2**32 - 1),
)  # fmt: skip


def share_kept(*given: Any, shortlist: int = 0) -> float:
    return float(shares_kept(*given, shortlist=shortlist).mean())


def counted_of_each(vectors: np.ndarray, smaller: np.ndarray, k: int) -> list[float]:
    """The shares by sets, one row after the other; right where no two cosines are equal."""

    def near(rows: np.ndarray, row: int) -> set[int]:
        unit = rows.astype(np.float64) / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
        scores = unit @ unit[row]
        scores[row] = -np.inf
        return set(np.argsort(-scores)[:k].tolist())

    return [len(near(vectors, row) & near(smaller, row)) / k for row in range(len(vectors))]


def counted(vectors: np.ndarray, smaller: np.ndarray, k: int) -> float:
    return float(np.mean(counted_of_each(vectors, smaller, k)))


@given(CLOUDS)
def test_all_dimensions_keep_all_and_fewer_keep_what_a_plain_count_says(vectors: np.ndarray) -> None:
    unit = unit_rows(vectors)
    truth = true_neighbours(unit, k=5)
    assert share_kept(truth, unit, cut_to(unit, vectors.shape[1])) == 1
    half = cut_to(unit, max(2, vectors.shape[1] // 2))
    assert share_kept(truth, unit, half) == pytest.approx(counted(vectors, half, 5), abs=0.02)


@given(CLOUDS)
def test_a_shortlist_keeps_at_least_as_much_and_a_whole_one_all(vectors: np.ndarray) -> None:
    unit = unit_rows(vectors)
    truth, bits = true_neighbours(unit, k=5), as_bits(unit)
    found = [share_kept(truth, unit, bits, shortlist=size) for size in (0, 5, 10, len(vectors) - 1)]
    assert found == sorted(found)
    assert found[0] == found[1]
    assert found[-1] == 1
    assert all(0 <= share <= 1 for share in found)


@given(CLOUDS)
def test_int8_is_within_half_a_step_and_bits_are_signs(vectors: np.ndarray) -> None:
    unit = unit_rows(vectors)
    steps = (unit.max(axis=0) - unit.min(axis=0)) / 255
    assert (np.abs(as_int8(unit) - unit) <= 0.51 * steps + 1e-6).all()
    np.testing.assert_array_equal(as_bits(unit), np.where(unit > 0, 1, -1))


@pytest.mark.model
def test_codes_are_those_of_sentence_transformers() -> None:
    from sentence_transformers.util.quantization import quantize_embeddings

    unit = unit_rows(np.random.default_rng(3).normal(size=(200, 48)))
    unit[:, 7] = 0.25
    ranges = np.stack([unit.min(axis=0), unit.max(axis=0)])
    np.testing.assert_array_equal(int8_codes(unit)[0], quantize_embeddings(unit, "uint8", ranges=ranges))
    bits = np.packbits(as_bits(unit) > 0, axis=1)
    np.testing.assert_array_equal(bits, quantize_embeddings(unit, "ubinary"))
    assert (as_int8(unit)[:, 7] == 0.25).all(), "a constant stays what it is"


@given(CLOUDS)
def test_the_cosine_of_bits_orders_as_hamming_does(vectors: np.ndarray) -> None:
    bits = as_bits(unit_rows(vectors))
    hamming = (bits[0] != bits).sum(axis=1)
    cosines = unit_rows(bits) @ unit_rows(bits)[0]
    np.testing.assert_allclose(cosines, 1 - 2 * hamming / bits.shape[1], atol=1e-6)


def test_equal_texts_are_no_loss() -> None:
    same = np.tile(np.float32([[0.6, 0.8, 0.0]]), (30, 1))
    truth = true_neighbours(same)
    for smaller in (cut_to(same, 1), as_int8(same), as_bits(same)):
        assert share_kept(truth, same, smaller) == 1


def test_what_a_cut_takes_away_is_missed() -> None:
    """Two groups that differ in the last dimension only: without it half of the neighbours are strangers."""
    random = np.random.default_rng(0)
    vectors = random.normal(size=(400, 9)).astype(np.float32)
    vectors[:, 8] = np.where(np.arange(400) % 2, 9, -9)
    unit = unit_rows(vectors)
    truth = true_neighbours(unit)
    assert share_kept(truth, unit, cut_to(unit, 9)) == 1
    assert share_kept(truth, unit, cut_to(unit, 8)) < 0.65


def test_many_vectors_are_measured_on_rows_spread_over_all() -> None:
    unit = unit_rows(np.random.default_rng(1).normal(size=(3000, 8)))
    truth = true_neighbours(unit, most_scores=300_000)
    assert (len(truth.rows), truth.rows[0], truth.rows[-1]) == (100, 0, 2999)
    whole = share_kept(true_neighbours(unit), unit, cut_to(unit, 6))
    assert share_kept(truth, unit, cut_to(unit, 6)) == pytest.approx(whole, abs=0.06)


@pytest.mark.parametrize("block_bytes", [1, 5000, 2**24])
def test_the_whole_is_what_a_plain_count_says_whatever_fits_a_block(
    monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    monkeypatch.setattr(retention, "BLOCK_BYTES", block_bytes)
    vectors = np.random.default_rng(6).normal(size=(150, 24)).astype(np.float32)
    unit = unit_rows(vectors)
    truth = whole_truth(nearest_neighbours(vectors))
    assert truth.rows.tolist() == list(range(150))
    for smaller in (cut_to(unit, 24), cut_to(unit, 9), as_int8(unit)):
        told: list[float] = []
        shares = shares_kept(truth, unit, smaller, progress=told.append)
        np.testing.assert_allclose(shares, counted_of_each(unit, smaller, 10), atol=1e-6)
        assert told == sorted(told)
        assert told[-1] == 1
    # A sample that is all rows is the whole, bits with their many equal cosines too.
    of_all = true_neighbours(unit)
    for smaller, shortlist in ((as_bits(unit), 0), (as_bits(unit), 40), (cut_to(unit, 3), 0)):
        whole, sampled = (shares_kept(one, unit, smaller, shortlist=shortlist) for one in (truth, of_all))
        np.testing.assert_array_equal(whole, sampled)


def test_lists_that_end_before_the_tenth_other_are_no_truth() -> None:
    short = Neighbours(np.zeros((20, 10), dtype=np.int64), np.zeros((20, 10), dtype=np.float32))
    with pytest.raises(ValueError, match="do not hold 10 others"):
        whole_truth(short)


def test_nineteen_of_twenty_samples_are_within_their_margin() -> None:
    random = np.random.default_rng(3)
    shares = random.choice([0, 0.3, 0.5, 0.9, 1], size=2000).astype(np.float32)
    samples = [random.choice(shares, size=400, replace=False) for _ in range(1000)]
    inside = [abs(sample.mean() - shares.mean()) <= margin(sample, len(shares)) for sample in samples]
    assert 0.92 < np.mean(inside) < 0.98
    assert margin(shares, len(shares)) == 0, "of all there is nothing to guess"
    (sample, *_) = samples
    assert mean_kept(sample, len(shares)) == (sample.mean(), margin(sample, len(shares)))


def test_widths_and_bytes() -> None:
    assert widths(384) == [8, 16, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384]
    assert widths(1) == [1]
    assert widths(5)[-1] == 5
    assert [coding.bytes_of(384) for coding in CODINGS.values()] == [384, 48, 48]
    assert CODINGS["binary"].bytes_of(9) == 2


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="each is one of the 10 nearest"):
        true_neighbours(np.eye(10, dtype=np.float32))
    with pytest.raises(ValueError, match="1 to 4"):
        cut_to(np.eye(4, dtype=np.float32), 5)
