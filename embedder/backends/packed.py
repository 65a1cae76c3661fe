"""The fast runtime: a transformer's vectors without padding, several batches at a time.

The same numbers as the reference runtime, which stands beside it: its weights, its tokens, its
pooling and what follows. Whether they are the same is checked on texts when a model is loaded.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from embedder.backends.architectures import Unsupported, make_encoder
from embedder.backends.sentence_transformers import SentenceTransformersBackend
from embedder.types import Prompt, Text, TokenizedText, TokenSpans

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

_TAIL = frozenset({"Dense", "Dropout", "LayerNorm", "Normalize"})
"""Modules that read nothing but the pooled vector."""

_TOLERANCE = 1e-5
_PROBES = ("a", "Hello world", "a text of a dozen words or so, with punctuation. And more?", "long " * 300)


class PackedBackend:
    """One copy of the weights; as many batches at a time as cores, or one over all of them."""

    pads = False

    def __init__(self, reference: SentenceTransformersBackend) -> None:
        """Take over from `reference`, whose weights are shared.

        Raises:
            Unsupported: the model has no packed form, or its vectors are not the reference's.
        """
        if reference.device != "cpu":
            raise Unsupported(f"device {reference.device}")
        modules = list(reference.model)
        names = [type(module).__name__ for module in modules]
        if names[:2] != ["Transformer", "Pooling"] or not _TAIL.issuperset(names[2:]):
            raise Unsupported(f"modules {', '.join(names)}")
        self._reference = reference
        self._transformer, self._pooling, *self._tail = modules
        self._is_mean = self._pooling.pooling_mode == "mean"
        self._encoder = make_encoder(self._transformer.auto_model)
        self._running = 0
        self._lock = threading.Lock()
        self.workers = reference.threads
        self.info = replace(reference.info, runtime="packed")
        self._compare()

    def tokenize(self, texts: Sequence[Text], prompt: Prompt) -> list[TokenizedText]:
        """As the reference does.

        Raises:
            InvalidInput: the model takes no token ids.
        """
        return self._reference.tokenize(texts, prompt)

    def spans(self, texts: Sequence[str], prompt: Prompt) -> list[TokenSpans]:
        """As the reference does.

        Raises:
            InvalidInput: the model has no tokenizer that shows places.
        """
        return self._reference.spans(texts, prompt)

    def encode(self, batch: Sequence[TokenizedText]) -> NDArray[np.float32]:
        """Float32 `(n, info.dimensions)`, row i for `batch[i]`."""
        import torch

        with self._threads(), torch.inference_mode():
            vectors: NDArray[np.float32] = self._vectors(batch).float().numpy()
        return vectors

    def close(self) -> None:
        """Memory goes with the last reference."""

    def _vectors(self, batch: Sequence[TokenizedText]) -> Tensor:
        import torch

        order = sorted(range(len(batch)), key=lambda row: batch[row].prompt_tokens)
        groups = [
            torch.tensor([batch[row].token_ids for row in rows])
            for _, rows in groupby(order, key=lambda row: batch[row].prompt_tokens)
        ]
        pooled = torch.cat([self._pool(hidden, batch[0]) for hidden in self._encoder.encode(groups)])
        features: dict[str, Any] = {
            "sentence_embedding": torch.empty_like(pooled).index_copy_(0, torch.tensor(order), pooled)
        }
        for module in self._tail:
            features = module(features)
        vectors: Tensor = features["sentence_embedding"]
        return vectors

    def _pool(self, hidden: Tensor, text: TokenizedText) -> Tensor:
        """`(n, L, hidden)` to `(n, hidden)`; the mean, by far the most frequent, needs no mask."""
        import torch

        prompt = text.prompt.text
        if self._is_mean and (self._pooling.include_prompt or not prompt):
            return hidden.mean(dim=1)
        mask = torch.ones(hidden.shape[:2], dtype=torch.long)
        features: dict[str, Any] = {"token_embeddings": hidden, "attention_mask": mask}
        if prompt:
            features["prompt_length"] = self._transformer._get_prompt_length(prompt)
        pooled: Tensor = self._pooling(features)["sentence_embedding"]
        return pooled

    @contextmanager
    def _threads(self) -> Iterator[None]:
        """One thread for each batch of several at a time, all cores for a lone one.

        OpenMP's thread count belongs to the thread that sets it.
        """
        import torch

        with self._lock:
            self._running += 1
            alone = self._running == 1
        try:
            torch.set_num_threads(self._reference.threads if alone else 1)
            yield
        finally:
            with self._lock:
                self._running -= 1

    def _compare(self) -> None:
        import numpy as np

        batch = self.tokenize(_PROBES, Prompt())
        if any(text.token_ids is None for text in batch):
            raise Unsupported("tokens that are not shown")
        difference = float(np.abs(self.encode(batch) - self._reference.encode(batch)).max())
        if not difference <= _TOLERANCE:
            raise Unsupported(f"vectors that differ by {difference:.1e}")
