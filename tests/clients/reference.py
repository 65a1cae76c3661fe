"""What the client tests compare with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

TEXTS = ["Hello world", "Grüße aus Köln, 你好, नमस्ते 🚀", "He drove to the stadium.", "hello  WORLD"]

# TEXTS in cl100k_base, by tiktoken 0.14.0.
TOKEN_IDS: list[list[int]] = [
    [9906, 1917],
    [
        6600,
        2448,
        24352,
        9608,
        65994,
        2312,
        11,
        220,
        57668,
        53901,
        11,
        15272,
        101,
        88344,
        79468,
        31584,
        97,
        35470,
        11410,
        248,
        222,
    ],
    [1548, 23980, 311, 279, 24833, 13],
    [15339, 220, 51991],
]


def vectors_of(answer: dict[str, Any]) -> NDArray[np.float32]:
    """The vectors of an OpenAI answer `(n, d)`, its rows checked to be in order."""
    assert [row["index"] for row in answer["data"]] == list(range(len(answer["data"])))
    return np.array([row["embedding"] for row in answer["data"]], dtype=np.float32)


def assert_vectors(actual: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    """Equal within 1e-5, which any two of the reference rows are not."""
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)


def assert_same_bits(actual: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    """Equal to the last bit of each float32."""
    assert actual.dtype == expected.dtype == np.float32
    assert actual.tobytes() == expected.tobytes()
