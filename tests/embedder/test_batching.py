from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from embedder.batching import choose_batch

lengths = st.lists(st.integers(1, 600), min_size=1, max_size=300)


@given(lengths, st.integers(1, 2048), st.booleans())
def test_oldest_text_is_always_in_and_budget_holds(
    lengths_tokens: list[int], budget_tokens: int, pads: bool
) -> None:
    chosen = choose_batch(lengths_tokens, budget_tokens, pads=pads)
    assert 0 in chosen
    assert len(set(chosen)) == len(chosen)
    taken = [lengths_tokens[index] for index in chosen]
    cost = len(taken) * max(taken) if pads else sum(taken)
    assert cost <= budget_tokens or len(taken) == 1


@given(lengths, st.integers(1, 2048), st.booleans())
def test_batches_are_runs_of_like_lengths(lengths_tokens: list[int], budget_tokens: int, pads: bool) -> None:
    chosen = set(choose_batch(lengths_tokens, budget_tokens, pads=pads))
    low = min(lengths_tokens[index] for index in chosen)
    high = max(lengths_tokens[index] for index in chosen)
    left_out = [n for index, n in enumerate(lengths_tokens) if index not in chosen]
    assert not [n for n in left_out if low < n < high]


def test_likest_lengths_join_the_oldest() -> None:
    assert sorted(choose_batch([10, 200, 11, 9, 500], 30, pads=True)) == [0, 3]
    assert sorted(choose_batch([10, 200, 11, 9, 500], 33, pads=True)) == [0, 2, 3]


def test_batch_is_filled_as_far_as_the_budget_goes() -> None:
    assert len(choose_batch([8] * 100, 512, pads=True)) == 64
    assert len(choose_batch([8] * 100, 512, pads=False)) == 64
