from __future__ import annotations

import numpy as np
import pytest

from embedder.analysis import leaf_order


def test_like_stands_beside_like() -> None:
    angles = np.radians([0, 90, 2, 92, 1, 91])
    order = leaf_order(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    whose = [int(index) % 2 for index in order]
    assert whose in ([0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0])
    assert sorted(order.tolist()) == list(range(6))


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_few_rows_and_equal_ones_have_an_order(n: int) -> None:
    assert sorted(leaf_order(np.ones((n, 4))).tolist()) == list(range(n))
