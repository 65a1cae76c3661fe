"""The product by oneDNN is torch's own, whatever the rows, and is computed in few numbers of them."""

from __future__ import annotations

from typing import Any

import pytest

from embedder.backends.linear import PlainLinear, Product, fastest_product, onednn_linear

ACTIVATIONS: tuple[Any, ...] = ("none", "gelu", "gelu_tanh", "relu")


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("biased", [True, False])
def test_both_products_agree_on_either_side_of_the_fused_one(activation: Any, biased: bool) -> None:
    import torch

    torch.manual_seed(1)
    weight, bias = torch.randn(48, 32), torch.randn(48) if biased else None
    ours, plain = (make(weight, bias, activation) for make in (onednn_linear, PlainLinear))
    for rows in (1, 63, 64, 65, 200):
        values = torch.randn(rows, 32)
        with torch.inference_mode():
            torch.testing.assert_close(ours(values), plain(values), rtol=1e-5, atol=1e-5)


def test_the_laid_out_weight_is_a_copy() -> None:
    import torch

    weight, values = torch.randn(16, 8), torch.randn(70, 8)
    with torch.inference_mode():
        linear = onednn_linear(weight, None)
        before = linear(values)
        weight.zero_()
        assert torch.equal(linear(values), before)


def test_rows_are_rounded_up_by_little_to_few_numbers() -> None:
    product = Product(PlainLinear, rounds=True)
    rounded = [product.rows(tokens) for tokens in range(1, 4097)]
    assert all(rows >= tokens for tokens, rows in enumerate(rounded, 1))
    assert all(rows - tokens < max(8, tokens / 16) for tokens, rows in enumerate(rounded, 1))
    assert len(set(rounded)) < 160
    assert [product.rows(rows) for rows in rounded] == rounded


def test_a_product_without_programs_computes_what_there_is() -> None:
    assert [Product(PlainLinear).rows(tokens) for tokens in (1, 77, 513)] == [1, 77, 513]


def test_without_onednn_torch_multiplies(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: Any) -> Any:
        raise AttributeError("_reorder_linear_weight")

    monkeypatch.setattr("embedder.backends.linear.onednn_linear", missing)
    assert fastest_product(64) == Product(PlainLinear)


def test_a_product_that_is_wrong_is_not_taken_however_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def wrong(weight: Any, *_: Any) -> Any:
        return lambda rows: torch.zeros(len(rows), len(weight))

    monkeypatch.setattr("embedder.backends.linear.onednn_linear", wrong)
    assert fastest_product(64) == Product(PlainLinear)


def test_the_trial_leaves_the_number_of_threads_as_it_was() -> None:
    import torch

    before = torch.get_num_threads()
    fastest_product(64)
    assert torch.get_num_threads() == before
